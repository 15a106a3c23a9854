//! The machines that write a log, as they are learned from many of its records: those that take part in nearly all of them.
//!
//! ```text
//! 10.0.0.2 -> 10.0.0.1
//! 10.0.0.1 -> 10.0.0.3        10.0.0.1 is in all of them: it writes the log
//! 10.0.0.4 -> 10.0.0.1
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::address::Address;

/// From so many records on, those that are in all of them write the log...
const FEW: usize = 10;
/// ... and from so many on, those that are in 98 of 100.
const MANY: usize = 50;
/// A machine that is in fewer records that no other explains is a stray.
const STRAY: usize = 5;
/// So many records are kept in mind, the latest.
const KEPT: usize = 256;
/// No name of a host is longer (RFC 1035).
const LONGEST: usize = 255;
/// A log of more machines than this is a capture, not a server's own log.
pub(crate) const MOST: usize = 8;

/// A machine that writes a log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// As in [`Address`].
    pub host: String,
    /// Only where ports of this host talk to each other: one port of it.
    pub port: Option<u16>,
}

impl Machine {
    /// It speaks from this address.
    pub fn is_at(&self, address: &Address) -> bool {
        self.host == address.host && self.port.is_none_or(|port| port == address.port)
    }
}

/// What a record says of who logged it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub from: Address,
    pub to: Address,
    /// The sender logs it, as the Vias say: a request with more than one Via, a response with one.
    pub by_sender: bool,
    /// The branch of its top Via, and of the one below that, of a request.
    pub branches: (String, String),
}

/// Learns the machines of one log.
#[derive(Clone, Debug, Default)]
pub struct Learner {
    seen: VecDeque<Seen>,
    count: usize,
}

impl Learner {
    pub fn see(&mut self, seen: Seen) {
        if [&seen.from, &seen.to].iter().any(|address| address.host.len() > LONGEST) {
            return;
        }
        if self.seen.len() == KEPT {
            self.seen.pop_front();
        }
        self.seen.push_back(seen);
        self.count = self.count.saturating_add(1);
    }

    /// Enough was seen for records that are an exception.
    pub fn knows_many(&self) -> bool {
        self.seen.len() >= MANY
    }

    /// The smallest set of machines that covers the records. None: too little was seen, too many write it, or two are in
    /// equally many records and nothing tells which it is; `taken` says of a machine that it writes another log.
    pub fn machines(&self, taken: impl Fn(&Machine) -> bool) -> Option<Vec<Machine>> {
        if self.seen.len() < FEW {
            return None;
        }
        let seen: Vec<&Seen> = self.seen.iter().collect();
        let talking = talking_ports(&seen);
        let machine = |address: &Address| Machine {
            host: address.host.clone(),
            port: talking.contains(&address.host.as_str()).then_some(address.port),
        };
        let records: Vec<(Machine, Machine, bool)> =
            seen.iter().map(|seen| (machine(&seen.from), machine(&seen.to), seen.by_sender)).collect();
        let passers = passers(&seen, &machine);
        let mut found = BTreeSet::new();
        let mut left: Vec<&(Machine, Machine, bool)> = records.iter().collect();
        let spare = if self.knows_many() { seen.len() / 50 } else { 0 };
        while left.len() > spare {
            let best = most_in(&left, &taken, &passers)?;
            left.retain(|record| record.0 != best && record.1 != best);
            found.insert(best);
            if found.len() > MOST {
                return None;
            }
        }
        // What another log has written is passed on here, too.
        found.extend(passers.into_iter().filter(|machine| !taken(machine)));
        (found.len() <= MOST).then(|| found.into_iter().collect())
    }
}

/// Hosts of which one port talks to another.
fn talking_ports<'a>(seen: &[&'a Seen]) -> BTreeSet<&'a str> {
    let talks = |seen: &&&Seen| seen.from.host == seen.to.host && seen.from.port != seen.to.port;
    seen.iter().filter(talks).map(|seen| seen.from.host.as_str()).collect()
}

/// Those that pass requests on between two different neighbours.
fn passers(seen: &[&Seen], machine: &impl Fn(&Address) -> Machine) -> BTreeSet<Machine> {
    let arrived: BTreeMap<&str, (Machine, Machine)> = seen
        .iter()
        .filter(|seen| !seen.branches.0.is_empty())
        .map(|seen| (seen.branches.0.as_str(), (machine(&seen.from), machine(&seen.to))))
        .collect();
    let passes = |seen: &&Seen| {
        let (before, at) = arrived.get(seen.branches.1.as_str())?;
        let (from, to) = (machine(&seen.from), machine(&seen.to));
        (*at == from && *before != to && *before != from && !from.host.is_empty()).then_some(from)
    };
    seen.iter().filter_map(passes).collect()
}

/// The machine that is in most records; of two that are in equally many the one which writes no other log, and where the
/// Vias say that this one was written.
fn most_in(
    left: &[&(Machine, Machine, bool)],
    taken: &impl Fn(&Machine) -> bool,
    passers: &BTreeSet<Machine>,
) -> Option<Machine> {
    let mut counts: BTreeMap<&Machine, (usize, usize)> = BTreeMap::new();
    for (from, to, by_sender) in left {
        counts.entry(from).or_default().0 += 1;
        if to != from {
            counts.entry(to).or_default().0 += 1;
        }
        counts.entry(if *by_sender { from } else { to }).or_default().1 += 1;
    }
    let rank = |machine: &Machine, (touched, hints): (usize, usize)| (touched, !taken(machine), hints);
    let mut ranked: Vec<_> = counts
        .into_iter()
        .filter(|(machine, _)| !machine.host.is_empty())
        .map(|(machine, counts)| (rank(machine, counts), machine))
        .collect();
    ranked.sort_by_key(|(rank, _)| Reverse(*rank));
    match ranked.as_slice() {
        [((touched, ..), _), ..] if *touched < STRAY => None,
        // Of two that both pass requests on it does not matter which comes first.
        [(best, one), (next, other), ..] if best == next && !(passers.contains(one) && passers.contains(other)) => None,
        [(_, best), ..] => Some((*best).clone()),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(from: &str, to: &str) -> Seen {
        Seen { from: Address::read(from), to: Address::read(to), by_sender: false, branches: Default::default() }
    }

    fn learned(records: impl IntoIterator<Item = Seen>) -> Option<Vec<String>> {
        let mut learner = Learner::default();
        records.into_iter().for_each(|record| learner.see(record));
        let name = |machine: Machine| match machine.port {
            Some(port) => format!("{}:{port}", machine.host),
            None => machine.host,
        };
        Some(learner.machines(|_| false)?.into_iter().map(name).collect())
    }

    #[test]
    fn who_is_in_all_records_writes_the_log() {
        let records = |count: usize| (0..count).map(|nth| seen(&format!("192.0.2.{nth}"), "10.0.0.1"));
        assert_eq!(learned(records(9)), None, "too few");
        assert_eq!(learned(records(10)), Some(vec!["10.0.0.1".into()]));
        let stray = |count: usize| records(count).chain([seen("192.0.2.1", "192.0.2.2")]);
        assert_eq!(learned(stray(20)), None, "which of the two it is cannot be told");
        assert_eq!(learned(stray(60)), Some(vec!["10.0.0.1".into()]), "one of sixty is an exception");
    }

    #[test]
    fn two_machines_in_all_records_are_told_apart_by_vias_and_by_other_logs() {
        let alike = || (0..12).map(|_| seen("10.0.0.2", "10.0.0.1"));
        let by_sender = |seen: Seen| Seen { by_sender: true, ..seen };
        assert_eq!(learned(alike()), Some(vec!["10.0.0.1".into()]), "the receiver, as the Vias say");
        assert_eq!(learned(alike().map(by_sender)), Some(vec!["10.0.0.2".into()]));
        let both = || alike().chain(alike().map(by_sender));
        assert_eq!(learned(both()), None);
        let mut learner = Learner::default();
        both().for_each(|record| learner.see(record));
        let other = Machine { host: "10.0.0.1".into(), port: None };
        let found = learner.machines(|machine| *machine == other).unwrap();
        assert_eq!(found, [Machine { host: "10.0.0.2".into(), port: None }]);
    }

    #[test]
    fn ports_of_one_host_that_talk_to_each_other_are_machines_of_their_own() {
        let records = (0..12).map(|nth| seen(&format!("127.0.0.1:{}", 6000 + nth), "127.0.0.1:5060"));
        assert_eq!(learned(records), Some(vec!["127.0.0.1:5060".into()]));
        let elsewhere = (0..12).map(|nth| seen(&format!("192.0.2.{nth}"), &format!("10.0.0.1:{}", 5060 + nth)));
        assert_eq!(learned(elsewhere), Some(vec!["10.0.0.1".into()]));
    }

    #[test]
    fn all_that_pass_a_request_on_write_the_log() {
        let hop = |nth: usize, call: usize| Seen {
            branches: (format!("{call}-{nth}"), if nth == 0 { String::new() } else { format!("{call}-{}", nth - 1) }),
            ..seen(&format!("10.0.0.{nth}"), &format!("10.0.0.{}", nth + 1))
        };
        let chain = (0..3).flat_map(|call| (0..4).map(move |nth| hop(nth, call)));
        assert_eq!(learned(chain), Some(vec!["10.0.0.1".into(), "10.0.0.2".into(), "10.0.0.3".into()]));
        let back = |call: usize| {
            let there = Seen { branches: (format!("{call}"), String::new()), ..seen("10.0.0.1", "10.0.0.9") };
            [there, Seen { branches: (format!("{call}b"), format!("{call}")), ..seen("10.0.0.9", "10.0.0.1") }]
        };
        let spiral = (0..10).flat_map(back).chain((0..5).map(|nth| seen(&format!("192.0.2.{nth}"), "10.0.0.1")));
        assert_eq!(
            learned(spiral),
            Some(vec!["10.0.0.1".into()]),
            "what comes back to the sender was logged by that one"
        );
    }

    #[test]
    fn a_capture_of_many_machines_is_nobodys_log() {
        let records = (0..100).map(|nth| seen(&format!("192.0.2.{nth}"), &format!("198.51.100.{nth}")));
        assert_eq!(learned(records), None);
    }
}
