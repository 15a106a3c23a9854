//! A leg as a value: who was tried, and what came of it.

use crate::event::CallClass;
use record::time::Timestamp;

/// One dialog or fork branch; a device has one leg.
#[derive(Clone, PartialEq, Debug)]
pub struct Leg {
    /// `A`, `B1`, `B2`, `C`, …
    pub tag: String,
    /// The leg it was forked from.
    pub parent: Option<usize>,
    /// The call it belongs to (Call-ID text).
    pub call_id: String,
    pub class: CallClass,
    /// Who is at its far end: device or target URI.
    pub target: String,
    pub node: Option<usize>,
    pub platform: Option<String>,
    pub user_agent: Option<String>,
    pub push: PushState,
    /// When it was begun (INVITE or PUSH), first rang, and ended (status, time).
    pub begun: Option<Timestamp>,
    pub rang: Option<Timestamp>,
    pub final_status: Option<(u16, Timestamp)>,
    pub outcome: Outcome,
    /// Where the outcome is `Unknown` since nothing answers: the node that had to, whose log holds none of its own
    /// answers here. Then their absence says nothing.
    pub blind: Option<usize>,
    /// Rows on it.
    pub rows: usize,
}

#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum PushState {
    #[default]
    NotNeeded,
    Sent(Timestamp),
    /// Accepted at a time by the push gateway with this delay in microseconds.
    Accepted(Timestamp, i64),
    Refused(u16, Timestamp),
    /// The device registered this many microseconds after the push.
    Woke(Timestamp, i64),
}

/// How a leg ended, in words on the page. What no log shows is `Unknown`, never invented.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Outcome {
    /// Its 2xx reached the caller first.
    Answered,
    /// 487.
    Released,
    /// CANCEL with `Reason: SIP;cause=200`.
    AnsweredElsewhere,
    /// Any other final refusal.
    Refused(u16),
    Unreachable,
    /// A push was sent, and until the call was over its device neither registered nor responded.
    NeverWoke,
    /// A second 2xx, then its BYE.
    AnsweredTooHungUp,
    StillRinging,
    Cancelled,
    Open,
    #[default]
    Unknown,
}

/// A node sends one INVITE to several targets.
#[derive(Clone, PartialEq, Debug)]
pub struct Fork {
    /// It stands before this row.
    pub before: usize,
    pub node: usize,
    pub branches: Vec<Branch>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Branch {
    pub leg: usize,
    pub node: usize,
    /// Tried after the one before it had failed, or woke late: "then".
    pub then: bool,
    pub by_push: bool,
}
