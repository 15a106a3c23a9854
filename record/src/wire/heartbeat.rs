//! What an agent says of itself: that it is there, how far it has read each source, and what it cannot read. Lines that are
//! nearly header lines are not in it: they come with the spans they stand in, so that each is counted once.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// `POST /api/v1/heartbeat`: every 10 s, and soon after what is not read has changed. It replaces the one before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    pub version: u16,
    pub agent: String,
    /// Version of the agent's program.
    pub program: String,
    pub host: String,
    /// The agent's clock as it says so, echoed in the answer.
    pub clock: Timestamp,
    /// All sources of which it follows files, by name.
    pub sources: Vec<SourceReport>,
    pub unread: Vec<Unread>,
    /// Places and files that are not read, beyond those in `unread`.
    #[serde(default)]
    pub more_unread: u64,
    /// Names of the sources that its configuration has: a log is read no more if it has none of these names, and none of them
    /// followed by `/` before the rest. None: it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<Vec<String>>,
    /// The agent stops, as it was asked to: nothing more is read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stops: bool,
}

/// How far the files of one source are read. `size - committed - shown - unfinished` bytes are still to come.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SourceReport {
    /// As in [`super::StreamMeta::source`].
    pub name: String,
    /// Of its newest file, as it is shown: no control characters are in it.
    #[serde(default)]
    pub path: String,
    pub files: u64,
    /// Bytes in these files.
    pub size: u64,
    /// Bytes of them that the collector has acknowledged.
    pub committed: u64,
    /// Bytes after these that it shows as provisional records, of which nothing is missing.
    pub shown: u64,
    /// Bytes at the ends of files whose last record is not written to its end yet.
    pub unfinished: u64,
    /// All that was in its files at this time of the agent's clock is stored or shown. None: that never was so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_to: Option<Timestamp>,
    /// What of it cannot be read, and why: a sentence without its full stop. All else may be read to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// Why bytes of it are held back, in words: the collector refuses them, and only an operator can help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
}

impl SourceReport {
    /// Bytes that are not stored or shown yet.
    pub fn lag(&self) -> u64 {
        self.size.saturating_sub(self.committed.saturating_add(self.shown).saturating_add(self.unfinished))
    }
}

/// A place or file of a source that is not read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unread {
    /// As it is shown: no control characters are in it.
    pub path: String,
    /// So many others of its directory are not read for the same reason.
    #[serde(default)]
    pub others: u64,
    /// `missing`, `no_file`, `unreadable` or `unfit`.
    pub reason: String,
    /// What is wrong with it, and what happens: the second half of a sentence that begins with the path.
    pub what: String,
}

impl Unread {
    /// Somebody must do something; what is only waited for is no fault.
    pub fn is_fault(&self) -> bool {
        self.reason == "unreadable"
    }
}

/// The answer to a heartbeat: it is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Heard {
    pub version: u16,
    /// The clock of the heartbeat.
    pub clock: Timestamp,
}
