//! Which machine writes a log: the one that takes part in all that the log tells.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::base::Bases;
use super::{Scene, to_tag};
use crate::logged::Message;
use crate::machine::MOST;
use crate::number::{ByNumber, NumberSet};
use record::time::Timestamp;

/// More logs of one message than this say nothing new of who writes them.
const LOGS: usize = 4;

/// The machines that write each source.
pub struct Loggers {
    pairs: NumberSet<(usize, usize)>,
    /// By base: the source it writes, the least of several.
    pub source: Vec<Option<usize>>,
    /// By source: its machine was learned, or takes part in more of it than any other.
    pub clear: Vec<bool>,
    /// By source: the one that holds the same records, or itself.
    pub copied: Vec<usize>,
}

impl Loggers {
    /// Takes for each source the machines that were learned of it; where none of them is here, a guess from its messages. What
    /// passes a request on in a log writes it, too, and a second copy of a log has the machines of the first.
    pub fn of(scene: &Scene, bases: &Bases) -> Self {
        let mut logs: Vec<Log> = (0..scene.sources).map(|source| Log { source, ..Log::default() }).collect();
        for (index, source) in scene.source.iter().enumerate() {
            logs[*source].messages.push(index);
        }
        for log in &mut logs {
            let best = touched(scene, bases, &log.messages).map(|(_, by)| by.touching);
            let most = best.clone().max();
            log.unclear = best.filter(|touching| Some(*touching) == most).count() > 1;
            log.first = log.messages.iter().map(|message| scene.messages[*message].time).min();
        }
        // What is clear is told first, so that it helps with the rest.
        logs.sort_by_key(|log| (log.unclear, log.first, log.source));
        let (source, clear) = (vec![None; bases.count()], vec![false; scene.sources]);
        let copied = copied(scene, &logs);
        let mut loggers = Self { pairs: NumberSet::default(), source, clear, copied };
        let mut others = Others { taken: vec![None; bases.count()], twice: logged_twice(scene) };
        for Log { source, messages: left, unclear, .. } in logs {
            let known = learned(scene, bases, &left);
            if known.is_empty() && loggers.copied[source] != source {
                continue;
            }
            loggers.clear[source] = !unclear || !known.is_empty();
            for &base in &known {
                loggers.note(source, base);
            }
            if known.is_empty() {
                loggers.guess(scene, bases, (source, left), &mut others);
            }
        }
        for (source, base) in passers(scene, bases) {
            if loggers.source[base].is_none() {
                loggers.note(source, base);
            }
        }
        let mut written: ByNumber<usize, Vec<usize>> = ByNumber::default();
        for (source, base) in &loggers.pairs {
            written.entry(*source).or_default().push(*base);
        }
        for (source, original) in loggers.copied.iter().enumerate() {
            loggers.pairs.extend(written.get(original).into_iter().flatten().map(|base| (source, *base)));
        }
        loggers
    }

    /// The machine that most messages touch, then one for those left, and so on. Where two touch equally many: not the one that
    /// another agent's log is of, or a log that holds the same messages (a machine logs a message once), then the one where the
    /// Vias say a proxy stands.
    fn guess<'s>(
        &mut self,
        scene: &'s Scene,
        bases: &Bases,
        (source, mut left): (usize, Vec<usize>),
        others: &mut Others<'s>,
    ) {
        for _ in 0..MOST {
            let Some(&message) = left.first() else { break };
            let agent = scene.messages[message].place.agent.as_str();
            let named = |base: usize| &scene.addresses[bases.address[base]];
            let best = touched(scene, bases, &left).filter(|(base, _)| !named(*base).host.is_empty()).max_by_key(
                |(base, by)| {
                    let free = others.taken[*base].is_none_or(|(other, log)| {
                        other == agent && !others.twice.contains(&(source.min(log), source.max(log)))
                    });
                    (by.touching, free, by.hints, Reverse(named(*base)))
                },
            );
            let Some((base, _)) = best else { break };
            others.taken[base].get_or_insert((agent, source));
            self.note(source, base);
            left.retain(|&m| bases.of[scene.from[m]] != base && bases.of[scene.to[m]] != base);
        }
    }

    /// The machine writes this source.
    fn note(&mut self, source: usize, base: usize) {
        self.pairs.insert((source, base));
        self.source[base] = self.source[base].into_iter().chain([source]).min();
    }

    pub fn writes(&self, base: usize, source: usize) -> bool {
        self.pairs.contains(&(source, base))
    }

    /// Each source with each base that writes it.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        self.pairs.iter().copied()
    }

    pub fn is_server(&self, base: usize) -> bool {
        self.source[base].is_some()
    }
}

/// What is known of other logs while one is looked at.
struct Others<'s> {
    /// By base: agent and source of the log that it writes, as was guessed.
    taken: Vec<Option<(&'s str, usize)>>,
    twice: NumberSet<(usize, usize)>,
}

/// One source, on the way to its machine.
#[derive(Default)]
struct Log {
    source: usize,
    messages: Vec<usize>,
    unclear: bool,
    first: Option<Timestamp>,
}

#[derive(Clone, Default)]
struct Touched {
    touching: usize,
    hints: usize,
}

fn touched(scene: &Scene, bases: &Bases, left: &[usize]) -> impl Iterator<Item = (usize, Touched)> + Clone + use<> {
    let mut touched: ByNumber<usize, Touched> = ByNumber::default();
    for &message in left {
        let (from, to) = (bases.of[scene.from[message]], bases.of[scene.to[message]]);
        touched.entry(from).or_default().touching += 1;
        if to != from {
            touched.entry(to).or_default().touching += 1;
        }
        touched.entry(if scene.messages[message].by_sender() { from } else { to }).or_default().hints += 1;
    }
    touched.into_iter().collect::<Vec<_>>().into_iter()
}

/// By source: machines that pass a request on between two different neighbours, as its log says.
fn passers(scene: &Scene, bases: &Bases) -> BTreeSet<(usize, usize)> {
    let mut arrived: ByNumber<(usize, usize), Vec<(usize, usize)>> = ByNumber::default();
    let request = |message: &usize| !scene.messages[*message].facts.response && scene.sip(*message).is_some();
    let requests = || (0..scene.messages.len()).filter(request);
    let ends = |message: usize| (bases.of[scene.from[message]], bases.of[scene.to[message]]);
    for message in requests() {
        arrived.entry((scene.source[message], scene.transaction[message])).or_default().push(ends(message));
    }
    let passes = |message: usize| {
        let source = scene.source[message];
        let (from, to) = ends(message);
        let named = !scene.addresses[bases.address[from]].host.is_empty();
        let mut before = arrived.get(&(source, scene.below[message]?))?.iter();
        before.any(|(before, at)| *at == from && *before != to && *before != from && named).then_some((source, from))
    };
    requests().filter_map(passes).collect()
}

/// Machines that are known to write the log of these messages.
fn learned(scene: &Scene, bases: &Bases, messages: &[usize]) -> BTreeSet<usize> {
    let mut machines = BTreeSet::new();
    let mut last = None;
    for &message in messages {
        let place = &scene.messages[message].place;
        // Messages of one log stand beside each other more often than not.
        if !last.is_some_and(|last| Arc::ptr_eq(last, place)) {
            machines.extend(place.learned.machines.iter());
            last = Some(place);
        }
    }
    if machines.is_empty() {
        return BTreeSet::new();
    }
    let ends = messages.iter().flat_map(|message| [scene.from[*message], scene.to[*message]]);
    ends.filter(|end| machines.iter().any(|machine| machine.is_at(&scene.addresses[*end])))
        .map(|end| bases.of[end])
        .collect()
}

/// By source: the first that holds the same records of the same times. A sender's and a receiver's log do not.
fn copied(scene: &Scene, logs: &[Log]) -> Vec<usize> {
    let mut first: HashMap<Vec<_>, usize> = HashMap::new();
    let mut copied: Vec<usize> = (0..scene.sources).collect();
    if scene.sources < 2 {
        return copied;
    }
    let mut logs: Vec<&Log> = logs.iter().collect();
    logs.sort_by_key(|log| log.source);
    for log in logs {
        let record = |message: &usize| {
            let Message { time, status, len, .. } = scene.messages[*message];
            (time, scene.from[*message], scene.to[*message], scene.method(*message), status, len)
        };
        let mut records: Vec<_> = log.messages.iter().map(record).collect();
        records.sort_unstable();
        copied[log.source] = *first.entry(records).or_insert(log.source);
    }
    copied
}

/// Pairs of sources that hold one and the same message, the lesser first.
fn logged_twice(scene: &Scene) -> NumberSet<(usize, usize)> {
    let mut logs: HashMap<_, Vec<usize>> = HashMap::new();
    let mut twice = NumberSet::default();
    if scene.sources < 2 {
        return twice;
    }
    for (index, message) in scene.messages.iter().enumerate() {
        let Some(sip) = scene.sip(index) else { continue };
        let status = message.facts.status.filter(|_| message.facts.response);
        let logs = logs.entry((scene.transaction[index], scene.part(index), status, to_tag(sip))).or_default();
        let source = scene.source[index];
        if logs.len() < LOGS && !logs.contains(&source) {
            twice.extend(logs.iter().map(|other| (source.min(*other), source.max(*other))));
            logs.push(source);
        }
    }
    twice
}
