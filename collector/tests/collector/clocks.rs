//! How far clocks are apart is learned from all calls of an hour.

use collector::book::Shelf;
use collector::settle::Known;
use collector::{Config, correlate, settle};
use record::id::StreamId;
use record::time::{SECOND, Timestamp};
use store::scenario::ScenarioRow;
use store::search::Filter;

use crate::door::{Door, stream};

/// By machine: its address, and by how many milliseconds its clock is off.
const MACHINES: [(&str, i64); 3] = [("10.0.0.1", -400), ("10.0.0.2", 0), ("10.0.0.3", 0)];

/// One record in the log of a machine, so many milliseconds after noon. `hops`: the hosts of its Vias, the last one alice's phone.
fn record(log: usize, at: i64, (from, to): (&str, &str), hops: &[&str], call: &str, status: Option<u16>) -> String {
    let at = at + MACHINES[log].1 + 1000;
    let (start, what) = match status {
        Some(status) => (format!("SIP/2.0 {status} Said"), status.to_string()),
        None => ("INVITE sip:bob@example.com SIP/2.0".to_owned(), "INVITE".to_owned()),
    };
    let via = |host: &&str| format!("Via: SIP/2.0/UDP {host}:5060;branch=z9hG4bK{call}{host}\r\n");
    let vias: String = hops.iter().map(via).collect();
    let tag = if status.is_some() { ";tag=b" } else { "" };
    format!(
        "[2026-11-23 12:00:{:02}.{:03}][{what}][sip:{from}:5060][sip:{to}:5060]\n{start}\r\n{vias}\
         From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>{tag}\r\n\
         Call-ID: {call}@example.com\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n\n",
        at / 1000,
        at % 1000
    )
}

const ALICE: &str = "192.0.2.9";

/// Alice calls one machine, which asks another, as both log it; each way takes a millisecond. The pieces of two logs.
fn call(call: &str, at: i64, (a, b): (usize, usize)) -> [(usize, String); 2] {
    let (one, other) = (MACHINES[a].0, MACHINES[b].0);
    let (phone, both) = ([ALICE], [one, ALICE]);
    [
        (
            a,
            record(a, at, (ALICE, one), &phone, call, None)
                + &record(a, at + 1, (one, other), &both, call, None)
                + &record(a, at + 53, (other, one), &both, call, Some(486))
                + &record(a, at + 54, (one, ALICE), &phone, call, Some(486)),
        ),
        (
            b,
            record(b, at + 2, (one, other), &both, call, None)
                + &record(b, at + 52, (other, one), &both, call, Some(486)),
        ),
    ]
}

/// Three logs, and how much of each was sent.
struct Place {
    door: Door,
    sent: [u64; 3],
}

impl Place {
    async fn send(&mut self, pieces: impl IntoIterator<Item = (usize, String)>) {
        for (log, text) in pieces {
            let mut piece = stream(log as i64 + 1, self.sent[log], &text);
            piece.stream = StreamId(log as i64 + 1);
            if let Some(meta) = &mut piece.meta {
                meta.source = format!("log-{}", log + 1);
            }
            let (status, answer) = self.door.append(vec![piece]).await;
            assert!(status.is_success(), "{answer:?}");
            self.sent[log] += text.len() as u64;
        }
        while correlate::step(&self.door.store, "one").await.expect("correlated") > 0 {}
    }

    async fn listed(&self, caller: &str) -> ScenarioRow {
        let filter = Filter { call_id: Some(format!("{caller}@example.com")), ..Filter::default() };
        self.door.store.search(&filter, None, 10).await.expect("found").rows.remove(0)
    }
}

/// How a call is told: by how much its beginning was moved, which is the log of its caller.
fn moved(row: &ScenarioRow, at: i64) -> i64 {
    let noon = Timestamp(1_795_435_200 * SECOND);
    row.begun.expect("begun").micros_since(noon) / 1000 - at - 1000
}

#[tokio::test]
async fn what_one_collector_measured_of_clocks_repairs_the_calls_of_all() {
    let mut place = Place { door: Door::open().await, sent: [0; 3] };
    let book = Shelf::open(&Config::default()).expect("the built-in rules").book();
    let mut known = Known::default();
    // Many calls, so that it is known which machine writes which log.
    for n in 0..6 {
        let (name, at) = (format!("warm-{n}"), 100 * n);
        let pairs = [(0, 1), (1, 2), (0, 2)];
        place.send(call(&name, at, pairs[n as usize % 3])).await;
    }
    // Of two clocks the first by name counts as right, if nobody else says which is.
    place.send(call("two", 2000, (1, 0))).await;
    let later = |seconds: i64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        Timestamp(now.as_micros() as i64 + seconds * SECOND)
    };
    let mut at = 100;
    while settle::step(&place.door.store, "one", &book, &mut known, later(at)).await.expect("settled") > 0 {
        at += 100;
    }
    assert!(at > 200, "what was learned settled them again");
    let two = place.listed("two").await;
    assert_eq!((two.status, moved(&two, 2000)), (Some(486), 0), "the clock of the caller's log is right");
    // Another collector, and a call that says nothing of clocks itself.
    let mut known = Known::default();
    let alone = record(0, 5000, (ALICE, MACHINES[0].0), &[ALICE], "alone", None);
    place.send([(0, alone)]).await;
    let settled = settle::step(&place.door.store, "two", &book, &mut known, later(at)).await.expect("settled");
    assert_eq!(settled, 1);
    assert_eq!(moved(&place.listed("alone").await, 5000), 0, "its log is 400 ms behind");
}
