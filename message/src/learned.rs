//! What is learned of a log from many of its records: it stands with the log.

use serde::{Deserialize, Serialize};

use crate::habit::{Habit, name};
use crate::kind::Kind;
use crate::machine::Machine;

/// What is known of a log.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Learned {
    /// Who writes it. Empty: that is not known.
    pub machines: Vec<Machine>,
    /// Of what is not here nothing is known yet.
    pub habits: Vec<Habit>,
}

impl Learned {
    /// Takes what is known now beside what was known before; that an answer was seen is never forgotten.
    pub fn learn(&mut self, habits: Vec<Habit>) {
        for habit in habits {
            match self.habits.iter_mut().find(|known| known.kind == habit.kind && known.method == habit.method) {
                Some(known) => known.answers |= habit.answers,
                None => self.habits.push(habit),
            }
        }
        self.habits.sort();
    }

    /// Whether answers to such requests stand in the log, where that is known.
    pub fn answers(&self, kind: Kind, method: &str) -> Option<bool> {
        let method = name(kind, method);
        let habit = self.habits.iter().find(|habit| habit.kind == kind && habit.method == method)?;
        Some(habit.answers)
    }
}
