//! SIPp calls through Kamailio, whose log a pipe writer brings into a file that can be rotated.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};

use super::{Entry, Truth, entry, eventually, free_port, program, signal};

/// Records that go into a log after it was renamed.
const LATE: usize = 5;

/// Killed when dropped.
pub struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // SIGTERM first: Kamailio's main process then ends its children, which SIGKILL would leave behind.
        if let Ok(None) = self.0.try_wait() {
            signal(self.0.id(), rustix::process::Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

/// A Kamailio whose standard error a pipe writer brings into a log file, as it cannot reopen it itself.
pub struct Lab {
    dir: PathBuf,
    pub port: u16,
    kamailio: Program,
    /// Asks the writer to reopen the log between two records.
    reopen: mpsc::Sender<()>,
    writer: std::thread::JoinHandle<()>,
    written: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Lab {
    pub fn start(dir: &Path) -> Self {
        Self::start_as(dir, "kamailio.cfg", &[])
    }

    pub fn start_as(dir: &Path, config: &str, more: &[String]) -> Self {
        let (logs, run) = (dir.join("logs"), dir.join("run"));
        std::fs::create_dir_all(&logs).expect("made");
        std::fs::create_dir_all(&run).expect("made");
        let port = free_port();
        let mut child = Command::new(program("kamailio", "kamailio"))
            .args(["-DD", "-E", "-m", "64", "-M", "8", "-f"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traffic").join(config))
            .args(more)
            .arg("-l")
            .arg(format!("udp:127.0.0.1:{port}"))
            .arg("-Y")
            .arg(&run)
            .arg("-P")
            .arg(run.join("kamailio.pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kamailio starts");
        let stderr = child.stderr.take().expect("piped");
        let (reopen, asked) = mpsc::channel();
        let written = Arc::default();
        let writer = std::thread::spawn({
            let (log, written) = (logs.join("kamailio.log"), Arc::clone(&written));
            move || write_log(BufReader::new(stderr), &log, &asked, &written)
        });
        Self { dir: dir.to_owned(), port, kamailio: Program(child), reopen, writer, written }
    }

    /// A SIPp device on a port of its own, for as long as the test lasts.
    pub fn device(&self, scenario: &str) -> (u16, Program) {
        let port = free_port();
        let child = self.sipp(scenario, port).args(["-m", "100000"]).spawn().expect("sipp starts");
        (port, Program(child))
    }

    /// Devices of bob.
    pub async fn register(&self, ports: &[u16]) {
        self.register_as("bob", "", ports).await;
    }

    /// `params`: of the URI of the contact, from a semicolon on.
    pub async fn register_as(&self, user: &str, params: &str, ports: &[u16]) {
        let list = self.dir.join(format!("{user}.csv"));
        let lines: Vec<String> = ports.iter().map(u16::to_string).collect();
        std::fs::write(&list, format!("SEQUENTIAL\n{}\n", lines.join("\n"))).expect("written");
        let mut sipp = self.sipp("register.xml", free_port());
        sipp.arg("-inf").arg(&list).args(["-m", &ports.len().to_string(), "-r", "10"]);
        sipp.args(["-s", user, "-key", "params", params]);
        finish("registrations", Program(sipp.spawn().expect("sipp starts"))).await;
    }

    /// Calls to bob that are made while the test goes on.
    pub fn calls(&self, number: usize) -> Program {
        self.calls_as("calls.xml", "bob", "%u-%p", number, 10)
    }

    /// Calls to a user, so many a second, by which each Call-ID begins so.
    pub fn calls_as(&self, scenario: &str, user: &str, named: &str, number: usize, rate: usize) -> Program {
        let mut sipp = self.sipp(scenario, free_port());
        sipp.args([
            "-s",
            user,
            "-cid_str",
            &format!("{named}@lab"),
            "-m",
            &number.to_string(),
            "-r",
            &rate.to_string(),
        ]);
        Program(sipp.spawn().expect("sipp starts"))
    }

    pub fn log(&self) -> PathBuf {
        self.dir.join("logs/kamailio.log")
    }

    pub async fn has_written(&self, records: usize) {
        eventually("traffic goes on", || async {
            let written = self.written.lock().expect("records").len();
            if written >= records { Ok(()) } else { Err(format!("{written} of {records} records")) }
        })
        .await;
    }

    fn sipp(&self, scenario: &str, port: u16) -> Command {
        let mut command = Command::new(program("sipp", "sip-tester"));
        command
            .current_dir(&self.dir)
            .arg("-sf")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traffic").join(scenario))
            .args(["-i", "127.0.0.1", "-p", &port.to_string(), &format!("127.0.0.1:{}", self.port), "-nostdin"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// `logrotate` renames the log amid the calls; the writer goes on in the renamed file, and reopens some records later.
    pub async fn rotate(&self, log: &Path) {
        let config = self.dir.join("logrotate.conf");
        let text =
            format!("{} {{\n  rotate 10\n  size 1\n  create 0644\n  nocompress\n  missingok\n}}\n", log.display());
        std::fs::write(&config, text).expect("written");
        let out = Command::new(program("logrotate", "logrotate"))
            .arg("--force")
            .arg("--state")
            .arg(self.dir.join("logrotate.state"))
            .arg(&config)
            .output()
            .expect("logrotate runs");
        assert!(out.status.success(), "logrotate: {}", String::from_utf8_lossy(&out.stderr));
        let renamed = self.written.lock().expect("records").len();
        self.has_written(renamed + LATE).await;
        self.reopen.send(()).expect("the writer lives");
    }

    /// Ends the proxy and gives what it had logged.
    pub fn stop(self) -> Truth {
        drop(self.kamailio);
        self.writer.join().expect("the writer ends");
        let written = self.written.lock().expect("records");
        written.iter().map(|record| truth(record)).collect()
    }
}

pub async fn finish(what: &str, program: Program) {
    let child = Mutex::new(program);
    eventually(what, || async {
        let ended = child.lock().expect("child").0.try_wait().expect("waited");
        match ended {
            Some(status) if status.success() => Ok(()),
            Some(status) => panic!("{what}: sipp ended with {status}"),
            None => Err("sipp still runs".to_owned()),
        }
    })
    .await;
}

/// Kamailio begins each line of its own with this; what follows up to the next one belongs to the record.
fn is_own_line(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    let digits = line.iter().take_while(|b| b.is_ascii_digit()).count();
    digits > 0 && line.get(digits) == Some(&b'(')
}

pub(super) fn is_header(line: &[u8]) -> bool {
    is_own_line(line) && line.windows(9).any(|w| w == b"<script>:") && line.ends_with(b"]\n")
}

/// Copies lines as they come, keeps each record, and reopens the file between two records when asked.
fn write_log(mut from: impl BufRead, log: &Path, asked: &mpsc::Receiver<()>, written: &Mutex<Vec<Vec<u8>>>) {
    let open = || std::fs::OpenOptions::new().create(true).append(true).open(log).expect("the log opens");
    let (mut file, mut line, mut record) = (open(), Vec::new(), Vec::new());
    while from.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        if is_own_line(&line) {
            if !record.is_empty() {
                written.lock().expect("records").push(std::mem::take(&mut record));
            }
            if asked.try_recv().is_ok() {
                file = open();
            }
        }
        if is_header(&line) || !record.is_empty() {
            record.extend_from_slice(&line);
        }
        file.write_all(&line).expect("written");
        line.clear();
    }
    if !record.is_empty() {
        written.lock().expect("records").push(record);
    }
}

/// A record as the API must give it: header line off, the logger's line end off.
fn truth(record: &[u8]) -> Entry {
    let head = record.iter().position(|b| *b == b'\n').expect("a header line") + 1;
    let body = record[head..].strip_suffix(b"\n").expect("a line end");
    let line = String::from_utf8_lossy(&record[..head]).into_owned();
    let method = line.split("][").nth(1).expect("a method").to_owned();
    let text = String::from_utf8_lossy(body);
    let call_id = text.lines().find_map(|l| l.strip_prefix("Call-ID: ")).expect("a Call-ID").trim().to_owned();
    entry("SIP", &method, &call_id, body)
}
