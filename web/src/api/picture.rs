//! One scenario as a picture: calls, legs, nodes and rows.

use message::flow::{Flow, Half, NodeKind, Outcome, PushState};
use message::logged::Message;
use serde::Serialize;
use store::scenario::ScenarioCall;

use super::names::{Class, KindOf};
use super::scenarios::{ScenarioJson, text};
use crate::ladder::words::shortened;
use crate::picture::Picture;

/// Letters of a method, which may be a million.
const LONGEST: usize = 200;

/// A scenario with its picture. Numbers in `from`, `to`, `leg` and `node` count the lists beside them from 0.
#[derive(Serialize, utoipa::ToSchema, Debug)]
pub(super) struct ScenarioPicture {
    scenario: ScenarioJson,
    calls: Vec<CallJson>,
    legs: Vec<LegJson>,
    nodes: Vec<NodeJson>,
    rows: Vec<RowJson>,
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
    streams: Vec<String>,
    joined_by: Option<JoinJson>,
}

#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Join)]
pub(super) struct JoinJson {
    /// Such as `call`, `session` or `charging`.
    space: String,
    value: String,
    /// False: calls that have nothing to do with each other may carry the same value.
    sure: bool,
    /// The message that carried it.
    message: String,
}

#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Leg)]
pub(super) struct LegJson {
    tag: String,
    parent: Option<usize>,
    call_id: String,
    target: String,
    node: Option<usize>,
    platform: Option<String>,
    user_agent: Option<String>,
    push: PushName,
    #[schema(format = DateTime)]
    begun: Option<String>,
    #[schema(format = DateTime)]
    rang: Option<String>,
    status: Option<u16>,
    #[schema(format = DateTime)]
    ended: Option<String>,
    outcome: OutcomeName,
}

/// What became of the push that was to wake a device.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[serde(rename_all = "snake_case")]
#[schema(as = Push)]
enum PushName {
    NotNeeded,
    Sent,
    Accepted,
    Refused,
    Woke,
}

/// What became of a leg; unknown where no log shows it.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[serde(rename_all = "snake_case")]
#[schema(as = Outcome)]
enum OutcomeName {
    Answered,
    Released,
    AnsweredElsewhere,
    Refused,
    Unreachable,
    NeverWoke,
    AnsweredTooHungUp,
    StillRinging,
    Cancelled,
    Open,
    Unknown,
}

/// What a column of the ladder is.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[serde(rename_all = "snake_case")]
#[schema(as = NodeKind)]
enum NodeName {
    Server,
    Device,
    External,
}

/// A column of the ladder.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Node)]
pub(super) struct NodeJson {
    name: String,
    detail: String,
    kind: NodeName,
    person: Option<String>,
    spoke: bool,
    /// Microseconds by which its displayed times were shifted.
    clock_shift: i64,
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
    repaired: bool,
    #[schema(value_type = KindOf)]
    kind: &'static str,
    method: String,
    status: Option<u16>,
    from: usize,
    to: usize,
    leg: usize,
    /// Rows of one transaction share a number.
    transaction: usize,
    /// Messages that are other logs of the same sending.
    sightings: Vec<String>,
    /// Messages that are later sendings of the same message.
    repeats: Vec<String>,
    /// Messages that are other logs of those later sendings.
    repeat_sightings: Vec<String>,
    remark: Option<String>,
    provisional: bool,
}

impl ScenarioPicture {
    pub(super) fn new(picture: &Picture) -> Self {
        let Picture { scenario, messages, flow, whole, .. } = picture;
        Self {
            scenario: ScenarioJson::new(&scenario.row),
            calls: scenario.calls.iter().map(CallJson::new).collect(),
            legs: legs(flow),
            nodes: nodes(flow),
            rows: rows(flow, messages),
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
            PushState::NotNeeded => PushName::NotNeeded,
            PushState::Sent(_) => PushName::Sent,
            PushState::Accepted(..) => PushName::Accepted,
            PushState::Refused(..) => PushName::Refused,
            PushState::Woke(..) => PushName::Woke,
        },
        begun: text(leg.begun),
        rang: text(leg.rang),
        status: leg.final_status.map(|(status, _)| status),
        ended: text(leg.final_status.map(|(_, at)| at)),
        outcome: match leg.outcome {
            Outcome::Answered => OutcomeName::Answered,
            Outcome::Released => OutcomeName::Released,
            Outcome::AnsweredElsewhere => OutcomeName::AnsweredElsewhere,
            Outcome::Refused(_) => OutcomeName::Refused,
            Outcome::Unreachable => OutcomeName::Unreachable,
            Outcome::NeverWoke => OutcomeName::NeverWoke,
            Outcome::AnsweredTooHungUp => OutcomeName::AnsweredTooHungUp,
            Outcome::StillRinging => OutcomeName::StillRinging,
            Outcome::Cancelled => OutcomeName::Cancelled,
            Outcome::Open => OutcomeName::Open,
            Outcome::Unknown => OutcomeName::Unknown,
        },
    };
    flow.legs.iter().map(leg).collect()
}

fn nodes(flow: &Flow) -> Vec<NodeJson> {
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
        clock_shift: node.clock_shift,
    };
    flow.nodes.iter().map(node).collect()
}

fn rows(flow: &Flow, messages: &[Message]) -> Vec<RowJson> {
    let ids = |places: &[usize]| places.iter().map(|at| messages[*at].id.to_string()).collect();
    let row = |row: &message::flow::Row| {
        let message = &messages[row.message];
        let result = message.facts.result.as_ref().filter(|_| row.half == Half::Response);
        RowJson {
            id: format!("{}{}", message.id, if row.half == Half::Response { "r" } else { "" }),
            time: row.time.to_string(),
            repaired: row.repaired,
            kind: message.kind.name(),
            method: shortened(&message.facts.method, LONGEST),
            status: match row.half {
                Half::Whole => message.facts.status,
                Half::Request => None,
                Half::Response => result.map_or(message.facts.status, |result| result.status),
            },
            from: row.from,
            to: row.to,
            leg: row.leg,
            transaction: row.transaction,
            sightings: ids(&row.sightings),
            repeats: ids(&row.repeats),
            repeat_sightings: ids(&row.repeat_sightings),
            remark: row.remark.clone(),
            provisional: message.provisional,
        }
    };
    flow.rows.iter().map(row).collect()
}
