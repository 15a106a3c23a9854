//! What came of a scenario, as far as its logs show it: never a verdict.

use message::event::CallClass;
use message::flow::{Flow, Row};
use message::kind::Kind;
use message::logged::Message;
use record::time::Timestamp;
use store::scenario::{Scenario, ScenarioRow};

use super::evidence::Evidence;
use crate::ladder::entry::{is_answer, status};
use crate::ladder::words::{duration, shortened};
use crate::words::Outcome;

/// Letters of a reason phrase, which may be a million.
const LONGEST: usize = 200;

/// The words of the page's head.
#[derive(Clone, PartialEq, Debug)]
pub struct Headline {
    /// As in the list of scenarios.
    pub state: Outcome,
    /// `call`, `registration`, …
    pub class: &'static str,
    pub caller: Option<String>,
    pub callee: Option<String>,
    /// `answered, ended by bob-web`
    pub says: String,
    pub facts: Vec<Fact>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    pub name: &'static str,
    pub text: String,
    /// Marked as sound.
    pub good: bool,
    pub title: String,
}

/// Moments of the first call, as its caller saw them where that was logged.
#[derive(Clone, Debug, Default)]
struct Moments {
    begun: Option<Timestamp>,
    rang: Option<Timestamp>,
    answered: Option<Timestamp>,
    /// Who ended it, by which method, and when.
    ended: Option<(String, &'static str, Timestamp)>,
    reason: String,
}

pub fn headline(scenario: &Scenario, flow: &Flow, messages: &[Message], evidence: &Evidence) -> Headline {
    let row = &scenario.row;
    let moments = moments(row, flow, messages);
    Headline {
        state: crate::words::outcome(row),
        says: says(row, &moments),
        class: row.class.name(),
        caller: row.caller.clone().or_else(|| flow.caller.clone()),
        callee: crate::words::callee(row).or_else(|| flow.callee.as_ref().filter(|_| !row.class.is_daily())).cloned(),
        facts: facts(&moments, evidence),
    }
}

/// When the first INVITE of the picture was sent: what branch times count from.
pub fn begun(flow: &Flow, messages: &[Message]) -> Option<Timestamp> {
    invites(flow, messages).find(|(row, message)| !is_answer(message, row.half)).map(|(row, _)| row.time)
}

fn says(row: &ScenarioRow, moments: &Moments) -> String {
    let by = |method: &str| moments.ended.as_ref().filter(|(_, how, _)| *how == method).map(|(who, ..)| who.as_str());
    match (row.class, row.status) {
        (CallClass::Call, _) if row.answered.is_some() => match by("BYE") {
            Some(who) => format!("answered, ended by {who}"),
            None => "answered, no BYE logged".into(),
        },
        (CallClass::Call, Some(487)) => match by("CANCEL") {
            Some(who) => format!("not answered, cancelled by {who}"),
            None => "not answered".into(),
        },
        (CallClass::Call, None) if row.rang.is_some() => "rang, no final answer logged".into(),
        (CallClass::Other, None) => "no call, no status".into(),
        (_, None) => "no final answer logged".into(),
        (CallClass::Registration, Some(200..300)) => "registered".into(),
        (_, Some(status @ 300..)) => {
            let word = if status < 400 { "redirected" } else { "refused" };
            format!("{word} {status} {}", moments.reason).trim_end().to_owned()
        }
        (_, Some(status)) => format!("answered {status}"),
    }
}

fn facts(moments: &Moments, evidence: &Evidence) -> Vec<Fact> {
    let since = |at: Option<Timestamp>| Some(duration(at?.micros_since(moments.begun?)));
    let mut facts = Vec::new();
    let mut add = |name, text: Option<String>| {
        facts.extend(text.map(|text| Fact { name, text, good: false, title: String::new() }));
    };
    add("Rang after", since(moments.rang));
    add("Answered after", since(moments.answered));
    let ended = moments.ended.as_ref();
    let lasted = ended.filter(|(_, how, _)| *how == "BYE").zip(moments.answered);
    add("Lasted", lasted.map(|((_, _, end), answered)| duration(end.micros_since(answered))));
    add("Ended by", ended.map(|(who, how, _)| format!("{who}, {how}")));
    facts.push(Fact { name: "Evidence", text: evidence.says(), good: evidence.is_whole(), title: evidence.details() });
    facts
}

fn moments(row: &ScenarioRow, flow: &Flow, messages: &[Message]) -> Moments {
    let mut moments = Moments { begun: begun(flow, messages), ..Moments::default() };
    // The caller's side: the leg and the node of the first INVITE.
    let caller = invites(flow, messages).find(|(row, message)| !is_answer(message, row.half));
    let caller = caller.map(|(row, _)| (row.leg, row.from));
    for (of, message) in invites(flow, messages) {
        let Some(status) = status(message, of.half) else { continue };
        if Some((of.leg, of.to)) == caller {
            match status {
                180..190 => drop(moments.rang.get_or_insert(of.time)),
                200..300 => drop(moments.answered.get_or_insert(of.time)),
                _ => {}
            }
        }
        if Some(status) == row.status {
            moments.reason = shortened(&message.facts.reason, LONGEST);
        }
    }
    if moments.begun.is_some() {
        moments.rang = moments.rang.or(row.rang);
        moments.answered = moments.answered.or(row.answered);
    }
    let ending = |method: &'static str| {
        let request = |row: &&Row| {
            let facts = &messages[row.message].facts;
            facts.kind == Kind::Sip && facts.method == method && !is_answer(&messages[row.message], row.half)
        };
        flow.rows.iter().find(request).map(|row| (flow.nodes[row.from].name.clone(), method, row.time))
    };
    moments.ended = ending("BYE").or_else(|| ending("CANCEL").filter(|_| row.answered.is_none()));
    if moments.reason.is_empty() {
        let last = flow.rows.iter().rev().map(|row| &messages[row.message]);
        let last = last.filter(|message| row.status.is_some() && message.facts.status == row.status);
        moments.reason = last.map(|message| shortened(&message.facts.reason, LONGEST)).next().unwrap_or_default();
    }
    moments
}

fn invites<'a>(flow: &'a Flow, messages: &'a [Message]) -> impl Iterator<Item = (&'a Row, &'a Message)> {
    flow.rows
        .iter()
        .map(|row| (row, &messages[row.message]))
        .filter(|(_, message)| message.kind == Kind::Sip && message.facts.method == "INVITE")
}
