//! Which directories are watched: those in which files of the sources stand or may appear. Files never are: a watch on a
//! directory and on a file in it loses the file at a rename.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher};
use rustix::fs::statfs;
use tracing::{info, warn};

use crate::content::InodeId;
use crate::hints::Marks;
use crate::wording::shown;

/// File systems of this host, on which each write raises an event: ext2 to ext4, XFS, Btrfs, tmpfs, F2FS, ZFS, bcachefs.
/// A write on another host raises none here, and what others do is not known.
const LOCAL: [u32; 7] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0xf2f5_2010, 0x2fc1_2fc1, 0xca45_1a4e];

/// Invariant: of the directories with one inode, the one in `by_inode` is watched, and the others share its watch.
#[derive(Debug)]
pub struct Watches {
    watcher: Option<RecommendedWatcher>,
    marks: Arc<Marks>,
    wanted: BTreeMap<PathBuf, State>,
    by_inode: HashMap<InodeId, PathBuf>,
    reported: Reported,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// It is not there, or no watch was to be had so far.
    Open,
    Watched(InodeId),
    /// It cannot be watched as long as it is the same one.
    Refused(InodeId),
}

/// What was reported already, once each.
#[derive(Debug, Default)]
struct Reported {
    full: bool,
    remote: bool,
    refused: bool,
}

impl Watches {
    /// Without `hints`, nothing is ever watched.
    pub fn start(hints: bool, marks: &Arc<Marks>) -> Self {
        let start = || notify::recommended_watcher(marks.listener());
        let watcher = hints.then(start).and_then(|watcher| {
            let fault = |error| warn!(%error, "directories cannot be watched; all are listed at each `poll`");
            watcher.map_err(fault).ok()
        });
        let (wanted, by_inode) = (BTreeMap::new(), HashMap::new());
        Self { watcher, marks: Arc::clone(marks), wanted, by_inode, reported: Reported::default() }
    }

    /// Watches these directories from now on, as far as they can be, and no others.
    pub fn want<'a>(&mut self, directories: impl Iterator<Item = &'a Path>) {
        if self.watcher.is_none() {
            return;
        }
        let directories: BTreeSet<&Path> = directories.collect();
        let unwanted = self.wanted.keys().filter(|path| !directories.contains(path.as_path())).cloned();
        for path in unwanted.collect::<Vec<_>>() {
            self.forget(&path);
            self.wanted.remove(&path);
        }
        for path in directories {
            self.wanted.entry(path.to_path_buf()).or_insert(State::Open);
        }
        self.check();
    }

    /// Looks whether each directory still is the one that is watched; one that was removed and made again, moved, or mounted
    /// over gets its watch again.
    pub fn check(&mut self) {
        let lost = self.marks.take_lost();
        let mut full = false;
        for path in self.wanted.keys().cloned().collect::<Vec<_>>() {
            let meta = fs::metadata(&path).ok().filter(fs::Metadata::is_dir);
            let inode = meta.as_ref().map(InodeId::of);
            let state = match (self.wanted[&path], inode) {
                (State::Watched(was), Some(is)) if was == is && !self.is_lost(was, &lost) => continue,
                (State::Refused(was), Some(is)) if was == is => continue,
                (_, None) => {
                    self.forget(&path);
                    State::Open
                }
                (_, Some(inode)) => {
                    self.forget(&path);
                    if full { State::Open } else { self.watch(&path, inode, &mut full) }
                }
            };
            self.wanted.insert(path, state);
        }
    }

    /// The directories that raise hints.
    pub fn watched(&self) -> BTreeSet<PathBuf> {
        let watched = self.wanted.iter().filter(|(_, state)| matches!(state, State::Watched(_)));
        watched.map(|(path, _)| path.clone()).collect()
    }

    fn is_lost(&self, inode: InodeId, lost: &BTreeSet<PathBuf>) -> bool {
        self.by_inode.get(&inode).is_none_or(|path| lost.contains(path))
    }

    fn watch(&mut self, path: &Path, inode: InodeId, full: &mut bool) -> State {
        if let Some(shared) = self.by_inode.get(&inode) {
            self.marks.begin(shared, path);
            return State::Watched(inode);
        }
        if !is_local(path) {
            if !std::mem::replace(&mut self.reported.remote, true) {
                info!(
                    "{} is on a file system that raises no events, or not all; it, and others like it, are listed at each `poll`",
                    shown(path)
                );
            }
            return State::Refused(inode);
        }
        let Some(watcher) = self.watcher.as_mut() else { return State::Open };
        // Before the first event comes.
        self.marks.begin(path, path);
        let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive) else {
            self.by_inode.insert(inode, path.to_path_buf());
            return State::Watched(inode);
        };
        self.marks.end(path);
        match error.kind {
            ErrorKind::PathNotFound => State::Open,
            ErrorKind::MaxFilesWatch => {
                *full = true;
                if !std::mem::replace(&mut self.reported.full, true) {
                    warn!(
                        "no more directories can be watched (fs.inotify.max_user_watches); {} and others are listed at each `poll`",
                        shown(path)
                    );
                }
                State::Open
            }
            _ => {
                if !std::mem::replace(&mut self.reported.refused, true) {
                    warn!(%error, "{} cannot be watched; it is listed at each `poll`", shown(path));
                }
                State::Refused(inode)
            }
        }
    }

    /// Ends the watch of a directory. Others that share it get one of their own.
    fn forget(&mut self, path: &Path) {
        let Some(State::Watched(inode)) = self.wanted.insert(path.to_path_buf(), State::Open) else { return };
        let Some(shared) = self.by_inode.remove(&inode) else { return };
        if let Some(watcher) = self.watcher.as_mut() {
            // Fails where the directory is gone, and its watch with it.
            let _ = watcher.unwatch(&shared);
        }
        self.marks.end(&shared);
    }
}

fn is_local(path: &Path) -> bool {
    statfs(path).is_ok_and(|system| LOCAL.contains(&(system.f_type as u32)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;
    use crate::hints::Hints;

    fn set(paths: &[&Path]) -> BTreeSet<PathBuf> {
        paths.iter().map(|path| path.to_path_buf()).collect()
    }

    /// Waits for a hint of which this holds.
    async fn hinted(marks: &Marks, holds: impl Fn(&Hints) -> bool) {
        let waits = async { while !holds(&marks.take().await) {} };
        tokio::time::timeout(Duration::from_secs(30), waits).await.expect("a hint");
    }

    #[tokio::test]
    async fn directories_are_watched_by_each_of_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        let marks = Arc::default();
        let mut watches = Watches::start(true, &marks);
        let missing = dir.path().join("missing");
        watches.want([&*real, &*link, &*missing].into_iter());
        assert_eq!(watches.watched(), set(&[&real, &link]));
        hinted(&marks, |hints| hints.directories == set(&[&real, &link])).await;
        fs::write(real.join("app.log"), "x").unwrap();
        hinted(&marks, |hints| hints.files.contains(&real.join("app.log"))).await;
        fs::write(real.join("app.log"), "xy").unwrap();
        hinted(&marks, |hints| hints.files.contains(&link.join("app.log"))).await;
        fs::create_dir(&missing).unwrap();
        // One name less: the other keeps its watch.
        watches.want([&*link, &*missing].into_iter());
        assert_eq!(watches.watched(), set(&[&link, &missing]));
        fs::write(real.join("app.log"), "xyz").unwrap();
        hinted(&marks, |hints| hints.files == set(&[&link.join("app.log")])).await;
    }

    #[tokio::test]
    async fn a_directory_that_was_removed_moved_or_replaced_is_watched_again() {
        let dir = tempfile::tempdir().unwrap();
        let (sub, away) = (dir.path().join("sub"), dir.path().join("away"));
        let marks = Arc::default();
        let mut watches = Watches::start(true, &marks);
        fs::create_dir(&sub).unwrap();
        watches.want([dir.path(), &sub].into_iter());
        for round in 0..4 {
            if round % 2 == 0 {
                fs::remove_dir_all(&sub).unwrap();
            } else {
                fs::rename(&sub, &away).unwrap();
            }
            hinted(&marks, |hints| hints.rescan).await;
            watches.check();
            assert_eq!(watches.watched(), set(&[dir.path()]));
            fs::create_dir(&sub).unwrap();
            watches.check();
            assert_eq!(watches.watched(), set(&[dir.path(), &sub]));
            // A late event of the directory that was there before may end the new watch as well; that is noticed, too.
            let path = sub.join("app.log");
            let raises = async {
                loop {
                    fs::write(&path, "x").unwrap();
                    let hints = tokio::time::timeout(Duration::from_millis(100), marks.take()).await;
                    if hints.is_ok_and(|hints| hints.files.contains(&path)) {
                        break;
                    }
                    watches.check();
                }
            };
            tokio::time::timeout(Duration::from_secs(30), raises).await.expect("what is written raises a hint");
            let _ = fs::remove_dir_all(&away);
        }
    }

    #[test]
    fn without_hints_nothing_is_watched() {
        let dir = tempfile::tempdir().unwrap();
        let mut watches = Watches::start(false, &Arc::default());
        watches.want([dir.path()].into_iter());
        watches.check();
        assert!(watches.watched().is_empty());
    }

    #[test]
    fn what_raises_no_events_is_not_watched() {
        assert!(is_local(&std::env::temp_dir()));
        let proc = Path::new("/proc/self");
        assert!(!is_local(proc));
        let mut watches = Watches::start(true, &Arc::default());
        watches.want([proc].into_iter());
        assert!(watches.watched().is_empty());
    }
}
