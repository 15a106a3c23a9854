//! The names in directories, read once a listing, and of which log each file is.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::{Log, Seen};
use crate::logname::{LogName, log_names};
use crate::place::{Place, split};

/// The names of the directories of one look, read once.
pub(super) struct Directories<'a> {
    /// Log names that are known by directory, though their files may be away.
    logs: HashMap<PathBuf, Vec<Vec<u8>>>,
    /// Paths that a source matches itself.
    named: &'a HashSet<&'a OsStr>,
    seen: &'a mut Seen,
    names: HashMap<PathBuf, Names>,
}

#[derive(Default)]
struct Names {
    logs: HashMap<Vec<u8>, LogName>,
    /// The files of each log.
    files: HashMap<Vec<u8>, Vec<Vec<u8>>>,
    /// Symbolic links.
    links: HashSet<Vec<u8>>,
}

impl<'a> Directories<'a> {
    pub fn new(places: &[Place], logs: &[Log], named: &'a HashSet<&'a OsStr>, seen: &'a mut Seen) -> Self {
        let given = places.iter().flat_map(|place| &place.given).filter(|given| given.pattern.is_none());
        let given = given.map(|given| given.path.as_path());
        let mut known: HashMap<PathBuf, Vec<Vec<u8>>> = HashMap::new();
        for (directory, name) in given.chain(logs.iter().map(|log| log.chain.as_path())).filter_map(split) {
            known.entry(directory.to_path_buf()).or_default().push(name.to_vec());
        }
        Self { logs: known, named, seen, names: HashMap::new() }
    }

    fn of(&mut self, directory: &Path) -> &Names {
        let logs = self.logs.get(directory).map_or(&[] as &[Vec<u8>], Vec::as_slice);
        let (by_config, seen) = (self.named, &mut *self.seen);
        self.names.entry(directory.to_path_buf()).or_insert_with(|| {
            let (mut all, mut names) = (Names::default(), Vec::new());
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let name = entry.file_name().into_vec();
                if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                    all.links.insert(name.clone());
                }
                names.push(name);
            }
            let read = log_names(&names, logs);
            // What one of them proves counts for those before it, too.
            for (read, name) in read.iter().zip(&names) {
                if let Some(numbered) = &read.numbered {
                    seen.proves(directory, name, numbered, true);
                }
            }
            for (read, name) in read.into_iter().zip(&names) {
                let is_named = || {
                    let path: OsString = directory.join(OsStr::from_bytes(name)).into_os_string();
                    logs.contains(name) || by_config.contains(path.as_os_str())
                };
                let rotation = read.numbered.filter(|numbered| seen.proves(directory, name, numbered, is_named()));
                let log = rotation.map_or(read.name, |numbered| numbered.name);
                all.files.entry(log.log.clone()).or_default().push(name.clone());
                all.logs.insert(name.clone(), log);
            }
            all
        })
    }

    /// The log of a file, and whether the file is a symbolic link.
    pub fn log_name(&mut self, directory: &Path, name: &[u8]) -> (LogName, bool) {
        let all = self.of(directory);
        let known = all.logs.get(name).cloned();
        let log = known.unwrap_or_else(|| LogName { log: name.to_vec(), date: None, number: None });
        (log, all.links.contains(name))
    }

    pub fn is_link(&mut self, path: &Path) -> bool {
        split(path).is_some_and(|(directory, name)| self.of(directory).links.contains(name))
    }

    pub fn rotations(&mut self, directory: &Path, log: &[u8]) -> Vec<(Vec<u8>, LogName)> {
        let all = self.of(directory);
        let files = all.files.get(log).into_iter().flatten();
        files.filter_map(|name| Some((name.clone(), all.logs.get(name)?.clone()))).collect()
    }
}
