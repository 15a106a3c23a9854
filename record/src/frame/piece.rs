//! A line as the framer judges it, or a piece of one that is longer than a header can be.

use std::cell::Cell;

use super::LINE;
use super::known::is_blank;
use crate::id::Offset;
use crate::span::Flags;

/// A line, or a piece of a long one.
#[derive(Clone, Debug)]
pub struct Piece<'a> {
    pub at: Offset,
    /// Without its line end.
    pub text: &'a [u8],
    pub eol: Eol,
    pub known: Option<Known>,
    /// Of a header: the shape of its prefix.
    pub shape: &'a [u8],
    pub starts_line: bool,
    /// The last of a closed file.
    pub last: bool,
    /// From the piece to the end of the chunk.
    pub chunk: &'a [u8],
    /// Set by the message: this was the blank line behind its headers.
    pub ended_headers: Cell<bool>,
}

/// How a line, or a piece of one, ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Eol {
    None,
    Lf,
    CrLf,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    Header,
    Noise,
}

/// How the line before here ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Last {
    /// The header line of the record.
    Head,
    /// The blank line that ends the header block: it belongs to the message.
    EndOfHeaders,
    Line(Eol),
}

/// A known line inside a body, how the line before it ended, and the flags before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Before {
    pub at: Offset,
    pub last: Last,
    pub flags: Flags,
}

impl Piece<'_> {
    pub fn next(&self) -> Offset {
        let eol = match self.eol {
            Eol::None => 0,
            Eol::Lf => 1,
            Eol::CrLf => 2,
        };
        self.at.plus(self.text.len() as u64 + eol)
    }

    /// Longer than a header can be: judged by its beginning, whole or in pieces.
    pub fn is_long(&self) -> bool {
        self.text.len() > LINE
    }

    pub fn beginning(&self) -> &[u8] {
        &self.text[..self.text.len().min(LINE)]
    }

    pub fn is_blank_line(&self) -> bool {
        self.starts_line && !self.is_long() && self.eol != Eol::None && self.text.iter().all(|b| is_blank(*b))
    }

    /// The chunk from the byte before the place `need` bytes from here, if it reaches so far.
    pub fn around(&self, need: u64) -> Option<&[u8]> {
        let before = usize::try_from(need).ok()?.checked_sub(1)?;
        self.chunk.get(before..).filter(|around| around.len() > 1)
    }
}

/// No line ends behind the first of these bytes. Where they do not show it, one may.
pub fn is_no_end(around: &[u8]) -> bool {
    let Some((before, rest)) = around.split_first() else { return false };
    match rest.iter().find(|b| !is_blank(**b)) {
        Some(b'\n' | b'\r') | None => false,
        Some(_) => *before != b'\n',
    }
}
