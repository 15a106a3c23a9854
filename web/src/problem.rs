//! An error as programs get it: problem details (RFC 9457) with a code of ours.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

pub(crate) const PROBLEM: &str = "application/problem+json";

/// What is wrong: `title` in general, `detail` in words for this request, and `code` for programs.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct Problem {
    /// `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    status: u16,
    code: Code,
    /// A sentence or two.
    detail: String,
    /// Stands in the log beside the cause, and in `X-Request-ID`.
    request_id: String,
}

/// What went wrong. Others may be added.
#[derive(Serialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    /// A parameter is not known, or its value cannot be read; `detail` names it.
    BadParameter,
    /// There is no such scenario, call or message, or nothing at this address.
    NotFound,
    MethodNotAllowed,
    /// The server does not answer to the host name of the request.
    UnknownHost,
    /// A page of another site asked, or it is not said which page did.
    OtherSite,
    /// The request, or what it asks for, is too large.
    TooLarge,
    /// It took longer than 30 s, or a body did not arrive in time.
    TimedOut,
    /// A body was damaged on its way: send it again.
    Damaged,
    /// Too much is being drawn, or is on its way into the database: try again in a moment.
    Busy,
    /// The database does not answer. Nothing is lost.
    DatabaseDown,
    /// What `/readyz` found.
    NotReady,
    /// The request cannot be understood otherwise.
    BadRequest,
    /// A fault of Siptrail; the log says more.
    Fault,
}

impl Code {
    /// Of an answer that nobody put in words.
    pub fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::MISDIRECTED_REQUEST => Self::UnknownHost,
            StatusCode::FORBIDDEN => Self::OtherSite,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::URI_TOO_LONG => Self::TooLarge,
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Self::TimedOut,
            StatusCode::UNPROCESSABLE_ENTITY => Self::Damaged,
            StatusCode::SERVICE_UNAVAILABLE => Self::DatabaseDown,
            status if status.is_server_error() => Self::Fault,
            _ => Self::BadRequest,
        }
    }
}

impl Problem {
    pub fn new(status: StatusCode, code: Code, detail: String, request_id: String) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { kind: "about:blank", title, status: status.as_u16(), code, detail, request_id }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = axum::Json(self).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        response
    }
}

/// What any request may be answered with.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it stands in the document alone")]
pub(crate) enum Refused {
    /// `other_site`: a page of another site asked
    #[response(status = 403, content_type = "application/problem+json")]
    OtherSite(#[to_schema] Problem),
    /// `method_not_allowed`: `Allow` says which methods there are
    #[response(status = 405, content_type = "application/problem+json")]
    Method(#[to_schema] Problem),
    /// `unknown_host`: the server does not answer to the host name of the request
    #[response(status = 421, content_type = "application/problem+json")]
    UnknownHost(#[to_schema] Problem),
    /// `fault`: a fault of Siptrail; `too_large`: the answer would be larger than any
    #[response(status = 500, content_type = "application/problem+json")]
    Fault(#[to_schema] Problem),
    /// `database_down` or `busy`: `Retry-After` says when to try again
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
    /// `timed_out`: narrow the time range and try again
    #[response(status = 504, content_type = "application/problem+json")]
    TimedOut(#[to_schema] Problem),
}
