//! Scenarios: the list of the search page, and one with its picture.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Redirect, Response};
use record::id::ScenarioId;
use record::time::Timestamp;
use serde::Serialize;
use store::scenario::{Found, ScenarioRow, Subject};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::picture::ScenarioPicture;
use crate::names::{Class, OutcomeOf};
use crate::params::quoted;
use crate::picture::Picture;
use crate::problem::{Problem, Refused};
use crate::scenario::Judgement;
use crate::search::cursor;
use crate::search::form::Form;
use crate::{Error, Site, settling, subject};

pub(super) fn routes() -> OpenApiRouter<Site> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one)).routes(routes!(call))
}

/// What a list shows of a scenario.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Scenario)]
pub(super) struct ScenarioJson {
    /// Null of a call that has no scenario yet; `call_id` names it then, and it is at `/api/v1/calls/{call_id}`.
    #[schema(example = "018f3c7a")]
    id: Option<String>,
    /// Of a call that has no scenario yet; null of a scenario, which may have several. Cut to 512 bytes.
    call_id: Option<String>,
    #[schema(value_type = Class)]
    class: &'static str,
    /// Of its first message, as logged: its place in the list.
    #[schema(format = DateTime)]
    first: String,
    /// Of its last message, as logged.
    #[schema(format = DateTime)]
    last: String,
    /// Who called: the user of From, else its host.
    caller: Option<String>,
    /// Whom the caller asked for: the user of To, else its host.
    callee: Option<String>,
    /// The person who answered the caller, else the machine.
    answered_by: Option<String>,
    /// Whom a transfer connected last to the caller, or to who had answered, as From, To or Refer-To name them. Null until that
    /// is worked out, and of a call that nobody transferred.
    transferred_to: Option<String>,
    /// The first 180 at the caller, in the attempt that counts.
    #[schema(format = DateTime)]
    rang: Option<String>,
    /// The caller's 2xx.
    #[schema(format = DateTime)]
    answered: Option<String>,
    /// The BYE that ended the last dialog that served the caller. Until that is worked out: the first BYE. Of a registration: when
    /// it was taken back.
    #[schema(format = DateTime)]
    ending: Option<String>,
    /// When that BYE was answered.
    #[schema(format = DateTime)]
    ended: Option<String>,
    /// What the caller got: the final answer in the last attempt. Earlier attempts are in `course` of the scenario, and
    /// `final` finds them, too. Of a scenario that is no call: the final status of what opened it.
    status: Option<u16>,
    /// When the caller sent the INVITE that counts, by repaired clocks; null until that is worked out.
    #[schema(format = DateTime)]
    begun: Option<String>,
    /// Microseconds from the caller's answer to the end of the last dialog that served the caller.
    talked: Option<i64>,
    /// How many things went wrong; null until that is worked out, some seconds after the last message.
    problems: Option<i64>,
    /// Why nothing of it is worked out, as a sentence: it holds too many messages. Null of all others.
    unsettled: Option<String>,
    /// Outcome of the worst verdict; null until it is judged, and if no rule is about it.
    #[schema(value_type = Option<OutcomeOf>)]
    outcome: Option<&'static str>,
    /// The failure of the worst verdict.
    failure: Option<String>,
    /// The rule of the worst verdict.
    rule: Option<String>,
    /// Call-IDs.
    calls: i64,
    /// The caller's side, and every device or target that was invited or pushed to.
    legs: i64,
    messages: i64,
    /// Addresses that its messages went between.
    nodes: i64,
    /// Devices and targets that were invited or pushed to.
    devices: i64,
    kinds: KindsJson,
    /// The rest of one of its messages is not read yet.
    provisional: bool,
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
    pub(super) fn new(row: &ScenarioRow) -> Self {
        let [sip, rest, push, media] = row.kinds;
        Self {
            id: row.subject.scenario().map(|id| id.to_string()),
            call_id: match &row.subject {
                Subject::Scenario(_) => None,
                Subject::Call(_, name) => Some(name.clone()),
            },
            class: row.class.name(),
            first: row.first.to_string(),
            last: row.last.to_string(),
            caller: row.caller.clone(),
            callee: row.callee.clone(),
            answered_by: row.answered_by.clone(),
            transferred_to: row.transferred_to.clone(),
            rang: text(row.rang),
            answered: text(row.answered),
            ending: text(row.ending),
            ended: text(row.ended),
            status: row.status,
            begun: text(row.begun),
            talked: row.talked,
            problems: row.problems,
            unsettled: settling::never(row),
            outcome: row.outcome.map(rule::verdict::Outcome::name),
            failure: row.failure.clone(),
            rule: row.rule.clone(),
            calls: row.calls,
            legs: row.legs,
            messages: row.messages,
            nodes: row.nodes,
            devices: row.devices,
            kinds: KindsJson { sip, rest, push, media },
            provisional: row.provisional,
            version: row.version,
        }
    }
}

pub(super) fn text(time: Option<Timestamp>) -> Option<String> {
    time.map(|at| at.to_string())
}

/// A page of scenarios, newest first.
#[derive(Serialize, utoipa::ToSchema, Debug)]
pub(super) struct ScenarioPage {
    scenarios: Vec<ScenarioJson>,
    /// Pass it as `after` for the next page; null at the end. A page may hold fewer scenarios than `limit`, or none, and have a
    /// next one.
    next: Option<String>,
    /// The page ends here before it is full, since one request looks at no more scenarios; `next` goes on.
    #[schema(format = DateTime)]
    searched_to: Option<String>,
    /// Calls that have no scenario yet were looked for back to this time only: more than 10,000 records wait in their logs.
    #[schema(format = DateTime)]
    waiting_to: Option<String>,
}

/// Scenarios, newest first, and calls that have none yet.
#[utoipa::path(
    get,
    path = "/api/v1/scenarios",
    operation_id = "list_scenarios",
    tag = "scenarios",
    params(
        Form,
        ("zone" = Option<String>, Query, description = "Zone of `from`, `to` and `around` without an offset; UTC unless given"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u64>, Query, description = "1 to 1000; 100 unless given"),
    ),
    responses(
        Refused,
        (status = 200, description = "scenarios", body = ScenarioPage),
        (status = 400, description = "a parameter cannot be read", body = Problem, content_type = "application/problem+json")
    )
)]
async fn list(State(site): State<Site>, RawQuery(query): RawQuery) -> Result<Json<ScenarioPage>, Error> {
    let params = super::params(query.as_deref(), &[&Form::NAMES[Form::ASKED..], &["zone", "after", "limit"]])?;
    let zone = super::zone(&params)?;
    let said = |faults: Vec<crate::search::value::Fault>| {
        let texts: Vec<_> = faults.into_iter().map(|fault| format!("{}: {}", fault.field, fault.text)).collect();
        Error::BadRequest(texts.join("; "))
    };
    let filter = Form::read(&params).filter(zone, site.now()).map_err(said)?;
    let limit = super::limit(&params)?.unwrap_or(super::LIMIT);
    let before = super::after(&params, cursor::read::<ScenarioId>)?;
    let page = site.store.search(&filter, before, limit).await?;
    let next = page.next.map(|(first, place)| cursor::write(first, place));
    Ok(Json(ScenarioPage {
        scenarios: page.rows.iter().map(ScenarioJson::new).collect(),
        next,
        searched_to: text(page.searched_to),
        waiting_to: text(page.waiting_to),
    }))
}

/// One scenario: calls, legs, nodes, rows and verdicts. A scenario that was joined into another leads there.
#[utoipa::path(
    get,
    path = "/api/v1/scenarios/{id}",
    operation_id = "get_scenario",
    tag = "scenarios",
    params(("id" = String, Path, description = "at least 8 hex digits")),
    responses(
        Refused,
        (status = 200, description = "the scenario", body = ScenarioPicture),
        (status = 308, description = "it was joined into the one in `Location`"),
        (status = 400, description = "a parameter is not known, or the address is not UTF-8", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json")
    )
)]
async fn one(State(site): State<Site>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Result<Response, Error> {
    super::params(query.as_deref(), &[])?;
    let none = || Error::not_found(format!("there is no scenario {}", quoted(&id)), id.clone());
    let key = id.parse().map_err(|_| none())?;
    match site.pictures.of(&site.store, &Subject::Scenario(key)).await? {
        Found::Here(picture) => drawn(&site, picture).await,
        Found::Merged(into) => Ok(Redirect::permanent(&format!("/api/v1/scenarios/{into}")).into_response()),
        Found::Nowhere => Err(none()),
    }
}

/// A call that has no scenario yet, as one of its own. Once it has one, this leads there.
#[utoipa::path(
    get,
    path = "/api/v1/calls/{call_id}",
    operation_id = "get_call",
    tag = "scenarios",
    params(("call_id" = String, Path, description = "the Call-ID, percent-encoded, or the 32 hex digits in its page's address")),
    responses(
        Refused,
        (status = 200, description = "the call", body = ScenarioPicture),
        (status = 307, description = "its scenario is the one in `Location`"),
        (status = 400, description = "a parameter is not known, or the address is not UTF-8", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json")
    )
)]
async fn call(State(site): State<Site>, uri: Uri) -> Result<Response, Error> {
    super::params(uri.query(), &[])?;
    let text = subject::given(&uri, "/api/v1/calls/");
    let key = subject::key_of(&site.store, &text).await?;
    match site.pictures.of(&site.store, &Subject::Call(key, String::new())).await? {
        Found::Here(picture) => drawn(&site, picture).await,
        Found::Merged(into) => Ok(Redirect::temporary(&format!("/api/v1/scenarios/{into}")).into_response()),
        Found::Nowhere => Err(Error::not_found("there is no such call", text)),
    }
}

/// The same picture as that of pages.
async fn drawn(site: &Site, picture: Arc<Picture>) -> Result<Response, Error> {
    let read_to = crate::scenario::read_to(site, &picture).await?;
    let judgement = Judgement::of(&site.store, &picture.scenario.row.subject).await?;
    let written = move || serde_json::to_vec(&ScenarioPicture::new(&picture, &judgement, read_to));
    let draw = move || written().map_err(|error| store::Error::Damaged(error.to_string()).into());
    let json = site.pictures.draw(draw).await?;
    Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
}
