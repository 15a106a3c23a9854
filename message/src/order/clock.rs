//! How far the clocks of the sources are apart, by what a call measures itself and what others measured in its hour.

use std::collections::BTreeMap;

use super::cause::{Sample, Samples};
use crate::clock::{Clocks, Kept, Log, Measured};
use crate::gap::{Gaps, MILLISECOND};
use crate::number::NumberSet;
use crate::scene::Scene;
use crate::scene::logger::Loggers;
use crate::shift::{self, Clock};
use record::time::SECOND;

/// By source: microseconds to add to its times. A call keeps the shifts that others measured, unless it shows itself that a
/// message would come before it was sent.
pub fn shifts(scene: &Scene, loggers: &Loggers, samples: &Samples, clocks: &Clocks) -> Vec<i64> {
    let own = own(loggers);
    let mut known = vec![None; scene.sources];
    for (source, (agent, name)) in names(scene) {
        known[source] = clocks.shift(agent, name);
    }
    // One clock, whichever of its logs was measured.
    for (source, first) in loggers.copied.iter().enumerate() {
        known[*first] = known[*first].or(known[source]);
    }
    let times = times(scene);
    let clock = |source: usize| {
        let (count, whole) = times[source];
        let tick = if whole && count > 1 { SECOND } else { MILLISECOND };
        Clock { tick, votes: own.contains(&source), known: known[source].or(known[loggers.copied[source]]) }
    };
    let clocks: Vec<Clock> = (0..scene.sources).map(clock).collect();
    shift::shifts(&clocks, &samples.iter().map(|(pair, sample)| (*pair, gaps(sample))).collect())
}

/// What other calls of the same hour may use. A second log of one machine has no say.
pub fn measured(scene: &Scene, loggers: &Loggers, samples: &Samples) -> Measured {
    let mut measured = Measured::default();
    if samples.is_empty() {
        return measured;
    }
    let own = own(loggers);
    let names: BTreeMap<usize, Log> =
        names(scene).map(|(source, (agent, name))| (source, (agent.to_owned(), name.to_owned()))).collect();
    let call = scene.messages.iter().map(|message| message.call).min().map_or(0, |call| {
        let [a, b, c, d, e, f, g, h, ..] = call.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    });
    for ((cause, effect), sample) in samples {
        if !own.contains(cause) || !own.contains(effect) {
            continue;
        }
        let mut kept = Kept::default();
        // Who is only guessed to write a log may be who received what that says.
        if loggers.clear[*cause] && loggers.clear[*effect] {
            for &(which, gap) in &sample.by_both {
                kept.by_both.add(which, gap);
            }
        }
        for (kept, gap) in [(&mut kept.passed_on, sample.passed_on), (&mut kept.answered, sample.answered)] {
            if let Some(gap) = gap {
                kept.add(call, gap);
            }
        }
        if kept != Kept::default() {
            measured.add(&names[cause], &names[effect], &kept);
        }
    }
    for (source, (count, whole)) in times(scene).into_iter().enumerate() {
        if count > 1 || !whole {
            measured.note_times(&names[&source], !whole);
        }
    }
    measured
}

fn gaps(sample: &Sample) -> Gaps {
    let mut gaps: Vec<i64> = sample.by_both.iter().map(|(_, gap)| *gap).collect();
    gaps.sort_unstable();
    let by_both = gaps.first().copied().zip(gaps.get(gaps.len() / 2).copied());
    Gaps { by_both, passed_on: sample.passed_on, answered: sample.answered }
}

/// Sources that are the first log of a machine.
fn own(loggers: &Loggers) -> NumberSet<usize> {
    loggers.source.iter().flatten().copied().collect()
}

/// Agent and name of each source.
fn names<'a>(scene: &'a Scene) -> impl Iterator<Item = (usize, (&'a str, &'a str))> {
    let mut named = vec![false; scene.sources];
    scene.messages.iter().zip(&scene.source).filter_map(move |(message, source)| {
        let first = !std::mem::replace(&mut named[*source], true);
        first.then(|| (*source, (message.place.agent.as_str(), message.place.source.as_str())))
    })
}

/// By source: how many messages it has, and whether the times of all are whole seconds.
fn times(scene: &Scene) -> Vec<(usize, bool)> {
    let mut times = vec![(0, true); scene.sources];
    for (message, source) in scene.messages.iter().zip(&scene.source) {
        times[*source].0 += 1;
        times[*source].1 &= message.time.0 % SECOND == 0;
    }
    times
}
