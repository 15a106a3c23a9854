//! Keys: what joins calls into one scenario.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::first_16;

/// A (space, value) pair. Two calls that share one belong together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Key {
    /// `call`, `session`, `charging`, `trace`, or the operator's own.
    pub space: String,
    pub value: String,
    /// Sure, or only likely.
    pub sure: bool,
}

impl Key {
    pub fn new(space: &str, value: impl Into<String>) -> Self {
        Self { space: space.into(), value: value.into(), sure: true }
    }

    /// First 16 bytes of SHA-256(space, 0, value).
    pub fn hash(&self) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.space.as_bytes());
        hash.update([0]);
        hash.update(self.value.as_bytes());
        first_16(&hash.finalize())
    }
}
