//! The read API: what the pages show, for programs. Keyset-paged, the same filters as the search page.

mod messages;
mod picture;
mod scenarios;
mod streams;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use utoipa::OpenApi;

use crate::error::ApiError;
use crate::params::Params;
use crate::{Error, Site};

/// Rows of a list where no `limit` is given, and the most that may be asked for.
const LIMIT: usize = 100;
const MOST: usize = 1_000;

pub(crate) fn routes() -> Router<Site> {
    Router::new()
        .route("/api/openapi.json", get(|| async { Json(document()) }))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .merge(scenarios::routes())
        .merge(messages::routes())
        .merge(streams::routes())
}

/// The whole API, as OpenAPI 3.1.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Siptrail",
        description = "Scenarios, messages and streams as stored. Times are RFC 3339 in UTC with microseconds; ids are \
            hex strings. Lists are paged: pass `next` of an answer as `after`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        scenarios::list,
        scenarios::one,
        scenarios::call,
        messages::list,
        messages::one,
        streams::list,
        alive,
        ready
    ),
    components(schemas(ApiError))
)]
struct Document;

/// The process answers.
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "health", responses((status = 200, description = "ok", body = String)))]
async fn alive() -> &'static str {
    "ok\n"
}

/// The database answers, and what arrives is stored and joined. What else fails is named beside `ready`.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "health", responses(
    (status = 200, description = "ready", body = String),
    (status = 503, description = "the database does not answer, which is said within 2 s; or what arrives is not stored or not joined, with the reason", body = ApiError),
))]
async fn ready(State(site): State<Site>) -> Result<String, Error> {
    site.store.ping().await.map_err(|error| Error::NotReady(error.to_string()))?;
    let faults = site.store.health().faults();
    let said = faults.iter().map(|fault| format!("{} since {}: {}", fault.part.fails(), fault.since, fault.why));
    let said = said.collect::<Vec<_>>().join("; ");
    if faults.iter().any(|fault| fault.part.is_vital()) {
        return Err(Error::NotReady(said));
    }
    Ok(if said.is_empty() { "ready\n".into() } else { format!("ready; {said}\n") })
}

/// The parameters of a request; a name that is not known is refused, since a filter that is misspelled would find too much.
fn params(query: Option<&str>, known: &[&[&str]]) -> Result<Params, Error> {
    let params = Params::parse(query.unwrap_or(""));
    let stranger = params.pairs().iter().find(|(name, _)| !known.iter().any(|names| names.contains(&name.as_str())));
    match stranger {
        Some((name, _)) => {
            Err(Error::BadRequest(format!("unknown parameter \"{name}\"; known are {}", known.concat().join(", "))))
        }
        None => Ok(params),
    }
}

fn limit(params: &Params) -> Result<Option<usize>, Error> {
    let Some(text) = params.get("limit") else { return Ok(None) };
    let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.map(Some).ok_or_else(|| Error::BadRequest(format!("limit is a number from 1 to {MOST}, not \"{text}\"")))
}

fn zone(params: &Params) -> Result<crate::zone::Zone, Error> {
    let name = params.get("zone").unwrap_or("UTC");
    crate::zone::Zone::parse(name).ok_or_else(|| Error::BadRequest(format!("unknown zone \"{name}\"")))
}

/// Where the page before ended.
fn after<T>(params: &Params, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Error> {
    let Some(text) = params.get("after") else { return Ok(None) };
    read(text).map(Some).ok_or_else(|| Error::BadRequest(format!("\"{text}\" is not the `next` of an answer")))
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
