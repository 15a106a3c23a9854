//! A line as the framer judges it, or a piece of one that is longer than a header can be.

use std::cell::Cell;

use super::LINE;
use super::known::is_blank;
use crate::id::Offset;

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

    /// The chunk shows that no line ends `need` bytes from here. What it does not show may be.
    pub fn is_no_end(&self, need: u64) -> bool {
        let Some(rest) = usize::try_from(need).ok().and_then(|need| self.chunk.get(need..)) else { return false };
        let behind_line = need > 0 && self.chunk[need as usize - 1] == b'\n';
        match rest.iter().find(|b| !is_blank(**b)) {
            Some(b'\n' | b'\r') | None => false,
            Some(_) => !behind_line,
        }
    }
}
