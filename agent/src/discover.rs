//! Which files there are: patterns, directories and files, and the older rotations of each log beside them.

mod directories;
mod find;
mod logs;
mod owners;
mod scope;
mod seen;
mod stats;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use self::directories::{Directories, DirectoryId, given_names};
use self::find::{Found, find};
use self::owners::Owners;
use self::stats::{Stats, There};
use crate::content::{InodeId, Stat};
use crate::logname::{LogName, is_compressed};
use crate::place::SourceId;
use crate::place::{Place, beside};
use crate::unread::Obstacle;

pub use crate::pattern::Holds;
pub use logs::Logs;
pub use scope::Scope;
pub use seen::{Lived, Seen};

/// A regular file that stands somewhere a source looks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub path: PathBuf,
    pub source: SourceId,
    /// Name of the source with the log's name, where the source can match several logs.
    pub source_name: String,
    /// Matched by the source itself; else only a rotation of a file that is.
    pub named: bool,
    /// Directory and log name: files of one chain are rotations of one log.
    pub chain: PathBuf,
    pub name: LogName,
    pub inode: InodeId,
    pub stat: Stat,
    /// A symbolic link: what is written to its file raises no event where the link is.
    pub link: bool,
}

/// What one look at the places of the sources brought.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Listing {
    /// Of a log outside it the listing says nothing.
    pub scope: Scope,
    /// Oldest first within a chain.
    pub entries: Vec<Entry>,
    /// Files and directories that were named and are not there.
    pub missing: Vec<PathBuf>,
    /// Patterns and directories in which there is no file yet.
    pub empty: Vec<PathBuf>,
    /// What cannot be followed, with the reason.
    pub odd: Vec<(PathBuf, Obstacle)>,
    /// Where files of the sources stand or may appear.
    pub directories: BTreeMap<PathBuf, Holds>,
}

/// `seen` is what earlier listings have shown.
pub fn list(places: &[Place], logs: &Logs, scope: Scope, seen: &mut Seen) -> Listing {
    let mut listing = Listing { scope, ..Listing::default() };
    let mut directories = Directories::new(seen.take_kept());
    let found: Vec<Vec<Found>> = places.iter().map(|place| matched(place, &mut directories, &mut listing)).collect();
    let known = logs.directories().filter(|directory| listing.scope.covers_directory(directory));
    let known: Vec<DirectoryId> = known.map(|directory| directories.id(directory)).collect();
    let given = given_names(places);
    let tables = directories.tables(logs, &given, seen);
    let mut owners = Owners::new(&tables);
    for (at, (place, found)) in places.iter().zip(&found).enumerate() {
        for found in found {
            let directory = &directories.get(found.directory).path;
            if listing.scope.covers_directory(directory) {
                owners.claim(at, place, found, given.get(directory.as_path()).map_or(&[][..], Vec::as_slice));
            }
        }
    }
    for directory in known {
        owners.claim_known(directory, logs.of(&directories.get(directory).path));
    }
    for directory in directories.ids() {
        listing.add_all(directory, &directories, &owners);
    }
    seen.keep(directories.into_kept(&listing.scope));
    listing.sort();
    seen.note(&listing.entries, &listing.scope);
    listing
}

/// What a place names itself: in the order of names, each once.
fn matched(place: &Place, directories: &mut Directories, listing: &mut Listing) -> Vec<Found> {
    let mut all = Vec::new();
    for given in place.given.iter().filter(|given| listing.scope.may_hold(given)).collect::<Vec<_>>() {
        let faults = listing.missing.len() + listing.odd.len();
        let found = find(given, directories, listing);
        let is_empty = found.iter().all(|found| found.files.is_empty());
        if is_empty && listing.missing.len() + listing.odd.len() == faults {
            listing.empty.push(given.path.clone());
        }
        all.extend(found);
    }
    if place.given.len() > 1 { merged(all, directories) } else { all }
}

/// What several paths of one place match, by directory in the order of names: where two of them match a file, the later one
/// says how its directory is called.
fn merged(all: Vec<Found>, directories: &Directories) -> Vec<Found> {
    let mut by_directory: BTreeMap<DirectoryId, Vec<Found>> = BTreeMap::new();
    for found in all {
        by_directory.entry(found.directory).or_default().push(found);
    }
    let mut merged = Vec::new();
    for (directory, found) in by_directory {
        let called = found.iter().flat_map(|found| found.files.iter().map(|file| (*file, &found.relative)));
        let of_file: BTreeMap<usize, &PathBuf> = called.collect();
        let mut files: Vec<(usize, &PathBuf)> = of_file.into_iter().collect();
        files.sort_by_key(|(file, _)| directories.get(directory).file(*file));
        let alike = files.chunk_by(|(_, a), (_, b)| a == b);
        merged.extend(alike.map(|alike| {
            let relative = alike[0].1.clone();
            Found { directory, relative, files: alike.iter().map(|(file, _)| *file).collect() }
        }));
    }
    merged
}

impl Listing {
    /// The files of the logs of one directory.
    fn add_all(&mut self, directory: DirectoryId, directories: &Directories, owners: &Owners) {
        let (here, table) = (directories.get(directory), owners.table(directory));
        let owned =
            || table.logs().iter().zip(owners.of(directory)).filter_map(|(log, owner)| Some((log, owner.as_ref()?)));
        let stats = Stats::new(&here.path, owned().map(|(log, _)| log.files.len()).sum());
        for (log, owner) in owned() {
            let chain = beside(&here.path, &log.name);
            let source_name = owner.source_name(&log.name);
            for file in &log.files {
                let named = here.is_named(*file);
                let entry = |inode: InodeId, stat: Stat, path: PathBuf| Entry {
                    path,
                    source: owner.source(),
                    source_name: source_name.clone(),
                    named,
                    chain: chain.clone(),
                    name: table.log_name(*file).clone(),
                    inode,
                    stat,
                    link: table.is_link(*file),
                };
                let name = here.file(*file);
                if is_compressed(name) {
                    if named {
                        let why = Obstacle::Unfit("it is compressed, and compressed logs are not read yet");
                        self.odd.push((beside(&here.path, name), why));
                    }
                    continue;
                }
                match stats.of(name) {
                    There::File(inode, stat) => self.entries.push(entry(inode, stat, beside(&here.path, name))),
                    There::Other(what) if named => self.odd.push((beside(&here.path, name), Obstacle::Unfit(what))),
                    There::Fault(error) => self.odd.push((beside(&here.path, name), Obstacle::unreadable(&error))),
                    There::Other(_) | There::Gone => {}
                }
            }
        }
    }

    /// Oldest first within a chain.
    fn sort(&mut self) {
        let key = |entry: &Entry| (entry.name.is_plain(), entry.stat.mtime);
        // As bytes: part by part takes ten times as long.
        self.entries.sort_by(|a, b| {
            let chains = a.chain.as_os_str().cmp(b.chain.as_os_str());
            let ages = || key(a).cmp(&key(b)).then_with(|| a.name.age(&b.name));
            chains.then_with(ages).then_with(|| a.path.as_os_str().cmp(b.path.as_os_str()))
        });
    }
}
