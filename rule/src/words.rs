//! The words of the language, and what they stand for.

use crate::syntax::{FactName, Op, Per, Severity};

/// Words that mean something by their place: no label, and no node without quotes, is called so.
pub const KEYWORDS: [&str; 14] =
    ["no", "or", "from", "to", "with", "and", "within", "of", "before", "after", "optional", "else", "as", "start"];

pub const SIP: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "REGISTER",
    "OPTIONS",
    "PRACK",
    "UPDATE",
    "INFO",
    "REFER",
    "SUBSCRIBE",
    "NOTIFY",
    "MESSAGE",
    "PUBLISH",
];

/// Of REST and push. OPTIONS is one of SIP, too.
pub const OTHERS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "TRACE", "CONNECT", PUSH];

pub const PUSH: &str = "PUSH";

pub const WHO: [&str; 5] = ["caller", "callee", "device", "other-leg", "other-party"];

/// Facts with a name of their own, in the order in which they are offered.
const FACTS: [(&str, FactName); 16] = [
    ("scenario", FactName::Scenario),
    ("device", FactName::Device),
    ("initial", FactName::Initial),
    ("repeated", FactName::Repeated),
    ("winner", FactName::Winner),
    ("rang", FactName::Rang),
    ("pushable", FactName::Pushable),
    ("expires", FactName::Expires),
    ("registered_ago", FactName::RegisteredAgo),
    ("platform", FactName::Platform),
    ("app_version", FactName::AppVersion),
    ("push_provider", FactName::PushProvider),
    ("transport", FactName::Transport),
    ("reason", FactName::Reason),
    ("from_host", FactName::FromHost),
    ("to_host", FactName::ToHost),
];

/// Longer operators come before those that begin alike.
pub const OPERATORS: [(&str, Op); 6] =
    [("!=", Op::IsNot), ("<=", Op::AtMost), (">=", Op::AtLeast), ("=", Op::Is), ("<", Op::Less), (">", Op::More)];

impl FactName {
    pub fn known() -> impl Iterator<Item = &'static str> {
        FACTS.iter().map(|(text, _)| *text).chain(["header.NAME", "json./pointer"])
    }

    /// As in `with NAME=…`; none if there is no such fact.
    pub fn read(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("header.") {
            let is_token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            return (!name.is_empty() && name.bytes().all(is_token)).then(|| Self::Header(name.to_owned()));
        }
        if let Some(pointer) = text.strip_prefix("json.") {
            return pointer.starts_with('/').then(|| Self::Json(pointer.to_owned()));
        }
        FACTS.iter().find(|(known, _)| *known == text).map(|(_, name)| name.clone())
    }

    pub fn show(&self) -> String {
        match self {
            Self::Header(name) => format!("header.{name}"),
            Self::Json(pointer) => format!("json.{pointer}"),
            plain => FACTS.iter().find(|(_, name)| name == plain).map_or_else(String::new, |(text, _)| (*text).into()),
        }
    }

    /// It is either so or not.
    pub fn is_yes_or_no(&self) -> bool {
        matches!(self, Self::Initial | Self::Repeated | Self::Winner | Self::Rang | Self::Pushable)
    }

    /// It can be less or more.
    pub fn has_order(&self) -> bool {
        matches!(self, Self::Expires | Self::RegisteredAgo | Self::AppVersion | Self::Header(_) | Self::Json(_))
    }
}

impl Op {
    pub fn show(self) -> &'static str {
        OPERATORS.iter().find(|(_, op)| *op == self).map_or("=", |(text, _)| text)
    }
}

impl Severity {
    pub const ALL: [(&'static str, Self); 3] =
        [("info", Self::Info), ("warning", Self::Warning), ("critical", Self::Critical)];

    pub fn name(self) -> &'static str {
        name_in(&Self::ALL, self)
    }
}

impl Per {
    pub const ALL: [(&'static str, Self); 6] = [
        ("scenario", Self::Scenario),
        ("attempt", Self::Attempt),
        ("leg", Self::Leg),
        ("device", Self::Device),
        ("dialog", Self::Dialog),
        ("transaction", Self::Transaction),
    ];

    pub fn name(self) -> &'static str {
        name_in(&Self::ALL, self)
    }

    /// Its instance is that of one device, so `device` and `other-leg` mean something.
    pub fn is_of_a_device(self) -> bool {
        matches!(self, Self::Leg | Self::Device)
    }
}

fn name_in<T: PartialEq + Copy>(all: &[(&'static str, T)], wanted: T) -> &'static str {
    all.iter().find(|(_, value)| *value == wanted).map_or("", |(name, _)| name)
}

/// Ids, labels, names and failures: lower-case words with dashes.
pub fn is_name(text: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.split('-').all(word)
}
