//! Files that turn out to be wrapped: each is reported once.

use std::path::{Path, PathBuf};

use record::wrapper::Wrapper;
use tracing::{info, warn};

use crate::source::Spec;
use crate::unwrapped::Wrapping;
use crate::wording::shown;

/// So many are named in the progress; all of them are in the agent's log.
const NAMED: usize = 100;

/// Files that are read through a wrapper that nobody named.
#[derive(Debug, Default)]
pub struct Wrapped {
    files: Vec<(PathBuf, Wrapper)>,
}

impl Wrapped {
    /// A file looks like this. Without a word from the operator it is not read so, unless it is UTF-16, which says itself
    /// what it is.
    pub fn note(&mut self, path: &Path, wrapper: Wrapper, spec: Option<&Spec>) {
        let wrapping = spec.map_or(Wrapping::Nothing, |spec| spec.framing.wrapping);
        let (file, looks_like, key) = (shown(path), wrapper.title(), wrapper.name());
        if wrapper.is_utf16() {
            info!("{file} is UTF-16 and is converted");
        } else if wrapping == Wrapping::Nothing {
            warn!("{file} looks like {looks_like} and is not read as that: set wrapper = \"{key}\" in its [[source]]");
            return;
        } else {
            info!(wrapper = key, "{file} is {looks_like}");
        }
        if self.files.len() < NAMED && !self.files.iter().any(|(known, _)| known == path) {
            self.files.push((path.to_path_buf(), wrapper));
        }
    }

    pub fn files(&self) -> &[(PathBuf, Wrapper)] {
        &self.files
    }
}
