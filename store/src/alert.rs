//! Alerts: scenarios of one failure that are reported together, and what was reported of them.

mod known;
mod logs;
mod read;
mod rename;
mod write;

use record::id::ScenarioId;
use record::time::Timestamp;
use rule::syntax::Severity;
use rule::told::Told;
use serde::{Deserialize, Serialize};

pub(crate) use known::Failures;
pub use logs::{LogItem, Lost, OF_A_LOG};
pub(crate) use write::{forget, merge, write};

/// A failure, in the group of its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    pub group: GroupKey,
    pub news: News,
    pub severity: Severity,
    /// The event time of the failure.
    pub at: Timestamp,
    pub item: ItemTold,
    /// A new group waits so long for others, in microseconds.
    pub wait: i64,
}

/// What becomes of a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    /// It is to be reported.
    Fresh,
    /// It happened too long ago to be reported now. What was reported of it stands.
    Old,
    /// What explains it is reported in its place. What was reported of it before stands.
    Explained,
}

/// What the failures of a group have in common.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct GroupKey {
    /// First bytes of a hash over all that the route groups by.
    pub hash: [u8; 8],
    /// Of the route: by what it matches and groups (`Route::mark`).
    pub route: i32,
    pub env: String,
    pub rule: String,
    pub failure: String,
}

/// What a mail says of a scenario.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ItemTold {
    pub caller: Option<String>,
    pub callee: Option<String>,
    pub told: Told,
    /// Other rules that this failure explains: they are listed under it.
    pub also: Vec<String>,
    /// What is known of it beyond: names of facts and their values.
    pub facts: Vec<(String, String)>,
}

/// Bytes of a host's name that are kept: groups are distinguished by them.
const HOST: usize = 256;

impl ItemTold {
    /// Whose log shows how it began.
    pub fn host(&self) -> Option<&str> {
        let host = self.facts.iter().find(|(name, _)| name == "host").map(|(_, host)| host.as_str())?;
        Some(&host[..host.floor_char_boundary(HOST)])
    }

    /// In place of what cannot be read: that something failed is reported all the same.
    fn unreadable(leg: &str, nth: i32, at: Timestamp) -> Self {
        let told = Told::unreadable(leg, nth, at);
        Self { caller: None, callee: None, told, also: Vec::new(), facts: Vec::new() }
    }
}

/// How many of a group fail and are not reported, and whether one of them is of a host of which nothing was reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Glance {
    pub unreported: i64,
    pub new_host: bool,
}

/// One instance of a rule in a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    pub rule: String,
    pub leg: String,
    /// Which of the day.
    pub nth: i32,
}

impl Instance {
    pub fn of(told: &Told) -> Self {
        Self { rule: told.rule.clone(), leg: told.leg.clone(), nth: told.nth.unwrap_or_default() }
    }
}

/// How it stands with one scenario of a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ItemState {
    Failed,
    /// What was missing came after all, too late.
    Late,
    /// It did not fail, as is known now.
    Gone,
}

impl ItemState {
    pub(crate) fn code(self) -> i16 {
        self as i16
    }

    fn from_code(code: i16) -> Self {
        match code {
            0 => Self::Failed,
            1 => Self::Late,
            _ => Self::Gone,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    pub scenario: ScenarioId,
    pub leg: String,
    /// Of a scenario that is all of one day, which of its failures; else 0.
    pub nth: i32,
    pub at: Timestamp,
    /// When it was judged, and when that changed last.
    pub seen: Timestamp,
    pub changed: Timestamp,
    pub reported: Option<Timestamp>,
    pub state: ItemState,
    pub told: ItemTold,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub id: i64,
    pub key: GroupKey,
    pub severity: Severity,
    pub opened: Timestamp,
    pub changed: Timestamp,
    pub closed: Option<Timestamp>,
    pub items: i64,
    /// Mails that were made for it, and when the last one was.
    pub mails: i64,
    pub reported: Option<Timestamp>,
    /// What the reporter keeps in mind.
    pub state: Option<Vec<u8>>,
    /// Until when the one who took it last may report it: what is written of it counts for that one alone.
    pub lease_until: Timestamp,
}
