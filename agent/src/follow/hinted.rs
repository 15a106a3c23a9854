//! Hints: what the operating system says may have changed, and where it says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Follow;
use super::file::{File, Role};
use crate::discover::{Holds, Scope};
use crate::hints::Hints;
use crate::stream::FileKey;

/// Where files of the sources may be, and where hints come from.
#[derive(Debug, Default)]
pub(super) struct Sight {
    directories: BTreeMap<PathBuf, Holds>,
    watched: Arc<BTreeSet<PathBuf>>,
}

impl Sight {
    /// A listing of all places says where files of the sources may be.
    pub fn listed(&mut self, directories: BTreeMap<PathBuf, Holds>) {
        self.directories = directories;
    }

    /// What is written to a file with one name in this directory raises a hint.
    pub fn is_watched(&self, path: &Path) -> bool {
        path.parent().is_some_and(|directory| self.watched.contains(directory))
    }

    /// Where no hint comes from: it is listed at each `poll`.
    pub fn polled(&self) -> Scope {
        if self.watched.is_empty() {
            return Scope::All;
        }
        let unwatched = self.directories.iter().filter(|(path, _)| !self.watched.contains(*path));
        let mut polled = BTreeSet::new();
        for (path, holds) in unwatched {
            match holds {
                Holds::Directories => return Scope::All,
                Holds::Files => _ = polled.insert(path.clone()),
            }
        }
        Scope::Directories(polled)
    }

    /// New directories in this one are looked into, too.
    fn holds_directories(&self, path: &Path) -> bool {
        self.directories.get(path).is_none_or(|holds| *holds == Holds::Directories)
    }
}

impl Follow {
    /// Something may have changed: it is looked at soon. Whatever a hint says, only that look counts.
    pub(super) fn hinted(&mut self, hints: Hints) {
        // Before that nothing is known, and after it nothing is read.
        if !self.recovered || self.stopping {
            return;
        }
        let now = self.now.mono;
        let Hints { rescan, directories, files } = hints;
        if rescan || directories.iter().any(|directory| self.sight.holds_directories(directory)) {
            self.rounds.hint_all(now);
        }
        for directory in directories {
            self.rounds.hint(directory, now);
        }
        for path in files {
            self.hinted_file(&path);
            // A listing that is yet to come back may say that another file has this name.
            self.rounds.keep(path, now);
        }
    }

    /// A name may have come to another file since these hints came.
    pub(super) fn hinted_again(&mut self) {
        for path in self.rounds.take_kept() {
            self.hinted_file(&path);
        }
    }

    fn hinted_file(&mut self, path: &Path) {
        let now = self.now.mono;
        let Some(key) = self.files.by_path(path) else { return };
        let Some(file) = self.files.get(key) else { return };
        let closed = |id| self.streams.get(id).is_none_or(|stream| stream.state.is_closed());
        match file.role {
            Role::Following { stream } if file.open && !closed(stream) => self.schedule(key, now),
            _ if file.open => self.rounds.hint_file(key, now),
            _ => _ = path.parent().map(|directory| self.rounds.hint(directory.to_path_buf(), now)),
        }
    }

    /// Hints come from these directories from now on.
    pub(super) fn watched(&mut self, directories: Arc<BTreeSet<PathBuf>>) {
        self.sight.watched = directories;
        for (_, file) in self.files.iter_mut() {
            file.watched = is_watched(&self.sight, file);
        }
    }

    /// The open files that are looked at with a listing: those it covers, and those that raise no hint.
    pub(super) fn held(&self, scope: &Scope, hinted: &BTreeSet<FileKey>, polls: bool) -> Vec<FileKey> {
        let covers = |file: &File| !scope.is_empty() && scope.covers(&file.chain);
        let open = self.files.iter().filter(|(_, file)| file.open);
        let held = open.filter(|(key, file)| (polls && file.is_out_of_sight()) || hinted.contains(key) || covers(file));
        held.map(|(key, _)| key).collect()
    }
}

/// Hints come by directory and name: not for what was moved out of sight, is deleted, or has another name as well.
pub(super) fn is_watched(sight: &Sight, file: &File) -> bool {
    !file.link && file.stat.links <= 1 && sight.is_watched(&file.path)
}
