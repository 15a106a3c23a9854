//! Readers of one call: what the server takes in CPU and memory while a long call grows and many watch it live, and while
//! many open the page of a large one at once.
//!
//! `cargo bench --bench viewers -- [READERS] [MESSAGES] [SECONDS]`, 200, 10,500 and 30 by default, on SQLite. Another program is
//! measured the same way with `SIPTRAIL_BENCH_PROGRAM=PATH`.

#![allow(clippy::print_stdout, reason = "its figures are what a bench is for")]

mod ask;
#[allow(dead_code, reason = "shared with the other benches")]
mod siptrail;

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use siptrail::Siptrail;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

/// Messages a second by which the call grows, in one write each.
const RATE: u64 = 10;
/// Live views of one browser.
const OF_A_BROWSER: usize = 4;
/// Readers that open a page at the same time, and the messages of its call with the bytes of each.
const AT_ONCE: usize = 6;
const LARGE: [(usize, usize); 2] = [(2_000, 50_000), (50_000, 400)];

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() {
    let given: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let of = |at: usize, default: usize| given.get(at).copied().unwrap_or(default);
    live(of(0, 200), of(1, 10_500), Duration::from_secs(of(2, 30) as u64)).await;
    for (messages, bytes) in LARGE {
        tokio::task::block_in_place(|| pages(messages, bytes));
    }
}

/// Counts what readers get.
#[derive(Default)]
struct Got {
    open: AtomicUsize,
    bytes: AtomicU64,
    /// Rows that one of them got.
    rows: AtomicU64,
}

async fn live(readers: usize, messages: usize, during: Duration) {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("app.log");
    std::fs::write(&log, call(0..messages, 0)).expect("written");
    let server = Siptrail::watch(&dir.path().join("data"), &log);
    let id = joined(&server, messages);
    let page = server.get(&format!("/s/{id}?page=999")).1;
    let at = page.find("data-live=\"").map(|at| at + 11).expect("a live page");
    let path = page[at..].split('"').next().expect("an address").replace("&#38;", "&").replace("&amp;", "&");
    let version = page.split("data-version=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("").to_owned();
    let and = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{and}since={version}");

    let got = Arc::new(Got::default());
    for reader in 0..readers {
        tokio::spawn(read(server.address.parse().expect("an address"), path.clone(), reader, got.clone()));
    }
    let (rested, _) = server.spent();
    let began = Instant::now();
    while got.open.load(Ordering::Relaxed) < readers && began.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What the first pictures take is not what growing takes.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let open = got.open.load(Ordering::Relaxed);
    let (before, opened) = server.spent();
    let had = got.rows.load(Ordering::Relaxed);
    let (begun, mut written, mut waits) = (Instant::now(), messages, Vec::new());
    let mut log = OpenOptions::new().append(true).open(&log).expect("opened");
    while begun.elapsed() < during {
        let wanted = messages + (begun.elapsed().as_millis() as u64 * RATE / 1000) as usize;
        if written < wanted {
            log.write_all(&call(written..wanted, 0)).expect("written");
            written = wanted;
        }
        // How long ago was the newest row written that has arrived?
        let arrived = (got.rows.load(Ordering::Relaxed) - had) as usize;
        if arrived > 0 {
            waits.push((written - messages).saturating_sub(arrived) as u64 * 1000 / RATE);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (after, peak) = server.spent();
    let share = (after - before) / begun.elapsed().as_secs_f64() * 100.0;
    waits.sort_unstable();
    let (median, worst) = (waits.get(waits.len() / 2).copied().unwrap_or(0), waits.last().copied().unwrap_or(0));
    println!(
        "live: {open} of {readers} readers of {messages} messages growing by {RATE} a second: {share:.1} % of a core, peak \
         memory {} MB ({} when all were open), opening took {:.2} s of CPU, readers are {median} ms behind in the median and {worst} at most, {} kB each",
        peak / 1_000_000,
        opened / 1_000_000,
        before - rested,
        got.bytes.load(Ordering::Relaxed) / 1000 / open.max(1) as u64,
    );
}

/// One browser's live view; a browser has its own address and its own cookie here.
async fn read(server: SocketAddr, path: String, reader: usize, got: Arc<Got>) {
    let browser = reader / OF_A_BROWSER;
    let socket = TcpSocket::new_v4().expect("a socket");
    let from = Ipv4Addr::new(127, 0, 1 + (browser / 200) as u8, 1 + (browser % 200) as u8);
    socket.bind((from, 0).into()).expect("an address");
    let mut stream = socket.connect(server).await.expect("connected");
    let ask = format!(
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nCookie: browser={browser:016x}\r\nAccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).await.expect("asked");
    let (mut chunk, mut opened) = (vec![0; 64 << 10], false);
    while let Ok(len @ 1..) = stream.read(&mut chunk).await {
        got.bytes.fetch_add(len as u64, Ordering::Relaxed);
        let text = String::from_utf8_lossy(&chunk[..len]);
        if !opened && (text.contains("event: seen") || text.contains("event:seen") || text.contains("id:")) {
            opened = true;
            got.open.fetch_add(1, Ordering::Relaxed);
        }
        // One of them looks closer: to look is work, too. Rows are new ones here, and none of them changes later.
        if reader == 0 {
            let rows = text.matches("event: row").count() + text.matches("event:row").count();
            got.rows.fetch_add(rows as u64, Ordering::Relaxed);
        }
    }
}

/// Six readers open the page of a large call at once; another one asks whether the server is there.
fn pages(messages: usize, bytes: usize) {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("app.log");
    let mut file = std::fs::File::create(&log).expect("created");
    for from in (0..messages).step_by(1000) {
        file.write_all(&call(from..(from + 1000).min(messages), bytes)).expect("written");
    }
    let server = Siptrail::watch(&dir.path().join("data"), &log);
    let id = joined(&server, messages);
    let (before, rested) = server.spent();
    let address = server.address.clone();
    let began = Instant::now();
    let asked: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (address, path) = (address.clone(), format!("/s/{id}"));
            std::thread::spawn(move || {
                let mut page = Vec::new();
                ask::ask(&address, &path).read_to_end(&mut page).expect("a page");
                page.len()
            })
        })
        .collect();
    let mut worst = Duration::ZERO;
    while asked.iter().any(|asked| !asked.is_finished()) {
        worst = worst.max(server.first_byte("/healthz").0);
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let took = began.elapsed();
    let sizes: Vec<usize> = asked.into_iter().map(|asked| asked.join().expect("a page")).collect();
    let (after, peak) = server.spent();
    println!(
        "pages: {AT_ONCE} readers at once of {messages} messages of {bytes} bytes: {took:.2?}, {:.2} s of CPU, peak memory \
         {} MB ({} before), /healthz at worst {worst:.0?}, pages of {} kB",
        after - before,
        peak / 1_000_000,
        rested / 1_000_000,
        sizes.iter().max().unwrap_or(&0) / 1000,
    );
}

/// The id of the call's scenario, once all of it belongs to it.
fn joined(server: &Siptrail, messages: usize) -> String {
    let wanted = format!("\"messages\":{messages}");
    let done = |server: &Siptrail| server.get("/api/v1/scenarios?limit=1").1.contains(&wanted);
    server.until(done, Instant::now());
    let list = server.get("/api/v1/scenarios?limit=1").1;
    list.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an id").to_owned()
}

/// Messages of one call, each with a body of so many bytes.
fn call(messages: std::ops::Range<usize>, bytes: usize) -> Vec<u8> {
    let mut out = String::new();
    let body = "x".repeat(bytes);
    for at in messages {
        let (method, cseq) = (if at == 0 { "INVITE" } else { "INFO" }, at + 1);
        let time = 1_795_463_450 + at / 100;
        out.push_str(&format!(
            "[{time}.{:06}][{method}][sip:192.0.2.1:5060][sip:192.0.2.2:5060]\n{method} sip:bob@192.0.2.2 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{cseq}\r\nFrom: <sip:alice@example.com>;tag=1\r\n\
             To: <sip:bob@example.com>;tag=2\r\nCall-ID: long-call@example.com\r\nCSeq: {cseq} {method}\r\n\
             Content-Length: {bytes}\r\n\r\n{body}\n",
            at % 100 * 10_000,
        ));
    }
    out.into_bytes()
}
