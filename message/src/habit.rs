//! What a log never holds: a program that logs what it asks, and no answer. A request without an answer says nothing there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::facts::Facts;
use crate::kind::Kind;
use record::id::CallKey;

/// In so many calls such a request was logged, and in none of them an answer.
const ENOUGH: usize = 20;
/// Methods that are counted; what nobody knows may be anything.
const MOST: usize = 64;
/// Letters of a method that anybody knows.
const LONGEST: usize = 32;

/// Whether answers to such requests stand in a log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Habit {
    pub kind: Kind,
    /// Of SIP; empty for all others, whose answers do not name it.
    pub method: String,
    pub answers: bool,
}

/// Learns the habits of one log.
#[derive(Clone, Debug, Default)]
pub struct Habits(BTreeMap<(Kind, String), Seen>);

#[derive(Clone, Debug, Default)]
struct Seen {
    /// Calls with such a request; one is often sent again and again.
    asked: BTreeSet<CallKey>,
    answered: bool,
}

impl Habits {
    pub fn see(&mut self, call: CallKey, facts: &Facts) {
        let key = (facts.kind, name(facts.kind, &facts.method).to_owned());
        if facts.method == "ACK" || facts.method.len() > LONGEST || (self.0.len() >= MOST && !self.0.contains_key(&key))
        {
            return;
        }
        if facts.kind == Kind::Rest && facts.response {
            // Whether it answers a push, only its request would say.
            self.0.entry((Kind::Push, String::new())).or_default().answered = true;
        }
        let seen = self.0.entry(key).or_default();
        seen.answered |= facts.response || facts.result.as_ref().is_some_and(|result| result.status.is_some());
        if !facts.response && seen.asked.len() < ENOUGH {
            seen.asked.insert(call);
        }
    }

    /// What is known for certain, in order.
    pub fn known(&self) -> Vec<Habit> {
        let certain = self.0.iter().filter(|(_, seen)| seen.answered || seen.asked.len() >= ENOUGH);
        certain
            .map(|((kind, method), seen)| Habit { kind: *kind, method: method.clone(), answers: seen.answered })
            .collect()
    }
}

/// By what a habit goes.
pub(crate) fn name(kind: Kind, method: &str) -> &str {
    if kind == Kind::Sip { method } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Settings, read};

    fn see(habits: &mut Habits, call: usize, text: &str) {
        let facts = read(Kind::Sip, "-", "-", "-", text.as_bytes(), &Settings::default());
        habits.see(CallKey::of(call.to_string().as_bytes()), &facts);
    }

    fn answers(habits: &Habits, method: &str) -> Option<bool> {
        habits.known().into_iter().find(|habit| habit.method == method).map(|habit| habit.answers)
    }

    #[test]
    fn a_log_without_one_answer_in_twenty_calls_holds_none() {
        let (invite, answer) = ("INVITE sip:a SIP/2.0\n\n", "SIP/2.0 200 OK\nCSeq: 1 INVITE\n\n");
        let mut habits = Habits::default();
        for call in 0..19 {
            (0..7).for_each(|_| see(&mut habits, call, invite));
        }
        assert_eq!(answers(&habits, "INVITE"), None, "one call sent again and again is one");
        see(&mut habits, 19, invite);
        assert_eq!((answers(&habits, "INVITE"), answers(&habits, "BYE")), (Some(false), None));
        see(&mut habits, 20, answer);
        assert_eq!(answers(&habits, "INVITE"), Some(true));
        (0..30).for_each(|call| see(&mut habits, call, "ACK sip:a SIP/2.0\n\n"));
        assert_eq!(answers(&habits, "ACK"), None, "nothing answers it");
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let mut habits = Habits::default();
        (0..1000).for_each(|nth| see(&mut habits, nth, &format!("M{nth} sip:a SIP/2.0\n\n")));
        assert_eq!(habits.0.len(), MOST);
    }
}
