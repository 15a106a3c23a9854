//! Scenarios: the list of the search page, and one with its picture.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Redirect, Response};
use record::id::ScenarioId;
use serde::Serialize;
use store::scenario::{Found, Subject};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::picture::ScenarioPicture;
use super::row::{ScenarioJson, text};
use crate::params::quoted;
use crate::picture::Picture;
use crate::problem::{Problem, Refused};
use crate::scenario::Judgement;
use crate::search::cursor;
use crate::search::form::Form;
use crate::{Error, Site, subject};

pub(super) fn routes() -> OpenApiRouter<Site> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one)).routes(routes!(call))
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
