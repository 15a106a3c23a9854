//! What happened: what the caller got, who answered, how long they talked, who ended it, what went wrong.
//!
//! A pure function of what was logged. What no log shows is not known, and said to be so.

mod blind;
mod caller;
mod connection;
mod device;
mod dialog;
mod forwarded;
mod known;
mod problem;
mod refer;
mod transfer;
mod unanswered;
mod winner;

pub use caller::{Caller, Got, Try};
pub use connection::End;
pub use dialog::{By, Bye, Dialog};
use known::Known;
pub use problem::{Problem, Trouble};
pub use transfer::Transfer;
pub use winner::Winner;

use crate::fold::Fold;
use crate::legs::{Branching, Heard, Leg, Outcome, Tags, Tries};
use crate::node::{Columns, Machines};
use crate::pair::Pairs;
use crate::scene::{Scene, Verb};
use crate::sip::NameAddr;
use crate::tree::Tree;
use record::time::Timestamp;

/// What happened in a scenario. Rows, legs and nodes are indices into the flow that it stands in.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Course {
    /// Calls of a caller, each with a result of its own: A, C, D, … Empty where nobody was invited.
    pub callers: Vec<Caller>,
    pub dialogs: Vec<Dialog>,
    /// Who was given somebody else to talk to, as it happened.
    pub transfers: Vec<Transfer>,
    /// It is a registration that takes itself back (RFC 3261, 10.2.2).
    pub deregisters: bool,
    /// What went wrong, or will have once nothing more can come of it, as it happened.
    pub problems: Vec<Problem>,
}

impl Course {
    /// That of the caller's side A.
    pub fn first(&self) -> Option<&Caller> {
        self.callers.first()
    }

    /// The user who hung up, where no hop of theirs is logged and so no node stands for them.
    pub fn user(&self, by: By) -> Option<String> {
        match by {
            By::Node(_) => None,
            By::Side { dialog, caller } => self.dialogs.get(dialog)?.user(caller),
        }
    }

    /// The next event time at which this says more, once all logs are read to it.
    pub fn next_due(&self, read_to: Timestamp) -> Option<Timestamp> {
        let open = self.callers.iter().filter_map(|caller| match caller.connected {
            Some((_, End::Open { until })) => Some(until),
            _ => None,
        });
        let waiting = self.problems.iter().filter(|problem| !problem.is_seen());
        let due = waiting.map(|problem| problem.due).chain(open);
        due.filter(|due| *due > read_to).min()
    }

    /// What went wrong, as far as is known when all logs that could show more have been read to an event time.
    pub fn problems_at(&self, read_to: Timestamp) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(move |problem| problem.is_seen() || problem.due <= read_to)
    }
}

/// What a course is read from.
pub(crate) struct Ground<'a, 's> {
    pub scene: &'a Scene<'s>,
    pub folds: &'a [Fold],
    pub tree: &'a Tree<'s>,
    pub machines: &'a Machines<'a>,
    pub branching: &'a Branching,
    pub columns: &'a Columns,
    pub tags: &'a Tags<'s>,
    pub heard: &'a Heard<'s>,
    pub tries: &'a Tries,
    pub pairs: &'a Pairs,
    /// By fold: its leg.
    pub of: &'a [usize],
}

impl Ground<'_, '_> {
    /// The try of its caller that a row is of.
    fn tried(&self, row: usize) -> Option<usize> {
        let attempt = self.tree.of.get(&self.scene.transaction[self.folds[row].first.message])?;
        Some(self.tries.of[*attempt])
    }

    /// What the device of a leg did in the try that a row is of.
    fn outcome(&self, outcomes: &device::Outcomes, (leg, row): (usize, usize)) -> Option<Outcome> {
        outcomes.get(&(leg, self.tried(row)?)).copied()
    }
}

/// Tells the course, and how each leg ended; and by row its dialog.
pub(crate) fn course(ground: &Ground, legs: &mut [Leg]) -> (Course, Vec<Option<usize>>) {
    let known = Known::of(ground);
    let dialogs = dialog::Dialogs::of(ground, &known, legs);
    let of_row = dialogs.of_rows(ground);
    let refers = refer::Refers::of(ground, &dialogs, &of_row);
    let mut callers = caller::callers(ground, &known);
    forwarded::name(ground, &mut callers);
    for caller in &mut callers {
        winner::decide(ground, &known, &dialogs, legs, caller);
        connection::measure(ground, &known, (&dialogs, &refers), caller);
    }
    let outcomes = device::outcomes(ground, &known, &dialogs, &callers, legs);
    blind::mark(ground, legs);
    let problems = problem::problems(ground, &known, &dialogs, &callers, (legs, &outcomes));
    let transfers = transfer::transfers(ground, &dialogs, &refers);
    (Course { callers, transfers, dialogs: dialogs.told(), deregisters: deregisters(ground), problems }, of_row)
}

/// The last REGISTER with a Contact keeps none.
fn deregisters(ground: &Ground) -> bool {
    let registers = ground.folds.iter().rev().filter(|fold| ground.scene.verb[fold.first.message] == Verb::Register);
    let requests = registers.filter(|fold| !fold.first.is_response(ground.scene.messages));
    let mut told =
        requests.filter_map(|fold| ground.scene.sip(fold.first.message)).filter(|sip| !sip.contacts.is_empty());
    told.next().is_some_and(|sip| {
        let none =
            |contact: &NameAddr| contact.param("expires").map_or(sip.expires == Some(0), |seconds| seconds == "0");
        sip.contacts.iter().all(none)
    })
}
