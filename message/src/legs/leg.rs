//! A leg as a value: who was tried, and what came of it.

use crate::event::CallClass;
use record::time::Timestamp;

/// The caller's side of a call, or a device or target that was invited or pushed to.
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
    /// When its device was first pushed to, in the last try in which it was.
    pub pushed: Option<Timestamp>,
    /// When the caller sent the INVITE that this leg was tried for. Of a caller who tried again, that and all below are of
    /// the last try in which this leg was invited.
    pub asked: Option<Timestamp>,
    /// When it was begun (INVITE or PUSH), first rang, and ended (status, time).
    pub begun: Option<Timestamp>,
    pub rang: Option<Timestamp>,
    pub final_status: Option<(u16, Timestamp)>,
    pub outcome: Outcome,
    /// Where the outcome is `Unknown` since nothing answers: the node that had to, whose log holds none of its own
    /// answers here. Then their absence says nothing.
    pub blind: Option<usize>,
    /// The hops of its INVITEs; with `by_tag` they are those of other legs as well.
    pub hops: Vec<usize>,
    /// Nothing but the To-tag tells its messages from those of other legs.
    pub by_tag: bool,
    /// Rows on it.
    pub rows: usize,
}

/// What is known of the pushes to a device. Times are of event time; spans are microseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum PushState {
    #[default]
    NotLogged,
    /// Its registration was seen, and holds no token.
    NotNeeded,
    Sent(Timestamp),
    /// Accepted at a time by the push gateway, and this long after it was sent.
    Accepted(Timestamp, i64),
    Refused(u16, Timestamp),
    /// The device registered or responded at a time, and this long after the last push before it.
    Woke(Timestamp, i64),
    /// Until the call was decided its device neither registered nor responded. The last push was sent at a time.
    NeverWoke(Timestamp),
    /// It was invited long after the push, so it may have registered where this call does not show it; or its person registered
    /// a contact after the push of which nothing says whether it is this device. The last push was sent at a time.
    CannotTell(Timestamp),
}

/// How a leg ended, in words on the page. What no log shows is `Unknown`, never invented.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Outcome {
    /// Its 2xx led to the caller's.
    Answered,
    /// A further 2xx, and then its BYE.
    AnsweredTooHungUp,
    /// It got a 2xx, and the caller never did.
    AnswerLost,
    /// A back-to-back agent had answered the caller already; this many microseconds later the leg was connected.
    ConnectedAfter(i64),
    /// 487 after another leg answered.
    Released,
    /// 487 after a CANCEL with `Reason: SIP;cause=200`, also where no answer is logged.
    AnsweredElsewhere,
    /// 487 after the caller's CANCEL.
    Cancelled,
    /// 487 after a CANCEL that followed no answer, no 6xx and no CANCEL of the caller.
    RangOut,
    /// 487 after another leg refused with 6xx.
    ReleasedByRefusal,
    /// An INVITE of this leg took its call over (RFC 3891).
    PickedUp(usize),
    Refused(u16),
    Redirected(u16),
    /// It rang on after it was cancelled, or after somebody answered.
    StillRinging,
    /// It rang, and neither CANCEL nor final answer is logged.
    RangEndNotLogged,
    /// It answered the CANCEL with 200, and never the INVITE with 487.
    CancelledWithoutEnd,
    /// It did not answer the CANCEL.
    CancelUnanswered,
    /// Only 100.
    NoResponse,
    /// 408, or nothing at all.
    Unreachable,
    /// Pushed only.
    NotInvited,
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
