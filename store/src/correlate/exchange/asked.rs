//! Requests that carry one id, or go from one host to another, and whose of them an answer is.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use message::address::Address;
use message::answer::{self, APART, OPEN};
use message::event::{CallEvent, ExchangeKey};
use message::keys::Key;
use message::kind::Kind;
use record::id::StreamId;
use record::time::Timestamp;

use crate::correlate::components::own_of;

/// Requests between two hosts that are remembered, and pairs of hosts.
const MOST: usize = 64;
const PAIRS: usize = 1_024;

/// A request as its answers look for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Asked {
    /// The name of its call, and the key that leads to it.
    pub call_id: String,
    pub key: Key,
    pub kind: Kind,
    pub at: Timestamp,
    /// When its first answer came, and in which log.
    pub answered: Option<(Timestamp, StreamId)>,
    /// Its event among those that are joined now: row and place.
    pub event: Option<(usize, usize)>,
    /// It, or what is known of it, is to be kept.
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

/// The request of an answer that carries no id: an open one, where all that are open are of one call.
pub(super) fn only(asked: &[Asked], at: Timestamp, log: StreamId) -> Option<usize> {
    let since = |one: &Asked| at.micros_since(one.at);
    let young = |one: &Asked| (-APART..=OPEN).contains(&since(one));
    // Some that are open may be forgotten.
    if asked.len() >= MOST && asked.iter().all(young) {
        return None;
    }
    let all = || asked.iter().enumerate().filter(|(_, one)| young(one));
    let mut open = all().filter(|(_, one)| one.answered.is_none());
    if let Some((first, one)) = open.next() {
        return open.all(|(_, other)| other.call_id == one.call_id).then_some(first);
    }
    let again = |one: &Asked| one.answered.is_some_and(|(then, by)| by != log && at.micros_since(then).abs() <= APART);
    all().filter(|(_, one)| again(one)).max_by_key(|(_, one)| one.at).map(|(at, _)| at)
}

/// A request among these, once.
pub(super) fn ask(asked: &mut Vec<Asked>, event: &CallEvent, place: (usize, usize)) {
    match asked.iter_mut().find(|one| one.is_logged_again(event)) {
        Some(known) => known.event = known.event.or(Some(place)),
        None => asked.push(Asked::of(event, place)),
    }
}

/// By which requests from one host to another are remembered, and answers find them.
pub(super) fn between(event: &CallEvent) -> ExchangeKey {
    let (asking, asked) =
        if event.response { (&event.destination, &event.source) } else { (&event.source, &event.destination) };
    Key::new("between", format!("{} {}", Address::read(asking).host, Address::read(asked).host)).hash()
}

/// Requests that this process has joined lately, by who asked whom: an answer without an id says nothing else.
#[derive(Debug, Default)]
pub(crate) struct Lately(Mutex<HashMap<ExchangeKey, Vec<Asked>>>);

impl Lately {
    pub(super) fn of(&self, between: &ExchangeKey) -> Vec<Asked> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(between).cloned().unwrap_or_default()
    }

    pub(super) fn keep(&self, between: ExchangeKey, mut asked: Vec<Asked>) {
        // Those that are open are wanted most.
        let newest = asked.iter().map(|one| one.at).max().unwrap_or_default();
        asked.retain(|one| one.answered.is_none_or(|(then, _)| newest.micros_since(then) <= APART));
        asked.drain(..asked.len().saturating_sub(MOST));
        for one in &mut asked {
            one.event = None;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= PAIRS && !all.contains_key(&between) {
            all.clear();
        }
        all.insert(between, asked);
    }
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
            only(&all(requests), Timestamp(at * SECOND), StreamId(log))
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
    fn one_waits_whose_own_request_is_not_known_yet() {
        check(&[(0, Some(1))], 100, 1, None);
        check(&[(5000, None), (6000, None)], 1, 1, None);
        check(&[(0, None)], 4 * 3600, 1, None);
        check(&[(3600, None)], 1, 1, Some(0));
    }
}
