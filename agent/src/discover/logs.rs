//! Logs that were seen before: their rotations are looked for even while their own files are away.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use crate::place::SourceId;
use crate::place::split;

/// The logs by directory. Invariant: those of one directory are sorted by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Logs {
    by_directory: BTreeMap<OsString, Vec<Log>>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Log {
    pub name: Vec<u8>,
    pub source: SourceId,
    pub source_name: String,
}

impl Logs {
    pub fn of(&self, directory: &Path) -> &[Log] {
        self.by_directory.get(directory.as_os_str()).map_or(&[], Vec::as_slice)
    }

    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        self.by_directory.keys().map(Path::new)
    }
}

/// From directory and log name, source and name of the source.
impl<'a> FromIterator<(&'a Path, SourceId, &'a str)> for Logs {
    fn from_iter<T: IntoIterator<Item = (&'a Path, SourceId, &'a str)>>(logs: T) -> Self {
        let mut by_directory: BTreeMap<OsString, Vec<Log>> = BTreeMap::new();
        for (chain, source, source_name) in logs {
            let Some((directory, name)) = split(chain) else { continue };
            let log = Log { name: name.to_vec(), source, source_name: source_name.to_owned() };
            match by_directory.get_mut(directory.as_os_str()) {
                Some(logs) => logs.push(log),
                None => _ = by_directory.insert(directory.as_os_str().to_owned(), vec![log]),
            }
        }
        for logs in by_directory.values_mut() {
            logs.sort_unstable();
        }
        Self { by_directory }
    }
}
