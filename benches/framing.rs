//! How fast logs are framed on one core, in chunks as the agent reads them.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use record::format::Format;
use record::frame::{Framer, Limits, Next, Resume};
use record::id::Offset;

const KAMAILIO: &[u8] = include_bytes!("../tests/logs/kamailio.log");
const LOGBACK: &[u8] = include_bytes!("../tests/logs/logback/app.log");
const SIZE: usize = 64 << 20;
const CHUNK: usize = 256 << 10;

fn framing(c: &mut Criterion) {
    let mut group = c.benchmark_group("framing");
    group.sample_size(10).throughput(Throughput::Bytes(SIZE as u64));
    for (name, log) in [("kamailio", repeated(KAMAILIO)), ("logback", repeated(LOGBACK)), ("noise", noisy())] {
        group.bench_with_input(BenchmarkId::from_parameter(name), &log, |b, log| b.iter(|| frame(black_box(log))));
    }
    group.finish();
}

/// Frames a closed log and gives the number of its spans.
fn frame(log: &[u8]) -> usize {
    let mut framer = Framer::new(Arc::new(Format::siptrail()), Offset(0), &Resume::default(), Limits::default());
    let (mut at, mut spans, mut count) = (0, Vec::new(), 0);
    while at < log.len() {
        let end = log.len().min(at + CHUNK);
        at = match framer.feed(&log[at..end], &mut spans) {
            Next::More => end,
            Next::From(offset) => offset.0 as usize,
        };
        count += spans.len();
        spans.clear();
    }
    count
}

fn repeated(log: &[u8]) -> Vec<u8> {
    log.iter().copied().cycle().take(SIZE).collect()
}

/// Lines of an application, a small record after each hundred: what an agent reads most of the day.
fn noisy() -> Vec<u8> {
    let tick = "2026-11-23 20:54:20.964 INFO  [Thread-1] c.e.sip.Transport - session call-166@example.com state=PROCEEDING [worker-1]\n";
    let record = "2026-11-23 20:54:20.965 INFO  [Thread-1] c.e.sip.Transport - [2026-11-23 20:54:20.965][PUSH][http://192.0.2.9][https://push.example.com/send]\n{\"to\":\"bob\"}\n";
    repeated(format!("{}{record}", tick.repeat(100)).as_bytes())
}

criterion_group!(benches, framing);
criterion_main!(benches);
