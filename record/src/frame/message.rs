//! One unfinished record: where its message ends, decided line by line.

use super::claim::Claim;
use super::contest::Contest;
use super::headers::{BodyLength, Headers, Protocol, is_header_line, is_start_line, protocol_of};
use super::json::{self, Json, Scan};
use super::piece::{Eol, Known, Last, Piece, is_blank_text};
use crate::id::Offset;
use crate::span::{Flags, Span, SpanKind};

/// A header block beyond this is text.
const HEADER_BLOCK: u64 = 64 << 10;
/// Blank lines after a message that could still be followed by another of the same record.
const BLANK_LINES: u8 = 64;

#[derive(Clone, Debug)]
pub struct Message {
    pub start: Offset,
    pub head: u32,
    /// The header line ended in CRLF.
    crlf: bool,
    /// The method of the header line is one of SIP, or a status.
    pub is_sip: bool,
    pub(super) flags: Flags,
    pub(super) phase: Phase,
    /// How the last line ended.
    pub(super) last: Last,
    /// Where the last header block ended.
    pub(super) headers_end: Offset,
    /// The last request of this record was a HEAD: its answer has no body.
    answers_head: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// What follows is not known yet.
    Open,
    Headers {
        headers: Headers,
        from: Offset,
    },
    /// A body of no octets is declared, as most messages of SIP do.
    Empty(Protocol),
    /// A body with a declared length.
    Body(Claim),
    /// A full header line stands inside the declared length.
    Contested(Contest),
    /// No length was declared, and nothing but blank lines followed the headers so far.
    Unsized {
        protocol: Protocol,
        is_response: bool,
        line_end: Option<u8>,
        blanks: u8,
    },
    Json(Json),
    /// After the closing bracket, in a line that goes on.
    JsonTail {
        end: Offset,
    },
    /// It ended by its length; another of the same record may follow. Without `line_end` the next blank line is the logger's.
    After {
        end: Offset,
        line_end: Option<u8>,
        blanks: u8,
    },
    /// Until the next known line.
    Text,
}

/// What a piece of a line did to the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Goes,
    /// Lines, or the bytes at a declared end, are wanted from here.
    To(Offset),
    /// The record is final; the line, or the rest of it from this offset, is not part of it.
    Ends {
        span: Span,
        next: Offset,
    },
}

impl Message {
    pub fn new(piece: &Piece<'_>) -> Self {
        Self {
            start: piece.at,
            head: (piece.next().0 - piece.at.0) as u32,
            crlf: piece.eol == Eol::CrLf,
            is_sip: piece.header.is_sip,
            flags: Flags::empty(),
            phase: Phase::Open,
            last: Last::Head,
            headers_end: piece.next(),
            answers_head: false,
        }
    }

    /// Takes a piece of a line; a whole one, but for lines too long to be judged whole.
    pub fn piece(&mut self, piece: &Piece<'_>) -> Step {
        let piece = if self.claims(piece) { &Piece { known: None, ..*piece } } else { piece };
        let step = self.turn(piece);
        if step == Step::Goes {
            let ended_headers = self.headers_end == piece.next() && piece.text.is_empty();
            self.last = if ended_headers { Last::EndOfHeaders } else { Last::Line(piece.eol) };
        }
        step
    }

    /// Takes a line that is in the midst of the headers, or of a body that ends further on, as most lines are; it changes one
    /// number. False: it is none of these, and is for [`Message::piece`].
    #[inline]
    pub fn goes_on(&mut self, piece: &Piece<'_>) -> bool {
        if piece.known.is_some() || piece.text.is_empty() || !piece.starts_line || piece.eol == Eol::None {
            return false;
        }
        let goes_on = match &mut self.phase {
            Phase::Headers { headers, from } if piece.at.0 - from.0 <= HEADER_BLOCK => {
                headers.line(piece.beginning());
                true
            }
            Phase::Body(claim) => claim.goes_on(piece),
            _ => false,
        };
        if goes_on {
            self.last = Last::Line(piece.eol);
        }
        goes_on
    }

    /// A header line after it may hold its last bytes, which have no line end of their own.
    pub fn may_end_in_line(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Body(_) | Phase::Json(_) | Phase::Unsized { .. })
    }

    /// It looks like noise, and is a line of the message: a logger that begins its lines with `INFO ` logs a SIP INFO.
    fn claims(&self, piece: &Piece<'_>) -> bool {
        piece.known == Some(Known::Noise)
            && match self.phase {
                Phase::Open => is_start_line(piece.beginning()),
                Phase::Headers { .. } => is_header_line(piece.beginning()),
                _ => false,
            }
    }

    fn turn(&mut self, piece: &Piece<'_>) -> Step {
        match self.phase {
            Phase::Open => self.open(piece, true),
            Phase::Headers { headers, from } => self.headers(piece, headers, from),
            Phase::Empty(protocol) => self.without_body(piece, protocol),
            Phase::Body(claim) => self.body(piece, claim),
            Phase::Unsized { protocol, is_response, line_end, blanks } => {
                self.without_length(piece, protocol, is_response, line_end, blanks)
            }
            Phase::Json(json) => self.json(piece, json),
            Phase::JsonTail { end } => self.json_tail(piece, end),
            Phase::After { end, line_end, blanks } => self.after(piece, end, line_end, blanks),
            Phase::Text if piece.known.is_some() => self.ends_before(piece.at),
            Phase::Text | Phase::Contested(_) => Step::Goes,
        }
    }

    /// `sip`: the message that begins here may be one of SIP.
    pub(super) fn open(&mut self, piece: &Piece<'_>, sip: bool) -> Step {
        if piece.known.is_some() {
            return self.json_before(piece, Json::default()).unwrap_or_else(|| self.ends_before(piece.at));
        }
        if piece.is_blank_line() {
            return Step::Goes;
        }
        match protocol_of(piece.beginning()).filter(|protocol| sip || *protocol == Protocol::Http) {
            Some(protocol) => {
                let bare_lf = piece.eol == Eol::Lf && !piece.is_long();
                let headers = Headers::new(protocol, piece.beginning(), bare_lf, self.answers_head);
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
        self.headers_end = piece.next();
        self.answers_head = headers.is_head;
        self.phase = match headers.body() {
            BodyLength::Declared(0) => Phase::Empty(headers.protocol),
            BodyLength::Declared(need) => Phase::Body(Claim::new(&headers, need)),
            BodyLength::NoBody => Phase::After { end: self.headers_end, line_end: None, blanks: 0 },
            BodyLength::Open => {
                let (protocol, is_response) = (headers.protocol, headers.is_response);
                Phase::Unsized { protocol, is_response, line_end: None, blanks: 0 }
            }
            BodyLength::Unusable => {
                self.flags |= Flags::LENGTH_MISMATCH;
                Phase::Text
            }
        };
        Step::Goes
    }

    /// A body of no octets ends where the headers do.
    fn without_body(&mut self, piece: &Piece<'_>, protocol: Protocol) -> Step {
        let blank = piece.is_blank_line();
        let message = protocol_of(piece.beginning()) == Some(protocol)
            || (protocol == Protocol::Http && json::begins(piece.text));
        match protocol {
            _ if piece.known.is_some() => self.finish_at(self.headers_end, None),
            Protocol::Http if blank => self.after(piece, self.headers_end, None, 0),
            Protocol::Sip if blank => self.finish_at(self.headers_end, Some(self.line_end(piece.eol))),
            _ if message => self.open(piece, true),
            _ => self.no_boundary(None),
        }
    }

    /// No length was declared: if a known line comes first, there is no body.
    fn without_length(
        &mut self,
        piece: &Piece<'_>,
        protocol: Protocol,
        is_response: bool,
        line_end: Option<u8>,
        blanks: u8,
    ) -> Step {
        let is_http = protocol == Protocol::Http;
        if piece.known.is_some() {
            let json = if is_http { self.json_before(piece, Json::default()) } else { None };
            return json.unwrap_or_else(|| self.finish_at(self.headers_end, line_end));
        }
        if piece.is_blank_line() && blanks < BLANK_LINES {
            let line_end = line_end.or(Some(self.line_end(piece.eol)));
            self.phase = Phase::Unsized { protocol, is_response, line_end, blanks: blanks + 1 };
            return Step::Goes;
        }
        if is_http && (protocol_of(piece.beginning()) == Some(Protocol::Http) || json::begins(piece.text)) {
            return self.open(piece, false);
        }
        self.phase = Phase::Text;
        Step::Goes
    }

    fn json(&mut self, piece: &Piece<'_>, mut json: Json) -> Step {
        if piece.known.is_some() {
            return self.json_before(piece, json).unwrap_or_else(|| self.ends_before(piece.at));
        }
        match json.scan(piece.text) {
            Scan::More => self.phase = Phase::Json(json),
            Scan::Broken => self.phase = Phase::Text,
            Scan::End(at) => {
                let rest = piece.rest(piece.at.plus(at as u64));
                return self.json_tail(&rest, rest.at);
            }
        }
        Step::Goes
    }

    /// The value ends right before a header line: no line end was written between them.
    fn json_before(&self, piece: &Piece<'_>, mut json: Json) -> Option<Step> {
        let value = piece.text.get(..piece.header.glued().filter(|_| piece.is_header())?)?;
        let begins = json != Json::default() || value.starts_with(b"{");
        let end = piece.at.plus(value.len() as u64);
        (begins && json.scan(value) == Scan::End(value.len())).then(|| self.finish(end, 0, end))
    }

    fn json_tail(&mut self, piece: &Piece<'_>, end: Offset) -> Step {
        if !is_blank_text(piece.text) {
            // `[1] hello` is text that declares no length.
            self.phase = Phase::Text;
        } else if piece.eol == Eol::None && !piece.last {
            self.phase = Phase::JsonTail { end };
        } else {
            let line_end = if piece.text.is_empty() && piece.at == end { self.line_end(piece.eol) } else { 0 };
            self.phase = Phase::After { end, line_end: Some(line_end), blanks: 0 };
        }
        Step::Goes
    }

    pub(super) fn after(&mut self, piece: &Piece<'_>, end: Offset, line_end: Option<u8>, blanks: u8) -> Step {
        if piece.known.is_none() {
            if piece.is_blank_line() && blanks < BLANK_LINES {
                let line_end = line_end.or(Some(self.line_end(piece.eol)));
                self.phase = Phase::After { end, line_end, blanks: blanks + 1 };
                return Step::Goes;
            }
            if protocol_of(piece.beginning()) == Some(Protocol::Http) || json::begins(piece.text) {
                return self.open(piece, false);
            }
        }
        self.finish_at(end, line_end)
    }

    /// The next known line ends it (rules 2 and 3).
    pub(super) fn ends_before(&mut self, at: Offset) -> Step {
        if let Phase::After { end, line_end, .. } = self.phase {
            return self.finish_at(end, line_end);
        }
        let (end, line_end) = self.as_if_ended(at);
        if end.0 > self.start.0 + u64::from(self.head) && !self.flags.contains(Flags::LENGTH_MISMATCH) {
            self.flags |= Flags::AMBIGUOUS_BOUNDARY;
        }
        self.finish(end, line_end, at)
    }

    /// The end of the message, and the logger's line end after it, if the record ended at `at`.
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

    /// The end of a closed file (rule 4).
    pub fn closed(&mut self, at: Offset) -> Step {
        let step = match self.phase {
            Phase::Body(claim) => self.body_closed(claim, at),
            Phase::Contested(contest) => self.falls(&contest),
            Phase::Empty(_) => return self.finish_at(self.headers_end, None),
            Phase::Unsized { line_end, .. } => return self.finish_at(self.headers_end, line_end),
            Phase::JsonTail { end } => return self.finish(end, 0, end),
            _ => Step::Goes,
        };
        if let Step::Ends { .. } = step { step } else { self.ends_before(at) }
    }

    /// What it would be if the bytes ended `partial` bytes after `at`, the start of a line. It is marked unless it is
    /// complete by its own grammar.
    pub fn tail(&self, at: Offset, partial: u64) -> Span {
        if let Phase::Contested(contest) = self.phase
            && let Step::Ends { span, .. } = self.clone().presumed(&contest)
        {
            return span;
        }
        let shown = at.plus(partial);
        let (complete, end, line_end) = match self.phase {
            Phase::After { end, line_end, .. } => (true, end, line_end.unwrap_or(0)),
            Phase::JsonTail { end } => (partial == 0, end, 0),
            Phase::Unsized { protocol, is_response, line_end, blanks } if partial == 0 => {
                // The logger's line end after a response shows that no more of it was logged.
                let complete = protocol == Protocol::Sip || !is_response || blanks > 0;
                (complete, self.headers_end, line_end.unwrap_or(0))
            }
            Phase::Empty(_) => (partial == 0, shown, 0),
            Phase::Body(claim) => {
                let (end, line_end) = claim.provisional().unwrap_or((shown, 0));
                (claim.is_complete(partial), end, line_end)
            }
            _ if partial > 0 => (false, shown, 0),
            _ => {
                let (end, line_end) = self.as_if_ended(at);
                (false, end, line_end)
            }
        };
        let mut span = self.span(end, line_end);
        span.flags.set(Flags::UNFINISHED, !complete);
        span
    }

    pub fn is_contested(&self) -> bool {
        matches!(self.phase, Phase::Contested(_))
    }

    /// Bytes that show what stands at the claimed end.
    pub fn wants(&self) -> usize {
        if let Phase::Contested(contest) = &self.phase { contest.wants() } else { 0 }
    }

    /// Where it ends if what is not written yet is missing; none where nothing is in question.
    pub fn presumed_end(&mut self) -> Option<Step> {
        if let Phase::Contested(contest) = self.phase { Some(self.presumed(&contest)) } else { None }
    }

    pub(super) fn finish_at(&self, end: Offset, line_end: Option<u8>) -> Step {
        let line_end = line_end.unwrap_or(0);
        self.finish(end, line_end, end.plus(u64::from(line_end)))
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
