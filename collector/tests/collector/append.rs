//! What is stored of an append: once, whole, and read as its agent said.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use collector::correlate;
use record::id::{Offset, StreamId};
use record::span::{Flags, SpanKind};
use record::wire::{self, CONTENT_TYPE, StreamAppend, StreamMeta, WireSpan};
use serde_bytes::ByteBuf;
use store::search::MessageFilter;
use tower::ServiceExt;

use crate::door::{Door, RECORD, batch, meta, stream};

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
    let whole = wire::encode(&batch(vec![stream(1, 0, RECORD)])).expect("encoded");
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
    correlate::step(&door.store, "one").await.expect("correlated");
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
    (tail.head, tail.flags) = (whole.spans[0].head, Flags::UNFINISHED);
    (tail.hash, tail.bytes) = (WireSpan::hash_of(half.as_bytes()), ByteBuf::from(half.as_bytes().to_vec()));
    let open = StreamAppend { end: Offset(0), spans: Vec::new(), tail: vec![tail], ..stream(1, 0, "") };
    assert_eq!(door.append(vec![open]).await.0, StatusCode::OK);
    assert_eq!(door.stored().await, [(0, true)]);
    assert_eq!(door.append(vec![whole]).await.0, StatusCode::OK);
    assert_eq!(door.stored().await, [(0, false)]);
}
