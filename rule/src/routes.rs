//! `routes.toml`: who is mailed about which failures, and when.

mod read;
mod route;
mod team;

use chrono_tz::Tz;
use sha2::{Digest as _, Sha256};

use crate::syntax::Severity;

/// All times are microseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Routes {
    pub budget: Budget,
    pub teams: Vec<Team>,
    /// The first that matches counts; the last matches everything.
    pub routes: Vec<Route>,
}

/// Of one sending account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    pub per_day: u32,
    /// Of these, kept for critical ones.
    pub reserve_critical: u32,
    /// A team, escalations apart.
    pub per_hour: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Team {
    pub name: String,
    pub to: Vec<String>,
    pub tz: Tz,
    pub mask: Mask,
    pub webhook: Option<Webhook>,
}

/// What of a number is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mask {
    /// All of it.
    None,
    /// The last three digits.
    Last3,
    /// Nothing.
    All,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Webhook {
    pub url: String,
    pub secret_file: String,
}

/// With what it takes from `[defaults]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    pub matches: Match,
    /// Names of teams.
    pub to: Vec<String>,
    pub grouping: Grouping,
    pub escalate: Vec<Escalation>,
    pub digest: Option<Digest>,
    pub hours: Option<Hours>,
}

/// Any of the values of each; without values, all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Match {
    pub severity: Vec<Severity>,
    pub env: Vec<String>,
    pub rule: Vec<String>,
    pub failure: Vec<String>,
    pub host: Vec<String>,
}

/// How failures become mails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grouping {
    pub group_by: Vec<GroupKey>,
    pub group_wait: i64,
    pub group_interval: i64,
    /// A multiple of `group_interval`.
    pub repeat: i64,
    pub max_listed: u32,
    pub resolved: Resolved,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum GroupKey {
    Env,
    Rule,
    Failure,
    Severity,
    Host,
}

/// Which resolved scenarios are mailed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resolved {
    /// Those that were mailed before.
    IfListed,
    Never,
}

/// Without acknowledgement after this long, this team is mailed, too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Escalation {
    pub after: i64,
    pub to: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Digest {
    /// Minutes after midnight.
    At {
        minute: u16,
        tz: Tz,
    },
    Every(i64),
}

/// When mails are sent; outside, they go to the digest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hours {
    /// Monday first.
    pub days: [bool; 7],
    /// Minutes after midnight. An end that is not after the begin is on the next day.
    pub from: u16,
    pub to: u16,
    pub tz: Tz,
    /// Critical ones wait, too.
    pub critical: bool,
}

impl Route {
    /// The same while it matches the same and groups by the same, wherever it stands: groups outlast other changes.
    pub fn mark(&self) -> i32 {
        let Match { severity, env, rule, failure, host } = &self.matches;
        let severity: Vec<String> = severity.iter().map(|severity| severity.name().to_owned()).collect();
        let by = |key: &GroupKey| GROUP_KEYS.iter().find(|(_, known)| known == key).map(|(name, _)| (*name).to_owned());
        let group_by: Vec<String> = self.grouping.group_by.iter().filter_map(by).collect();
        let mut hash = Sha256::new();
        for values in [&severity, env, rule, failure, host, &group_by] {
            hash.update((values.len() as u64).to_le_bytes());
            for text in values {
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text);
            }
        }
        let digest = hash.finalize();
        i32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
    }
}

impl Match {
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

const GROUP_KEYS: [(&str, GroupKey); 5] = [
    ("env", GroupKey::Env),
    ("rule", GroupKey::Rule),
    ("failure", GroupKey::Failure),
    ("severity", GroupKey::Severity),
    ("host", GroupKey::Host),
];

const SECOND: i64 = 1_000_000;

impl Default for Grouping {
    fn default() -> Self {
        Self {
            group_by: vec![GroupKey::Env, GroupKey::Rule, GroupKey::Failure],
            group_wait: 30 * SECOND,
            group_interval: 300 * SECOND,
            repeat: 4 * 3_600 * SECOND,
            max_listed: 20,
            resolved: Resolved::IfListed,
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { per_day: 300, reserve_critical: 60, per_hour: 12 }
    }
}
