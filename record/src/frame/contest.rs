//! A full header line stands inside a declared length: the claim counts only if what stands at its end confirms it.
//!
//! A declared length is a claim, a header line is evidence. So a line end at the declared end is not enough here: a known
//! line must follow it, or a blank line before one, or the end of a closed file. Only the bytes at that end are looked
//! at, and none between: what is looked at for a length that lies does not grow with the length.

use super::LINE;
use super::claim::{Claim, wait};
use super::headers::Protocol;
use super::message::{Message, Phase, Step};
use super::piece::{Before, Eol, Piece, is_blank_text};
use crate::id::Offset;
use crate::span::Flags;

/// Bytes that mostly show what stands at an end; and those that always do: three lines as long as a header can be.
const LOOK: usize = 512;
const LOOK_WIDE: usize = 3 * (LINE + 2);
/// Where each LF counts two octets, so many of them are counted beyond the header line.
const COUNTED: u64 = 1024;

#[derive(Clone, Copy, Debug)]
pub struct Contest {
    protocol: Protocol,
    /// The first known line inside: there the record ends if no claim is confirmed.
    before: Before,
    /// A claimed end further back, which no known line confirms.
    weak: Option<(Offset, u8)>,
    /// Where the header line begins, and the octets from there to the end if each LF counts two.
    counted: Option<(Offset, u64)>,
    /// The end if each byte counts one.
    exact: Option<Offset>,
    /// The file ends at a claimed end, so far.
    seems: Option<(Offset, u8)>,
    wide: bool,
}

/// How far the bytes reach that are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// As far as was wanted.
    Whole,
    /// To the end of what is written so far.
    EndOfData,
    /// To the end of a closed file.
    EndOfFile,
}

/// What stands at a claimed end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Stands {
        end: Offset,
        line_end: u8,
    },
    Falls,
    /// More bytes are needed; so far the end may be there.
    Open(Option<(Offset, u8)>),
}

impl Contest {
    /// Where the bytes begin that are looked at: before the claimed end, so that it shows whether a line ends there.
    pub fn place(&self) -> Offset {
        match (self.counted, self.exact) {
            (Some((from, _)), _) => from,
            (None, Some(end)) => Offset(end.0.saturating_sub(1)),
            (None, None) => self.before.at,
        }
    }

    /// Bytes that are needed from there, if the file has as many.
    pub fn wants(&self) -> usize {
        let counted = self.counted.map_or(0, |(_, octets)| octets as usize);
        counted + if self.wide { LOOK_WIDE } else { LOOK }
    }

    fn verdict(&self, bytes: &[u8], reach: Reach, ends: &Ends<'_>) -> Verdict {
        let (from, skipped) = match (self.counted, self.exact) {
            (Some((from, octets)), _) => match count(bytes, octets) {
                Count::At(end) => (from, end - 1),
                Count::Beyond if reach == Reach::EndOfData => return Verdict::Open(None),
                Count::Beyond | Count::Inside => return Verdict::Falls,
            },
            (None, Some(end)) => (Offset(end.0.saturating_sub(1)), 0),
            (None, None) => return Verdict::Falls,
        };
        ends.confirmed(&bytes[skipped..], from.plus(skipped as u64 + 1), reach)
    }

    fn drop_claim(&mut self) {
        self.wide = false;
        if self.counted.take().is_none() {
            self.exact = None;
        }
    }

    fn is_lost(&self) -> bool {
        self.counted.is_none() && self.exact.is_none()
    }
}

enum Count {
    /// The octets end before this index.
    At(usize),
    /// They end inside an LF that counts two.
    Inside,
    Beyond,
}

/// Each byte is an octet, and an LF without CR is two.
fn count(bytes: &[u8], mut octets: u64) -> Count {
    let mut cr = false;
    for (at, byte) in bytes.iter().enumerate() {
        let worth = if *byte == b'\n' && !cr { 2 } else { 1 };
        match octets.checked_sub(worth) {
            Some(0) => return Count::At(at + 1),
            Some(rest) => octets = rest,
            None => return Count::Inside,
        }
        cr = *byte == b'\r';
    }
    Count::Beyond
}

/// What confirms a claimed end.
pub struct Ends<'a> {
    /// Is a line known? It gets the line without its line end, and whether it is there as a whole.
    pub judge: &'a dyn Fn(&[u8], bool) -> bool,
    /// How much of a line end is the logger's.
    pub logger: &'a dyn Fn(Eol) -> u8,
}

impl Ends<'_> {
    /// `bytes` begin with the one before `end`.
    fn confirmed(&self, bytes: &[u8], end: Offset, reach: Reach) -> Verdict {
        let Some((before, mut rest)) = bytes.split_first() else { return Verdict::Open(None) };
        let mut line_end = 0;
        // The end may lie in a line of which only blanks are left, and one blank line may follow.
        let mut blanks = if *before == b'\n' { 1 } else { 2 };
        let mut in_line = *before != b'\n';
        loop {
            let stands = Verdict::Stands { end, line_end };
            if rest.is_empty() {
                return if reach == Reach::EndOfFile { stands } else { Verdict::Open(Some((end, line_end))) };
            }
            let (text, eol) = line(rest);
            let whole = eol != Eol::None || reach == Reach::EndOfFile;
            let long = text.len() > LINE;
            let blank = is_blank_text(text);
            if in_line && !blank {
                return Verdict::Falls;
            }
            if !whole && !long {
                return Verdict::Open(blank.then_some((end, line_end)));
            }
            if !in_line && (self.judge)(&text[..text.len().min(LINE)], !long) {
                return stands;
            }
            if !blank || blanks == 0 || long {
                return Verdict::Falls;
            }
            // The first line end after the message is the logger's, if nothing stands before it.
            if rest.len() == bytes.len() - 1 && text.is_empty() {
                line_end = (self.logger)(eol);
            }
            blanks -= 1;
            in_line = false;
            rest = &rest[text.len() + eol.len() as usize..];
        }
    }
}

fn line(bytes: &[u8]) -> (&[u8], Eol) {
    match memchr::memchr(b'\n', bytes) {
        Some(at) => match &bytes[..at] {
            [text @ .., b'\r'] => (text, Eol::CrLf),
            text => (text, Eol::Lf),
        },
        None => (bytes, Eol::None),
    }
}

impl Message {
    /// A header line before the declared end.
    pub(super) fn header_inside(&mut self, piece: &Piece<'_>, claim: Claim) -> Step {
        if let Some(end) = fits_before(piece, &claim) {
            return self.finish(end, 0, end);
        }
        if let Some(line_end) = claim.untouched {
            return self.has_no_body(&claim, line_end);
        }
        let before = claim.known.unwrap_or(Before { at: piece.at, last: self.last, flags: self.flags });
        let mut contest = Contest {
            protocol: claim.protocol,
            before,
            weak: claim.weak(),
            counted: None,
            exact: None,
            seems: None,
            wide: false,
        };
        for (lf, need) in claim.ahead() {
            if lf == 1 && need <= wait(claim.protocol) {
                contest.exact = Some(piece.at.plus(need));
            } else if lf == 2 && need <= COUNTED {
                contest.counted = Some((piece.at, need));
            }
        }
        self.go_on_looking(contest)
    }

    /// A header line right after the blank line of the headers, but for the logger's line end: there is no body.
    /// A response may answer a HEAD, whose length is that of a body it does not have.
    fn has_no_body(&mut self, claim: &Claim, line_end: u8) -> Step {
        if !claim.is_http_response {
            self.flags |= Flags::LENGTH_MISMATCH;
        }
        self.finish_at(self.headers_end, Some(line_end))
    }

    /// Looks at the bytes at the place of the contest.
    pub fn look(&mut self, bytes: &[u8], reach: Reach, judge: &dyn Fn(&[u8], bool) -> bool) -> Step {
        let Phase::Contested(mut contest) = self.phase else { return Step::Goes };
        let ends = Ends { judge, logger: &|eol| self.line_end(eol) };
        match contest.verdict(bytes, reach, &ends) {
            Verdict::Stands { end, line_end } => self.stands(&contest, end, line_end),
            Verdict::Falls => {
                contest.drop_claim();
                self.go_on_looking(contest)
            }
            Verdict::Open(_) if reach == Reach::EndOfFile => {
                contest.drop_claim();
                self.go_on_looking(contest)
            }
            Verdict::Open(_) if reach == Reach::Whole && !contest.wide => {
                contest.wide = true;
                self.go_on_looking(contest)
            }
            Verdict::Open(_) if reach == Reach::Whole => {
                contest.drop_claim();
                self.go_on_looking(contest)
            }
            Verdict::Open(seems) => {
                contest.seems = seems;
                self.phase = Phase::Contested(contest);
                Step::Goes
            }
        }
    }

    fn go_on_looking(&mut self, contest: Contest) -> Step {
        if contest.is_lost() {
            return self.falls(&contest);
        }
        self.phase = Phase::Contested(contest);
        Step::To(contest.place())
    }

    fn stands(&mut self, contest: &Contest, end: Offset, line_end: u8) -> Step {
        self.flags |= Flags::AMBIGUOUS_BOUNDARY;
        let after = end.plus(u64::from(line_end));
        if contest.protocol == Protocol::Sip {
            return self.finish(end, line_end, after);
        }
        self.phase = Phase::After { end, line_end: Some(line_end), blanks: 0 };
        Step::To(after)
    }

    pub(super) fn falls(&mut self, contest: &Contest) -> Step {
        match contest.weak {
            Some((end, line_end)) => {
                self.flags = contest.before.flags;
                self.finish(end, line_end, end.plus(u64::from(line_end)))
            }
            None => self.no_boundary(Some(contest.before)),
        }
    }

    /// What is not written yet is taken for missing: where the record ends then.
    pub(super) fn presumed(&mut self, contest: &Contest) -> Step {
        let step = match contest.seems {
            Some((end, line_end)) => {
                self.flags |= Flags::AMBIGUOUS_BOUNDARY;
                self.finish(end, line_end, end.plus(u64::from(line_end)))
            }
            None => self.falls(contest),
        };
        match step {
            Step::Ends { mut span, next } => {
                span.flags |= Flags::UNFINISHED;
                Step::Ends { span, next }
            }
            other => other,
        }
    }
}

/// The message ends in the line of the next header, right before it: no line end was written between them.
fn fits_before(piece: &Piece<'_>, claim: &Claim) -> Option<Offset> {
    let glued = piece.header.glued()? as u64;
    claim.ahead().any(|(_, need)| need == glued).then(|| piece.at.plus(glued))
}
