//! What each log is like, learned from the calls that are settled: which machines write it, and what never stands in it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use message::habit::Habits;
use message::learned::Learned;
use message::logged::{Message, Place};
use message::machine::{Learner, Machine};
use record::id::CallKey;
use record::time::{HOUR, Timestamp};
use store::Store;

use crate::Error;
use crate::ingest::now;

/// Logs, and calls of one log, that are kept in mind: beyond that all is learned anew.
const LOGS: usize = 1_000;
const CALLS: usize = 1_000;
/// A log of which many records were seen is looked at again after this time: two collectors see other calls.
const AGAIN: i64 = HOUR / 6;

/// Agent and source.
type Name = (String, String);

/// What was seen of each log so far.
#[derive(Debug, Default)]
pub struct Logs {
    logs: BTreeMap<Name, Log>,
}

#[derive(Debug, Default)]
struct Log {
    learner: Learner,
    habits: Habits,
    known: Learned,
    /// When so much had been seen of it last that it may rest.
    rests: Option<Timestamp>,
    /// By file and call: how far it was looked at. A call is read more than once.
    seen: HashMap<(i64, CallKey), u64>,
    /// Machines that were found last and are not believed yet: what is found twice in turn is.
    found: Option<Vec<Machine>>,
    last: Timestamp,
}

impl Logs {
    /// Looks at messages that were not looked at before, and keeps what follows from them.
    pub async fn learn(&mut self, store: &Store, messages: impl Iterator<Item = &Message>) -> Result<(), Error> {
        let now = now();
        let names = self.see(messages, now);
        if names.is_empty() {
            return Ok(());
        }
        let (writers, mut failed) = (self.writers(), None);
        for name in names {
            let Some((learned, last)) = self.news(&name, &writers, now) else { continue };
            let since = Timestamp(last.0.saturating_sub(HOUR));
            let kept = store.learn(&name.0, &name.1, &learned, since, now).await;
            let Some(log) = self.logs.get_mut(&name) else { continue };
            match kept {
                Ok(known) => {
                    let (agent, source, machines) = (&name.0, &name.1, known.machines.len());
                    tracing::debug!(agent, source, machines, habits = known.habits.len(), "learned what a log holds");
                    log.known = known;
                }
                Err(error) => {
                    log.rests = None;
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Gives the logs of which something new was seen.
    fn see<'a>(&mut self, messages: impl Iterator<Item = &'a Message>, now: Timestamp) -> Vec<Name> {
        if self.logs.len() > LOGS {
            self.logs.clear();
        }
        let mut messages: Vec<&Message> = messages.collect();
        messages.sort_unstable_by_key(|message| message.id);
        let mut names = BTreeSet::new();
        for of_one in messages.chunk_by(|a, b| a.id.stream == b.id.stream) {
            let Some(first) = of_one.first() else { continue };
            let name = (first.place.agent.clone(), first.place.source.clone());
            let log = self.logs.entry(name.clone()).or_default();
            if log.see(&first.place, of_one, now) {
                names.insert(name);
            }
        }
        names.into_iter().collect()
    }

    /// Which logs each machine writes, as far as that is known.
    fn writers(&self) -> BTreeMap<Machine, BTreeSet<Name>> {
        let mut writers: BTreeMap<Machine, BTreeSet<Name>> = BTreeMap::new();
        for (name, log) in &self.logs {
            for machine in &log.known.machines {
                writers.entry(machine.clone()).or_default().insert(name.clone());
            }
        }
        writers
    }

    /// What is known of a log now and was not before, and the time of its last record. A few records never overrule what was
    /// learned from many.
    fn news(
        &mut self,
        name: &Name,
        writers: &BTreeMap<Machine, BTreeSet<Name>>,
        now: Timestamp,
    ) -> Option<(Learned, Timestamp)> {
        let taken = |machine: &Machine| {
            let logs = writers.get(machine).into_iter().flatten();
            logs.filter(|other| *other != name).count() > 0
        };
        let log = self.logs.get_mut(name)?;
        let many = log.learner.knows_many();
        log.rests = Some(now).filter(|_| many);
        let mut learned = log.known.clone();
        if (many || learned.machines.is_empty())
            && let Some(machines) = log.learner.machines(taken)
        {
            let again = log.found.replace(machines.clone()).is_some_and(|before| before == machines);
            if again || learned.machines.is_empty() {
                learned.machines = machines;
            }
        }
        learned.learn(log.habits.known());
        (learned != log.known).then_some((learned, log.last))
    }
}

impl Log {
    /// Messages of one file, in its order. True where something of them is new.
    fn see(&mut self, place: &Arc<Place>, messages: &[&Message], now: Timestamp) -> bool {
        if self.rests.is_some_and(|since| now.micros_since(since) < AGAIN) {
            return false;
        }
        if self.known == Learned::default() {
            self.known = (*place.learned).clone();
        }
        let mut news = false;
        for message in messages.iter().filter(|message| !message.provisional && !message.is_registration()) {
            if self.seen.len() > CALLS {
                self.seen.clear();
            }
            let next = self.seen.entry((message.id.stream.0, message.call)).or_default();
            if message.id.offset.0 >= *next {
                *next = message.id.offset.0.saturating_add(1);
                self.last = self.last.max(message.time.min(now));
                self.learner.see(message.seen());
                self.habits.see(message.call, &message.facts);
                news = true;
            }
        }
        news
    }
}
