//! How late a quiet log is read beside busy ones: a record a second beside four logs that are written as fast as the disk
//! takes them, and a gigabyte of which stands there when the agent begins.
//!
//! `cargo bench -p agent --bench fair -- [SECONDS]`. The collector stores nothing: what is measured is the wait from the write
//! to the append that brings the record, the agent's own wait for a full batch included.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use agent::{Call, Config, Progress, Reply, Source, Transport};
use record::id::StreamId;
use record::span::SpanKind;
use record::wire::{Answer, Append, Positions, StreamAnswer, StreamAppend};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Of each busy log: what stands there at the beginning, and what is written at most.
const BEFORE: u64 = 256 << 20;
const MOST: u64 = 2 << 30;
const BUSY: [&str; 4] = ["a.log", "b.log", "c.log", "d.log"];
const QUIET: &str = "z.log";

fn main() {
    let seconds: u64 = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(20);
    let dir = tempfile::tempdir().expect("a directory for the logs");
    let records: Vec<u8> = (0..1000).flat_map(|nth| record("busy", nth)).collect();
    for name in BUSY {
        let mut log = File::create(dir.path().join(name)).expect("a log");
        (0..BEFORE / records.len() as u64).for_each(|_| log.write_all(&records).expect("written"));
    }
    let (stop, busy, waits) = (AtomicBool::new(false), AtomicU64::new(0), Waits::default());
    let (received, written) = thread::scope(|scope| {
        for name in BUSY {
            let (path, records, stop, busy) = (dir.path().join(name), &records, &stop, &busy);
            scope.spawn(move || write_busy(&path, records, stop, busy));
        }
        let (path, stop_quiet, waiting) = (dir.path().join(QUIET), &stop, waits.clone());
        scope.spawn(move || write_quiet(&path, stop_quiet, &waiting));
        let received = follow(dir.path(), &waits, Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
        (received, busy.load(Ordering::Relaxed))
    });
    let mut seen = waits.lock().seen.clone();
    seen.sort_unstable();
    let [median, last] =
        [seen.len() / 2, seen.len().saturating_sub(1)].map(|at| seen.get(at).copied().unwrap_or_default());
    let line = format!(
        "beside {} MB that stood there and {} MB written in {seconds} s, of which {} MB were read: {} records waited {:.2} s \
         (median), {:.2} s at most, {} still wait\n",
        4 * (BEFORE >> 20),
        written >> 20,
        received >> 20,
        seen.len(),
        median.as_secs_f64(),
        last.as_secs_f64(),
        waits.lock().written.len(),
    );
    std::io::stdout().write_all(line.as_bytes()).expect("standard output");
}

fn record(call: &str, nth: u64) -> Vec<u8> {
    let body = "a=rtpmap:96 codec/8000\r\n".repeat(20);
    format!(
        "[2026-11-23 19:53:58.132][INVITE][sip:192.0.2.1:5060][sip:192.0.2.2:5060]\nINVITE sip:bob@example.com SIP/2.0\r\n\
         Call-ID: {call}-{nth}@192.0.2.1\r\nCSeq: 1 INVITE\r\nContent-Length: {}\r\n\r\n{body}\n",
        body.len()
    )
    .into_bytes()
}

fn write_busy(path: &Path, records: &[u8], stop: &AtomicBool, busy: &AtomicU64) {
    let mut log = fs::OpenOptions::new().append(true).open(path).expect("a log");
    let mut size = BEFORE;
    while !stop.load(Ordering::Relaxed) && size < MOST {
        log.write_all(records).expect("written");
        size += records.len() as u64;
        busy.fetch_add(records.len() as u64, Ordering::Relaxed);
    }
}

fn write_quiet(path: &Path, stop: &AtomicBool, waits: &Waits) {
    let mut log = File::create(path).expect("a log");
    for nth in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        waits.lock().written.push_back(Instant::now());
        log.write_all(&record("quiet", nth)).expect("written");
        thread::park_timeout(Duration::from_secs(1));
    }
}

/// When records of the quiet log were written and not received yet, and how long the others waited.
#[derive(Clone, Default)]
struct Waits(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    written: VecDeque<Instant>,
    seen: Vec<Duration>,
}

impl Waits {
    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn received(&self, records: usize) {
        let mut seen = self.lock();
        for _ in 0..records {
            let waited = seen.written.pop_front().map(|at| at.elapsed());
            seen.seen.extend(waited);
        }
    }
}

/// Follows the logs for so long; gives the bytes that were received.
fn follow(logs: &Path, waits: &Waits, time: Duration) -> u64 {
    let config = Config {
        state: logs.join("state"),
        id: Some("bench".into()),
        sources: vec![Source::new("bench", vec![logs.join("*.log").display().to_string()])],
        ..Config::default()
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (calls, waiting) = mpsc::channel(4);
        let collector = tokio::spawn(collect(waiting, waits.clone()));
        let cancel = CancellationToken::new();
        let progress = watch::Sender::new(Progress::default());
        let agent = tokio::spawn(agent::run(config, Transport::InProcess(calls), progress, cancel.clone()));
        tokio::time::sleep(time).await;
        cancel.cancel();
        agent.await.expect("an agent").expect("no error");
        collector.await.expect("a collector")
    })
}

async fn collect(mut calls: mpsc::Receiver<Call>, waits: Waits) -> u64 {
    let (mut quiet, mut bytes) = (None, 0);
    while let Some(call) = calls.recv().await {
        match call {
            Call::Append(append, reply) => {
                for part in &append.streams {
                    if part.meta.as_ref().is_some_and(|meta| meta.path.ends_with(QUIET.as_bytes())) {
                        quiet = Some(part.stream);
                    }
                    bytes += part.end.0 - part.base.0;
                    waits.received(records_of(part, quiet));
                }
                let _ = reply.send(Reply::Answer(answer(&append)));
            }
            Call::Heartbeat(_, heard) => _ = heard.send(Ok(())),
            Call::Positions { answer, .. } => _ = answer.send(Ok(Positions::default())),
        }
    }
    bytes
}

fn records_of(part: &StreamAppend, of: Option<StreamId>) -> usize {
    let records = part.spans.iter().filter(|span| span.kind == SpanKind::Record);
    if Some(part.stream) == of { records.count() } else { 0 }
}

fn answer(append: &Append) -> Answer {
    let said = |part: &StreamAppend| StreamAnswer { stream: part.stream, w: part.end, part: None, refused: None };
    Answer { version: 1, batch: append.batch, lease: 0, streams: append.streams.iter().map(said).collect() }
}
