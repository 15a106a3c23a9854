//! Rotation chains: the files of one log.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::discover::Log;
use crate::source::SourceId;
use crate::stream::FileKey;

/// A log of which no file was seen for so long is forgotten.
const FORGET: Duration = Duration::from_hours(1);

/// A chain, by a number of this process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(super) struct ChainId(u64);

/// By directory and log name. Invariant: a number is given once.
#[derive(Debug, Default)]
pub(super) struct Chains {
    by_log: HashMap<PathBuf, Chain>,
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
        self.by_log.get(path)
    }

    pub fn get_mut(&mut self, path: &Path) -> Option<&mut Chain> {
        self.by_log.get_mut(path)
    }

    pub fn entry(&mut self, path: &Path) -> &mut Chain {
        self.by_log.entry(path.to_path_buf()).or_insert_with(|| Chain { id: self.last.next(), ..Chain::default() })
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
        let unseen = self.known.iter().filter(|path| !self.by_log.contains_key(*path));
        self.by_log.keys().chain(unseen).map(PathBuf::as_path)
    }

    /// Logs whose rotations are looked for even while their own file is away.
    pub fn logs(&self) -> Vec<Log> {
        let log = |(chain, known): (&PathBuf, &Chain)| {
            let (source, source_name) = known.of.clone()?;
            Some(Log { chain: chain.clone(), source, source_name })
        };
        self.by_log.iter().filter_map(log).collect()
    }

    /// Logs with names that never come again are not looked for for ever.
    pub fn forget_unseen(&mut self, now: Duration) {
        self.by_log.retain(|_, chain| now.saturating_sub(chain.seen_at) < FORGET);
    }

    /// A file is caught up with, or gone: gives those that waited for it.
    pub fn caught_up(&mut self, path: &Path, file: FileKey) -> BTreeSet<FileKey> {
        let Some(chain) = self.by_log.get_mut(path) else { return BTreeSet::new() };
        chain.waiting.remove(&file);
        if chain.behind.remove(&file) { std::mem::take(&mut chain.waiting) } else { BTreeSet::new() }
    }
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

    /// One of its files was listed.
    pub fn seen(&mut self, source: SourceId, source_name: &str, now: Duration) {
        self.seen_at = now;
        if self.of.as_ref().is_none_or(|(of, name)| (*of, name.as_str()) != (source, source_name)) {
            self.of = Some((source, source_name.to_owned()));
        }
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
