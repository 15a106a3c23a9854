//! A rule as a value: patterns of messages, steps, times. Names are resolved; what it says in words is in `grammar`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is expected of each instance of something: a call, a leg, a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    pub id: String,
    pub title: String,
    pub severity: Severity,
    pub per: Per,
    pub start: Pattern,
    /// In the order in which they are written.
    pub steps: Vec<Step>,
    pub unless: Vec<Unless>,
    /// The first that matches counts. Empty: an instance is over when its last step is decided.
    pub ends: Vec<End>,
    /// How many failures are mailed; empty: each is.
    pub mail_when: Vec<Amount>,
    /// From how many failures on they are critical; empty: the severity stays.
    pub critical_when: Vec<Amount>,
    /// Instances that a percentage needs.
    pub min: u32,
    /// Microseconds. The same request, sent so soon after the failure, clears it if it succeeds.
    pub retry_within: Option<i64>,
    /// Rules whose failures in the same scenario this one explains.
    pub explains: Vec<String>,
    /// By failure: one sentence, for the subject of a mail.
    pub says: BTreeMap<String, String>,
    pub times: Times,
    /// Hash of its text and of what it uses.
    pub version: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

/// What one instance is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Per {
    Scenario,
    Attempt,
    Leg,
    Device,
    Dialog,
    Transaction,
}

/// Microseconds, but for `on_silence`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// How late a line may reach its log before a deadline is judged.
    pub lateness: i64,
    /// An overdue step that still comes inside this time turns failed into late.
    pub late_for: i64,
    /// Without an ending and without a missed step after this long, the verdict is unknown.
    pub give_up: i64,
    /// What an overdue step is where a source that would have logged it is silent.
    pub on_silence: OnSilence,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnSilence {
    Unknown,
    Failed,
}

/// One sentence: a message that has to come, or must not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    pub label: Option<String>,
    /// `no …`: it must not be seen.
    pub forbidden: bool,
    pub pattern: Pattern,
    pub timing: Option<Timing>,
    /// The failure if it is missed; none: the step is optional.
    pub failure: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timing {
    /// `within 2s`, `within 2s of LABEL`. Without a label it counts from the last required step before it, else the start.
    Within { micros: i64, of: Option<Anchor> },
    /// `before LABEL`, `within 2s before LABEL`: looks back.
    Before { micros: Option<i64>, label: Anchor },
}

/// What a time counts from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Anchor {
    Start,
    /// Index of a step of the same rule.
    Step(usize),
}

/// Any of its terms.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern(pub Vec<Term>);

/// Messages that are alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Term {
    /// 1: the first such message, 2: the second, …
    pub nth: u32,
    /// None: the request.
    pub codes: Option<Codes>,
    /// As in CSeq, `GET`, `POST`, … of REST, or `PUSH`.
    pub methods: Vec<String>,
    /// Of REST: compared without the query.
    pub path: Option<Path>,
    pub from: Option<Who>,
    pub to: Option<Who>,
    /// All of them hold.
    pub with: Vec<Fact>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    /// Begins with `/`, and is without the star.
    pub text: String,
    /// It ended in `*`.
    pub prefix: bool,
}

/// Statuses: any of these.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Codes(pub Vec<Code>);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Code {
    /// Both ends belong to it: `486`, `2xx` is 200 to 299, `3xx-6xx` 300 to 699.
    Range { from: u16, to: u16 },
    /// A name of `[codes]`. It stands for the statuses for which no more exact entry of another name is there.
    Named(String),
}

/// Which end of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Who {
    Caller,
    Callee,
    /// The device of this leg.
    Device,
    /// A device of another leg of the same fork.
    OtherLeg,
    OtherParty,
    /// A name of `[who]`: the device of this leg, with these facts.
    Such {
        name: String,
        with: Vec<Fact>,
    },
    /// A column by its name.
    Node(String),
}

/// Something that is known of a message, its leg or its device. What is not known compares as false.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    pub name: FactName,
    pub op: Op,
    /// With `=` any of them, with `!=` none of them; all other operators have one.
    pub values: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FactName {
    /// Class of its scenario.
    Scenario,
    Device,
    /// The request, or the request of this answer, has no To-tag.
    Initial,
    Repeated,
    /// Of its leg: it won the call, or answered and lost.
    Winner,
    /// 180 or 183 came.
    Rang,
    /// The binding of its device holds a push token.
    Pushable,
    /// Seconds.
    Expires,
    /// Microseconds since its device registered last.
    RegisteredAgo,
    Platform,
    AppVersion,
    PushProvider,
    Transport,
    Reason,
    FromHost,
    ToHost,
    Header(String),
    /// A JSON pointer, with its slash.
    Json(String),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Op {
    Is,
    IsNot,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// What drops an instance, when it is seen anywhere in the scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unless {
    pub pattern: Pattern,
    pub side: Option<(Side, Anchor)>,
}

/// Where it counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    Before,
    After,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    pub pattern: Pattern,
    /// None: what the status says, by `[codes]`.
    pub outcome: Option<Ending>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Ending {
    Ok,
    /// Normal life that is no success, with its class if one is named.
    Business(Option<String>),
    /// With the failure.
    Failed(String),
}

/// `10 in 5m`, `3% in 10m`, `below 20% of last week in 10m`, each `per` a fact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Amount {
    pub much: Much,
    /// Microseconds.
    pub span: i64,
    pub per: Option<FactName>,
}

/// Shares are in hundredths of a percent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Much {
    Count(u32),
    Share(u32),
    BelowLastWeek(u32),
    AboveLastWeek(u32),
}

/// Counts messages, and has no verdict on a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watch {
    pub id: String,
    pub title: String,
    pub severity: Severity,
    pub count: Pattern,
    /// What a percentage is of.
    pub of: Option<Pattern>,
    pub per: Option<FactName>,
    pub mail_when: Vec<Amount>,
    pub min: u32,
    pub version: u64,
}

/// What all rules share: `00-defaults.toml`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Defaults {
    pub times: Times,
    /// Microseconds. An ending older than this when it is first read is never mailed.
    pub mail_age: i64,
    pub codes: CodeNames,
    /// Names for devices by their facts.
    pub who: BTreeMap<String, Vec<Fact>>,
    /// By failure.
    pub says: BTreeMap<String, String>,
    pub source: SourceAlerts,
}

/// Alerts about the logs themselves. Microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceAlerts {
    pub silent_after: i64,
    pub lag_over: i64,
    pub clock_off: i64,
    pub gap: bool,
}

/// Names for statuses of SIP.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CodeNames {
    /// In the order in which they are written.
    pub entries: Vec<CodeName>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CodeName {
    pub name: String,
    /// `[codes.business]`; else `[codes.failed]`.
    pub business: bool,
    /// Ranges of statuses, both ends belong to them.
    pub ranges: Vec<(u16, u16)>,
}

impl CodeNames {
    /// The name of a status: that of the narrowest range that holds it; of equally narrow ones the first.
    pub fn of(&self, status: u16) -> Option<&CodeName> {
        let all = self.entries.iter().flat_map(|entry| entry.ranges.iter().map(move |range| (entry, *range)));
        let holding = all.filter(|(_, (from, to))| (*from..=*to).contains(&status));
        holding.min_by_key(|(_, (from, to))| to - from).map(|(entry, _)| entry)
    }
}

impl Code {
    /// None: it is a name.
    pub fn range(&self) -> Option<(u16, u16)> {
        match self {
            Self::Range { from, to } => Some((*from, *to)),
            Self::Named(_) => None,
        }
    }
}

impl Codes {
    pub fn holds(&self, status: u16, names: &CodeNames) -> bool {
        self.0.iter().any(|code| match code {
            Code::Range { from, to } => (*from..=*to).contains(&status),
            Code::Named(name) => names.of(status).is_some_and(|entry| entry.name == *name),
        })
    }

    /// Without names, which are of SIP alone.
    pub fn has(&self, status: u16) -> bool {
        let holds = |code: &Code| matches!(code, Code::Range { from, to } if (*from..=*to).contains(&status));
        self.0.iter().any(holds)
    }

    /// Written out as a status of its own, not within a range or a name.
    pub fn spells(&self, status: u16) -> bool {
        self.0.contains(&Code::Range { from: status, to: status })
    }
}
