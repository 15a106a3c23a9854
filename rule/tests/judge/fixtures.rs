//! Flows as the RFCs draw them, each judged whole and without any one of its messages.

mod forks;
pub mod plain;
pub mod pushes;
mod requests;
pub mod script;
mod transfers;

use std::sync::LazyLock;

use message::logged::Message;
use rule::evidence::{Binding, Read};
use rule::holds::AllHolds;
use rule::syntax::Step;
use rule::verdict::Outcome;

use self::script::Script;
use super::world::{bound, learn, read, shipped_rules, told, verdicts};

/// A flow with its name, and what registered before it.
pub struct Fixture {
    pub name: &'static str,
    pub messages: Vec<Message>,
    /// User, token and what it calls itself.
    pub phones: Vec<(&'static str, &'static str)>,
}

impl Fixture {
    pub fn new(name: &'static str, write: impl FnOnce(&mut Script)) -> Self {
        let mut script = Script::default();
        write(&mut script);
        Self { name, messages: script.messages(), phones: Vec::new() }
    }

    /// A phone that had registered an hour before, with a token.
    fn with_phone(mut self, host: &'static str, token: &'static str) -> Self {
        self.phones.push((host, token));
        self
    }

    pub fn bindings(&self) -> Vec<Binding> {
        let phone = |(host, token): &(&str, &str)| {
            let contact = ("bob".to_owned(), (*host).to_owned(), Some(5060));
            Binding { contact, log: log_named("core"), ..bound(&self.messages, "bob", token, "App/7.4.1 (iOS)") }
        };
        self.phones.iter().map(phone).collect()
    }
}

fn log_named(name: &str) -> message::flow::Log {
    message::flow::Log { agent: format!("{name}-host"), source: name.to_owned() }
}

/// What the logs hold, as calls that went well show.
pub fn holds() -> &'static AllHolds {
    static HOLDS: LazyLock<AllHolds> = LazyLock::new(|| {
        let mut holds = AllHolds::new();
        for fixture in plain::well().iter().chain(&forks::well()).chain(&pushes::well()).chain(&requests::well()) {
            learn(&mut holds, &fixture.messages);
        }
        holds
    });
    &HOLDS
}

/// Read long beyond the end, in the logs of the whole flow.
pub fn read_all(messages: &[Message]) -> Read {
    let mut read = read(messages);
    let last = *read.to.values().next().unwrap();
    read.to.insert(log_named("core"), last);
    read
}

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
