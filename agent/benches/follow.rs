//! Megabytes a CPU second: a log that stands there, followed to a collector that stores nothing.
//!
//! `cargo bench -p agent --bench follow -- [MEGABYTES] [brackets | docker]`: `brackets` is a log of which most lines are noise
//! with many groups in brackets, which are searched for near misses; `docker` is wrapped as Docker's json-file. Or `cargo bench -p agent -- idle FILES`: what files cost that nobody writes to. The
//! CPU time of the collector's own threads is not counted.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agent::{Call, Config, Progress, Reply, Source, Transport, http};
use record::id::{Offset, StreamId};
use record::wire::{self, Answer, Append, Heard, Heartbeat, Positions, StreamAnswer, StreamAppend};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "idle") {
        let files = arguments.get(at + 1).and_then(|files| files.parse().ok()).unwrap_or(5000);
        return idle(files);
    }
    let megabytes: u64 = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1024);
    let dir = tempfile::tempdir().expect("a directory for the log");
    let log = dir.path().join("app.log");
    let form = |name: &str| arguments.iter().any(|argument| argument == name);
    let bytes = match (form("brackets"), form("docker")) {
        (true, _) => generate(&log, megabytes << 20, |record| [record, &BRACKETS.repeat(20)].concat()),
        (_, true) => generate(&log, megabytes << 20, wrapped),
        _ => generate(&log, megabytes << 20, str::to_owned),
    };
    let mut source = Source::new("bench", vec![log.display().to_string()]);
    source.wrapper = form("docker").then(|| "docker".to_owned());
    let _ = rustls::crypto::ring::default_provider().install_default();
    for over_http in [false, true] {
        let config = Config {
            state: dir.path().join(format!("state-{over_http}")),
            id: Some("bench".into()),
            sources: vec![source.clone()],
            ..Config::default()
        };
        // What was held before is not counted.
        let _ = fs::write("/proc/self/clear_refs", "5");
        let (wall, cpu, records) = follow(config, over_http, bytes);
        let peak = status("VmHWM:");
        let megabytes = bytes as f64 / 1e6;
        let way =
            if over_http { "read, frame, hash, batch, zstd, HTTP" } else { "read, frame, hash, batch, no network" };
        let line = format!(
            "{way}: {megabytes:.0} MB, {records} records, in {wall:.2} s and {cpu:.2} CPU seconds: {:.0} MB/s, {:.0} MB for each CPU second, {peak} at most\n",
            megabytes / wall,
            megabytes / cpu
        );
        std::io::stdout().write_all(line.as_bytes()).expect("standard output");
    }
}

/// Files with three records each, all of them read and acknowledged: CPU and memory from then on.
fn idle(files: usize) {
    const SECONDS: u64 = 20;
    let dir = tempfile::tempdir().expect("a directory for the logs");
    let record = |nth: usize| {
        format!(
            "[2026-11-23 19:53:58.132][OPTIONS][sip:192.0.2.1][sip:192.0.2.2]\n\
             OPTIONS sip:{nth}@example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n\n"
        )
    };
    let mut bytes = 0;
    for file in 0..files {
        let text: String = (0..3).map(|nth| record(file * 3 + nth)).collect();
        fs::write(dir.path().join(format!("service-{file}-app.log")), &text).expect("a log");
        bytes += text.len() as u64;
    }
    let config = Config {
        state: dir.path().join("state"),
        id: Some("bench".into()),
        sources: vec![Source::new("bench", vec![dir.path().join("*.log").display().to_string()])],
        ..Config::default()
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (share, resident) = runtime.block_on(async {
        let (progress, mut watching) = watch::channel(Progress::default());
        let cancel = CancellationToken::new();
        let agent = tokio::spawn(agent::run(config, Transport::InProcess(collect()), progress, cancel.clone()));
        while watching.borrow_and_update().reach.committed < bytes {
            watching.changed().await.expect("an agent");
        }
        // What was busy is looked at more often for a while.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let before = cpu();
        tokio::time::sleep(Duration::from_secs(SECONDS)).await;
        let share = (cpu() - before) / SECONDS as f64;
        let resident = status("VmRSS:");
        cancel.cancel();
        agent.await.expect("an agent").expect("no error");
        (share, resident)
    });
    let line = format!("{files} idle files: {:.1} % of a core, {resident} resident\n", share * 100.0);
    std::io::stdout().write_all(line.as_bytes()).expect("standard output");
}

/// A line of this process's status.
fn status(name: &str) -> String {
    let status = fs::read_to_string("/proc/self/status").expect("status");
    status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
}

const BRACKETS: &str =
    "[2026-11-23 19:53:58.132] [INFO ] [pool-3-thread-17] [c.e.routing.Trunk] [call 7f3a] route [0] of [4] was tried\n";

/// As Docker's json-file has it, a line each.
fn wrapped(text: &str) -> String {
    let line = |line: &str| {
        let text = line.replace('\\', "\\\\").replace('"', "\\\"").replace('\r', "\\r").replace('\n', "\\n");
        format!("{{\"log\":\"{text}\",\"stream\":\"stdout\",\"time\":\"2026-11-23T19:53:58.132455Z\"}}\n")
    };
    text.split_inclusive('\n').map(line).collect()
}

/// A SIP log of about 1 KiB a record with a tenth of noise, in this form.
fn generate(path: &Path, size: u64, form: impl Fn(&str) -> String) -> u64 {
    let mut log = BufWriter::new(File::create(path).expect("a log"));
    let mut written = 0;
    for nth in 0_u64.. {
        let mut body = String::new();
        for line in 0..12 {
            body += &format!("a=rtpmap:{} codec-{}/8000\r\n", 96 + line, nth * 31 + line);
        }
        let record = format!(
            "[2026-11-23 19:53:{:02}.{:03}][INVITE][sip:192.0.2.1:5060;transport=tcp][sip:192.0.2.2:5060]\n\
             INVITE sip:bob-{nth}@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK{nth:x}\r\n\
             From: <sip:alice@example.com>;tag={:x}\r\nTo: <sip:bob-{nth}@example.com>\r\nCall-ID: {:016x}@192.0.2.1\r\n\
             CSeq: {nth} INVITE\r\nContact: <sip:alice@192.0.2.1>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}\n\
             2026-11-23 19:53:58.132 INFO  [main] one more call was routed to trunk {}\n",
            nth / 1000 % 60,
            nth % 1000,
            nth * 7919,
            nth.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            body.len(),
            nth % 17
        );
        let record = form(&record);
        log.write_all(record.as_bytes()).expect("a log");
        written += record.len() as u64;
        if written >= size {
            break;
        }
    }
    log.into_inner().expect("a log").sync_all().expect("a log");
    written
}

/// Wall and CPU seconds until all is acknowledged, and the records of it.
fn follow(config: Config, over_http: bool, bytes: u64) -> (f64, f64, u64) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (begun, before) = (Instant::now(), cpu());
    let records = runtime.block_on(async {
        let transport = if over_http {
            let config = Config { collector: serve(), ..config.clone() };
            Transport::Http(http::Client::new(&config).expect("a client"))
        } else {
            Transport::InProcess(collect())
        };
        let (progress, mut watching) = watch::channel(Progress::default());
        let cancel = CancellationToken::new();
        let agent = tokio::spawn(agent::run(config, transport, progress, cancel.clone()));
        while watching.borrow_and_update().reach.committed < bytes {
            tokio::time::timeout(Duration::from_mins(5), watching.changed())
                .await
                .expect("progress")
                .expect("an agent");
        }
        cancel.cancel();
        agent.await.expect("an agent").expect("no error");
        watching.borrow().records
    });
    (begun.elapsed().as_secs_f64(), cpu() - before, records)
}

fn answer(append: &Append) -> Answer {
    let said = |part: &StreamAppend| StreamAnswer { stream: part.stream, w: part.end, part: None, refused: None };
    Answer { version: 1, batch: append.batch, lease: 0, streams: append.streams.iter().map(said).collect() }
}

fn collect() -> mpsc::Sender<Call> {
    let (calls, mut waiting) = mpsc::channel(4);
    tokio::spawn(async move {
        while let Some(call) = waiting.recv().await {
            match call {
                Call::Append(append, reply) => _ = reply.send(Reply::Answer(answer(&append))),
                Call::Heartbeat(_, heard) => _ = heard.send(Ok(())),
                Call::Positions { answer, .. } => _ = answer.send(Ok(Positions::default())),
            }
        }
    });
    calls
}

/// A collector that reads requests and answers; on threads of its own, whose CPU time is summed.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("a port");
    let w: Arc<Mutex<HashMap<StreamId, Offset>>> = Arc::default();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let w = Arc::clone(&w);
            std::thread::spawn(move || talk(connection, &w));
        }
    });
    format!("http://{address}")
}

fn talk(connection: TcpStream, w: &Mutex<HashMap<StreamId, Offset>>) -> Option<()> {
    let mut out = connection.try_clone().ok()?;
    let mut input = BufReader::new(connection);
    let mut counted = 0;
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            input.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        input.read_exact(&mut body).ok()?;
        let reply = if head.starts_with("get") {
            wire::encode(&Positions::default()).ok()?
        } else if head.starts_with("post /api/v1/heartbeat") {
            let said: Heartbeat = wire::decode(&zstd::decode_all(body.as_slice()).ok()?).ok()?;
            wire::encode(&Heard { version: 1, clock: said.clock }).ok()?
        } else {
            let append: Append = wire::decode(&zstd::decode_all(body.as_slice()).ok()?).ok()?;
            let answer = answer(&append);
            w.lock().ok()?.extend(answer.streams.iter().map(|said| (said.stream, said.w)));
            wire::encode(&answer).ok()?
        };
        write!(out, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", reply.len()).ok()?;
        out.write_all(&reply).ok()?;
        let now = nanoseconds_of_this_thread();
        SERVER.fetch_add(now - std::mem::replace(&mut counted, now), Ordering::Relaxed);
    }
}

/// CPU nanoseconds of the server's threads. A thread that has ended is no more in `/proc`, so each counts itself.
static SERVER: AtomicU64 = AtomicU64::new(0);

fn nanoseconds_of_this_thread() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|on_cpu| on_cpu.parse().ok()).unwrap_or(0)
}

/// CPU seconds of all threads, ended ones too, but those of the server.
fn cpu() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0 - SERVER.load(Ordering::Relaxed) as f64 / 1e9
}
