//! What is refused, with which status, and that nothing else suffers from it.

use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode};
use futures::StreamExt;
use record::id::Offset;
use record::span::{Cause, SpanKind};
use record::wire::{
    self, Append, CONTENT_TYPE, MAX_COMPRESSED, MAX_UNPACKED, Refused, StreamAppend, StreamMeta, WireSpan,
};
use serde_bytes::ByteBuf;
use tower::ServiceExt;

use crate::door::{Door, RECORD, batch, meta, refused, stream, watermark};

const LEN: u64 = RECORD.len() as u64;

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
    // These are the largest there are, and never end.
    let endless = || {
        let arrived = futures::stream::iter([Ok::<_, std::io::Error>(vec![0; MAX_COMPRESSED])]);
        Body::from_stream(arrived.chain(futures::stream::pending()))
    };
    let mut held = Vec::new();
    // Two of them take all the room, and one more may come to its end all the same.
    for _ in 0..3 {
        let mut waiting = Box::pin(door.app.clone().oneshot(post(endless())));
        let slow = tokio::time::timeout(std::time::Duration::from_millis(2500), &mut waiting).await;
        assert!(slow.is_err(), "it never ends");
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
async fn a_body_that_is_announced_and_does_not_come_holds_no_room() {
    let door = Door::open().await;
    let mut announced = Vec::new();
    for _ in 0..300 {
        let body = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let request = Request::post("/api/v1/append").header("content-type", CONTENT_TYPE);
        let request = request.header("content-length", MAX_COMPRESSED).body(body).expect("a request");
        let mut waiting = Box::pin(door.app.clone().oneshot(request));
        assert!(futures::poll!(&mut waiting).is_pending());
        announced.push(waiting);
    }
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
async fn a_span_on_both_sides_of_the_watermark_is_409_straddle() {
    let door = Door::open().await;
    door.append(vec![stream(1, 0, RECORD)]).await;
    let mut other = stream(1, 0, &RECORD.repeat(2));
    // Framed in another way: a stretch of noise that ends behind the watermark.
    let mut noise = WireSpan::new(Offset(0), LEN + 10, SpanKind::Noise);
    noise.lines = 3;
    let mut rest = WireSpan::new(Offset(LEN + 10), LEN - 10, SpanKind::Noise);
    rest.lines = 3;
    other.spans = vec![noise, rest];
    let (status, answer) = door.append(vec![other, stream(2, 0, RECORD)]).await;
    assert_eq!((status, refused(&answer, 1)), (StatusCode::CONFLICT, Some(&Refused::Straddle)));
    assert_eq!((watermark(&answer, 1), watermark(&answer, 2)), (Offset(LEN), Offset(LEN)));
    assert_eq!(door.stored().await.len(), 2);
}

#[tokio::test]
async fn without_a_lease_it_is_0_and_an_older_one_than_the_streams_is_409_with_its_holder() {
    let door = Door::open().await;
    let held = |lease: i64, base: u64| Append { lease, ..batch(vec![stream(1, base, RECORD)]) };
    assert_eq!(door.append_as(&held(0, 0)).await.0, StatusCode::OK);
    assert_eq!(door.append_as(&held(3, LEN)).await.0, StatusCode::OK);
    for old in [0, 2] {
        let (status, answer) = door.append_as(&held(old, 2 * LEN)).await;
        assert_eq!((status, refused(&answer, 1)), (StatusCode::CONFLICT, Some(&Refused::Lease { holder: 3 })));
        assert_eq!(watermark(&answer, 1), Offset(2 * LEN));
    }
    assert_eq!(door.append_as(&held(3, 2 * LEN)).await.0, StatusCode::OK);
    assert_eq!(door.stored().await.len(), 3);
}

#[tokio::test]
async fn of_a_stream_with_one_bad_span_nothing_is_stored_and_of_the_others_all() {
    let door = Door::open().await;
    let mut bad = stream(1, 0, &RECORD.repeat(3));
    bad.spans[1].bytes[0] = b'?';
    bad.spans[1].hash = WireSpan::hash_of(&bad.spans[1].bytes);
    let (status, answer) = door.append(vec![bad, stream(2, 0, RECORD), stream(3, 500, RECORD)]).await;
    // The worst of them gives the status; each is named.
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(matches!(refused(&answer, 1), Some(Refused::Span { start: Offset(LEN), .. })), "{answer:?}");
    assert_eq!((refused(&answer, 2), refused(&answer, 3)), (None, Some(&Refused::Base)));
    let w = [1, 2, 3].map(|id| watermark(&answer, id).0);
    assert_eq!(w, [0, LEN, 0]);
    assert_eq!(door.stored().await, [(0, false)]);
    // That record alone is left out, as a gap.
    let mut told = stream(1, 0, &RECORD.repeat(3));
    let hash = told.spans[1].hash;
    told.spans[1] = WireSpan { cause: Some(Cause::Rejected), hash, ..WireSpan::new(Offset(LEN), LEN, SpanKind::Gap) };
    assert_eq!(door.append(vec![told]).await.0, StatusCode::OK);
    assert_eq!(door.stored().await, [(0, false), (2 * LEN, false), (0, false)]);
}

#[tokio::test]
async fn what_is_not_understood_is_400_without_a_stream_and_stores_nothing() {
    let door = Door::open().await;
    let good = || batch(vec![stream(1, 0, RECORD)]);
    let mut hole = stream(1, 0, &RECORD.repeat(2));
    hole.spans.remove(0);
    for (says, append) in [
        ("version 2", Append { version: 2, ..good() }),
        ("agent id", Append { agent: "a\nb".into(), ..good() }),
        ("twice", batch(vec![stream(1, 0, RECORD), stream(1, 0, RECORD)])),
        ("spans do not tile", batch(vec![hole, stream(2, 0, RECORD)])),
    ] {
        let (status, body) = door.post(CONTENT_TYPE, None, &wire::encode(&append).expect("encoded")).await;
        let text = String::from_utf8(body).expect("a sentence");
        assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
        assert!(text.contains(says), "{text}");
    }
    let post = async |kind, encoding, body: &[u8]| door.post(kind, encoding, body).await.0;
    assert_eq!(post("application/json", None, b"{}").await, StatusCode::BAD_REQUEST);
    assert_eq!(post(CONTENT_TYPE, None, b"garbage").await, StatusCode::BAD_REQUEST);
    assert_eq!(post(CONTENT_TYPE, Some("gzip"), b"").await, StatusCode::BAD_REQUEST);
    assert!(door.stored().await.is_empty());
}

#[tokio::test]
async fn a_body_damaged_on_the_way_is_422_and_stores_nothing() {
    let door = Door::open().await;
    let plain = wire::encode(&batch(vec![stream(1, 0, RECORD)])).expect("encoded");
    let mut packer = zstd::Encoder::new(Vec::new(), 1).expect("a packer");
    packer.include_checksum(true).expect("a checksum");
    std::io::Write::write_all(&mut packer, &plain).expect("packed");
    let whole = packer.finish().expect("packed");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() - 3], b"garbage"] {
        assert_eq!(door.post(CONTENT_TYPE, Some("zstd"), damaged).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert!(door.stored().await.is_empty());
    assert_eq!(door.post(CONTENT_TYPE, Some("zstd"), &whole).await.0, StatusCode::OK);
}

#[tokio::test]
async fn what_is_too_large_is_413_and_takes_no_memory() {
    let door = Door::open().await;
    let bomb = zstd::encode_all(&vec![0; MAX_UNPACKED + 1][..], 1).expect("packed");
    assert!(bomb.len() < 1 << 20, "small on the wire");
    assert_eq!(door.post(CONTENT_TYPE, Some("zstd"), &bomb).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    // It is refused by what it says, before it is there.
    let head = format!(
        "POST /api/v1/append HTTP/1.1\r\ncontent-type: {CONTENT_TYPE}\r\ncontent-length: {}",
        MAX_COMPRESSED + 1
    );
    assert_eq!(door.ask(&head, b"").await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(door.stored().await.is_empty());
}

#[tokio::test]
async fn a_database_that_is_gone_is_503_and_says_nothing_of_itself() {
    let door = Door::open().await;
    door.store.close().await;
    let body = wire::encode(&batch(vec![stream(1, 0, RECORD)])).expect("encoded");
    let (status, text) = door.post(CONTENT_TYPE, None, &body).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text, b"the database does not answer as it should");
    assert_eq!(door.ask("GET /api/v1/positions?agent=agent-1 HTTP/1.1", b"").await.0, StatusCode::SERVICE_UNAVAILABLE);
}
