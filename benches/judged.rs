//! What judging costs beside storing, and how long after a deadline a verdict and a mail come, while calls come in.
//!
//! `cargo bench --bench judged -- [SECONDS] [MESSAGES A SECOND] [postgres]`, 30 and 5000 by default: without rules, by the
//! shipped ones, and by ten times as many; on SQLite, or on the PostgreSQL of `scripts/postgres start`.
//! `cargo bench --bench judged -- storm [CALLS]`: so many calls, 10,000 by default, that failed within one minute.

#![allow(clippy::print_stdout, reason = "its figures are what a bench is for")]

#[allow(dead_code, reason = "shared with the other benches")]
mod ask;
#[path = "../tests/support/made.rs"]
mod made;
#[allow(dead_code, reason = "shared with the other benches")]
mod siptrail;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use made::End;
use record::time::{SECOND, Timestamp};
use siptrail::{Schema, Server, Siptrail};
use store::{Location, Store};

/// Logs, each of an environment of its own, so that each has a group and a first mail.
const LOGS: usize = 20;
/// Messages of a call that goes well.
const MESSAGES: usize = 13;
/// Of so many calls one is never acknowledged.
const BROKEN: usize = 100;
const GROUP_WAIT: i64 = SECOND;
/// The shipped `lateness`.
const LATENESS: i64 = 15 * SECOND;
/// From the last call until all deadlines are over, and what they lead to is done.
const REST: Duration = Duration::from_mins(1);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    if has("storm") {
        storm(numbers.first().copied().unwrap_or(10_000));
        return;
    }
    let seconds = Duration::from_secs(numbers.first().copied().unwrap_or(30) as u64);
    let rate = numbers.get(1).copied().unwrap_or(5_000);
    for rules in [Rules::None, Rules::Shipped, Rules::Tenfold] {
        let schema = has("postgres").then(|| Schema::create(Server::Quick));
        load(&Lab::make(schema, rules), rules, seconds, rate);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rules {
    None,
    Shipped,
    Tenfold,
}

impl Rules {
    fn write(self, dir: &Path) {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("etc/rules");
        for entry in std::fs::read_dir(shipped).expect("rules").flatten() {
            let name = entry.file_name().into_string().expect("a name");
            let text = std::fs::read_to_string(entry.path()).expect("a file of rules");
            match self {
                Self::None => std::fs::write(dir.join(&name), "").expect("written"),
                Self::Tenfold if text.contains("[[rule]]") => {
                    for copy in 1..10 {
                        let renamed = |line: &str| match line.strip_prefix("id ") {
                            Some(_) => line.trim_end().trim_end_matches('"').to_owned() + &format!("-{copy}\"\n"),
                            None => format!("{line}\n"),
                        };
                        let text: Vec<String> = text.lines().map(renamed).collect();
                        std::fs::write(dir.join(format!("{copy}-{name}")), text.concat()).expect("written");
                    }
                }
                Self::Shipped | Self::Tenfold => {}
            }
        }
    }
}

/// An agent and a collector that mails.
struct Lab {
    dir: tempfile::TempDir,
    logs: PathBuf,
    mails: Mails,
    collector: Siptrail,
    _agent: Siptrail,
    schema: Option<Schema>,
}

impl Lab {
    fn make(schema: Option<Schema>, rules: Rules) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let (logs, own) = (dir.path().join("logs"), dir.path().join("rules"));
        std::fs::create_dir(&logs).expect("made");
        std::fs::create_dir(&own).expect("made");
        rules.write(&own);
        let mails = Mails::start();
        let file = |name: &str, text: String| {
            let file = dir.path().join(name);
            std::fs::write(&file, text).expect("written");
            file
        };
        let routes = "[defaults]\ngroup_wait = '1s'\nresolved = 'never'\n[budget]\nper_hour = 1000\nper_day = 10000\n\
             [[team]]\nname = 'oncall'\nto = ['oncall@example.com']\n[[route]]\nmatch = {}\nto = ['oncall']\n";
        let routes = file("routes.toml", routes.into());
        let url =
            schema.as_ref().map(|schema| format!("postgres_url_file = '{}'\n", schema.url_file(dir.path()).display()));
        let envs = (0..LOGS).map(|nth| format!("[[env]]\nname = 'site-{nth}'\nsource = '*/{nth}.log'\n"));
        let config = format!(
            "listen = '127.0.0.1:0'\ndata = '{}'\nrules_dir = '{}'\nroutes = '{}'\n{}[mail]\nserver = '127.0.0.1'\nport = {}\n\
             security = 'none'\nfrom = 'siptrail@example.com'\nbase_url = 'http://127.0.0.1'\n{}",
            dir.path().join("data").display(),
            own.display(),
            routes.display(),
            url.unwrap_or_default(),
            mails.port,
            envs.collect::<Vec<_>>().concat()
        );
        let collector = Siptrail::collector(&file("collector.toml", config));
        let config = format!(
            "id = 'bench'\nstate = '{}'\ncollector = 'http://{}'\n[[source]]\nname = 'lab'\npaths = ['{}/*.log']\n",
            dir.path().join("agent").display(),
            collector.address,
            logs.display()
        );
        let agent = Siptrail::agent(&file("agent.toml", config));
        Self { logs, mails, collector, _agent: agent, schema, dir }
    }

    fn log(&self, nth: usize) -> File {
        let path = self.logs.join(format!("{nth}.log"));
        std::fs::OpenOptions::new().create(true).append(true).open(path).expect("a log")
    }

    /// What failed: when, and when that was judged; and of each group, when its first failed and its first mail was sent.
    fn failures(&self) -> (Vec<[Timestamp; 2]>, Vec<[Timestamp; 2]>) {
        let location = match &self.schema {
            Some(schema) => {
                let url = std::fs::read_to_string(schema.url_file(self.dir.path())).expect("a URL");
                Location::postgres(&url).expect("a place")
            }
            None => Location::Directory(self.dir.path().join("data")),
        };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let store = Store::open_to_read(&location).await.expect("opened");
            let (mut failures, mut mails) = (Vec::new(), Vec::new());
            for group in store.alert_groups(1_000).await.expect("groups") {
                let items = store.alert_items(group.id, 100_000).await.expect("items");
                let sent =
                    store.mails(Some(group.id), 1_000).await.expect("mails").iter().filter_map(|mail| mail.sent).min();
                mails.extend(items.iter().map(|item| item.at).min().zip(sent).map(|(at, sent)| [at, sent]));
                failures.extend(items.iter().map(|item| [item.at, item.seen]));
            }
            (failures, mails)
        })
    }
}

/// Writes calls as they would be logged, and says what that cost.
fn load(lab: &Lab, rules: Rules, seconds: Duration, rate: usize) {
    let mut files: Vec<File> = (0..LOGS).map(|nth| lab.log(nth)).collect();
    let calls = seconds.as_secs() as usize * rate / MESSAGES;
    let mut records: Vec<(i64, usize, String)> = Vec::new();
    // A little later than now: all of it is made before.
    let began = Instant::now() + Duration::from_secs(3 + calls as u64 / 20_000);
    let begins = now() + i64::try_from(began.saturating_duration_since(Instant::now()).as_micros()).expect("micros");
    for nth in 0..calls {
        let mut own = Vec::with_capacity(MESSAGES);
        let end = if nth % BROKEN == BROKEN - 1 { End::NoAck } else { End::Well };
        let at = begins + (nth as i64 * seconds.as_micros() as i64) / calls as i64;
        // Each log has its share of those that break.
        made::call(&mut own, at, &format!("load-{nth}"), end);
        let log = (nth / BROKEN + nth) % LOGS;
        records.extend(own.into_iter().map(|(at, record)| (at, log, record)));
    }
    records.sort_by_key(|(at, ..)| *at);
    let messages = records.len();
    let (before, _) = lab.collector.spent();
    for (at, log, record) in &records {
        let due = began + Duration::from_micros(u64::try_from(at - begins).expect("later"));
        let early = due.saturating_duration_since(Instant::now());
        if early > Duration::from_millis(1) {
            std::thread::park_timeout(early);
        }
        files[*log].write_all(record.as_bytes()).expect("written");
    }
    let wrote = began.elapsed();
    let until = Instant::now() + REST;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
    let (after, peak) = lab.collector.spent();
    let database = if lab.schema.is_some() { "PostgreSQL" } else { "SQLite" };
    println!(
        "{database}, rules {rules:?}: {messages} messages in {:.1} s, {:.1} s of CPU, {:.1} µs a message, peak memory {} MB",
        wrote.as_secs_f64(),
        after - before,
        (after - before) * 1e6 / messages as f64,
        peak / 1_000_000
    );
    if rules == Rules::None {
        return;
    }
    let (failures, mails) = lab.failures();
    let waits =
        |of: &[[Timestamp; 2]], less: i64| spread(of.iter().map(|[at, then]| then.micros_since(*at) - less).collect());
    println!("  {} failures; from deadline and 15 s to verdict: {}", failures.len(), waits(&failures, LATENESS));
    println!(
        "  {} first mails; from deadline, 15 s and 1 s to sent: {}",
        mails.len(),
        waits(&mails, LATENESS + GROUP_WAIT)
    );
}

/// Calls that break at once, read long after.
fn storm(calls: usize) {
    let lab = Lab::make(None, Rules::Shipped);
    let begins = now() - 240 * SECOND;
    let mut records = Vec::new();
    for nth in 0..50 {
        made::call(&mut records, begins + nth * SECOND, &format!("well-{nth}"), End::Well);
    }
    for nth in 0..calls {
        let at = begins + 60 * SECOND + (nth as i64 * 60 * SECOND) / calls as i64;
        made::call(&mut records, at, &format!("broken-{nth}"), End::NoAck);
    }
    let log = made::log(records);
    let began = Instant::now();
    lab.log(0).write_all(log.as_bytes()).expect("written");
    let scenarios = |it: &Siptrail| number(&it.get("/api/v1/alerts").1, "\"scenarios\":");
    let all = lab.collector.until(|it| scenarios(it) >= calls as u64, began);
    let (cpu, peak) = lab.collector.spent();
    println!(
        "{calls} failures in one minute, {} MB: all judged and in their group after {:.1} s, {cpu:.1} s of CPU, peak memory {} MB",
        log.len() / 1_000_000,
        all.as_secs_f64(),
        peak / 1_000_000
    );
    // The reporter looks at what came after its first mail, too.
    std::thread::park_timeout(Duration::from_secs(20));
    let (cpu, peak) = lab.collector.spent();
    println!(
        "  20 s later: {cpu:.1} s of CPU, peak memory {} MB, {} mails",
        peak / 1_000_000,
        lab.mails.got.load(Ordering::Relaxed)
    );
}

fn number(json: &str, name: &str) -> u64 {
    let digits = json.split(name).nth(1).unwrap_or_default();
    digits.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or_default()
}

fn spread(mut micros: Vec<i64>) -> String {
    if micros.is_empty() {
        return "none".into();
    }
    micros.sort_unstable();
    let at = |part: f64| micros[((micros.len() - 1) as f64 * part) as usize] as f64 / 1e6;
    format!("p50 {:.1} s, p95 {:.1} s, worst {:.1} s", at(0.5), at(0.95), at(1.0))
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_micros()).expect("micros")
}

/// A mail server that takes all mails.
struct Mails {
    port: u16,
    got: Arc<AtomicUsize>,
}

impl Mails {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let got = Arc::new(AtomicUsize::new(0));
        let counted = got.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = counted.clone();
                std::thread::spawn(move || serve(&stream, &counted));
            }
        });
        Self { port, got }
    }
}

fn serve(stream: &TcpStream, got: &AtomicUsize) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let say = |text: &str| (&mut &*stream).write_all(format!("{text}\r\n").as_bytes()).is_ok();
    let mut goes_on = say("220 bench");
    while let Some(line) = lines.next().filter(|_| goes_on) {
        if line.eq_ignore_ascii_case("DATA") {
            say("354 go on");
            lines.by_ref().take_while(|line| line != ".").for_each(drop);
            got.fetch_add(1, Ordering::Relaxed);
        }
        goes_on = say("250 ok");
    }
}
