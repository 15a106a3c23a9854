//! The doors for agents over HTTP: `POST /api/v1/append`, `POST /api/v1/heartbeat`, `GET /api/v1/positions`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use record::id::StreamId;
use record::wire::{self, Answer, Asked, CONTENT_TYPE, MAX_COMPRESSED, MAX_UNPACKED, Refused};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::room::{Room, Taken};
use crate::{Error, Ingest};

const MOST_POSITIONS: usize = 1000;
/// Seconds until a batch is sent again that could not be stored.
const RETRY: u32 = 5;
/// Bodies on their way here, and batches on their way into the database: they never wait for each other in a circle.
const BODIES: usize = 16 << 20;
const BATCHES: usize = 64 << 20;
const HEARTBEATS: usize = 32 << 20;
/// A body that takes longer keeps room from others; its agent sends it again.
const ARRIVES: Duration = Duration::from_mins(1);
/// Nothing arrives for so long: its agent is gone.
const STALLED: Duration = Duration::from_secs(15);
/// Room is taken in such steps, as bytes arrive.
const STEP: usize = 64 << 10;
/// Of thousands of sources, unpacked too.
const MAX_HEARTBEAT: usize = 4 << 20;

#[derive(Clone)]
struct Door {
    ingest: Ingest,
    bodies: Room,
    batches: Room,
    heartbeats: Room,
    /// Held by the one body that goes on though there is no room: so at least one always comes to its end.
    last: Arc<Semaphore>,
}

/// The doors, and what the document of the API says of them.
pub fn router(ingest: Ingest) -> (Router, OpenApi) {
    let (routes, document) = described().split_for_parts();
    let door = Door {
        ingest,
        bodies: Room::of(BODIES),
        batches: Room::of(BATCHES),
        heartbeats: Room::of(HEARTBEATS),
        last: Arc::new(Semaphore::new(1)),
    };
    (routes.with_state(door), document)
}

fn described() -> OpenApiRouter<Door> {
    OpenApiRouter::new().routes(routes!(append)).routes(routes!(heartbeat)).routes(routes!(positions))
}

/// What the rest of the API answers with where something is wrong. A door says it in a sentence of plain text; whoever serves it
/// beside that API makes this of it.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "it stands in the document alone")]
struct Problem {
    /// `about:blank`: the status says what kind of problem it is.
    #[schema(rename = "type", example = "about:blank")]
    kind: String,
    /// The status in words.
    title: String,
    status: u16,
    /// What went wrong, for programs: the word that stands at each status here.
    code: String,
    /// A sentence or two.
    detail: String,
    /// Stands in the log beside the cause, and in `X-Request-ID`.
    request_id: String,
}

/// MessagePack.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[allow(dead_code, reason = "it stands in the document alone")]
struct Packed(Vec<u8>);

/// Whatever a door refuses.
#[derive(utoipa::IntoResponses)]
#[allow(dead_code, reason = "it stands in the document alone")]
enum Refusals {
    /// `bad_request`: it is not understood, hold everything; or, as an answer like that of 200, a span or the format of one stream is
    /// refused
    #[response(status = 400, content_type = "application/problem+json")]
    NotUnderstood(#[to_schema] Problem),
    /// `other_site`: a page of another site asked
    #[response(status = 403, content_type = "application/problem+json")]
    OtherSite(#[to_schema] Problem),
    /// `method_not_allowed`: `Allow` says which methods there are
    #[response(status = 405, content_type = "application/problem+json")]
    Method(#[to_schema] Problem),
    /// `timed_out`: the body did not arrive within a minute, or nothing of it for 15 s: send it again
    #[response(status = 408, content_type = "application/problem+json")]
    Late(#[to_schema] Problem),
    /// `too_large`: halve it
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
    /// `unknown_host`: the server does not answer to the host name of the request
    #[response(status = 421, content_type = "application/problem+json")]
    UnknownHost(#[to_schema] Problem),
    /// `damaged`: damaged on its way, send it again; of one stream as an answer like that of 200
    #[response(status = 422, content_type = "application/problem+json")]
    Damaged(#[to_schema] Problem),
    /// `fault`: a fault of Siptrail
    #[response(status = 500, content_type = "application/problem+json")]
    Fault(#[to_schema] Problem),
    /// `busy` or `database_down`: again after `Retry-After`
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
}

/// Stores what an agent has read, once. The body is MessagePack, `Content-Encoding: zstd` or none: at most 8 MiB, and 32 MiB
/// unpacked. Its fields stand in `docs/api.md`. The status is that of the worst stream; what became of each stands in the
/// answer.
#[utoipa::path(
    post,
    path = "/api/v1/append",
    operation_id = "append",
    tag = "agents",
    request_body(content = inline(Packed), content_type = "application/vnd.siptrail.append+msgpack", description = "`version`, `agent`, `lease`, `batch` and `streams`"),
    responses(
        Refusals,
        (status = 200, description = "committed: the watermark of each stream", body = inline(Packed), content_type = "application/vnd.siptrail.append+msgpack"),
        (status = 409, description = "a stream stands elsewhere, or is another agent's: each says why, and where it stands", body = inline(Packed), content_type = "application/vnd.siptrail.append+msgpack"),
    )
)]
async fn append(State(door): State<Door>, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    let (packing, body, packed_room) = door.receive(&headers, body, MAX_COMPRESSED).await?;
    let most = packing.unpacked(&body, MAX_UNPACKED)?;
    let room = door.batches.take(most).await.ok_or_else(busy)?;
    // A task of its own: what has begun ends, and holds its room until then, though the agent goes away.
    let answer = tokio::spawn(async move {
        let append = tokio::task::spawn_blocking(move || packing.decode(body, most)).await;
        drop(packed_room);
        let answer = door.ingest.append(Arc::new(append.map_err(stopped)??)).await?;
        drop(room);
        Ok::<_, Refusal>(answer)
    });
    let answer = answer.await.map_err(stopped)??;
    Ok((status(&answer), packed(&answer)?).into_response())
}

/// Takes what an agent says of itself, every 10 s: its clock, its sources and how far each is read, and what it cannot read.
/// MessagePack like an append, at most 4 MiB.
#[utoipa::path(
    post,
    path = "/api/v1/heartbeat",
    operation_id = "heartbeat",
    tag = "agents",
    request_body(content = inline(Packed), content_type = "application/vnd.siptrail.append+msgpack", description = "`version`, `agent`, `program`, `host`, `clock`, `sources`, `unread`, `more_unread`, `places` and `stops`"),
    responses(
        Refusals,
        (status = 200, description = "`version`, and the `clock` of the heartbeat", body = inline(Packed), content_type = "application/vnd.siptrail.append+msgpack"),
    )
)]
async fn heartbeat(State(door): State<Door>, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    let (packing, body, room) = door.receive(&headers, body, MAX_HEARTBEAT).await?;
    let most = packing.unpacked(&body, MAX_HEARTBEAT)?;
    // What agents say of themselves does not wait for what they send.
    let unpacked = door.heartbeats.take(most).await.ok_or_else(busy)?;
    let heartbeat = tokio::task::spawn_blocking(move || packing.decode(body, most)).await.map_err(stopped)??;
    let heard = door.ingest.heartbeat(heartbeat).await?;
    drop((room, unpacked));
    Ok(packed(&heard)?.into_response())
}

/// A body, how it is packed, and the room it has until that is dropped.
type Received = (Packing, Bytes, BodyRoom);

#[derive(Default)]
struct BodyRoom {
    bodies: Option<Taken>,
    last: Option<OwnedSemaphorePermit>,
}

impl Door {
    /// A body of at most so many bytes.
    async fn receive(&self, headers: &HeaderMap, body: Body, most: usize) -> Result<Received, Refusal> {
        let packing = Packing::of(headers)?;
        let claimed = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if claimed.is_some_and(|len| len > most as u64) {
            return Err(too_large(most));
        }
        let arrives = tokio::time::timeout(ARRIVES, self.read(body, most)).await;
        let (body, room) = arrives.map_err(|_| late())??;
        Ok((packing, body, room))
    }

    /// A body holds room for what has arrived of it, whatever it claims.
    async fn read(&self, body: Body, most: usize) -> Result<(Bytes, BodyRoom), Refusal> {
        let (mut room, mut have, mut arrived) = (BodyRoom::default(), 0, BytesMut::new());
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = tokio::time::timeout(STALLED, chunks.next()).await.map_err(|_| late())? {
            let chunk = chunk.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the body broke off"))?;
            let len = arrived.len() + chunk.len();
            if len > most {
                return Err(too_large(most));
            }
            if have < len {
                let step = (len - have).next_multiple_of(STEP);
                match (self.bodies.take(step).await, &mut room.bodies) {
                    (Some(more), Some(room)) => room.add(more),
                    (Some(more), none) => *none = Some(more),
                    (None, _) if room.last.is_none() => {
                        room.last = Some(Arc::clone(&self.last).try_acquire_owned().map_err(|_| busy())?);
                    }
                    (None, _) => {}
                }
                have += step;
            }
            arrived.extend_from_slice(&chunk);
        }
        Ok((arrived.freeze(), room))
    }
}

fn late() -> Refusal {
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")
}

/// How a body is packed.
#[derive(Clone, Copy)]
enum Packing {
    Plain,
    Zstd,
}

impl Packing {
    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let wrong = |text: String| Err(Refusal::new(StatusCode::BAD_REQUEST, text));
        if kind != CONTENT_TYPE {
            return wrong(format!("content-type must be {CONTENT_TYPE}"));
        }
        match headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
            None | Some(b"identity") => Ok(Self::Plain),
            Some(b"zstd") => Ok(Self::Zstd),
            Some(_) => wrong("content-encoding must be zstd or identity".into()),
        }
    }

    /// The most that a body may unpack to: what it says, or what is allowed.
    fn unpacked(self, body: &[u8], allowed: usize) -> Result<usize, Refusal> {
        let says = match self {
            Self::Plain => Some(body.len() as u64),
            Self::Zstd => zstd::zstd_safe::get_frame_content_size(body).ok().flatten(),
        };
        let most = says.map_or(allowed, |says| usize::try_from(says).unwrap_or(usize::MAX));
        if most > allowed { Err(too_large(allowed)) } else { Ok(most) }
    }

    fn decode<T: DeserializeOwned>(self, body: Bytes, most: usize) -> Result<T, Refusal> {
        let unpacked;
        let bytes = match self {
            Self::Plain => &body[..],
            Self::Zstd => {
                unpacked = unpack(&body, most)?;
                &unpacked[..]
            }
        };
        let wrong = |e| Refusal::new(StatusCode::BAD_REQUEST, format!("not understood: {e}"));
        wire::decode(bytes).map_err(wrong)
    }
}

/// Bounded: a claimed size takes no memory.
fn unpack(body: &[u8], most: usize) -> Result<Vec<u8>, Refusal> {
    use std::io::Read;
    let damaged = |e: std::io::Error| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, format!("zstd: {e}"));
    let mut out = Vec::with_capacity(most.min(body.len().saturating_mul(16)));
    let reader = zstd::Decoder::with_buffer(body).map_err(damaged)?;
    reader.take(most as u64 + 1).read_to_end(&mut out).map_err(damaged)?;
    if out.len() > most { Err(too_large(most)) } else { Ok(out) }
}

/// One status for the batch; what became of each stream stands in the body.
fn status(answer: &Answer) -> StatusCode {
    let worst = answer.streams.iter().filter_map(|s| s.refused.as_ref()).map(|refused| match refused {
        Refused::Lease { .. } | Refused::Owner => (3, StatusCode::CONFLICT),
        Refused::Span { .. } | Refused::Meta { .. } => (2, StatusCode::BAD_REQUEST),
        Refused::Base | Refused::Straddle => (1, StatusCode::CONFLICT),
        Refused::Damaged { .. } => (0, StatusCode::UNPROCESSABLE_ENTITY),
    });
    worst.max_by_key(|(rank, _)| *rank).map_or(StatusCode::OK, |(_, status)| status)
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct PositionsQuery {
    /// The id of the agent that asks.
    agent: String,
    /// Streams after this one, in the order of their ids: the last one of the page before.
    #[param(value_type = Option<String>)]
    after: Option<StreamId>,
    /// This one alone, settled or not.
    #[param(value_type = Option<String>)]
    stream: Option<StreamId>,
    /// At most so many, and at most 1000.
    limit: Option<usize>,
}

/// How far the streams of an agent are committed, for one that has lost its checkpoint: MessagePack with file, epoch,
/// watermark, guard, size, source and path of each, and `more` if others follow.
#[utoipa::path(
    get,
    path = "/api/v1/positions",
    operation_id = "positions",
    tag = "agents",
    params(PositionsQuery),
    responses(
        Refusals,
        (status = 200, description = "positions by stream id", body = inline(Packed), content_type = "application/vnd.siptrail.append+msgpack"),
    )
)]
async fn positions(State(door): State<Door>, Query(query): Query<PositionsQuery>) -> Result<Response, Refusal> {
    let limit = query.limit.unwrap_or(MOST_POSITIONS).clamp(1, MOST_POSITIONS);
    let asked = query.stream.map_or(Asked::After(query.after), Asked::One);
    Ok(packed(&door.ingest.positions(&query.agent, asked, limit).await?)?.into_response())
}

fn packed<T: serde::Serialize>(value: &T) -> Result<impl IntoResponse + use<T>, Refusal> {
    let bytes = wire::encode(value).map_err(|e| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], Body::from(bytes)))
}

/// 400: not understood, nothing to retry as it is. 503: send it again.
pub fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::NotUnderstood(_) => StatusCode::BAD_REQUEST,
        Error::Store(_) | Error::Stopped(_) | Error::Settling(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A plain sentence for the agent's log; the cause of a 5xx stays in ours.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    text: String,
    /// Seconds.
    retry_after: Option<u32>,
}

impl Refusal {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), retry_after: None }
    }
}

fn busy() -> Refusal {
    let text = "too much is on its way into the database already";
    Refusal { retry_after: Some(1), ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text) }
}

fn too_large(most: usize) -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("more than {most} bytes"))
}

fn stopped(error: tokio::task::JoinError) -> Refusal {
    Error::Stopped(error.to_string()).into()
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = status_of(&error);
        if status.is_client_error() {
            return Self::new(status, error.to_string());
        }
        tracing::warn!(error = %error, "a batch could not be stored; its agent will send it again");
        Self { retry_after: Some(RETRY), ..Self::new(status, "the database does not answer as it should") }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.text).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    /// A change of this text is a change of a promise: it needs a line in the changelog.
    #[test]
    fn the_document_of_the_doors_is_the_one_that_was_promised() {
        let document = super::described().into_openapi();
        let document = serde_json::json!({"paths": document.paths, "components": document.components});
        let document = serde_json::to_string_pretty(&document).unwrap() + "\n";
        let promised = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        if std::env::var_os("SIPTRAIL_BLESS").is_some() {
            std::fs::write(promised, document).unwrap();
        } else {
            assert!(
                document == std::fs::read_to_string(promised).unwrap(),
                "the API of agents changed: SIPTRAIL_BLESS=1 writes collector/openapi.json again"
            );
        }
    }
}
