//! Which directories a listing covers.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::place::Given;

/// Which directories are listed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Scope {
    #[default]
    All,
    /// Only logs that stand in these.
    Directories(BTreeSet<PathBuf>),
}

impl Scope {
    /// Whether a log is listed; `chain` is its directory and log name.
    pub fn covers(&self, chain: &Path) -> bool {
        match self {
            Self::All => true,
            Self::Directories(_) => chain.parent().is_some_and(|directory| self.covers_directory(directory)),
        }
    }

    /// Whether the logs of a directory are listed.
    pub fn covers_directory(&self, directory: &Path) -> bool {
        match self {
            Self::All => true,
            Self::Directories(directories) => directories.contains(directory),
        }
    }

    /// Whether what a source names may stand in it.
    pub fn may_hold(&self, given: &Given) -> bool {
        let Self::Directories(directories) = self else { return true };
        directories.iter().any(|directory| match &given.pattern {
            Some(pattern) if directory.starts_with(pattern.root()) => true,
            // A file may have a name like a pattern.
            _ => given.path == *directory || given.path.parent() == Some(directory),
        })
    }

    /// No log is listed.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Directories(directories) if directories.is_empty())
    }
}
