//! What each log is known to hold. A log cannot prove the absence of what it never holds.

mod seen;

use std::collections::{BTreeMap, BTreeSet};

use message::flow::Log;
use message::kind::Kind;
use serde::{Deserialize, Serialize};

pub use seen::{seen, seen_within};

/// On one of so many days.
const DAYS: i32 = 7;
/// Of so many it is known for the day what a log holds: an outage that begins then unlearns nothing.
const ENOUGH: u32 = 20;
/// So many in a row without one, and none for a whole day with as many: it is logged no more. An outage ends sooner, and is
/// to be reported.
const RUN: u32 = 20;
/// Methods that are counted of one log; what nobody knows may be anything.
const MOST: usize = 512;
/// Logs of one machine that hold what belongs to the requests of another. Of more nobody can say where to look.
const BESIDE: usize = 64;
/// Letters of a method that anybody knows.
const LONGEST: usize = 32;

/// How a message goes by the machine that writes the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Way {
    In,
    /// It came in before, as by a proxy.
    PassedOn,
    /// The machine made it itself.
    Own,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum What {
    Request,
    Provisional,
    Final,
    /// The ACK to a 2xx, which goes from end to end.
    AckOfAnswer,
}

/// Messages that a log holds or does not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Sort {
    pub way: Way,
    pub kind: Kind,
    /// Of SIP; empty for REST and push.
    pub method: String,
    pub what: What,
}

impl Sort {
    pub fn new(way: Way, kind: Kind, method: &str, what: What) -> Self {
        let method = if kind == Kind::Sip { method } else { "" };
        Self { way, kind, method: method.to_owned(), what }
    }
}

/// How many requests could have had such a message, and how many had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Count {
    pub could: u32,
    pub had: u32,
}

impl Count {
    fn is_half(self) -> bool {
        self.had > 0 && self.had.saturating_mul(2) >= self.could
    }
}

/// What one call shows of a sort.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shown {
    pub count: Count,
    /// Other logs of the machine in which such messages stood, where this one did not hold them itself.
    pub beside: BTreeSet<Log>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct OfDay {
    count: Count,
    /// Half of enough of them had one once that day.
    held: bool,
}

/// What was seen of one sort.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Tally {
    /// By day since 1970, the last ones.
    days: BTreeMap<i32, OfDay>,
    /// Without one, in a row.
    run: u32,
    /// Other logs of the machine that held such messages, with the last day on which they did.
    beside: BTreeMap<Log, i32>,
}

impl Tally {
    fn forget_what_is_old(&mut self) {
        let Some(newest) = self.days.keys().next_back().copied() else { return };
        self.days.retain(|day, _| *day > newest - DAYS);
        self.beside.retain(|_, day| *day > newest - DAYS);
    }

    fn stood_in(&mut self, log: &Log, day: i32) {
        if self.beside.len() <= BESIDE || self.beside.contains_key(log) {
            self.beside.entry(log.clone()).and_modify(|last| *last = day.max(*last)).or_insert(day);
        }
    }
}

/// What one log holds, as far as it was seen.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Holds(BTreeMap<Sort, Tally>);

impl Holds {
    /// Adds what one call shows.
    pub fn see(&mut self, day: i32, sort: &Sort, shown: &Shown) {
        self.count(day, sort, shown.count);
        if let Some(tally) = self.0.get_mut(sort) {
            shown.beside.iter().for_each(|log| tally.stood_in(log, day));
        }
    }

    fn count(&mut self, day: i32, sort: &Sort, count: Count) {
        if sort.method.len() > LONGEST || (self.0.len() >= MOST && !self.0.contains_key(sort)) {
            return;
        }
        let tally = self.0.entry(sort.clone()).or_default();
        let of_day = tally.days.entry(day).or_default();
        of_day.count.could = of_day.count.could.saturating_add(count.could);
        of_day.count.had = of_day.count.had.saturating_add(count.had);
        of_day.held |= of_day.count.could >= ENOUGH && of_day.count.is_half();
        tally.run = if count.had > 0 { 0 } else { tally.run.saturating_add(count.could) };
        tally.forget_what_is_old();
    }

    /// Adds what another collector has seen.
    pub fn merge(&mut self, other: &Self) {
        for (sort, tally) in &other.0 {
            for (day, count) in &tally.days {
                self.count(*day, sort, count.count);
            }
            if let Some(own) = self.0.get_mut(sort) {
                tally.beside.iter().for_each(|(log, day)| own.stood_in(log, *day));
                own.forget_what_is_old();
            }
        }
    }

    /// At least half of the requests of a day had one, and it was not missing for a whole day since.
    pub fn knows(&self, sort: &Sort) -> bool {
        self.0.get(sort).is_some_and(|tally| {
            let some_day = tally.days.values().any(|day| day.held || day.count.is_half());
            let last = tally.days.iter().rev().find(|(_, day)| day.count.had > 0).map(|(day, _)| *day);
            let newest = tally.days.keys().next_back().copied();
            // Days without traffic, such as a weekend, say nothing.
            let empty = |(day, of): (&i32, &OfDay)| last < Some(*day) && Some(*day) < newest && of.count.could >= RUN;
            let is_anywhere = tally.beside.len() > BESIDE;
            some_day && !is_anywhere && !(tally.run >= RUN && tally.days.iter().any(empty))
        })
    }

    /// Other logs of the machine without which nobody can say that something is missing: those that held what is known of it
    /// on the last two days that had any. A log that was renamed is soon asked for no more.
    pub fn beside(&self) -> BTreeSet<&Log> {
        let mut all = BTreeSet::new();
        for (sort, tally) in self.0.iter().filter(|(_, tally)| !tally.beside.is_empty()) {
            let had = tally.days.iter().rev().filter(|(_, day)| day.count.had > 0);
            let since = had.map(|(day, _)| *day).take(2).last();
            let recent = tally.beside.iter().filter(|(_, last)| Some(**last) >= since).map(|(log, _)| log);
            all.extend(recent.filter(|_| self.knows(sort)));
        }
        all
    }

    /// Something is known that is not known by these, as of the same log.
    pub fn knows_more_than(&self, other: Option<&Self>) -> bool {
        self.0.keys().any(|sort| self.knows(sort) && !other.is_some_and(|other| other.knows(sort)))
    }

    /// What is never there although it could have been: for whoever asks what a log lacks.
    pub fn lacks(&self) -> impl Iterator<Item = &Sort> {
        self.0.keys().filter(|sort| !self.knows(sort))
    }
}

/// What all logs of a call are known to hold.
pub type AllHolds = BTreeMap<Log, Holds>;

/// Other logs of the machines that write these, in which stood what belongs to them.
pub fn beside(holds: &AllHolds, logs: &BTreeSet<Log>) -> BTreeSet<Log> {
    logs.iter().filter_map(|log| holds.get(log)).flat_map(Holds::beside).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(could: u32, had: u32) -> Shown {
        Shown { count: Count { could, had }, ..Shown::default() }
    }

    const ANSWERED: (u32, u32) = (1, 1);
    const NOT: (u32, u32) = (1, 0);

    /// After so many of each on these days, is it known that the log holds answers?
    fn knows(seen: &[(i32, (u32, u32), usize)]) -> bool {
        let sort = Sort::new(Way::In, Kind::Rest, "", What::Final);
        let mut holds = Holds::default();
        for (day, (could, had), times) in seen {
            (0..*times).for_each(|_| holds.see(*day, &sort, &shown(*could, *had)));
        }
        holds.knows(&sort)
    }

    #[test]
    fn more_is_known_where_something_new_is() {
        let sort = |what| Sort::new(Way::In, Kind::Sip, "INVITE", what);
        let holds = |whats: &[(What, u32)]| {
            let mut holds = Holds::default();
            for (what, had) in whats {
                holds.see(1, &sort(*what), &shown(1, *had));
            }
            holds
        };
        let request = holds(&[(What::Request, 1)]);
        assert!(request.knows_more_than(None));
        assert!(!request.knows_more_than(Some(&request)));
        assert!(holds(&[(What::Request, 1), (What::Final, 1)]).knows_more_than(Some(&request)));
        assert!(!holds(&[(What::Request, 1), (What::Final, 0)]).knows_more_than(Some(&request)));
    }

    #[test]
    fn half_of_a_day_is_enough_and_less_is_not() {
        assert!(!knows(&[]));
        assert!(knows(&[(1, ANSWERED, 1)]));
        assert!(knows(&[(1, ANSWERED, 3), (1, NOT, 3)]));
        assert!(!knows(&[(1, ANSWERED, 3), (1, NOT, 4)]));
        assert!(!knows(&[(1, NOT, 100)]));
    }

    #[test]
    fn an_outage_unlearns_nothing_on_the_day_on_which_it_begins() {
        // An established log, and one of which so many were seen that morning.
        assert!(knows(&[(1, ANSWERED, 600), (2, ANSWERED, 1), (2, NOT, 5_000)]));
        assert!(knows(&[(1, ANSWERED, 30), (1, NOT, 5_000)]));
        // It began before midnight.
        assert!(knows(&[(1, ANSWERED, 600), (1, NOT, 5_000), (2, NOT, 5_000)]));
        // Nobody called at the weekend.
        assert!(knows(&[(5, ANSWERED, 600), (8, NOT, 5_000)]));
    }

    #[test]
    fn what_has_not_come_for_a_whole_day_is_logged_no_more() {
        assert!(!knows(&[(1, ANSWERED, 600), (2, NOT, 5_000), (3, NOT, 1)]));
        assert!(knows(&[(1, ANSWERED, 600), (2, NOT, 10), (3, NOT, 9)]), "too few to tell");
        assert!(knows(&[(1, ANSWERED, 600), (2, NOT, 5_000), (3, NOT, 1), (3, ANSWERED, 1)]), "it is back");
    }

    #[test]
    fn what_was_long_ago_counts_no_more() {
        assert!(!knows(&[(1, ANSWERED, 600), (8, NOT, 1)]));
    }

    /// Logs in which an answer stood, by day: `answers` from day to day, or another.
    fn in_others(seen: &[(i32, &str)]) -> Holds {
        let sort = Sort::new(Way::In, Kind::Rest, "", What::Final);
        let mut holds = Holds::default();
        for (day, source) in seen {
            let beside = BTreeSet::from([Log { agent: "core".into(), source: (*source).into() }]);
            holds.see(*day, &sort, &Shown { beside, ..shown(1, 1) });
        }
        holds
    }

    fn beside(holds: &Holds) -> Vec<&str> {
        holds.beside().into_iter().map(|log| log.source.as_str()).collect()
    }

    #[test]
    fn which_other_log_holds_them_is_known_and_of_one_that_was_renamed_no_more_after_two_days() {
        assert_eq!(beside(&in_others(&[(1, "a"), (1, "b")])), ["a", "b"]);
        assert_eq!(beside(&in_others(&[(1, "a"), (2, "b")])), ["a", "b"]);
        assert_eq!(beside(&in_others(&[(1, "a"), (2, "b"), (4, "b")])), ["b"]);
        assert_eq!(beside(&in_others(&[(1, "a"), (20, "b")])), ["b"]);
    }

    #[test]
    fn what_two_collectors_saw_of_other_logs_counts_together_in_any_order() {
        let (one, other) = (in_others(&[(1, "a"), (2, "b")]), in_others(&[(2, "c"), (2, "b")]));
        let merged = |first: &Holds, second: &Holds| {
            let mut both = first.clone();
            both.merge(second);
            both
        };
        assert_eq!(beside(&merged(&one, &other)), ["a", "b", "c"]);
        assert_eq!(beside(&merged(&other, &one)), ["a", "b", "c"]);
    }

    #[test]
    fn of_what_stands_in_very_many_logs_nobody_can_tell() {
        let names: Vec<String> = (0..=BESIDE).map(|nth| format!("worker-{nth}")).collect();
        let all: Vec<(i32, &str)> = names.iter().map(|name| (1, name.as_str())).collect();
        let sort = Sort::new(Way::In, Kind::Rest, "", What::Final);
        assert!(in_others(&all[..BESIDE]).knows(&sort));
        assert!(!in_others(&all).knows(&sort));
    }
}
