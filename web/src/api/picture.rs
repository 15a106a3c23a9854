//! One scenario as a picture: calls, legs, nodes and rows.

use message::event::CallClass;
use message::flow::{Flow, Half, NodeKind, Outcome, PushState};
use message::gist::Gist;
use message::logged::Message;
use record::time::Timestamp;
use serde::Serialize;
use store::scenario::ScenarioCall;

use super::course::CourseJson;
use super::row::{ScenarioJson, text};
use super::verdicts::VerdictJson;
use crate::ladder::words::shortened;
use crate::names::{Class, KindOf};
use crate::picture::Picture;
use crate::scenario::Judgement;

/// Letters of a method, which may be a million.
const LONGEST: usize = 200;

/// A scenario with its picture. Numbers in `from`, `to`, `leg` and `node` count the lists beside them from 0.
#[derive(Serialize, utoipa::ToSchema, Debug)]
pub(super) struct ScenarioPicture {
    /// As the list shows it.
    scenario: ScenarioJson,
    /// Its Call-IDs.
    calls: Vec<CallJson>,
    /// The caller's side, and every device or target that was invited or pushed to: A, B1, B2, … Further callers are C, D, …
    legs: Vec<LegJson>,
    /// Machines and devices: the columns of the ladder, from left to right.
    nodes: Vec<NodeJson>,
    /// Messages in displayed order.
    rows: Vec<RowJson>,
    /// What happened.
    course: CourseJson,
    /// Instances of rules that failed, were late, or of which nobody can tell: at most 1,000.
    verdicts: Vec<VerdictJson>,
    /// False: it holds more messages than are drawn; `/api/v1/messages?scenario=` has them all.
    whole: bool,
}

/// A Call-ID of a scenario, and what joined it.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Call)]
pub(super) struct CallJson {
    call_id: String,
    #[schema(value_type = Class)]
    class: &'static str,
    /// Files that hold messages of it.
    streams: Vec<String>,
    /// By which key it came to this scenario; null of the one that it began with.
    joined_by: Option<JoinJson>,
}

#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Join)]
pub(super) struct JoinJson {
    /// Such as `call`, `session` or `charging`.
    space: String,
    /// What both calls name.
    value: String,
    /// False: calls that have nothing to do with each other may carry the same value.
    sure: bool,
    /// The message that carried it.
    message: String,
}

#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Leg)]
pub(super) struct LegJson {
    /// A, B1, B2, …
    tag: String,
    /// The leg it was forked from, or was made for; null of a caller's side.
    parent: Option<usize>,
    call_id: String,
    /// Whom it was sent to: a device, or the target of its INVITE or push.
    target: String,
    /// The node at its far end.
    node: Option<usize>,
    /// What its User-Agent or its push says it runs on.
    platform: Option<String>,
    user_agent: Option<String>,
    /// Its push, and whether it registered after that.
    push: PushName,
    /// What the push gateway refused with.
    push_status: Option<u16>,
    /// When its device was first pushed to.
    #[schema(format = DateTime)]
    pushed: Option<String>,
    /// Microseconds from the last push before it registered or responded.
    woke_after: Option<i64>,
    /// When the caller sent the INVITE that it was tried for. Of a caller who tried again, that and what follows are of the
    /// last attempt in which this leg was invited.
    #[schema(format = DateTime)]
    asked: Option<String>,
    /// Its first INVITE or push.
    #[schema(format = DateTime)]
    begun: Option<String>,
    /// Its first 180, else its first 183.
    #[schema(format = DateTime)]
    rang: Option<String>,
    /// Its own final answer to INVITE.
    status: Option<u16>,
    /// When that came.
    #[schema(format = DateTime)]
    ended: Option<String>,
    /// What became of it, as its device itself says.
    outcome: OutcomeName,
}

/// What became of the push that was to wake a device.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[serde(rename_all = "snake_case")]
#[schema(as = Push)]
enum PushName {
    /// No push to it is logged.
    NotLogged,
    /// Its registration was seen, and holds no token.
    NotNeeded,
    /// No answer to it is logged.
    Sent,
    /// The push gateway took it, and no more is known.
    Accepted,
    /// The push gateway refused it: `push_status`.
    Refused,
    /// The device registered or responded: `woke_after`.
    Woke,
    /// Until the call was decided it neither registered nor responded.
    NeverWoke,
    /// It was invited long after the push: whether it registered is not shown.
    CannotTell,
}

/// What became of a leg; `unknown` if no log shows it.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[serde(rename_all = "snake_case")]
#[schema(as = Outcome)]
enum OutcomeName {
    /// Its 2xx led to the caller's.
    Answered,
    /// A further 2xx, and then a BYE at once.
    AnsweredTooHungUp,
    /// It got a 2xx, and the caller never did.
    AnswerLost,
    /// A back-to-back agent had answered the caller before.
    ConnectedAfter,
    /// 487 after another leg answered.
    Released,
    /// 487 after a CANCEL that says so, where that answer is not logged.
    AnsweredElsewhere,
    /// 487 after the caller's CANCEL.
    Cancelled,
    /// It was cancelled though nobody answered, refused for all, or gave up.
    RangOut,
    /// Another leg refused for all.
    ReleasedByRefusal,
    /// Another user took the call over with Replaces while it rang.
    PickedUp,
    /// Its own final answer of 400 or more: `status`.
    Refused,
    /// Its own 3xx: `status`.
    Redirected,
    /// It rang on after it was cancelled, or after somebody answered.
    StillRinging,
    /// It rang, and neither CANCEL nor final answer is logged.
    RangEndNotLogged,
    /// It answered the CANCEL, and never the INVITE.
    CancelledWithoutEnd,
    /// It answered neither the CANCEL nor the INVITE.
    CancelUnanswered,
    /// Only 100.
    NoResponse,
    /// 408, or nothing at all.
    Unreachable,
    /// Pushed only.
    NotInvited,
    /// It may still answer.
    Open,
    /// No log shows it.
    Unknown,
}

impl From<Outcome> for OutcomeName {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Answered => Self::Answered,
            Outcome::AnsweredTooHungUp => Self::AnsweredTooHungUp,
            Outcome::AnswerLost => Self::AnswerLost,
            Outcome::ConnectedAfter(_) => Self::ConnectedAfter,
            Outcome::Released => Self::Released,
            Outcome::AnsweredElsewhere => Self::AnsweredElsewhere,
            Outcome::Cancelled => Self::Cancelled,
            Outcome::RangOut => Self::RangOut,
            Outcome::ReleasedByRefusal => Self::ReleasedByRefusal,
            Outcome::PickedUp(_) => Self::PickedUp,
            Outcome::Refused(_) => Self::Refused,
            Outcome::Redirected(_) => Self::Redirected,
            Outcome::StillRinging => Self::StillRinging,
            Outcome::RangEndNotLogged => Self::RangEndNotLogged,
            Outcome::CancelledWithoutEnd => Self::CancelledWithoutEnd,
            Outcome::CancelUnanswered => Self::CancelUnanswered,
            Outcome::NoResponse => Self::NoResponse,
            Outcome::Unreachable => Self::Unreachable,
            Outcome::NotInvited => Self::NotInvited,
            Outcome::Open => Self::Open,
            Outcome::Unknown => Self::Unknown,
        }
    }
}

/// What a column of the ladder is.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[serde(rename_all = "snake_case")]
#[schema(as = NodeKind)]
enum NodeName {
    /// A machine that writes a log, or passes requests on.
    Server,
    /// Of a person.
    Device,
    /// A peer of which no more is known.
    External,
}

/// A column of the ladder.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Node)]
pub(super) struct NodeJson {
    name: String,
    /// Its address, or its platform.
    detail: String,
    kind: NodeName,
    /// To whom a device belongs.
    person: Option<String>,
    /// False: it was addressed, and never sent anything.
    spoke: bool,
    /// The logs that it writes; empty: none of them is read.
    logs: Vec<LogJson>,
    /// Microseconds by which its displayed times were shifted.
    clock_shift: i64,
}

/// A log that is read.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Log)]
struct LogJson {
    /// The agent that reads it.
    agent: String,
    /// Its name there.
    source: String,
}

/// A row of the ladder: a message with all that is folded into it.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Row)]
pub(super) struct RowJson {
    /// Id of the message; ends in `r` where it is the response half of a record that holds both.
    id: String,
    /// As displayed: as logged, or repaired.
    #[schema(format = DateTime)]
    time: String,
    /// The clock of its log is off: the time is not the one that was logged.
    repaired: bool,
    #[schema(value_type = KindOf)]
    kind: &'static str,
    /// Of a request; of a SIP response that of its CSeq.
    method: String,
    /// Of a response.
    status: Option<u16>,
    /// The node that sent it.
    from: usize,
    /// The node that it was sent to.
    to: usize,
    leg: usize,
    /// Of a response the row of its request, of a request that of its final response, else its first.
    pair: Option<usize>,
    /// Rows of one transaction share a number.
    transaction: usize,
    /// Messages that are other logs of the same sending.
    sightings: Vec<String>,
    /// Messages that are later sendings of the same message.
    repeats: Vec<String>,
    /// Messages that are other logs of those later sendings.
    repeat_sightings: Vec<String>,
    /// Microseconds that the clock of its log was set back just before it.
    set_back: Option<i64>,
    /// Such as "CANCEL crossed 200".
    remark: Option<String>,
    /// The rest of it is not read yet.
    provisional: bool,
    /// A registration of a device that was pushed to: shown here, and a message of its own scenario.
    borrowed: bool,
}

impl ScenarioPicture {
    pub(super) fn new(picture: &Picture, judgement: &Judgement, read_to: Timestamp) -> Self {
        let Picture { scenario, messages, flow, whole, .. } = picture;
        let mut row = scenario.row.clone();
        // As it is now, whether it was worked out for lists already or not.
        let gist = Gist::of(flow, read_to)
            .filter(|_| *whole && row.class == CallClass::Call && row.subject.scenario().is_some());
        if let Some(gist) = gist {
            row.take(&gist);
        }
        // As rules say now: they may have judged since the picture was made.
        (row.outcome, row.failure, row.rule) = match judgement.worst.clone() {
            Some((outcome, failure, rule)) => (Some(outcome), failure, Some(rule)),
            None => (None, None, None),
        };
        Self {
            scenario: ScenarioJson::new(&row),
            calls: scenario.calls.iter().map(CallJson::new).collect(),
            legs: legs(flow),
            nodes: nodes(flow),
            rows: rows(flow, messages, row.class),
            course: CourseJson::new(flow, messages, read_to),
            verdicts: judgement.told.iter().map(VerdictJson::new).collect(),
            whole: *whole,
        }
    }
}

impl CallJson {
    fn new(call: &ScenarioCall) -> Self {
        let mut streams: Vec<_> = call.streams.iter().map(|(stream, _)| stream.to_string()).collect();
        streams.dedup();
        let joined_by = call.joined_by.as_ref().map(|by| JoinJson {
            space: by.space.clone(),
            value: by.value.clone(),
            sure: by.sure,
            message: by.message.to_string(),
        });
        Self { call_id: call.call_id.clone(), class: call.class.name(), streams, joined_by }
    }
}

fn legs(flow: &Flow) -> Vec<LegJson> {
    let leg = |leg: &message::flow::Leg| LegJson {
        tag: leg.tag.clone(),
        parent: leg.parent,
        call_id: leg.call_id.clone(),
        target: leg.target.clone(),
        node: leg.node,
        platform: leg.platform.clone(),
        user_agent: leg.user_agent.clone(),
        push: match leg.push {
            PushState::NotLogged => PushName::NotLogged,
            PushState::NotNeeded => PushName::NotNeeded,
            PushState::Sent(_) => PushName::Sent,
            PushState::Accepted(..) => PushName::Accepted,
            PushState::Refused(..) => PushName::Refused,
            PushState::Woke(..) => PushName::Woke,
            PushState::NeverWoke(_) => PushName::NeverWoke,
            PushState::CannotTell(_) => PushName::CannotTell,
        },
        push_status: match leg.push {
            PushState::Refused(status, _) => Some(status),
            _ => None,
        },
        pushed: text(leg.pushed),
        woke_after: match leg.push {
            PushState::Woke(_, after) => Some(after),
            _ => None,
        },
        asked: text(leg.asked),
        begun: text(leg.begun),
        rang: text(leg.rang),
        status: leg.final_status.map(|(status, _)| status),
        ended: text(leg.final_status.map(|(_, at)| at)),
        outcome: leg.outcome.into(),
    };
    flow.legs.iter().map(leg).collect()
}

fn nodes(flow: &Flow) -> Vec<NodeJson> {
    let log = |log: &message::flow::Log| LogJson { agent: log.agent.clone(), source: log.source.clone() };
    let node = |node: &message::flow::Node| NodeJson {
        name: node.name.clone(),
        detail: node.detail.clone(),
        kind: match node.kind {
            NodeKind::Server => NodeName::Server,
            NodeKind::Device => NodeName::Device,
            NodeKind::External => NodeName::External,
        },
        person: node.person.clone(),
        spoke: node.spoke,
        logs: node.logs.iter().map(log).collect(),
        clock_shift: node.clock_shift,
    };
    flow.nodes.iter().map(node).collect()
}

fn rows(flow: &Flow, messages: &[Message], class: CallClass) -> Vec<RowJson> {
    let ids = |places: &[usize]| places.iter().map(|at| messages[*at].id.to_string()).collect();
    let row = |row: &message::flow::Row| {
        let message = &messages[row.message];
        let result = message.facts.result.as_ref().filter(|_| row.half == Half::Response);
        RowJson {
            id: format!("{}{}", message.id, if row.half == Half::Response { "r" } else { "" }),
            time: row.time.to_string(),
            repaired: row.repaired,
            kind: row.kind.name(),
            method: shortened(&message.facts.method, LONGEST),
            status: match row.half {
                Half::Whole => message.facts.status,
                Half::Request => None,
                Half::Response => result.map_or(message.facts.status, |result| result.status),
            },
            from: row.from,
            to: row.to,
            leg: row.leg,
            pair: row.pair,
            transaction: row.transaction,
            sightings: ids(&row.sightings),
            repeats: ids(&row.repeats),
            repeat_sightings: ids(&row.repeat_sightings),
            set_back: Some(row.set_back).filter(|back| *back > 0),
            remark: row.remark.clone(),
            provisional: message.provisional,
            borrowed: class != CallClass::Registration && message.is_registration(),
        }
    };
    flow.rows.iter().map(row).collect()
}
