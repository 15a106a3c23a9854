//! What calls measured of the clocks of logs in one hour, and by how much these are off: the clock table.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::gap::{Gaps, MILLISECOND};
use crate::logged::Message;
use crate::shift::{self, Clock};
use record::id::MessageId;
use record::time::{HOUR, SECOND};

/// Gaps that are kept of each sort: chosen by chance, and the same ones whoever chooses.
const KEPT: usize = 32;
/// Pairs of logs that are kept.
const PAIRS: usize = 5_000;
/// Of so many gaps the least is taken for one whose cause was written late.
const LATE: usize = 10;
/// What a shift changes by without being another: a millisecond, or this part of it.
const NOISE: i64 = 20;

/// Agent and source.
pub type Log = (String, String);

/// The hour in which a call began, by its logs: hours since 1970. All of it is shown by the clocks of that hour.
pub fn hour(messages: &[Message]) -> i64 {
    let own = messages.iter().filter(|message| !message.is_registration());
    own.map(|message| message.time.0).min().unwrap_or_default().div_euclid(HOUR)
}

/// By how much the clocks of logs are off in one hour.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Clocks {
    shift: BTreeMap<Log, i64>,
}

impl FromIterator<(Log, i64)> for Clocks {
    fn from_iter<I: IntoIterator<Item = (Log, i64)>>(shifts: I) -> Self {
        Self { shift: shifts.into_iter().collect() }
    }
}

impl Clocks {
    /// Microseconds to add to the times of a log; none where it was not measured.
    pub fn shift(&self, agent: &str, source: &str) -> Option<i64> {
        if self.shift.is_empty() {
            return None;
        }
        self.shift.get(&(agent.to_owned(), source.to_owned())).copied()
    }

    /// Takes what was measured meanwhile. A shift stays as it is while it changes by no more than noise, so that what was settled
    /// before is still right. Gives what changed, and of that the logs whose calls look different now.
    pub fn take(&mut self, now: &Self) -> Option<Vec<Log>> {
        let changed = now.shift.iter().filter(|(log, shift)| {
            let noise = |known: &i64| {
                shift.saturating_sub(*known).saturating_abs() <= MILLISECOND.max(known.saturating_abs() / NOISE)
            };
            !self.shift.get(*log).is_some_and(noise)
        });
        let changed: Vec<(&Log, i64)> = changed.map(|(log, shift)| (log, *shift)).collect();
        let (mut again, any) = (Vec::new(), !changed.is_empty());
        for (log, shift) in changed {
            let before = self.shift.insert(log.clone(), shift);
            if before.unwrap_or(0) != shift {
                again.push(log.clone());
            }
        }
        any.then_some(again)
    }
}

/// What was measured in one hour. Merging knows no order, and the same again changes nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Whether the times of a log are finer than a second, where that is known.
    fine: BTreeMap<Log, Option<bool>>,
    /// By log of the cause and log of the effect.
    gaps: BTreeMap<(Log, Log), Kept>,
}

/// How much later than its cause an effect was logged, of one pair of logs.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    /// Of messages that both logged.
    pub by_both: Sample,
    /// Of messages that a proxy passed on.
    pub passed_on: Sample,
    /// Of requests and their responses.
    pub answered: Sample,
}

/// A few gaps of many, in microseconds, by a number that says which those are.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Sample(BTreeMap<u64, i64>);

impl Measured {
    pub fn is_empty(&self) -> bool {
        self.gaps.is_empty()
    }

    /// True where that says something new.
    pub fn merge(&mut self, other: &Self) -> bool {
        let mut news = false;
        for ((cause, effect), kept) in &other.gaps {
            news |= self.add(cause, effect, kept);
        }
        for (log, fine) in &other.fine {
            if let Some(known) = self.fine.get_mut(log) {
                news |= fine > known;
                *known = (*known).max(*fine);
            }
        }
        news
    }

    /// Adds gaps between two logs. True where they say something new.
    pub fn add(&mut self, cause: &Log, effect: &Log, kept: &Kept) -> bool {
        let pair = (cause.clone(), effect.clone());
        if self.gaps.len() >= PAIRS && !self.gaps.contains_key(&pair) {
            return false;
        }
        for log in [cause, effect] {
            self.fine.entry(log.clone()).or_default();
        }
        let known = self.gaps.entry(pair).or_default();
        let sorts = [
            (&mut known.by_both, &kept.by_both),
            (&mut known.passed_on, &kept.passed_on),
            (&mut known.answered, &kept.answered),
        ];
        sorts.into_iter().fold(false, |news, (known, sample)| known.merge(sample) || news)
    }

    /// Of a log that has gaps: whether its times are finer than a second.
    pub(crate) fn note_times(&mut self, log: &Log, fine: bool) {
        if let Some(known) = self.fine.get_mut(log) {
            *known = (*known).max(Some(fine));
        }
    }

    /// By how much clocks are off by all that.
    pub fn clocks(&self) -> Clocks {
        let logs: BTreeSet<&Log> = self.fine.keys().collect();
        let logs: Vec<&Log> = logs.into_iter().collect();
        let number = |log: &Log| logs.partition_point(|other| *other < log);
        let gaps =
            self.gaps.iter().map(|((cause, effect), kept)| ((number(cause), number(effect)), kept.gaps())).collect();
        let tick = |log: &&Log| if self.fine.get(*log) == Some(&Some(false)) { SECOND } else { MILLISECOND };
        let clocks: Vec<Clock> = logs.iter().map(|log| Clock { tick: tick(log), votes: true, known: None }).collect();
        let shifts = shift::shifts(&clocks, &gaps);
        logs.into_iter().cloned().zip(shifts).collect()
    }
}

impl Kept {
    fn gaps(&self) -> Gaps {
        Gaps {
            by_both: self.by_both.least().zip(self.by_both.median()),
            passed_on: self.passed_on.least(),
            answered: self.answered.least(),
        }
    }
}

impl Sample {
    /// True where that says something new.
    pub fn add(&mut self, which: u64, gap: i64) -> bool {
        let full = self.0.len() >= KEPT;
        if full && self.0.last_key_value().is_some_and(|(last, _)| *last < which) {
            return false;
        }
        let before = self.0.get(&which).copied();
        if before.is_some_and(|before| before <= gap) {
            return false;
        }
        self.0.insert(which, gap);
        if full && before.is_none() {
            self.0.pop_last();
        }
        true
    }

    fn merge(&mut self, other: &Self) -> bool {
        other.0.iter().fold(false, |news, (which, gap)| self.add(*which, *gap) || news)
    }

    fn least(&self) -> Option<i64> {
        let gaps = self.sorted();
        gaps.get(gaps.len() / LATE).copied()
    }

    fn median(&self) -> Option<i64> {
        let gaps = self.sorted();
        gaps.get(gaps.len() / 2).copied()
    }

    fn sorted(&self) -> Vec<i64> {
        let mut gaps: Vec<i64> = self.0.values().copied().collect();
        gaps.sort_unstable();
        gaps
    }
}

/// The same number for the same two records, and one like any other for others (splitmix64).
pub(crate) fn which(cause: MessageId, effect: MessageId) -> u64 {
    let parts = [cause.stream.0.cast_unsigned(), cause.offset.0, effect.stream.0.cast_unsigned(), effect.offset.0];
    parts.into_iter().fold(0, |mixed: u64, part| {
        let mixed = (mixed ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}
