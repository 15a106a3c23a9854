//! A body behind headers that were logged with bare LF: nobody knows whether its own LFs were CRLF on the wire.
//!
//! Both are tried side by side: each LF counts 2 octets, or 1. An end is good if a known line or a blank one stands
//! behind it.

use super::headers::{Protocol, protocol_of};
use super::json;
use super::known::is_blank;
use super::piece::{Before, Eol, Piece};
use crate::id::Offset;

#[derive(Clone, Copy, Debug)]
pub struct TwoWays {
    pub protocol: Protocol,
    /// The first known line inside.
    pub known: Option<Before>,
    /// What the content says: JSON and HTTP have bare LF of their own, SDP and its kin have CRLF.
    first: Way,
    second: Way,
}

#[derive(Clone, Copy, Debug)]
struct Way {
    /// Octets that an LF stands for.
    lf: u64,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    /// So many octets are still to come.
    Ahead(u64),
    /// In the line that is being read: only blanks may follow in it.
    InLine(Offset),
    /// A line ends there.
    At { end: Offset, line_end: u8, behind: Behind },
    /// No line ends where it should be.
    Nowhere,
}

/// What stands behind an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Behind {
    Unseen,
    /// A known line, another message of the record, or the end of the file.
    Known,
    Blank,
    Text,
}

/// Where the body ends, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    Open,
    Ends {
        end: Offset,
        line_end: u8,
    },
    /// Neither way ends at a line end.
    Nowhere,
}

impl TwoWays {
    /// From the first line that ends in LF on; `need` octets are to come with it.
    pub fn new(protocol: Protocol, need: u64, known: Option<Before>, line: &[u8]) -> Self {
        let way = |lf| Way { lf, end: End::Ahead(need) };
        let plain = protocol == Protocol::Http || json::begins(line);
        let (first, second) = if plain { (way(1), way(2)) } else { (way(2), way(1)) };
        Self { protocol, known, first, second }
    }

    /// `line_end` tells how much of a line end is the logger's.
    pub fn take(&mut self, piece: &Piece<'_>, line_end: impl Fn(Eol) -> u8) {
        for way in [&mut self.first, &mut self.second] {
            way.end = way.take(piece, self.protocol, &line_end);
        }
    }

    /// Ends further ahead than this are mistakes.
    pub fn wait_at_most(&mut self, wait: u64) {
        for way in [&mut self.first, &mut self.second] {
            if matches!(way.end, End::Ahead(need) if need > wait) {
                way.end = End::Nowhere;
            }
        }
    }

    /// The file ends at `at`.
    pub fn close(&mut self, at: Offset) {
        for way in [&mut self.first, &mut self.second] {
            way.end = match way.end {
                End::Ahead(0) => End::At { end: at, line_end: 0, behind: Behind::Known },
                End::InLine(end) => End::At { end, line_end: 0, behind: Behind::Known },
                End::At { end, line_end, behind: Behind::Unseen } => End::At { end, line_end, behind: Behind::Known },
                End::Ahead(_) => End::Nowhere,
                other => other,
            };
        }
    }

    pub fn choice(&self) -> Choice {
        use Behind::{Blank, Known, Text};
        let (first, second) = (&self.first, &self.second);
        let sure = first.behind(&[Known, Blank]).or_else(|| second.behind(&[Known]));
        match sure {
            Some((end, line_end)) => Choice::Ends { end, line_end },
            None if first.is_open() || second.is_open() => Choice::Open,
            None => second
                .behind(&[Blank])
                .or_else(|| first.behind(&[Text]))
                .map_or(Choice::Nowhere, |(end, line_end)| Choice::Ends { end, line_end }),
        }
    }

    /// Where it would end if the file did, where that is told already.
    pub fn provisional(&self) -> Option<(Offset, u8)> {
        match self.first.end {
            End::InLine(end) => Some((end, 0)),
            End::At { end, line_end, behind: Behind::Unseen } => Some((end, line_end)),
            _ => None,
        }
    }
}

impl Way {
    fn take(&self, piece: &Piece<'_>, protocol: Protocol, logger: impl Fn(Eol) -> u8) -> End {
        match self.end {
            End::Ahead(0) if piece.starts_line => match behind(piece, protocol) {
                Behind::Blank => End::At { end: piece.at, line_end: logger(piece.eol), behind: Behind::Blank },
                Behind::Known => End::At { end: piece.at, line_end: 0, behind: Behind::Known },
                Behind::Text | Behind::Unseen => End::Nowhere,
            },
            End::Ahead(need) => {
                let text = piece.text.len() as u64;
                if need <= text {
                    let rest = &piece.text[need as usize..];
                    return in_line(piece, rest, piece.at.plus(need), logger);
                }
                let eol = match piece.eol {
                    Eol::None => 0,
                    Eol::Lf => self.lf,
                    Eol::CrLf => 2,
                };
                (need - text).checked_sub(eol).map_or(End::Nowhere, End::Ahead)
            }
            End::InLine(end) => in_line(piece, piece.text, end, logger),
            End::At { end, line_end, behind: Behind::Unseen } => {
                End::At { end, line_end, behind: behind(piece, protocol) }
            }
            other => other,
        }
    }

    fn behind(&self, good: &[Behind]) -> Option<(Offset, u8)> {
        match self.end {
            End::At { end, line_end, behind } if good.contains(&behind) => Some((end, line_end)),
            _ => None,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.end, End::Ahead(_) | End::InLine(_) | End::At { behind: Behind::Unseen, .. })
    }
}

fn in_line(piece: &Piece<'_>, rest: &[u8], end: Offset, logger: impl Fn(Eol) -> u8) -> End {
    if !rest.iter().all(|b| is_blank(*b)) {
        return End::Nowhere;
    }
    if piece.eol == Eol::None && !piece.last {
        return End::InLine(end);
    }
    let directly = piece.at.plus(piece.text.len() as u64) == end;
    let line_end = if directly { logger(piece.eol) } else { 0 };
    End::At { end, line_end, behind: Behind::Unseen }
}

fn behind(piece: &Piece<'_>, protocol: Protocol) -> Behind {
    let another = || protocol_of(piece.beginning()) == Some(Protocol::Http) || json::begins(piece.text);
    if piece.known.is_some() || (protocol == Protocol::Http && another()) {
        Behind::Known
    } else if piece.is_blank_line() {
        Behind::Blank
    } else {
        Behind::Text
    }
}
