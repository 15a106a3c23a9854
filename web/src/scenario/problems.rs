//! What went wrong in a scenario, in words, each with a way to its row.

use message::flow::{Flow, Half, Problem, Trouble};
use message::kind::Kind;
use message::logged::Message;

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

pub fn problems(flow: &Flow, messages: &[Message], view: &View) -> Problems {
    let begun = super::headline::begun(flow, messages).or_else(|| flow.rows.first().map(|row| row.time));
    let all: Vec<&Problem> = flow.course.problems_at(view.read_to).collect();
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

/// Whoever said it first: the others passed it on.
fn refuser(row: usize, flow: &Flow, messages: &[Message]) -> usize {
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
    flow.rows[first].from
}

/// `BYE to bob was not answered, sent 11 times`
fn says(problem: &Problem, flow: &Flow, messages: &[Message]) -> String {
    let row = &flow.rows[problem.row];
    let message = &messages[row.message];
    let (from, to) = (&flow.nodes[row.from].name, &flow.nodes[row.to].name);
    let what = |message: &Message| match message.kind {
        Kind::Push => shortened(&message.facts.method, LONGEST),
        kind => request(message, kind),
    };
    let times = |sent: usize| if sent > 1 { format!(", sent {} times", count(sent)) } else { String::new() };
    match problem.what {
        Trouble::Unanswered { sent } => format!("{} to {to} was not answered{}", what(message), times(sent)),
        Trouble::NoAck { sent } => format!("the answer of {from} got no ACK{}", times(sent)),
        Trouble::Refused(status) => {
            let asked = match row.half {
                // One record holds both.
                Half::Response => Some(message),
                _ if is_answer(message, row.half) => row.pair.map(|pair| &messages[flow.rows[pair].message]),
                _ => Some(message),
            };
            let asked = asked.map_or_else(|| shortened(&message.facts.method, LONGEST), what);
            let asked = if asked.is_empty() { "a request".to_owned() } else { asked };
            let from = &flow.nodes[refuser(problem.row, flow, messages)].name;
            format!("{from} refused {asked} with {status}")
        }
        Trouble::StillRinging => format!("{from} was still ringing"),
        Trouble::AnswerLost => format!("{from} answered, and the caller never got it"),
        Trouble::Damaged => format!("the record of {} from {from} is damaged", what(message)),
    }
}
