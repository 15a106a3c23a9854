//! What a mail tells, as a value: filled from rows by whoever sends, drawn as text and HTML by [`super::render`].

use std::collections::BTreeSet;

use chrono_tz::Tz;
use record::time::Timestamp;
pub use rule::syntax::Severity;

/// One mail to one team.
#[derive(Clone, PartialEq, Debug)]
pub struct Notice {
    pub reader: Reader,
    /// Where the pages are, without a slash at the end: `Settings::pages`.
    pub base_url: String,
    /// The right-hand side of Message-IDs and List-Ids: `Settings::domain`.
    pub domain: String,
    /// Label of the sources, such as `prod`; empty: none.
    pub env: String,
    /// When the mail was made. Its local day decides to which thread it belongs.
    pub made: Timestamp,
    pub about: About,
}

/// Who reads it, and why.
#[derive(Clone, PartialEq, Debug)]
pub struct Reader {
    pub team: String,
    /// Counted from 1, as in `routes.toml`.
    pub routes: BTreeSet<usize>,
    pub zone: Tz,
    pub mask: Mask,
}

/// How much is shown of telephone numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mask {
    /// All of it.
    #[default]
    None,
    /// The last three digits.
    Last3,
    /// Nothing of numbers, and no names of callers and callees.
    All,
}

#[derive(Clone, PartialEq, Debug)]
pub enum About {
    Group(Box<Group>),
    Storm(Storm),
}

/// One group of failures that are alike: the same rule and failure.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    pub state: State,
    /// Shown as 16 hex digits.
    pub key: u64,
    pub severity: Severity,
    pub rule: String,
    /// Of the rule's text; short hex.
    pub version: String,
    pub title: String,
    /// The class of the failure, such as `push-no-wake`, and the rule's sentence for it.
    pub failure: String,
    pub says: String,
    /// Label of the missed step, and what was expected: `no REGISTER from device within 10 s of PUSH`.
    pub step: String,
    pub missed: String,
    pub begins: Timestamp,
    pub ends: Timestamp,
    pub share: Option<Share>,
    pub common: Vec<Common>,
    pub new: Vec<Item>,
    pub continuing: Vec<Item>,
    /// Mailed before, and over by now: what was missing came too late, or the log is well again.
    pub resolved: Vec<Item>,
    /// Mailed before, and no failure, as is known now.
    pub gone: Vec<Item>,
    pub max_listed: usize,
    pub hidden: Hidden,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// The first mail of the group.
    Firing,
    Update,
    /// Nothing of it is open any more.
    Resolved,
}

/// How many of those that could have failed did.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Share {
    pub failed: u64,
    pub judged: u64,
    pub persons: Option<u64>,
    /// The share of the same hour a week ago, from 0 to 1.
    pub week_ago: Option<f64>,
}

/// A fact that most of the listed have in common.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Common {
    pub name: String,
    pub value: String,
    pub has: u64,
    pub of: u64,
}

/// One leg of one scenario that did not end as expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    pub scenario: i64,
    pub at: Timestamp,
    pub caller: String,
    pub callee: String,
    /// `B1`, and what is known of its device: `iPhone15 7.4.1`.
    pub leg: String,
    pub device: String,
    /// What was seen, and what was not: `PUSH 200 after 0.19 s`, `nothing until 12:05:11Z`.
    pub seen: String,
    pub unseen: String,
    /// The missed row of the ladder, as the link ends: `RULE.STEP.LEG`.
    pub fragment: String,
    /// It came after all, so many microseconds after its deadline.
    pub late_by: Option<i64>,
    /// Failures of one leg are one line: a phone that cannot register tries again and again.
    pub times: u32,
    /// Rules whose failures this one explains.
    pub also: Vec<String>,
}

impl Item {
    /// It is an agent or one of its logs, by the name that stands where otherwise its leg does.
    pub fn is_of_a_log(&self) -> bool {
        self.scenario == 0
    }
}

/// What is not in the mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hidden {
    /// What silences keep out of it.
    pub silences: u64,
    pub scenarios: u64,
    /// So many failed at once that of these, which failed first, the mail gives only the number.
    pub older: u64,
}

/// Many groups in one mail, as the team has got as many mails as it may within an hour.
#[derive(Clone, PartialEq, Debug)]
pub struct Storm {
    /// How many mails it got.
    pub mails: u64,
    pub begins: Timestamp,
    pub ends: Timestamp,
    /// The most severe first.
    pub groups: Vec<Held>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    pub key: u64,
    pub severity: Severity,
    pub failure: String,
    pub says: String,
    /// That failed, and were not reported.
    pub scenarios: u64,
    /// That were reported, and are over by now.
    pub over: u64,
}

impl Group {
    pub fn len(&self) -> usize {
        self.new.len() + self.continuing.len() + self.resolved.len() + self.gone.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// It tells of logs, not of scenarios.
    pub fn is_of_logs(&self) -> bool {
        let mut items = self.new.iter().chain(&self.continuing).chain(&self.resolved);
        items.next().is_some_and(Item::is_of_a_log)
    }
}
