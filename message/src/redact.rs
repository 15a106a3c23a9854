//! What never leaves the host: header values masked before a batch is made.

use serde::{Deserialize, Serialize};

/// A range of the *masked* bytes that stands for `len_before` bytes of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mask {
    /// Where the replacement starts, from the start of the span's bytes as sent.
    pub at: u32,
    /// Bytes of the replacement.
    pub len: u32,
    /// Bytes it stands for.
    pub len_before: u32,
}
