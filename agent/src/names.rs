//! The names in a directory, read at once, and what each of them is.

use std::fs::{self, FileType};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::Arc;

use crate::unread::in_words;

/// The names in a directory as they were read, each once, and sorted.
#[derive(PartialEq, Eq, Debug, Default)]
pub struct Names {
    /// What the directory said: as long as that is the same, so is what follows from it.
    said: Said,
    sorted: Vec<Name>,
}

/// In the order in which the directory listed it.
#[derive(PartialEq, Eq, Debug, Default)]
struct Said {
    /// A NUL ends each name.
    names: Vec<u8>,
    kinds: Vec<Kind>,
    faults: Vec<Fault>,
}

#[derive(PartialEq, Eq, Debug)]
pub struct Name {
    pub name: Vec<u8>,
    pub kind: Kind,
}

/// What a name is; a link is not followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Directory,
    Link,
    /// Also what could not be told.
    Other,
}

/// The directory could not be read, or not to its end.
#[derive(PartialEq, Eq, Debug)]
pub struct Fault {
    pub kind: io::ErrorKind,
    pub text: String,
}

impl Names {
    /// Reads a directory. `before` is what it said the last time: where it says the same now, that is given.
    pub fn read(directory: &Path, before: Option<&Arc<Self>>) -> Arc<Self> {
        let said = Said::read(directory);
        match before.filter(|before| before.said == said) {
            Some(before) => Arc::clone(before),
            None => Arc::new(Self { sorted: said.sorted(), said }),
        }
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Name> {
        self.sorted.iter()
    }

    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    pub fn get(&self, at: usize) -> Option<&Name> {
        self.sorted.get(at)
    }

    /// Where a name stands among them.
    pub fn position(&self, name: &[u8]) -> Option<usize> {
        self.sorted.binary_search_by(|known| known.name.as_slice().cmp(name)).ok()
    }

    pub fn faults(&self) -> &[Fault] {
        &self.said.faults
    }
}

impl Said {
    fn read(directory: &Path) -> Self {
        let mut said = Self::default();
        match fs::read_dir(directory) {
            Ok(entries) => {
                for entry in entries {
                    match entry {
                        Ok(entry) => said.add(&entry.file_name().into_vec(), Kind::of(&entry.file_type())),
                        Err(error) => said.faults.push(Fault::of(&error)),
                    }
                }
            }
            Err(error) => said.faults.push(Fault::of(&error)),
        }
        said
    }

    fn add(&mut self, name: &[u8], kind: Kind) {
        self.names.extend_from_slice(name);
        self.names.push(0);
        self.kinds.push(kind);
    }

    fn sorted(&self) -> Vec<Name> {
        let names = self.names.split(|byte| *byte == 0);
        let mut sorted: Vec<Name> =
            names.zip(&self.kinds).map(|(name, kind)| Name { name: name.to_vec(), kind: *kind }).collect();
        sorted.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        // A directory that changes while it is read may list a name twice.
        sorted.dedup_by(|a, b| a.name == b.name);
        sorted
    }
}

impl Kind {
    fn of(kind: &io::Result<FileType>) -> Self {
        match kind {
            Ok(kind) if kind.is_dir() => Self::Directory,
            Ok(kind) if kind.is_symlink() => Self::Link,
            _ => Self::Other,
        }
    }
}

impl Fault {
    fn of(error: &io::Error) -> Self {
        Self { kind: error.kind(), text: in_words(error) }
    }

    /// The directory is gone, or another thing has its name.
    pub fn has_vanished(&self) -> bool {
        matches!(self.kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(names: &Names) -> Vec<(&str, Kind)> {
        names.iter().map(|name| (std::str::from_utf8(&name.name).unwrap(), name.kind)).collect()
    }

    #[test]
    fn what_is_read_again_is_the_same_until_a_name_comes_goes_or_becomes_another_thing() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("b.log"), "x").unwrap();
        fs::write(at("a.log"), "x").unwrap();
        let mut before = Names::read(dir.path(), None);
        let mut check = |same: bool, expect: &[(&str, Kind)]| {
            let now = Names::read(dir.path(), Some(&before));
            assert_eq!((Arc::ptr_eq(&now, &before), names(&now).as_slice()), (same, expect));
            before = now;
        };
        let (file, link, directory) = (Kind::Other, Kind::Link, Kind::Directory);
        check(true, &[("a.log", file), ("b.log", file)]);
        fs::write(at("a.log"), "what is in a file is none of its name").unwrap();
        check(true, &[("a.log", file), ("b.log", file)]);
        fs::write(at("c.log"), "x").unwrap();
        check(false, &[("a.log", file), ("b.log", file), ("c.log", file)]);
        fs::remove_file(at("b.log")).unwrap();
        check(false, &[("a.log", file), ("c.log", file)]);
        fs::remove_file(at("c.log")).unwrap();
        symlink("a.log", at("c.log")).unwrap();
        check(false, &[("a.log", file), ("c.log", link)]);
        fs::remove_file(at("c.log")).unwrap();
        fs::create_dir(at("c.log")).unwrap();
        check(false, &[("a.log", file), ("c.log", directory)]);
        check(true, &[("a.log", file), ("c.log", directory)]);
    }

    #[test]
    fn a_directory_that_cannot_be_read_says_so_and_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let later = dir.path().join("later");
        let none = Names::read(&later, None);
        assert!(none.len() == 0 && none.faults().iter().all(Fault::has_vanished) && !none.faults().is_empty());
        fs::create_dir(&later).unwrap();
        let empty = Names::read(&later, Some(&none));
        assert!(empty.len() == 0 && empty.faults().is_empty());
        fs::write(later.join("app.log"), "x").unwrap();
        let one = Names::read(&later, Some(&empty));
        assert_eq!((one.position(b"app.log"), one.position(b"app.lo")), (Some(0), None));
    }
}
