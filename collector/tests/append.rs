//! The agents' door over HTTP: what is stored, what is refused, and with which status.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode};
use collector::{Config, Ingest, http};
use http_body_util::BodyExt;
use message::format::Format;
use message::frame::{Framer, Limits, Resume};
use message::id::{Offset, StreamId};
use message::span::SpanKind;
use message::time::Timestamp;
use message::wire::{
    self, Answer, Append, CONTENT_TYPE, FileIdentity, Guard, MAX_UNPACKED, Refused, StreamAppend, StreamMeta, WireSpan,
};
use serde_bytes::ByteBuf;
use store::search::MessageFilter;
use store::{Location, Store};
use tower::ServiceExt;

const RECORD: &str = "[2026-11-23 12:00:00.000][INVITE][sip:192.0.2.1:5060][sip:192.0.2.2:5060]\nINVITE sip:bob@example.com SIP/2.0\r\n\
Call-ID: call-1@example.com\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n\n";

struct Door {
    dir: tempfile::TempDir,
    store: Store,
    app: axum::Router,
}

impl Door {
    async fn open() -> Self {
        Self::open_in(tempfile::tempdir().expect("a directory")).await
    }

    async fn open_in(dir: tempfile::TempDir) -> Self {
        let store = Store::open(&Location::Directory(dir.path().to_owned())).await.expect("a store");
        let app = http::router(Ingest::new(store.clone(), &Config::default()));
        Self { dir, store, app }
    }

    /// A new process on the same data: nothing is in memory.
    async fn reopen(self) -> Self {
        let Self { dir, store, app } = self;
        drop(app);
        store.close().await;
        drop(store);
        Self::open_in(dir).await
    }

    async fn post(&self, kind: &str, encoding: Option<&str>, body: Vec<u8>) -> (StatusCode, Vec<u8>) {
        let mut request = Request::post("/api/v1/append").header("content-type", kind);
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        let response =
            self.app.clone().oneshot(request.body(Body::from(body)).expect("a request")).await.expect("an answer");
        let status = response.status();
        (status, response.into_body().collect().await.expect("a body").to_bytes().to_vec())
    }

    async fn append(&self, streams: Vec<StreamAppend>) -> (StatusCode, Answer) {
        let append = Append { version: wire::VERSION, agent: "agent-1".into(), lease: 0, batch: 7, streams };
        let packed = zstd::encode_all(&wire::encode(&append).expect("encoded")[..], 1).expect("packed");
        let (status, body) = self.post(CONTENT_TYPE, Some("zstd"), packed).await;
        let answer: Answer =
            wire::decode(&body).unwrap_or_else(|_| panic!("{status}: {}", String::from_utf8_lossy(&body)));
        assert_eq!(answer.batch, 7, "the batch number is echoed");
        (status, answer)
    }

    async fn stored(&self) -> Vec<(u64, bool)> {
        let page = self.store.messages(&MessageFilter::default(), None, 100).await.expect("messages");
        page.rows.iter().map(|m| (m.id.offset.0, m.provisional)).collect()
    }
}

fn meta() -> StreamMeta {
    StreamMeta {
        source: "sip".into(),
        format: Format::siptrail().definition().clone(),
        zone: "UTC".into(),
        path: b"/var/log/sip.log".to_vec(),
        host: "host-1".into(),
        file: FileIdentity { device: 1, inode: 2, generation: 3, birth: 4 },
        epoch: 0,
        predecessor: None,
    }
}

/// A piece of a log as an agent sends it, framed by the framer itself.
fn stream(id: i64, base: u64, log: &str) -> StreamAppend {
    let mut framer = Framer::new(Arc::new(Format::siptrail()), Offset(0), &Resume::default(), Limits::default());
    let mut found = Vec::new();
    framer.feed(log.as_bytes(), &mut found);
    framer.close(&mut found);
    let spans: Vec<WireSpan> = found
        .iter()
        .map(|span| {
            let bytes = &log.as_bytes()[span.start.0 as usize..span.end().0 as usize];
            let mut sent = WireSpan::new(span.start.plus(base), span.len, span.kind);
            (sent.head, sent.line_end, sent.lines) = (span.head, span.line_end, span.lines);
            if span.kind == SpanKind::Record {
                sent.hash = WireSpan::hash_of(bytes);
                sent.bytes = ByteBuf::from(bytes.to_vec());
            }
            sent
        })
        .collect();
    let end = Offset(base + log.len() as u64);
    StreamAppend {
        stream: StreamId(id),
        meta: Some(meta()),
        base: Offset(base),
        end,
        spans,
        tail: Vec::new(),
        guard: Guard::default(),
        size: end.0,
        read_to: end,
        read_at: Timestamp(1_795_435_200_000_000),
        near_misses: 0,
        closed: None,
        tied: None,
    }
}

fn refused(answer: &Answer, id: i64) -> Option<&Refused> {
    answer.streams.iter().find(|s| s.stream == StreamId(id)).expect("each stream is answered").refused.as_ref()
}

#[tokio::test]
async fn a_batch_is_answered_with_its_watermark_and_stored_once_though_sent_twice() {
    let door = Door::open().await;
    for _ in 0..2 {
        let (status, answer) = door.append(vec![stream(1, 0, RECORD)]).await;
        assert_eq!((status, answer.streams[0].w), (StatusCode::OK, Offset(RECORD.len() as u64)));
    }
    assert_eq!(door.stored().await, [(0, false)]);
}

#[tokio::test]
async fn c03_of_half_a_request_nothing_is_stored_and_of_the_whole_one_all() {
    let door = Door::open().await;
    let append = Append {
        version: wire::VERSION,
        agent: "agent-1".into(),
        lease: 0,
        batch: 7,
        streams: vec![stream(1, 0, RECORD)],
    };
    let whole = wire::encode(&append).expect("encoded");
    let half = whole[..whole.len() / 2].to_vec();
    // The agent dies amid its request: the connection ends without the rest of the body.
    let broken = futures::stream::iter([Ok(half), Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))]);
    let request = Request::post("/api/v1/append").header("content-type", CONTENT_TYPE);
    let request = request.body(Body::from_stream(broken)).expect("a request");
    let response = door.app.clone().oneshot(request).await.expect("an answer");
    assert!(response.status().is_client_error(), "{}", response.status());
    assert!(door.stored().await.is_empty());
    assert_eq!(door.store.watermark(StreamId(1)).await.expect("a watermark"), Offset(0));

    let (status, _) = door.append(vec![stream(1, 0, RECORD)]).await;
    assert_eq!((status, door.stored().await), (StatusCode::OK, vec![(0, false)]));
}

#[tokio::test]
async fn bytes_damaged_on_the_way_are_422_and_the_other_streams_are_stored() {
    let door = Door::open().await;
    let mut damaged = stream(1, 0, RECORD);
    damaged.spans[0].bytes[100] ^= 1;
    let (status, answer) = door.append(vec![damaged, stream(2, 0, RECORD)]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused(&answer, 1), Some(&Refused::Damaged { start: Offset(0) }));
    assert_eq!(refused(&answer, 2), None);
    assert_eq!(door.stored().await.len(), 1);
}

#[tokio::test]
async fn a_record_whose_first_line_is_no_header_is_400_and_named() {
    let door = Door::open().await;
    let mut wrong = stream(1, 0, RECORD);
    let bytes = b"no header here\nbody\n".to_vec();
    (wrong.spans[0].len, wrong.spans[0].head, wrong.spans[0].line_end) = (bytes.len() as u64, 15, 1);
    wrong.spans[0].hash = WireSpan::hash_of(&bytes);
    wrong.end = Offset(bytes.len() as u64);
    wrong.spans[0].bytes = ByteBuf::from(bytes);
    let (status, answer) = door.append(vec![wrong]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(matches!(refused(&answer, 1), Some(Refused::Span { start: Offset(0), .. })), "{answer:?}");
    assert!(door.stored().await.is_empty());
}

#[tokio::test]
async fn a_stream_that_cannot_be_read_as_told_is_400_and_the_others_are_stored() {
    let door = Door::open().await;
    let mars = StreamMeta { zone: "Mars/Base".into(), ..meta() };
    let mut strange = meta();
    strange.format.header = "{nothing}".into();
    let (status, answer) = door
        .append(vec![
            StreamAppend { meta: Some(mars), ..stream(1, 0, RECORD) },
            stream(2, 0, RECORD),
            StreamAppend { meta: Some(strange), ..stream(3, 0, RECORD) },
        ])
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let says = |id, what: &str| matches!(refused(&answer, id), Some(Refused::Meta { text }) if text.contains(what));
    assert!(says(1, "Mars/Base") && says(3, "format"), "{answer:?}");
    assert_eq!((refused(&answer, 2), answer.streams[1].w), (None, Offset(RECORD.len() as u64)));
    // Once it is told right, nothing is lost.
    assert_eq!(door.append(vec![stream(1, 0, RECORD)]).await.0, StatusCode::OK);
    assert_eq!(door.stored().await.len(), 2);
}

#[tokio::test]
async fn batches_beyond_what_there_is_room_for_are_503_and_asked_for_again() {
    let door = Door::open().await;
    let post = |body: Body| {
        Request::post("/api/v1/append").header("content-type", CONTENT_TYPE).body(body).expect("a request")
    };
    // Without a length it may be the largest there is, and these never end.
    let endless = || Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut waiting = Box::pin(door.app.clone().oneshot(post(endless())));
        assert!(futures::poll!(&mut waiting).is_pending());
        held.push(waiting);
    }
    let refused = door.app.clone().oneshot(post(Body::from("x"))).await.expect("an answer");
    assert_eq!(
        (refused.status(), &refused.headers()["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &HeaderValue::from_static("1"))
    );
    drop(held);
    assert_eq!(door.append(vec![stream(1, 0, RECORD)]).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_hole_and_a_stream_nobody_told_of_are_409_with_the_watermark() {
    let door = Door::open().await;
    let (status, answer) = door.append(vec![stream(1, 500, RECORD)]).await;
    assert_eq!(
        (status, refused(&answer, 1), answer.streams[0].w),
        (StatusCode::CONFLICT, Some(&Refused::Base), Offset(0))
    );
    let unknown = StreamAppend { meta: None, ..stream(2, 0, RECORD) };
    let (status, answer) = door.append(vec![unknown]).await;
    assert_eq!((status, refused(&answer, 2)), (StatusCode::CONFLICT, Some(&Refused::Base)));
    assert!(door.stored().await.is_empty());
}

#[tokio::test]
async fn after_a_restart_a_stream_is_read_as_its_agent_once_said() {
    let door = Door::open().await;
    door.append(vec![stream(1, 0, RECORD)]).await;
    let door = door.reopen().await;
    let next = StreamAppend { meta: None, ..stream(1, RECORD.len() as u64, RECORD) };
    let (status, answer) = door.append(vec![next]).await;
    assert_eq!((status, answer.streams[0].w), (StatusCode::OK, Offset(2 * RECORD.len() as u64)));
    assert_eq!(door.stored().await.len(), 2);
}

#[tokio::test]
async fn a_changed_zone_counts_from_the_batch_that_says_so_and_after_a_restart() {
    let door = Door::open().await;
    let len = RECORD.len() as u64;
    let seoul = StreamMeta { zone: "Asia/Seoul".into(), ..meta() };
    door.append(vec![stream(1, 0, RECORD)]).await;
    door.append(vec![StreamAppend { meta: Some(seoul), ..stream(1, len, RECORD) }]).await;
    let door = door.reopen().await;
    door.append(vec![StreamAppend { meta: None, ..stream(1, 2 * len, RECORD) }]).await;
    let page = door.store.messages(&MessageFilter::default(), None, 10).await.expect("messages");
    let mut hours: Vec<_> = page.rows.iter().map(|m| (m.id.offset.0 / len, m.time.to_string())).collect();
    hours.sort();
    let hours: Vec<_> = hours.iter().map(|(at, time)| (*at, &time[11..13])).collect();
    assert_eq!(hours, [(0, "12"), (1, "03"), (2, "03")]);
}

#[tokio::test]
async fn a_call_id_without_end_is_found_whole_and_in_its_scenario() {
    let door = Door::open().await;
    let call_id = format!("{}@example.com", "x".repeat(600));
    door.append(vec![stream(1, 0, &RECORD.replace("call-1@example.com", &call_id))]).await;
    collector::correlate::step(&door.store, "one").await.expect("correlated");
    let filter = MessageFilter { call_id: Some(call_id), ..MessageFilter::default() };
    let found = door.store.messages(&filter, None, 10).await.expect("messages").rows;
    let (_, scenario) = door.store.message(found[0].id).await.expect("a message").expect("stored");
    assert!(scenario.is_some());
}

#[tokio::test]
async fn an_unfinished_record_is_shown_and_then_replaced_under_its_own_id() {
    let door = Door::open().await;
    let whole = stream(1, 0, RECORD);
    let half = &RECORD[..RECORD.len() / 2];
    let mut tail = WireSpan::new(Offset(0), half.len() as u64, SpanKind::Record);
    tail.head = whole.spans[0].head;
    (tail.hash, tail.bytes) = (WireSpan::hash_of(half.as_bytes()), ByteBuf::from(half.as_bytes().to_vec()));
    let open = StreamAppend { end: Offset(0), spans: Vec::new(), tail: vec![tail], ..stream(1, 0, "") };
    assert_eq!(door.append(vec![open]).await.0, StatusCode::OK);
    assert_eq!(door.stored().await, [(0, true)]);
    assert_eq!(door.append(vec![whole]).await.0, StatusCode::OK);
    assert_eq!(door.stored().await, [(0, false)]);
}

#[tokio::test]
async fn what_is_no_append_is_told_and_takes_no_memory() {
    let door = Door::open().await;
    assert_eq!(door.post("application/json", None, b"{}".to_vec()).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(door.post(CONTENT_TYPE, None, b"garbage".to_vec()).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(door.post(CONTENT_TYPE, Some("gzip"), Vec::new()).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(door.post(CONTENT_TYPE, Some("zstd"), b"garbage".to_vec()).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let bomb = zstd::encode_all(&vec![0; MAX_UNPACKED + 1][..], 1).expect("packed");
    assert!(bomb.len() < 1 << 20, "small on the wire");
    assert_eq!(door.post(CONTENT_TYPE, Some("zstd"), bomb).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(door.post(CONTENT_TYPE, None, vec![0; wire::MAX_COMPRESSED + 1]).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(door.stored().await.is_empty());
}
