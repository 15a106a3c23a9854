//! What the paths of a config match: files, directories and patterns.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directories::{Directories, DirectoryId};
use super::{Holds, Listing};
use crate::names::{Kind, Names};
use crate::pattern::{Fault, Pattern};
use crate::place::{Given, split};
use crate::unread::Obstacle;

/// Files of one directory that a path of a config matches.
pub(super) struct Found {
    pub directory: DirectoryId,
    /// The directory relative to that part of the path which is no pattern.
    pub relative: PathBuf,
    /// By number, ascending.
    pub files: Vec<usize>,
}

/// Adds what a path of a config matches.
pub(super) fn find(given: &Given, directories: &mut Directories, listing: &mut Listing) -> Vec<Found> {
    let path = given.path.as_path();
    match &given.pattern {
        // A file whose name looks like a pattern is taken by its name.
        Some(pattern) if !path.exists() => {
            let root = pattern.root();
            if fs::metadata(root).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                listing.looks_in(root, Holds::Directories);
                listing.missing.push(path.to_path_buf());
                return Vec::new();
            }
            find_pattern(pattern, directories, listing)
        }
        _ => match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {
                listing.looks_in(path, Holds::Files);
                vec![read_directory(path, directories, listing)]
            }
            Ok(_) => {
                listing.looks_beside(path, Holds::Files);
                let found = split(path).map(|(directory, name)| {
                    let id = directories.id(directory);
                    let files = vec![directories.get_mut(id).name(name)];
                    Found { directory: id, relative: PathBuf::new(), files }
                });
                found.into_iter().collect()
            }
            // A file or a directory: nobody knows.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                listing.looks_beside(path, Holds::Directories);
                listing.missing.push(path.to_path_buf());
                Vec::new()
            }
            Err(error) => {
                listing.odd.push((path.to_path_buf(), Obstacle::unreadable(&error)));
                Vec::new()
            }
        },
    }
}

fn find_pattern(pattern: &Pattern, directories: &mut Directories, listing: &mut Listing) -> Vec<Found> {
    let Listing { odd, directories: looked, .. } = listing;
    let mut fault = |(path, why): Fault| odd.push((path, Obstacle::Unreadable(why)));
    let mut names = |path: &Path| -> Arc<Names> {
        let id = directories.id(path);
        Arc::clone(&directories.get(id).names)
    };
    let matched = pattern.find(&mut names, &mut fault, &mut |path, holds| note_directory(looked, path, holds));
    let found = matched.into_iter().map(|matched| {
        let id = directories.id(&pattern.below(&matched.base));
        let directory = directories.get_mut(id);
        directory.name_all(&matched.files);
        let mut files = matched.files;
        files.extend(matched.names.iter().map(|name: &OsString| directory.name(name.as_bytes())));
        Found { directory: id, relative: matched.base, files }
    });
    found.filter(|found| !found.files.is_empty()).collect()
}

/// Notes a directory in which files of the sources stand or may appear.
fn note_directory(directories: &mut BTreeMap<PathBuf, Holds>, path: &Path, holds: Holds) {
    match directories.get_mut(path) {
        Some(known) => *known = holds.max(*known),
        None => _ = directories.insert(path.to_path_buf(), holds),
    }
}

impl Listing {
    fn looks_in(&mut self, path: &Path, holds: Holds) {
        note_directory(&mut self.directories, path, holds);
    }

    fn looks_beside(&mut self, path: &Path, holds: Holds) {
        if let Some((directory, _)) = split(path) {
            self.looks_in(directory, holds);
        }
    }
}

/// All in a directory but its directories (a link to one is none).
fn read_directory(at: &Path, directories: &mut Directories, listing: &mut Listing) -> Found {
    // Without a slash at its end, as its files know it.
    let id = directories.id(at.components().as_path());
    let directory = directories.get_mut(id);
    let names = Arc::clone(&directory.names);
    let faults = names.faults().iter().filter(|fault| fault.kind != io::ErrorKind::NotFound);
    listing.odd.extend(faults.map(|fault| (at.to_path_buf(), Obstacle::Unreadable(fault.text.clone()))));
    let files = names.iter().enumerate().filter(|(_, name)| name.kind != Kind::Directory);
    let files: Vec<usize> = files.map(|(file, _)| file).collect();
    directory.name_all(&files);
    Found { directory: id, relative: PathBuf::new(), files }
}
