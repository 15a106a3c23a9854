//! The live view of a scenario, or of a call that has none yet: rows as server-sent events, as they come.
//!
//! One poller a process asks the store for the versions of all scenarios being watched; all readers with the same view of
//! one scenario share its picture, which is drawn once for them, and get what has changed in it. Events:
//! - `row`: JSON `{id, after, html}`; it replaces the element of that id, or goes after the element `after`
//! - `gone`: the id of an element that is no longer drawn (folded into another)
//! - `keep`: the ids of all rows, after a stream that began in the middle has sent them all
//! - `around`: JSON `{classes, html}`, what stands around the rows
//! - `seen`: what this reader has is how it stands now
//! - `moved`: the address of the scenario that a call without one has got
//! - `reload`: the picture changed too much; `refused`: a sentence, and no more is sent
//!
//! Only the last event of a batch has an `id:`, which stands for the rows: a reader that was cut off midway asks again for all.

mod event;
mod group;
mod rows;

pub(crate) use group::Groups;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use store::scenario::{Found, Subject};
use tokio::sync::broadcast::error::RecvError;

use self::group::{Batch, Member};
use crate::clients::{Seat, browser};
use crate::params::Params;
use crate::watch::{Seen, version};
use crate::{Error, Site, subject};

/// Proxies cut quiet streams, mostly at 60 s.
const COMMENT: Duration = Duration::from_secs(15);
/// Comments in a row, which is longer than a picture waits to be drawn.
const QUIET: u32 = 4;

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
    let params = Params::parse(request.uri().query().unwrap_or(""));
    let had = resumed(request.headers(), &params);
    let address = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
    let seat = match site.clients.seat(browser(request.headers()), address, site.settings.streams_per_client) {
        Ok(seat) => seat,
        Err(full) => return sse(futures::stream::iter([Ok(event::refused(full.says()))])),
    };
    let query = request.uri().query().unwrap_or("").split('&').filter(|pair| !pair.starts_with("since="));
    let member = site.groups.join(&site, subject, &query.collect::<Vec<_>>().join("&"), now);
    sse(follow(site, member, now, had, seat))
}

/// Which rows the reader has: those of the last batch it got, else of the page it was given.
fn resumed(headers: &HeaderMap, params: &Params) -> Option<i64> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    last.or_else(|| params.get("since")).and_then(|text| text.trim().parse().ok())
}

/// What one reader is sent.
fn follow(
    site: Site,
    mut member: Member,
    now: Seen,
    had: Option<i64>,
    seat: Seat,
) -> impl futures::Stream<Item = Result<Bytes, Infallible>> + Send {
    async_stream::stream! {
        let _seat = seat;
        let stop = site.settings.stop.clone();
        // What the others of the group have may be older than what this reader has, until it is drawn again.
        let mut older = member.snapshot().map(|snapshot| snapshot.number);
        let (mut last, mut quiet) = (None, 0);
        loop {
            if last.is_none()
                && let Some(snapshot) = member.snapshot()
            {
                let newer = older.is_none_or(|older| snapshot.number > older);
                let begins = if had == Some(snapshot.shown) {
                    // What stands around the rows may be of another moment than the reader's.
                    Some(snapshot.around())
                } else {
                    (newer || now == Seen::At(snapshot.version)).then(|| snapshot.all())
                };
                if let Some(bytes) = begins {
                    last = Some(snapshot.number);
                    yield Ok(bytes);
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(COMMENT) => {
                    // It was not drawn anew for longer than that ever takes, so it is no older than what there is.
                    quiet += 1;
                    older = older.filter(|_| quiet < QUIET);
                    yield Ok(event::beat());
                }
                batch = member.batches.recv() => match batch {
                    Ok(Batch::End(bytes)) => {
                        yield Ok(bytes);
                        return;
                    }
                    Ok(Batch::News { number, bytes }) if last.is_some_and(|last| last < number) => {
                        last = Some(number);
                        yield Ok(bytes);
                    }
                    // It is in the picture that the reader began with, or is to begin with.
                    Ok(Batch::News { .. }) => {}
                    // A reader that is slower than the call grows begins anew with all there is now.
                    Err(RecvError::Lagged(_)) => {
                        if let Some(snapshot) = member.snapshot() {
                            last = Some(snapshot.number);
                            yield Ok(snapshot.all());
                        }
                    }
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }
}

fn sse(events: impl futures::Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    let mut response = Body::from_stream(events).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
