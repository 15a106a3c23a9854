//! How far the agent is, for a line on a terminal.

use std::path::PathBuf;
use std::time::Instant;

/// Sent through `tokio::sync::watch` whenever something of it changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Files that are followed.
    pub files: usize,
    /// Bytes in the followed files.
    pub bytes_known: u64,
    /// Bytes of them that the collector has for good.
    pub bytes_committed: u64,
    /// Bytes that were read and are not final before more is written: unfinished records at the ends of files...
    pub bytes_unfinished: u64,
    /// ... of so many files.
    pub unfinished: usize,
    /// Configured paths that do not exist yet.
    pub waiting_for: Vec<PathBuf>,
    /// Configured patterns and directories in which there is no file yet.
    pub empty: Vec<PathBuf>,
    /// Files that cannot be opened.
    pub unreadable: Vec<PathBuf>,
    /// Records acknowledged since the start.
    pub records: u64,
    /// Gaps acknowledged since the start.
    pub gaps: u64,
    pub collector: Collector,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Collector {
    /// Not asked yet.
    #[default]
    Unknown,
    Up,
    Lost {
        since: Instant,
    },
}
