//! What the search list shows of a scenario: a value that events are added to in any order, with the same result.

mod finals;
mod reach;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::event::{CallClass, CallEvent};
use crate::kind::Kind;
use crate::said::Said;
use finals::Finals;
use reach::Reach;
use record::time::Timestamp;

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
    pub said: Said,
    /// The earliest INVITE (else the earliest request) names caller and callee.
    opening: Option<Opening>,
    pub rang: Option<Timestamp>,
    pub answered: Option<Timestamp>,
    /// User of the Contact, else of To, that answered first.
    pub answered_by: Option<String>,
    /// The first BYE, and the first answer to one.
    pub ending: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    finals: Finals,
    reach: Reach,
    calls: BTreeSet<u64>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
struct Opening {
    /// 0 an INVITE, 1 another SIP request, 2 the rest: the least opens.
    rank: u8,
    time: Timestamp,
    caller: String,
    callee: String,
    /// The name that its final statuses stand under.
    method: String,
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
        self.said = self.said.and(event.said);
        if !event.is_bare_answer() {
            insert(&mut self.calls, short(&event.call.0));
        }
        self.reach.add(event);
        if event.kind == Kind::Sip {
            self.add_sip(event);
        } else {
            self.open(2, event);
        }
        if let Some(status) = event.status.filter(|_| event.response || event.kind != Kind::Sip) {
            self.finals.add(finals::method_of(event), status, event.time);
        }
    }

    fn add_sip(&mut self, event: &CallEvent) {
        let invite = event.method == "INVITE";
        if !event.response {
            self.open(u8::from(!invite), event);
            if event.method == "BYE" {
                earliest(&mut self.ending, event.time);
            }
            return;
        }
        let Some(status) = event.status else { return };
        if invite && (status == 180 || status == 183) {
            earliest(&mut self.rang, event.time);
        }
        if invite && (200..300).contains(&status) {
            self.answer(event.time, event.answered_by.as_ref().or(event.to.as_ref()));
        }
        if event.method == "BYE" && status >= 200 {
            earliest(&mut self.ended, event.time);
        }
    }

    /// Of answers of one time the least name counts, whichever comes first.
    fn answer(&mut self, time: Timestamp, by: Option<&String>) {
        if self.answered.is_none_or(|at| (time, by) < (at, self.answered_by.as_ref())) {
            self.answered = Some(time);
            self.answered_by = by.cloned();
        }
    }

    fn open(&mut self, rank: u8, event: &CallEvent) {
        let callee = event.to.clone().or_else(|| event.target.clone()).unwrap_or_default();
        let (caller, method) = (event.from.clone().unwrap_or_default(), finals::method_of(event).to_owned());
        let opening = Opening { rank, time: event.time, caller, callee, method };
        if self.opening.as_ref().is_none_or(|old| opening < *old) {
            self.opening = Some(opening);
        }
    }

    /// So many messages are of another kind than was known as they were added.
    pub fn count_as(&mut self, from: Kind, to: Kind, messages: u64) {
        let place = |kind: Kind| kind.code() as usize - 1;
        let moved = messages.min(self.kinds[place(from)]);
        if moved > 0 {
            self.kinds[place(from)] -= moved;
            self.kinds[place(to)] += moved;
            self.said = self.said.and(Said::kind(to));
        }
    }

    /// Two scenarios are one.
    pub fn join(&mut self, other: &Self) {
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.max(other.last);
        self.class = self.class.into_iter().chain(other.class).min();
        self.messages += other.messages;
        self.said = self.said.and(other.said);
        for (mine, theirs) in self.kinds.iter_mut().zip(other.kinds) {
            *mine += theirs;
        }
        self.opening = self.opening.take().into_iter().chain(other.opening.clone()).min();
        if let Some(at) = other.answered {
            self.answer(at, other.answered_by.as_ref());
        }
        for (mine, theirs) in
            [(&mut self.rang, other.rang), (&mut self.ending, other.ending), (&mut self.ended, other.ended)]
        {
            *mine = (*mine).into_iter().chain(theirs).min();
        }
        self.finals.join(&other.finals);
        self.reach.join(&other.reach);
        other.calls.iter().for_each(|c| insert(&mut self.calls, *c));
    }

    /// A final answer to an INVITE, or a BYE.
    pub fn ends(&self) -> bool {
        self.ending.is_some() || self.finals.status(Some("INVITE")).is_some()
    }

    pub fn caller(&self) -> Option<&str> {
        self.opening.as_ref().map(|o| o.caller.as_str()).filter(|c| !c.is_empty())
    }

    pub fn callee(&self) -> Option<&str> {
        self.opening.as_ref().map(|o| o.callee.as_str()).filter(|c| !c.is_empty())
    }

    /// The final status of what opened the scenario.
    pub fn status(&self) -> Option<u16> {
        self.finals.status(self.opening.as_ref().map(|opening| opening.method.as_str()))
    }

    pub fn legs(&self) -> usize {
        self.reach.legs()
    }

    pub fn nodes(&self) -> usize {
        self.reach.nodes()
    }

    pub fn devices(&self) -> usize {
        self.reach.devices()
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
