//! The start line and headers of one message, and where its body may end.

use memchr::memchr;

use super::{Protocol, len_of_octets};
use crate::frame::headers::{BodyLength, Headers, is_start_line, protocol_of};

/// A header block beyond this is text.
const BLOCK: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Head {
    pub headers: Headers,
    /// Where the body begins.
    pub body: usize,
    /// A blank line stands before the body.
    pub is_whole: bool,
}

impl Head {
    /// Of the message whose start line begins at `start`.
    pub fn read(bytes: &[u8], start: usize, protocol: Protocol, answers_head: bool) -> Self {
        let (line, mut at) = line_at(bytes, start);
        let bare_lf = bytes[..at].ends_with(b"\n") && !bytes[..at].ends_with(b"\r\n");
        let mut headers = Headers::new(protocol, line, bare_lf, answers_head);
        let mut is_whole = false;
        while at < bytes.len() && !is_whole {
            let (line, next) = line_at(bytes, at);
            if next - start > BLOCK {
                break;
            }
            at = next;
            if line.is_empty() {
                headers.end();
                is_whole = true;
            } else {
                headers.line(line);
            }
        }
        Self { headers, body: at, is_whole }
    }

    /// Where the body may end by its declared length, nearest first: behind bare LF, each LF may stand for one octet
    /// or for two. None where nothing usable is declared, or more than is there.
    pub fn ends(&self, bytes: &[u8]) -> impl Iterator<Item = usize> {
        let rest = &bytes[self.body..];
        let octets = match self.headers.body() {
            BodyLength::Declared(octets) if self.is_whole => usize::try_from(octets).ok(),
            _ => None,
        };
        let two = octets.filter(|_| self.headers.bare_lf).and_then(|octets| len_of_octets(rest, octets));
        let one = octets.filter(|octets| *octets <= rest.len());
        let body = self.body;
        [two, one].into_iter().flatten().map(move |len| body + len)
    }
}

/// The first byte from here on that is no blank and no line end, or the end.
pub(super) fn blanks(bytes: &[u8], from: usize) -> usize {
    bytes.len() - bytes[from..].trim_ascii_start().len()
}

/// The line that begins here without its line end, and where the next one begins.
pub(super) fn line_at(bytes: &[u8], at: usize) -> (&[u8], usize) {
    let next = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |lf| at + lf + 1);
    let line = &bytes[at..next];
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    (line.strip_suffix(b"\r").unwrap_or(line), next)
}

/// The line that begins here, if it is short enough to begin a message.
pub(super) fn start_line(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let (line, next) = line_at(&bytes[..bytes.len().min(at + BLOCK)], at);
    (next < at + BLOCK || next == bytes.len()).then_some(line)
}

pub(super) fn sip_starts_at(bytes: &[u8], at: usize) -> bool {
    start_line(bytes, at).is_some_and(|line| is_start_line(line) && protocol_of(line) == Some(Protocol::Sip))
}
