//! The doors for agents over HTTP: `POST /api/v1/append`, `GET /api/v1/positions`.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use message::id::StreamId;
use message::wire::{self, Answer, Append, CONTENT_TYPE, MAX_COMPRESSED, MAX_UNPACKED, Refused};
use serde::Deserialize;

use crate::{Error, Ingest};

const MOST_POSITIONS: usize = 1000;

pub fn router(ingest: Ingest) -> Router {
    Router::new()
        .route("/api/v1/append", post(append))
        .route("/api/v1/positions", get(positions))
        .layer(DefaultBodyLimit::max(MAX_COMPRESSED))
        .with_state(ingest)
}

async fn append(State(ingest): State<Ingest>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if kind != CONTENT_TYPE {
        return Err(Refusal(StatusCode::BAD_REQUEST, format!("content-type must be {CONTENT_TYPE}")));
    }
    let unpacked = match headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => body.to_vec(),
        Some(b"zstd") => unpack(&body)?,
        Some(_) => return Err(Refusal(StatusCode::BAD_REQUEST, "content-encoding must be zstd or identity".into())),
    };
    let append: Append =
        wire::decode(&unpacked).map_err(|e| Refusal(StatusCode::BAD_REQUEST, format!("append not understood: {e}")))?;
    let answer = ingest.append(Arc::new(append)).await?;
    Ok((status(&answer), packed(&answer)?).into_response())
}

/// Bounded: a claimed size takes no memory.
fn unpack(body: &[u8]) -> Result<Vec<u8>, Refusal> {
    use std::io::Read;
    let damaged = |e: std::io::Error| Refusal(StatusCode::UNPROCESSABLE_ENTITY, format!("zstd: {e}"));
    let mut out = Vec::with_capacity(body.len().saturating_mul(4).min(MAX_UNPACKED));
    let reader = zstd::Decoder::with_buffer(body).map_err(damaged)?;
    reader.take(MAX_UNPACKED as u64 + 1).read_to_end(&mut out).map_err(damaged)?;
    if out.len() > MAX_UNPACKED {
        return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, format!("more than {MAX_UNPACKED} bytes unpacked")));
    }
    Ok(out)
}

/// One status for the batch; what became of each stream stands in the body.
fn status(answer: &Answer) -> StatusCode {
    let worst = answer.streams.iter().filter_map(|s| s.refused.as_ref()).map(|refused| match refused {
        Refused::Lease { .. } => (3, StatusCode::CONFLICT),
        Refused::Span { .. } => (2, StatusCode::BAD_REQUEST),
        Refused::Base | Refused::Straddle => (1, StatusCode::CONFLICT),
        Refused::Damaged { .. } => (0, StatusCode::UNPROCESSABLE_ENTITY),
    });
    worst.max_by_key(|(rank, _)| *rank).map_or(StatusCode::OK, |(_, status)| status)
}

#[derive(Deserialize)]
struct PositionsQuery {
    agent: String,
    after: Option<StreamId>,
    limit: Option<usize>,
}

async fn positions(State(ingest): State<Ingest>, Query(query): Query<PositionsQuery>) -> Result<Response, Refusal> {
    let limit = query.limit.unwrap_or(MOST_POSITIONS).clamp(1, MOST_POSITIONS);
    Ok(packed(&ingest.positions(&query.agent, query.after, limit).await?)?.into_response())
}

fn packed<T: serde::Serialize>(value: &T) -> Result<impl IntoResponse + use<T>, Refusal> {
    let bytes = wire::encode(value).map_err(|e| Refusal(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], Body::from(bytes)))
}

/// 400: not understood, nothing to retry as it is. 503: send it again.
pub fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::NotUnderstood(_) | Error::Format { .. } => StatusCode::BAD_REQUEST,
        Error::Store(_) | Error::Stopped(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A plain sentence for the agent's log; the cause of a 5xx stays in ours.
#[derive(Debug)]
struct Refusal(StatusCode, String);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = status_of(&error);
        if status.is_client_error() {
            return Self(status, error.to_string());
        }
        tracing::warn!(error = %error, "a batch could not be stored; its agent will send it again");
        Self(status, "the database does not answer as it should".into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}
