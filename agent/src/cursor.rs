//! A reader's place in one file: what was read, how far it is framed, and how the file is known again.

use std::sync::Arc;

use record::format::Format;
use record::frame::{Framer, Limits, Resume};
use record::id::{Offset, StreamId};
use record::redact;
use record::span::Cause;
use record::wire::Guard;
use record::wrapper::Wrapper;

use crate::guard::{BEFORE, HEAD, Look, guard};
use crate::parcel::Parcel;
use crate::unwrapped::{self, Unwrapped, Wrapping};

/// How the files of a source are read.
#[derive(Clone, Debug)]
pub struct Framing {
    pub format: Arc<Format>,
    pub limits: Limits,
    pub masks: redact::Rules,
    pub wrapping: Wrapping,
}

/// Where a stream is read and framed. A turn takes it to a reader thread, which brings it back.
#[derive(Debug)]
pub struct Cursor {
    pub(crate) framing: Arc<Framing>,
    pub(crate) framer: Framer,
    /// The next byte the framer wants.
    pub(crate) at: u64,
    /// All before was read once; what follows is new.
    pub(crate) seen: u64,
    /// Bytes up to `seen`: at least those by which the file is known again; all from `framed` on where they are few.
    pub(crate) window: Vec<u8>,
    /// The first bytes of the file as they were looked at, perhaps before they are read.
    pub(crate) head: Head,
    /// End of the last final span, and what is known there.
    pub(crate) framed: FramedEnd,
    /// Nothing was read yet: what the file begins with, data or NULs, is not known.
    pub(crate) leading: bool,
    /// From `seen` up to here there was nothing but NULs, which count as not written yet.
    pub(crate) nuls_to: u64,
    /// There is data here: NULs before it are part of the log.
    pub(crate) data_at: u64,
    /// Of a wrapped file: what its bytes are unwrapped to. Then `at` says nothing.
    pub(crate) unwrapped: Option<Box<Unwrapped>>,
    pub(crate) look: unwrapped::Look,
    /// Of a file that is not read yet: the head of it may belong to the end of another.
    pub(crate) after: Option<Box<After>>,
}

/// The stream before in a log, and what is known at its end: how far its last record goes on in the next file.
#[derive(Clone, Debug)]
pub struct After {
    pub stream: StreamId,
    pub note: Resume,
}

/// The first bytes of a file: as long as it is followed, in two places.
pub type Head = Arc<Vec<u8>>;

/// Without the NULs at their end: something may still be written over these.
pub fn head_of(bytes: &[u8]) -> Head {
    Arc::new(without_nuls(&bytes[..bytes.len().min(HEAD)]).to_vec())
}

pub fn without_nuls(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
}

/// The end of the last final span.
#[derive(Clone, Debug, Default)]
pub(crate) struct FramedEnd {
    pub at: u64,
    pub note: Resume,
    pub crc: u32,
    pub crc_from: u64,
    /// The last bytes before it.
    pub before: Vec<u8>,
}

impl Framing {
    pub fn framer(&self, at: u64, note: &Resume) -> Framer {
        Framer::new(Arc::clone(&self.format), Offset(at), note, self.limits)
    }
}

impl Cursor {
    /// At the head of a file that begins like this.
    pub fn new(framing: &Arc<Framing>, head: &[u8]) -> Self {
        Self::at(framing, FramedEnd::default(), head_of(head), true)
    }

    /// At a committed offset of a file that was looked at there.
    pub fn resume(framing: &Arc<Framing>, w: u64, guard: &Guard, look: &Look) -> Self {
        if w == 0 {
            return Self::new(framing, &look.head);
        }
        let (note, crc, crc_from) = (guard.resume.clone(), guard.crc, guard.crc_from.0);
        let end = FramedEnd { at: w, note, crc, crc_from, before: look.before.clone() };
        Self::at(framing, end, head_of(&look.head), false)
    }

    /// At the end of what is final.
    pub(crate) fn at(framing: &Arc<Framing>, framed: FramedEnd, head: Head, leading: bool) -> Self {
        let at = framed.at;
        Self {
            framing: Arc::clone(framing),
            framer: framing.framer(at, &framed.note),
            at,
            seen: at,
            window: framed.before.clone(),
            head,
            framed,
            leading,
            nuls_to: 0,
            data_at: 0,
            unwrapped: None,
            look: unwrapped::Look::default(),
            after: None,
        }
    }

    /// What is read next follows in the log after the end of that stream.
    pub fn follows(&mut self, after: After) {
        self.after = Some(Box::new(after));
    }

    /// All bytes before were read.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The file ends in NULs, which may be written over.
    pub fn ends_in_nuls(&self) -> bool {
        self.nuls_to > self.seen
    }

    /// End of the last final span.
    pub fn framed(&self) -> u64 {
        self.framed.at
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The last bytes that were seen.
    pub fn last(&self) -> &[u8] {
        &self.window[self.window.len().saturating_sub(BEFORE)..]
    }

    /// All that is not final yet is in memory.
    pub fn covers(&self) -> bool {
        self.seen - self.framed.at.min(self.seen) <= self.window.len() as u64
    }

    /// Bytes of the unfinished record that are held.
    pub fn kept(&self) -> usize {
        let text = self.unwrapped.as_ref().map_or(0, |unwrapped| unwrapped.text.kept());
        self.window.len().saturating_sub(BEFORE) + text
    }

    /// What the file turned out to be wrapped in, once.
    pub fn take_wrapper(&mut self) -> Option<Wrapper> {
        self.look.news.take()
    }

    /// Releases the bytes of the unfinished record; they are read again from the file.
    pub fn forget(&mut self) {
        let from = self.window.len().saturating_sub(BEFORE);
        self.window = self.window.split_off(from);
        if let Some(unwrapped) = &mut self.unwrapped {
            unwrapped.forget();
        }
    }

    /// The guard at the end of the last final span.
    pub fn guard(&self) -> Guard {
        let head = &self.head[..self.head.len().min(usize::try_from(self.framed.at).unwrap_or(HEAD))];
        guard(head, &self.framed.before, self.framed.crc, self.framed.crc_from, self.framed.note.clone())
    }

    /// A file that was looked at, at `seen`, is still the one that was read.
    pub fn is_same(&self, look: &Look) -> bool {
        look.stat.size >= self.seen && look.head.starts_with(&self.head[..]) && look.before.ends_with(self.last())
    }

    /// Another file holds the same bytes up to `framed`: goes on there.
    pub fn moved(self, look: &Look) -> Self {
        let guard = self.guard();
        Self::resume(&self.framing, self.framed.at, &guard, look)
    }

    /// Goes on after a gap: what is known of the file's content begins there anew.
    fn skip(&mut self, end: u64) {
        self.framed = FramedEnd { at: end, note: Resume::default(), crc: 0, crc_from: end, before: Vec::new() };
    }

    /// A gap after the last final span; framing goes on after it.
    pub fn gap(&mut self, len: u64, cause: Cause, lost: Option<u64>) -> Parcel {
        let at = self.framed.at;
        if len > 0 {
            self.skip(at + len);
        }
        Parcel::gap(at, len, cause, lost, self.guard())
    }
}
