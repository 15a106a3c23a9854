//! Of which log each file of one directory is: a function of the names in it, and kept as long as these are the same.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::Seen;
use crate::logname::{LogName, Reading, log_names};
use crate::names::{Kind, Names};

/// The files of a directory, by log. Files are those in `names`, in that order, and then those of `more`.
#[derive(Debug)]
pub(super) struct Table {
    names: Arc<Names>,
    /// Names that a source gave, and that are not among those: the directory may not be readable.
    more: Vec<Vec<u8>>,
    /// Names of logs that are known though their files may be away, sorted.
    known: Vec<Vec<u8>>,
    readings: Arc<Vec<Reading>>,
    /// Files whose names leave open what they are, and those of them that are proven to be rotations.
    open: Arc<Vec<usize>>,
    proven: Vec<usize>,
    /// The log of each file.
    log_of: Vec<usize>,
    /// Sorted by name.
    logs: Vec<LogFiles>,
}

#[derive(Debug)]
pub(super) struct LogFiles {
    pub name: Vec<u8>,
    pub files: Vec<usize>,
}

/// What a table follows from, but for what is proven.
pub(super) struct Basis<'a> {
    pub directory: &'a Path,
    pub names: &'a Arc<Names>,
    pub more: &'a [Vec<u8>],
    pub known: &'a [&'a [u8]],
    /// By file: a source matches it itself.
    pub named: &'a [bool],
}

impl Table {
    /// `before` is the table of the last listing: as much of it is taken over as follows from the same.
    pub fn new(basis: &Basis, before: Option<&Arc<Self>>, seen: &mut Seen) -> Arc<Self> {
        let same = before.filter(|before| before.follows_from(basis));
        let (readings, open) =
            same.map_or_else(|| read(basis), |same| (Arc::clone(&same.readings), Arc::clone(&same.open)));
        let proven = proven(basis, &readings, &open, seen);
        if let Some(same) = same.filter(|same| same.proven == proven) {
            return Arc::clone(same);
        }
        let (names, more) = (Arc::clone(basis.names), basis.more.to_vec());
        let known = basis.known.iter().map(|name| name.to_vec()).collect();
        let (log_of, logs) = by_log(&readings, &proven);
        Arc::new(Self { names, more, known, readings, open, proven, log_of, logs })
    }

    fn follows_from(&self, basis: &Basis) -> bool {
        Arc::ptr_eq(&self.names, basis.names)
            && self.more == basis.more
            && self.known.iter().map(Vec::as_slice).eq(basis.known.iter().copied())
    }

    pub fn logs(&self) -> &[LogFiles] {
        &self.logs
    }

    pub fn log_of(&self, file: usize) -> usize {
        self.log_of[file]
    }

    pub fn is_link(&self, file: usize) -> bool {
        self.names.get(file).is_some_and(|name| name.kind == Kind::Link)
    }

    pub fn log_name(&self, file: usize) -> &LogName {
        log_name(&self.readings[file], self.proven.binary_search(&file).is_ok())
    }
}

fn log_name(reading: &Reading, is_proven: bool) -> &LogName {
    reading.numbered.as_ref().filter(|_| is_proven).map_or(&reading.name, |numbered| &numbered.name)
}

/// What the names say by themselves, and which of them leave open what they are.
fn read(basis: &Basis) -> (Arc<Vec<Reading>>, Arc<Vec<usize>>) {
    let names: Vec<&[u8]> = basis.names.iter().map(|name| name.name.as_slice()).collect();
    let mut readings = log_names(&names, basis.known);
    let plain = |name: &Vec<u8>| LogName { log: name.clone(), date: None, number: None };
    readings.extend(basis.more.iter().map(|name| Reading { name: plain(name), numbered: None }));
    let open = readings.iter().enumerate().filter(|(_, reading)| reading.numbered.is_some());
    let open = open.map(|(file, _)| file).collect();
    (Arc::new(readings), Arc::new(open))
}

/// The files that are rotations by what was seen, though their names leave it open.
fn proven(basis: &Basis, readings: &[Reading], open: &[usize], seen: &mut Seen) -> Vec<usize> {
    let mut proves = |file: usize, is_named: bool| {
        let (name, numbered) = (basis.names.get(file), readings[file].numbered.as_ref());
        name.zip(numbered).is_some_and(|(name, numbered)| seen.proves(basis.directory, &name.name, numbered, is_named))
    };
    // What one of them proves counts for those before it, too.
    for file in open {
        proves(*file, true);
    }
    let is_named = |file: usize| {
        let is_known = |name: &[u8]| basis.known.binary_search(&name).is_ok();
        basis.named[file] || basis.names.get(file).is_some_and(|name| is_known(&name.name))
    };
    open.iter().copied().filter(|file| proves(*file, is_named(*file))).collect()
}

fn by_log(readings: &[Reading], proven: &[usize]) -> (Vec<usize>, Vec<LogFiles>) {
    let mut files: HashMap<&[u8], Vec<usize>> = HashMap::with_capacity(readings.len());
    for (file, reading) in readings.iter().enumerate() {
        let name = log_name(reading, proven.binary_search(&file).is_ok());
        files.entry(&name.log).or_default().push(file);
    }
    let mut logs: Vec<LogFiles> =
        files.into_iter().map(|(name, files)| LogFiles { name: name.to_vec(), files }).collect();
    logs.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut log_of = vec![0; readings.len()];
    for (log, LogFiles { files, .. }) in logs.iter().enumerate() {
        for file in files {
            log_of[*file] = log;
        }
    }
    (log_of, logs)
}
