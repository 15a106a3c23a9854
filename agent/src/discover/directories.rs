//! The directories of one listing: the names in each are read once, and what follows from them is kept for the next one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::HashMap;

use super::table::{Basis, Table};
use super::{Logs, Scope, Seen};
use crate::names::Names;
use crate::place::{Place, split};

/// What the last listings have found in directories.
#[derive(Debug, Default)]
pub(super) struct Kept {
    by_directory: HashMap<OsString, (Arc<Names>, Option<Arc<Table>>)>,
}

/// A directory, by the order in which they were found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct DirectoryId(usize);

pub(super) struct Directories {
    kept: Kept,
    ids: HashMap<OsString, DirectoryId>,
    all: Vec<Directory>,
}

pub(super) struct Directory {
    pub path: PathBuf,
    pub names: Arc<Names>,
    /// Names that a source gave, and that are not among those.
    more: Vec<Vec<u8>>,
    /// By file: a source matches it itself. Files are numbered as in a table.
    named: Vec<bool>,
}

/// Paths that sources give by name, by directory: the name, the number of the place, and whether it has signs.
pub(super) type GivenNames<'a> = HashMap<&'a Path, Vec<(&'a [u8], usize, bool)>>;

pub(super) fn given_names(places: &[Place]) -> GivenNames<'_> {
    let mut names = GivenNames::default();
    for (at, place) in places.iter().enumerate() {
        for given in &place.given {
            if let Some((directory, name)) = split(&given.path) {
                names.entry(directory).or_default().push((name, at, given.pattern.is_some()));
            }
        }
    }
    for names in names.values_mut() {
        names.sort_unstable();
    }
    names
}

impl DirectoryId {
    pub fn index(self) -> usize {
        self.0
    }
}

impl Directories {
    pub fn new(kept: Kept) -> Self {
        Self { kept, ids: HashMap::default(), all: Vec::new() }
    }

    /// A directory, which is read unless it was already.
    pub fn id(&mut self, path: &Path) -> DirectoryId {
        if let Some(id) = self.ids.get(path.as_os_str()) {
            return *id;
        }
        let key = path.as_os_str().to_owned();
        let names = match self.kept.by_directory.get_mut(&key) {
            Some((before, _)) => {
                *before = Names::read(path, Some(before));
                Arc::clone(before)
            }
            None => {
                let names = Names::read(path, None);
                self.kept.by_directory.insert(key.clone(), (Arc::clone(&names), None));
                names
            }
        };
        let id = DirectoryId(self.all.len());
        self.ids.insert(key, id);
        let path = path.to_path_buf();
        self.all.push(Directory { path, named: vec![false; names.len()], names, more: Vec::new() });
        id
    }

    pub fn get(&self, id: DirectoryId) -> &Directory {
        &self.all[id.0]
    }

    pub fn get_mut(&mut self, id: DirectoryId) -> &mut Directory {
        &mut self.all[id.0]
    }

    pub fn ids(&self) -> impl Iterator<Item = DirectoryId> + use<> {
        (0..self.all.len()).map(DirectoryId)
    }

    /// Of which log each file is, by directory.
    pub fn tables(&mut self, logs: &Logs, given: &GivenNames, seen: &mut Seen) -> Vec<Arc<Table>> {
        let mut tables = Vec::with_capacity(self.all.len());
        for Directory { path, names, more, named } in &self.all {
            let given = given.get(path.as_path()).map_or(&[][..], Vec::as_slice);
            let given = given.iter().filter(|(_, _, has_signs)| !has_signs).map(|(name, ..)| *name);
            let mut known: Vec<&[u8]> = given.chain(logs.of(path).iter().map(|log| log.name.as_slice())).collect();
            known.sort_unstable();
            known.dedup();
            let basis = Basis { directory: path, names, more, known: &known, named };
            let Some((_, before)) = self.kept.by_directory.get_mut(path.as_os_str()) else { continue };
            let table = Table::new(&basis, before.as_ref(), seen);
            *before = Some(Arc::clone(&table));
            tables.push(table);
        }
        tables
    }

    /// What is kept for the next listing. One of all places forgets what it did not find.
    pub fn into_kept(self, scope: &Scope) -> Kept {
        let Self { mut kept, ids, .. } = self;
        if *scope == Scope::All {
            kept.by_directory.retain(|path, _| ids.contains_key(path));
        }
        kept
    }
}

impl Directory {
    /// A source matches this file itself; gives its number.
    pub fn name(&mut self, name: &[u8]) -> usize {
        let file = self.names.position(name).unwrap_or_else(|| {
            let known = self.more.iter().position(|more| more == name);
            self.names.len()
                + known.unwrap_or_else(|| {
                    self.more.push(name.to_vec());
                    self.named.push(true);
                    self.more.len() - 1
                })
        });
        self.named[file] = true;
        file
    }

    /// A source matches these files itself.
    pub fn name_all(&mut self, files: &[usize]) {
        for file in files {
            self.named[*file] = true;
        }
    }

    /// The name of a file.
    pub fn file(&self, file: usize) -> &[u8] {
        self.names.get(file).map_or_else(|| self.more[file - self.names.len()].as_slice(), |name| &name.name)
    }

    pub fn is_named(&self, file: usize) -> bool {
        self.named[file]
    }
}
