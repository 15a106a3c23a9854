//! The read API: what the pages show, for programs. Keyset-paged, the same filters as the search page.

mod agents;
mod alerts;
mod course;
mod messages;
mod picture;
mod row;
mod scenarios;
mod streams;
mod verdicts;

use axum::extract::{RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::names::ReadyOf;
use crate::params::{Params, quoted};
use crate::problem::{Problem, Refused};
use crate::reading::Reading;
use crate::sending::Stuck;
use crate::{Error, Settings, Site, settling};

/// Rows of a list where no `limit` is given, and the most that may be asked for.
const LIMIT: usize = 100;
const MOST: usize = 1_000;

pub(crate) fn routes(settings: &Settings) -> Router<Site> {
    let (routes, mut document) = described().split_for_parts();
    document.merge(settings.doors.clone().unwrap_or_default());
    routes.route("/api/openapi.json", get(|| async { Json(document) }))
}

/// The API of pages, as OpenAPI 3.1: what each route says of itself.
pub fn document() -> utoipa::openapi::OpenApi {
    described().into_openapi()
}

fn described() -> OpenApiRouter<Site> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(scenarios::routes())
        .merge(messages::routes())
        .merge(streams::routes())
        .merge(agents::routes())
        .merge(alerts::routes())
        .routes(routes!(alive))
        .routes(routes!(ready))
}

#[derive(OpenApi)]
#[openapi(info(
    title = "Siptrail",
    description = "Scenarios, messages and streams as stored. Times are RFC 3339 in UTC with microseconds; ids are \
            hex strings. Lists are paged: pass `next` of an answer as `after`.",
    license(name = "Apache-2.0", identifier = "Apache-2.0")
))]
struct Document;

/// The process answers.
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "health", responses(Refused, (status = 200, description = "ok", body = String)))]
async fn alive() -> &'static str {
    "ok\n"
}

/// The database answers, what arrives is stored and joined, every agent is heard, and what agents should read they can
/// read. What else fails is named beside `ready`, and how far the working out of scenarios is behind. For balancers, `of=server` leaves the agents out: no request is answered
/// better elsewhere because a log cannot be read.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "health",
    params(("of" = inline(Option<ReadyOf>), Query, description = "`server`: agents are left out")),
    responses(
        Refused,
        (status = 200, description = "ready", body = String),
        (status = 400, description = "a parameter is not known", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database does not answer, which is said within 2 s; what arrives is not stored or not joined; an agent was not heard for 30 s or was stopped; something cannot be read; with the reason", body = Problem, content_type = "application/problem+json")
    )
)]
async fn ready(State(site): State<Site>, RawQuery(query): RawQuery) -> Result<String, Error> {
    let params = params(query.as_deref(), &[&["of"]])?;
    let of_server = match params.get("of") {
        None => false,
        Some("server") => true,
        Some(other) => return Err(Error::BadRequest(format!("of is server or left out, not {}", quoted(other)))),
    };
    site.store.ping().await.map_err(|error| Error::NotReady(error.to_string()))?;
    let faults = site.store.health().faults();
    let own = faults.iter().map(|fault| format!("{} since {}: {}", fault.part.fails(), fault.since, fault.why));
    let (reading, stuck, late) =
        tokio::try_join!(Reading::of(&site), Stuck::of(&site, crate::zone::Zone::UTC), settling::late(&site))?;
    let stuck = stuck.into_iter().map(|stuck| format!("{} {}", stuck.what, stuck.why));
    let stuck = stuck.chain(late.map(|late| format!("of what happened in scenarios, {late}")));
    let troubles = if of_server { Vec::new() } else { agents::troubles(&reading) };
    let fails = !troubles.is_empty() || faults.iter().any(|fault| fault.part.is_vital());
    let said = own.chain(stuck).chain(troubles).collect::<Vec<_>>().join("; ");
    if fails {
        return Err(Error::NotReady(said));
    }
    Ok(if said.is_empty() { "ready\n".into() } else { format!("ready; {said}\n") })
}

/// The parameters of a request; a name that is not known is refused, since a filter that is misspelled would find too much, and so are
/// two values of a name that takes one.
fn params(query: Option<&str>, known: &[&[&str]]) -> Result<Params, Error> {
    let params = Params::parse(query.unwrap_or(""));
    let mut names = params.pairs().iter().map(|(name, _)| name.as_str());
    if let Some(name) = names.clone().find(|name| !known.iter().any(|known| known.contains(name))) {
        let known = known.concat().join(", ");
        let known = if known.is_empty() { "there are none here".to_owned() } else { format!("known are {known}") };
        return Err(Error::BadRequest(format!("unknown parameter {}; {known}", quoted(name))));
    }
    if let Some((name, (one, other))) = names.find_map(|name| Some((name, params.twice(name)?))) {
        return Err(Error::BadRequest(format!("{name} is given as {} and as {}", quoted(one), quoted(other))));
    }
    Ok(params)
}

fn limit(params: &Params) -> Result<Option<usize>, Error> {
    let Some(text) = params.get("limit") else { return Ok(None) };
    let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit
        .map(Some)
        .ok_or_else(|| Error::BadRequest(format!("limit is a number from 1 to {MOST}, not {}", quoted(text))))
}

fn zone(params: &Params) -> Result<crate::zone::Zone, Error> {
    let name = params.get("zone").unwrap_or("UTC");
    crate::zone::Zone::parse(name).ok_or_else(|| Error::BadRequest(format!("unknown zone {}", quoted(name))))
}

/// A text in a cursor: it may hold anything, and a cursor goes into an address as it is.
fn packed(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

fn unpacked(text: &str) -> Option<String> {
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// Where the page before ended.
fn after<T>(params: &Params, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Error> {
    let Some(text) = params.get("after") else { return Ok(None) };
    read(text).map(Some).ok_or_else(|| Error::BadRequest(format!("{} is not the `next` of an answer", quoted(text))))
}

#[cfg(test)]
mod tests {
    /// A change of this text is a change of a promise: it needs a line in the changelog.
    #[test]
    fn the_document_is_the_one_that_was_promised() {
        let document = serde_json::to_string_pretty(&super::document()).unwrap();
        let promised = include_str!("../openapi.json");
        if std::env::var_os("SIPTRAIL_BLESS").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"), document + "\n").unwrap();
        } else {
            assert!(document + "\n" == promised, "the API changed: SIPTRAIL_BLESS=1 writes web/openapi.json again");
        }
    }
}
