//! Messages: a list as JSON or NDJSON, and one by its id.

use std::collections::HashMap;

use async_stream::try_stream;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use message::logged::Message;
use record::id::{MessageId, ScenarioId};
use record::time::Timestamp;
use serde::Serialize;
use store::Store;
use store::search::MessageFilter;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answers::held;
use crate::moment;
use crate::names::{FlagOf, FormatOf, KindOf};
use crate::params::{Params, quoted};
use crate::problem::{Problem, Refused};
use crate::search::cursor;
use crate::search::value::{given, kind, statuses};
use crate::zone::Bound;
use crate::{Error, Site};

pub(super) fn routes() -> OpenApiRouter<Site> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one))
}

/// A longer message is left out; `/m/ID.txt` has it.
const LONGEST: usize = 4 << 20;

/// What a page of messages takes while it is read and written, about.
const PAGE: usize = 32 << 20;

const NDJSON: &str = "application/x-ndjson";

/// A message as it was logged.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Message)]
pub(super) struct MessageJson {
    /// Where it stands: `STREAM-OFFSET`; the same while it is provisional and when it is final.
    #[schema(example = "05e1c2a97f3b4d10-70120")]
    id: String,
    /// As logged, in UTC.
    #[schema(example = "2026-09-14T12:00:01.102345Z", format = DateTime)]
    time: String,
    #[schema(value_type = KindOf)]
    kind: &'static str,
    /// As logged; of a SIP response its status may stand here too.
    method: String,
    status: Option<u16>,
    source: String,
    destination: String,
    call_id: Option<String>,
    /// The scenario it is joined to; null until it is.
    scenario_id: Option<String>,
    agent: String,
    source_path: String,
    source_name: String,
    host: String,
    stream: String,
    /// Of its span in the file, in bytes.
    offset: u64,
    length: u64,
    cseq: Option<u32>,
    /// The line of the log that precedes it.
    header: String,
    /// The rest of it is not read yet. A record that is whole and waits for one before it is not provisional.
    provisional: bool,
    #[schema(value_type = Vec<FlagOf>)]
    flags: Vec<String>,
    /// The message alone, where it is UTF-8. One of more than 4 MiB is left out here and in `body_base64`: `/m/ID.txt` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// The message alone, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

impl MessageJson {
    fn new(message: &Message, scenario: Option<ScenarioId>) -> Self {
        let text = std::str::from_utf8(message.body());
        let here = message.body().len() <= LONGEST;
        Self {
            id: message.id.to_string(),
            time: message.time.to_string(),
            kind: message.kind.name(),
            method: message.method.clone(),
            status: message.status,
            source: message.source.clone(),
            destination: message.destination.clone(),
            call_id: message.facts.call_id.clone(),
            scenario_id: scenario.map(|id| id.to_string()),
            agent: message.place.agent.clone(),
            source_path: message.place.path.clone(),
            source_name: message.place.source.clone(),
            host: message.place.host.clone(),
            stream: message.id.stream.to_string(),
            offset: message.id.offset.0,
            length: message.len,
            cseq: message.facts.sip.as_ref().and_then(|sip| sip.cseq),
            header: String::from_utf8_lossy(message.header()).into_owned(),
            provisional: message.provisional,
            flags: message.flags.names(),
            body: text.ok().filter(|_| here).map(str::to_owned),
            body_base64: (here && text.is_err()).then(|| BASE64_STANDARD.encode(message.body())),
        }
    }
}

/// A page of messages, by time.
#[derive(Serialize, utoipa::ToSchema, Debug)]
pub(super) struct MessagePage {
    messages: Vec<MessageJson>,
    /// Pass it as `after` for the next page; null at the end. A page may hold fewer messages than `limit`, or none, and have a
    /// next one.
    next: Option<String>,
    /// The page ends here before it is full, since one request looks at no more messages; `next` goes on.
    #[schema(format = DateTime)]
    searched_to: Option<String>,
    /// Messages of this page whose rows are damaged: they are left out, and the collector's log says why.
    unreadable: usize,
}

/// What messages to list. All that is given must hold.
#[derive(utoipa::IntoParams, Debug, Default)]
#[into_params(parameter_in = Query)]
struct MessageQuery {
    /// The exact Call-ID.
    #[param(required = false)]
    call_id: String,
    /// The scenario they belong to.
    #[param(required = false)]
    scenario: String,
    /// Logged at or after: RFC 3339, a local time in `zone`, or as people write it (`14:05`, `-1h`, `yesterday 20:30`).
    #[param(required = false)]
    from: String,
    /// Logged before; a minute or a day given alone is included.
    #[param(required = false)]
    to: String,
    /// Of this kind.
    #[param(required = false, inline, value_type = KindOf)]
    kind: String,
    /// As logged.
    #[param(required = false)]
    method: String,
    /// `486`, `4xx` or `400-499`.
    #[param(required = false)]
    status: String,
    /// `true`: those that are not read to their end; `false`: all others.
    #[param(required = false, value_type = bool)]
    provisional: String,
}

const FIELDS: [&str; 8] = ["call_id", "scenario", "from", "to", "kind", "method", "status", "provisional"];

impl MessageQuery {
    fn read(params: &Params) -> Self {
        let text = |name| params.get(name).unwrap_or("").to_owned();
        Self {
            call_id: text("call_id"),
            scenario: text("scenario"),
            from: text("from"),
            to: text("to"),
            kind: text("kind"),
            method: text("method"),
            status: text("status"),
            provisional: text("provisional"),
        }
    }

    fn filter(&self, params: &Params, now: Timestamp) -> Result<MessageFilter, Error> {
        let zone = super::zone(params)?;
        let time = |text: &str, bound| match text {
            "" => Ok(None),
            text => moment::read(text, zone, now, bound).map(|read| Some(read.at)).map_err(Error::BadRequest),
        };
        let scenario = match self.scenario.as_str() {
            "" => None,
            text => {
                Some(text.parse().map_err(|error| Error::BadRequest(format!("scenario {}: {error}", quoted(text))))?)
            }
        };
        let provisional = match self.provisional.as_str() {
            "" => None,
            "true" => Some(true),
            "false" => Some(false),
            text => return Err(Error::BadRequest(format!("provisional is true or false, not {}", quoted(text)))),
        };
        let mut faults = Vec::new();
        let filter = MessageFilter {
            call_id: given(&self.call_id),
            scenario,
            from: time(&self.from, Bound::From)?,
            to: time(&self.to, Bound::To)?,
            kind: kind(&self.kind, &mut faults),
            method: given(&self.method),
            status: statuses("status", &self.status, &mut faults),
            provisional,
        };
        match faults.pop() {
            Some(fault) => Err(Error::BadRequest(fault.text)),
            None => Ok(filter),
        }
    }
}

/// Messages by time. With `format=ndjson`, or `Accept: application/x-ndjson`, one a line; without `limit` then all of them.
#[utoipa::path(
    get,
    path = "/api/v1/messages",
    operation_id = "list_messages",
    tag = "messages",
    params(
        MessageQuery,
        ("zone" = Option<String>, Query, description = "Zone of `from` and `to` without an offset; UTC unless given"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u64>, Query, description = "1 to 1000; 100 unless given. A page of large messages holds fewer: `next` says where it goes on"),
        ("format" = inline(Option<FormatOf>), Query, description = "`json` or `ndjson`; else `Accept` decides"),
    ),
    responses(
        Refused,
        (status = 200, description = "messages", content((MessagePage = "application/json"), (MessageJson = "application/x-ndjson"))),
        (status = 400, description = "a parameter cannot be read", body = Problem, content_type = "application/problem+json")
    )
)]
async fn list(State(site): State<Site>, RawQuery(query): RawQuery, headers: HeaderMap) -> Result<Response, Error> {
    let params = super::params(query.as_deref(), &[&FIELDS, &["zone", "after", "limit", "format"]])?;
    let filter = MessageQuery::read(&params).filter(&params, site.now())?;
    let limit = super::limit(&params)?;
    let after = super::after(&params, cursor::read::<MessageId>)?;
    let by_line = match params.get("format") {
        None => headers.get_all(ACCEPT).iter().any(|value| value.to_str().is_ok_and(|text| text.contains(NDJSON))),
        Some("ndjson") => true,
        Some("json") => false,
        Some(other) => return Err(Error::BadRequest(format!("format is json or ndjson, not {}", quoted(other)))),
    };
    if by_line {
        return Ok(lines(site, filter, after, limit.unwrap_or(usize::MAX)));
    }
    // Until it is written; what is sent of it takes its own.
    let _room = site.answers.read.take(PAGE).await?;
    let page = site.store.messages(&filter, after, limit.unwrap_or(super::LIMIT)).await?;
    let next = page.next.map(|(time, id)| cursor::write(time, id));
    let messages = written(&site.store, &page.rows).await?;
    let searched_to = page.searched_to.map(|at| at.to_string());
    Ok(Json(MessagePage { messages, next, searched_to, unreadable: page.unreadable }).into_response())
}

/// Streams page by page: memory holds one page of each, in the room of all answers. If the database fails midway, or messages of it
/// cannot be read, the connection breaks off, so a client cannot take a part for the whole.
fn lines(site: Site, filter: MessageFilter, mut after: Option<(Timestamp, MessageId)>, mut left: usize) -> Response {
    let stream = try_stream! {
        let (mut unreadable, mut is_first) = (0, true);
        while left > 0 {
            let room = if is_first { site.answers.read.take(PAGE).await } else { site.answers.read.wait(PAGE).await }?;
            is_first = false;
            let lines = Lines::of(&site.store, &filter, after, left.min(super::MOST)).await?;
            left -= lines.count.min(left);
            after = lines.next;
            unreadable += lines.unreadable;
            drop(room);
            if !lines.text.is_empty() {
                let room = site.answers.part(lines.text.len()).await?;
                yield held(lines.text, room);
            }
            if after.is_none() {
                break;
            }
        }
        if unreadable > 0 {
            Err(Error::from(store::Error::Damaged(format!("{unreadable} messages of the answer"))))?;
        }
    };
    let stream: futures::stream::BoxStream<'static, Result<Bytes, Error>> = Box::pin(stream);
    ([(CONTENT_TYPE, NDJSON)], Body::from_stream(stream)).into_response()
}

/// A page of messages, one a line.
struct Lines {
    text: Vec<u8>,
    count: usize,
    next: Option<(Timestamp, MessageId)>,
    unreadable: usize,
}

impl Lines {
    async fn of(
        store: &Store,
        filter: &MessageFilter,
        after: Option<(Timestamp, MessageId)>,
        most: usize,
    ) -> Result<Self, store::Error> {
        let page = store.messages(filter, after, most).await?;
        let mut text = Vec::new();
        for message in written(store, &page.rows).await? {
            serde_json::to_writer(&mut text, &message).map_err(|error| store::Error::Damaged(error.to_string()))?;
            text.push(b'\n');
        }
        Ok(Self { text, count: page.rows.len(), next: page.next, unreadable: page.unreadable })
    }
}

async fn written(store: &Store, messages: &[Message]) -> Result<Vec<MessageJson>, store::Error> {
    let scenarios: HashMap<_, _> = store.scenarios_of(messages).await?.into_iter().collect();
    Ok(messages.iter().map(|message| MessageJson::new(message, scenarios.get(&message.id).copied())).collect())
}

/// One message, final or provisional.
#[utoipa::path(
    get,
    path = "/api/v1/messages/{id}",
    operation_id = "get_message",
    tag = "messages",
    params(("id" = String, Path, description = "`STREAM-OFFSET`")),
    responses(
        Refused,
        (status = 200, description = "the message", body = MessageJson),
        (status = 400, description = "a parameter is not known, or the address is not UTF-8", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json")
    )
)]
async fn one(
    State(site): State<Site>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<MessageJson>, Error> {
    super::params(query.as_deref(), &[])?;
    let none = || Error::not_found(format!("there is no message {}", quoted(&id)), id.clone());
    let key = id.parse().map_err(|_| none())?;
    let (message, scenario) = site.store.message(key).await?.ok_or_else(none)?;
    Ok(Json(MessageJson::new(&message, scenario)))
}
