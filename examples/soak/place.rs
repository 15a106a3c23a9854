//! Where a collector and its agent live, and how they are started, asked and killed.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A database of its own on the PostgreSQL of `scripts/postgres`, dropped at the end.
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    pub fn make() -> Self {
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
pub struct Place {
    dir: PathBuf,
    pub log: PathBuf,
    pub address: String,
    /// None on SQLite.
    pub url: Option<String>,
}

impl Place {
    pub fn new(dir: &Path, database: Option<&Database>) -> Self {
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

    pub fn name(&self) -> &'static str {
        if self.url.is_some() { "PostgreSQL" } else { "SQLite" }
    }

    /// A write beyond a limit of the size of files fails, and does not end the program.
    pub fn start(&self, role: &str) -> Program {
        let program = std::env::current_exe().unwrap().with_file_name("../siptrail");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(program).arg(role).arg("--config");
        shell.arg(self.dir.join(format!("{role}.toml"))).stdin(Stdio::null()).stdout(Stdio::null());
        shell.stderr(OpenOptions::new().create(true).append(true).open(self.dir.join("said")).unwrap());
        Program(shell.spawn().unwrap())
    }

    pub fn get(&self, path: &str) -> Option<String> {
        let mut text = String::new();
        ask(&self.address, path)?.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        head.lines().next().is_some_and(|line| line.ends_with("200 OK")).then(|| body.to_owned())
    }
}

/// A connection closes at the end, and 1.0 has no chunks.
pub fn ask(address: &str, path: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    Some(stream)
}

pub struct Program(Child);

impl Program {
    pub fn kill_9(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Resident, in MB.
    pub fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1000.0
    }

    /// The soft limit alone: it is taken away again.
    pub fn limit_files(&self, bytes: &str) {
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
