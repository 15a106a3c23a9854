//! A body with a declared length, counted line by line: the length is a claim, and what stands at its end confirms it.
//!
//! A message that was logged with CRLF is counted in one way. After headers that were logged with bare LF nobody knows
//! whether an LF of the body was CRLF on the wire: there each LF counts 2 octets in one way and 1 in the other, side by
//! side. A header line inside the body is evidence against the claim; see `contest`.

use super::headers::{Headers, Protocol, protocol_of};
use super::json;
use super::message::{Message, Phase, Step};
use super::piece::{Before, Eol, Piece, is_blank_text};
use crate::id::Offset;
use crate::span::Flags;

/// How far beyond a known line a declared end may lie.
const WAIT_SIP: u64 = 64 << 10;
const WAIT_HTTP: u64 = 1 << 20;

#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub protocol: Protocol,
    /// A response may answer a HEAD: then its length is that of a body it does not have.
    pub is_http_response: bool,
    /// The first known line inside.
    pub known: Option<Before>,
    /// Nothing was seen but blank lines, of which the first may be the logger's line end, of so many bytes.
    pub untouched: Option<u8>,
    /// No line of it was seen yet.
    fresh: bool,
    /// The way that the content speaks for: JSON and HTTP have bare LF of their own, SDP and its kin have CRLF.
    pub first: Way,
    /// The other way, after headers with bare LF.
    pub second: Option<Way>,
}

/// One way of counting.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Octets that an LF stands for.
    pub lf: u64,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// So many octets are still to come.
    Ahead(u64),
    /// In the line that is being read: only blanks may follow in it.
    InLine(Offset),
    /// A line ends there.
    At { end: Offset, line_end: u8, follows: Follows },
    /// No line ends where it should.
    Nowhere,
}

/// What stands right after an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Follows {
    Unseen,
    /// A known line, or the end of the file.
    Known,
    /// Another message of the record.
    Message,
    Blank,
    Text,
}

/// Where the body ends, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Choice {
    Open,
    Ends {
        end: Offset,
        line_end: u8,
        /// Another message of the record begins there.
        message: bool,
    },
    /// No way ends at a line end.
    Nowhere,
}

impl Claim {
    pub fn new(headers: &Headers, need: u64) -> Self {
        let way = |lf| Way { lf, end: End::Ahead(need) };
        Self {
            protocol: headers.protocol,
            is_http_response: headers.protocol == Protocol::Http && headers.is_response,
            known: None,
            untouched: Some(0),
            fresh: true,
            first: way(1),
            second: headers.bare_lf.then(|| way(2)),
        }
    }

    /// Takes a line well before the end; false where more is to be decided.
    pub fn goes_on(&mut self, piece: &Piece<'_>) -> bool {
        let bytes = piece.text.len() as u64 + piece.eol.len();
        let far = |way: &Way| matches!(way.end, End::Ahead(need) if need > bytes + 1);
        let far = far(&self.first) && self.second.as_ref().is_none_or(|way| far(way) && !self.fresh);
        if !far || is_blank_text(piece.text) {
            return false;
        }
        (self.fresh, self.untouched) = (false, None);
        for way in self.ways() {
            let octets = if piece.eol == Eol::Lf { bytes - 1 + way.lf } else { bytes };
            if let End::Ahead(need) = &mut way.end {
                *need -= octets;
            }
        }
        true
    }

    /// The exact length is there, or `partial` bytes of a line that goes on complete it.
    pub fn is_complete(&self, partial: u64) -> bool {
        match self.first.end {
            End::Ahead(need) => need == partial,
            End::InLine(_) => partial == 0,
            End::At { .. } => true,
            End::Nowhere => false,
        }
    }

    /// Where it would end if the file did, where that is known.
    pub fn provisional(&self) -> Option<(Offset, u8)> {
        match self.first.end {
            End::InLine(end) => Some((end, 0)),
            End::At { end, line_end, .. } => Some((end, line_end)),
            End::Ahead(_) | End::Nowhere => None,
        }
    }

    /// An end that no known line confirms, where one was found.
    pub fn weak(&self) -> Option<(Offset, u8)> {
        let second = self.second.as_ref()?;
        second.after(&[Follows::Blank]).or_else(|| self.first.after(&[Follows::Text, Follows::Blank]))
    }

    /// The octets still to come of each way that goes on.
    pub fn ahead(&self) -> impl Iterator<Item = (u64, u64)> {
        let ways = [Some(self.first), self.second].into_iter().flatten();
        ways.filter_map(|way| if let End::Ahead(need) = way.end { Some((way.lf, need)) } else { None })
    }

    fn ways(&mut self) -> impl Iterator<Item = &mut Way> {
        std::iter::once(&mut self.first).chain(self.second.as_mut())
    }

    fn take(&mut self, piece: &Piece<'_>, logger: impl Fn(Eol) -> u8) {
        let first_line = std::mem::take(&mut self.fresh);
        let line_end = if first_line { Some(logger(piece.eol)) } else { self.untouched };
        self.untouched = line_end.filter(|_| piece.is_blank_line());
        let plain = self.protocol == Protocol::Http || json::begins(piece.text);
        if let Some(second) = self.second.as_mut().filter(|_| first_line && !plain) {
            std::mem::swap(&mut self.first, second);
        }
        let (protocol, alone) = (self.protocol, self.second.is_none());
        for way in self.ways() {
            way.end = way.take(piece, protocol, alone, &logger);
        }
    }

    /// Ends further ahead than this are mistakes.
    fn wait_at_most(&mut self, wait: u64) {
        for way in self.ways() {
            if matches!(way.end, End::Ahead(need) if need > wait) {
                way.end = End::Nowhere;
            }
        }
    }

    /// The file ends at `at`.
    fn close(&mut self, at: Offset) {
        for way in self.ways() {
            way.end = match way.end {
                End::Ahead(0) => End::At { end: at, line_end: 0, follows: Follows::Known },
                End::InLine(end) => End::At { end, line_end: 0, follows: Follows::Known },
                End::At { end, line_end, follows: Follows::Unseen } => {
                    End::At { end, line_end, follows: Follows::Known }
                }
                End::Ahead(_) => End::Nowhere,
                other => other,
            };
        }
    }

    fn choice(&self) -> Choice {
        use Follows::{Blank, Known, Message, Text, Unseen};
        let Some(second) = &self.second else {
            return match self.first.end {
                End::At { end, line_end, follows } => Choice::Ends { end, line_end, message: follows == Message },
                End::Nowhere => Choice::Nowhere,
                End::Ahead(_) | End::InLine(_) => Choice::Open,
            };
        };
        let ends = |message| move |(end, line_end)| Choice::Ends { end, line_end, message };
        let both = self.first.after(&[Unseen]).filter(|at| second.after(&[Unseen]) == Some(*at));
        let another = self.first.after(&[Message]).or_else(|| second.after(&[Message]));
        let sure = both.or_else(|| self.first.after(&[Known, Blank])).or_else(|| second.after(&[Known]));
        if let Some(choice) = another.map(ends(true)).or_else(|| sure.map(ends(false))) {
            return choice;
        }
        if self.first.is_open() || second.is_open() {
            return Choice::Open;
        }
        second.after(&[Blank]).or_else(|| self.first.after(&[Text])).map_or(Choice::Nowhere, ends(false))
    }
}

impl Way {
    fn take(&self, piece: &Piece<'_>, protocol: Protocol, alone: bool, logger: impl Fn(Eol) -> u8) -> End {
        match self.end {
            End::Ahead(0) if piece.starts_line => match what_follows(piece, protocol) {
                Follows::Blank => End::At { end: piece.at, line_end: logger(piece.eol), follows: Follows::Blank },
                Follows::Text | Follows::Unseen => End::Nowhere,
                follows => End::At { end: piece.at, line_end: 0, follows },
            },
            // Whether the claim holds is asked of what stands at its end: see `contest`.
            End::Ahead(_) if piece.is_header() => self.end,
            End::Ahead(need) => {
                let text = piece.text.len() as u64;
                if need <= text {
                    return in_line(piece, piece.at.plus(need), protocol, logger);
                }
                let eol = if piece.eol == Eol::Lf { self.lf } else { piece.eol.len() };
                match (need - text).checked_sub(eol) {
                    Some(need) => End::Ahead(need),
                    // The end lies inside the line end: what is left of it is the logger's.
                    None if alone => {
                        let end = piece.at.plus(text + u64::from(piece.eol == Eol::CrLf));
                        End::At { end, line_end: 1, follows: Follows::Unseen }
                    }
                    None => End::Nowhere,
                }
            }
            End::InLine(end) => in_line(piece, end.max(piece.at), protocol, logger).at(end),
            End::At { end, line_end, follows: Follows::Unseen } => {
                End::At { end, line_end, follows: what_follows(piece, protocol) }
            }
            End::At { end, line_end, follows: Follows::Blank } if piece.known.is_some() => {
                End::At { end, line_end, follows: Follows::Known }
            }
            other => other,
        }
    }

    fn after(&self, good: &[Follows]) -> Option<(Offset, u8)> {
        match self.end {
            End::At { end, line_end, follows } if good.contains(&follows) => Some((end, line_end)),
            _ => None,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.end, End::Ahead(_) | End::InLine(_) | End::At { follows: Follows::Unseen, .. })
    }
}

impl End {
    /// The same, of a body that ended before this piece of the line: none of the line end is the logger's then.
    fn at(self, before: Offset) -> Self {
        match self {
            End::InLine(end) => End::InLine(before.min(end)),
            End::At { end, follows: Follows::Message, .. } if end != before => End::Nowhere,
            End::At { end, line_end, follows } => {
                End::At { end: before, line_end: if end == before { line_end } else { 0 }, follows }
            }
            other => other,
        }
    }
}

/// The end lies in this line: only blanks may follow, or another message of the record.
fn in_line(piece: &Piece<'_>, end: Offset, protocol: Protocol, logger: impl Fn(Eol) -> u8) -> End {
    let rest = piece.rest(end);
    if !is_blank_text(rest.text) {
        let message = protocol_of(rest.beginning()) == Some(protocol) && rest.eol != Eol::None;
        return if message { End::At { end, line_end: 0, follows: Follows::Message } } else { End::Nowhere };
    }
    if piece.eol == Eol::None && !piece.last {
        return End::InLine(end);
    }
    let line_end = if rest.text.is_empty() { logger(piece.eol) } else { 0 };
    End::At { end, line_end, follows: Follows::Unseen }
}

fn what_follows(piece: &Piece<'_>, protocol: Protocol) -> Follows {
    let another =
        protocol_of(piece.beginning()) == Some(protocol) || (protocol == Protocol::Http && json::begins(piece.text));
    if piece.known.is_some() {
        Follows::Known
    } else if another {
        Follows::Message
    } else if piece.is_blank_line() {
        Follows::Blank
    } else {
        Follows::Text
    }
}

impl Message {
    pub(super) fn body(&mut self, piece: &Piece<'_>, mut claim: Claim) -> Step {
        let untouched = claim.untouched;
        claim.take(piece, |eol| self.line_end(eol));
        let mut choice = claim.choice();
        if piece.is_header() && !matches!(choice, Choice::Ends { .. }) {
            claim.untouched = untouched;
            return self.header_inside(piece, claim);
        }
        if piece.known.is_some() && claim.known.is_none() && !matches!(choice, Choice::Ends { .. }) {
            claim.known = Some(Before { at: piece.at, last: self.last, flags: self.flags });
            claim.wait_at_most(wait(claim.protocol));
            choice = claim.choice();
        }
        match choice {
            Choice::Open => {
                self.phase = Phase::Body(claim);
                Step::Goes
            }
            Choice::Nowhere => self.no_boundary(claim.known),
            Choice::Ends { end, message: true, .. } => self.open(&piece.rest(end.max(piece.at)), true),
            Choice::Ends { end, line_end, .. } => self.ends_by_length(piece, &claim, end, line_end),
        }
    }

    /// Final for SIP; for HTTP when the next line shows that nothing of it follows.
    fn ends_by_length(&mut self, piece: &Piece<'_>, claim: &Claim, end: Offset, line_end: u8) -> Step {
        let after = end.plus(u64::from(line_end));
        self.forget_after(claim, after);
        if claim.protocol == Protocol::Sip || after < piece.at {
            return self.finish(end, line_end, after);
        }
        if after == piece.at {
            return self.after(piece, end, Some(line_end), 0);
        }
        self.phase = Phase::After { end, line_end: Some(line_end), blanks: 0 };
        Step::Goes
    }

    pub(super) fn body_closed(&mut self, mut claim: Claim, at: Offset) -> Step {
        claim.close(at);
        let Choice::Ends { end, line_end, .. } = claim.choice() else { return self.no_boundary(claim.known) };
        let after = end.plus(u64::from(line_end));
        self.forget_after(&claim, after);
        self.finish(end, line_end, after)
    }

    /// No line ends where the length says: it is not believed.
    pub(super) fn no_boundary(&mut self, known: Option<Before>) -> Step {
        self.flags |= Flags::LENGTH_MISMATCH;
        match known {
            Some(Before { at, last, flags }) => {
                self.last = last;
                self.flags = flags | Flags::LENGTH_MISMATCH;
                self.ends_before(at)
            }
            None => {
                self.phase = Phase::Text;
                Step::Goes
            }
        }
    }

    /// A known line after the end says nothing of this record.
    fn forget_after(&mut self, claim: &Claim, after: Offset) {
        if let Some(known) = claim.known.filter(|known| known.at >= after) {
            self.flags = known.flags;
        }
    }
}

pub(super) fn wait(protocol: Protocol) -> u64 {
    if protocol == Protocol::Sip { WAIT_SIP } else { WAIT_HTTP }
}
