//! The product as a whole: a log of 200 MB into `siptrail watch`, the same through agent and collector over HTTP into
//! both databases, and the page of a ladder of 200 and of 10,000 messages.
//!
//! `cargo bench --bench product -- [MEGABYTES]`, after `scripts/postgres start` and `scripts/postgres start durable`.
//! Times are by the clock on the wall, CPU time is each process's own.

#![allow(clippy::print_stdout, reason = "its figures are what a bench is for")]

mod ask;
mod recorded;
mod siptrail;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use siptrail::{Pair, Schema, Server, Siptrail};

fn main() {
    let megabytes: usize = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(200);
    let dir = tempfile::tempdir().expect("a directory");
    let load = Load::write(dir.path().join("sip.log"), megabytes);
    load.watched(&dir.path().join("watch"));
    load.sent(&dir.path().join("sqlite"), "SQLite", None);
    for (name, server) in Server::BOTH {
        load.sent(&dir.path().join(name), name, Some(&Schema::create(server)));
    }
    for messages in [200, 10_000] {
        ladder(dir.path(), messages);
    }
}

/// A log whose calls all have Call-IDs of their own.
struct Load {
    log: PathBuf,
    bytes: u64,
    records: u64,
    last_call: String,
}

impl Load {
    fn write(log: PathBuf, megabytes: usize) -> Self {
        let copies = (megabytes << 20).div_ceil(recorded::BYTES);
        let mut out = BufWriter::new(File::create(&log).expect("created"));
        for copy in 0..copies {
            out.write_all(recorded::copy(copy).as_bytes()).expect("written");
        }
        out.flush().expect("written");
        let bytes = std::fs::metadata(&log).expect("written").len();
        Self { log, bytes, records: copies as u64 * recorded::RECORDS, last_call: recorded::last_call(copies - 1) }
    }

    fn watched(&self, data: &Path) {
        let began = Instant::now();
        self.report("watch, SQLite", &Siptrail::watch(data, &self.log), None, began);
    }

    /// Through an agent, over HTTP.
    fn sent(&self, dir: &Path, name: &str, schema: Option<&Schema>) {
        let Pair { collector, agent, began } = Pair::start(dir, &self.log, schema);
        self.report(&format!("agent and collector, {name}"), &collector, Some(&agent), began);
    }

    fn report(&self, name: &str, collector: &Siptrail, agent: Option<&Siptrail>, began: Instant) {
        let stored = collector.until(|it| number(&it.get("/api/v1/streams").1, "\"records\":") >= self.records, began);
        let joined = collector.until(|it| it.correlated(&self.last_call), began);
        let (megabytes, seconds) = (self.bytes as f64 / 1e6, stored.as_secs_f64());
        println!("{name}: {megabytes:.0} MB, {} records", self.records);
        println!(
            "  stored      {seconds:.1} s, {:.0} records/s, {:.1} MB/s",
            self.records as f64 / seconds,
            megabytes / seconds
        );
        println!("  correlated  {:.1} s", joined.as_secs_f64());
        let (cpu, peak) = collector.spent();
        println!("  CPU         {cpu:.1} s, peak memory {} MB", peak / 1_000_000);
        if let Some(agent) = agent {
            let (cpu, peak) = agent.spent();
            println!("  the agent's {cpu:.1} s, peak memory {} MB", peak / 1_000_000);
        }
    }
}

/// First byte and size of a ladder's page: median and worst of 9.
fn ladder(dir: &Path, messages: usize) {
    let log = dir.join(format!("ladder-{messages}.log"));
    write_one_call(&log, messages);
    let began = Instant::now();
    let watch = Siptrail::watch(&dir.join(format!("data-{messages}")), &log);
    watch.until(
        |watch| {
            number(&watch.get("/api/v1/streams").1, "\"records\":") >= messages as u64
                && watch.correlated("long-call@example.com")
        },
        began,
    );
    let mut times: Vec<(Duration, usize)> = (0..9).map(|_| watch.first_byte("/s/00000001")).collect();
    times.sort();
    let ((median, size), (worst, _)) = (times[4], times[8]);
    println!(
        "ladder of {messages} messages: first byte {:.0} ms (worst of 9: {:.0} ms), {size} bytes uncompressed",
        median.as_secs_f64() * 1e3,
        worst.as_secs_f64() * 1e3
    );
}

/// One call: an INVITE, its answer and ACK, then INFO and 200 by turns.
fn write_one_call(log: &Path, messages: usize) {
    let mut out = BufWriter::new(File::create(log).expect("created"));
    for at in 0..messages {
        let cseq = at / 2 + 1;
        let method = if at < 2 { "INVITE" } else { "INFO" };
        let (field, start, ends) = if at.is_multiple_of(2) {
            (method, format!("{method} sip:bob@example.com SIP/2.0"), ("192.0.2.1", "192.0.2.2"))
        } else {
            ("200", "SIP/2.0 200 OK".into(), ("192.0.2.2", "192.0.2.1"))
        };
        let seconds = 1_795_463_450 + at / 100;
        write!(
            out,
            "[{seconds}.{:06}][{field}][sip:{}:5060][sip:{}:5060]\n{start}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{cseq}\r\n\
             From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>;tag=2\r\nCall-ID: long-call@example.com\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:alice@192.0.2.1>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n\n",
            at % 100 * 10_000,
            ends.0,
            ends.1
        )
        .expect("written");
    }
    out.flush().expect("written");
}

/// The sum of a number wherever it stands in a JSON text.
fn number(json: &str, name: &str) -> u64 {
    json.split(name)
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok())
        .sum()
}
