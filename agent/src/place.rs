//! Where a source looks: files, directories and patterns, and whether a path is among what they name.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use glob::Pattern;

use crate::logname::possible_logs;
use crate::source::SourceId;

/// Where a source looks.
#[derive(Clone, PartialEq, Debug)]
pub struct Place {
    pub source: SourceId,
    pub name: String,
    /// Absolute: only so do a file and its rotations have one directory.
    pub paths: Vec<String>,
}

impl Place {
    pub fn new(source: SourceId, name: &str, paths: &[String]) -> Self {
        let absolute = |path: &String| {
            let absolute = std::path::absolute(path).ok();
            absolute.and_then(|path| path.into_os_string().into_string().ok()).unwrap_or_else(|| path.clone())
        };
        Self { source, name: name.to_owned(), paths: paths.iter().map(absolute).collect() }
    }

    /// The place names this path, or a log of which it may be a rotation. Nothing is looked at: the file may be gone.
    pub fn names(&self, path: &Path) -> bool {
        let logs = possible_chains(path);
        self.paths.iter().map(Path::new).any(|given| {
            logs.iter().any(|log| log == given || log.parent() == Some(given) || matches(given.components(), log))
        })
    }
}

/// A pattern that can be read.
pub fn check(path: &str) -> Result<(), String> {
    for component in Path::new(path).components() {
        let text = component.as_os_str().to_string_lossy();
        if is_pattern(&text) && text != "**" {
            Pattern::new(&text).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Directory and name of a path.
pub fn split(path: &Path) -> Option<(&Path, &[u8])> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    path.file_name().map(|name| (directory, name.as_bytes()))
}

/// The path itself, and those of the logs of which it may be a rotation.
pub fn possible_chains(path: &Path) -> Vec<PathBuf> {
    let Some((directory, name)) = split(path) else { return vec![path.to_path_buf()] };
    possible_logs(name).into_iter().map(|log| directory.join(OsString::from_vec(log))).collect()
}

fn matches(mut given: std::path::Components, path: &Path) -> bool {
    let Some(first) = given.next() else { return path.as_os_str().is_empty() };
    let mut rest = path.components();
    let text = first.as_os_str().to_string_lossy();
    if text == "**" {
        loop {
            if matches(given.clone(), rest.as_path()) {
                return true;
            }
            if rest.next().is_none() {
                return false;
            }
        }
    }
    let Some(part) = rest.next() else { return false };
    let same = match first {
        Component::Normal(name) if is_pattern(&text) => {
            name == part.as_os_str()
                || Pattern::new(&text).is_ok_and(|pattern| pattern.matches(&part.as_os_str().to_string_lossy()))
        }
        _ => first == part,
    };
    same && matches(given, rest.as_path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(given: &str, path: &str) -> bool {
        Place::new(SourceId(0), "pbx", &[given.to_owned()]).names(Path::new(path))
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
        assert!(!names("/log/app.log", "/log/app.log.old"));
    }

    #[test]
    fn what_is_relative_is_made_absolute() {
        let here = std::env::current_dir().unwrap();
        let place = Place::new(SourceId(0), "pbx", &["app.log".into(), "./*.log".into(), ".".into()]);
        assert_eq!(place.paths[0], here.join("app.log").to_str().unwrap());
        assert_eq!(place.paths[1], here.join("*.log").to_str().unwrap());
        assert_eq!(Path::new(&place.paths[2]), here);
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_reported() {
        assert!(check("/var/log/[").is_err());
        assert_eq!(check("/var/log/**/[a-c]*.log"), Ok(()));
    }
}
