//! The flow of one scenario: messages folded and ordered, with their nodes and legs. Pages and judge read this value.

use crate::event::CallClass;
use crate::record::Message;
use crate::time::Timestamp;

/// Everything of one scenario as one picture. Indices point into the vectors beside them.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// In column order, left to right.
    pub nodes: Vec<Node>,
    /// In leg order: A, B1, B2, …, C, …
    pub legs: Vec<Leg>,
    /// In display order.
    pub rows: Vec<Row>,
    pub forks: Vec<Fork>,
    pub caller: Option<String>,
    pub callee: Option<String>,
}

/// A column: a server that logs, a device of a person, or a peer outside.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    pub name: String,
    /// Second line: address or platform.
    pub detail: String,
    pub kind: NodeKind,
    /// The person a device belongs to (user part of its AOR).
    pub person: Option<String>,
    /// The leg whose device this is.
    pub leg: Option<usize>,
    /// False: a device that was addressed and never sent anything (dashed lane).
    pub spoke: bool,
    /// Microseconds its displayed times were shifted by.
    pub clock_shift: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NodeKind {
    Server,
    Device,
    External,
}

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
    NeverWoke,
    /// A second 2xx, then its BYE.
    AnsweredTooHungUp,
    StillRinging,
    Cancelled,
    Open,
    #[default]
    Unknown,
}

/// One line of the ladder: a message, with all that folded into it.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// Index into the messages given; the first sighting.
    pub message: usize,
    pub half: Half,
    pub from: usize,
    pub to: usize,
    pub leg: usize,
    /// Displayed time: as logged, or repaired.
    pub time: Timestamp,
    pub repaired: bool,
    /// Messages (indices) that are other logs of this same sending.
    pub sightings: Vec<usize>,
    /// Messages (indices) of later sendings of the same message.
    pub repeats: Vec<usize>,
    /// Rows of one transaction share a number.
    pub transaction: usize,
    /// Row of the request that a response answers; or the response row of a request.
    pub pair: Option<usize>,
    /// Row of the INVITE that a CANCEL cancels.
    pub cancels: Option<usize>,
    /// Remarks such as "CANCEL crossed 200".
    pub remark: Option<String>,
}

/// Which half of an exchange logged as one record a row is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Half {
    #[default]
    Whole,
    Request,
    /// Its id ends in `r`.
    Response,
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

/// Draws the flow of a scenario's messages, given in any order.
pub fn flow(_messages: &[Message]) -> Flow {
    Flow::default()
}
