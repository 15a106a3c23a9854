//! A directory with logs, an agent that may be killed, and a list of every record that was written.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use agent::{Config, Error, Progress, Source, Transport};
use record::id::StreamId;
use record::span::SpanKind;
use record::wire;
use serde::Deserialize;
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
        let paths: Vec<PathBuf> = paths.iter().map(|path| logs.join(path)).collect();
        let config = Config {
            id: Some("agent-1".into()),
            host: Some("pbx-1.example.com".into()),
            state: dir.path().join("state"),
            poll: Duration::from_millis(20),
            provisional_after: Duration::from_millis(100),
            close_after: Duration::from_millis(300),
            drain: Duration::from_secs(10),
            batch_after: Duration::from_millis(5),
            heartbeat: Duration::from_millis(200),
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

    /// Waits until a log counts as quiet: what does not grow for a second was not growing when it is truncated.
    pub async fn quiet(&self) {
        tokio::time::sleep(Duration::from_millis(1300)).await;
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
        if let Err(ended) = agent.task.await
            && ended.is_panic()
        {
            std::panic::resume_unwind(ended.into_panic());
        }
        // A checkpoint that is being written is written by a thread of this process, which goes on; a real kill ends it.
        let lock = self.state().join("lock");
        eventually("its last write is over", || File::open(&lock).is_ok_and(|lock| lock.try_lock().is_ok())).await;
    }

    pub fn progress(&self) -> Progress {
        self.agent.as_ref().unwrap().progress.borrow().clone()
    }

    /// The numbers of the records of which the collector has no final row.
    pub fn missing(&self) -> Vec<usize> {
        let found: HashSet<Vec<u8>> = self.collector.records().into_iter().collect();
        (0..self.records.len()).filter(|nth| !found.contains(&self.records[*nth])).collect()
    }

    /// Waits until every record written so far is stored.
    pub async fn stored(&mut self) {
        self.stored_but(&[]).await;
    }

    /// Waits until every record written so far is stored but these.
    pub async fn stored_but(&mut self, lost: &[usize]) {
        let end = Instant::now() + PATIENCE;
        loop {
            let missing = self.missing();
            if missing.iter().all(|nth| lost.contains(nth)) {
                return;
            }
            let gaps = self.collector.gaps();
            assert!(Instant::now() < end, "records {missing:?} are not stored in time; gaps: {gaps:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the record written last is stored; others may be lost.
    pub async fn stored_last(&self) {
        let last = self.records.last().unwrap();
        eventually("the last record is stored", || self.collector.records().contains(last)).await;
    }

    /// Waits until every record is stored, and checks that all of it is exact: once, whole, tiled to the end of each
    /// file, without gaps, and each file held open once at most.
    pub async fn exact(&mut self) {
        self.stored().await;
        eventually("each file is covered to its end", || self.uncovered().is_empty()).await;
        eventually("each file is open once", || handles(&self.dir).values().all(|number| *number == 1)).await;
        assert_eq!(self.check(), Vec::<usize>::new());
        assert_eq!(self.collector.gaps(), []);
    }

    /// Every law, and nothing is stored that was not written. Gives the numbers of the missing records.
    pub fn check(&self) -> Vec<usize> {
        self.laws();
        let written: HashSet<&[u8]> = self.records.iter().map(Vec::as_slice).collect();
        let found = self.collector.records();
        let unknown: Vec<String> =
            found.iter().filter(|record| !written.contains(record.as_slice())).map(|record| shown(record)).collect();
        assert_eq!(unknown, Vec::<String>::new(), "what nobody wrote");
        self.missing()
    }

    /// What holds at any moment of any case: tiles (I1), no record twice (I2), bytes with their hashes (I3), and
    /// checkpoint ≤ watermark ≤ read offset (I4). Runs after each case.
    fn laws(&self) {
        // The checkpoint first: watermarks only grow.
        let checkpoint = self.checkpoint();
        assert_eq!(self.collector.broken(), Vec::<String>::new());
        let mut records = HashSet::new();
        for (id, stored) in self.collector.streams() {
            let mut at = 0;
            for span in &stored.spans {
                assert_eq!(span.start.0, at, "{id} has a hole or an overlap");
                at = span.end().0;
                let twice = span.kind == SpanKind::Record && !records.insert(span.bytes.to_vec());
                assert!(!twice, "stored twice: {}", shown(&span.bytes));
            }
            assert_eq!(at, stored.w, "{id} is not covered up to its watermark");
            assert!(stored.w <= stored.read_to, "{id} is committed to {} and read to {}", stored.w, stored.read_to);
            let saved = checkpoint.get(&id).copied().unwrap_or(0);
            assert!(saved <= stored.w, "the checkpoint has {id} at {saved}, the collector at {}", stored.w);
        }
    }

    /// The epochs of all streams, which must be in one file.
    pub fn epochs(&self) -> Vec<u64> {
        let metas = self.collector.streams().into_iter().filter_map(|(_, stored)| stored.meta);
        let mut found: Vec<_> = metas.map(|meta| (meta.epoch, meta.file)).collect();
        found.sort_by_key(|(epoch, _)| *epoch);
        assert!(found.windows(2).all(|pair| pair[0].1 == pair[1].1), "in one file: {found:?}");
        found.into_iter().map(|(epoch, _)| epoch).collect()
    }

    /// Watermarks in the checkpoint.
    pub fn checkpoint(&self) -> HashMap<StreamId, u64> {
        self.saved().into_iter().map(|stream| (stream.stream, stream.w)).collect()
    }

    /// No checkpoint can be written any more; the last one stays.
    pub fn block_checkpoints(&self) {
        fs::create_dir_all(self.state().join("checkpoint.next")).unwrap();
    }

    pub fn unblock_checkpoints(&self) {
        fs::remove_dir(self.state().join("checkpoint.next")).unwrap();
    }

    /// Bytes in all files, as the checkpoint has it.
    pub fn checkpoint_size(&self) -> u64 {
        self.saved().into_iter().map(|stream| stream.size).sum()
    }

    fn saved(&self) -> Vec<SavedStream> {
        let bytes = fs::read(self.state().join("checkpoint")).unwrap_or_default();
        let saved = bytes.get(12..).and_then(|body| wire::decode::<Saved>(body).ok());
        saved.map_or_else(Vec::new, |saved| saved.streams)
    }

    /// Files that the agent holds open.
    pub fn open_files(&self) -> usize {
        handles(&self.dir).len()
    }

    /// Files with a stream whose spans and tail do not reach their ends.
    fn uncovered(&self) -> Vec<PathBuf> {
        let streams = self.collector.streams();
        let covered = |path: &PathBuf| {
            let Ok(meta) = fs::metadata(path) else { return true };
            let birth = meta.created().unwrap().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64;
            let its = streams.iter().filter_map(|(_, stored)| Some((stored.meta.as_ref()?, stored)));
            let its = its.filter(|(told, _)| (told.file.inode, told.file.birth) == (meta.ino(), birth));
            its.max_by_key(|(told, _)| told.epoch).is_none_or(|(_, stored)| stored.covered() == meta.len())
        };
        files(&self.log("")).into_iter().filter(|path| !covered(path)).collect()
    }
}

/// What of a checkpoint is looked at.
#[derive(Deserialize)]
struct Saved {
    streams: Vec<SavedStream>,
}

#[derive(Deserialize)]
struct SavedStream {
    stream: StreamId,
    w: u64,
    size: u64,
}

/// The laws hold after each case, whatever it was about.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.laws();
        let died = self.agent.as_ref().is_some_and(|agent| agent.task.is_finished());
        assert!(!died, "the agent has ended by itself");
    }
}

/// How often this process holds each file of the directory open for reading, by inode.
fn handles(dir: &TempDir) -> HashMap<u64, usize> {
    let mut open = HashMap::new();
    for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let inside = fs::read_link(entry.path()).is_ok_and(|path| path.starts_with(dir.path().join("logs")));
        let info = fs::read_to_string(Path::new("/proc/self/fdinfo").join(entry.file_name())).unwrap_or_default();
        let flags = info.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
        let reads = flags.is_some_and(|flags| flags % 4 == 0);
        if let Ok(meta) = fs::metadata(entry.path())
            && inside
            && reads
            && meta.is_file()
        {
            *open.entry(meta.ino()).or_default() += 1;
        }
    }
    open
}

/// The regular files in a directory and below.
fn files(at: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(at).unwrap().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
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

/// Bytes this process holds.
pub fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse::<u64>().unwrap();
    pages * 4096
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
