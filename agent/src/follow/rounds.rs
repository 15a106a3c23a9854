//! When all places are listed, and what of them was reported.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{info, warn};

use crate::content::InodeId;
use crate::discover::{Entry, Listing, Scope};

/// What a file was when the agent began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Early {
    pub size: u64,
    /// Only a rotation of a log that a source names.
    pub rotated: bool,
}

/// Invariant: one listing is under way at most.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// Listings that were taken in.
    number: u64,
    asked: bool,
    /// The listing under way is the one that only says what is there as the agent begins.
    only_first: bool,
    at: Duration,
    /// The files that were there when the agent began.
    first: Option<HashMap<InodeId, Early>>,
    missing: Vec<PathBuf>,
    empty: Vec<PathBuf>,
    odd: HashSet<(PathBuf, String)>,
}

impl Rounds {
    /// Whether a listing is to be asked for now.
    pub fn ask(&mut self, now: Duration) -> bool {
        let due = !self.asked && now >= self.at;
        self.asked |= due;
        due
    }

    /// Whether to ask for a listing that says what is there as the agent begins; nothing else comes of it.
    pub fn ask_first(&mut self) -> bool {
        let ask = !self.asked && self.first.is_none();
        self.asked |= ask;
        self.only_first |= ask;
        ask
    }

    /// The first listing says what is there as the agent begins; true where nothing else is to come of it.
    pub fn begin(&mut self, listing: &Listing) -> bool {
        if self.first.is_none() && listing.scope == Scope::All {
            let early = |entry: &Entry| (entry.inode, Early { size: entry.stat.size, rotated: !entry.named });
            self.first = Some(listing.entries.iter().map(early).collect());
        }
        let only_first = std::mem::take(&mut self.only_first);
        self.asked &= !only_first;
        only_first
    }

    /// Where a file system has no time of birth, another file may get the inode of one that is gone: it came later.
    pub fn forget_gone(&mut self, listing: &Listing) {
        let Some(first) = self.first.as_mut().filter(|_| listing.scope == Scope::All) else { return };
        if first.keys().any(|file| file.birth == 0) {
            let there: HashSet<InodeId> = listing.entries.iter().map(|entry| entry.inode).collect();
            first.retain(|file, _| file.birth != 0 || there.contains(file));
        }
    }

    /// What a file was when the agent began; none where it came later.
    pub fn early(&self, file: InodeId) -> Option<Early> {
        self.first.as_ref()?.get(&file).copied()
    }

    /// A listing came back. Only one of all places counts: a search may be given up after it.
    pub fn listed(&mut self, scope: &Scope, next: Duration) {
        if *scope == Scope::All {
            (self.asked, self.at) = (false, next);
            self.number += 1;
        }
    }

    /// Lists soon: something was renamed, truncated or removed.
    pub fn list_soon(&mut self, now: Duration) {
        self.at = now;
    }

    pub fn due(&self) -> Duration {
        if self.asked { Duration::MAX } else { self.at }
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    /// The number of the last listing that may have seen less than is known now.
    pub fn under_way(&self) -> u64 {
        self.number + u64::from(self.asked)
    }

    pub fn missing(&self) -> &[PathBuf] {
        &self.missing
    }

    pub fn empty(&self) -> &[PathBuf] {
        &self.empty
    }

    /// Reports what was not reported before.
    pub fn report(&mut self, missing: Vec<PathBuf>, empty: Vec<PathBuf>, odd: Vec<(PathBuf, String)>) {
        for path in missing.iter().filter(|path| !self.missing.contains(path)) {
            info!("{} does not exist yet; it is waited for", path.display());
        }
        // One line a directory and reason: there may be thousands of archives.
        let mut new: HashMap<(Option<&Path>, &str), (&Path, usize)> = HashMap::new();
        for (path, why) in odd.iter().filter(|odd| !self.odd.contains(odd)) {
            new.entry((path.parent(), why)).or_insert((path, 0)).1 += 1;
        }
        for ((_, why), (path, files)) in new {
            let more = if files > 1 { format!(" and {} more in its directory", files - 1) } else { String::new() };
            warn!("{}{more} cannot be followed: {why}; the others are", path.display());
        }
        (self.missing, self.empty) = (missing, empty);
        self.odd = odd.into_iter().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Stat;
    use crate::logname::LogName;
    use crate::source::SourceId;

    fn listing(inodes: &[InodeId]) -> Listing {
        let entry = |inode: &InodeId| Entry {
            path: "/log/app.log.1".into(),
            source: SourceId(0),
            source_name: "app".into(),
            named: false,
            chain: "/log/app.log".into(),
            name: LogName::default(),
            inode: *inode,
            stat: Stat::default(),
        };
        Listing { entries: inodes.iter().map(entry).collect(), ..Listing::default() }
    }

    #[test]
    fn an_inode_without_a_birth_that_was_gone_is_of_a_later_file() {
        let (born, unborn) = (InodeId { birth: 7, ..InodeId::default() }, InodeId::default());
        let mut rounds = Rounds::default();
        assert!(rounds.ask_first() && rounds.begin(&listing(&[born, unborn])), "nothing else comes of the first one");
        assert!(rounds.early(born).is_some() && rounds.early(unborn).is_some());
        let next = listing(&[]);
        assert!(!rounds.begin(&next));
        rounds.forget_gone(&next);
        assert_eq!((rounds.early(born).is_some(), rounds.early(unborn)), (true, None));
    }
}
