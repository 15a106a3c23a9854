//! The lines of a SIP or HTTP message: ranges that tile it, without understanding what they say.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

use super::{Name, text};

/// Headers are understood in the first 64 KiB of a message; what lies beyond counts as body.
pub const HEADER_BLOCK: usize = 64 << 10;

/// Walks the headers of a message in order.
///
/// `start_line()`, the ranges of the headers, `blank()` and `body()` tile the message: each byte is in exactly one.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    start: usize,
    start_end: usize,
    at: usize,
    /// Where the body begins, once the walk has come to it.
    body: Option<usize>,
    cut: bool,
    bare_lf: bool,
}

/// One header: its line, and the folded lines behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    /// From the first byte of the name to behind the last line end, in bytes from the start of the message.
    pub range: Range<usize>,
    /// The value without blanks around it; may hold folds.
    pub value_range: Range<usize>,
    name: &'a [u8],
    value: &'a [u8],
}

impl<'a> Headers<'a> {
    /// Blank lines before the start line are part of it (RFC 3261, 7.5).
    pub fn of(bytes: &'a [u8]) -> Self {
        let mut headers = Self { bytes, start: 0, start_end: 0, at: 0, body: None, cut: false, bare_lf: false };
        loop {
            let from = headers.at;
            let Some(end) = headers.line_end(from) else { break };
            headers.at = end;
            if !is_blank(&bytes[from..end]) {
                headers.start = from;
                break;
            }
        }
        headers.start_end = headers.at;
        headers.bare_lf = bytes[..headers.at].ends_with(b"\n") && !bytes[..headers.at].ends_with(b"\r\n");
        if headers.at == 0 || headers.at == bytes.len() {
            headers.body = Some(headers.at);
            headers.cut = headers.at < bytes.len();
        }
        headers
    }

    /// The first line that is not blank, with its line end and blank lines before it.
    pub fn start_line(&self) -> Range<usize> {
        0..self.start_end
    }

    /// The start line alone, without its line end.
    pub fn start_text(&self) -> Cow<'a, str> {
        text(strip_line_end(&self.bytes[self.start..self.start_end]))
    }

    /// The blank line between headers and body; empty where there is none.
    pub fn blank(&self) -> Range<usize> {
        let mut rest = self.clone();
        rest.by_ref().for_each(drop);
        rest.at..rest.body.unwrap_or(rest.at)
    }

    /// What stands behind the blank line.
    pub fn body(&self) -> Range<usize> {
        let at = self.body.unwrap_or_else(|| self.blank().end);
        at..self.bytes.len()
    }

    /// The message has more headers than were looked at; known when the walk is over.
    pub fn cut(&self) -> bool {
        self.cut
    }

    /// The start line was logged with a bare LF.
    pub fn bare_lf(&self) -> bool {
        self.bare_lf
    }

    /// The end of the line that begins at `from`, if that is within the block.
    fn line_end(&self, from: usize) -> Option<usize> {
        let block = &self.bytes[..self.bytes.len().min(HEADER_BLOCK)];
        match memchr(b'\n', block.get(from..)?) {
            Some(at) => Some(from + at + 1),
            None => (self.bytes.len() == block.len() && from < block.len()).then_some(block.len()),
        }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        if self.body.is_some() {
            return None;
        }
        let from = self.at;
        let Some(mut end) = self.line_end(from) else {
            self.body = Some(from);
            self.cut = from < self.bytes.len();
            return None;
        };
        if is_blank(&self.bytes[from..end]) {
            self.body = Some(end);
            return None;
        }
        while matches!(self.bytes.get(end), Some(b' ' | b'\t')) {
            match self.line_end(end) {
                Some(next) => end = next,
                None => break,
            }
        }
        self.at = end;
        Some(Header::of(self.bytes, from..end))
    }
}

impl<'a> Header<'a> {
    fn of(bytes: &'a [u8], range: Range<usize>) -> Self {
        let line = &bytes[range.clone()];
        let colon = memchr(b':', line);
        let (name, from) = colon.map_or((&line[..0], 0), |at| (line[..at].trim_ascii(), at + 1));
        let value = line[from..].trim_ascii();
        let blanks = line[from..].len() - line[from..].trim_ascii_start().len();
        let at = range.start + from + blanks;
        Self { value_range: at..at + value.len(), range, name, value }
    }

    /// As written; empty where the line holds no colon.
    pub fn name(&self) -> Cow<'a, str> {
        text(self.name)
    }

    pub fn name_bytes(&self) -> &'a [u8] {
        self.name
    }

    pub fn known(&self) -> Option<Name> {
        Name::of(self.name)
    }

    /// The long form in its usual spelling (`Call-ID` for `i` and `CALL-ID`); an unknown name as written.
    pub fn canonical(&self) -> Cow<'a, str> {
        self.known().map_or_else(|| self.name(), |name| Cow::Borrowed(name.text()))
    }

    /// Without folds: each is one space (RFC 3261, 7.3.1).
    pub fn value(&self) -> Cow<'a, str> {
        if memchr(b'\n', self.value).is_none() {
            return text(self.value);
        }
        let mut unfolded = Vec::with_capacity(self.value.len());
        for line in self.value.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
            if !unfolded.is_empty() {
                unfolded.push(b' ');
            }
            unfolded.extend_from_slice(line);
        }
        Cow::Owned(text(&unfolded).into_owned())
    }
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

fn strip_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
