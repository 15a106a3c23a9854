//! Ten minutes of everything at once, on both databases: `make soak`, or
//! `cargo run --release --example soak -- [SECONDS]` after `cargo build --release --bin siptrail` and `scripts/postgres start`.
//!
//! A log is written and rotated all the time, followed by an agent, stored by a collector, and looked at by viewers that come
//! and go. In the first quarter agent and collector are killed again and again, the disk of SQLite is full for a while, and
//! somebody holds a lock on the messages of PostgreSQL for 30 s. After that nothing is killed, and memory is compared: what each
//! program takes at the end may be 5 % more than at three tenths. At the end both are killed once more, started again, and what
//! is stored is compared with what was written, by number and by hash.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "it is a program for whoever works on this one")]

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Records a second, written a tenth at a time.
const RATE: usize = 200;
const ROTATE: Duration = Duration::from_secs(15);
/// Shares of the whole time: kills end, memory is compared from and to.
const KILLS: f64 = 0.25;
const FROM: (f64, f64) = (0.30, 0.40);
const TO: (f64, f64) = (0.90, 1.0);
const KILL: Duration = Duration::from_secs(12);
/// For how long the disk is full, and the lock is held.
const FULL: Duration = Duration::from_secs(15);
const LOCKED: u64 = 30;
const VIEWERS: usize = 12;
/// By how much memory may rise, and what is noise in a program of a few dozen MB.
const MAY_RISE: f64 = 0.05;

fn main() -> ExitCode {
    let seconds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(600);
    let whole = Duration::from_secs(seconds);
    let dir = tempfile::tempdir().unwrap();
    let database = Database::make();
    let places =
        [Place::new(&dir.path().join("sqlite"), None), Place::new(&dir.path().join("postgres"), Some(&database))];
    println!("soaking for {seconds} s: {RATE} records a second on each database, {VIEWERS} viewers on each");
    let results: Vec<Outcome> = std::thread::scope(|scope| {
        let runs: Vec<_> = places.iter().map(|place| scope.spawn(|| soak(place, whole))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    println!("\n| database | written | stored | hashes | gaps | kills | trouble | collector, MB | agent, MB |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut sound = true;
    for (place, result) in places.iter().zip(&results) {
        let memory = |(from, to): (f64, f64)| format!("{from:.1} → {to:.1} ({:+.1} %)", (to / from - 1.0) * 100.0);
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            place.name(),
            result.written,
            result.stored,
            if result.equal { "equal" } else { "DIFFER" },
            result.gaps,
            result.kills,
            result.trouble,
            memory(result.collector),
            memory(result.agent),
        );
        let flat = |(from, to): (f64, f64)| to <= from * (1.0 + MAY_RISE);
        sound &= result.equal && result.written == result.stored && result.gaps == 0;
        sound &= flat(result.collector) && flat(result.agent);
    }
    println!("{}", if sound { "\nsound" } else { "\nNOT SOUND" });
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Outcome {
    written: u64,
    stored: u64,
    equal: bool,
    gaps: u64,
    kills: usize,
    trouble: String,
    /// MB, at three tenths and at the end.
    collector: (f64, f64),
    agent: (f64, f64),
}

/// A database of its own on the PostgreSQL of `scripts/postgres`, dropped at the end.
struct Database {
    server: String,
    name: String,
}

impl Database {
    fn make() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/postgres");
        let said = Command::new(script).arg("url").output().unwrap();
        assert!(said.status.success(), "no PostgreSQL: scripts/postgres start");
        let server = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        let database = Self { server, name: format!("soak_{}", std::process::id()) };
        run(&database.server, &format!("create database {}", database.name));
        database
    }

    fn url(&self) -> String {
        let (base, _) = self.server.rsplit_once('/').unwrap();
        format!("{base}/{}", self.name)
    }
}

fn run(url: &str, text: &str) {
    let mut psql = Command::new("psql");
    let done = psql.args(["-d", url, "-qc", text]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(done.unwrap().success(), "{text}");
}

impl Drop for Database {
    fn drop(&mut self) {
        let text = format!("drop database if exists {} with (force)", self.name);
        run(&self.server, &text);
    }
}

/// Where one collector and its agent live.
struct Place {
    dir: PathBuf,
    log: PathBuf,
    address: String,
    /// None on SQLite.
    url: Option<String>,
}

impl Place {
    fn new(dir: &Path, database: Option<&Database>) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let place = Self {
            log: dir.join("sip.log"),
            address: free.to_string(),
            url: database.map(Database::url),
            dir: dir.to_owned(),
        };
        let mut config = format!("listen = '{free}'\ndata = '{}'\n", dir.join("data").display());
        if let Some(url) = &place.url {
            std::fs::write(dir.join("url"), url).unwrap();
            config += &format!("postgres_url_file = '{}'\n", dir.join("url").display());
        }
        std::fs::write(dir.join("collector.toml"), config).unwrap();
        let config = format!(
            "id = 'soak'\ncollector = 'http://{free}'\nstate = '{}'\n[[source]]\nname = 'sip'\npaths = ['{}']\n",
            dir.join("agent").display(),
            place.log.display()
        );
        std::fs::write(dir.join("agent.toml"), config).unwrap();
        place
    }

    fn name(&self) -> &'static str {
        if self.url.is_some() { "PostgreSQL" } else { "SQLite" }
    }

    /// A write beyond a limit of the size of files fails, and does not end the program.
    fn start(&self, role: &str) -> Program {
        let program = std::env::current_exe().unwrap().with_file_name("../siptrail");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(program).arg(role).arg("--config");
        shell.arg(self.dir.join(format!("{role}.toml"))).stdin(Stdio::null()).stdout(Stdio::null());
        shell.stderr(OpenOptions::new().create(true).append(true).open(self.dir.join("said")).unwrap());
        Program(shell.spawn().unwrap())
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut text = String::new();
        ask(&self.address, path)?.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        head.lines().next().is_some_and(|line| line.ends_with("200 OK")).then(|| body.to_owned())
    }
}

/// A connection closes at the end, and 1.0 has no chunks.
fn ask(address: &str, path: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    Some(stream)
}

struct Program(Child);

impl Program {
    fn kill_9(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Resident, in MB.
    fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1000.0
    }

    /// The soft limit alone: it is taken away again.
    fn limit_files(&self, bytes: &str) {
        let done =
            Command::new("prlimit").arg(format!("--pid={}", self.0.id())).arg(format!("--fsize={bytes}")).status();
        assert!(done.unwrap().success(), "prlimit");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill_9();
    }
}

/// Number of records, and the sum of their hashes: in any order.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Sum(u64, u64);

impl Sum {
    fn add(&mut self, call: &str, body: &[u8]) {
        let digest = Sha256::new().chain_update(call).chain_update(body).finalize();
        let first = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        *self = Sum(self.0 + 1, self.1.wrapping_add(first));
    }
}

fn soak(place: &Place, whole: Duration) -> Outcome {
    let began = Instant::now();
    let over = AtomicBool::new(false);
    let viewed = AtomicU64::new(0);
    let part = || began.elapsed().as_secs_f64() / whole.as_secs_f64();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(&place.log, whole));
        let (mut collector, mut agent) = (place.start("collector"), place.start("agent"));
        for viewer in 0..VIEWERS {
            let (over, viewed) = (&over, &viewed);
            scope.spawn(move || look(place, viewer, over, viewed));
        }
        // The first quarter: whatever may happen.
        let (mut kills, mut trouble) = (0, Vec::new());
        let mut next = Duration::from_secs(5);
        while part() < KILLS {
            wait(next);
            next = KILL;
            match kills % 3 {
                0 => {
                    agent.kill_9();
                    agent = place.start("agent");
                }
                1 => {
                    collector.kill_9();
                    collector = place.start("collector");
                }
                _ => {
                    agent.kill_9();
                    collector.kill_9();
                    (collector, agent) = (place.start("collector"), place.start("agent"));
                }
            }
            kills += 1;
            if kills == 2 && place.url.is_none() {
                collector.limit_files("4096:");
                wait(FULL);
                collector.limit_files("unlimited:");
                trouble.push(format!("disk full for {} s", FULL.as_secs()));
            }
            if kills == 2
                && let Some(url) = &place.url
            {
                let hold = format!("begin; lock table message in access share mode; select pg_sleep({LOCKED}); commit");
                let reader = Command::new("psql").args(["-d", url, "-qc", &hold]).stdout(Stdio::null()).spawn();
                trouble.push(format!("a reader's lock for {LOCKED} s"));
                scope.spawn(move || reader.unwrap().wait());
            }
        }
        // Then nothing but load, viewers and one who reads slowly.
        let slow = scope.spawn(|| read_slowly(place, &over));
        let (mut from, mut to) = (Memory::default(), Memory::default());
        while part() < 1.0 {
            wait(Duration::from_secs(2));
            let into = if (FROM.0..FROM.1).contains(&part()) { &mut from } else { &mut to };
            if (FROM.0..FROM.1).contains(&part()) || (TO.0..TO.1).contains(&part()) {
                into.add(&collector, &agent);
            }
        }
        let truth = writer.join().unwrap();
        over.store(true, Ordering::Relaxed);
        slow.join().unwrap();
        trouble.push(format!("{} pages and live views", viewed.load(Ordering::Relaxed)));
        agent.kill_9();
        collector.kill_9();
        (collector, agent) = (place.start("collector"), place.start("agent"));
        kills += 1;
        let stored = stored(place, truth);
        let gaps = gaps(place);
        drop((collector, agent));
        Outcome {
            written: truth.0,
            stored: stored.0,
            equal: stored == truth,
            gaps,
            kills,
            trouble: trouble.join(", "),
            collector: (from.median(|both| both.0), to.median(|both| both.0)),
            agent: (from.median(|both| both.1), to.median(|both| both.1)),
        }
    })
}

/// Collector and agent, in MB, again and again.
#[derive(Default)]
struct Memory(Vec<(f64, f64)>);

impl Memory {
    fn add(&mut self, collector: &Program, agent: &Program) {
        self.0.push((collector.memory(), agent.memory()));
    }

    fn median(&self, of: impl Fn(&(f64, f64)) -> f64) -> f64 {
        let mut all: Vec<f64> = self.0.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Writes until the time is over, and rotates by renaming; the last record is followed by one that makes it final.
fn write(log: &Path, whole: Duration) -> Sum {
    let (began, mut rotated) = (Instant::now(), Instant::now());
    let mut file = OpenOptions::new().create(true).append(true).open(log).unwrap();
    let (mut sum, mut nth) = (Sum::default(), 0);
    while began.elapsed() < whole {
        let wanted = (began.elapsed().as_secs_f64() * RATE as f64) as usize;
        while nth < wanted {
            record(&mut file, nth, &mut sum);
            nth += 1;
        }
        if rotated.elapsed() > ROTATE {
            rotated = Instant::now();
            file = rotate(log);
        }
        wait(Duration::from_millis(100));
    }
    sum
}

fn rotate(log: &Path) -> File {
    let numbered = |number: usize| PathBuf::from(format!("{}.{number}", log.display()));
    for number in (1..6).rev() {
        let _ = std::fs::rename(numbered(number), numbered(number + 1));
    }
    std::fs::rename(log, numbered(1)).unwrap();
    OpenOptions::new().create(true).append(true).open(log).unwrap()
}

/// Records of calls of six messages, which begin again and again; every twentieth is a large one.
fn record(file: &mut File, nth: usize, sum: &mut Sum) {
    let (call, step) = (nth / 6, nth % 6);
    let (field, start) = match step {
        0 => ("INVITE", "INVITE sip:bob@example.com SIP/2.0"),
        1 => ("180", "SIP/2.0 180 Ringing"),
        2 => ("200", "SIP/2.0 200 OK"),
        3 => ("ACK", "ACK sip:bob@example.com SIP/2.0"),
        4 => ("BYE", "BYE sip:bob@example.com SIP/2.0"),
        _ => ("200", "SIP/2.0 200 OK"),
    };
    let (cseq, method) = if step < 4 { (1, if step == 3 { "ACK" } else { "INVITE" }) } else { (2, "BYE") };
    let id = format!("{call}@soak.example.com");
    let body = "x".repeat(if nth.is_multiple_of(20) { 20_000 } else { nth % 700 });
    let message = format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{call}-{cseq}\r\nFrom: <sip:alice@example.com>;tag=a{call}\r\n\
         To: <sip:bob@example.com>;tag=b{call}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\nX-Nth: {nth}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    let (from, to) = if [1, 2, 5].contains(&step) { ("192.0.2.2", "192.0.2.1") } else { ("192.0.2.1", "192.0.2.2") };
    let header = format!("[{}.{:06}][{field}][sip:{from}:5060][sip:{to}:5060]\n", now.as_secs(), now.subsec_micros());
    file.write_all(format!("{header}{message}\n").as_bytes()).unwrap();
    sum.add(&id, message.as_bytes());
}

/// A viewer: home, a list, a ladder, its live view for a few seconds, and again.
fn look(place: &Place, viewer: usize, over: &AtomicBool, viewed: &AtomicU64) {
    while !over.load(Ordering::Relaxed) {
        let paths = ["/", "/search?q=alice", "/api/v1/scenarios?limit=20"];
        let list = paths.map(|path| place.get(path)).into_iter().next_back().flatten().unwrap_or_default();
        let id = list.split("\"id\":\"").nth(1 + viewer).and_then(|rest| rest.split('"').next());
        if let Some(id) = id {
            let page = place.get(&format!("/s/{id}")).is_some();
            viewed.fetch_add(3 + u64::from(page), Ordering::Relaxed);
            let mut events = ask(&place.address, &format!("/s/{id}/live")).map(BufReader::new);
            let until = Instant::now() + Duration::from_secs(2 + viewer as u64 % 5);
            let mut line = String::new();
            while let Some(events) = &mut events
                && Instant::now() < until
                && !over.load(Ordering::Relaxed)
                && events.get_ref().set_read_timeout(Some(Duration::from_millis(500))).is_ok()
            {
                line.clear();
                match events.read_line(&mut line) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => break,
                }
            }
            viewed.fetch_add(1, Ordering::Relaxed);
        }
        wait(Duration::from_millis(300));
    }
}

/// Takes a long answer a little at a time, until the end.
fn read_slowly(place: &Place, over: &AtomicBool) {
    let Some(mut answer) = ask(&place.address, "/api/v1/messages?format=ndjson") else { return };
    let mut some = [0; 4096];
    while !over.load(Ordering::Relaxed) && matches!(answer.read(&mut some), Ok(1..)) {
        wait(Duration::from_millis(200));
    }
}

/// What is stored, once it is as much as was written, or does not become more.
fn stored(place: &Place, truth: Sum) -> Sum {
    let mut last = VecDeque::from([Sum::default(); 6]);
    loop {
        let now = count(place);
        let still = now.0 > 0 && last.iter().all(|before| *before == now);
        if now == truth || still {
            return now;
        }
        last.rotate_left(1);
        last[5] = now;
        wait(Duration::from_secs(5));
    }
}

fn count(place: &Place) -> Sum {
    let mut sum = Sum::default();
    let Some(answer) = ask(&place.address, "/api/v1/messages?format=ndjson") else { return sum };
    let lines = BufReader::new(answer).lines().map_while(Result::ok).skip_while(|line| !line.is_empty()).skip(1);
    for line in lines {
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        if let (Some(call), Some(body)) = (message["call_id"].as_str(), message["body"].as_str()) {
            sum.add(call, body.as_bytes());
        }
    }
    sum
}

/// Gaps of all files, page by page.
fn gaps(place: &Place) -> u64 {
    let (mut gaps, mut after) = (0, String::new());
    while let Some(page) = place.get(&format!("/api/v1/streams?limit=1000{after}")) {
        let page: Value = serde_json::from_str(&page).unwrap_or_default();
        let streams = page["streams"].as_array().cloned().unwrap_or_default();
        gaps += streams.iter().map(|stream| stream["gaps"].as_array().map_or(0, Vec::len) as u64).sum::<u64>();
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    gaps
}

/// Load has its pace; nothing here waits for something to have happened by then.
fn wait(time: Duration) {
    std::thread::park_timeout(time);
}
