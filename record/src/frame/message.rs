//! One unfinished record: where its message ends, decided line by line.

use super::bare_lf::TwoWays;
use super::headers::{Declared, Headers, Protocol, is_header_line, is_start_line, protocol_of};
use super::json::{self, Json, Scan};
use super::known::is_blank;
use super::piece::{Before, Eol, Known, Last, Piece};
use crate::id::Offset;
use crate::span::{Flags, Span, SpanKind};

/// A header block beyond this is text.
const HEADER_BLOCK: u64 = 64 << 10;
/// Blank lines behind a message that could still be followed by another of the same record.
const BLANK_LINES: u8 = 64;

#[derive(Clone, Debug)]
pub struct Message {
    pub start: Offset,
    pub head: u32,
    /// The header line ended in CRLF.
    crlf: bool,
    pub(super) flags: Flags,
    pub(super) phase: Phase,
    /// How the last line ended.
    pub(super) last: Last,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// What follows is not known yet; at the first line it may be SIP too.
    Open {
        first: bool,
    },
    Headers {
        headers: Headers,
        from: Offset,
    },
    Body(Body),
    /// A body whose line ends may stand for one octet or for two.
    TwoWays(TwoWays),
    /// At the declared end, in a line that goes on.
    BodyTail {
        body: Body,
        end: Offset,
    },
    Json(Json),
    /// Behind the closing bracket, in a line that goes on.
    JsonTail {
        end: Offset,
    },
    /// It ended by its length; another of the same record may follow.
    After {
        end: Offset,
        line_end: u8,
        blanks: u8,
    },
    /// Until the next known line.
    Text,
}

/// A body with a declared length.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    pub protocol: Protocol,
    pub bare_lf: bool,
    /// Octets still to come.
    pub need: u64,
    /// The first known line inside.
    pub known: Option<Before>,
}

/// What a piece of a line did to the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Goes,
    /// The record is final; the line, or the rest of it from this offset, is not part of it.
    Ends {
        span: Span,
        next: Offset,
    },
    /// The bytes from here on show whether the declared end is one; then the line is taken again.
    Look {
        at: Offset,
    },
}

impl Message {
    pub fn new(start: Offset, head: u32, eol: Eol) -> Self {
        let phase = Phase::Open { first: true };
        Self { start, head, crlf: eol == Eol::CrLf, flags: Flags::empty(), phase, last: Last::Head }
    }

    /// Takes a piece of a line; a whole one, but for lines too long to be judged whole.
    pub fn piece(&mut self, piece: &Piece<'_>) -> Step {
        if self.claims(piece) {
            return self.piece(&Piece { known: None, ..piece.clone() });
        }
        let step = self.turn(piece);
        if step == Step::Goes {
            self.last = if piece.ended_headers.get() { Last::EndOfHeaders } else { Last::Line(piece.eol) };
        }
        step
    }

    /// It looks like noise, and is a line of the message: a logger that begins its lines with `INFO ` logs a SIP INFO.
    fn claims(&self, piece: &Piece<'_>) -> bool {
        piece.known == Some(Known::Noise)
            && match self.phase {
                Phase::Open { first: true } => is_start_line(piece.beginning()),
                Phase::Headers { .. } => is_header_line(piece.beginning()),
                _ => false,
            }
    }

    fn turn(&mut self, piece: &Piece<'_>) -> Step {
        match self.phase {
            Phase::Open { first } => self.open(piece, first),
            Phase::Headers { headers, from } => self.headers(piece, headers, from),
            Phase::Body(body) => self.body(piece, body),
            Phase::TwoWays(ways) => self.two_ways(piece, ways),
            Phase::BodyTail { body, end } => self.body_tail(piece, &body, end),
            Phase::Json(json) => self.json(piece, json),
            Phase::JsonTail { end } => self.json_tail(piece, end),
            Phase::After { end, line_end, blanks } => self.after(piece, end, line_end, blanks),
            Phase::Text if piece.known.is_some() => self.ends_before(piece.at),
            Phase::Text => Step::Goes,
        }
    }

    pub(super) fn open(&mut self, piece: &Piece<'_>, first: bool) -> Step {
        if piece.known.is_some() {
            return self.ends_before(piece.at);
        }
        if piece.is_blank_line() {
            return Step::Goes;
        }
        match protocol_of(piece.beginning()).filter(|protocol| first || *protocol == Protocol::Http) {
            Some(protocol) => {
                let headers = Headers::new(protocol, piece.beginning(), piece.eol == Eol::Lf && !piece.is_long(), false);
                self.phase = Phase::Headers { headers, from: piece.at };
                Step::Goes
            }
            None if json::begins(piece.text) => self.json(piece, Json::default()),
            None => {
                self.phase = Phase::Text;
                Step::Goes
            }
        }
    }

    fn headers(&mut self, piece: &Piece<'_>, mut headers: Headers, from: Offset) -> Step {
        if piece.known.is_some() {
            return self.ends_before(piece.at);
        }
        if !piece.starts_line {
            return Step::Goes;
        }
        if !piece.text.is_empty() {
            headers.line(piece.beginning());
            let too_long = piece.at.0 - from.0 > HEADER_BLOCK;
            self.phase = if too_long { Phase::Text } else { Phase::Headers { headers, from } };
            return Step::Goes;
        }
        headers.end();
        piece.ended_headers.set(true);
        self.phase = match headers.declared {
            Declared::Length(need) => {
                let (protocol, bare_lf) = (headers.protocol, headers.bare_lf);
                Phase::Body(Body { protocol, bare_lf, need, known: None })
            }
            Declared::Unusable => {
                self.flags = self.flags.union(Flags::LENGTH_MISMATCH);
                Phase::Text
            }
            Declared::Nothing if headers.protocol == Protocol::Http => Phase::Open { first: false },
            Declared::Nothing => Phase::Text,
        };
        Step::Goes
    }

    fn json(&mut self, piece: &Piece<'_>, mut json: Json) -> Step {
        if piece.known.is_some() {
            return self.ends_before(piece.at);
        }
        match json.scan(piece.text) {
            Scan::More => self.phase = Phase::Json(json),
            Scan::Broken => self.phase = Phase::Text,
            Scan::End(at) => {
                let rest = Piece { text: &piece.text[at..], at: piece.at.plus(at as u64), ..piece.clone() };
                return self.json_tail(&rest, rest.at);
            }
        }
        Step::Goes
    }

    fn json_tail(&mut self, piece: &Piece<'_>, end: Offset) -> Step {
        if !piece.text.iter().all(|b| is_blank(*b)) {
            // `[1] hello` is text that declares no length.
            self.phase = Phase::Text;
        } else if piece.eol == Eol::None && !piece.last {
            self.phase = Phase::JsonTail { end };
        } else {
            let line_end = if piece.text.is_empty() && piece.at == end { self.line_end(piece.eol) } else { 0 };
            self.phase = Phase::After { end, line_end, blanks: 0 };
        }
        Step::Goes
    }

    pub(super) fn after(&mut self, piece: &Piece<'_>, end: Offset, line_end: u8, blanks: u8) -> Step {
        if piece.known.is_none() {
            if piece.is_blank_line() && blanks < BLANK_LINES {
                self.phase = Phase::After { end, line_end, blanks: blanks + 1 };
                return Step::Goes;
            }
            if protocol_of(piece.beginning()) == Some(Protocol::Http) || json::begins(piece.text) {
                return self.open(piece, false);
            }
        }
        self.finish(end, line_end, end.plus(u64::from(line_end)))
    }

    /// The next known line ends it (rules 2 and 3).
    pub(super) fn ends_before(&mut self, at: Offset) -> Step {
        if let Phase::After { end, line_end, .. } = self.phase {
            return self.finish(end, line_end, end.plus(u64::from(line_end)));
        }
        let (end, line_end) = self.as_if_ended(at);
        if end.0 > self.start.0 + u64::from(self.head) && !self.flags.contains(Flags::LENGTH_MISMATCH) {
            self.flags = self.flags.union(Flags::AMBIGUOUS_BOUNDARY);
        }
        self.finish(end, line_end, at)
    }

    /// The end of the message, and the logger's line end behind it, if the record ended at `at`.
    fn as_if_ended(&self, at: Offset) -> (Offset, u8) {
        let line_end = match self.last {
            Last::Head | Last::EndOfHeaders => 0,
            Last::Line(eol) => self.line_end(eol).max(u8::from(eol == Eol::CrLf)),
        };
        (Offset(at.0 - u64::from(line_end)), line_end)
    }

    /// The logger's: one LF, or CRLF if the header line ended so.
    pub(super) fn line_end(&self, eol: Eol) -> u8 {
        match eol {
            Eol::Lf => 1,
            Eol::CrLf if self.crlf => 2,
            Eol::None | Eol::CrLf => 0,
        }
    }

    /// There is no line end at the declared end.
    pub fn has_no_end(&mut self) -> Step {
        match self.phase {
            Phase::Body(body) => self.no_boundary(body.known),
            _ => Step::Goes,
        }
    }

    /// The end of a closed file (rule 4).
    pub fn closed(&mut self, at: Offset) -> Step {
        match self.phase {
            Phase::Body(body) if body.need == 0 => return self.finish(at, 0, at),
            Phase::Body(body) => {
                if let step @ Step::Ends { .. } = self.no_boundary(body.known) {
                    return step;
                }
            }
            Phase::TwoWays(ways) => {
                if let step @ Step::Ends { .. } = self.ways_closed(ways, at) {
                    return step;
                }
            }
            Phase::BodyTail { end, .. } | Phase::JsonTail { end } => return self.finish(end, 0, end),
            _ => {}
        }
        self.ends_before(at)
    }

    /// What it would be if the bytes ended `partial` bytes behind `at`, the start of a line.
    pub fn tail(&self, at: Offset, partial: u64) -> Span {
        let (end, line_end) = match self.phase {
            Phase::After { end, line_end, .. } => (end, line_end),
            Phase::BodyTail { end, .. } | Phase::JsonTail { end } => (end, 0),
            Phase::TwoWays(ways) => ways.provisional().unwrap_or((at.plus(partial), 0)),
            _ if partial > 0 => (at.plus(partial), 0),
            Phase::Body(_) => (at, 0),
            _ => self.as_if_ended(at),
        };
        self.span(end, line_end)
    }

    pub(super) fn finish(&self, end: Offset, line_end: u8, next: Offset) -> Step {
        let span = self.span(end, line_end);
        Step::Ends { span, next: next.max(span.end()) }
    }

    fn span(&self, end: Offset, line_end: u8) -> Span {
        let len = end.0 + u64::from(line_end) - self.start.0;
        Span { start: self.start, len, kind: SpanKind::Record, head: self.head, line_end, flags: self.flags, lines: 0 }
    }
}
