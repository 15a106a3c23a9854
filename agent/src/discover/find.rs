//! What the paths of a config match: files, directories and patterns.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Holds, Listing, Named};
use crate::pattern::Fault;
use crate::place::{Given, split};
use crate::unread::Obstacle;

/// Adds what a path of a config matches.
pub(super) fn find(given: &Given, found: &mut Named, listing: &mut Listing) {
    let path = given.path.as_path();
    match &given.pattern {
        // A file whose name looks like a pattern is taken by its name.
        Some(pattern) if !path.exists() => {
            let root = pattern.root();
            if fs::metadata(root).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                listing.looks_in(root, Holds::Directories);
                listing.missing.push(path.to_path_buf());
                return;
            }
            let Listing { odd, directories, .. } = listing;
            let mut fault = |(path, error): Fault| odd.push((path, Obstacle::unreadable(&error)));
            let matched = pattern.find(&mut fault, &mut |path, holds| note_directory(directories, path, holds));
            for relative in matched {
                found.insert(root.join(&relative).into_os_string(), relative.to_string_lossy().into_owned());
            }
        }
        _ => match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {
                listing.looks_in(path, Holds::Files);
                read_directory(path, found, listing);
            }
            Ok(_) => {
                listing.looks_beside(path, Holds::Files);
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                found.insert(path.as_os_str().to_owned(), name.unwrap_or_default());
            }
            // A file or a directory: nobody knows.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                listing.looks_beside(path, Holds::Directories);
                listing.missing.push(path.to_path_buf());
            }
            Err(error) => listing.odd.push((path.to_path_buf(), Obstacle::unreadable(&error))),
        },
    }
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
fn read_directory(at: &Path, found: &mut Named, listing: &mut Listing) {
    match fs::read_dir(at) {
        Ok(entries) => {
            let files = entries.flatten().filter(|entry| !entry.file_type().is_ok_and(|kind| kind.is_dir()));
            for name in files.map(|entry| entry.file_name()) {
                found.insert(at.join(&name).into_os_string(), name.to_string_lossy().into_owned());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => listing.odd.push((at.to_path_buf(), Obstacle::unreadable(&error))),
    }
}
