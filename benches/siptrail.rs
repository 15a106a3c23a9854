//! The built program as a process of its own, and the databases it is given.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::ask;

const ENOUGH: Duration = Duration::from_mins(10);

/// A running program. Killed when dropped.
pub struct Siptrail {
    child: Child,
    pub address: String,
}

impl Siptrail {
    pub fn watch(data: &Path, log: &Path) -> Self {
        let mut command = program();
        command.args(["watch", "--listen", "127.0.0.1:0", "--data"]).arg(data).arg(log);
        Self::serving(command)
    }

    pub fn collector(config: &Path) -> Self {
        let mut command = program();
        command.args(["collector", "--config"]).arg(config);
        Self::serving(command)
    }

    pub fn agent(config: &Path) -> Self {
        let mut command = program();
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
    pub fn get(&self, path: &str) -> (String, String) {
        let mut text = Vec::new();
        ask::ask(&self.address, path).read_to_end(&mut text).expect("an answer");
        let text = String::from_utf8_lossy(&text).into_owned();
        text.split_once("\r\n\r\n")
            .map_or((text.clone(), String::new()), |(head, body)| (head.to_owned(), body.to_owned()))
    }

    pub fn first_byte(&self, path: &str) -> (Duration, usize) {
        ask::first_byte(&self.address, path)
    }

    /// Each message of this call belongs to a scenario; one log is joined in its order, so all before it do.
    pub fn correlated(&self, call_id: &str) -> bool {
        let messages = self.get(&format!("/api/v1/messages?limit=1000&call_id={call_id}")).1;
        messages.contains("\"scenario_id\":\"") && !messages.contains("\"scenario_id\":null")
    }

    pub fn until(&self, done: impl Fn(&Self) -> bool, began: Instant) -> Duration {
        while !done(self) {
            assert!(began.elapsed() < ENOUGH, "not done in {ENOUGH:?}");
            std::thread::park_timeout(Duration::from_millis(50));
        }
        began.elapsed()
    }

    /// CPU seconds and the highest resident memory in bytes so far (`/proc`).
    pub fn spent(&self) -> (f64, u64) {
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

/// Another program may be measured in its place, to compare the two on one day.
fn program() -> Command {
    let named = std::env::var_os("SIPTRAIL_BENCH_PROGRAM");
    Command::new(named.unwrap_or_else(|| env!("CARGO_BIN_EXE_siptrail").into()))
}

impl Drop for Siptrail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A PostgreSQL of `scripts/postgres`.
#[derive(Clone, Copy)]
pub enum Server {
    /// That of the tests.
    Quick,
    Durable,
}

impl Server {
    pub const BOTH: [(&str, Server); 2] =
        [("PostgreSQL, fsync off", Server::Quick), ("PostgreSQL, durable", Server::Durable)];

    pub fn url(self) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/postgres");
        let more: &[&str] = match self {
            Server::Quick => &[],
            Server::Durable => &["durable"],
        };
        let said = Command::new(script).arg("url").args(more).output().expect("scripts/postgres runs");
        assert!(said.status.success(), "no PostgreSQL: scripts/postgres start {}", more.concat());
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }
}

/// A schema of its own in a PostgreSQL. Dropped with all that is in it.
pub struct Schema {
    server: String,
    name: String,
}

impl Schema {
    pub fn create(server: Server) -> Self {
        let schema = Self { server: server.url(), name: format!("bench_{}", std::process::id()) };
        assert!(schema.run("create"), "a schema is made");
        schema
    }

    /// A file with its URL, as a collector's config wants it.
    pub fn url_file(&self, dir: &Path) -> PathBuf {
        let file = dir.join("url");
        std::fs::write(&file, format!("{}?options[search_path]={}", self.server, self.name)).expect("written");
        file
    }

    fn run(&self, what: &str) -> bool {
        let cascade = if what == "drop" { " cascade" } else { "" };
        let text = format!("{what} schema {}{cascade}", self.name);
        let mut psql = Command::new("psql");
        psql.args(["-d", &self.server, "-qc", &text]).stderr(Stdio::null());
        psql.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        self.run("drop");
    }
}

/// Agent and collector, as two processes, with their data and configs in `dir`.
pub struct Pair {
    pub collector: Siptrail,
    pub agent: Siptrail,
    /// When the agent was started, behind its collector.
    pub began: Instant,
}

impl Pair {
    /// The agent follows `log` to its collector over HTTP. `schema`: PostgreSQL instead of SQLite.
    pub fn start(dir: &Path, log: &Path, schema: Option<&Schema>) -> Self {
        std::fs::create_dir_all(dir).expect("made");
        let file = dir.join("collector.toml");
        let url = schema.map(|schema| format!("postgres_url_file = '{}'\n", schema.url_file(dir).display()));
        let config = format!("listen = '127.0.0.1:0'\ndata = '{}'\n", dir.join("data").display());
        std::fs::write(&file, config + &url.unwrap_or_default()).expect("written");
        let collector = Siptrail::collector(&file);
        let file = dir.join("agent.toml");
        let config = format!(
            "id = '{AGENT}'\nstate = '{}'\ncollector = 'http://{}'\n[[source]]\nname = 'proxy'\npaths = ['{}']\n",
            dir.join("agent").display(),
            collector.address,
            log.display()
        );
        std::fs::write(&file, config).expect("written");
        Self { began: Instant::now(), agent: Siptrail::agent(&file), collector }
    }
}

/// The agent's name to its collector.
pub const AGENT: &str = "bench";
