//! A round on a clock of its own: each second, what was logged until then is read, judged and reported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use collector::book::Shelf;
use collector::mail::Settings;
use collector::report::{self, Desk};
use collector::settle::{self, Known};
use collector::{Config, Ingest};
use record::format::Format;
use record::frame::{Framer, Limits, Resume};
use record::id::{Offset, StreamId};
use record::span::SpanKind;
use record::time::{SECOND, Timestamp};
use record::wire::{self, Append, FileIdentity, Guard, Heartbeat, SourceReport, StreamAppend, StreamMeta, WireSpan};
use store::{Location, Store};

use super::network::Log;
use super::player::record;
use super::script::{LENGTH, round};

/// What is new in a log, as an agent sends it.
fn append(log: Log, nth: usize, base: u64, text: &str) -> StreamAppend {
    let mut framer = Framer::new(Arc::new(Format::siptrail()), Offset(0), &Resume::default(), Limits::default());
    let mut found = Vec::new();
    framer.feed(text.as_bytes(), &mut found);
    framer.close(&mut found);
    let sent = |span: &record::span::Span| {
        let bytes = &text.as_bytes()[span.start.0 as usize..span.end().0 as usize];
        let mut sent = WireSpan::new(span.start.plus(base), span.len, span.kind);
        (sent.head, sent.line_end, sent.lines, sent.flags) = (span.head, span.line_end, span.lines, span.flags);
        if matches!(span.kind, SpanKind::Record | SpanKind::Fragment) {
            sent.hash = WireSpan::hash_of(bytes);
            sent.bytes = bytes.to_vec().into();
        }
        sent
    };
    let end = Offset(base + text.len() as u64);
    let meta = StreamMeta {
        source: log.file().into(),
        format: Format::siptrail().definition().clone(),
        zone: "UTC".into(),
        path: log.file().into(),
        host: "demo".into(),
        file: FileIdentity { device: 1, inode: nth as u64, generation: 1, birth: 1 },
        epoch: 0,
        predecessor: None,
    };
    StreamAppend {
        stream: StreamId(nth as i64),
        meta: Some(meta),
        base: Offset(base),
        end,
        spans: found.iter().map(sent).collect(),
        tail: Vec::new(),
        guard: Guard::default(),
        size: end.0,
        read_to: end,
        read_at: Timestamp(0),
        closed: None,
        settled: false,
    }
}

fn heartbeat(now: Timestamp) -> Heartbeat {
    let report = |log: Log| SourceReport { name: log.file().into(), read_to: Some(now), ..SourceReport::default() };
    Heartbeat {
        version: 1,
        agent: "demo".into(),
        program: "0.1.0".into(),
        host: "demo".into(),
        clock: now,
        sources: Log::ALL.into_iter().map(report).collect(),
        unread: Vec::new(),
        more_unread: 0,
        places: None,
        stops: false,
    }
}

#[tokio::test]
async fn each_failure_is_an_alert_within_a_minute_of_its_deadline_and_a_mail_before_the_round_is_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&Location::Directory(dir.path().to_owned())).await.expect("a store");
    let (config, script) = (Config::default(), round("a"));
    let (ingest, book) = (Ingest::new(store.clone(), &config), Shelf::open(&config).expect("right").book());
    let desk = Desk { settings: Settings::nowhere("http://localhost:8480"), can_send: false };
    let start = Timestamp(1_795_467_600 * SECOND);
    let mut known = Known::default();
    let mut bases = [0_u64; Log::ALL.len()];
    let mut late: BTreeMap<(String, String), i64> = BTreeMap::new();
    for second in 0..=LENGTH / SECOND {
        let now = Timestamp(start.0 + second * SECOND);
        for (nth, log) in Log::ALL.into_iter().enumerate() {
            let is_new = |at: i64| at > (second - 1) * SECOND && at <= second * SECOND;
            let new = script.lines.iter().filter(|line| line.log == log && is_new(line.at));
            let text: String = new.map(|line| record(line, start)).collect();
            if !text.is_empty() {
                let streams = vec![append(log, nth + 1, bases[nth], &text)];
                let sent = Append { version: wire::VERSION, agent: "demo".into(), lease: 0, batch: 1, streams };
                ingest.append(Arc::new(sent)).await.expect("stored");
                bases[nth] += text.len() as u64;
            }
        }
        store.hear(&heartbeat(now), now).await.expect("heard");
        loop {
            let rows = store.outbox("demo", now, SECOND, 32).await.expect("read");
            if rows.is_empty() {
                break;
            }
            store.correlate("demo", now, rows).await.expect("correlated");
        }
        while settle::step(&store, "demo", &book, &mut known, now).await.expect("settled") > 0 {}
        while report::step(&store, &book, &desk, now).await.expect("reported") > 0 {}
        for group in store.alert_groups(100).await.expect("groups") {
            for item in store.alert_items(group.id, 100).await.expect("items") {
                let of = (group.key.failure.clone(), format!("{} {}", item.scenario, item.leg));
                late.entry(of).or_insert_with(|| now.micros_since(item.at) / SECOND);
            }
        }
    }
    assert!(late.values().all(|seconds| (0..60).contains(seconds)), "{late:#?}");
    let failures: BTreeSet<&str> = late.keys().map(|(failure, _)| failure.as_str()).collect();
    let expected = ["answer-lost", "api-timeout", "bye-unanswered", "no-ack", "push-no-wake"];
    assert!(expected.iter().all(|failure| failures.contains(failure)), "{failures:?}");
    let groups = store.alert_groups(100).await.expect("groups");
    let mailed: BTreeSet<&str> =
        groups.iter().filter(|group| group.mails > 0).map(|group| group.key.failure.as_str()).collect();
    assert_eq!(mailed, BTreeSet::from(expected), "each kind is mailed once, and what the look-up explains is not");
    let broken: BTreeSet<_> = late.keys().map(|(_, of)| of.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(broken.len(), script.broken);
}
