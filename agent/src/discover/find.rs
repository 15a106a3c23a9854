//! What the paths of a config match: files, directories and patterns.

use std::fs;
use std::io;
use std::path::Path;

use super::{Listing, Named};
use crate::place::Given;

/// Adds what a path of a config matches.
pub(super) fn find(given: &Given, found: &mut Named, listing: &mut Listing) {
    let path = given.path.as_path();
    match &given.pattern {
        // A file whose name looks like a pattern is taken by its name.
        Some(pattern) if !path.exists() => {
            let root = pattern.root();
            if fs::metadata(root).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                listing.missing.push(path.to_path_buf());
                return;
            }
            let matched = pattern.find(&mut |(path, error)| listing.odd.push((path, error.to_string())));
            for relative in matched {
                found.insert(root.join(&relative).into_os_string(), relative.to_string_lossy().into_owned());
            }
        }
        _ => match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => read_directory(path, found, listing),
            Ok(_) => {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                found.insert(path.as_os_str().to_owned(), name.unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => listing.missing.push(path.to_path_buf()),
            Err(error) => listing.odd.push((path.to_path_buf(), error.to_string())),
        },
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
        Err(error) => listing.odd.push((at.to_path_buf(), error.to_string())),
    }
}
