//! Requests of REST and push from one machine to another that wait for their answers.
//!
//! An answer finds its request by the id that both carry. Answers of HTTP/2 come in any order, so without an id nothing
//! but there being one request open says whose an answer is.

use super::Certainty;
use crate::answer::{self, OPEN};
use crate::facts::Facts;
use crate::number::NumberSet;
use record::time::Timestamp;

/// Requests open at once between two machines that are looked at.
const MOST: usize = 256;

#[derive(Default)]
pub struct Asked<'a> {
    open: Vec<Open<'a>>,
    /// Requests that an answer may have been meant for which nothing could be said of.
    unclear: NumberSet<usize>,
}

struct Open<'a> {
    fold: usize,
    time: Timestamp,
    /// Sender and receiver, with their ports: a connection.
    ends: (usize, usize),
    ids: &'a [String],
    target: Option<&'a str>,
}

/// What an answer is paired with.
#[derive(Default)]
pub struct Found {
    pub request: Option<usize>,
    pub sure: Certainty,
}

impl<'a> Asked<'a> {
    pub fn ask(&mut self, fold: usize, time: Timestamp, ends: (usize, usize), facts: &'a Facts) {
        self.forget(time);
        if self.open.len() == MOST {
            self.open.remove(0);
        }
        self.open.push(Open { fold, time, ends, ids: &facts.ids, target: facts.target.as_deref() });
    }

    /// `ends` are those of the answer: its sender was asked.
    pub fn answer(&mut self, time: Timestamp, ends: (usize, usize), facts: &Facts) -> Found {
        self.forget(time);
        let young = |open: &Open| time.micros_since(open.time) <= OPEN;
        let named = |open: &Open| open.ids.iter().any(|id| facts.ids.contains(id));
        let mut of_id: Vec<usize> = (0..self.open.len()).filter(|at| named(&self.open[*at])).collect();
        if of_id.iter().any(|at| young(&self.open[*at])) {
            of_id.retain(|at| young(&self.open[*at]));
        }
        let since = |at: &usize| time.micros_since(self.open[*at].time);
        let waiting = of_id.iter().map(|at| answer::Request { since: since(at), answered: None });
        if let Some(found) = answer::request(waiting) {
            let sure = if of_id.len() == 1 { Certainty::Sure } else { Certainty::Likely };
            return self.take(of_id[found], sure);
        }
        // One that carries an id answers none that carries another.
        let may = |open: &Open| young(open) && (facts.ids.is_empty() || open.ids.is_empty());
        let target = facts.target.as_deref();
        let of_target = |open: &Open| target.is_some() && open.target == target;
        let of_connection = |open: &Open| open.ends == (ends.1, ends.0);
        let mut own: Vec<usize> = (0..self.open.len()).filter(|at| may(&self.open[*at])).collect();
        for narrower in [&of_target as &dyn Fn(&Open) -> bool, &of_connection] {
            let some: Vec<usize> = own.iter().copied().filter(|at| narrower(&self.open[*at])).collect();
            if !some.is_empty() {
                own = some;
            }
        }
        match own[..] {
            [] => Found::default(),
            [only] => self.take(only, Certainty::Likely),
            _ => {
                self.unclear.extend(own.iter().map(|at| self.open[*at].fold));
                Found { request: None, sure: Certainty::CannotTell }
            }
        }
    }

    /// What waits in vain, as an answer that could be its own went by.
    pub fn unclear(&self) -> impl Iterator<Item = usize> + '_ {
        self.unclear.iter().copied()
    }

    fn take(&mut self, at: usize, sure: Certainty) -> Found {
        Found { request: Some(self.open.remove(at).fold), sure }
    }

    fn forget(&mut self, now: Timestamp) {
        self.open.retain(|open| !open.ids.is_empty() || now.micros_since(open.time) <= OPEN);
    }
}
