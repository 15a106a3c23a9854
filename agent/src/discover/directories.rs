//! The names in directories, read once a listing, and of which log each file is.

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::Log;
use crate::logname::{LogName, log_names};
use crate::place::{Place, is_pattern, split};

/// The names of the directories of one look, read once.
pub(super) struct Directories {
    /// Log names that are known by directory, though their files may be away.
    logs: HashMap<PathBuf, Vec<Vec<u8>>>,
    names: HashMap<PathBuf, Names>,
}

#[derive(Default)]
struct Names {
    logs: HashMap<Vec<u8>, LogName>,
    /// The files of each log.
    files: HashMap<Vec<u8>, Vec<Vec<u8>>>,
}

impl Directories {
    pub fn new(places: &[Place], logs: &[Log]) -> Self {
        let named = places.iter().flat_map(|place| &place.paths).filter(|path| !is_pattern(path)).map(Path::new);
        let mut known: HashMap<PathBuf, Vec<Vec<u8>>> = HashMap::new();
        for (directory, name) in named.chain(logs.iter().map(|log| log.chain.as_path())).filter_map(split) {
            known.entry(directory.to_path_buf()).or_default().push(name.to_vec());
        }
        Self { logs: known, names: HashMap::new() }
    }

    fn of(&mut self, directory: &Path) -> &Names {
        let logs = self.logs.get(directory).map_or(&[] as &[Vec<u8>], Vec::as_slice);
        self.names.entry(directory.to_path_buf()).or_insert_with(|| {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            let names: Vec<Vec<u8>> = entries.map(|entry| entry.file_name().into_vec()).collect();
            let mut all = Names::default();
            for (log, name) in log_names(&names, logs).into_iter().zip(&names) {
                all.files.entry(log.log.clone()).or_default().push(name.clone());
                all.logs.insert(name.clone(), log);
            }
            all
        })
    }

    pub fn log_name(&mut self, directory: &Path, name: &[u8]) -> LogName {
        let known = self.of(directory).logs.get(name).cloned();
        known.unwrap_or_else(|| LogName { log: name.to_vec(), date: None, number: None })
    }

    pub fn rotations(&mut self, directory: &Path, log: &[u8]) -> Vec<(Vec<u8>, LogName)> {
        let all = self.of(directory);
        let files = all.files.get(log).into_iter().flatten();
        files.filter_map(|name| Some((name.clone(), all.logs.get(name)?.clone()))).collect()
    }
}
