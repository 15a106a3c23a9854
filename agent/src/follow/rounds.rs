//! When all places are listed, and what of them was reported.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{info, warn};

use super::Now;
use crate::discover::Scope;

/// Invariant: one listing is under way at most.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// Listings that were taken in.
    number: u64,
    asked: bool,
    at: Duration,
    /// When the agent began, when the last listing was asked for, and when the one before that came back was.
    began_wall: Option<i64>,
    asked_wall: i64,
    listed_wall: i64,
    missing: Vec<PathBuf>,
    empty: Vec<PathBuf>,
    odd: HashSet<(PathBuf, String)>,
}

impl Rounds {
    pub fn begin(&mut self, wall: i64) {
        self.began_wall.get_or_insert(wall);
    }

    /// Whether a listing is to be asked for now.
    pub fn ask(&mut self, now: Now) -> bool {
        let due = !self.asked && now.mono >= self.at;
        if due {
            (self.asked, self.asked_wall) = (true, now.wall.0);
        }
        due
    }

    /// A listing came back. Only one of all places counts: a search may be given up after it.
    pub fn listed(&mut self, scope: &Scope, next: Duration) {
        if *scope == Scope::All {
            (self.asked, self.listed_wall, self.at) = (false, self.asked_wall, next);
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

    /// The wall clock when the agent began, for logs that were there then.
    pub fn began_wall(&self) -> Option<i64> {
        self.began_wall
    }

    /// The wall clock when the last listing was asked for that was taken in.
    pub fn listed_wall(&self) -> i64 {
        self.listed_wall
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
            info!(path = %path.display(), "a path of the config does not exist yet; it is waited for");
        }
        // One line a directory and reason: there may be thousands of archives.
        let mut new: HashMap<(Option<&Path>, &str), (&Path, usize)> = HashMap::new();
        for (path, why) in odd.iter().filter(|odd| !self.odd.contains(odd)) {
            new.entry((path.parent(), why)).or_insert((path, 0)).1 += 1;
        }
        for ((_, why), (path, files)) in new {
            warn!(path = %path.display(), files, why, "cannot be followed and is left out");
        }
        (self.missing, self.empty) = (missing, empty);
        self.odd = odd.into_iter().collect();
    }
}
