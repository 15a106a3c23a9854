//! Which messages a record or a fragment is stored as: each with its own bytes, found by its own Call-ID.

use collector::correlate;
use message::event::CallClass;
use message::logged::Message;
use record::id::Offset;
use record::span::Flags;
use record::wire::StreamAppend;
use store::search::{Filter, MessageFilter};

use crate::door::{Door, stream};

const HEADER: &str = "[2026-11-23 12:00:00.000][INVITE][sip:192.0.2.1:5060][sip:192.0.2.2:5060]\n";

fn sip(method: &str, call_id: &str) -> String {
    format!(
        "{method} sip:bob@example.com SIP/2.0\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// As `stream`, of one record that is all of the log.
fn one_record(base: u64, log: &str) -> StreamAppend {
    let mut sent = stream(1, base, log);
    let mut span = sent.spans[0].clone();
    span.len = log.len() as u64;
    (span.line_end, span.flags) = (1, Flags::empty());
    span.hash = record::wire::WireSpan::hash_of(log.as_bytes());
    span.bytes = serde_bytes::ByteBuf::from(log.as_bytes().to_vec());
    sent.spans = vec![span];
    sent
}

async fn stored(door: &Door) -> Vec<Message> {
    let mut rows = door.store.messages(&MessageFilter::default(), None, 100).await.expect("messages").rows;
    rows.sort_by_key(|message| message.id);
    rows
}

async fn scenarios(door: &Door) -> usize {
    correlate::step(&door.store, "one").await.expect("correlated");
    let filter = Filter { classes: CallClass::ALL.to_vec(), ..Filter::default() };
    door.store.search(&filter, None, 100).await.expect("scenarios").rows.len()
}

#[tokio::test]
async fn two_sip_messages_of_one_record_are_two_messages_and_one_span() {
    let door = Door::open().await;
    let (one, other) = (sip("INVITE", "concat-1"), sip("BYE", "concat-2"));
    let log = format!("{HEADER}{one}{other}\n");
    door.append(vec![one_record(0, &log)]).await;
    let found = stored(&door).await;
    let second = (HEADER.len() + one.len()) as u64;
    assert_eq!(found.iter().map(|m| m.id.offset).collect::<Vec<_>>(), [Offset(0), Offset(second)]);
    assert_eq!(found.iter().map(Message::body).collect::<Vec<_>>(), [one.as_bytes(), other.as_bytes()]);
    assert_eq!(found.iter().map(Message::header).collect::<Vec<_>>(), [HEADER.trim_end().as_bytes(), b""]);
    assert_eq!(found.iter().map(|m| m.len).sum::<u64>(), log.len() as u64);
    assert_eq!(found.iter().map(|m| &*m.method).collect::<Vec<_>>(), ["INVITE", "BYE"]);
    let row = door.store.streams(None, 10).await.expect("streams").remove(0);
    assert_eq!((row.counters.records, row.counters.record_bytes, row.w.0), (1, log.len() as u64, log.len() as u64));
    assert_eq!(scenarios(&door).await, 2);
    for call_id in ["concat-1", "concat-2"] {
        let filter = MessageFilter { call_id: Some(call_id.into()), ..MessageFilter::default() };
        assert_eq!(door.store.messages(&filter, None, 10).await.expect("messages").rows.len(), 1, "{call_id}");
    }
}

#[tokio::test]
async fn an_overlapping_append_stores_each_message_of_a_record_once() {
    let door = Door::open().await;
    let log = format!("{HEADER}{}{}\n", sip("INVITE", "a@a"), sip("INVITE", "b@a"));
    let len = log.len() as u64;
    door.append(vec![one_record(0, &log)]).await;
    let mut both = one_record(0, &log);
    both.spans.extend(one_record(len, &log).spans);
    (both.end, both.size) = (Offset(2 * len), 2 * len);
    let (_, answer) = door.append(vec![both]).await;
    assert_eq!(answer.streams[0].w, Offset(2 * len));
    let second = (HEADER.len() + sip("INVITE", "a@a").len()) as u64;
    let offsets: Vec<_> = stored(&door).await.iter().map(|m| m.id.offset.0).collect();
    assert_eq!(offsets, [0, second, len, len + second]);
    assert_eq!(door.store.streams(None, 10).await.expect("streams")[0].counters.records, 2);
}

#[tokio::test]
async fn messages_of_an_unfinished_record_keep_their_ids_when_it_is_finished() {
    let door = Door::open().await;
    let log = format!("{HEADER}{}{}\n", sip("INVITE", "a@a"), sip("INVITE", "b@a"));
    let whole = one_record(0, &log);
    let mut open = StreamAppend { end: Offset(0), tail: whole.spans.clone(), spans: Vec::new(), ..whole.clone() };
    open.tail[0].flags |= Flags::UNFINISHED;
    door.append(vec![open]).await;
    let second = (HEADER.len() + sip("INVITE", "a@a").len()) as u64;
    // What is missing of the record is missing of its last message.
    assert_eq!(door.stored().await, [(0, false), (second, true)]);
    door.append(vec![whole]).await;
    assert_eq!(door.stored().await, [(0, false), (second, false)]);
}

/// Two threads wrote at once: header, header, message, message.
#[tokio::test]
async fn a_message_whose_header_another_writer_took_is_found_by_its_call_id() {
    let door = Door::open().await;
    let other = HEADER.replace("192.0.2.1", "192.0.2.30");
    let (one, lost) = (sip("INVITE", "c37a@a"), sip("INVITE", "c37b@a"));
    let log = format!("{HEADER}{other}{one}\n{lost}\n");
    door.append(vec![stream(1, 0, &log)]).await;
    let row = door.store.streams(None, 10).await.expect("streams").remove(0);
    assert_eq!((row.counters.records, row.counters.bytes()), (2, log.len() as u64));
    let filter = MessageFilter { call_id: Some("c37b@a".into()), ..MessageFilter::default() };
    let found = door.store.messages(&filter, None, 10).await.expect("messages").rows;
    let [found] = &found[..] else { panic!("{} messages", found.len()) };
    assert_eq!(found.id.offset.0 as usize, log.find(&lost).expect("it stands there"));
    assert_eq!((found.source.as_str(), found.destination.as_str(), found.body()), ("-", "-", lost.as_bytes()));
    assert!(found.flags.contains(Flags::ORPHAN_FRAGMENT | Flags::INTERLEAVE_SUSPECT));
    assert!(stored(&door).await[0].flags.contains(Flags::INTERLEAVE_SUSPECT), "the empty record");
    assert_eq!(scenarios(&door).await, 3);
}
