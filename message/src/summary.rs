//! What the search list shows of a scenario: a value that events are added to in any order, with the same result.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::event::{CallClass, CallEvent};
use crate::kind::Kind;
use crate::time::Timestamp;

/// Sets are capped, so that a scenario of a million messages stays small; a capped count is a lower bound.
const CAP: usize = 256;

/// Built from call events, kept with its scenario, and joined when two scenarios turn out to be one.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub class: Option<CallClass>,
    pub messages: u64,
    /// Messages by kind: SIP, REST, PUSH, MEDIA.
    pub kinds: [u64; 4],
    /// The earliest INVITE (else the earliest request) names caller and callee.
    opening: Option<Opening>,
    pub rang: Option<Timestamp>,
    pub answered: Option<Timestamp>,
    /// User of the Contact or To that answered first.
    pub answered_by: Option<String>,
    /// The first BYE, and the first answer to one.
    pub ending: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// Final statuses to INVITE (to the first request's method elsewhere), with the time each was last seen.
    finals: BTreeMap<u16, Timestamp>,
    branches: BTreeSet<u64>,
    hosts: BTreeSet<String>,
    devices: BTreeSet<String>,
    calls: BTreeSet<u64>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
struct Opening {
    /// 0 an INVITE, 1 another SIP request, 2 the rest: the least opens.
    rank: u8,
    time: Timestamp,
    caller: String,
    callee: String,
}

impl Summary {
    pub fn of<'a>(events: impl IntoIterator<Item = &'a CallEvent>) -> Self {
        let mut summary = Self::default();
        for event in events {
            summary.add(event);
        }
        summary
    }

    pub fn add(&mut self, event: &CallEvent) {
        self.first = Some(self.first.map_or(event.time, |t| t.min(event.time)));
        self.last = Some(self.last.map_or(event.time, |t| t.max(event.time)));
        self.class = Some(self.class.map_or(event.class, |class| class.min(event.class)));
        self.messages += 1;
        self.kinds[event.kind.code() as usize - 1] += 1;
        insert(&mut self.calls, short(&event.call.0));
        for address in [&event.source, &event.destination] {
            let host = host_of(address);
            if !host.is_empty() {
                insert(&mut self.hosts, host.to_owned());
            }
        }
        if event.kind == Kind::Sip {
            self.add_sip(event);
        } else {
            self.open(2, event);
        }
    }

    fn add_sip(&mut self, event: &CallEvent) {
        let invite = event.method == "INVITE";
        if !event.response {
            self.open(u8::from(!invite), event);
            if invite && !event.to_tag {
                if !event.branch.is_empty() {
                    insert(&mut self.branches, short(event.branch.as_bytes()));
                }
                insert(&mut self.devices, event.destination.clone());
            }
            if event.method == "BYE" {
                earliest(&mut self.ending, event.time);
            }
            return;
        }
        let Some(status) = event.status else { return };
        if invite && (status == 180 || status == 183) {
            earliest(&mut self.rang, event.time);
        }
        if invite && (200..300).contains(&status) && self.answered.is_none_or(|at| event.time < at) {
            self.answered = Some(event.time);
            self.answered_by.clone_from(&event.to);
        }
        if event.method == "BYE" && status >= 200 {
            earliest(&mut self.ended, event.time);
        }
        let decides = invite || event.class != CallClass::Call;
        if decides && status >= 200 {
            let at = self.finals.entry(status).or_insert(event.time);
            *at = (*at).max(event.time);
        }
    }

    fn open(&mut self, rank: u8, event: &CallEvent) {
        let (Some(caller), callee) = (event.from.clone(), event.to.clone().or_else(|| event.target.clone())) else {
            return;
        };
        let opening = Opening { rank, time: event.time, caller, callee: callee.unwrap_or_default() };
        if self.opening.as_ref().is_none_or(|old| opening < *old) {
            self.opening = Some(opening);
        }
    }

    /// Two scenarios are one.
    pub fn join(&mut self, other: &Self) {
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.max(other.last);
        self.class = self.class.into_iter().chain(other.class).min();
        self.messages += other.messages;
        for (mine, theirs) in self.kinds.iter_mut().zip(other.kinds) {
            *mine += theirs;
        }
        self.opening = self.opening.take().into_iter().chain(other.opening.clone()).min();
        if other.answered.is_some_and(|at| self.answered.is_none_or(|mine| at < mine)) {
            self.answered = other.answered;
            self.answered_by.clone_from(&other.answered_by);
        }
        for (mine, theirs) in
            [(&mut self.rang, other.rang), (&mut self.ending, other.ending), (&mut self.ended, other.ended)]
        {
            *mine = (*mine).into_iter().chain(theirs).min();
        }
        for (status, time) in &other.finals {
            let at = self.finals.entry(*status).or_insert(*time);
            *at = (*at).max(*time);
        }
        other.branches.iter().for_each(|b| insert(&mut self.branches, *b));
        other.hosts.iter().for_each(|h| insert(&mut self.hosts, h.clone()));
        other.devices.iter().for_each(|d| insert(&mut self.devices, d.clone()));
        other.calls.iter().for_each(|c| insert(&mut self.calls, *c));
    }

    pub fn caller(&self) -> Option<&str> {
        self.opening.as_ref().map(|o| o.caller.as_str()).filter(|c| !c.is_empty())
    }

    pub fn callee(&self) -> Option<&str> {
        self.opening.as_ref().map(|o| o.callee.as_str()).filter(|c| !c.is_empty())
    }

    /// The final status of the attempt: a 2xx if there was one, else the latest refusal that is not a challenge or a release.
    pub fn status(&self) -> Option<u16> {
        if let Some((status, _)) = self.finals.iter().find(|(s, _)| (200..300).contains(*s)) {
            return Some(*status);
        }
        let decided = |s: u16| !matches!(s, 401 | 407 | 422 | 423 | 491);
        let latest = |f: &dyn Fn(u16) -> bool| {
            self.finals.iter().filter(|(s, _)| f(**s)).max_by_key(|(s, at)| (**at, **s)).map(|(s, _)| *s)
        };
        latest(&|s| decided(s) && s != 487).or_else(|| latest(&decided)).or_else(|| latest(&|_| true))
    }

    pub fn legs(&self) -> usize {
        self.branches.len().max(1)
    }

    pub fn nodes(&self) -> usize {
        self.hosts.len()
    }

    pub fn devices(&self) -> usize {
        self.devices.len()
    }

    pub fn calls(&self) -> usize {
        self.calls.len()
    }
}

fn earliest(at: &mut Option<Timestamp>, time: Timestamp) {
    *at = Some(at.map_or(time, |old| old.min(time)));
}

/// A capped set keeps its least members, so that the order of arrival does not matter.
fn insert<T: Ord>(set: &mut BTreeSet<T>, value: T) {
    set.insert(value);
    if set.len() > CAP {
        set.pop_last();
    }
}

fn short(bytes: &[u8]) -> u64 {
    use sha2::Digest;
    let hash = sha2::Sha256::digest(bytes);
    u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
}

/// Scheme, host and port of an address as logged; without parameters, path and query.
fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let end = rest.find([';', '/', '?', '>']).unwrap_or(rest.len());
    let host = &rest[..end];
    let host = host.strip_prefix("sips:").or_else(|| host.strip_prefix("sip:")).unwrap_or(host);
    host.rsplit_once('@').map_or(host, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::{CallKey, Offset, StreamId};
    use crate::time::Day;

    fn event(at: i64, method: &str, status: Option<u16>) -> CallEvent {
        CallEvent {
            stream: StreamId(1),
            offset: Offset(at as u64),
            call: CallKey::of(b"a"),
            call_id: "a".into(),
            class: CallClass::Call,
            day: Day(0),
            time: Timestamp(at),
            kind: Kind::Sip,
            method: method.into(),
            status,
            response: status.is_some(),
            from: Some("alice".into()),
            to: Some("bob".into()),
            target: None,
            branch: format!("z9hG4bK{at}"),
            to_tag: false,
            source: "sip:10.0.0.1:5060;transport=tcp".into(),
            destination: "sip:10.0.0.2:5060".into(),
            keys: Vec::new(),
        }
    }

    #[test]
    fn a_forked_call_is_answered_though_its_losers_were_released() {
        let events = [
            event(1, "INVITE", None),
            event(2, "INVITE", Some(180)),
            event(3, "INVITE", Some(200)),
            event(4, "INVITE", Some(487)),
            event(5, "BYE", None),
            event(6, "BYE", Some(200)),
        ];
        let summary = Summary::of(&events);
        assert_eq!((summary.caller(), summary.callee(), summary.status()), (Some("alice"), Some("bob"), Some(200)));
        assert_eq!(
            (summary.rang, summary.answered, summary.ending),
            (Some(Timestamp(2)), Some(Timestamp(3)), Some(Timestamp(5)))
        );
        assert_eq!((summary.messages, summary.nodes()), (6, 2));
    }

    #[test]
    fn a_challenge_or_a_release_is_not_the_final_status_when_another_came() {
        let statuses = [(1, 407), (2, 486), (3, 487)];
        let events: Vec<_> = statuses.iter().map(|(at, s)| event(*at, "INVITE", Some(*s))).collect();
        assert_eq!(Summary::of(&events).status(), Some(486));
        assert_eq!(Summary::of(&[event(1, "INVITE", Some(407))]).status(), Some(407));
    }

    proptest! {
        #[test]
        fn order_of_arrival_and_of_joining_does_not_matter(
            picks in prop::collection::vec((0..50i64, 0..4usize, prop::option::of(prop::sample::select(vec![100u16, 180, 200, 407, 486, 487]))), 1..30),
            split in 0..30usize,
        ) {
            let methods = ["INVITE", "BYE", "ACK", "CANCEL"];
            let events: Vec<_> = picks.iter().map(|(at, m, s)| event(*at, methods[*m], *s)).collect();
            let (left, right) = events.split_at(split.min(events.len()));
            let mut joined = Summary::of(right);
            joined.join(&Summary::of(left));
            prop_assert_eq!(joined, Summary::of(&events));
        }
    }
}
