//! What happened, for `Follow` to decide on, and what it wants to be done.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use record::id::StreamId;
use record::wire::{FileIdentity, Position};

use super::{Outcome, Saved, Shipment};
use crate::content::{InodeId, Stat};
use crate::cursor::Cursor;
use crate::discover::{Listing, Lived, Logs, Scope};
use crate::guard::{Ask, Look, Same, Sum};
use crate::hints::Hints;
use crate::stream::FileKey;
use crate::turn::{Order, Stitch, Turn};

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// What the collector and the checkpoint know.
    Recovered {
        positions: Vec<Position>,
        /// The names of all sources that the collector knows of this agent.
        sources: Vec<String>,
        saved: Saved,
    },
    /// The operating system says where something may have changed.
    Hinted(Hints),
    /// Hints come from these directories, and from no others.
    Watched(Arc<BTreeSet<PathBuf>>),
    /// Places were listed, and after that those of the given open files were looked at that are not in the listing.
    Listed {
        listing: Listing,
        held: Vec<(FileKey, Stat)>,
    },
    Opened {
        file: FileKey,
        opened: std::io::Result<(FileIdentity, InodeId, Stat)>,
    },
    Looked {
        file: FileKey,
        look: Result<Look, String>,
    },
    /// How far two files are the same, and what a look at the other one brought after that.
    Compared {
        file: FileKey,
        same: Result<(Same, Look), String>,
    },
    /// This was to be done with a file that is not open, though it was taken for open.
    NotOpen {
        file: FileKey,
        action: Box<Action>,
    },
    /// The CRC that was asked for, or a slice of it.
    Checksummed {
        file: FileKey,
        sum: Result<Sum, String>,
    },
    Read {
        file: FileKey,
        stream: StreamId,
        turn: Box<Turn>,
    },
    /// What became of the end of a file, `old`, and the head of another; the cursor is that of the older one's stream.
    Stitched {
        file: FileKey,
        old: FileKey,
        stream: StreamId,
        cursor: Box<Cursor>,
        found: Stitch,
    },
    Answered {
        shipment: Box<Shipment>,
        outcome: Outcome,
    },
    /// What the collector knows of one stream.
    Positioned {
        stream: StreamId,
        position: Option<Box<Position>>,
    },
    /// The checkpoint of this number is on disk, or cannot be written.
    Checkpointed {
        number: u64,
    },
    /// A record that the collector cannot accept is in quarantine, on disk.
    Quarantined {
        stream: StreamId,
    },
    Tick,
    /// Read no more; send what is read.
    Stop,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// List what the sources name, and the rotations of these logs, within this scope; then look at these open files.
    List {
        scope: Scope,
        logs: Arc<Logs>,
        /// Where the streams of an earlier run were; told once.
        lived: Vec<Lived>,
        held: Vec<FileKey>,
    },
    Open {
        file: FileKey,
        path: PathBuf,
    },
    Close {
        file: FileKey,
    },
    Look {
        file: FileKey,
        ask: Ask,
    },
    Compare {
        file: FileKey,
        with: FileKey,
        ask: Ask,
        from: u64,
    },
    /// Go on with a CRC.
    Checksum {
        file: FileKey,
        crc: u32,
        from: u64,
        to: u64,
    },
    Read {
        file: FileKey,
        stream: StreamId,
        cursor: Box<Cursor>,
        order: Order,
    },
    /// Does the last record of the file `old`, which was read to its end, go on in this one? `last`: no more of it is waited for.
    Stitch {
        file: FileKey,
        old: FileKey,
        stream: StreamId,
        cursor: Box<Cursor>,
        last: bool,
    },
    /// Ask the collector for one stream's position.
    Ask {
        stream: StreamId,
    },
    /// Keep a record that the collector cannot accept; nothing of its stream is sent until that is done.
    Quarantine {
        stream: StreamId,
        start: u64,
        record: Aside,
        why: String,
    },
    Checkpoint,
}

/// Where a record is that goes to quarantine.
#[derive(Debug)]
pub enum Aside {
    /// As it would have been sent.
    Bytes(Vec<u8>),
    /// In its file still, because it is too large to be held; it has so many bytes.
    InFile { file: FileKey, len: u64 },
}

impl Action {
    /// The open files that it needs.
    pub fn files(&self) -> impl Iterator<Item = FileKey> + use<> {
        let (file, other) = match self {
            Self::Look { file, .. }
            | Self::Checksum { file, .. }
            | Self::Read { file, .. }
            | Self::Quarantine { record: Aside::InFile { file, .. }, .. } => (Some(*file), None),
            Self::Compare { file, with, .. } => (Some(*file), Some(*with)),
            Self::Stitch { file, old, .. } => (Some(*file), Some(*old)),
            _ => (None, None),
        };
        file.into_iter().chain(other)
    }
}
