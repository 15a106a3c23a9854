//! What a checkpoint keeps: a cache of what the collector knows, and the little that only the agent can know.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use record::id::StreamId;
use record::wire::{FileIdentity, Guard};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::file::{File, Role};
use super::{Follow, GROWING};
use crate::stream::Stream;

/// The content of a checkpoint.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Saved {
    /// Counts up while an agent runs.
    pub number: u64,
    pub streams: Vec<SavedStream>,
    /// Logs of which all that was there when the agent began is known.
    pub chains: Vec<ByteBuf>,
    /// Files that bring nothing.
    #[serde(rename = "spent")]
    pub ignored: Vec<SavedFile>,
    /// The highest epoch of inodes that were truncated.
    pub epochs: Vec<(FileIdentity, u64)>,
    /// Streams whose file is gone and of which nothing is missing, with that file and the stream's epoch: the last of them, in
    /// the order in which they were settled.
    pub settled: Vec<(StreamId, FileIdentity, u64)>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedStream {
    pub stream: StreamId,
    pub origin: FileIdentity,
    pub lives_in: FileIdentity,
    pub epoch: u64,
    pub source: String,
    pub path: ByteBuf,
    pub w: u64,
    pub guard: Guard,
    pub size: u64,
    /// Nothing more was expected of it.
    pub closed: bool,
    /// It was the last of its chain.
    pub latest: bool,
    /// It had grown just before.
    pub growing: bool,
    /// See `Stream::rank`.
    #[serde(default)]
    pub rank: Option<u64>,
    pub marks_from: u64,
    pub marks: Vec<(u64, u32)>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedFile {
    pub file: FileIdentity,
    pub size: u64,
    /// It holds what nobody has read, and was only too old.
    #[serde(default)]
    pub old: bool,
}

/// When a checkpoint is written. Invariant: what waits for a checkpoint waits for a number that was given.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    /// The number of the last one that was made, and of the last one that is on disk or cannot be written.
    number: u64,
    written: u64,
    /// Not before.
    at: Duration,
    changed: bool,
    /// There was none when the agent began.
    pub none_before: bool,
}

impl Follow {
    /// What is to be kept now. Streams that waited for a checkpoint may be sent once it is on disk.
    pub fn snapshot(&mut self) -> Saved {
        let number = self.checkpoints.next();
        for stream in self.streams.values_mut() {
            stream.queue.is_in_checkpoint(number);
        }
        // A rotation from before the agent's time that is not judged yet must not look like a new one after a restart.
        let old = self.files.values().filter(|file| file.role == Role::Fresh && file.is_old_rotation());
        let open: HashSet<&Path> = old.map(|file| file.chain.as_path()).collect();
        let over = self.chains.paths().filter(|path| self.chains.is_known(path) || !open.contains(path));
        let chains = over.map(|path| ByteBuf::from(path.as_os_str().as_bytes())).collect();
        let may_come = self.files.forget_ignored();
        self.streams.forget_epochs(may_come);
        Saved {
            number,
            streams: self.streams.values().map(|stream| self.saved_stream(stream)).collect(),
            chains,
            ignored: self.files.saved(|id, to| self.streams.get(id).is_none_or(|stream| stream.committed.w() >= to)),
            epochs: self.streams.epochs(),
            settled: self.streams.settled(),
        }
    }

    fn saved_stream(&self, stream: &Stream) -> SavedStream {
        let file = stream.file().and_then(|key| self.files.get(key));
        let (w, size, identity) = (stream.committed.w(), stream.sight.size, &stream.identity);
        // A deleted file that was read to its end: nobody will miss it.
        let drained = file.is_some_and(File::is_deleted) && w == size && stream.queue.is_empty();
        SavedStream {
            stream: stream.id,
            origin: identity.origin,
            lives_in: identity.lives_in,
            epoch: identity.epoch,
            source: identity.source_name.clone(),
            path: ByteBuf::from(identity.path.as_os_str().as_bytes()),
            w,
            guard: stream.committed.guard().clone(),
            size: file.map_or(size, |file| size.max(file.size())),
            closed: (stream.state.is_closed() && w == stream.framed.to) || drained,
            latest: file.is_some_and(|file| !file.rotated),
            growing: stream.was_growing(GROWING),
            rank: stream.rank,
            marks_from: stream.marks.from(),
            marks: stream.marks.up_to(w),
        }
    }
}

impl Checkpoints {
    /// The agent has started with the checkpoint of this number.
    pub fn start_at(&mut self, number: u64) {
        self.number = self.number.max(number);
        self.written = self.number;
    }

    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    pub fn is_written(&mut self, number: u64) {
        self.written = self.written.max(number);
    }

    pub fn written(&self) -> u64 {
        self.written
    }

    /// Something changed that is worth a checkpoint.
    pub fn note_change(&mut self) {
        self.changed = true;
    }

    /// Something waits for the next checkpoint.
    pub fn write_at_once(&mut self, now: Duration) {
        (self.changed, self.at) = (true, now);
    }

    pub fn due(&self) -> Duration {
        if self.changed { self.at } else { Duration::MAX }
    }

    /// Whether a checkpoint is to be written now. It is a cache: the more streams it holds, the rarer it is worth its bytes.
    pub fn take_due(&mut self, now: Duration, streams: usize) -> bool {
        let due = now >= self.at && std::mem::take(&mut self.changed);
        if due {
            self.at = now + Duration::from_secs(1 + streams as u64 / 1000);
        }
        due
    }
}
