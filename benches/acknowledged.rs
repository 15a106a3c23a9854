//! From write to acknowledgement: a log grows at a given rate, the agent follows it over HTTP to the collector, and each
//! record is timed from the moment it was written until the watermark covers it.
//!
//! `cargo bench --bench acknowledged -- [SECONDS] [MEGABYTES A SECOND]`, 30 and 20 by default, into SQLite and into both
//! databases of `scripts/postgres start` and `scripts/postgres start durable`.

#![allow(clippy::print_stdout, reason = "its figures are what a bench is for")]

mod ask;
#[allow(dead_code, reason = "shared with the other benches")]
mod recorded;
#[allow(dead_code, reason = "shared with the other benches")]
mod siptrail;

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use record::format::Format;
use record::frame;
use record::span::SpanKind;
use record::wire::{self, Positions};

use siptrail::{AGENT, Pair, Schema, Server};

/// The watermark is asked for so often; a record may have been covered for so long before that is seen.
const LOOK: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_mins(1);

fn main() {
    let mut arguments = std::env::args().filter_map(|argument| argument.parse::<f64>().ok());
    let span = Duration::from_secs_f64(arguments.next().unwrap_or(30.0));
    let rate = arguments.next().unwrap_or(20.0) * 1e6;
    let dir = tempfile::tempdir().expect("a directory");
    measure("SQLite", &dir.path().join("sqlite"), None, span, rate);
    for (name, server) in Server::BOTH {
        measure(name, &dir.path().join(name), Some(&Schema::create(server)), span, rate);
    }
}

fn measure(name: &str, dir: &Path, schema: Option<&Schema>, span: Duration, rate: f64) {
    std::fs::create_dir_all(dir).expect("made");
    let path = dir.join("sip.log");
    let mut log = Log { file: File::create(&path).expect("created"), len: 0, copies: 0 };
    log.copy(|_| {});
    let pair = Pair::start(dir, &path, schema);
    let first = log.len;
    // The last record of a log may be provisional until the next one comes.
    let seen = watch(&pair.collector.address, first / 2);
    assert!(seen.last().is_some_and(|(_, w)| *w > 0));

    let writer = std::thread::spawn(move || grow(log, span, rate));
    let mut seen = Vec::new();
    while !writer.is_finished() {
        look(&pair.collector.address, &mut seen);
    }
    let (written, took) = writer.join().expect("written");
    let last = written.last().map_or(0, |record| record.end);
    seen.extend(watch(&pair.collector.address, last));

    let mut waits = waits(&written, &seen);
    waits.sort();
    let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    let megabytes = (last - first) as f64 / 1e6;
    println!(
        "write to acknowledgement, {name}: {} records, {megabytes:.0} MB at {:.1} MB/s: p50 {:.0} ms, p95 {:.0} ms, p99 {:.0} ms, worst {:.0} ms",
        waits.len(),
        megabytes / took.as_secs_f64(),
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    );
}

/// A record that stands in the log.
struct Written {
    /// The offset behind it.
    end: u64,
    at: Instant,
}

/// A log of recorded messages, written record by record.
struct Log {
    file: File,
    len: u64,
    copies: usize,
}

impl Log {
    /// The recorded log once more, under Call-IDs of its own; `each` is told of the offset behind each record.
    fn copy(&mut self, mut each: impl FnMut(u64)) {
        let text = recorded::copy(self.copies);
        self.copies += 1;
        for span in frame::spans(text.as_bytes(), &Arc::new(Format::siptrail())) {
            let (from, to) = (span.start.0 as usize, span.end().0 as usize);
            self.file.write_all(&text.as_bytes()[from..to]).expect("written");
            self.len += (to - from) as u64;
            if span.kind == SpanKind::Record {
                each(self.len);
            }
        }
    }
}

/// Writes at `rate` for `span`, and one copy more, which makes the last of the measured records final. Gives the
/// records and the time that it took.
fn grow(mut log: Log, span: Duration, rate: f64) -> (Vec<Written>, Duration) {
    let (began, first) = (Instant::now(), log.len);
    let mut written = Vec::new();
    while began.elapsed() < span {
        log.copy(|end| {
            written.push(Written { end, at: Instant::now() });
            let due = Duration::from_secs_f64((end - first) as f64 / rate);
            // Shorter than a millisecond is not worth a sleep: the rate is what is to be kept.
            let early = due.saturating_sub(began.elapsed());
            if early > Duration::from_millis(1) {
                std::thread::park_timeout(early);
            }
        });
    }
    let took = began.elapsed();
    log.copy(|_| {});
    (written, took)
}

/// Looks until the watermark has reached `end`.
fn watch(address: &str, end: u64) -> Vec<(Instant, u64)> {
    let began = Instant::now();
    let mut seen = Vec::new();
    while look(address, &mut seen) < end {
        assert!(began.elapsed() < PATIENCE, "not acknowledged within {PATIENCE:?}");
    }
    seen
}

/// Where the watermark stands now, and when that was known.
fn look(address: &str, seen: &mut Vec<(Instant, u64)>) -> u64 {
    std::thread::park_timeout(LOOK);
    let answer = body(address, &format!("/api/v1/positions?agent={AGENT}"));
    let positions: Positions = wire::decode(&answer).expect("positions");
    let w = positions.positions.iter().map(|position| position.w.0).sum();
    seen.push((Instant::now(), w));
    w
}

/// The body of an answer.
fn body(address: &str, path: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    ask::ask(address, path).read_to_end(&mut answer).expect("an answer");
    let ends = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
    answer.split_off(ends + 4)
}

/// How long each record had been written when the watermark was first seen to cover it.
fn waits(written: &[Written], seen: &[(Instant, u64)]) -> Vec<Duration> {
    let mut looks = seen.iter().peekable();
    let wait = |record: &Written| {
        while looks.next_if(|(_, w)| *w < record.end).is_some() {}
        looks.peek().expect("all is acknowledged").0.saturating_duration_since(record.at)
    };
    written.iter().map(wait).collect()
}
