//! A line as the framer judges it, or a piece of one that is longer than a header can be.

use super::LINE;
use super::known::is_blank;
use crate::id::Offset;
use crate::span::Flags;

/// A line, or a piece of a long one.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    pub at: Offset,
    /// Without its line end.
    pub text: &'a [u8],
    pub eol: Eol,
    pub known: Option<Known>,
    /// Of a header line: what stands before its fields.
    pub header: Header,
    pub starts_line: bool,
    /// The last of a closed file.
    pub last: bool,
}

/// What a header line says, as far as framing asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Header {
    /// Bytes of the prefix.
    pub prefix: u16,
    /// Where in the line the logger began one, by the shape of the record before: at 0 unless a message stands before it
    /// that has no line end of its own. None where no such shape is in the prefix.
    pub begins_at: Option<u16>,
    /// Its method is one of SIP, or a status.
    pub is_sip: bool,
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

impl Header {
    /// Bytes at the start of the line that may be the end of the message before, which has no line end of its own.
    pub fn glued(&self) -> Option<usize> {
        Some(usize::from(self.begins_at.unwrap_or(self.prefix))).filter(|bytes| *bytes > 0)
    }
}

impl Eol {
    /// Bytes of it.
    pub fn len(self) -> u64 {
        match self {
            Eol::None => 0,
            Eol::Lf => 1,
            Eol::CrLf => 2,
        }
    }
}

impl<'a> Piece<'a> {
    pub fn next(&self) -> Offset {
        self.at.plus(self.text.len() as u64 + self.eol.len())
    }

    /// Longer than a header can be: judged by its beginning, whole or in pieces.
    pub fn is_long(&self) -> bool {
        self.text.len() > LINE
    }

    pub fn beginning(&self) -> &'a [u8] {
        &self.text[..self.text.len().min(LINE)]
    }

    pub fn is_blank_line(&self) -> bool {
        self.starts_line && !self.is_long() && self.eol != Eol::None && is_blank_text(self.text)
    }

    pub fn is_header(&self) -> bool {
        self.known == Some(Known::Header)
    }

    /// The rest of the line from this offset on, which lies in it.
    pub fn rest(&self, from: Offset) -> Self {
        let skipped = from.0.saturating_sub(self.at.0) as usize;
        Self { at: from, text: self.text.get(skipped..).unwrap_or_default(), known: None, ..*self }
    }
}

pub fn is_blank_text(text: &[u8]) -> bool {
    text.iter().all(|byte| is_blank(*byte))
}
