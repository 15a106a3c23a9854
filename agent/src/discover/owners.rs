//! Whose a log is: it has one source, also where several name its rotations.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::directories::DirectoryId;
use super::find::Found;
use super::logs::Log;
use super::table::Table;
use crate::place::Place;
use crate::place::SourceId;

/// By directory and log, as in the tables.
pub(super) struct Owners<'a> {
    tables: &'a [Arc<Table>],
    owners: Vec<Vec<Option<Owner<'a>>>>,
}

#[derive(Clone)]
pub(super) struct Owner<'a> {
    /// The lower, the better its claim.
    rank: u8,
    by: By<'a>,
}

#[derive(Clone)]
enum By<'a> {
    /// A place that names a file of the log, found in this directory; `several` says that it can match several logs.
    Place { place: &'a Place, relative: &'a Path, several: bool },
    /// An earlier listing.
    Known(&'a Log),
}

impl<'a> Owners<'a> {
    pub fn new(tables: &'a [Arc<Table>]) -> Self {
        Self { tables, owners: tables.iter().map(|table| vec![None; table.logs().len()]).collect() }
    }

    pub fn table(&self, directory: DirectoryId) -> &'a Table {
        &self.tables[directory.index()]
    }

    /// The owner of each log of a directory.
    pub fn of(&self, directory: DirectoryId) -> &[Option<Owner<'a>>] {
        &self.owners[directory.index()]
    }

    /// A place names files: it claims their logs. `given` are paths in this directory that are given by name.
    pub fn claim(&mut self, at: usize, place: &'a Place, found: &'a Found, given: &[(&[u8], usize, bool)]) {
        let table = self.table(found.directory);
        let several =
            place.given.len() > 1 || place.given.iter().any(|given| given.pattern.is_some() || given.path.is_dir());
        let is_given = |log: &[u8]| {
            let from = given.partition_point(|(name, of, _)| (*name, *of) < (log, at));
            given.get(from).is_some_and(|(name, of, _)| (*name, *of) == (log, at))
        };
        for file in &found.files {
            let log = table.log_of(*file);
            let rank = match () {
                () if is_given(&table.logs()[log].name) => 0,
                () if table.log_name(*file).is_plain() => 1,
                () => 3,
            };
            let by = By::Place { place, relative: &found.relative, several };
            self.claim_log(found.directory, log, Owner { rank, by });
        }
    }

    /// Logs of a directory that were seen before; both are sorted by name.
    pub fn claim_known(&mut self, directory: DirectoryId, known: &'a [Log]) {
        let mut known = known.iter().peekable();
        for (log, files) in self.table(directory).logs().iter().enumerate() {
            while known.next_if(|known| known.name < files.name).is_some() {}
            if let Some(known) = known.next_if(|known| known.name == files.name) {
                self.claim_log(directory, log, Owner { rank: 2, by: By::Known(known) });
            }
        }
    }

    /// The best claim to a log stands, and of equal ones the first.
    fn claim_log(&mut self, directory: DirectoryId, log: usize, by: Owner<'a>) {
        let owner = &mut self.owners[directory.index()][log];
        if owner.as_ref().is_none_or(|owner| by.rank < owner.rank) {
            *owner = Some(by);
        }
    }
}

impl Owner<'_> {
    pub fn source(&self) -> SourceId {
        match self.by {
            By::Place { place, .. } => place.source,
            By::Known(log) => log.source,
        }
    }

    /// The name of the source, with the log's where it can match several.
    pub fn source_name(&self, log: &[u8]) -> String {
        match &self.by {
            By::Known(log) => log.source_name.clone(),
            By::Place { place, several: false, .. } => place.name.clone(),
            By::Place { place, relative, several: true } => {
                let relative = relative.as_os_str().as_bytes();
                let mut name = String::with_capacity(place.name.len() + relative.len() + log.len() + 2);
                name.push_str(&place.name);
                for part in [relative, log].into_iter().filter(|part| !part.is_empty()) {
                    name.push('/');
                    name.push_str(&String::from_utf8_lossy(part));
                }
                name
            }
        }
    }
}
