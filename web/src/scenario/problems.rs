//! What went wrong in a scenario, in words, each with a way to its row.

use message::flow::{Flow, Half, Problem, Trouble};
use message::kind::Kind;
use message::logged::Message;
use rule::told::Told;

use super::said::Said;
use super::tools::link;
use crate::ladder::entry::is_answer;
use crate::ladder::view::{RowId, View};
use crate::ladder::words::{duration, shortened};
use crate::words::count;

/// Problems in the head; the rest is a click away.
const MOST: usize = 5;
/// Letters of a method or a path.
const LONGEST: usize = 60;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problems {
    pub told: Vec<Wrong>,
    /// `3 more problems`, and where they are.
    pub more: Option<(String, String)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrong {
    pub says: String,
    /// When, counted from the first INVITE.
    pub when: String,
    pub href: String,
}

/// Those that no rule tells of; that the caller was refused stands in the first line.
pub fn problems(told: &[Told], flow: &Flow, messages: &[Message], view: &View) -> Problems {
    let said = Said::new(told, flow, messages);
    let got = flow.course.first().and_then(|caller| caller.result()).filter(|got| got.status >= 300);
    let is_first = |problem: &Problem| {
        matches!(problem.what, Trouble::Refused(_)) && got.is_some_and(|got| said.is_one(got.row, problem.row))
    };
    let begun = super::headline::begun(flow, messages).or_else(|| flow.rows.first().map(|row| row.time));
    let all = flow.course.problems_at(view.read_to).filter(|problem| !said.of(problem) && !is_first(problem));
    let all: Vec<&Problem> = all.collect();
    let told = all.iter().take(MOST).map(|problem| {
        let row = &flow.rows[problem.row];
        let id = RowId::new(messages[row.message].id, row.half);
        let open = View { open: Some(id), page: None, ..view.clone() };
        Wrong {
            says: says(problem, flow, messages),
            when: begun
                .map_or(String::new(), |begun| format!("+{}", duration(problem.time.micros_since(begun).max(0)))),
            href: format!("{}#m{id}", link(&open)),
        }
    });
    let told = told.collect();
    let left = all.len().saturating_sub(MOST);
    let more = (left > 0).then(|| {
        let only = View { problems: true, page: None, ..view.clone() };
        (format!("{} more", count(left)), link(&only))
    });
    Problems { told, more }
}

/// A request by its method, of REST with its path.
pub fn request(message: &Message, kind: Kind) -> String {
    match (&message.facts.target, kind) {
        (Some(target), Kind::Rest) => {
            let path = target.split('?').next().unwrap_or_default();
            shortened(&format!("{} {path}", message.facts.method), LONGEST)
        }
        (_, Kind::Push) => "the push".to_owned(),
        _ => shortened(&message.facts.method, LONGEST),
    }
}

/// Machines that one refusal comes through at most.
const HOPS: usize = 16;

/// The row in which it was said first: the others passed it on.
pub fn refused_at(row: usize, flow: &Flow, messages: &[Message]) -> usize {
    let said = |at: usize| {
        let facts = &messages[flow.rows[at].message].facts;
        (facts.status, &facts.method, facts.response, messages[flow.rows[at].message].call)
    };
    let mut first = row;
    let asked = |at: usize| flow.rows[at].pair.unwrap_or(0);
    for _ in 0..HOPS {
        // What it heard after it was asked: an answer of before was to another request.
        let heard = |at: &usize| {
            *at > asked(first) && flow.rows[*at].to == flow.rows[first].from && said(*at) == said(first) && said(*at).2
        };
        match (0..first).rev().find(heard) {
            Some(before) => first = before,
            None => break,
        }
    }
    first
}

/// `BYE to bob was not answered, sent 11 times`
fn says(problem: &Problem, flow: &Flow, messages: &[Message]) -> String {
    let row = &flow.rows[problem.row];
    let message = &messages[row.message];
    let (from, to) = (&flow.nodes[row.from].name, &flow.nodes[row.to].name);
    let times = |sent: usize| if sent > 1 { format!(", sent {} times", count(sent)) } else { String::new() };
    match problem.what {
        Trouble::Unanswered { sent } => format!("{} to {to} was not answered{}", named(message), times(sent)),
        Trouble::NoAck { sent } => format!("the answer of {from} got no ACK{}", times(sent)),
        Trouble::Refused(status) => {
            let from = &flow.nodes[flow.rows[refused_at(problem.row, flow, messages)].from].name;
            format!("{from} refused {} with {status}", asked(problem.row, flow, messages))
        }
        Trouble::StillRinging => format!("{from} was still ringing"),
        Trouble::AnswerLost => format!("{from} answered, and the caller never got it"),
        Trouble::Damaged => format!("the record of {} from {from} is damaged", named(message)),
    }
}

/// What a refusal answers: `POST /v1/authorize`.
pub fn asked(row: usize, flow: &Flow, messages: &[Message]) -> String {
    let of = &flow.rows[row];
    let message = &messages[of.message];
    let asked = match of.half {
        // One record holds both.
        Half::Response => Some(message),
        _ if is_answer(message, of.half) => of.pair.map(|pair| &messages[flow.rows[pair].message]),
        _ => Some(message),
    };
    let asked = asked.map_or_else(|| shortened(&message.facts.method, LONGEST), named);
    if asked.is_empty() { "a request".to_owned() } else { asked }
}

fn named(message: &Message) -> String {
    match message.kind {
        Kind::Push => shortened(&message.facts.method, LONGEST),
        kind => request(message, kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ladder::sample::Sample;

    #[test]
    fn a_refusal_is_that_of_who_said_it_first() {
        let mut s = Sample::of(&["alice-ios of alice", "sbc-1", "proxy-1", "bob-ios of bob"]);
        s.leg("A");
        s.leg("B1 bob-ios");
        // An earlier attempt, which bob refused alike.
        s.row(0, "A sbc-1 > proxy-1 INVITE");
        s.row(1, "B1 proxy-1 > bob-ios INVITE");
        s.row(2, "B1 bob-ios > proxy-1 486 INVITE Busy");
        s.row(10, "A alice-ios > sbc-1 INVITE");
        let asked = s.row(11, "A sbc-1 > proxy-1 INVITE");
        let by_proxy = s.row(12, "A proxy-1 > sbc-1 486 INVITE Busy");
        s.flow.rows[by_proxy].pair = Some(asked);
        let told = s.row(13, "A sbc-1 > alice-ios 486 INVITE Busy");
        let by = |s: &Sample| s.flow.nodes[s.flow.rows[refused_at(told, &s.flow, &s.messages)].from].name.clone();
        assert_eq!(by(&s), "proxy-1", "what bob said was the answer to another request");
        s.flow.rows[by_proxy].pair = Some(0);
        assert_eq!(by(&s), "bob-ios");
        s.messages[s.flow.rows[by_proxy].message].facts.status = Some(603);
        assert_eq!(by(&s), "sbc-1", "what it heard was another refusal");
    }
}
