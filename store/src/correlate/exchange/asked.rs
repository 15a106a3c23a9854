//! Requests that carry one id, or go from one host to another, and whose of them an answer is. Pure.

use std::collections::HashMap;

use message::address::Address;
use message::answer::{self, APART, OPEN};
use message::event::{CallEvent, ExchangeKey};
use message::keys::Key;
use message::kind::Kind;
use record::id::StreamId;
use record::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::correlate::components::own_of;

/// Requests between two hosts that are remembered.
const MOST: usize = 64;

/// A request as its answers look for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    /// The name of its call, and the key that leads to it.
    pub call_id: String,
    pub key: Key,
    pub kind: Kind,
    pub at: Timestamp,
    /// When its first answer came, and in which log.
    pub answered: Option<(Timestamp, StreamId)>,
    /// Its event among those that are joined now: row and place.
    #[serde(skip)]
    pub event: Option<(usize, usize)>,
    /// It, or what is known of it, is to be kept.
    #[serde(skip)]
    pub changed: bool,
}

impl Asked {
    pub fn of(event: &CallEvent, place: (usize, usize)) -> Self {
        let named = Key::own(&event.call_id).filter(|own| event.keys.first() == Some(own));
        Self {
            call_id: event.call_id.clone(),
            key: named.unwrap_or_else(|| own_of(event.call)),
            kind: event.kind,
            at: event.time,
            answered: None,
            event: Some(place),
            changed: true,
        }
    }

    /// The same request, in another log, or read again.
    pub fn is_logged_again(&self, event: &CallEvent) -> bool {
        self.call_id == event.call_id && self.at.micros_since(event.time).abs() <= APART
    }
}

/// An answer that says nothing of its call.
#[derive(Debug)]
pub(super) struct Answer {
    pub ids: Vec<ExchangeKey>,
    /// Who asked whom, where that is known.
    pub between: Option<ExchangeKey>,
    pub at: Timestamp,
    pub log: StreamId,
}

/// The request of an answer that carries its id.
pub(super) fn request(asked: &[Asked], at: Timestamp, log: StreamId) -> Option<usize> {
    answer::request(asked.iter().map(|one| {
        answer::Request {
            since: at.micros_since(one.at),
            answered: one
                .answered
                .map(|(then, by)| answer::Answered { apart: at.micros_since(then).abs(), in_same_log: by == log }),
        }
    }))
}

/// A request among these, once.
pub(super) fn ask(asked: &mut Vec<Asked>, event: &CallEvent, place: (usize, usize)) {
    match asked.iter_mut().find(|one| one.is_logged_again(event)) {
        Some(known) => known.event = known.event.or(Some(place)),
        None => asked.push(Asked::of(event, place)),
    }
}

/// Requests from one host to another, by time.
#[derive(Clone, Debug, Default)]
pub(super) struct Between {
    asked: Vec<Asked>,
    /// Where those of each call are.
    of_call: HashMap<String, Vec<usize>>,
}

impl Between {
    /// With those of a batch: events and their places.
    pub fn new<'a>(known: &[Asked], events: impl IntoIterator<Item = (&'a CallEvent, (usize, usize))>) -> Self {
        let mut between = Self { asked: known.to_vec(), ..Self::default() };
        between.find();
        for (event, place) in events {
            let of = between.of_call.entry(event.call_id.clone()).or_default();
            match of.iter().find(|at| between.asked[**at].is_logged_again(event)) {
                Some(at) => between.asked[*at].event = between.asked[*at].event.or(Some(place)),
                None => {
                    of.push(between.asked.len());
                    between.asked.push(Asked::of(event, place));
                }
            }
        }
        between.asked.sort_by_key(|one| one.at);
        between.find();
        between
    }

    fn find(&mut self) {
        self.of_call.clear();
        for (at, one) in self.asked.iter().enumerate() {
            self.of_call.entry(one.call_id.clone()).or_default().push(at);
        }
    }

    /// The request of an answer that carries no id: an open one, where all that are open are of one call.
    pub fn only(&self, at: Timestamp, log: StreamId) -> Option<&Asked> {
        let since = |one: &Asked| at.micros_since(one.at);
        let old = self.asked.partition_point(|one| since(one) > OPEN);
        let young = self.asked.partition_point(|one| since(one) >= -APART);
        // Some that are open may be forgotten.
        if self.asked.len() >= MOST && old == 0 && young == self.asked.len() {
            return None;
        }
        let young = || self.asked[old..young.max(old)].iter();
        let mut open = young().filter(|one| one.answered.is_none());
        if let Some(first) = open.next() {
            return open.all(|other| other.call_id == first.call_id).then_some(first);
        }
        let again =
            |one: &&Asked| one.answered.is_some_and(|(then, by)| by != log && at.micros_since(then).abs() <= APART);
        young().filter(again).max_by_key(|one| one.at)
    }

    /// An answer that names its call is of the first of its requests that is open.
    pub fn answer_named(&mut self, call_id: &str, by: (Timestamp, StreamId)) {
        let of = self.of_call.get(call_id).into_iter().flatten();
        if let Some(at) = of.copied().find(|at| self.asked[*at].answered.is_none()) {
            self.asked[at].answered = Some(by);
        }
    }

    pub fn answer(&mut self, request: &Asked, by: (Timestamp, StreamId)) {
        let of = self.of_call.get(&request.call_id).into_iter().flatten();
        if let Some(at) = of.copied().find(|at| self.asked[*at].at == request.at) {
            self.asked[at].answered.get_or_insert(by);
        }
    }

    pub fn into_all(self) -> Vec<Asked> {
        self.asked
    }
}

/// By which requests from one host to another are remembered, and answers find them.
pub(super) fn between(event: &CallEvent) -> ExchangeKey {
    let (asking, asked) =
        if event.response { (&event.destination, &event.source) } else { (&event.source, &event.destination) };
    Key::new("between", format!("{} {}", Address::read(asking).host, Address::read(asked).host)).hash()
}

/// What is known by now of the requests between two hosts, with what a batch brings of them: those that are open are wanted most.
pub(super) fn merged(known: &[Asked], brought: &[Asked]) -> Vec<Asked> {
    let mut all = known.to_vec();
    for one in brought {
        let same = |known: &&mut Asked| known.call_id == one.call_id && known.at.micros_since(one.at).abs() <= APART;
        match all[..known.len()].iter_mut().find(same) {
            Some(known) => known.answered = known.answered.or(one.answered),
            // What another collector has dropped meanwhile was answered.
            None if one.changed => all.push(Asked { event: None, changed: false, ..one.clone() }),
            None => {}
        }
    }
    all.sort_by_key(|one| one.at);
    let newest = all.last().map(|one| one.at).unwrap_or_default();
    all.retain(|one| one.answered.is_none_or(|(then, _)| newest.micros_since(then) <= APART));
    all.drain(..all.len().saturating_sub(MOST));
    all
}

#[cfg(test)]
mod tests {
    use record::id::CallKey;
    use record::time::SECOND;

    use super::*;

    /// Requests by the second, and when each was answered in log 1.
    fn all(asked: &[(i64, Option<i64>)]) -> Vec<Asked> {
        let answered = |at: i64| (Timestamp(at * SECOND), StreamId(1));
        let one = |(at, then): &(i64, Option<i64>)| Asked {
            call_id: format!("call-{at}"),
            key: own_of(CallKey([0; 16])),
            kind: Kind::Rest,
            at: Timestamp(at * SECOND),
            answered: then.map(answered),
            event: None,
            changed: false,
        };
        asked.iter().map(one).collect()
    }

    #[track_caller]
    fn check(asked: &[(i64, Option<i64>)], at: i64, log: i64, expect: Option<usize>) {
        assert_eq!(request(&all(asked), Timestamp(at * SECOND), StreamId(log)), expect, "{asked:?} at {at} in {log}");
    }

    #[test]
    fn of_several_that_are_open_the_earlier_is_answered_first() {
        check(&[(0, None), (1, None)], 2, 1, Some(0));
        check(&[(0, Some(2)), (1, None)], 3, 1, Some(1));
    }

    #[test]
    fn what_is_answered_or_forgotten_is_not_answered_by_what_comes_for_another() {
        check(&[(0, Some(1)), (10, None)], 11, 1, Some(1));
        check(&[(0, None), (3000, None)], 3001, 1, Some(1));
        check(&[(0, None), (3000, None)], 3040, 1, Some(1));
        check(&[(10, None), (3000, None)], 15, 1, Some(0));
    }

    #[test]
    fn another_log_of_an_answer_goes_where_that_went() {
        check(&[(0, Some(2)), (1, None)], 2, 2, Some(0));
        check(&[(0, Some(2))], 2, 1, Some(0));
        check(&[(0, Some(2))], 4, 2, Some(0));
    }

    #[test]
    fn without_an_id_the_only_one_that_is_open_is_answered() {
        let only = |requests: &[(i64, Option<i64>)], at: i64, log: i64| {
            let between = Between::new(&all(requests), []);
            let found = between.only(Timestamp(at * SECOND), StreamId(log))?;
            between.asked.iter().position(|one| one == found)
        };
        assert_eq!(only(&[(0, None)], 1, 1), Some(0));
        assert_eq!(only(&[(0, Some(1)), (2, None)], 3, 1), Some(1));
        assert_eq!(only(&[(0, None), (2, None)], 3, 1), None, "nobody can tell");
        assert_eq!(only(&[(0, None)], 40, 1), None, "too late");
        assert_eq!([only(&[(0, Some(1))], 1, 2), only(&[(0, Some(1))], 1, 1)], [Some(0), None], "in another log");
        let many: Vec<_> = (0..MOST as i64).map(|at| (at / 100, (at > 0).then_some(at / 100))).collect();
        assert_eq!(only(&many, 3, 1), None, "others may be forgotten");
    }

    #[test]
    fn what_two_collectors_bring_of_the_same_hosts_is_kept_of_both() {
        let seconds = |asked: Vec<Asked>| -> Vec<(i64, bool)> {
            asked.iter().map(|one| (one.at.0 / SECOND, one.answered.is_some())).collect()
        };
        let new = |asked: &[(i64, Option<i64>)]| -> Vec<Asked> {
            all(asked).into_iter().map(|one| Asked { changed: true, ..one }).collect()
        };
        let known = all(&[(0, None), (2, None)]);
        let brought = [all(&[(0, None), (1, None), (2, Some(3))]), new(&[(3, None)])].concat();
        // The second was answered and dropped by the other one.
        assert_eq!(seconds(merged(&known, &brought)), [(0, false), (2, true), (3, false)]);
        assert_eq!(seconds(merged(&known, &new(&[(60, None)]))), [(0, false), (2, false), (60, false)]);
        assert_eq!(seconds(merged(&all(&[(0, Some(1))]), &new(&[(60, None)]))), [(60, false)]);
        let older = new(&(0..64).map(|at| (-3_600 + 2 * at, None)).collect::<Vec<_>>());
        assert_eq!(seconds(merged(&known, &older))[62..], [(0, false), (2, false)], "of a log that is read late");
        let many: Vec<_> = (0..100).map(|at| (2 * at, None)).collect();
        assert_eq!(seconds(merged(&[], &new(&many))), (36..100).map(|at| (2 * at, false)).collect::<Vec<_>>());
    }

    #[test]
    fn one_waits_whose_own_request_is_not_known_yet() {
        check(&[(0, Some(1))], 100, 1, None);
        check(&[(5000, None), (6000, None)], 1, 1, None);
        check(&[(0, None)], 4 * 3600, 1, None);
        check(&[(3600, None)], 1, 1, Some(0));
    }
}
