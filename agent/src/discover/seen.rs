//! Which file was in which log when it was last seen: the proof that a name with a number amid it is a rotation.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use foldhash::HashMap;

use super::directories::Kept;
use super::{Entry, Scope};
use crate::content::InodeId;
use crate::logname::Numbered;
use crate::place::possible_chains;

/// A file that no listing of all places shows is remembered for so many of them: one may miss it while it is renamed.
const REMEMBER: u64 = 10;

/// A file in which a stream was, as an earlier run of the agent left it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lived {
    pub inode: u64,
    /// Microseconds since 1970, or 0.
    pub birth: i64,
    pub path: PathBuf,
}

/// What earlier listings have shown.
#[derive(Debug, Default)]
pub struct Seen {
    listing: u64,
    /// The log of each file, and when it was last seen.
    logs: HashMap<InodeId, (PathBuf, u64)>,
    /// Where files of an earlier run were.
    lived: HashMap<(u64, i64), PathBuf>,
    /// Directories and families of names of which one was proven to be a rotation.
    families: HashSet<(PathBuf, Vec<u8>)>,
    /// What followed from the names in directories.
    kept: Kept,
}

impl Seen {
    /// Takes what is known of an earlier run.
    pub fn recall(&mut self, lived: Vec<Lived>) {
        self.lived.extend(lived.into_iter().map(|Lived { inode, birth, path }| ((inode, birth), path)));
    }

    /// A file whose name leaves open what it is, is a rotation: it was in that log when it was last seen; or nobody names it,
    /// and others with names like it were proven.
    pub fn proves(&mut self, directory: &Path, name: &[u8], numbered: &Numbered, is_named: bool) -> bool {
        let Ok(meta) = fs::metadata(directory.join(OsStr::from_bytes(name))) else { return false };
        let inode = InodeId::of(&meta);
        let log = directory.join(OsStr::from_bytes(&numbered.name.log));
        let family = (directory.to_path_buf(), numbered.family.clone());
        let was_in_log = match self.logs.get(&inode) {
            Some((was, _)) if *was == log => true,
            Some(_) => return false,
            None => {
                let lived = self.lived.get(&(inode.number, inode.birth.div_euclid(1000)));
                lived.is_some_and(|path| possible_chains(path).contains(&log))
            }
        };
        if was_in_log {
            self.families.insert(family);
            return true;
        }
        !is_named && self.families.contains(&family)
    }

    pub(super) fn take_kept(&mut self) -> Kept {
        std::mem::take(&mut self.kept)
    }

    pub(super) fn keep(&mut self, kept: Kept) {
        self.kept = kept;
    }

    /// Remembers where files are now. What a listing of some directories does not show may be elsewhere.
    pub fn note(&mut self, entries: &[Entry], scope: &Scope) {
        let all = *scope == Scope::All;
        self.listing += u64::from(all);
        for entry in entries {
            let known = self.logs.entry(entry.inode).or_insert_with(|| (PathBuf::new(), 0));
            if known.0.as_os_str() != entry.chain.as_os_str() {
                known.0.clone_from(&entry.chain);
            }
            known.1 = self.listing;
        }
        if all {
            self.logs.retain(|_, (_, seen)| *seen + REMEMBER > self.listing);
        }
    }
}
