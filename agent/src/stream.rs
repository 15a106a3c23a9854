//! One stream: what of it is committed, on its way, and still to be read.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use record::frame::Resume;
use record::id::{Offset, StreamId};
use record::span::Cause;
use record::time::Timestamp;
use record::wire::{FileIdentity, Guard, Position, WireSpan};

use crate::cursor::{Cursor, Head};
use crate::guard::{BEFORE, Look};
use crate::piece::{PIECE, Piece};

/// CRCs that are kept of a stream, so that a copy that ends before what was read is known as one.
const MARKS: usize = 64;

/// A followed file, by a number of this process.
pub type FileKey = u64;

#[derive(Debug)]
pub struct Stream {
    pub id: StreamId,
    /// The file it began in.
    pub origin: FileIdentity,
    /// The file it is in, or was last.
    pub lives_in: FileIdentity,
    pub epoch: u64,
    /// Index of its source; none where the config names it no more.
    pub source: Option<usize>,
    pub source_name: String,
    pub path: PathBuf,
    pub predecessor: Option<StreamId>,
    pub home: Home,
    /// The collector knows its meta.
    pub told: bool,
    /// It has its meta as it is now: what a config says may change with each start of the agent.
    pub meta_told: bool,
    /// A checkpoint that names its epoch must be on disk before the first send: the number of that checkpoint.
    pub durable: Durable,
    /// The committed offset, and the guard there.
    pub w: u64,
    pub guard: Guard,
    /// Where it is read; away during a turn, none when closed.
    pub cursor: Option<Cursor>,
    /// End of what is final: read, framed, and either committed, on its way or queued; and the guard there.
    pub done: u64,
    pub proof: Guard,
    /// What is final and neither committed nor on its way.
    pub queue: VecDeque<Piece>,
    pub in_flight: bool,
    /// Nothing is sent before.
    pub hold_until: Duration,
    /// Bytes of a piece: appends are cut between them only, so they get smaller where one is too large.
    pub piece: usize,
    /// The offset of a record that waits because of its size, and was told.
    pub told_large: Option<u64>,
    /// Rejected records that are not on disk yet: before they are, nothing is sent.
    pub aside: usize,
    /// Since when there is something to send.
    pub news_at: Option<Duration>,
    /// Provisional spans behind the queue, not sent yet.
    pub tail: Option<Vec<WireSpan>>,
    /// `seen` at the last tail, and when that was.
    pub tail_seen: u64,
    pub tail_at: Duration,
    pub unfinished_since: Option<Duration>,
    pub known: Known,
    /// CRC-32C of [`marks_from`, offset) at some offsets, ascending.
    pub marks: VecDeque<(u64, u32)>,
    pub marks_from: u64,
    /// Size of the file when it was last looked at, and when that was.
    pub size: u64,
    pub read_to: u64,
    pub read_at: Timestamp,
    pub near_misses: u64,
    /// When it last grew, and when its file was last seen as it was read.
    pub grew_at: Option<Duration>,
    pub looked_at: Duration,
    /// Gaps without length that wait for the cursor.
    pub gaps: Vec<Cause>,
    /// Its last home is a copy: at its end it is closed, with a gap if it was growing when it was truncated.
    pub ending: Option<Ending>,
    /// All that is in its file is final.
    pub closed: bool,
    /// The collector is asked how far it is; what was queued is void.
    pub asking: bool,
    /// The collector's watermark went back.
    pub rewound: Option<u64>,
    /// Was the last of its rotation chain when the agent stopped.
    pub latest: bool,
    /// Was growing when the agent stopped.
    pub growing: bool,
    /// A gap says already that files between this stream and the next were never seen.
    pub missed: bool,
    /// Bytes of its unfinished record in memory.
    pub kept: usize,
}

/// Where a stream's bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    In(FileKey),
    /// Its file is gone or was truncated: a copy is looked for.
    Seeking(Seeking),
    /// Nowhere any more; it stays until all of it is acknowledged.
    Nowhere,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seeking {
    pub why: Why,
    /// Number of the listing that must have been judged before the search is given up.
    pub listing: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// Not found yet since the agent started.
    Down,
    /// Other bytes stand in its file.
    Truncated,
    /// Its file was deleted, and another one holds the same bytes.
    Moved,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ending {
    /// Bytes may be lost between the copy and the truncate.
    pub gap: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durable {
    Yes,
    No,
    With(u64),
}

/// What is known of the file's content where it was last read: enough to see that it is still the same.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Known {
    pub head: Head,
    pub at: u64,
    pub before: Vec<u8>,
}

impl Known {
    pub fn is_same(&self, look: &Look) -> bool {
        let head = self.head.len().min(look.head.len());
        look.stat.size >= self.at
            && look.stat.size >= self.head.len() as u64
            && look.head[..head] == self.head[..head]
            && look.before.ends_with(&self.before[self.before.len().saturating_sub(BEFORE)..])
    }
}

impl Stream {
    pub fn new(id: StreamId, origin: FileIdentity, epoch: u64, source_name: String, path: PathBuf) -> Self {
        Self {
            id,
            origin,
            lives_in: origin,
            epoch,
            source: None,
            source_name,
            path,
            predecessor: None,
            home: Home::Nowhere,
            told: false,
            meta_told: false,
            durable: if epoch == 0 { Durable::Yes } else { Durable::No },
            w: 0,
            guard: Guard::default(),
            cursor: None,
            done: 0,
            proof: Guard::default(),
            queue: VecDeque::new(),
            in_flight: false,
            hold_until: Duration::ZERO,
            piece: PIECE,
            told_large: None,
            aside: 0,
            news_at: None,
            tail: None,
            tail_seen: 0,
            tail_at: Duration::ZERO,
            unfinished_since: None,
            known: Known::default(),
            marks: VecDeque::new(),
            marks_from: 0,
            size: 0,
            read_to: 0,
            read_at: Timestamp(0),
            near_misses: 0,
            grew_at: None,
            looked_at: Duration::ZERO,
            gaps: Vec::new(),
            ending: None,
            closed: false,
            asking: false,
            rewound: None,
            latest: false,
            growing: false,
            missed: false,
            kept: 0,
        }
    }

    /// A stream the collector knows, not found yet.
    pub fn known_at(position: Position, path: PathBuf) -> Self {
        let mut stream = Self::new(position.stream, position.file, position.epoch, position.source, path);
        stream.told = true;
        stream.durable = Durable::Yes;
        stream.home = Home::Seeking(Seeking { why: Why::Down, listing: 0 });
        stream.w = position.w.0;
        stream.size = position.size;
        (stream.done, stream.guard, stream.proof) = (stream.w, position.guard.clone(), position.guard);
        stream.closed = position.closed;
        let guard = stream.guard.clone();
        stream.mark(stream.w, &guard);
        stream
    }

    pub fn file(&self) -> Option<FileKey> {
        if let Home::In(file) = self.home { Some(file) } else { None }
    }

    pub fn is_seeking(&self) -> bool {
        matches!(self.home, Home::Seeking(_))
    }

    /// Puts a piece behind the others, joined to the last where both are small; gives the bytes by which the memory in use grows.
    pub fn push(&mut self, piece: Piece) -> usize {
        self.mark(piece.end, &piece.guard);
        (self.done, self.proof) = (piece.end, piece.guard.clone());
        // What was said to follow here does so no more.
        self.tail = None;
        let Some(last) = self.queue.back_mut() else {
            let bytes = piece.bytes;
            self.queue.push_back(piece);
            return bytes;
        };
        let before = last.bytes;
        match last.join(piece, self.piece) {
            None => last.bytes - before,
            Some(piece) => {
                let bytes = piece.bytes;
                self.queue.push_back(piece);
                bytes
            }
        }
    }

    /// The largest offset up to `size` whose CRC is known.
    pub fn mark_below(&self, size: u64) -> Option<(u64, u32)> {
        self.marks.iter().rev().find(|(at, _)| *at <= size && *at > 0).copied()
    }

    fn mark(&mut self, at: u64, guard: &Guard) {
        if self.marks_from != guard.crc_from.0 {
            self.marks.clear();
            self.marks_from = guard.crc_from.0;
        }
        if at <= self.marks_from || self.marks.back().is_some_and(|(last, _)| *last >= at) {
            return;
        }
        self.marks.push_back((at, guard.crc));
        if self.marks.len() > MARKS {
            // Older marks stand further apart.
            let recent = self.marks.split_off(MARKS / 2);
            let old = std::mem::take(&mut self.marks).into_iter().skip(1).step_by(2);
            self.marks = old.chain(recent).collect();
        }
    }

    /// A gap behind all that is final.
    pub fn gap(&mut self, len: u64, cause: Cause, lost: Option<u64>) -> Piece {
        if let Some(cursor) = &mut self.cursor {
            return cursor.gap(len, cause, lost);
        }
        let (at, mut guard) = (self.done, self.proof.clone());
        if len > 0 {
            let (crc_from, before) = (Offset(at + len), Guard::default().before);
            guard = Guard { before_len: 0, before, crc: 0, crc_from, resume: Resume::default(), ..guard };
        }
        Piece::gap(at, len, cause, lost, guard)
    }

    /// Had grown shortly before it was last seen: what came after is not known.
    pub fn was_growing(&self, within: Duration) -> bool {
        self.grew_at.is_some_and(|at| self.looked_at.saturating_sub(at) < within)
    }

    /// What is queued or was on its way counts no more: goes back to what the collector has. Gives the bytes that were queued.
    pub fn go_back(&mut self, w: u64, guard: Guard) -> usize {
        let bytes = self.queue.drain(..).map(|piece| piece.bytes).sum();
        (self.w, self.done, self.read_to) = (w, w, w);
        (self.guard, self.proof) = (guard.clone(), guard);
        (self.cursor, self.tail) = (None, None);
        self.marks.retain(|(at, _)| *at <= w);
        self.closed = false;
        bytes
    }

    /// A file of this size was read to its end, and all of it that is final is acknowledged.
    pub fn is_caught_up(&self, size: u64) -> bool {
        self.read_to >= size && self.w == self.done && !self.in_flight && !self.asking
    }

    /// Something to send: spans, a tail, or its name.
    pub fn has_news(&self) -> bool {
        !self.queue.is_empty() || self.tail.is_some() || !self.told
    }
}
