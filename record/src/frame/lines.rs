//! From chunks to lines, and what each line does: begins a record, goes on with it, or is noise.

use chrono_tz::Tz;

use super::contest::Reach;
use super::message::{Message, Step};
use super::piece::{Eol, Header, Known, Piece};
use super::{Framer, LINE, Next, State, known};
use crate::format::{self, Format, Line};
use crate::id::Offset;
use crate::name::is_sip_method;
use crate::span::{Flags, Span, SpanKind};

/// Fragments: after a message, and at the head of a stream.
const FRAGMENT_AFTER: u64 = 64 << 10;
const FRAGMENT_HEAD: u64 = 1 << 20;
/// The end of a prefix in which a line of the logger is looked for.
const PREFIX: usize = 512;

/// What became of a look at some bytes.
enum Moved {
    /// They are taken in, up to `at`.
    On,
    /// More bytes are needed than are there.
    Short,
    /// More are needed than the chunk was cut to.
    Ask,
}

impl Framer {
    pub(super) fn take(&mut self, chunk: &[u8], out: &mut Vec<Span>) -> Next {
        if self.seen > 0 {
            return self.wait_for_more(chunk);
        }
        let start = self.at;
        loop {
            let ahead = self.at.0.checked_sub(start.0).map_or(usize::MAX, |ahead| ahead as usize);
            let Some(rest) = chunk.get(ahead..) else { return Next::From(self.at) };
            if rest.is_empty() {
                return Next::More;
            }
            let moved = if self.is_contested() { self.look(rest, ahead == 0, out) } else { self.lines(rest, out) };
            match moved {
                Moved::On => {}
                Moved::Ask => return Next::From(self.at),
                Moved::Short => return Next::More,
            }
        }
    }

    /// What is needed began in an earlier chunk: once it may be there, it is asked for as a whole.
    fn wait_for_more(&mut self, chunk: &[u8]) -> Next {
        let line_end = memchr::memchr(b'\n', chunk).map(|at| self.seen as usize + at + 1);
        self.seen += chunk.len() as u64;
        if line_end.is_none() && self.seen <= LINE as u64 + 1 && !self.is_contested() {
            return Next::More;
        }
        self.seen = 0;
        self.want = line_end.unwrap_or(LINE + 2).min(LINE + 2);
        Next::From(self.at)
    }

    fn is_contested(&self) -> bool {
        matches!(&self.state, State::Message(message) if message.is_contested())
    }

    /// The bytes begin at the one before a claimed end.
    fn look(&mut self, bytes: &[u8], whole_chunk: bool, out: &mut Vec<Span>) -> Moved {
        let State::Message(message) = &mut self.state else { return Moved::On };
        let wants = message.wants();
        let reach = match bytes.get(..wants) {
            Some(_) => Reach::Whole,
            None if !whole_chunk => return Moved::Ask,
            None if self.closing => Reach::EndOfFile,
            None => Reach::EndOfData,
        };
        let bytes = &bytes[..bytes.len().min(wants)];
        #[cfg(test)]
        {
            self.looked_at += bytes.len() as u64;
        }
        let (format, shape) = (&self.format, &self.shape[..]);
        let judge = |line: &[u8], whole: bool| (whole && is_header(line, format)) || is_noise(line, format, shape);
        match message.look(bytes, reach, &judge) {
            Step::Goes => {
                self.seen = bytes.len() as u64;
                return Moved::Short;
            }
            Step::To(at) => self.go_to(at),
            Step::Ends { span, next } => {
                self.push_record(span, out);
                self.go_to(next);
            }
        }
        Moved::On
    }

    /// Line by line, and piece by piece of a long one, until framing goes on elsewhere.
    fn lines(&mut self, mut rest: &[u8], out: &mut Vec<Span>) -> Moved {
        while !rest.is_empty() {
            let Some((len, ends)) = self.next_piece(rest) else {
                self.seen = rest.len() as u64;
                return Moved::Short;
            };
            #[cfg(test)]
            {
                self.looked_at += len as u64;
            }
            let piece = self.piece(rest, len, ends);
            if let State::Message(message) = &mut self.state
                && message.goes_on(&piece)
            {
                (self.at, self.line, self.want) = (piece.next(), piece.next(), 0);
                rest = &rest[len..];
                continue;
            }
            let mut next = self.dispatch(&piece, out);
            if next == piece.at && !self.is_contested() {
                next = self.dispatch(&piece, out);
            }
            // The place of a claimed end may happen to be where the next line begins.
            if next != piece.next() || self.is_contested() {
                self.go_to(next);
                return Moved::On;
            }
            self.want = 0;
            let goes_on = piece.eol == Eol::None && !self.closing;
            self.at = next;
            self.long = goes_on;
            if !goes_on {
                self.line = next;
            }
            rest = &rest[len..];
        }
        Moved::On
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

    fn piece<'a>(&self, rest: &'a [u8], len: usize, ends: bool) -> Piece<'a> {
        let (text, eol) = match &rest[..len] {
            [text @ .., b'\r', b'\n'] if ends => (text, Eol::CrLf),
            [text @ .., b'\n'] if ends => (text, Eol::Lf),
            text => (text, Eol::None),
        };
        let starts_line = !self.long;
        let whole = (eol != Eol::None || self.closing) && text.len() <= LINE;
        let (known, header) = if starts_line { self.judge(text, whole) } else { (None, Header::default()) };
        let last = self.closing && len == rest.len();
        Piece { at: self.at, text, eol, known, header, starts_line, last }
    }

    fn judge(&self, text: &[u8], whole: bool) -> (Option<Known>, Header) {
        if whole
            && self.format.candidate(text)
            && let Line::Header(header) = self.format.read(text, Tz::UTC)
        {
            return (Some(Known::Header), self.header(text, &header));
        }
        let noise = is_noise(&text[..text.len().min(LINE)], &self.format, &self.shape);
        (noise.then_some(Known::Noise), Header::default())
    }

    fn header(&self, text: &[u8], header: &format::Header<'_>) -> Header {
        let prefix = header.prefix.len();
        // Of interest only where a message may end in this line.
        let open = matches!(&self.state, State::Message(message) if message.may_end_in_line());
        let begins_at = if open && prefix > 0 { self.begins_at(text, prefix) } else { Some(0) };
        // A header line is at most 16 KiB long.
        let short = |bytes: usize| u16::try_from(bytes).unwrap_or(u16::MAX);
        Header { prefix: short(prefix), begins_at: begins_at.map(short), is_sip: is_sip_method(header.method) }
    }

    fn begins_at(&self, text: &[u8], prefix: usize) -> Option<usize> {
        let later = prefix.saturating_sub(PREFIX).max(1)..prefix;
        std::iter::once(0).chain(later).find(|at| known::has_shape(&text[*at..], &self.shape))
    }

    /// Gives the offset to go on at.
    fn dispatch(&mut self, piece: &Piece<'_>, out: &mut Vec<Span>) -> Offset {
        match &mut self.state {
            State::Message(message) => match message.piece(piece) {
                Step::Goes => piece.next(),
                Step::To(at) => at,
                Step::Ends { span, next } => {
                    self.push_record(span, out);
                    next
                }
            },
            State::Fragment { start, cap } => {
                let (start, cap) = (*start, *cap);
                if piece.known.is_some() || piece.next().0 - start.0 > cap {
                    let flags = if piece.known.is_none() { Flags::OVERSIZE } else { Flags::empty() };
                    self.push_fragment(start, self.line, flags, out);
                    self.outside(piece, out);
                }
                piece.next()
            }
            State::Outside => {
                self.outside(piece, out);
                piece.next()
            }
        }
    }

    fn outside(&mut self, piece: &Piece<'_>, out: &mut Vec<Span>) {
        if piece.is_header() {
            self.flush_noise(out);
            self.state = State::Message(Message::new(piece));
            let shape = known::shape(piece.text, piece.header.prefix.into());
            if self.shape != shape {
                self.shape = shape.to_vec();
            }
            return;
        }
        let cap = match self.before {
            None | Some(SpanKind::Gap) => FRAGMENT_HEAD,
            Some(SpanKind::Record) => FRAGMENT_AFTER,
            Some(SpanKind::Noise | SpanKind::Fragment) => 0,
        };
        let blank = piece.is_blank_line() && self.before.is_some();
        let fits = piece.next().0 - self.line.0 <= cap;
        if blank {
            // Unknown lines after it are still lines after a message.
            self.noise = Some(self.noise_and_a_line());
        } else if piece.starts_line && piece.known.is_none() && fits {
            self.flush_noise(out);
            self.state = State::Fragment { start: self.line, cap };
        } else if piece.eol != Eol::None || piece.last {
            self.add_noise();
        }
    }

    pub(super) fn push_record(&mut self, mut span: Span, out: &mut Vec<Span>) {
        if span.len > self.limits.record {
            span.flags |= Flags::OVERSIZE;
        }
        let is_sip = matches!(&self.state, State::Message(message) if message.is_sip);
        let empty = span.len == u64::from(span.head);
        if is_sip && !empty && self.empty == Some(span.start) {
            // Two writers: this message, or a part of it, may be that of the empty record.
            span.flags |= Flags::INTERLEAVE_SUSPECT;
        }
        self.empty = Some(span.end()).filter(|_| is_sip && empty);
        out.push(span);
        self.before = Some(SpanKind::Record);
        self.state = State::Outside;
    }

    pub(super) fn push_fragment(&mut self, start: Offset, end: Offset, flags: Flags, out: &mut Vec<Span>) {
        let flags = flags | Flags::ORPHAN_FRAGMENT;
        if end > start {
            let len = end.0 - start.0;
            out.push(Span { start, len, kind: SpanKind::Fragment, head: 0, line_end: 0, flags, lines: 0 });
            self.before = Some(SpanKind::Fragment);
        }
        self.state = State::Outside;
    }

    pub(super) fn add_noise(&mut self) {
        self.noise = Some(self.noise_and_a_line());
        self.before = Some(SpanKind::Noise);
    }

    fn noise_and_a_line(&self) -> (Offset, u64) {
        let (start, lines) = self.noise.unwrap_or((self.line, 0));
        (start, lines + 1)
    }

    /// Noise up to the line that is being read.
    pub(super) fn flush_noise(&mut self, out: &mut Vec<Span>) {
        let Some((start, lines)) = self.noise.take() else { return };
        let len = self.line.0 - start.0;
        out.push(Span { start, len, kind: SpanKind::Noise, head: 0, line_end: 0, flags: Flags::empty(), lines });
    }

    /// Lines, or the bytes at a declared end, are read from `at`.
    pub(super) fn go_to(&mut self, at: Offset) {
        self.want = 0;
        // What was the end of the file is not the end of the next chunk.
        self.closing &= at >= self.at;
        self.at = at;
        self.seen = 0;
        self.long = false;
        if !self.is_contested() {
            self.line = at;
        }
    }
}

pub(super) fn is_known(line: &[u8], format: &Format, shape: &[u8]) -> bool {
    is_header(line, format) || is_noise(line, format, shape)
}

fn is_header(line: &[u8], format: &Format) -> bool {
    format.candidate(line) && matches!(format.read(line, Tz::UTC), Line::Header(_))
}

#[inline]
fn is_noise(line: &[u8], format: &Format, shape: &[u8]) -> bool {
    let line = format::without_bom(line);
    known::has_shape(line, shape) || known::is_common_noise(line) || format.is_noise(line)
}
