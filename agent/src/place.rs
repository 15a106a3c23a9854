//! Where a source looks: files, directories and patterns, and whether a path is among what they name.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::logname::possible_logs;
use crate::pattern::{Pattern, is_pattern};

/// A source of the config, for as long as the agent runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SourceId(pub u32);

/// Where a source looks.
#[derive(Clone, Debug)]
pub struct Place {
    pub source: SourceId,
    pub name: String,
    pub given: Vec<Given>,
}

/// A file, a directory or a pattern.
#[derive(Clone, Debug)]
pub struct Given {
    /// Absolute: only so do a file and its rotations have one directory.
    pub path: PathBuf,
    /// What it matches, if it looks like a pattern; a file may have such a name, too.
    pub pattern: Option<Pattern>,
}

impl Place {
    pub fn new(source: SourceId, name: &str, paths: &[impl AsRef<Path>]) -> Self {
        let given = paths.iter().map(|path| Given::new(path.as_ref())).collect();
        Self { source, name: name.to_owned(), given }
    }

    /// The place names this path, or a log of which it may be a rotation. Nothing is looked at: the file may be gone.
    pub fn names(&self, path: &Path) -> bool {
        let logs = possible_chains(path);
        self.given.iter().any(|given| logs.iter().any(|log| given.names(log)))
    }
}

impl Given {
    fn new(path: &Path) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let pattern = path.to_str().filter(|text| is_pattern(text)).and_then(|text| Pattern::new(text).ok());
        Self { path, pattern }
    }

    fn names(&self, path: &Path) -> bool {
        let is_in = |path: &Path| path.parent() == Some(&self.path);
        path == self.path || is_in(path) || self.pattern.as_ref().is_some_and(|pattern| pattern.matches(path))
    }
}

/// Can the path be read, if it is a pattern? A file that is there is taken by its name.
pub fn check(path: &Path) -> Result<(), String> {
    match path.to_str().filter(|text| is_pattern(text)) {
        Some(text) if !path.exists() => Pattern::new(text).map(|_| ()),
        _ => Ok(()),
    }
}

/// Directory and name of a path.
pub fn split(path: &Path) -> Option<(&Path, &[u8])> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    path.file_name().map(|name| (directory, name.as_bytes()))
}

/// A path from directory and name.
pub fn beside(directory: &Path, name: &[u8]) -> PathBuf {
    let directory = directory.as_os_str().as_bytes();
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    path.extend_from_slice(directory);
    if !directory.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    OsString::from_vec(path).into()
}

/// The path itself, and those of the logs of which it may be a rotation.
pub fn possible_chains(path: &Path) -> Vec<PathBuf> {
    let Some((directory, name)) = split(path) else { return vec![path.to_path_buf()] };
    possible_logs(name).into_iter().map(|log| directory.join(OsString::from_vec(log))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(given: &str, path: &str) -> bool {
        Place::new(SourceId(0), "pbx", &[given]).names(Path::new(path))
    }

    #[test]
    fn a_path_is_named_by_itself_its_directory_or_a_pattern() {
        for given in ["/log/app.log", "/log", "/log/", "/log/*.log", "/*/app.log", "/**/app.log", "/log/**/*.log"] {
            assert!(names(given, "/log/app.log"), "{given}");
        }
        for given in ["/log/other.log", "/", "/log/sub", "/log/*.txt", "/*.log", "/log/*/app.log"] {
            assert!(!names(given, "/log/app.log"), "{given}");
        }
    }

    #[test]
    fn a_rotation_is_named_by_the_log_it_may_be_of() {
        for path in ["/log/app.log.1", "/log/app.log-20261123.gz", "/log/app.2026-11-23.3.log"] {
            assert!(names("/log/app.log", path), "{path}");
            assert!(names("/log/a*.log", path), "{path}");
        }
        for path in ["/log/app.log.old", "/log/app-1.log", "/log/app-100200.log"] {
            assert!(!names("/log/app.log", path), "{path}");
        }
    }

    #[test]
    fn what_is_relative_is_made_absolute() {
        let here = std::env::current_dir().unwrap();
        let place = Place::new(SourceId(0), "pbx", &["app.log", "./*.log", "."]);
        let paths: Vec<&Path> = place.given.iter().map(|given| given.path.as_path()).collect();
        assert_eq!(paths, [here.join("app.log"), here.join("*.log"), here]);
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_reported() {
        assert!(check(Path::new("/var/log/[")).is_err());
        assert_eq!(check(Path::new("/var/log/**/[a-c]*.log")), Ok(()));
    }
}
