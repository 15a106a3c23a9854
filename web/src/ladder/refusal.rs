//! A step that waited for an answer, and got another one: the answer came, and was a refusal.

use message::flow::{Flow, Half, Row};
use message::kind::Kind;
use message::logged::Message;
use record::id::MessageId;
use rule::told::{Seen, Step, Told};
use rule::wording;

use super::entry::{folded, is_answer, status};
use super::words::shortened;

/// Letters of a status with its reason.
const LONGEST: usize = 80;

/// A final answer in place of the one that a step waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    pub row: usize,
    pub status: u16,
}

/// The answer that an unmet step got instead; none where nothing came.
pub fn refusal(told: &Told, step: &Step, flow: &Flow, messages: &[Message]) -> Option<Refusal> {
    if step.seen != Seen::Missed {
        return None;
    }
    let wanted = wording::answers(&step.text);
    let name = |node: usize| Some(&flow.nodes[node].name);
    let between = |from, to| {
        step.from.as_ref().is_none_or(|wanted| name(from) == Some(wanted))
            && step.to.as_ref().is_none_or(|wanted| name(to) == Some(wanted))
    };
    let asked = |method: &str| wanted.iter().any(|(_, methods)| methods.contains(&method));
    let end = told.ended.and_then(|id| row_of(id, flow, messages)).map(|row| flow.rows[row].time);
    let within = |row: &Row| row.time >= told.began && end.is_none_or(|end| row.time <= end);
    let mut last = None;
    for (at, row) in flow.rows.iter().enumerate().filter(|(_, row)| within(row)) {
        let message = &messages[row.message];
        let of_leg = flow.legs.get(row.leg).is_some_and(|leg| leg.tag == told.leg);
        if !of_leg || !asked(method(at, flow, messages)) {
            continue;
        }
        if !is_answer(message, row.half) {
            // A challenge that was met is no refusal.
            last = last.filter(|of: &Refusal| !matches!(of.status, 401 | 407) || !between(row.to, row.from));
            continue;
        }
        let answer = status(message, row.half).filter(|status| *status >= 200 && between(row.from, row.to));
        last = answer.map(|status| Refusal { row: at, status }).or(last);
    }
    last.filter(|of| !wanted.iter().any(|(codes, _)| wording::holds(codes, of.status)))
}

/// The method that a row asks for or answers: an answer of HTTP names none itself.
pub fn method<'a>(row: usize, flow: &Flow, messages: &'a [Message]) -> &'a str {
    let of = &flow.rows[row];
    let message = &messages[of.message];
    let asked = of.pair.filter(|_| message.kind != Kind::Sip && of.half == Half::Whole && is_answer(message, of.half));
    &messages[asked.map_or(of.message, |asked| flow.rows[asked].message)].facts.method
}

/// The row of a message that a rule names: of a record that holds both, its answer.
pub fn row_of(id: MessageId, flow: &Flow, messages: &[Message]) -> Option<usize> {
    let is = |message: usize| messages[message].id == id;
    let shows = |row: &Row| row.half != Half::Request && (is(row.message) || folded(row).any(is));
    flow.rows.iter().position(shows)
}

/// `410 Unregistered`, as it was logged.
pub fn status_line(row: usize, flow: &Flow, messages: &[Message]) -> String {
    let row = &flow.rows[row];
    let message = &messages[row.message];
    let status = status(message, row.half).map_or(String::new(), |status| status.to_string());
    let reason = message.facts.result.as_ref().filter(|_| row.half == Half::Response).map(|result| &result.reason);
    shortened(format!("{status} {}", reason.unwrap_or(&message.facts.reason)).trim(), LONGEST)
}
