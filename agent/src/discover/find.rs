//! What the paths of a config match: files, directories and patterns.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use glob::Pattern;

use super::{Listing, Named};
use crate::place::is_pattern;

/// Adds what a path of a config matches.
pub(super) fn find(path: &str, found: &mut Named, listing: &mut Listing) {
    let given = Path::new(path);
    // A file whose name looks like a pattern is taken by its name.
    if !is_pattern(path) || given.exists() {
        match fs::metadata(given) {
            Ok(meta) if meta.is_dir() => {
                for (name, is_directory) in read_directory(given, listing) {
                    if !is_directory {
                        found.insert(given.join(&name).into_os_string(), name.to_string_lossy().into_owned());
                    }
                }
            }
            Ok(_) => {
                let name = given.file_name().map(|name| name.to_string_lossy().into_owned());
                found.insert(given.as_os_str().to_owned(), name.unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => listing.missing.push(given.to_path_buf()),
            Err(error) => listing.odd.push((given.to_path_buf(), error.to_string())),
        }
        return;
    }
    let components: Vec<Component> = given.components().collect();
    let literal = components.iter().take_while(|part| !is_pattern(&part.as_os_str().to_string_lossy())).count();
    let root: PathBuf = components[..literal].iter().collect();
    let before = found.len();
    walk(&root, &root, &components[literal..], found, listing, 0);
    if found.len() == before && fs::metadata(if literal == 0 { Path::new(".") } else { &root }).is_err() {
        listing.missing.push(given.to_path_buf());
    }
}

/// `glob` skips names that are not UTF-8; a log may have any name, so directories are walked here.
fn walk(root: &Path, at: &Path, rest: &[Component], found: &mut Named, listing: &mut Listing, depth: usize) {
    let Some((first, after)) = rest.split_first() else {
        if at.exists() {
            take(root, at, found);
        }
        return;
    };
    let text = first.as_os_str().to_string_lossy();
    if text == "**" {
        walk(root, at, after, found, listing, depth);
        // Links are not followed here, so a loop of directories ends; the depth bounds what is left.
        if depth < 32 {
            for (name, is_directory) in read_directory(at, listing) {
                if is_directory {
                    walk(root, &at.join(name), rest, found, listing, depth + 1);
                }
            }
        }
        return;
    }
    if !is_pattern(&text) {
        walk(root, &at.join(first), after, found, listing, depth);
        return;
    }
    let Ok(pattern) = Pattern::new(&text) else { return };
    for (name, _) in read_directory(at, listing) {
        let shown = name.to_string_lossy();
        let hidden = shown.starts_with('.') && !text.starts_with('.');
        if !hidden && pattern.matches(&shown) {
            let inner = at.join(&name);
            if after.is_empty() {
                take(root, &inner, found);
            } else if inner.is_dir() {
                walk(root, &inner, after, found, listing, depth);
            }
        }
    }
}

fn take(root: &Path, path: &Path, found: &mut Named) {
    let relative = path.strip_prefix(root).unwrap_or(path);
    found.insert(path.as_os_str().to_owned(), relative.to_string_lossy().into_owned());
}

/// The names in a directory, each with whether it is a directory itself (a link to one is not).
fn read_directory(at: &Path, listing: &mut Listing) -> Vec<(OsString, bool)> {
    let at = if at.as_os_str().is_empty() { Path::new(".") } else { at };
    match fs::read_dir(at) {
        Ok(entries) => {
            let both = |entry: fs::DirEntry| (entry.file_name(), entry.file_type().is_ok_and(|kind| kind.is_dir()));
            entries.flatten().map(both).collect()
        }
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                listing.odd.push((at.to_path_buf(), error.to_string()));
            }
            Vec::new()
        }
    }
}
