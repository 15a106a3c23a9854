//! Scenarios: the list of the search page, and one with its calls, legs, nodes and rows.

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use message::flow::{Flow, Half, NodeKind, Outcome, PushState, flow};
use message::id::ScenarioId;
use message::record::Message;
use message::time::Timestamp;
use serde::Serialize;
use store::scenario::{Found, Scenario, ScenarioCall, ScenarioRow};

use crate::error::ApiError;
use crate::search::cursor;
use crate::search::form::Form;
use crate::{Error, Site};

/// Messages of one scenario that are drawn; beyond them the answer says that it is not whole.
const MESSAGES: usize = 30_000;
const AT_ONCE: usize = 2_000;

pub(super) fn routes() -> Router<Site> {
    Router::new().route("/api/v1/scenarios", get(list)).route("/api/v1/scenarios/{id}", get(one))
}

/// What a list shows of a scenario.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Scenario)]
pub(super) struct ScenarioJson {
    #[schema(example = "018f3c7a")]
    id: String,
    /// call, registration, keepalive, subscription or other.
    class: &'static str,
    #[schema(format = DateTime)]
    first: String,
    #[schema(format = DateTime)]
    last: String,
    caller: Option<String>,
    callee: Option<String>,
    answered_by: Option<String>,
    #[schema(format = DateTime)]
    rang: Option<String>,
    #[schema(format = DateTime)]
    answered: Option<String>,
    /// The first BYE.
    #[schema(format = DateTime)]
    ending: Option<String>,
    /// The first answer to a BYE.
    #[schema(format = DateTime)]
    ended: Option<String>,
    /// Final status.
    status: Option<u16>,
    calls: i64,
    legs: i64,
    messages: i64,
    nodes: i64,
    devices: i64,
    kinds: KindsJson,
    /// Rises with every change.
    version: i64,
}

/// Messages by kind.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = Kinds)]
pub(super) struct KindsJson {
    sip: i64,
    rest: i64,
    push: i64,
    media: i64,
}

impl ScenarioJson {
    fn new(row: &ScenarioRow) -> Self {
        let [sip, rest, push, media] = row.kinds;
        Self {
            id: row.id.to_string(),
            class: row.class.name(),
            first: row.first.to_string(),
            last: row.last.to_string(),
            caller: row.caller.clone(),
            callee: row.callee.clone(),
            answered_by: row.answered_by.clone(),
            rang: text(row.rang),
            answered: text(row.answered),
            ending: text(row.ending),
            ended: text(row.ended),
            status: row.status,
            calls: row.calls,
            legs: row.legs,
            messages: row.messages,
            nodes: row.nodes,
            devices: row.devices,
            kinds: KindsJson { sip, rest, push, media },
            version: row.version,
        }
    }
}

fn text(time: Option<Timestamp>) -> Option<String> {
    time.map(|at| at.to_string())
}

/// A page of scenarios, newest first.
#[derive(Serialize, utoipa::ToSchema, Debug)]
pub(super) struct Scenarios {
    scenarios: Vec<ScenarioJson>,
    /// Pass it as `after` for the next page; null at the end.
    next: Option<String>,
    /// A filter on messages looked at the newest scenarios only, back to this time.
    #[schema(format = DateTime)]
    searched_to: Option<String>,
}

/// Scenarios, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/scenarios",
    operation_id = "list_scenarios",
    tag = "scenarios",
    params(
        Form,
        ("zone" = Option<String>, Query, description = "Zone of `from` and `to` without an offset; UTC unless given"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u64>, Query, description = "1 to 1000; 100 unless given"),
    ),
    responses(
        (status = 200, description = "scenarios", body = Scenarios),
        (status = 400, description = "a parameter cannot be read", body = ApiError),
    )
)]
async fn list(State(site): State<Site>, RawQuery(query): RawQuery) -> Result<Json<Scenarios>, Error> {
    let params = super::params(query.as_deref(), &[&Form::NAMES[1..], &["zone", "after", "limit"]])?;
    let zone = super::zone(&params)?;
    let said = |faults: Vec<crate::search::form::Fault>| {
        let texts: Vec<_> = faults.into_iter().map(|fault| format!("{}: {}", fault.field, fault.text)).collect();
        Error::BadRequest(texts.join("; "))
    };
    let filter = Form::read(&params).filter(zone).map_err(said)?;
    let limit = super::limit(&params)?.unwrap_or(super::LIMIT);
    let before = match params.get("after") {
        Some(text) => Some(cursor::read::<ScenarioId>(text).ok_or_else(|| super::bad_cursor(text))?),
        None => None,
    };
    let page = site.store.search(&filter, before, limit).await?;
    let next = page.rows.last().filter(|_| page.more).map(|last| cursor::write(last.first, last.id));
    Ok(Json(Scenarios {
        scenarios: page.rows.iter().map(ScenarioJson::new).collect(),
        next,
        searched_to: text(page.searched_to),
    }))
}

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
    /// not needed, sent, accepted, refused or woke.
    push: &'static str,
    #[schema(format = DateTime)]
    begun: Option<String>,
    #[schema(format = DateTime)]
    rang: Option<String>,
    status: Option<u16>,
    #[schema(format = DateTime)]
    ended: Option<String>,
    /// answered, released, answered_elsewhere, refused, …; unknown where no log shows it.
    outcome: &'static str,
}

/// A column of the ladder.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Node)]
pub(super) struct NodeJson {
    name: String,
    detail: String,
    /// server, device or external.
    kind: &'static str,
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
    remark: Option<String>,
    provisional: bool,
}

/// One scenario: calls, legs, nodes and rows. A scenario that was joined into another leads there.
#[utoipa::path(
    get,
    path = "/api/v1/scenarios/{id}",
    operation_id = "get_scenario",
    tag = "scenarios",
    params(("id" = String, Path, description = "at least 8 hex digits")),
    responses(
        (status = 200, description = "the scenario", body = ScenarioPicture),
        (status = 308, description = "it was joined into the one in `Location`"),
        (status = 404, description = "there is none", body = ApiError),
    )
)]
async fn one(State(site): State<Site>, Path(id): Path<String>) -> Result<Response, Error> {
    let none = || Error::not_found(format!("there is no scenario \"{id}\""), id.clone());
    let key = id.parse().map_err(|_| none())?;
    let scenario = match site.store.scenario(key).await? {
        Found::Here(scenario) => scenario,
        Found::Merged(into) => return Ok(Redirect::permanent(&format!("/api/v1/scenarios/{into}")).into_response()),
        Found::Nowhere => return Err(none()),
    };
    let mut messages: Vec<Message> = Vec::new();
    let mut whole = false;
    while messages.len() < MESSAGES {
        let after = messages.last().map(|last| (last.time, last.id));
        let more = site.store.scenario_messages(&scenario, after, AT_ONCE).await?;
        whole = more.len() < AT_ONCE;
        messages.extend(more);
        if whole {
            break;
        }
    }
    Ok(Json(ScenarioPicture::new(&scenario, &messages, whole)).into_response())
}

impl ScenarioPicture {
    fn new(scenario: &Scenario, messages: &[Message], whole: bool) -> Self {
        let flow = flow(messages);
        Self {
            scenario: ScenarioJson::new(&scenario.row),
            calls: scenario.calls.iter().map(CallJson::new).collect(),
            legs: legs(&flow),
            nodes: nodes(&flow),
            rows: rows(&flow, messages),
            whole,
        }
    }
}

impl CallJson {
    fn new(call: &ScenarioCall) -> Self {
        let mut streams: Vec<_> = call.streams.iter().map(|(stream, _)| stream.to_string()).collect();
        streams.dedup();
        let joined_by = call.joined_by.as_ref().map(|(space, value, message)| JoinJson {
            space: space.clone(),
            value: value.clone(),
            message: message.to_string(),
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
            PushState::NotNeeded => "not needed",
            PushState::Sent(_) => "sent",
            PushState::Accepted(..) => "accepted",
            PushState::Refused(..) => "refused",
            PushState::Woke(..) => "woke",
        },
        begun: text(leg.begun),
        rang: text(leg.rang),
        status: leg.final_status.map(|(status, _)| status),
        ended: text(leg.final_status.map(|(_, at)| at)),
        outcome: match leg.outcome {
            Outcome::Answered => "answered",
            Outcome::Released => "released",
            Outcome::AnsweredElsewhere => "answered_elsewhere",
            Outcome::Refused(_) => "refused",
            Outcome::Unreachable => "unreachable",
            Outcome::NeverWoke => "never_woke",
            Outcome::AnsweredTooHungUp => "answered_too",
            Outcome::StillRinging => "still_ringing",
            Outcome::Cancelled => "cancelled",
            Outcome::Open => "open",
            Outcome::Unknown => "unknown",
        },
    };
    flow.legs.iter().map(leg).collect()
}

fn nodes(flow: &Flow) -> Vec<NodeJson> {
    let node = |node: &message::flow::Node| NodeJson {
        name: node.name.clone(),
        detail: node.detail.clone(),
        kind: match node.kind {
            NodeKind::Server => "server",
            NodeKind::Device => "device",
            NodeKind::External => "external",
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
            method: message.facts.method.clone(),
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
            remark: row.remark.clone(),
            provisional: message.provisional,
        }
    };
    flow.rows.iter().map(row).collect()
}
