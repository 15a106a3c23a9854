//! The framer: a sans-IO state machine that is fed bytes and tells spans. It never holds a byte.
//!
//! It works line by line. A line that a chunk cuts is asked for again as a whole, once it is complete, so no byte is
//! looked at more than about twice however small the chunks are.

mod bare_lf;
mod body;
mod headers;
mod json;
mod known;
mod message;
mod piece;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod line_ends;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod strange;
#[cfg(test)]
mod torture;

use std::cell::Cell;
use std::sync::Arc;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::format::{Format, Line};
use crate::id::Offset;
use crate::span::{Flags, Span, SpanKind};
pub(crate) use headers::is_start_line;
use message::{Message, Step};
use piece::{Eol, Known, Piece, is_no_end};

/// A line beyond this is no header, and is judged by its beginning.
const LINE: usize = 16 << 10;
/// Fragments: behind a message, and at the head of a stream.
const FRAGMENT_BEHIND: u64 = 64 << 10;
const FRAGMENT_HEAD: u64 = 1 << 20;

/// What framing needs to start again at a committed offset and give the same spans.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Resume {
    /// The kind of the span before the offset, blank lines passed over; none at the start of a stream.
    pub before: Option<SpanKind>,
    /// The prefix shape of the last header: its first 256 bytes.
    #[serde(with = "serde_bytes")]
    pub shape: Vec<u8>,
}

/// Where the framer wants to read next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// The bytes behind the chunk.
    More,
    /// Go on reading there: a line that was cut, a length that was wrong, or the place of a declared end, which may lie
    /// beyond the end of the file. The next chunk should hold at least [`Framer::wants`] bytes, if the file has as many.
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

#[derive(Debug)]
pub struct Framer {
    format: Arc<Format>,
    limits: Limits,
    state: State,
    /// All before is taken in.
    at: Offset,
    /// Start of the line that `at` is in.
    line: Offset,
    /// Bytes behind `at` that were seen and hold no line end.
    seen: u64,
    /// `at` is where a declared end should be; once that is known, lines are read from here.
    back: Option<Offset>,
    /// The line that `at` is in was judged by its beginning: it is longer than a header can be.
    long: bool,
    /// The file is closed: the end of a chunk ends its last line.
    closing: bool,
    before: Option<SpanKind>,
    shape: Vec<u8>,
    noise: Option<(Offset, u64)>,
    near_misses: u64,
    near_miss_at: Option<Offset>,
}

/// All spans of a closed file that is in memory as a whole.
pub fn spans(log: &[u8], format: &Arc<Format>) -> Vec<Span> {
    let mut framer = Framer::new(format.clone(), Offset(0), &Resume::default(), Limits::default());
    let (mut out, mut at) = (Vec::new(), 0);
    loop {
        while let Some(rest) = log.get(at..).filter(|rest| !rest.is_empty()) {
            at = match framer.feed(rest, &mut out) {
                Next::More => log.len(),
                Next::From(offset) => offset.0 as usize,
            };
        }
        match framer.close(&mut out) {
            Next::More => return out,
            Next::From(offset) => at = offset.0 as usize,
        }
    }
}

#[derive(Debug)]
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
            back: None,
            long: false,
            closing: false,
            before: resume.before,
            shape: resume.shape.clone(),
            noise: None,
            near_misses: 0,
            near_miss_at: None,
        }
    }

    /// Takes the bytes that follow; pushes the spans that are final now.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<Span>) -> Next {
        let next = self.take(chunk, out);
        self.flush_noise(out);
        next
    }

    /// The file is closed: what is left becomes final. `From`: feed it from there to the end of the file (a last line
    /// without its line end as one chunk), then close again.
    pub fn close(&mut self, out: &mut Vec<Span>) -> Next {
        if self.seen > 0 {
            self.closing = true;
            self.seen = 0;
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
                self.back = None;
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

    /// What it would say if this were the end: provisional.
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
                    flags: Flags::ORPHAN_FRAGMENT,
                    lines: 0,
                }]
            }
            State::Message(message) => {
                let line = self.back.unwrap_or(self.line);
                vec![message.tail(line, self.at.0 + self.seen - self.line.0)]
            }
        }
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
        Resume { before: self.before, shape: self.shape.clone() }
    }

    /// Bytes the next chunk should hold at least, after `Next::From`: the line that was cut.
    pub fn wants(&self) -> usize {
        LINE + 2
    }

    /// Lines with four groups and a good time that failed another test, since `new`.
    pub fn near_misses(&self) -> u64 {
        self.near_misses
    }

    fn take(&mut self, chunk: &[u8], out: &mut Vec<Span>) -> Next {
        if self.seen > 0 {
            return self.look_for_line_end(chunk);
        }
        if let Some(back) = self.back.take() {
            return self.look_at_end(chunk, back, out);
        }
        let mut rest = chunk;
        while !rest.is_empty() {
            let Some((len, ends)) = self.next_piece(rest) else {
                self.seen = rest.len() as u64;
                return Next::More;
            };
            let piece = self.piece(rest, len, ends);
            let mut moved = self.dispatch(&piece, out);
            if moved == Some(piece.at) {
                moved = self.dispatch(&piece, out);
            }
            if let Some(to) = moved {
                if self.back.is_some() {
                    self.go_to(to);
                    return Next::From(to);
                }
                let within = to.0.checked_sub(self.at.0).and_then(|ahead| rest.get(ahead as usize..));
                self.go_to(to);
                match within {
                    Some(again) => rest = again,
                    None => return Next::From(to),
                }
                continue;
            }
            let goes_on = piece.eol == Eol::None && !self.closing;
            self.at = self.at.plus(len as u64);
            self.long = goes_on;
            if !goes_on {
                self.line = self.at;
            }
            rest = &rest[len..];
        }
        Next::More
    }

    /// Bytes of the next piece, and whether it ends its line. None: the line is not there as a whole.
    fn next_piece(&self, rest: &[u8]) -> Option<(usize, bool)> {
        if let Some(at) = memchr::memchr(b'\n', rest) {
            return Some((at + 1, true));
        }
        if self.closing {
            return Some((rest.len(), false));
        }
        // A CR at the end may be half of a line end.
        let len = rest.len() - usize::from(rest.ends_with(b"\r"));
        ((self.long && len > 0) || rest.len() > LINE + 1).then_some((len, false))
    }

    /// The line began in an earlier chunk: only its end is looked for, then it is asked for as a whole.
    fn look_for_line_end(&mut self, chunk: &[u8]) -> Next {
        self.seen += chunk.len() as u64;
        if memchr::memchr(b'\n', chunk).is_some() || self.seen > LINE as u64 + 1 {
            self.seen = 0;
            return Next::From(self.at);
        }
        Next::More
    }

    /// The chunk begins at the byte before a declared end. It can only show that this is none; else lines tell.
    fn look_at_end(&mut self, chunk: &[u8], back: Offset, out: &mut Vec<Span>) -> Next {
        if let State::Message(message) = &mut self.state
            && is_no_end(chunk)
            && let Step::Ends { span, .. } = message.has_no_end()
        {
            self.push_record(span, out);
        }
        self.go_to(back);
        Next::From(back)
    }

    fn piece<'a>(&mut self, rest: &'a [u8], len: usize, ends: bool) -> Piece<'a> {
        let (text, eol) = match &rest[..len] {
            [text @ .., b'\r', b'\n'] if ends => (text, Eol::CrLf),
            [text @ .., b'\n'] if ends => (text, Eol::Lf),
            text => (text, Eol::None),
        };
        let starts_line = !self.long;
        let (known, shape) = if starts_line {
            self.judge(text, (eol != Eol::None || self.closing) && text.len() <= LINE)
        } else {
            (None, &[][..])
        };
        let last = self.closing && len == rest.len();
        Piece { at: self.at, text, eol, known, shape, starts_line, last, chunk: rest, ended_headers: Cell::new(false) }
    }

    fn judge<'a>(&mut self, text: &'a [u8], whole: bool) -> (Option<Known>, &'a [u8]) {
        if whole && self.format.candidate(text) {
            match self.format.read(text, Tz::UTC) {
                Line::Header(header) => return (Some(Known::Header), known::shape(text, header.prefix.len())),
                Line::NearMiss if self.near_miss_at.is_none_or(|at| at < self.at) => {
                    self.near_misses += 1;
                    self.near_miss_at = Some(self.at);
                }
                Line::NearMiss | Line::Other => {}
            }
        }
        let begin = &text[..text.len().min(LINE)];
        let noise =
            known::has_shape(begin, &self.shape) || known::is_common_noise(begin) || self.format.is_noise(begin);
        (noise.then_some(Known::Noise), &[])
    }

    /// Gives the offset to go on at, where that is not the end of the piece.
    fn dispatch(&mut self, piece: &Piece<'_>, out: &mut Vec<Span>) -> Option<Offset> {
        match &mut self.state {
            State::Message(message) => match message.piece(piece) {
                Step::Goes => None,
                Step::Look { at } => {
                    self.back = Some(piece.at);
                    Some(at)
                }
                Step::Ends { span, next } => {
                    self.push_record(span, out);
                    (next != piece.next()).then_some(next)
                }
            },
            State::Fragment { start, cap } => {
                let (start, cap) = (*start, *cap);
                if piece.known.is_none() && piece.next().0 - start.0 <= cap {
                    return None;
                }
                let flags = if piece.known.is_none() { Flags::OVERSIZE } else { Flags::empty() };
                self.push_fragment(start, self.line, flags, out);
                self.outside(piece, out);
                None
            }
            State::Outside => {
                self.outside(piece, out);
                None
            }
        }
    }

    fn outside(&mut self, piece: &Piece<'_>, out: &mut Vec<Span>) {
        if piece.known == Some(Known::Header) {
            self.flush_noise(out);
            let head = (piece.next().0 - piece.at.0) as u32;
            self.state = State::Message(Message::new(piece.at, head, piece.eol));
            if self.shape != piece.shape {
                self.shape = piece.shape.to_vec();
            }
            return;
        }
        let cap = match self.before {
            None | Some(SpanKind::Gap) => FRAGMENT_HEAD,
            Some(SpanKind::Record) => FRAGMENT_BEHIND,
            Some(SpanKind::Noise | SpanKind::Fragment) => 0,
        };
        let blank = piece.is_blank_line() && self.before.is_some();
        let fits = piece.next().0 - self.line.0 <= cap;
        if blank {
            // Unknown lines behind it are still lines behind a message.
            self.noise = Some(self.noise_and_a_line());
        } else if piece.starts_line && piece.known.is_none() && fits {
            self.flush_noise(out);
            self.state = State::Fragment { start: self.line, cap };
        } else if piece.eol != Eol::None || piece.last {
            self.add_noise();
        }
    }

    fn push_record(&mut self, mut span: Span, out: &mut Vec<Span>) {
        if span.len > self.limits.record {
            span.flags = span.flags.union(Flags::OVERSIZE);
        }
        out.push(span);
        self.before = Some(SpanKind::Record);
        self.state = State::Outside;
    }

    fn push_fragment(&mut self, start: Offset, end: Offset, flags: Flags, out: &mut Vec<Span>) {
        let flags = flags.union(Flags::ORPHAN_FRAGMENT);
        if end > start {
            out.push(Span {
                start,
                len: end.0 - start.0,
                kind: SpanKind::Fragment,
                head: 0,
                line_end: 0,
                flags,
                lines: 0,
            });
            self.before = Some(SpanKind::Fragment);
        }
        self.state = State::Outside;
    }

    fn add_noise(&mut self) {
        self.noise = Some(self.noise_and_a_line());
        self.before = Some(SpanKind::Noise);
    }

    fn noise_and_a_line(&self) -> (Offset, u64) {
        let (start, lines) = self.noise.unwrap_or((self.line, 0));
        (start, lines + 1)
    }

    /// Noise up to the line that is being read.
    fn flush_noise(&mut self, out: &mut Vec<Span>) {
        let Some((start, lines)) = self.noise.take() else { return };
        let len = self.line.0 - start.0;
        out.push(Span { start, len, kind: SpanKind::Noise, head: 0, line_end: 0, flags: Flags::empty(), lines });
    }

    /// Lines are read from `at`, the end of the last span.
    fn go_to(&mut self, at: Offset) {
        self.at = at;
        self.line = at;
        self.seen = 0;
        self.long = false;
    }
}
