//! From write to page: one record is written to a quiet log, and timed until the API shows it, which pages read, too. Most of
//! these cannot be final before more is written.
//!
//! `cargo bench --bench shown -- [ROUNDS]`, 20 by default, into SQLite.

#![allow(clippy::print_stdout, reason = "its figures are what a bench is for")]

mod ask;
#[allow(dead_code, reason = "shared with the other benches")]
mod siptrail;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use siptrail::Siptrail;

const LOOK: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// A kind of record: what it is, the method and the message.
const KINDS: [(&str, &str, &str); 8] = [
    ("SIP with its length", "BYE", "BYE sip:bob@example.com SIP/2.0\r\nCall-ID: NTH@a\r\nContent-Length: 0\r\n\r\n"),
    ("SIP without a length", "BYE", "BYE sip:bob@example.com SIP/2.0\r\nCall-ID: NTH@a\r\n\r\n"),
    (
        "SIP with too large a length",
        "BYE",
        "BYE sip:bob@example.com SIP/2.0\r\nCall-ID: NTH@a\r\nContent-Length: 900\r\n\r\n",
    ),
    ("POST with its length", "POST", "POST /v1/calls HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"),
    ("GET", "GET", "GET /v1/calls/NTH HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    ("HEAD and its answer", "HEAD", "HEAD /v1/calls HTTP/1.1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
    ("304", "304", "HTTP/1.1 304 Not Modified\r\nETag: \"NTH\"\r\n\r\n"),
    ("push in JSON", "PUSH", "{\"to\":\"device\",\"nth\":NTH}"),
];

fn main() {
    let rounds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(20);
    for (name, method, message) in KINDS {
        let dir = tempfile::tempdir().expect("a directory");
        let mut waits = shown(dir.path(), method, message, rounds);
        waits.sort();
        let [median, worst] = [waits[waits.len() / 2], waits[waits.len() - 1]].map(|wait| wait.as_millis());
        println!("write to page, {name}: {rounds} records, median {median} ms, worst {worst} ms");
    }
}

fn shown(dir: &Path, method: &str, message: &str, rounds: usize) -> Vec<Duration> {
    let log = dir.join("app.log");
    File::create(&log).expect("created");
    let siptrail = Siptrail::watch(&dir.join("data"), &log);
    let write = |nth: usize| {
        let header = format!("[2026-11-23 19:53:58.{nth:03}][{method}][sip:192.0.2.1][http://192.0.2.2]\n");
        let record = format!("{header}{}\n", message.replace("NTH", &nth.to_string()));
        let begun = Instant::now();
        OpenOptions::new().append(true).open(&log).expect("opened").write_all(record.as_bytes()).expect("written");
        begun
    };
    (0..rounds)
        .map(|nth| {
            let begun = write(nth);
            while siptrail.get("/api/v1/messages?limit=1000").1.matches("\"offset\":").count() <= nth {
                assert!(begun.elapsed() < PATIENCE, "record {nth} is not shown");
                std::thread::park_timeout(LOOK);
            }
            begun.elapsed()
        })
        .collect()
}
