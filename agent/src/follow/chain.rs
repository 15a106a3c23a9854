//! Rotation chains: the files of one log.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;

use crate::discover::Logs;
use crate::place::SourceId;
use crate::stream::FileKey;

/// A log of which no file was seen for so long is forgotten.
const FORGET: Duration = Duration::from_hours(1);

/// A chain, by a number of this process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(super) struct ChainId(u64);

/// By directory and log name. Invariant: a number is given once.
#[derive(Debug, Default)]
pub(super) struct Chains {
    /// As bytes: part by part takes ten times as long.
    by_log: HashMap<OsString, Chain>,
    /// What follows from these; none where that is another than when it was last asked for.
    logs: Option<Arc<Logs>>,
    last: ChainId,
    /// Logs that were followed before the agent began.
    known: HashSet<PathBuf>,
}

/// The rotations of one log. Invariant: what waits or is behind is among its files.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    id: ChainId,
    /// Its source, once one of its files was seen.
    of: Option<(SourceId, String)>,
    seen_at: Duration,
    /// The newest file at the last listing.
    pub newest: Option<FileKey>,
    began: Option<Duration>,
    /// Between its last two rotations.
    interval: Duration,
    files: BTreeSet<FileKey>,
    /// Files that are still being caught up with.
    behind: BTreeSet<FileKey>,
    /// Files that wait for older ones.
    waiting: BTreeSet<FileKey>,
}

impl Chains {
    pub fn get(&self, path: &Path) -> Option<&Chain> {
        self.by_log.get(path.as_os_str())
    }

    pub fn get_mut(&mut self, path: &Path) -> Option<&mut Chain> {
        self.by_log.get_mut(path.as_os_str())
    }

    pub fn entry(&mut self, path: &Path) -> &mut Chain {
        let new = || Chain { id: self.last.next(), ..Chain::default() };
        self.by_log.entry(path.as_os_str().to_owned()).or_insert_with(new)
    }

    /// A file of this log was listed; gives its chain.
    pub fn seen(&mut self, path: &Path, source: SourceId, source_name: &str, now: Duration) -> ChainId {
        let is_known = |chain: &mut Chain| {
            let is_of = chain.of.as_ref().is_some_and(|(of, name)| (*of, name.as_str()) == (source, source_name));
            chain.seen_at = now;
            is_of.then_some(chain.id)
        };
        if let Some(id) = self.get_mut(path).and_then(is_known) {
            return id;
        }
        self.logs = None;
        let chain = self.entry(path);
        (chain.of, chain.seen_at) = (Some((source, source_name.to_owned())), now);
        chain.id
    }

    /// An earlier run followed this log: whatever of it is not known was written since.
    pub fn note_known(&mut self, path: PathBuf) {
        self.known.insert(path);
    }

    pub fn is_known(&self, path: &Path) -> bool {
        self.known.contains(path)
    }

    /// The logs that are followed, and those that were.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let unseen = self.known.iter().filter(|path| !self.by_log.contains_key(path.as_os_str()));
        self.by_log.keys().map(Path::new).chain(unseen.map(PathBuf::as_path))
    }

    /// Logs whose rotations are looked for even while their own file is away.
    pub fn logs(&mut self) -> Arc<Logs> {
        let logs = self.logs.get_or_insert_with(|| Arc::new(logs(&self.by_log)));
        Arc::clone(logs)
    }

    /// Logs with names that never come again are not looked for for ever.
    pub fn forget_unseen(&mut self, now: Duration) {
        let before = self.by_log.len();
        self.by_log.retain(|_, chain| now.saturating_sub(chain.seen_at) < FORGET);
        if self.by_log.len() < before {
            self.logs = None;
        }
    }

    /// A file is caught up with, or gone: gives those that waited for it.
    pub fn caught_up(&mut self, path: &Path, file: FileKey) -> BTreeSet<FileKey> {
        let Some(chain) = self.get_mut(path) else { return BTreeSet::new() };
        chain.waiting.remove(&file);
        if chain.behind.remove(&file) { std::mem::take(&mut chain.waiting) } else { BTreeSet::new() }
    }
}

/// The logs of which a file was seen.
fn logs(by_log: &HashMap<OsString, Chain>) -> Logs {
    let seen = by_log.iter().filter_map(|(path, chain)| Some((path, chain.of.as_ref()?)));
    seen.map(|(path, (source, name))| (Path::new(path), *source, name.as_str())).collect()
}

impl ChainId {
    /// Counts up; gives the new number.
    fn next(&mut self) -> Self {
        self.0 += 1;
        *self
    }

    #[cfg(test)]
    pub fn new(number: u64) -> Self {
        Self(number)
    }
}

impl Chain {
    pub fn id(&self) -> ChainId {
        self.id
    }

    pub fn add(&mut self, file: FileKey) {
        self.files.insert(file);
    }

    pub fn remove(&mut self, file: FileKey) {
        self.files.remove(&file);
    }

    pub fn files(&self) -> impl Iterator<Item = FileKey> {
        self.files.iter().copied()
    }

    /// The file holds bytes that are not read yet: younger ones wait for it.
    pub fn catch_up(&mut self, file: FileKey) {
        self.behind.insert(file);
    }

    pub fn behind(&self) -> impl Iterator<Item = FileKey> {
        self.behind.iter().copied()
    }

    /// The file waits until older ones are caught up with.
    pub fn wait(&mut self, file: FileKey) {
        self.waiting.insert(file);
    }

    /// A stream begins in one of its files; `counts` says that this was a rotation.
    pub fn rotated(&mut self, now: Duration, counts: bool) {
        if let Some(began) = self.began.replace(now).filter(|_| counts) {
            self.interval = now.saturating_sub(began);
        }
    }

    pub fn interval(&self) -> Duration {
        self.interval
    }
}
