//! How far the agent is, for a line on a terminal.

use std::path::PathBuf;
use std::time::Instant;

use record::miss::NearMiss;
use record::wrapper::Wrapper;

use crate::reach::Reach;
use crate::unread::Unread;

/// Sent through `tokio::sync::watch` whenever something of it changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// All files that are followed.
    pub reach: Reach,
    /// Places and files that are not read.
    pub unread: Vec<Unread>,
    /// Files that are read through a wrapper that they were recognised by, or converted from UTF-16.
    pub wrapped: Vec<(PathBuf, Wrapper)>,
    /// Logs with lines that are nearly header lines and are not read as such: the first line of each log and reason.
    pub misread: Vec<(PathBuf, NearMiss)>,
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
