//! What settling costs beside storing and joining: `cargo bench -p collector -- [CALLS] [postgres]`, 5,000 calls of 13 messages
//! by default; on SQLite, or on the PostgreSQL of `scripts/postgres start`.
//!
//! First calls that have just come are settled, a fifth of them at a time; then all of them again, as after a change of rules.
//! CPU time of this process, so that other work on the machine counts little; what PostgreSQL itself uses is not counted.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "its figures are what a bench is for")]

#[allow(dead_code, reason = "shared with the tests")]
#[path = "../tests/collector/door.rs"]
mod door;
#[path = "../../tests/support/made.rs"]
mod made;
#[allow(dead_code, reason = "tests use more of it")]
#[path = "../tests/collector/schema.rs"]
mod schema;

use std::ops::Range;
use std::sync::Arc;

use collector::book::Shelf;
use collector::settle::{self, Known};
use collector::{Config, Ingest, correlate};
use made::End;
use record::time::{DAY, MINUTE, Timestamp};
use record::wire::{Heartbeat, SourceReport};
use rustix::time::{ClockId, clock_gettime};
use schema::Schema;
use store::{Location, Store};
use tikv_jemallocator::Jemalloc;

/// That of the product.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// So many parts come one after the other, and so often all is settled again: of each the median.
const ROUNDS: usize = 5;
const MESSAGES: usize = 13;
/// Of so many calls one is never acknowledged.
const BROKEN: usize = 100;
/// They begin so long after each other.
const APART: i64 = MINUTE / 5_000;
/// Calls that come in one batch.
const TOGETHER: usize = 100;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let calls = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(5_000);
    let dir = tempfile::tempdir().unwrap();
    let schema = arguments.iter().any(|argument| argument == "postgres").then(|| Schema::make("settle"));
    let location = schema.as_ref().map_or_else(|| Location::Directory(dir.path().into()), Schema::location);
    tokio::runtime::Runtime::new().unwrap().block_on(run(&location, calls));
}

async fn run(location: &Location, calls: usize) {
    let store = Store::open(location).await.unwrap();
    let book = Shelf::open(&Config::default()).unwrap().book();
    let mut known = Known::default();
    let began = collector::ingest::now();
    // Who settles is there when they come.
    settle::step(&store, "bench", &book, &mut known, began).await.unwrap();
    let mut now = Timestamp(began.0 + DAY / 2);
    hear(&store, now).await;
    let mut all = 0;
    let mut settle = async |what: &str, messages: usize, now: Timestamp| {
        let (before, mut settled) = (spent(), 0);
        loop {
            match settle::step(&store, "bench", &book, &mut known, now).await.unwrap() {
                0 => break,
                some => settled += some,
            }
        }
        let spent = (spent() - before) / messages as f64;
        println!("{what:16} {spent:6.2} us a message, {settled} calls of {messages} messages");
        spent
    };
    let (mut first, mut again, mut base) = (Vec::new(), Vec::new(), 0);
    let part = |round: usize| calls * round / ROUNDS;
    for round in 0..ROUNDS {
        let before = spent();
        let messages = ingest(&store, part(round)..part(round + 1), began, &mut base).await;
        let stored = spent();
        while correlate::step(&store, "bench").await.unwrap() > 0 {}
        let per = |micros: f64| micros / messages as f64;
        println!("stored           {:6.2} us a message, framing included", per(stored - before));
        println!("joined           {:6.2} us a message", per(spent() - stored));
        first.push(settle("settled", messages, now).await);
        all += messages;
    }
    for _ in 0..ROUNDS {
        now = Timestamp(now.0 + 10 * MINUTE);
        store.judge_again(Timestamp(0), now).await.unwrap();
        now = Timestamp(now.0 + 10 * MINUTE);
        again.push(settle("settled again", all, now).await);
    }
    for (what, mut of) in [("settled", first), ("settled again", again)] {
        of.sort_by(f64::total_cmp);
        println!("{what:16} {:6.2} us a message, the median", of[ROUNDS / 2]);
    }
}

/// Stores these calls after what is in the log; gives their messages.
async fn ingest(store: &Store, calls: Range<usize>, began: Timestamp, base: &mut u64) -> usize {
    let ingest = Ingest::new(store.clone(), &Config::default());
    let mut messages = 0;
    for some in calls.clone().collect::<Vec<_>>().chunks(TOGETHER) {
        let mut records = Vec::new();
        for nth in some {
            let end = if nth % BROKEN == 0 { End::NoAck } else { End::Well };
            let begins = began.0 + APART * *nth as i64;
            made::call(&mut records, begins, &format!("{began}-{nth}"), end);
        }
        messages += records.len();
        let log = made::log(records);
        let append = door::batch(vec![door::stream(1, *base, &log)]);
        ingest.append(Arc::new(append)).await.unwrap();
        *base += log.len() as u64;
    }
    debug_assert!(messages <= calls.len() * MESSAGES);
    messages
}

/// All that is logged so far is read.
async fn hear(store: &Store, now: Timestamp) {
    let report =
        SourceReport { name: door::meta().source, read_to: Some(Timestamp(now.0 + DAY)), ..SourceReport::default() };
    let heartbeat = Heartbeat {
        version: 1,
        agent: "agent-1".into(),
        program: "0.1.0".into(),
        host: "host-1".into(),
        clock: now,
        sources: vec![report],
        unread: Vec::new(),
        more_unread: 0,
        places: None,
        stops: false,
    };
    store.hear(&heartbeat, now).await.unwrap();
}

/// Microseconds of CPU that this process took so far.
fn spent() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3
}
