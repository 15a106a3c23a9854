//! The page of one scenario: what came of it, its ladder, and the message that is open.
//!
//! `/s/ID` the page · `/s/ID/table` the same rows as a plain table · `/m/MESSAGE.txt` the bytes of one message

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
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use record::id::{MessageId, ScenarioId};
use store::scenario::Found;

use self::load::{apart, load};
use crate::ladder::view::View;
use crate::live::Row;
use crate::page::Frame;
use crate::{Error, Site};

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

fn nowhere(id: &str) -> Error {
    Error::not_found(format!("There is no scenario {id}."), id)
}
