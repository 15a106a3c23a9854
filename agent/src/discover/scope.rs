//! Which directories a listing covers.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which directories are listed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Scope {
    #[default]
    All,
    /// Only logs that stand in these. Nothing asks for it yet: a hint from the operating system will.
    #[cfg_attr(not(test), expect(dead_code, reason = "hints of the operating system come later"))]
    Directories(BTreeSet<PathBuf>),
}

impl Scope {
    /// Whether a log is listed; `chain` is its directory and log name.
    pub fn covers(&self, chain: &Path) -> bool {
        match self {
            Self::All => true,
            Self::Directories(directories) => chain.parent().is_some_and(|directory| directories.contains(directory)),
        }
    }
}
