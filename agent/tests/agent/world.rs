//! A directory with logs, an agent that may be killed, and a list of every record that was written.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use agent::{Config, Error, Progress, Source, Transport};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::collector::Collector;

const PATIENCE: Duration = Duration::from_secs(30);

pub struct World {
    dir: TempDir,
    pub config: Config,
    pub collector: Collector,
    /// Used instead of the collector in this process.
    pub transport: Option<Transport>,
    pub records: Vec<Vec<u8>>,
    agent: Option<Agent>,
}

struct Agent {
    task: JoinHandle<Result<(), Error>>,
    cancel: CancellationToken,
    progress: watch::Receiver<Progress>,
}

impl World {
    /// Logs are in `logs/`, and `paths` are relative to it.
    pub fn new(paths: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        fs::create_dir(&logs).unwrap();
        let paths = paths.iter().map(|path| logs.join(path).to_str().unwrap().to_owned()).collect();
        let config = Config {
            id: Some("agent-1".into()),
            host: Some("pbx-1.example.com".into()),
            state: dir.path().join("state"),
            poll: Duration::from_millis(20),
            provisional_after: Duration::from_millis(100),
            close_after: Duration::from_millis(300),
            drain: Duration::from_secs(10),
            batch_after: Duration::from_millis(5),
            sources: vec![Source::new("pbx", paths)],
            ..Config::default()
        };
        Self { dir, config, collector: Collector::default(), transport: None, records: Vec::new(), agent: None }
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.dir.path().join("logs").join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// The next record, as a log holds it.
    pub fn record(&mut self) -> Vec<u8> {
        let record = record(self.records.len(), 700);
        self.records.push(record.clone());
        record
    }

    /// Writes `number` records, each with one write.
    pub fn write(&mut self, mut log: &File, number: usize) {
        for _ in 0..number {
            let record = self.record();
            log.write_all(&record).unwrap();
        }
    }

    /// Opens a log for appending and writes `number` records.
    pub fn append(&mut self, name: &str, number: usize) -> File {
        let log = open(&self.log(name));
        self.write(&log, number);
        log
    }

    pub fn start(&mut self) {
        assert!(self.agent.is_none(), "it runs already");
        let cancel = CancellationToken::new();
        let (progress, watching) = watch::channel(Progress::default());
        let transport = self.transport.clone().unwrap_or_else(|| Transport::InProcess(self.collector.serve()));
        let task = tokio::spawn(agent::run(self.config.clone(), transport, progress, cancel.clone()));
        self.agent = Some(Agent { task, cancel, progress: watching });
    }

    /// As with SIGTERM.
    pub async fn stop(&mut self) {
        let agent = self.agent.take().unwrap();
        agent.cancel.cancel();
        agent.task.await.unwrap().unwrap();
    }

    /// As with kill -9: nothing is drained, nothing is written.
    pub async fn kill(&mut self) {
        let agent = self.agent.take().unwrap();
        agent.task.abort();
        let _ = agent.task.await;
    }

    pub fn progress(&self) -> Progress {
        self.agent.as_ref().unwrap().progress.borrow().clone()
    }

    /// Waits until every record written so far is stored.
    pub async fn stored(&mut self) {
        let missing = || {
            let found: HashSet<Vec<u8>> = self.collector.records().into_iter().collect();
            (0..self.records.len()).filter(|nth| !found.contains(&self.records[*nth])).collect::<Vec<_>>()
        };
        let end = Instant::now() + PATIENCE;
        while !missing().is_empty() {
            let missing = missing();
            assert!(
                Instant::now() < end,
                "records {missing:?} are not stored in time; gaps: {:?}",
                self.collector.gaps()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until every record is stored, and checks that all of it is exact: once, whole, tiled, without gaps.
    pub async fn exact(&mut self) {
        self.stored().await;
        self.check();
        assert_eq!(self.collector.gaps(), []);
    }

    /// Tiles, once, and nothing that was not written. Gives the numbers of the missing records.
    pub fn check(&self) -> Vec<usize> {
        assert_eq!(self.collector.broken(), Vec::<String>::new());
        for (id, stored) in self.collector.streams() {
            let mut at = 0;
            for span in &stored.spans {
                assert_eq!(span.start.0, at, "{id} has a hole or an overlap");
                at = span.end().0;
            }
            assert_eq!(at, stored.w, "{id} is not covered up to its watermark");
        }
        let mut times: HashMap<Vec<u8>, usize> = HashMap::new();
        for record in self.collector.records() {
            *times.entry(record).or_default() += 1;
        }
        let missing = (0..self.records.len()).filter(|nth| {
            let times = times.remove(&self.records[*nth]).unwrap_or(0);
            assert!(times <= 1, "record {nth} is stored {times} times");
            times == 0
        });
        let missing = missing.collect();
        let unknown: Vec<String> = times.into_keys().map(|record| shown(&record)).collect();
        assert_eq!(unknown, Vec::<String>::new(), "what nobody wrote");
        missing
    }
}

pub fn open(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// A SIP record with a length, about `size` bytes long; its message is final once it is written.
pub fn record(nth: usize, size: usize) -> Vec<u8> {
    let mut body = String::new();
    while body.len() + 200 < size {
        write!(body, "a={nth:06}:{}\r\n", body.len()).unwrap();
    }
    let mut text = format!("[2026-11-23 19:53:58.{:03}][INVITE][sip:192.0.2.1:5060][sip:192.0.2.2:5060]\n", nth % 1000);
    write!(
        text,
        "INVITE sip:bob-{nth:06}@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{nth:06}\r\n"
    )
    .unwrap();
    write!(text, "Call-ID: {nth:06}@192.0.2.1\r\nContent-Length: {}\r\n\r\n{body}\n", body.len()).unwrap();
    text.into_bytes()
}

fn shown(record: &[u8]) -> String {
    String::from_utf8_lossy(&record[..record.len().min(200)]).into_owned()
}

/// Polls until the condition holds.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
