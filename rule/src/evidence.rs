//! All that a judgement rests on.

use std::collections::{BTreeMap, BTreeSet};

use message::event::CallClass;
use message::flow::{Flow, Log};
use message::logged::Message;
use record::time::Timestamp;

use crate::holds::AllHolds;

/// What is known of one scenario and of its logs. The same evidence gives the same verdicts.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    pub flow: &'a Flow,
    /// Those that the flow was made of.
    pub messages: &'a [Message],
    pub class: CallClass,
    /// The last registration of each device of its people that is older than the scenario.
    pub bindings: &'a [Binding],
    pub holds: &'a AllHolds,
    pub read: &'a Read,
}

/// How far logs are read, in event time of each log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Read {
    pub to: BTreeMap<Log, Timestamp>,
    /// Logs of which nothing was reported for a while.
    pub silent: BTreeSet<Log>,
}

/// A registration of a device before the scenario began.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// In normal form.
    pub user: String,
    /// The user, host and port of its Contact.
    pub contact: (String, String, Option<u16>),
    /// RFC 5626, and the token of RFC 8599.
    pub instance: Option<String>,
    pub token: Option<String>,
    pub user_agent: Option<String>,
    pub time: Timestamp,
    /// A log that held the REGISTER as it came in.
    pub log: Log,
}
