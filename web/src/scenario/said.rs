//! What the head says already: a problem that a rule tells of is told in the rule's words, and once.

use message::flow::{Flow, Problem, Trouble};
use message::kind::Kind;
use message::logged::Message;
use record::time::Timestamp;
use rule::told::{Seen, Told};
use rule::verdict::Outcome;
use rule::wording;

use super::problems::asked;
use crate::ladder::entry::status;
use crate::ladder::refusal::{method, refusal, row_of};
use crate::words::count;

/// What rules tell of a call, beside its rows.
#[derive(Debug)]
pub struct Said<'a> {
    told: Vec<Placed<'a>>,
    pub flow: &'a Flow,
    pub messages: &'a [Message],
}

/// An instance of a rule with its rows: looked for once, however many problems it is held against.
#[derive(Debug)]
struct Placed<'a> {
    told: &'a Told,
    /// The row that began it.
    start: Option<usize>,
    /// The row of the refusal that it tells of.
    refused: Option<usize>,
}

impl<'a> Said<'a> {
    pub fn new(told: &'a [Told], flow: &'a Flow, messages: &'a [Message]) -> Self {
        let placed =
            |told| Placed { told, start: row_of(told.start, flow, messages), refused: refused(told, flow, messages) };
        Self { told: told.iter().map(placed).collect(), flow, messages }
    }

    /// A rule tells of this problem.
    pub fn of(&self, problem: &Problem) -> bool {
        self.failed().any(|placed| self.is_of(placed, problem))
    }

    /// The row of the answer that the caller was refused with, where no rule tells of it.
    pub fn refusal(&self) -> Option<usize> {
        let got =
            self.flow.course.first()?.result().filter(|got| got.status >= 300 && got.status != 487 && !got.inferred)?;
        let told = |placed: &Placed| placed.refused.is_some_and(|row| self.is_one(row, got.row));
        (!self.failed().any(told)).then_some(got.row)
    }

    /// `; BYE was sent 11 times`, of what a rule waited for an answer to.
    pub fn again(&self, told: &Told, read_to: Timestamp) -> String {
        let Some(placed) = self.placed(told) else { return String::new() };
        let mut problems = self.flow.course.problems_at(read_to).filter(|problem| self.is_of(placed, problem));
        let (what, sent) = match problems.next() {
            Some(Problem { what: Trouble::NoAck { sent }, .. }) => ("the answer".to_owned(), *sent),
            Some(Problem { what: Trouble::Unanswered { sent }, row, .. }) => {
                (asked(*row, self.flow, self.messages), *sent)
            }
            _ => return String::new(),
        };
        if sent > 1 { format!("; {what} was sent {} times", count(sent)) } else { String::new() }
    }

    fn failed(&self) -> impl Iterator<Item = &Placed<'a>> {
        self.told.iter().filter(|placed| matches!(placed.told.outcome, Outcome::Failed | Outcome::Late))
    }

    /// The row of the refusal that it tells of.
    pub fn refused(&self, told: &Told) -> Option<usize> {
        self.placed(told)?.refused
    }

    fn placed(&self, told: &Told) -> Option<&Placed<'a>> {
        self.told.iter().find(|placed| std::ptr::eq(placed.told, told))
    }

    fn is_of(&self, &Placed { told, start, refused }: &Placed, problem: &Problem) -> bool {
        if let Trouble::Refused(_) = problem.what {
            return refused.is_some_and(|row| self.is_one(row, problem.row));
        }
        let Some(step) = told.step.and_then(|step| told.steps.get(step)).filter(|step| step.seen == Seen::Missed)
        else {
            return false;
        };
        let awaited = |wanted: &str| {
            let answers = wording::answers(&step.text);
            answers.iter().any(|(_, methods)| methods.contains(&wanted)) || wording::what(&step.text) == wanted
        };
        let method = match problem.what {
            Trouble::Damaged | Trouble::Refused(_) => return false,
            Trouble::NoAck { .. } => "ACK",
            Trouble::Unanswered { .. } | Trouble::StillRinging | Trouble::AnswerLost => self.method(problem.row),
        };
        let of_leg = self.flow.legs.get(problem.leg).is_some_and(|leg| leg.tag == told.leg);
        // Where the rule began with the request that it awaits the answer of, others of its leg are not that one.
        let of_start = start.is_some_and(|row| self.is_one(row, problem.row));
        let begins_with_it = start.is_some_and(|row| awaited(self.method(row)));
        awaited(method) && (of_start || of_leg && !begins_with_it)
    }

    fn method(&self, row: usize) -> &str {
        method(row, self.flow, self.messages)
    }

    /// Both are of one request, on this hop or on another.
    pub fn is_one(&self, one: usize, other: usize) -> bool {
        let row = |at: usize| &self.flow.rows[at];
        let sip = |at: usize| self.messages[row(at).message].facts.sip.as_ref().filter(|_| row(at).kind == Kind::Sip);
        if self.method(one) != self.method(other) {
            return false;
        }
        let passed_on = sip(one).zip(sip(other)).is_some_and(|(a, b)| {
            let call = |at: usize| self.messages[row(at).message].call;
            let tag =
                |from: &Option<message::sip::NameAddr>| from.as_ref().and_then(|from| from.tag().map(str::to_owned));
            call(one) == call(other) && a.cseq == b.cseq && tag(&a.from) == tag(&b.from)
        });
        // Legs of a fork are of one request, too; each is refused by somebody else.
        let same_leg = row(one).leg == row(other).leg || self.method(one) != "INVITE";
        row(one).transaction == row(other).transaction || passed_on && same_leg
    }
}

fn refused(told: &Told, flow: &Flow, messages: &[Message]) -> Option<usize> {
    match told.step.and_then(|step| told.steps.get(step)) {
        Some(step) => refusal(told, step, flow, messages).map(|of| of.row),
        None => told.ended.filter(|_| told.outcome == Outcome::Failed).and_then(|id| {
            let row = row_of(id, flow, messages)?;
            let of = &flow.rows[row];
            status(&messages[of.message], of.half).filter(|status| *status >= 300).map(|_| row)
        }),
    }
}
