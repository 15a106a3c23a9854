//! What went wrong, shown to a reader as a page, to htmx as a fragment, and given to a program as JSON.

use askama::Template;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::Site;
use crate::page::{Frame, Page, wants_fragment};
use crate::params::quoted;
use crate::problem::{Code, Problem};
use crate::stranger::Stranger;

/// Bytes of a sentence.
const LONGEST: usize = 64 << 10;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `what` is a sentence; `find` goes into the search box.
    #[error("{what}")]
    NotFound { what: String, find: String },
    #[error("{0}")]
    BadRequest(String),
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A page of ours may ask for it, and nobody else.
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    NotReady(String),
    #[error("too much is being read at once")]
    Busy,
    #[error("the page would be too large")]
    TooLarge,
    #[error("page cannot be drawn: {0}")]
    Template(#[from] askama::Error),
}

impl Error {
    pub fn not_found(what: impl Into<String>, find: impl Into<String>) -> Self {
        Self::NotFound { what: what.into(), find: find.into() }
    }

    pub fn unknown_zone(name: &str) -> Self {
        Self::BadRequest(format!("unknown zone {}: give an IANA name such as Europe/Berlin, or UTC", quoted(name)))
    }
}

/// What an answer with an error status says; drawn by [`pages`], which knows the request.
#[derive(Clone, Debug)]
struct Says {
    code: Code,
    text: String,
    find: String,
}

impl Says {
    fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), find: String::new() }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, says) = match self {
            Self::NotFound { what, find } => (StatusCode::NOT_FOUND, Says { find, ..Says::new(Code::NotFound, what) }),
            Self::BadRequest(text) => (StatusCode::BAD_REQUEST, Says::new(Code::BadParameter, text)),
            Self::Forbidden(text) => (StatusCode::FORBIDDEN, Says::new(Code::OtherSite, text)),
            Self::NotReady(cause) => {
                tracing::warn!(why = cause, "/readyz answered that Siptrail is not ready");
                (StatusCode::SERVICE_UNAVAILABLE, Says::new(Code::NotReady, cause))
            }
            Self::Busy => {
                tracing::warn!("a request was refused: too much is being read at once");
                let text = "Too much is being read at once. Try again in a moment.";
                (StatusCode::SERVICE_UNAVAILABLE, Says::new(Code::Busy, text))
            }
            Self::TooLarge => {
                tracing::warn!("a page was not drawn: it would be larger than any page");
                let text = "It would be too large to be shown. Filters make it smaller.";
                (StatusCode::INTERNAL_SERVER_ERROR, Says::new(Code::TooLarge, text))
            }
            cause @ (Self::Store(_) | Self::Template(_)) => {
                let down = matches!(cause, Self::Store(store::Error::Sql(_)));
                tracing::error!(error = %cause, "a request failed");
                let status = if down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
                return status.into_response();
            }
        };
        let mut response = status.into_response();
        response.extensions_mut().insert(says);
        response
    }
}

/// An address that leads nowhere.
pub(crate) async fn no_such_page(request: Request) -> Error {
    let last = request.uri().path().trim_end_matches('/').rsplit('/').next().unwrap_or("");
    let find = percent_encoding::percent_decode_str(last).decode_utf8_lossy();
    Error::not_found("There is no page at this address.", find)
}

/// Identifies one request in a page and in the log.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub String);

/// Gives each answer with an error status its words, whoever made it: a handler, the router, a limit or a panic.
pub(crate) async fn pages(State(site): State<Site>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let seen = parts.clone();
    let response = next.run(Request::from_parts(parts, body)).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let id = number(&seen);
    let stranger = response.extensions().get::<Stranger>();
    let stranger = stranger.map(|stranger| Says::new(Code::of(status), stranger.text()));
    let says = response.extensions().get::<Says>().cloned().or(stranger);
    let says = says.unwrap_or_else(|| Says::new(Code::of(status), words(status)));
    let kept = kept(response.headers());
    let mut drawn = draw(&site, &seen, status, says, id);
    *drawn.status_mut() = status;
    drawn.headers_mut().extend(kept);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        drawn.headers_mut().entry(RETRY_AFTER).or_insert(HeaderValue::from_static("5"));
    }
    drawn
}

/// Puts what the doors of agents say in plain text, or do not say at all, as programs get it from the rest of the API. What
/// became of each stream is an answer of its own, and stays as it is.
pub(crate) async fn problems(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let id = number(&parts);
    let response = next.run(Request::from_parts(parts, body)).await;
    let status = response.status();
    let is_text = |kind: &HeaderValue| kind.as_bytes().starts_with(b"text/plain");
    let is_problem = status.is_client_error() || status.is_server_error();
    if !is_problem || !response.headers().get(CONTENT_TYPE).is_none_or(is_text) {
        return response;
    }
    let kept = kept(response.headers());
    // A door that has no room says that it may have some at once; one whose database is down, that it may take a while.
    let busy = status == StatusCode::SERVICE_UNAVAILABLE && kept.get(RETRY_AFTER).is_some_and(|after| after == "1");
    let code = if busy { Code::Busy } else { Code::of(status) };
    let said = to_bytes(response.into_body(), LONGEST).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&said).into_owned();
    let text = if said.is_empty() { words(status).to_owned() } else { said };
    let mut problem = Problem::new(status, code, text, id).into_response();
    *problem.status_mut() = status;
    problem.headers_mut().extend(kept);
    problem
}

fn number(parts: &Parts) -> String {
    parts.extensions.get::<RequestId>().map_or(String::new(), |id| id.0.clone())
}

fn draw(site: &Site, seen: &Parts, status: StatusCode, says: Says, id: String) -> Response {
    let path = seen.uri.path();
    let request_id = if status.is_server_error() { id.clone() } else { String::new() };
    if path.starts_with("/api/") || matches!(path, "/readyz" | "/healthz") {
        return Problem::new(status, says.code, says.text, id).into_response();
    }
    if wants_fragment(seen) {
        return Page(ErrorFragment { text: says.text, request_id }).into_response();
    }
    let mut frame = Frame::lenient(seen, site);
    frame.find = says.find;
    Page(ErrorPage { title: title(status), text: says.text, status: status.as_u16(), request_id, frame })
        .into_response()
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    title: &'static str,
    text: String,
    status: u16,
    request_id: String,
}

#[derive(Template)]
#[template(path = "partials/error.html")]
struct ErrorFragment {
    text: String,
    request_id: String,
}

/// Headers of the first answer that still hold, such as `Allow`.
fn kept(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    kept.remove(CONTENT_TYPE);
    kept.remove(axum::http::header::CONTENT_LENGTH);
    kept
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::SERVICE_UNAVAILABLE => "The database does not answer",
        status if status.is_server_error() => "This did not work",
        _ => "This request cannot be answered",
    }
}

fn words(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "There is nothing at this address.",
        StatusCode::METHOD_NOT_ALLOWED => "This address cannot be used in this way.",
        StatusCode::PAYLOAD_TOO_LARGE => "The request is too large.",
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => {
            "It took too long. Narrow the time range and try again."
        }
        StatusCode::SERVICE_UNAVAILABLE => "Nothing is lost: logs wait in their files. Try again in a few seconds.",
        status if status.is_server_error() => "The cause stands in the log of Siptrail, under the number below.",
        _ => "The request could not be understood.",
    }
}
