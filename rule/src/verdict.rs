//! What came of what was expected.

use message::flow::Log;
use record::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::syntax::Severity;

/// Of one instance of a rule. Rows, legs and nodes are indices into the flow that was judged.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    pub rule: String,
    pub version: u64,
    pub severity: Severity,
    /// The row that opened the instance.
    pub start: usize,
    /// The leg that it is about.
    pub leg: usize,
    pub outcome: Outcome,
    /// Which failure it is; of `Business` its name.
    pub class: Option<String>,
    /// The step that failed, was late, or cannot be told.
    pub step: Option<usize>,
    /// When it was due, or when the ending came that failed.
    pub due: Option<Timestamp>,
    /// Microseconds that the step was late by.
    pub late_by: Option<i64>,
    /// By step.
    pub steps: Vec<Progress>,
    /// The row that ended the instance.
    pub ended: Option<usize>,
    /// Why nobody can tell.
    pub why: Option<Why>,
    /// Logs that are not read far enough, of an open verdict whose deadline has passed.
    pub waits_for: Vec<Log>,
    /// Of a failure what else is known, for whoever asks what failures have in common: names of facts, and values.
    pub facts: Vec<(String, String)>,
    /// Event time after which more can be said, once all logs are read beyond it.
    pub next: Option<Timestamp>,
}

/// From the worst to the best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Failed,
    Late,
    Unknown,
    Open,
    Business,
    Ok,
}

impl Outcome {
    pub const ALL: [Self; 6] = [Self::Failed, Self::Late, Self::Unknown, Self::Open, Self::Business, Self::Ok];

    /// As it is stored.
    pub fn code(self) -> i16 {
        self as i16
    }

    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Late => "late",
            Self::Unknown => "unknown",
            Self::Open => "open",
            Self::Business => "business",
            Self::Ok => "ok",
        }
    }
}

/// What became of one step.
#[derive(Clone, PartialEq, Debug)]
pub struct Progress {
    pub state: State,
    /// By when it had to come, or until when it must not.
    pub due: Option<Timestamp>,
    /// From which node to which it would have gone, where that is known.
    pub hop: Option<(usize, usize)>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum State {
    /// By this row. Of what is forbidden: it was not seen.
    Met(Option<usize>),
    /// By this row, so many microseconds too late.
    Late(usize, i64),
    /// It never came; what is forbidden came with this row.
    Missed(Option<usize>),
    /// It may still come.
    Open,
    /// A log that would show it is silent.
    Silent,
    /// No log would show it.
    Blind(Why),
    /// It is not asked for: what it counts from never came, or the instance was over before.
    NotAsked,
}

/// Why nobody can tell.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Why {
    /// This log never holds such messages, or is not known to.
    NeverLogged { log: Log, what: String },
    /// No machine on this way has a log.
    NoLog,
    /// An answer went by that could be its own or another's: nothing says which.
    UnclearAnswer,
    /// No REGISTER has shown this device.
    NeverRegistered,
    /// Nothing has been reported of these logs for a while.
    Silent(Vec<Log>),
    /// Neither ending nor missed step for very long.
    GivenUp,
}
