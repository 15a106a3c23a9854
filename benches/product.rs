//! The product as a whole: a log of 200 MB into `siptrail watch`, the same through agent and collector over HTTP into
//! both databases, and the page of a ladder of 200 and of 10,000 messages.
//!
//! `cargo bench --bench product -- [MEGABYTES]`, after `scripts/postgres start` and `scripts/postgres start durable`.
//! Times are by the clock on the wall, CPU time is each process's own.

#![allow(clippy::print_stdout, reason = "its figures are what a bench is for")]

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const RECORDED: &str = include_str!("../tests/logs/kamailio.log");
/// Of the recorded Call-IDs; replaced so that each copy of the log holds calls of its own.
const CALL_MARKS: [&str; 3] = ["-16783@", "-16821@", "-16934@"];
const RECORDS: u64 = 288;
const ENOUGH: Duration = Duration::from_mins(10);

fn main() {
    let megabytes: usize = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(200);
    let dir = tempfile::tempdir().expect("a directory");
    let load = Load::write(dir.path().join("sip.log"), megabytes);
    load.watched(&dir.path().join("watch"));
    load.sent(&dir.path().join("sqlite"), "SQLite", "");
    for (name, port) in [("PostgreSQL, fsync off", 54_329), ("PostgreSQL, durable", 54_330)] {
        load.sent_to_postgres(&dir.path().join(port.to_string()), name, port);
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
        let copies = (megabytes << 20).div_ceil(RECORDED.len());
        let mut out = BufWriter::new(File::create(&log).expect("created"));
        for copy in 0..copies {
            let mut text = RECORDED.to_owned();
            for mark in CALL_MARKS {
                text = text.replace(mark, &format!("-{copy}x{}", &mark[1..]));
            }
            out.write_all(text.as_bytes()).expect("written");
        }
        out.flush().expect("written");
        let bytes = std::fs::metadata(&log).expect("written").len();
        let last_call = format!("1-{}x16934@127.0.0.1", copies - 1);
        Self { log, bytes, records: copies as u64 * RECORDS, last_call }
    }

    fn watched(&self, data: &Path) {
        let began = Instant::now();
        self.report("watch, SQLite", &Siptrail::watch(data, &self.log), None, began);
    }

    fn sent_to_postgres(&self, dir: &Path, name: &str, port: u16) {
        let schema = format!("bench_{}", std::process::id());
        let sql = |text: String| {
            let done = Command::new("psql")
                .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "siptrail", "-d", "postgres", "-qc", &text])
                .stderr(Stdio::null())
                .status();
            assert!(done.is_ok_and(|status| status.success()), "no PostgreSQL at port {port}: scripts/postgres start");
        };
        sql(format!("create schema {schema}"));
        std::fs::create_dir_all(dir).expect("made");
        let url = dir.join("url");
        let text = format!("postgres://siptrail@127.0.0.1:{port}/postgres?options[search_path]={schema}");
        std::fs::write(&url, text).expect("written");
        self.sent(dir, name, &format!("postgres_url_file = '{}'\n", url.display()));
        sql(format!("drop schema {schema} cascade"));
    }

    /// Through an agent, over HTTP.
    fn sent(&self, dir: &Path, name: &str, config: &str) {
        std::fs::create_dir_all(dir).expect("made");
        let file = dir.join("collector.toml");
        let data = dir.join("data");
        std::fs::write(&file, format!("listen = '127.0.0.1:0'\ndata = '{}'\n{config}", data.display()))
            .expect("written");
        let collector = Siptrail::collector(&file);
        let file = dir.join("agent.toml");
        let config = format!(
            "state = '{}'\ncollector = 'http://{}'\n[[source]]\nname = 'proxy'\npaths = ['{}']\n",
            dir.join("agent").display(),
            collector.address,
            self.log.display()
        );
        std::fs::write(&file, config).expect("written");
        let began = Instant::now();
        let agent = Siptrail::agent(&file);
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

/// A running program. Killed when dropped.
struct Siptrail {
    child: Child,
    address: String,
}

impl Siptrail {
    fn watch(data: &Path, log: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siptrail"));
        command.args(["watch", "--listen", "127.0.0.1:0", "--data"]).arg(data).arg(log);
        Self::serving(command)
    }

    fn collector(config: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siptrail"));
        command.args(["collector", "--config"]).arg(config);
        Self::serving(command)
    }

    fn agent(config: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siptrail"));
        command.args(["agent", "--config"]).arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: command.spawn().expect("the binary starts"), address: String::new() }
    }

    fn serving(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary starts");
        let mut said = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        said.read_line(&mut line).expect("a line");
        let address =
            line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address").to_owned();
        // What it says later is read, so that it never waits for us.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self { child, address }
    }

    /// Head and body of an answer.
    fn get(&self, path: &str) -> (String, String) {
        let mut text = Vec::new();
        self.ask(path).read_to_end(&mut text).expect("an answer");
        let text = String::from_utf8_lossy(&text).into_owned();
        text.split_once("\r\n\r\n")
            .map_or((text.clone(), String::new()), |(head, body)| (head.to_owned(), body.to_owned()))
    }

    fn ask(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("connected");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).expect("asked");
        stream
    }

    fn first_byte(&self, path: &str) -> (Duration, usize) {
        let began = Instant::now();
        let mut stream = self.ask(path);
        let mut first = [0; 1];
        stream.read_exact(&mut first).expect("a first byte");
        let after = began.elapsed();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the rest");
        assert!(rest.starts_with(b"TTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(&rest[..60.min(rest.len())]));
        (after, rest.len())
    }

    /// Each message of this call belongs to a scenario; one log is joined in its order, so all before it do.
    fn correlated(&self, call_id: &str) -> bool {
        let messages = self.get(&format!("/api/v1/messages?limit=1000&call_id={call_id}")).1;
        messages.contains("\"scenario_id\":\"") && !messages.contains("\"scenario_id\":null")
    }

    fn until(&self, done: impl Fn(&Self) -> bool, began: Instant) -> Duration {
        while !done(self) {
            assert!(began.elapsed() < ENOUGH, "not done in {ENOUGH:?}");
            std::thread::park_timeout(Duration::from_millis(50));
        }
        began.elapsed()
    }

    /// CPU seconds and the highest resident memory in bytes so far (`/proc`).
    fn spent(&self) -> (f64, u64) {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("proc");
        let (stat, status) = (read("stat"), read("status"));
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks: f64 = fields[11..13].iter().filter_map(|f| f.parse::<f64>().ok()).sum();
        let peak = status
            .lines()
            .find_map(|l| l.strip_prefix("VmHWM:"))
            .and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
        (ticks / 100.0, peak.unwrap_or(0) * 1024)
    }
}

impl Drop for Siptrail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The sum of a number wherever it stands in a JSON text.
fn number(json: &str, name: &str) -> u64 {
    json.split(name)
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok())
        .sum()
}
