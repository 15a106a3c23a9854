//! Flows as the RFCs draw them, and what their logs are known to hold.

#[path = "flows/forks.rs"]
pub mod forks;
#[path = "flows/plain.rs"]
pub mod plain;
#[path = "flows/pushes.rs"]
pub mod pushes;
#[path = "flows/requests.rs"]
pub mod requests;
#[path = "flows/script.rs"]
pub mod script;
#[path = "flows/transfers.rs"]
pub mod transfers;

use std::sync::LazyLock;

use message::flow::{Log, flow};
use message::logged::Message;
use record::time::{DAY, HOUR, Timestamp};
use rule::evidence::{Binding, Read};
use rule::holds::{AllHolds, seen};

use self::script::Script;

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
    pub fn with_phone(mut self, host: &'static str, token: &'static str) -> Self {
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

pub fn log_named(name: &str) -> Log {
    Log { agent: format!("{name}-host"), source: name.to_owned() }
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

pub fn learn(holds: &mut AllHolds, messages: &[Message]) {
    for ((log, sort), shown) in seen(&flow(messages), messages) {
        holds.entry(log).or_default().see(0, &sort, &shown);
    }
}

/// A device that registered an hour before.
pub fn bound(messages: &[Message], user: &str, token: &str, user_agent: &str) -> Binding {
    let first = messages.iter().map(|message| message.time).min().unwrap();
    Binding {
        user: user.to_owned(),
        contact: (user.to_owned(), "203.0.113.22".to_owned(), Some(5060)),
        instance: None,
        token: Some(token.to_owned()),
        user_agent: Some(user_agent.to_owned()),
        time: Timestamp(first.0 - HOUR),
        log: Log { agent: "core".into(), source: "core".into() },
    }
}

/// Read long beyond the end, in all logs.
pub fn read_all(messages: &[Message]) -> Read {
    let last = messages.iter().map(|message| message.time).max().unwrap();
    let own = messages.iter().map(|m| Log { agent: m.place.agent.clone(), source: m.place.source.clone() });
    let to = own.chain(holds().keys().cloned()).map(|log| (log, Timestamp(last.0 + 2 * DAY)));
    Read { to: to.collect(), ..Read::default() }
}
