//! Syslog daemons write a control character as `#` and three octal digits: `#012` is LF, `#015` is CR.
//!
//! They do not mark a `#` that was there, so only what text logs hold is taken for one: TAB, LF, CR and ESC. `#021#`
//! may be what somebody dialled.

use memchr::memchr_iter;

use super::sink::Sink;

const ESCAPE: usize = 4;

/// Gives a line with its control characters.
pub(super) fn decode(line: &[u8], to: &mut Sink<'_>) {
    let mut from = 0;
    for at in memchr_iter(b'#', line) {
        let Some(byte) = control(&line[at..]) else { continue };
        to.plain(from, &line[from..at]);
        to.escaped(at, &[byte]);
        from = at + ESCAPE;
    }
    to.plain(from, &line[from..]);
}

fn control(text: &[u8]) -> Option<u8> {
    match text.get(1..ESCAPE)? {
        b"011" => Some(b'\t'),
        b"012" => Some(b'\n'),
        b"015" => Some(b'\r'),
        b"033" => Some(0x1b),
        _ => None,
    }
}

/// A piece of a long line, no escape in it cut.
pub(super) fn whole(piece: &[u8]) -> &[u8] {
    let last = piece.len().saturating_sub(ESCAPE - 1);
    let cut = piece[last..].iter().position(|byte| *byte == b'#').filter(|at| last + at > 0);
    &piece[..cut.map_or(piece.len(), |at| last + at)]
}
