//! What the operating system says of watched directories: hints where to look, and never what is there.
//!
//! Events only mark directories and files. Marks are bounded: beyond that, all places are looked at, as after events that were
//! lost.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{EventKind, ModifyKind};

/// Marks that are kept apart.
const MOST: usize = 1024;
/// Events are taken at most this often. What a busy file raises meanwhile, the kernel merges into one event.
const PAUSE: Duration = Duration::from_millis(2);

/// Where something may have changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hints {
    /// Anywhere: events were lost, or a directory was removed or moved.
    pub rescan: bool,
    /// Names in these directories.
    pub directories: BTreeSet<PathBuf>,
    /// What is in these files.
    pub files: BTreeSet<PathBuf>,
}

/// Where events leave their marks until they are taken.
#[derive(Debug, Default)]
pub struct Marks {
    marked: Mutex<Marked>,
    bell: tokio::sync::Notify,
}

#[derive(Debug, Default)]
struct Marked {
    hints: Hints,
    /// The paths by which sources know each watched directory.
    names: HashMap<PathBuf, BTreeSet<PathBuf>>,
    /// Watches that have ended, or may have.
    lost: BTreeSet<PathBuf>,
}

impl Marks {
    /// Waits for marks, and takes them.
    pub async fn take(&self) -> Hints {
        self.bell.notified().await;
        std::mem::take(&mut self.lock().hints)
    }

    /// A directory is watched under `path`, and known to sources as `name`: what came before the watch raised no event.
    pub fn begin(&self, path: &Path, name: &Path) {
        let mut marked = self.lock();
        marked.names.entry(path.to_path_buf()).or_default().insert(name.to_path_buf());
        self.mark(&mut marked, |hints| _ = hints.directories.insert(name.to_path_buf()));
    }

    /// A directory is not watched any more.
    pub fn end(&self, path: &Path) {
        let mut marked = self.lock();
        marked.names.remove(path);
        marked.lost.remove(path);
    }

    /// Watches that have ended, or may have, by the path they were begun with.
    pub fn take_lost(&self) -> BTreeSet<PathBuf> {
        std::mem::take(&mut self.lock().lost)
    }

    /// What takes events.
    pub fn listener(self: &Arc<Self>) -> impl FnMut(notify::Result<notify::Event>) + Send + use<> {
        let marks = Arc::clone(self);
        let mut paused = Instant::now();
        move |event| {
            marks.note(event);
            if paused.elapsed() >= PAUSE {
                rest();
                paused = Instant::now();
            }
        }
    }

    fn note(&self, event: notify::Result<notify::Event>) {
        let mut marked = self.lock();
        // Lost events have no path: they come first.
        let Some(event) = event.ok().filter(|event| !event.need_rescan()) else {
            marked.lost = marked.names.keys().cloned().collect();
            return self.mark(&mut marked, |hints| hints.rescan = true);
        };
        let written = match event.kind {
            // Our own looks are among these.
            EventKind::Access(_) => return,
            EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => true,
            _ => false,
        };
        for path in &event.paths {
            if !written && marked.names.contains_key(path) {
                let below = marked.names.keys().filter(|watched| watched.starts_with(path)).cloned();
                let below: Vec<PathBuf> = below.collect();
                marked.lost.extend(below);
                self.mark(&mut marked, |hints| hints.rescan = true);
            }
            let Some((directory, name)) = path.parent().zip(path.file_name()) else { continue };
            let Some(names) = marked.names.get(directory).cloned() else { continue };
            self.mark(&mut marked, |hints| {
                if written {
                    hints.files.extend(names.iter().map(|directory| directory.join(name)));
                } else {
                    hints.directories.extend(names);
                }
            });
        }
    }

    /// Rings once for all marks that are not taken yet.
    fn mark(&self, marked: &mut Marked, set: impl FnOnce(&mut Hints)) {
        let hints = &mut marked.hints;
        let fresh = *hints == Hints::default();
        set(hints);
        if hints.rescan || hints.directories.len() + hints.files.len() > MOST {
            *hints = Hints { rescan: true, ..Hints::default() };
        }
        if fresh {
            self.bell.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Marked> {
        self.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "time passes so that the kernel merges events; nothing is waited for")]
fn rest() {
    thread::sleep(PAUSE);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use notify::event::{AccessKind, AccessMode, CreateKind, DataChange, Flag, RemoveKind};
    use notify::{Event, RecursiveMode, Watcher};

    use super::*;

    fn marks() -> Marks {
        let marks = Marks::default();
        marks.begin(Path::new("/real"), Path::new("/log"));
        marks.begin(Path::new("/real"), Path::new("/link"));
        marks.lock().hints = Hints::default();
        marks
    }

    fn event(kind: EventKind, path: &str) -> Event {
        Event::new(kind).add_path(path.into())
    }

    const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    const CREATED: EventKind = EventKind::Create(CreateKind::File);

    fn paths(paths: &[&str]) -> BTreeSet<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn events_mark_files_and_directories_by_the_names_that_sources_know() {
        let marks = marks();
        for _ in 0..3 {
            marks.note(Ok(event(WRITTEN, "/real/app.log")));
        }
        marks.note(Ok(event(CREATED, "/real/new.log")));
        marks.note(Ok(event(WRITTEN, "/elsewhere/app.log")));
        let (directories, files) = (paths(&["/log", "/link"]), paths(&["/log/app.log", "/link/app.log"]));
        assert_eq!(marks.lock().hints, Hints { rescan: false, directories, files });
    }

    #[test]
    fn our_own_looks_mark_nothing() {
        let marks = marks();
        marks.note(Ok(event(EventKind::Access(AccessKind::Open(AccessMode::Any)), "/real/app.log")));
        assert_eq!(marks.lock().hints, Hints::default());
    }

    #[test]
    fn lost_events_mark_everything_though_they_have_no_path() {
        let marks = marks();
        marks.note(Ok(event(WRITTEN, "/real/app.log")));
        marks.note(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)));
        assert_eq!(marks.lock().hints, Hints { rescan: true, ..Hints::default() });
        assert_eq!(marks.take_lost(), paths(&["/real"]));
    }

    #[test]
    fn a_directory_that_goes_takes_the_watches_below_it_along() {
        let marks = marks();
        marks.begin(Path::new("/real/sub"), Path::new("/log/sub"));
        marks.begin(Path::new("/other"), Path::new("/other"));
        marks.note(Ok(event(EventKind::Remove(RemoveKind::Folder), "/real")));
        assert_eq!(marks.take_lost(), paths(&["/real", "/real/sub"]));
        assert!(marks.lock().hints.rescan);
    }

    #[test]
    fn marks_are_bounded() {
        let marks = marks();
        for nth in 0..MOST {
            marks.note(Ok(event(WRITTEN, &format!("/real/{nth}.log"))));
        }
        assert_eq!(marks.lock().hints, Hints { rescan: true, ..Hints::default() });
        assert!(marks.take_lost().is_empty(), "no event was lost");
    }

    #[tokio::test]
    async fn events_that_the_kernel_had_no_room_for_ask_for_a_rescan() {
        let dir = tempfile::tempdir().unwrap();
        let marks = Arc::new(Marks::default());
        let mut watcher = notify::recommended_watcher(marks.listener()).unwrap();
        marks.begin(dir.path(), dir.path());
        watcher.watch(dir.path(), RecursiveMode::NonRecursive).unwrap();
        let room: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
        {
            // Nobody takes an event while this is held.
            let mut marked = marks.lock();
            marked.hints = Hints::default();
            let mut files = ["a.log", "b.log"].map(|name| fs::File::create(dir.path().join(name)).unwrap());
            // Many more than the listener has taken out of the queue before it waits.
            for nth in 0..room + 1000 {
                files[nth % 2].write_all(b"x").unwrap();
            }
        }
        let rescan = async { while !marks.take().await.rescan {} };
        tokio::time::timeout(Duration::from_secs(30), rescan).await.expect("a rescan is asked for");
        assert_eq!(marks.take_lost(), BTreeSet::from([dir.path().to_path_buf()]));
    }
}
