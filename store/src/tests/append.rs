//! Exactly once, whole or not at all.

use message::kind::Kind;
use record::id::{MessageId, Offset, StreamId};
use record::miss::NearMiss;
use record::redact::Mask;
use record::span::Flags;
use record::time::{Day, SECOND, Timestamp};
use record::wire::{Counters, EndMarker};

use super::fixture::{self, File, NOON, Says, fragment, gap, len, noise, says};
use super::store_test;
use crate::Store;
use crate::append::{Incoming, Item, Outcome, Packed};
use crate::backend::with_transaction;
use crate::search::{Filter, MessageFilter};

async fn stored(store: &Store) -> Vec<MessageId> {
    let filter = MessageFilter::default();
    store.messages(&filter, None, 10_000).await.unwrap().rows.into_iter().map(|message| message.id).collect()
}

async fn counters(store: &Store) -> (Offset, Counters) {
    let row = store.streams(None, 10).await.unwrap().remove(0);
    (row.w, row.counters)
}

/// Five records of one call.
fn five(file: &File) -> (Vec<Item>, Vec<u64>) {
    let mut at = 0;
    let mut starts = Vec::new();
    let mut items = Vec::new();
    for second in 0..5 {
        let item = file.record(at, &says("a", second, "INVITE"));
        starts.push(at);
        at += len(&item);
        items.push(item);
    }
    starts.push(at);
    (items, starts)
}

store_test! {
    async fn a_batch_sent_twice_is_stored_once(store) {
        let file = File::new(1);
        let (items, starts) = five(&file);
        let end = Outcome::Stored { w: Offset(starts[5]) };
        for _ in 0..2 {
            assert_eq!(store.append(vec![file.batch(0, items.clone())]).await.unwrap(), [end]);
        }
        assert_eq!(stored(&store).await.len(), 5);
        assert_eq!(counters(&store).await.1.records, 5);
        assert_eq!(store.outbox("me", NOON, 1, 10).await.unwrap().len(), 1);
    }

    async fn overlapping_batches_store_each_record_once(store) {
        let file = File::new(1);
        let (items, starts) = five(&file);
        store.append(vec![file.batch(0, items[..3].to_vec())]).await.unwrap();
        let outcome = store.append(vec![file.batch(starts[1], items[1..].to_vec())]).await.unwrap();
        assert_eq!(outcome, [Outcome::Stored { w: Offset(starts[5]) }]);
        let offsets: Vec<u64> = stored(&store).await.iter().map(|id| id.offset.0).collect();
        assert_eq!(offsets, starts[..5]);
        let (w, counters) = counters(&store).await;
        assert_eq!((w.0, counters.bytes(), counters.records), (starts[5], starts[5], 5));
        let rows = store.outbox("me", NOON, 1, 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.events.len()).collect::<Vec<_>>(), [3, 2]);
        assert_eq!((rows[1].from, rows[1].end), (Offset(starts[3]), Offset(starts[5])));
    }

    async fn messages_of_one_span_are_stored_and_told_together(store) {
        let file = File::new(1);
        let (first, mut other) = (file.message(0, &says("a", 0, "INVITE")), says("b", 0, "BYE"));
        other.keys.clear();
        let second = file.message(first.len, &other);
        let (middle, end) = (first.len, first.len + second.len);
        let record = Item::Record(Box::new(first), vec![second]);
        let found = file.message(end + 7, &says("c", 0, "BYE"));
        let Item::Fragment(row, _) = fragment(end, &[b'x'; 1000]) else { panic!("a fragment") };
        let items = vec![record, Item::Fragment(row, vec![found])];
        for _ in 0..2 {
            let outcome = store.append(vec![file.batch(0, items.clone())]).await.unwrap();
            assert_eq!(outcome, [Outcome::Stored { w: Offset(end + 1000) }]);
        }
        let offsets: Vec<u64> = stored(&store).await.iter().map(|id| id.offset.0).collect();
        assert_eq!(offsets, [0, middle, end + 7]);
        let (w, counters) = counters(&store).await;
        assert_eq!((counters.records, counters.record_bytes, counters.fragments, counters.bytes()), (1, end, 1, w.0));
        let rows = store.outbox("me", NOON, 1, 10).await.unwrap();
        assert_eq!(rows[0].events.iter().map(|event| event.offset.0).collect::<Vec<_>>(), offsets);
    }

    async fn a_watermark_within_a_span_of_several_messages_is_refused(store) {
        let file = File::new(1);
        let first = file.message(0, &says("a", 0, "INVITE"));
        let middle = first.len;
        store.append(vec![file.batch(0, vec![noise(0, middle)])]).await.unwrap();
        let second = file.message(middle, &says("b", 0, "BYE"));
        let batch = file.batch(0, vec![Item::Record(Box::new(first), vec![second])]);
        assert_eq!(store.append(vec![batch]).await.unwrap(), [Outcome::Straddle { w: Offset(middle) }]);
        assert!(stored(&store).await.is_empty());
    }

    async fn an_item_on_both_sides_of_the_watermark_is_refused(store) {
        let file = File::new(1);
        let (items, starts) = five(&file);
        store.append(vec![file.batch(0, items[..2].to_vec())]).await.unwrap();
        let other = file.batch(starts[1], vec![noise(starts[1], starts[3] - starts[1])]);
        assert_eq!(store.append(vec![other]).await.unwrap(), [Outcome::Straddle { w: Offset(starts[2]) }]);
        assert_eq!(counters(&store).await.1.noise, 0);
    }

    async fn a_batch_beyond_the_watermark_is_refused(store) {
        let file = File::new(1);
        let (items, starts) = five(&file);
        let later = file.batch(starts[3], items[3..].to_vec());
        assert_eq!(store.append(vec![later.clone()]).await.unwrap(), [Outcome::Base { w: Offset(0) }]);
        store.append(vec![file.batch(0, items[..2].to_vec())]).await.unwrap();
        assert_eq!(store.append(vec![later]).await.unwrap(), [Outcome::Base { w: Offset(starts[2]) }]);
        assert_eq!(stored(&store).await.len(), 2);
    }

    async fn an_unknown_stream_without_meta_is_refused(store) {
        let file = File::new(1);
        let batch = Incoming { meta: None, ..file.batch(0, vec![noise(0, 7)]) };
        assert_eq!(store.append(vec![batch]).await.unwrap(), [Outcome::Base { w: Offset(0) }]);
        assert!(store.streams(None, 10).await.unwrap().is_empty());
    }

    async fn what_an_agent_says_anew_of_a_stream_is_kept(store) {
        let file = File::new(1);
        store.append(vec![file.batch(0, vec![noise(0, 7)])]).await.unwrap();
        let record = file.record(7, &says("a", 0, "INVITE"));
        store.append(vec![file.batch(7, vec![record])]).await.unwrap();
        let path = async || store.message(MessageId::new(StreamId(1), Offset(7))).await.unwrap().unwrap().0.place.path.clone();
        assert_eq!(path().await, "/var/log/proxy-1.log");
        let mut batch = file.batch(store.watermark(StreamId(1)).await.unwrap().0, Vec::new());
        let meta = batch.meta.as_mut().unwrap();
        (meta.zone, meta.source, meta.path) = ("Asia/Seoul".into(), "edge".into(), b"/var/log/edge.log".to_vec());
        meta.format.time = Some("%d/%m/%Y %H:%M:%S".into());
        let said = meta.clone();
        store.append(vec![batch]).await.unwrap();
        assert_eq!(store.stream_meta(StreamId(1)).await.unwrap(), Some((file.agent.clone(), Some(said))));
        assert_eq!(path().await, "/var/log/edge.log");
    }

    async fn an_old_lease_is_refused_and_a_new_one_takes_over(store) {
        let file = File { lease: 7, ..File::new(1) };
        store.append(vec![file.batch(0, vec![noise(0, 7)])]).await.unwrap();
        let old = Incoming { lease: 6, ..file.batch(7, vec![noise(7, 7)]) };
        assert_eq!(store.append(vec![old]).await.unwrap(), [Outcome::Lease { w: Offset(7), holder: 7 }]);
        let new = Incoming { lease: 8, ..file.batch(7, vec![noise(7, 7)]) };
        assert_eq!(store.append(vec![new]).await.unwrap(), [Outcome::Stored { w: Offset(14) }]);
    }

    async fn of_two_same_batches_at_once_one_is_stored(store) {
        let files: Vec<File> = (1..=4).map(File::new).collect();
        let batch = || files.iter().map(|file| file.batch(0, five(file).0)).collect::<Vec<_>>();
        let outcomes = futures::future::join_all((0..8).map(|_| store.append(batch()))).await;
        for outcome in outcomes {
            assert!(outcome.unwrap().iter().all(|one| matches!(one, Outcome::Stored { .. })));
        }
        assert_eq!(stored(&store).await.len(), 20);
    }

    async fn refused_streams_do_not_hinder_the_others(store) {
        let (good, bad) = (File::new(5), File::new(3));
        let outcomes = store.append(vec![good.batch(0, vec![noise(0, 9)]), bad.batch(4, vec![noise(4, 9)])]).await.unwrap();
        assert_eq!(outcomes, [Outcome::Stored { w: Offset(9) }, Outcome::Base { w: Offset(0) }]);
    }

    async fn bytes_come_back_identical(store) {
        let file = File::new(1);
        let all: Vec<u8> = (0..=255).collect();
        let large: Vec<u8> = (0..1_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let (mut items, mut bodies, mut at) = (Vec::new(), Vec::new(), 0);
        for body in [all, Vec::new(), large, b"\0".to_vec(), vec![b'a'; 100_000]] {
            let mut row = file.message(at, &says("a", at as i64, "INVITE"));
            let head = vec![b'['; row.head as usize];
            let raw = [head.as_slice(), &body, b"\n"].concat();
            row.raw = Packed::of(&raw);
            row.len = raw.len() as u64;
            at += row.len;
            bodies.push(body);
            items.push(Item::Record(Box::new(row), Vec::new()));
        }
        store.append(vec![file.batch(0, items)]).await.unwrap();
        let page = store.messages(&MessageFilter::default(), None, 100).await.unwrap();
        let back: Vec<&[u8]> = page.rows.iter().map(message::logged::Message::body).collect();
        assert!(back == bodies, "bodies differ");
    }

    async fn every_field_of_a_message_comes_back(store) {
        let file = File::new(1);
        let mut row = file.message(0, &says("a", -3, "INVITE").kind(Kind::Push).status(503));
        row.flags = Flags::from_bits_retain(u16::MAX);
        row.masked = vec![Mask { at: 3, len: 8, len_before: 4000 }];
        row.masked_hash = Some([7; 16]);
        row.len += 3992;
        row.source = "sip:[2001:db8::1]:5060\0".into();
        let sent = row.clone();
        let end = Offset(row.len);
        let mut batch = file.batch(0, vec![Item::Record(Box::new(row), Vec::new())]);
        batch.end = end;
        store.append(vec![batch]).await.unwrap();
        let (got, scenario) = store.message(MessageId::new(StreamId(1), Offset(0))).await.unwrap().unwrap();
        assert_eq!((got.time, got.kind, got.status, got.flags), (sent.time, Kind::Push, Some(503), sent.flags.difference(Flags::UNFINISHED)));
        assert_eq!((got.len, got.head, got.line_end), (sent.len, sent.head, sent.line_end));
        assert_eq!((got.masked, got.call, got.method.as_str()), (sent.masked, sent.call, "503"));
        assert_eq!((got.source.as_str(), Packed::of(&got.raw)), ("sip:[2001:db8::1]:5060\u{fffd}", sent.raw));
        assert_eq!((got.place.host.as_str(), got.place.path.as_str()), ("proxy-1", "/var/log/proxy-1.log"));
        assert!(!got.provisional && scenario.is_none());
    }

    async fn a_row_whose_masks_claim_terabytes_is_read(store) {
        let file = File::new(1);
        let mut row = file.message(0, &says("a", 0, "INVITE"));
        row.masked = vec![Mask { at: 0, len: 0, len_before: u32::MAX }; 20_000];
        row.len += 20_000 * u64::from(u32::MAX);
        store.append(vec![file.batch(0, vec![Item::Record(Box::new(row), Vec::new())])]).await.unwrap();
        assert_eq!(stored(&store).await.len(), 1);
    }

    async fn counters_add_up_to_the_watermark(store) {
        let file = File::new(1);
        let record = file.record(0, &says("a", 0, "INVITE"));
        let at = len(&record);
        let items = vec![record, noise(at, 100), fragment(at + 100, b"orphan"), gap(at + 106, 50), gap(at + 156, 0)];
        store.append(vec![file.batch(0, items)]).await.unwrap();
        let row = store.streams(None, 10).await.unwrap().remove(0);
        let c = row.counters;
        assert_eq!(c.bytes(), row.w.0);
        assert_eq!((c.records, c.noise, c.noise_lines, c.fragments, c.gaps), (1, 1, 2, 1, 2));
        assert_eq!(row.gaps.iter().map(|gap| (gap.start.0 - at, gap.len)).collect::<Vec<_>>(), [(106, 50), (156, 0)]);
    }

    async fn a_gap_of_no_length_is_made_and_counted_once(store) {
        let file = File::new(1);
        store.append(vec![file.batch(0, vec![noise(0, 10)])]).await.unwrap();
        for _ in 0..3 {
            let outcome = store.append(vec![file.batch(10, vec![gap(10, 0)])]).await.unwrap();
            assert_eq!(outcome, [Outcome::Stored { w: Offset(10) }]);
        }
        let row = store.streams(None, 10).await.unwrap().remove(0);
        assert_eq!((row.gaps.len(), row.counters.gaps), (1, 1));
    }

    async fn a_gap_that_turns_out_to_be_longer_grows_and_is_counted_once(store) {
        let file = File::new(1);
        store.append(vec![file.batch(0, vec![noise(0, 170), gap(170, 0)])]).await.unwrap();
        store.append(vec![file.batch(170, vec![gap(170, 0), gap(170, 50)])]).await.unwrap();
        store.append(vec![file.batch(220, vec![gap(220, 0), gap(220, 7), noise(227, 3)])]).await.unwrap();
        let row = store.streams(None, 10).await.unwrap().remove(0);
        assert_eq!(row.gaps.iter().map(|gap| (gap.start.0, gap.len)).collect::<Vec<_>>(), [(170, 50), (220, 7)]);
        assert_eq!((row.counters.gaps, row.counters.gap_bytes, row.counters.bytes()), (2, 57, row.w.0));
    }

    async fn the_provisional_tail_is_replaced_by_each_append(store) {
        let file = File::new(1);
        let tail = |second| vec![file.unfinished(0, &says("a", second, "INVITE")), file.message(500, &says("b", second, "BYE"))];
        store.append(vec![Incoming { tail: tail(1), ..file.batch(0, Vec::new()) }]).await.unwrap();
        let rows = store.messages(&MessageFilter::default(), None, 10).await.unwrap().rows;
        assert_eq!(rows.iter().map(|m| (m.id.offset.0, m.provisional)).collect::<Vec<_>>(), [(0, true), (500, false)]);
        let stream = &store.streams(None, 10).await.unwrap()[0];
        assert_eq!((stream.tail, stream.provisional), (2, 1));
        assert!(store.outbox("me", NOON, 1, 10).await.unwrap().is_empty());

        let mut short = tail(2);
        short.truncate(1);
        store.append(vec![Incoming { tail: short, ..file.batch(0, Vec::new()) }]).await.unwrap();
        let rows = store.messages(&MessageFilter::default(), None, 10).await.unwrap().rows;
        assert_eq!(rows.iter().map(|m| m.time.0 - NOON.0).collect::<Vec<_>>(), [2_000_000]);

        let record = file.record(0, &says("a", 2, "INVITE"));
        store.append(vec![file.batch(0, vec![record])]).await.unwrap();
        let rows = store.messages(&MessageFilter::default(), None, 10).await.unwrap().rows;
        assert_eq!(rows.iter().map(|m| (m.id.offset.0, m.provisional)).collect::<Vec<_>>(), [(0, false)]);
        let stream = &store.streams(None, 10).await.unwrap()[0];
        assert_eq!((stream.tail, stream.provisional), (0, 0));
    }

    async fn an_append_killed_before_its_commit_leaves_nothing(store) {
        let file = File::new(1);
        // Opening made those of the day on which this test runs.
        store.keep_partitions(NOON).await.unwrap();
        let prepared = crate::append::Prepared::of(file.batch(0, five(&file).0));
        store.backend.ensure_days(prepared.days().collect()).await.unwrap();
        let mut tx = store.backend.begin().await.unwrap();
        crate::append::known::Unknown::of([&prepared], &store.caches).write(&mut tx).await.unwrap();
        let outcome = crate::append::apply::stream(&mut tx, &prepared).await.unwrap();
        assert!(matches!(outcome, Outcome::Stored { .. }));
        drop(tx);
        assert!(stored(&store).await.is_empty());
        assert!(store.streams(None, 10).await.unwrap().is_empty());
        let outcome = store.append(vec![file.batch(0, five(&file).0)]).await.unwrap();
        assert!(matches!(outcome[..], [Outcome::Stored { .. }]));
        assert_eq!(stored(&store).await.len(), 5);
    }

    async fn a_stream_that_fails_does_not_hinder_those_committed_with_it(store) {
        let (good, bad) = (File::new(1), File::new(2));
        store.append(vec![bad.batch(0, Vec::new())]).await.unwrap();
        // An outbox row in the way of the bad stream's next one.
        let mut tx = store.backend.begin().await.unwrap();
        let end = five(&bad).1[5] as i64;
        with_transaction!(&mut tx, db => {
            sqlx::query("insert into outbox (stream_id, end_off, made, events) values (2, $1, 0, $2)")
                .bind(end).bind(Vec::<u8>::new()).execute(db).await.unwrap();
        });
        tx.commit().await.unwrap();
        let both = vec![bad.batch(0, five(&bad).0), good.batch(0, five(&good).0)];
        assert!(store.append(both).await.is_err());
        assert_eq!(stored(&store).await.iter().map(|id| id.stream.0).collect::<Vec<_>>(), [1; 5]);
        assert_eq!(store.streams(None, 10).await.unwrap().iter().map(|row| row.w.0).collect::<Vec<_>>(), [end as u64, 0]);
    }

    async fn a_thousand_records_of_many_calls_are_stored_in_order(store) {
        let mut file = File::new(1);
        let calls = ["a", "b", "c", "d", "e", "f", "g"];
        file.log(&store, (0..1000).map(|at| says(calls[at % 7], at as i64, "INVITE"))).await;
        let ids = stored(&store).await;
        assert_eq!(ids.len(), 1000);
        assert!(ids.is_sorted());
        assert_eq!(store.totals().await.unwrap().records, 1000);
    }

    async fn what_a_batch_did_not_know_of_a_call_is_told_by_a_later_one(store) {
        let mut file = File::new(1);
        let called = |person: &str, from: i64| Filter {
            person: Some(person.into()),
            to: Some(Timestamp(NOON.0 + from * SECOND)),
            ..Filter::default()
        };
        let found = async |filter: Filter| store.search(&filter, None, 10).await.unwrap().rows.len();
        file.log(&store, [Says { from: None, to: None, ..says("a", 7200, "INFO") }]).await;
        fixture::correlate(&store, 10).await;
        assert_eq!(found(called("alice", 9000)).await, 0);
        file.log(&store, [says("a", 7300, "INVITE").people("alice", "bob")]).await;
        fixture::correlate(&store, 10).await;
        assert_eq!((found(called("alice", 9000)).await, found(called("bob", 9000)).await), (1, 1));
        // Older than all before: it is found in that time, too, and who was known stays.
        assert_eq!(found(called("alice", 10)).await, 0);
        file.log(&store, [says("a", 0, "INVITE").people("carol", "dave")]).await;
        fixture::correlate(&store, 10).await;
        assert_eq!((found(called("alice", 10)).await, found(called("carol", 10)).await), (1, 0));
    }

    async fn hostile_text_is_stored(store) {
        let file = File { agent: "a\0".repeat(2000), ..File::new(1) };
        let mut row = file.message(0, &says("a", 0, "INVITE"));
        let long = "x\0é".repeat(50_000);
        row.event.call_id.clone_from(&long);
        row.event.from = Some(long.clone());
        row.event.to = Some(long.clone());
        row.event.keys = vec![message::keys::Key::new(&long, long.clone())];
        row.source.clone_from(&long);
        row.method.clone_from(&long);
        row.time = Timestamp(i64::MIN);
        let mut batch = file.batch(0, vec![Item::Record(Box::new(row), Vec::new())]);
        let meta = batch.meta.as_mut().unwrap();
        (meta.host, meta.source, meta.zone) = (long.clone(), long.clone(), long.clone());
        meta.path = vec![0, 255, 13];
        batch.size = u64::MAX;
        batch.near_misses = vec![NearMiss { lines: u64::MAX, example: vec![0; 9000], ..NearMiss::default() }];
        batch.tail_near_misses.clone_from(&batch.near_misses);
        assert!(matches!(store.append(vec![batch]).await.unwrap()[..], [Outcome::Stored { .. }]));
        fixture::correlate(&store, 10).await;
        assert_eq!(store.totals().await.unwrap().scenarios, 1);
    }

    async fn an_end_marker_outlives_marks_but_not_new_bytes(store) {
        let file = File::new(1);
        let closed = async || store.streams(None, 1).await.unwrap()[0].closed;
        let end = Some(EndMarker { size: 5, ..EndMarker::default() });
        store.append(vec![Incoming { closed: end, ..file.batch(0, vec![noise(0, 5)]) }]).await.unwrap();
        assert!(closed().await);
        store.append(vec![file.batch(5, Vec::new())]).await.unwrap();
        assert!(closed().await);
        store.append(vec![file.batch(5, vec![noise(5, 1)])]).await.unwrap();
        assert!(!closed().await);
    }

    async fn a_stream_says_when_its_latest_message_was_logged_however_long_ago(store) {
        let file = File::new(1);
        let old = file.message(0, &says("a", -400 * 86_400, "INVITE"));
        let (time, end) = (old.time, old.len);
        store.append(vec![file.batch(0, vec![Item::Record(Box::new(old), Vec::new())])]).await.unwrap();
        assert_eq!(store.streams(None, 10).await.unwrap()[0].last_event, Some(time));
        let far = file.message(end, &says("b", 400 * 86_400, "INVITE"));
        let ahead = far.time;
        store.append(vec![file.batch(end, vec![Item::Record(Box::new(far), Vec::new())])]).await.unwrap();
        let last = store.streams(None, 10).await.unwrap()[0].last_event.unwrap();
        assert!(time < last && last < ahead, "{last}");
    }

    async fn a_broken_clock_is_filed_near_its_arrival_and_keeps_its_time(store) {
        let file = File::new(1);
        let far = says("a", 400 * 86_400, "INVITE");
        let old = says("b", -400 * 86_400, "INVITE");
        let first = file.message(0, &far);
        let second = file.message(first.len, &old);
        assert_eq!((first.day, second.day), (NOON.day(), Day(NOON.day().0 - 2)));
        let times = [second.time, first.time];
        let items = vec![Item::Record(Box::new(first), Vec::new()), Item::Record(Box::new(second), Vec::new())];
        store.append(vec![file.batch(0, items)]).await.unwrap();
        let rows = store.messages(&MessageFilter::default(), None, 10).await.unwrap().rows;
        assert_eq!(rows.iter().map(|message| message.time).collect::<Vec<_>>(), times);
    }
}
