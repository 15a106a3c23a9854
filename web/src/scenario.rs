//! The page of one scenario: what came of it, its ladder, and the message that is open.
//!
//! `/s/ID` the page · `/s/ID/table` the same rows as a plain table · `/m/MESSAGE.txt` the bytes of one message

mod branches;
mod detail;
mod draw;
mod evidence;
mod headline;
mod json;
mod parsed;
mod sdp;
mod text;
mod tools;

#[cfg(test)]
mod tests;

use std::panic::resume_unwind;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use message::id::{MessageId, ScenarioId};
use message::record::Message;
use store::Store;
use store::scenario::{Found, Scenario};

use crate::ladder::view::View;
use crate::live::Row;
use crate::page::Frame;
use crate::{Error, Site};

/// Messages and bytes that one picture holds at most; what is beyond is told on the page.
const MOST_MESSAGES: usize = 50_000;
const MOST_BYTES: usize = 128 << 20;
/// Messages asked of the store at a time.
const CHUNK: usize = 2_000;

pub(crate) fn routes() -> Router<Site> {
    Router::new().route("/s/{id}", get(page)).route("/s/{id}/table", get(table)).route("/m/{file}", get(bytes))
}

async fn page(
    State(site): State<Site>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    frame: Frame,
) -> Result<Response, Error> {
    answer(site, id, query, "", frame, draw::page).await
}

async fn table(
    State(site): State<Site>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    frame: Frame,
) -> Result<Response, Error> {
    answer(site, id, query, "/table", frame, draw::table).await
}

/// The rows and notes of a ladder as its page with this query draws them, in order; for the live view.
pub async fn render_rows(site: &Site, id: ScenarioId, query: &str) -> Result<Vec<Row>, Error> {
    let scenario = match site.store.scenario(id).await? {
        Found::Here(scenario) => scenario,
        Found::Merged(_) | Found::Nowhere => return Err(nowhere(&id.to_string())),
    };
    let (messages, _) = load(&site.store, &scenario).await?;
    let view = View::parse(query);
    apart(move || draw::rows(&messages, &view)).await
}

/// Loads a scenario and draws it away from the threads that serve requests.
async fn answer(
    site: Site,
    id: String,
    query: Option<String>,
    part: &str,
    frame: Frame,
    draw: fn(draw::Picture) -> Result<String, Error>,
) -> Result<Response, Error> {
    let key: ScenarioId = id.parse().map_err(|_| nowhere(&id))?;
    let query = query.unwrap_or_default();
    let mut scenario = match site.store.scenario(key).await? {
        Found::Here(scenario) => scenario,
        Found::Merged(into) => {
            let mark = if query.is_empty() { "" } else { "?" };
            return Ok(Redirect::permanent(&format!("/s/{into}{part}{mark}{query}")).into_response());
        }
        Found::Nowhere => return Err(nowhere(&id)),
    };
    // What the live view compares with; read before the messages, so that none is missed.
    if let [(_, version, _)] = site.store.versions(&[key]).await?[..] {
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

/// The messages of a scenario, and whether these are all.
async fn load(store: &Store, scenario: &Scenario) -> Result<(Vec<Message>, bool), Error> {
    let mut messages: Vec<Message> = Vec::new();
    let mut size = 0;
    loop {
        let after = messages.last().map(|message| (message.time, message.id));
        let chunk = store.scenario_messages(scenario, after, CHUNK).await?;
        let last = chunk.len() < CHUNK;
        size += chunk.iter().map(|message| message.raw.len()).sum::<usize>();
        messages.extend(chunk);
        if last || messages.len() >= MOST_MESSAGES || size >= MOST_BYTES {
            return Ok((messages, last));
        }
    }
}

/// Runs what takes long on a thread of its own; a panic in it is one of this request.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) if failed.is_panic() => resume_unwind(failed.into_panic()),
        Err(_) => Err(Error::BadRequest("Siptrail is stopping; try again in a moment.".into())),
    }
}

fn nowhere(id: &str) -> Error {
    Error::not_found(format!("There is no scenario {id}."), id)
}
