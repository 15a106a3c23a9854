//! One stream: which file it is in, what of it is committed, on its way, and still to be read.
//!
//! - `state`: where its bytes are, and who has its cursor
//! - `committed`: what the collector has of it
//! - `queue`: what is final and not committed, and whether it may be sent
//! - `tail`: what is not final and shown all the same
//! - `marks`, `print`: how its bytes are known again
//! - `reached`: until when all of it is there

mod committed;
mod marks;
mod print;
mod queue;
mod reached;
mod state;
mod tail;

use std::path::PathBuf;
use std::time::Duration;

use record::frame::Resume;
use record::id::{Offset, StreamId};
use record::span::Cause;
use record::time::Timestamp;
use record::wire::{FileIdentity, Guard, Position};

use crate::cursor::Cursor;
use crate::parcel::Parcel;
use crate::place::SourceId;

pub use committed::Committed;
pub use marks::Marks;
pub use print::Fingerprint;
pub use queue::{Durable, Queue};
pub use reached::Reached;
pub use state::{Left, Search, State, Why};
pub use tail::Tail;

/// A followed file, by a number of this process.
pub type FileKey = u64;

/// Invariant: `committed.w() <= framed.to <= ` what its cursor has seen.
#[derive(Debug)]
pub struct Stream {
    pub id: StreamId,
    pub identity: Identity,
    pub state: State,
    pub committed: Committed,
    pub framed: Framed,
    pub queue: Queue,
    pub tail: Tail,
    pub print: Fingerprint,
    /// Size and digest of its file when it began there.
    pub birth: Option<(u64, u64)>,
    pub marks: Marks,
    pub sight: Sight,
    pub reached: Reached,
    /// Why the collector refuses it: nobody but an operator can help.
    pub refused: Option<String>,
    pub stopped: Stopped,
    /// Gaps without length that wait for the cursor.
    pub gaps: Vec<Cause>,
    /// Its last file is a copy: at its end it is closed.
    pub ending: Option<Ending>,
    /// It is decided whether its head belongs to the stream before.
    pub headed: bool,
    /// It was done with, and a file has come that may be its own; that is not sure yet.
    pub recalled: bool,
    /// Its place among all streams that were seen to be written to under their log's own name.
    pub rank: Option<u64>,
    /// A gap says already that files between this stream and the next were never seen.
    pub missed: bool,
}

/// What a stream is called, and where it comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The file it began in.
    pub origin: FileIdentity,
    /// The file it is in, or was last.
    pub lives_in: FileIdentity,
    pub epoch: u64,
    /// None where the config names its path no more.
    pub source: Option<SourceId>,
    pub source_name: String,
    pub path: PathBuf,
    pub predecessor: Option<StreamId>,
}

/// The end of what is final (read, framed, and either committed, on its way or queued), and the guard there.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Framed {
    pub to: u64,
    pub guard: Guard,
}

/// What was last seen of its file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sight {
    pub size: u64,
    pub read_to: u64,
    pub read_at: Timestamp,
    /// When it last grew.
    pub grew_at: Option<Duration>,
    /// When it was last seen as it was read.
    pub looked_at: Duration,
}

/// What it was like when the agent stopped, as the checkpoint says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stopped {
    /// It was the last of its rotation chain.
    pub latest: bool,
    pub growing: bool,
}

/// The end of a copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ending {
    /// Bytes may be lost between the copy and the truncate.
    pub gap: bool,
}

impl Stream {
    pub fn new(id: StreamId, identity: Identity, state: State) -> Self {
        let durable = if identity.epoch == 0 { Durable::Yes } else { Durable::No };
        Self {
            id,
            identity,
            state,
            committed: Committed::default(),
            framed: Framed::default(),
            queue: Queue::new(durable),
            tail: Tail::default(),
            print: Fingerprint::default(),
            birth: None,
            marks: Marks::default(),
            sight: Sight::default(),
            reached: Reached::default(),
            refused: None,
            stopped: Stopped::default(),
            gaps: Vec::new(),
            ending: None,
            headed: false,
            recalled: false,
            rank: None,
            missed: false,
        }
    }

    /// A stream of an earlier run, which is not found yet. Its epoch is durable: the collector or the checkpoint has it.
    pub fn of_earlier_run(id: StreamId, identity: Identity) -> Self {
        let mut stream = Self::new(id, identity, State::Seeking(Search::FROM_EARLIER_RUN, Left::Unknown));
        stream.queue = Queue::new(Durable::Yes);
        stream
    }

    /// A stream that the collector knows.
    pub fn known_at(position: Position, path: PathBuf) -> Self {
        let Position { stream: id, file, epoch, w, guard, size, source: source_name, closed, .. } = position;
        let identity =
            Identity { origin: file, lives_in: file, epoch, source: None, source_name, path, predecessor: None };
        let mut stream = Self::of_earlier_run(id, identity);
        stream.committed = Committed::at(w.0, guard.clone());
        stream.marks.add(w.0, &guard);
        stream.framed = Framed { to: w.0, guard };
        stream.sight.size = size;
        if closed {
            stream.state.expect_nothing();
        }
        stream
    }

    pub fn file(&self) -> Option<FileKey> {
        self.state.file()
    }

    /// The end of what was read, as far as a cursor tells.
    pub fn seen(&self) -> Option<u64> {
        self.state.cursor().map(Cursor::seen)
    }

    /// Enqueues a parcel; gives the bytes by which the memory in use grows.
    pub fn enqueue(&mut self, parcel: Parcel) -> usize {
        self.marks.add(parcel.end, &parcel.guard);
        self.framed = Framed { to: parcel.end, guard: parcel.guard.clone() };
        self.tail.overtaken();
        self.queue.push(parcel)
    }

    /// A gap after all that is final.
    pub fn gap(&mut self, len: u64, cause: Cause, lost: Option<u64>) -> Parcel {
        if let Some(cursor) = self.state.cursor_mut() {
            return cursor.gap(len, cause, lost);
        }
        let Framed { to, mut guard } = self.framed.clone();
        if len > 0 {
            let (crc_from, before) = (Offset(to + len), Guard::default().before);
            guard = Guard { before_len: 0, before, crc: 0, crc_from, resume: Resume::default(), ..guard };
        }
        Parcel::gap(to, len, cause, lost, guard)
    }

    /// Rewinds, or goes ahead, to where the collector is; `guard` is the collector's. What was queued is void: gives its
    /// bytes.
    pub fn rewind(&mut self, w: u64, guard: Guard) -> usize {
        self.committed.rewind(w, guard.clone(), self.framed.to);
        self.framed = Framed { to: w, guard };
        self.sight.read_to = w;
        self.headed &= w > 0;
        self.tail.rewind();
        self.reached.forget();
        self.marks.cut(w);
        self.state.rewind();
        self.queue.clear()
    }

    /// It had grown shortly before it was last seen: what came after is not known.
    pub fn was_growing(&self, within: Duration) -> bool {
        self.sight.grew_at.is_some_and(|at| self.sight.looked_at.saturating_sub(at) < within)
    }

    /// A file of this size was read to its end, and all of it that is final is acknowledged.
    pub fn is_caught_up(&self, size: u64) -> bool {
        self.sight.read_to >= size && self.committed.w() == self.framed.to && self.queue.is_idle()
    }

    /// All of its file up to this offset is stored, or shown as far as it can be.
    pub fn has(&self, end: u64) -> bool {
        let told = || self.tail.shows_all(end) || self.tail.is_told(self.sight.read_to);
        self.committed.w() >= end || self.is_caught_up(end) && told()
    }

    /// What was acknowledged may be all that was there at the last look.
    pub fn note_reached(&mut self) {
        let mut reached = self.reached;
        reached.advance(|end| self.has(end));
        self.reached = reached;
    }

    /// It is nowhere any more, and all that is known of it is sent.
    pub fn is_settled(&self) -> bool {
        self.state.is_gone() && self.gaps.is_empty() && self.queue.is_empty() && self.committed.is_known()
    }

    /// Something is to be sent: spans, a tail, its name, or that it is settled.
    pub fn has_news(&self) -> bool {
        let unsaid = !self.committed.is_known() || (self.is_settled() && !self.committed.is_settled());
        unsaid || !self.queue.is_empty() || self.tail.is_waiting()
    }
}
