//! Lines of the container runtime interface: `2026-11-20T10:00:00.1Z stdout F text`. `P` is a part of a line that goes on.

use memchr::memchr;

use super::{Entry, Output};

/// A time, an output and tags take no more than this.
const HEAD: usize = 128;

/// The entry of a line; none where it is no such line.
pub(super) fn entry(line: &[u8]) -> Option<Entry<'_>> {
    let near = &line[..line.len().min(HEAD)];
    let time = memchr(b' ', near)?;
    if !is_time(&near[..time]) {
        return None;
    }
    let output = time + 1 + memchr(b' ', &near[time + 1..])?;
    let tags = near[output + 1..].iter().position(|byte| b" \r\n".contains(byte))? + output + 1;
    let ends = match near[output + 1..tags].split(|byte| *byte == b':').next()? {
        b"F" => true,
        b"P" => false,
        _ => return None,
    };
    // An empty line may have lost its blank.
    let at = tags + usize::from(line[tags] == b' ');
    Some(Entry { output: Output::of(&near[time + 1..output])?, at, text: text(&line[at..], ends), ends })
}

/// Of the rest of a line: its end is one of the text, or the runtime's.
pub(super) fn text(rest: &[u8], ends: bool) -> &[u8] {
    if ends { rest } else { rest.strip_suffix(b"\n").unwrap_or(rest) }
}

/// RFC 3339: `2026-11-20T10:00:00.123456789Z`, `…+09:00`.
fn is_time(text: &[u8]) -> bool {
    let (Some(date), Some(rest)) = (text.get(..19), text.get(19..)) else { return false };
    let shape = date.iter().zip(b"0000-00-00T00:00:00").all(|(byte, like)| match like {
        b'0' => byte.is_ascii_digit(),
        like => byte == like,
    });
    let fraction =
        rest.strip_prefix(b".").map_or(0, |digits| 1 + digits.iter().take_while(|byte| byte.is_ascii_digit()).count());
    shape
        && match &rest[fraction..] {
            b"Z" => true,
            [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].iter().all(|byte| byte.is_ascii_digit()),
            _ => false,
        }
}
