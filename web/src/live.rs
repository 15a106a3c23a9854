//! The live view of a scenario, or of a call that has none yet: rows as server-sent events, as they come.
//!
//! One poller a process asks the store for the versions of all scenarios being watched; each stream draws its own rows (it
//! has its own filter) and sends those that its reader does not have. Events:
//! - `row`: JSON `{id, after, html}`; it replaces the element of that id, or goes behind the element `after`
//! - `gone`: the id of an element that is no longer drawn (folded into another)
//! - `keep`: the ids of all rows, after a stream that began in the middle has sent them all
//! - `seen`: what this reader has is how it stands now
//! - `moved`: the address of the scenario that a call without one has got
//! - `reload`: the picture changed too much; `refused`: a sentence, and no more is sent
//!
//! Only the last event of a batch has an `id:`, the scenario's version: a reader that was cut off midway asks again for all.

mod clients;
mod rows;
mod watch;

pub(crate) use clients::Clients;
pub use rows::Row;
pub(crate) use watch::{Seen, Watch, version};

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use store::scenario::{Found, Subject};

use self::clients::Seat;
use self::rows::{Change, Known};
use crate::params::Params;
use crate::{Error, Site, subject};

/// Proxies cut quiet streams, mostly at 60 s.
const COMMENT: Duration = Duration::from_secs(15);

/// More changes at once are a new page; above the rows and notes that a page holds.
const MOST: usize = 5_000;

pub(crate) fn routes() -> Router<Site> {
    Router::new().route("/s/{id}/live", get(live)).route("/calls/{id}/live", get(call))
}

async fn live(State(site): State<Site>, Path(id): Path<String>, request: Request) -> Result<Response, Error> {
    let none = || Error::not_found(format!("There is no scenario {id}."), id.clone());
    let subject = Subject::Scenario(id.parse().map_err(|_| none())?);
    let now = version(&site.store, &subject).await?.ok_or_else(none)?;
    Ok(stream(site, subject, now, &request))
}

async fn call(State(site): State<Site>, request: Request) -> Result<Response, Error> {
    let id = subject::given(request.uri(), "/calls/");
    let none = || Error::not_found("There is no such call.", id.clone());
    let (key, found) = subject::call(&site.store, &id).await?;
    let subject = Subject::Call(key, String::new());
    let now = match found {
        Found::Here(_) => version(&site.store, &subject).await?.ok_or_else(none)?,
        Found::Merged(into) => Seen::Merged(into),
        Found::Nowhere => return Err(none()),
    };
    Ok(stream(site, subject, now, &request))
}

fn stream(site: Site, subject: Subject, now: Seen, request: &Request) -> Response {
    let query = request.uri().query().unwrap_or("").to_owned();
    let had = resumed(request.headers(), &Params::parse(&query));
    let client = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
    let factor = if request.version() >= Version::HTTP_2 { 2 } else { 1 };
    let Some(seat) = site.clients.seat(client, site.settings.streams_per_client * factor) else {
        return sse(futures::stream::iter([Ok(refused(
            "Too many live views are open in this browser; close one and reload.",
        ))]));
    };
    sse(follow(site, subject, query, now, had, seat))
}

/// Which version the reader has: of the last batch it got, else of the page it was given.
fn resumed(headers: &HeaderMap, params: &Params) -> Option<i64> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    last.or_else(|| params.get("since")).and_then(|text| text.trim().parse().ok())
}

fn follow(
    site: Site,
    subject: Subject,
    query: String,
    mut now: Seen,
    had: Option<i64>,
    seat: Seat,
) -> impl futures::Stream<Item = Result<Event, Infallible>> + Send {
    async_stream::stream! {
        let _seat = seat;
        let stop = site.settings.stop.clone();
        let Some(mut seen) = site.watch.subscribe(subject.clone()).await else { return };
        let mut known: Option<Known> = None;
        loop {
            let stands = match (now, &subject) {
                (Seen::At(version), _) => version,
                (Seen::Merged(_), Subject::Scenario(_)) => {
                    yield Ok(Event::default().event("reload").data("joined"));
                    return;
                }
                (Seen::Merged(into), Subject::Call(..)) => {
                    yield Ok(Event::default().event("moved").data(subject::path(&Subject::Scenario(into))));
                    return;
                }
            };
            let Ok(rows) = crate::scenario::render_rows(&site, &subject, &query).await else {
                yield Ok(refused("The live view broke off: the database does not answer. Reload in a moment."));
                return;
            };
            // What was drawn is exactly this version only if no other came meanwhile.
            let still = version(&site.store, &subject).await.ok().flatten();
            let changes = match (&mut known, rows) {
                // It has moved since; the next version says where to.
                (_, None) => None,
                (Some(known), Some(rows)) => Some(known.update(rows)),
                (None, Some(rows)) if had == Some(stands) && still == Some(now) => {
                    known = Some(Known::new(&rows));
                    Some(Vec::new())
                }
                (None, Some(rows)) => {
                    let all = Known::default().update(rows.clone());
                    known = Some(Known::new(&rows));
                    let keep = Change::Keep(rows.iter().map(|row| row.id.clone()).collect());
                    Some(all.into_iter().chain([keep]).collect())
                }
            };
            let moved = changes.is_none();
            let changes = changes.unwrap_or_default();
            if changes.len() > MOST {
                yield Ok(Event::default().event("reload").data("many"));
                return;
            }
            if changes.is_empty() && !moved {
                yield Ok(Event::default().event("seen").data("").id(stands.to_string()));
            }
            let last = changes.len();
            for (at, change) in changes.into_iter().enumerate() {
                let event = change.event();
                yield Ok(if at + 1 == last { event.id(stands.to_string()) } else { event });
            }
            now = loop {
                let current = *seen.borrow_and_update();
                if let Some(current) = current.filter(|current| *current != now) {
                    break current;
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    changed = seen.changed() => if changed.is_err() { return },
                }
            };
        }
    }
}

fn refused(why: &'static str) -> Event {
    Event::default().event("refused").data(why)
}

fn sse(events: impl futures::Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(COMMENT).text("")).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
