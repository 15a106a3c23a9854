//! A body with a declared length: does it end where it should?

use super::bare_lf::{Choice, TwoWays};
use super::headers::{Protocol, protocol_of};
use super::json;
use super::known::is_blank;
use super::message::{Body, Message, Phase, Step};
use super::piece::{Before, Eol, Known, Piece, is_no_end};
use crate::id::Offset;
use crate::span::Flags;

/// How far beyond a known line a declared end may lie.
const WAIT_SIP: u64 = 64 << 10;
const WAIT_HTTP: u64 = 1 << 20;

impl Message {
    pub(super) fn body(&mut self, piece: &Piece<'_>, mut body: Body) -> Step {
        if body.need == 0 && piece.starts_line {
            return self.body_ended(piece, &body, 0);
        }
        if let Some(known) = piece.known
            && let Some(step) = self.known_inside(piece, &mut body, known)
        {
            return step;
        }
        let text = piece.text.len() as u64;
        if body.need <= text && body.need > 0 {
            return self.body_ended(piece, &body, body.need);
        }
        if body.bare_lf && piece.eol == Eol::Lf {
            return self.two_ways(piece, TwoWays::new(body.protocol, body.need, body.known, piece.text));
        }
        body.need -= text;
        let units = match piece.eol {
            Eol::None => 0,
            Eol::Lf => 1,
            Eol::CrLf => 2,
        };
        if body.need < units {
            // The end lies inside the line end: what is left of it is the logger's.
            let end = piece.at.plus(text + u64::from(piece.eol == Eol::CrLf));
            return self.ended(&body, end, 1);
        }
        body.need -= units;
        self.phase = Phase::Body(body);
        Step::Goes
    }

    /// A known line before the declared end: body, if that end turns out to be one.
    fn known_inside(&mut self, piece: &Piece<'_>, body: &mut Body, known: Known) -> Option<Step> {
        let wait = wait(body.protocol);
        let first = body.known.is_none();
        let around = if body.bare_lf { None } else { piece.around(body.need) };
        if first && (body.need > wait || around.is_some_and(is_no_end)) {
            self.flags = self.flags.union(Flags::LENGTH_MISMATCH);
            return Some(self.ends_before(piece.at));
        }
        if first {
            body.known = Some(Before { at: piece.at, last: self.last, flags: self.flags });
            // With bare LF nobody knows how far on the end is before all lines are counted.
            if !body.bare_lf && around.is_none() {
                self.phase = Phase::Body(*body);
                return Some(Step::Look { at: Offset(piece.at.0 + body.need - 1) });
            }
        }
        if known == Known::Header {
            self.flags = self.flags.union(Flags::AMBIGUOUS_BOUNDARY);
        }
        None
    }

    /// The declared end lies `into` bytes into this piece: is it a boundary?
    fn body_ended(&mut self, piece: &Piece<'_>, body: &Body, into: u64) -> Step {
        let end = piece.at.plus(into);
        if into == 0 {
            let another = body.protocol == Protocol::Http
                && piece.known.is_none()
                && (protocol_of(piece.beginning()) == Some(Protocol::Http) || json::begins(piece.text));
            if piece.known.is_some() {
                return self.finish(end, 0, end);
            }
            if another {
                return self.open(piece, false);
            }
        }
        let rest = Piece { text: &piece.text[into as usize..], at: end, ..piece.clone() };
        self.body_tail(&rest, body, end)
    }

    /// Behind the declared end only blanks may follow in its line.
    pub(super) fn body_tail(&mut self, piece: &Piece<'_>, body: &Body, end: Offset) -> Step {
        if !piece.text.iter().all(|b| is_blank(*b)) {
            return self.no_boundary(body.known);
        }
        if piece.eol == Eol::None && !piece.last {
            self.phase = Phase::BodyTail { body: *body, end };
            return Step::Goes;
        }
        let line_end = if piece.text.is_empty() && piece.at == end { self.line_end(piece.eol) } else { 0 };
        self.ended(body, end, line_end)
    }

    /// Ended by its length: final for SIP, for HTTP when the next line shows that nothing of it follows.
    fn ended(&mut self, body: &Body, end: Offset, line_end: u8) -> Step {
        if body.protocol == Protocol::Sip {
            return self.finish(end, line_end, end.plus(u64::from(line_end)));
        }
        self.phase = Phase::After { end, line_end, blanks: 0 };
        Step::Goes
    }

    pub(super) fn no_boundary(&mut self, known: Option<Before>) -> Step {
        self.flags = self.flags.union(Flags::LENGTH_MISMATCH);
        match known {
            Some(Before { at, last, flags }) => {
                self.last = last;
                self.flags = flags.union(Flags::LENGTH_MISMATCH);
                self.ends_before(at)
            }
            None => {
                self.phase = Phase::Text;
                Step::Goes
            }
        }
    }

    pub(super) fn two_ways(&mut self, piece: &Piece<'_>, mut ways: TwoWays) -> Step {
        ways.take(piece, |eol| self.line_end(eol));
        let mut choice = ways.choice();
        if let Some(known) = piece.known.filter(|_| !matches!(choice, Choice::Ends { .. })) {
            if ways.known.is_none() {
                ways.known = Some(Before { at: piece.at, last: self.last, flags: self.flags });
                ways.wait_at_most(wait(ways.protocol));
                choice = ways.choice();
            }
            if known == Known::Header {
                self.flags = self.flags.union(Flags::AMBIGUOUS_BOUNDARY);
            }
        }
        match choice {
            Choice::Open => {
                self.phase = Phase::TwoWays(ways);
                Step::Goes
            }
            Choice::Nowhere => self.no_boundary(ways.known),
            Choice::Ends { end, line_end } => self.chosen(piece, &ways, end, line_end),
        }
    }

    fn chosen(&mut self, piece: &Piece<'_>, ways: &TwoWays, end: Offset, line_end: u8) -> Step {
        let behind = end.plus(u64::from(line_end));
        self.forget_behind(ways, behind);
        if ways.protocol == Protocol::Http && behind == piece.at {
            return self.after(piece, end, line_end, 0);
        }
        if ways.protocol == Protocol::Http && behind == piece.next() {
            self.phase = Phase::After { end, line_end, blanks: 0 };
            return Step::Goes;
        }
        self.finish(end, line_end, behind)
    }

    pub(super) fn ways_closed(&mut self, mut ways: TwoWays, at: Offset) -> Step {
        ways.close(at);
        let Choice::Ends { end, line_end } = ways.choice() else { return self.no_boundary(ways.known) };
        let behind = end.plus(u64::from(line_end));
        self.forget_behind(&ways, behind);
        self.finish(end, line_end, behind)
    }

    /// What a known line behind the end says is not said of this record.
    fn forget_behind(&mut self, ways: &TwoWays, behind: Offset) {
        if let Some(known) = ways.known.filter(|known| known.at >= behind) {
            self.flags = known.flags;
        }
    }
}

fn wait(protocol: Protocol) -> u64 {
    if protocol == Protocol::Sip { WAIT_SIP } else { WAIT_HTTP }
}
