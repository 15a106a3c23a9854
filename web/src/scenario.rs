//! The page of one scenario: what came of it, its ladder, and the message that is open.
//!
//! `/s/ID` the page · `/s/ID/table` the same rows as a plain table · `/calls/CALL-ID` the page of a call that has no
//! scenario yet, and the way to it once it has · `/m/MESSAGE.txt` the bytes of one message

mod branches;
mod detail;
mod draw;
mod empty;
mod evidence;
mod flags;
mod header;
mod headline;
mod json;
pub(crate) mod load;
mod logged;
mod parsed;
mod sdp;
mod text;
mod tools;

#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::Uri;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use record::id::MessageId;
use store::scenario::{Found, Scenario, Subject};

use self::load::{apart, load};
use crate::ladder::view::View;
use crate::live::{self, Row, Seen};
use crate::page::Frame;
use crate::{Error, Site, subject};

pub(crate) fn routes() -> Router<Site> {
    Router::new()
        .route("/s/{id}", get(page))
        .route("/s/{id}/table", get(table))
        .route("/calls/{id}", get(call_page))
        .route("/calls/{id}/table", get(call_table))
        .route("/m/{file}", get(bytes))
}

async fn page(
    State(site): State<Site>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    frame: Frame,
) -> Result<Response, Error> {
    let found = scenario(&site, &id).await?;
    answer(site, (found, &id), query, "", frame, draw::page).await
}

async fn table(
    State(site): State<Site>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    frame: Frame,
) -> Result<Response, Error> {
    let found = scenario(&site, &id).await?;
    answer(site, (found, &id), query, "/table", frame, draw::table).await
}

async fn call_page(
    State(site): State<Site>,
    uri: Uri,
    RawQuery(query): RawQuery,
    frame: Frame,
) -> Result<Response, Error> {
    let id = subject::given(&uri, "/calls/");
    let (_, found) = subject::call(&site.store, &id).await?;
    answer(site, (found, &id), query, "", frame, draw::page).await
}

async fn call_table(
    State(site): State<Site>,
    uri: Uri,
    RawQuery(query): RawQuery,
    frame: Frame,
) -> Result<Response, Error> {
    let id = subject::given(&uri, "/calls/");
    let (_, found) = subject::call(&site.store, &id).await?;
    answer(site, (found, &id), query, "/table", frame, draw::table).await
}

async fn scenario(site: &Site, id: &str) -> Result<Found<Scenario>, Error> {
    let id = id.parse().map_err(|_| nowhere("scenario", id))?;
    Ok(site.store.scenario(id).await?)
}

/// The rows and notes of a ladder as its page with this query draws them, in order; for the live view. None: it was
/// joined into a scenario.
pub async fn render_rows(site: &Site, subject: &Subject, query: &str) -> Result<Option<Vec<Row>>, Error> {
    let found = match subject {
        Subject::Scenario(id) => site.store.scenario(*id).await?,
        Subject::Call(key, _) => site.store.call(*key).await?,
    };
    let scenario = match (found, subject) {
        (Found::Here(scenario), _) => scenario,
        (Found::Merged(_), _) => return Ok(None),
        (Found::Nowhere, Subject::Scenario(id)) => return Err(nowhere("scenario", &id.to_string())),
        // A record that began where another now goes on.
        (Found::Nowhere, Subject::Call(..)) => return Ok(Some(Vec::new())),
    };
    let (messages, _) = load(&site.store, &scenario).await?;
    let view = View::parse(query);
    apart(move || draw::rows(&messages, &view)).await.map(Some)
}

/// Loads a scenario, or a call that has none yet, and draws it away from the threads that serve requests.
async fn answer(
    site: Site,
    (found, id): (Found<Scenario>, &str),
    query: Option<String>,
    part: &str,
    frame: Frame,
    draw: fn(draw::Picture) -> Result<String, Error>,
) -> Result<Response, Error> {
    let query = query.unwrap_or_default();
    let is_call = frame.path.starts_with("/calls/");
    let mut scenario = match found {
        Found::Here(scenario) => scenario,
        Found::Merged(into) => {
            let mark = if query.is_empty() { "" } else { "?" };
            let to = format!("/s/{into}{part}{mark}{query}");
            // A Call-ID that is used each day leads to another scenario tomorrow.
            let redirect = if is_call { Redirect::temporary(&to) } else { Redirect::permanent(&to) };
            return Ok(redirect.into_response());
        }
        Found::Nowhere => return Err(nowhere(if is_call { "call" } else { "scenario" }, id)),
    };
    // What the live view compares with; read before the messages, so that none is missed.
    if let Some(Seen::At(version)) = live::version(&site.store, &scenario.row.subject).await? {
        scenario.row.version = version;
    }
    let (messages, all) = load(&site.store, &scenario).await?;
    let evidence = evidence::of(&site.store, &messages).await?;
    let now = site.now();
    let view = View::parse(&query);
    let picture = draw::Picture { scenario, messages, all, evidence, view, frame, now };
    let html = apart(move || draw(picture)).await?;
    Ok(([(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response())
}

/// The exact bytes of a message, to save and to read with other tools.
async fn bytes(State(site): State<Site>, Path(file): Path<String>) -> Result<Response, Error> {
    let name = file.strip_suffix(".txt").unwrap_or(&file).to_owned();
    let none = || Error::not_found(format!("There is no message {name}."), name.clone());
    let id: MessageId = name.parse().map_err(|_| none())?;
    let (message, _) = site.store.message(id).await?.ok_or_else(none)?;
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.txt\"")),
    ];
    Ok((headers, message.body().to_vec()).into_response())
}

fn nowhere(what: &str, id: &str) -> Error {
    let shown = &id[..id.floor_char_boundary(100)];
    let dots = if shown.len() < id.len() { "…" } else { "" };
    Error::not_found(format!("There is no {what} {shown}{dots}."), id)
}
