//! A fingerprint of a file's content where it was last read: enough to see that it is still the same.

use crate::cursor::{Head, head_of};
use crate::guard::{BEFORE, Look};

/// The first bytes of a file, and those before an offset.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fingerprint {
    pub head: Head,
    pub at: u64,
    pub before: Vec<u8>,
}

impl Fingerprint {
    /// Of a file that was looked at, at this offset.
    pub fn of(look: &Look, at: u64) -> Self {
        Self { head: head_of(&look.head), at, before: look.before.clone() }
    }

    pub fn is_same(&self, look: &Look) -> bool {
        let head = self.head.len().min(look.head.len());
        look.stat.size >= self.at
            && look.stat.size >= self.head.len() as u64
            && look.head[..head] == self.head[..head]
            && look.before.ends_with(&self.before[self.before.len().saturating_sub(BEFORE)..])
    }
}
