//! The framer: a sans-IO state machine that is fed bytes and tells spans. It never holds a byte.
//!
//! It works line by line. A line that a chunk cuts is asked for again as a whole, once it is complete; of a declared length
//! that a header line contests, only the bytes at its end are asked for. So no byte is looked at more than a few times,
//! however small the chunks are and whatever lengths say.
//!
//! - [`Framer`]: what a caller feeds and asks
//! - `lines`: from chunks to lines, and what a line does
//! - `message`: one unfinished record; `headers`, `json`: what its lines declare
//! - `claim`, `contest`: a declared length, and a header line inside it
//! - `known`, `piece`: what a line is to the record before it
//! - `whole`: a log from beginning to end

mod claim;
mod contest;
pub(crate) mod headers;
pub(crate) mod json;
mod known;
mod lines;
mod message;
mod piece;
mod whole;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod lengths;
#[cfg(test)]
mod line_ends;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod strange;
#[cfg(test)]
mod tails;
#[cfg(test)]
mod torture;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::format::Format;
use crate::id::Offset;
use crate::span::{Flags, Span, SpanKind};
use crate::wrapper::Unwrapper;
pub(crate) use headers::is_start_line;
use message::{Message, Step};
pub use whole::{frame, spans};

/// A line beyond this is no header, and is judged by its beginning.
const LINE: usize = 16 << 10;

/// What framing needs to start again at a committed offset and give the same spans.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Resume {
    /// The kind of the span before the offset, blank lines passed over; none at the start of a stream.
    pub before: Option<SpanKind>,
    /// The prefix shape of the last header: its first 256 bytes.
    #[serde(with = "serde_bytes")]
    pub shape: Vec<u8>,
    /// A SIP record without a message ends right here: the next one may have been mixed with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_empty: bool,
    /// A rotation has cut the record or the line that ends here: its rest is the head of the next file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beyond: Option<Beyond>,
    /// How unwrapping goes on there, where the log is wrapped. The framer is fed what is unwrapped and knows nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwrapper: Option<Unwrapper>,
}

/// The rest of a record, or of a line of noise, at the head of the next file of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Beyond {
    pub len: u64,
    /// CRC-32C of it: the file that holds it is known by that.
    pub crc: u32,
    /// Where the record begins in its own file; none for noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Offset>,
}

/// Where the framer wants to read next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// The bytes after the chunk.
    More,
    /// Go on reading there: a line that was cut, a length that was wrong, or the place of a declared end, which may lie
    /// beyond the end of the file. The next chunk must hold at least [`Framer::wants`] bytes, or reach to the end of the
    /// file.
    From(Offset),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// A record beyond this is flagged `oversize`; it is kept in full.
    pub record: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { record: 64 << 20 }
    }
}

#[derive(Clone, Debug)]
pub struct Framer {
    format: Arc<Format>,
    limits: Limits,
    state: State,
    /// All before is taken in.
    at: Offset,
    /// Start of the line that `at` is in.
    line: Offset,
    /// Bytes after `at` that were seen, and do not suffice yet.
    seen: u64,
    /// Bytes from `at` on that the next chunk must hold.
    want: usize,
    /// The line that `at` is in was judged by its beginning: it is longer than a header can be.
    long: bool,
    /// The file is closed: the end of a chunk ends its last line.
    closing: bool,
    before: Option<SpanKind>,
    shape: Vec<u8>,
    /// A SIP record without a message ended there.
    empty: Option<Offset>,
    noise: Option<(Offset, u64)>,
    /// Bytes that were looked at, each as often as it was.
    #[cfg(test)]
    looked_at: u64,
}

#[derive(Clone, Debug)]
enum State {
    Outside,
    /// Lines without a header of their own, from here.
    Fragment {
        start: Offset,
        cap: u64,
    },
    Message(Message),
}

impl Framer {
    /// A framer for a stream read from `start`; `resume` is the note kept with that offset (default at 0).
    pub fn new(format: Arc<Format>, start: Offset, resume: &Resume, limits: Limits) -> Self {
        Self {
            format,
            limits,
            state: State::Outside,
            at: start,
            line: start,
            seen: 0,
            want: 0,
            long: false,
            closing: false,
            before: resume.before,
            shape: resume.shape.clone(),
            empty: resume.after_empty.then_some(start),
            noise: None,
            #[cfg(test)]
            looked_at: 0,
        }
    }

    /// Takes the bytes that follow; pushes the spans that are final now.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<Span>) -> Next {
        let next = self.take(chunk, out);
        self.flush_noise(out);
        next
    }

    /// The file is closed: what is left becomes final. `From`: feed it from there to the end of the file, then close again.
    pub fn close(&mut self, out: &mut Vec<Span>) -> Next {
        if self.seen > 0 {
            self.closing = true;
            self.want = std::mem::take(&mut self.seen) as usize;
            return Next::From(self.at);
        }
        let at = self.at;
        match &mut self.state {
            State::Outside if self.long => self.add_noise(),
            State::Outside => {}
            State::Fragment { start, .. } => {
                let start = *start;
                self.push_fragment(start, at, Flags::empty(), out);
            }
            State::Message(message) => {
                let Step::Ends { span, next } = message.closed(at) else { return Next::More };
                self.push_record(span, out);
                if next < at {
                    self.go_to(next);
                    return Next::From(next);
                }
            }
        }
        self.line = self.at;
        self.long = false;
        self.closing = false;
        self.flush_noise(out);
        Next::More
    }

    /// What it would say of the unfinished record if this were the end: a provisional span, marked unless it is complete by
    /// its own grammar. [`Framer::presume`] tells what stands after an open question.
    pub fn tail(&self) -> Vec<Span> {
        match &self.state {
            State::Outside => Vec::new(),
            State::Fragment { start, .. } => {
                let len = self.at.0 + self.seen - start.0;
                vec![Span {
                    start: *start,
                    len,
                    kind: SpanKind::Fragment,
                    head: 0,
                    line_end: 0,
                    flags: Flags::ORPHAN_FRAGMENT | Flags::UNFINISHED,
                    lines: 0,
                }]
            }
            State::Message(message) => {
                let partial = if message.is_contested() { 0 } else { self.at.0 + self.seen - self.line.0 };
                vec![message.tail(self.line, partial)]
            }
        }
    }

    /// Takes what is not written yet for missing, so that the records after an open question can be told: of a *clone* of
    /// the framer, once it was fed all there is. `From`: feed it from there, then presume again; the spans that come are
    /// provisional. `More`: nothing is in question any more, and [`Framer::tail`] tells the rest.
    pub fn presume(&mut self, out: &mut Vec<Span>) -> Next {
        let State::Message(message) = &mut self.state else { return Next::More };
        let Some(Step::Ends { span, next }) = message.presumed_end() else { return Next::More };
        self.push_record(span, out);
        self.go_to(next);
        Next::From(next)
    }

    /// Nothing from here on may be committed.
    pub fn unfinished(&self) -> Offset {
        match &self.state {
            State::Outside => self.line,
            State::Fragment { start, .. } => *start,
            State::Message(message) => message.start,
        }
    }

    /// The note to keep with `unfinished()`.
    pub fn resume(&self) -> Resume {
        let after_empty = self.empty == Some(self.unfinished());
        Resume { before: self.before, shape: self.shape.clone(), after_empty, beyond: None, unwrapper: None }
    }

    /// A line without its line end is one of the log: a header, or one that its logger writes.
    pub fn knows(&self, line: &[u8]) -> bool {
        lines::is_known(line, &self.format, &self.shape)
    }

    /// Bytes the next chunk must hold, if the file has as many: where it holds fewer, the file is taken to end there.
    pub fn wants(&self) -> usize {
        match &self.state {
            State::Message(message) if message.is_contested() => message.wants().max(self.want),
            _ => self.want,
        }
    }
}
