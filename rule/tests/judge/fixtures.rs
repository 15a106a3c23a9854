//! Flows as the RFCs draw them, each judged whole and without any one of its messages.

mod forks;
mod plain;
mod pushes;
mod requests;
mod transfers;

use message::logged::Message;
use rule::syntax::Step;
use rule::verdict::Outcome;

use super::flows::{Fixture, holds, read_all, script};
use super::world::{shipped_rules, told, verdicts};

fn label(step: &Step, at: usize) -> String {
    step.label.clone().unwrap_or_else(|| at.to_string())
}

/// What fails, in one line.
pub fn failed(messages: &[Message], fixture: &Fixture) -> String {
    let (flow, verdicts) = verdicts(messages, &fixture.bindings(), holds(), &read_all(&fixture.messages));
    let (rules, _) = shipped_rules();
    let failed = verdicts.iter().filter(|verdict| matches!(verdict.outcome, Outcome::Failed | Outcome::Late));
    let line = |verdict: &rule::verdict::Verdict| {
        let rule = rules.iter().find(|rule| rule.id == verdict.rule).unwrap();
        let step = verdict.step.map(|step| format!(" at {}", label(&rule.steps[step], step))).unwrap_or_default();
        let late = if verdict.outcome == Outcome::Late { "late " } else { "" };
        let class = verdict.class.as_deref().unwrap_or("-");
        format!("{late}{} {}: {class}{step}", verdict.rule, flow.legs[verdict.leg].tag)
    };
    failed.map(line).collect::<Vec<_>>().join(", ")
}

/// How a message is named in a table: what it is, and from where to where.
fn named(message: &Message) -> String {
    let name = |address: &str| script::name_of(address).to_owned();
    let what = match message.status.filter(|_| message.facts.response) {
        Some(status) => format!("{status} {}", message.facts.method),
        None => message.facts.method.clone(),
    };
    let log = &message.place.source;
    format!("{what} {}>{} in {log}", name(&message.source), name(&message.destination))
}

/// Each flow with what is said of it, and what fails when a message of it is not there.
pub fn table(fixtures: &[Fixture]) -> String {
    let mut all = String::new();
    for fixture in fixtures {
        let bindings = fixture.bindings();
        let (flow, verdicts) = verdicts(&fixture.messages, &bindings, holds(), &read_all(&fixture.messages));
        all += &format!("{}\n", fixture.name);
        for line in told(&flow, &verdicts).lines() {
            all += &format!("  {line}\n");
        }
        let whole = failed(&fixture.messages, fixture);
        for left_out in &fixture.messages {
            let mut rest = fixture.messages.clone();
            rest.retain(|message| message.id != left_out.id);
            let less = if rest.is_empty() { String::new() } else { failed(&rest, fixture) };
            if less != whole {
                let less = if less.is_empty() { "nothing" } else { &less };
                all += &format!("  without {}: {less}\n", named(left_out));
            }
        }
    }
    all
}
