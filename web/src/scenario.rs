//! The page of one scenario: what came of it, its ladder, and the message that is open.
//!
//! `/s/ID` the page · `/s/ID/table` the same rows as a plain table · `/calls/CALL-ID` the page of a call that has no
//! scenario yet, and the way to it once it has · `/m/MESSAGE.txt` the bytes of one message

mod branches;
mod curl;
mod detail;
mod draw;
mod empty;
mod evidence;
mod faults;
mod flags;
mod header;
mod headline;
mod json;
mod judgement;
mod logged;
mod parsed;
mod problems;
mod related;
mod said;
mod sdp;
mod text;
mod tools;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::Uri;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, SET_COOKIE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use record::id::MessageId;
use record::time::Timestamp;
use store::scenario::{Found, Subject};

pub(crate) use self::draw::Around;
pub use self::draw::Row;
pub(crate) use self::evidence::Evidence;
pub(crate) use self::judgement::Judgement;
use crate::ladder::view::View;
use crate::page::Frame;
use crate::params::Params;
use crate::picture::Picture;
use crate::reading::Reading;
use crate::search::form::Form;
use crate::zone::Zone;
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
    let found = call(&site, &id).await?;
    answer(site, (found, &id), query, "", frame, draw::page).await
}

async fn call_table(
    State(site): State<Site>,
    uri: Uri,
    RawQuery(query): RawQuery,
    frame: Frame,
) -> Result<Response, Error> {
    let id = subject::given(&uri, "/calls/");
    let found = call(&site, &id).await?;
    answer(site, (found, &id), query, "/table", frame, draw::table).await
}

async fn scenario(site: &Site, id: &str) -> Result<Found<Arc<Picture>>, Error> {
    let id = id.parse().map_err(|_| nowhere("scenario", id))?;
    site.pictures.of(&site.store, &Subject::Scenario(id)).await
}

async fn call(site: &Site, id: &str) -> Result<Found<Arc<Picture>>, Error> {
    let key = subject::key_of(&site.store, id).await?;
    site.pictures.of(&site.store, &Subject::Call(key, String::new())).await
}

/// A scenario as its live page with some query shows it.
pub(crate) struct LiveView {
    pub rows: Vec<Row>,
    pub around: Around,
    pub evidence: Evidence,
    pub judgement: Judgement,
    pub version: i64,
    /// Who has this has these rows.
    pub shown: i64,
}

/// The event time to which all logs of a scenario are read.
pub(crate) async fn read_to(site: &Site, picture: &Picture) -> Result<Timestamp, Error> {
    Ok(evidence::of(&site.store, &*Reading::of(site).await?, picture, Zone::UTC).await?.read_to())
}

/// None: it was joined into a scenario.
pub(crate) async fn live_view(site: &Site, subject: &Subject, query: &str) -> Result<Option<LiveView>, Error> {
    let picture = match (site.pictures.of(&site.store, subject).await?, subject) {
        (Found::Here(picture), _) => picture,
        (Found::Merged(_), _) => return Ok(None),
        (Found::Nowhere, Subject::Scenario(id)) => return Err(nowhere("scenario", &id.to_string())),
        // A record that began where another now goes on.
        (Found::Nowhere, Subject::Call(..)) => {
            let (rows, around, evidence) = (Vec::new(), Around::default(), Evidence::default());
            let judgement = Judgement::default();
            return Ok(Some(LiveView { rows, around, evidence, judgement, version: 0, shown: 0 }));
        }
    };
    let judgement = Judgement::of(&site.store, subject).await?;
    let (version, shown) = (picture.version, judgement.mark(picture.shown));
    let view = View::parse(query);
    let evidence = evidence::of(&site.store, &*Reading::of(site).await?, &picture, view.zone).await?;
    let view = View { read_to: evidence.read_to(), ..view };
    let related = related::related(&site.store, &picture, view.zone).await?;
    let (frame, now) = (Frame::bare(site), site.now());
    let asked = draw::Asked {
        picture,
        related,
        evidence: evidence.clone(),
        judgement: judgement.clone(),
        view,
        misread: Vec::new(),
        frame,
        now,
    };
    let draw::Live { rows, around } = site.pictures.draw(move || draw::live(&asked)).await?;
    Ok(Some(LiveView { rows, around, evidence, judgement, version, shown }))
}

/// Loads a scenario, or a call that has none yet, and draws it away from the threads that serve requests.
async fn answer(
    site: Site,
    (found, id): (Found<Arc<Picture>>, &str),
    query: Option<String>,
    part: &str,
    frame: Frame,
    draw: fn(&draw::Asked) -> Result<String, Error>,
) -> Result<Response, Error> {
    let query = query.unwrap_or_default();
    let cookie = frame.new_browser.clone();
    let is_call = frame.path.starts_with("/calls/");
    let picture = match found {
        Found::Here(picture) => picture,
        Found::Merged(into) => {
            let mark = if query.is_empty() { "" } else { "?" };
            let to = format!("/s/{into}{part}{mark}{query}");
            // A Call-ID that is used each day leads to another scenario tomorrow.
            let redirect = if is_call { Redirect::temporary(&to) } else { Redirect::permanent(&to) };
            return Ok(redirect.into_response());
        }
        Found::Nowhere => return Err(nowhere(if is_call { "call" } else { "scenario" }, id)),
    };
    let (view, misread) = View::read(&query);
    let looked = Form::read(&Params::parse(&query)).looked(view.zone, site.now());
    let looked = looked.map(|times| format!("This is the only one that was found. Time of the search: {times}."));
    let misread = looked.into_iter().chain(misread).collect();
    let evidence = evidence::of(&site.store, &*Reading::of(&site).await?, &picture, view.zone).await?;
    let view = View { read_to: evidence.read_to(), ..view };
    let judgement = Judgement::of(&site.store, &picture.scenario.row.subject).await?;
    let related = related::related(&site.store, &picture, view.zone).await?;
    let now = site.now();
    let asked = draw::Asked { picture, related, evidence, judgement, view, misread, frame, now };
    let html = site.pictures.draw(move || draw(&asked)).await?;
    let mut response = ([(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
    response.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
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
