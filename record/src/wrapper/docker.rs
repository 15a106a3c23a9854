//! Docker's json-file: a JSON object a line, its `log` a line of the program with its line end, or 16 KiB of a longer one.

use std::ops::Range;

use memchr::{memchr, memchr2, memmem};

use super::sink::Sink;
use super::{Entry, Output};

/// What stands in an object is passed over as deep as this.
const DEEPEST: usize = 64;

/// The entry of a line; none where it is no such object.
pub(super) fn entry(line: &[u8]) -> Option<Entry<'_>> {
    let (mut log, mut output) = (None, None);
    let mut at = blanks(line, 0);
    if line.get(at) != Some(&b'{') {
        return None;
    }
    at = blanks(line, at + 1);
    loop {
        let key = quoted(line, at)?;
        at = blanks(line, key.end + 1);
        if line.get(at) != Some(&b':') {
            return None;
        }
        at = blanks(line, at + 1);
        match &line[key] {
            b"log" => {
                let value = quoted(line, at)?;
                at = value.end + 1;
                log = Some(value);
            }
            b"stream" => {
                let value = quoted(line, at)?;
                at = value.end + 1;
                output = Output::of(&line[value]);
            }
            _ => at = value(line, at, 0)?,
        }
        at = blanks(line, at);
        match line.get(at)? {
            b',' => at = blanks(line, at + 1),
            b'}' => break,
            _ => return None,
        }
    }
    let log = log.filter(|_| blanks(line, at + 1) == line.len())?;
    // What has no output is of one: other writers of this form have one only.
    Some(Entry { output: output.unwrap_or(Output::Stdout), at: log.start, text: &line[log], ends: false })
}

/// A line that says by which output it came: what looks like it by chance does not.
pub(super) fn is_entry(line: &[u8]) -> bool {
    entry(line).is_some() && memmem::find(line, b"\"stream\"").is_some()
}

/// Where the string that goes on at `at` ends: at its closing quote.
pub(super) fn string(line: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', line.get(at..)?)?;
        if line[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// The text of a string, as it stands in the file, ends with a line end.
pub(super) fn ends(text: &[u8]) -> bool {
    let Some(before) = text.strip_suffix(b"n") else { return text.ends_with(b"\\u000a") || text.ends_with(b"\\u000A") };
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Gives the text of a string that stands at `from` in its line.
pub(super) fn decode(text: &[u8], from: usize, to: &mut Sink<'_>) {
    let mut at = 0;
    while to.stopped().is_none() {
        let Some(escape) = memchr(b'\\', &text[at..]).map(|more| at + more) else { break };
        to.plain(from + at, &text[at..escape]);
        let simple = match text.get(escape + 1) {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
            Some(b'u') => {
                at = unicode(text, escape, from, to);
                continue;
            }
            // No JSON: it stays as it is.
            _ => {
                let end = text.len().min(escape + 2);
                to.plain(from + escape, &text[escape..end]);
                at = end;
                continue;
            }
        };
        to.escaped(from + escape, &[simple]);
        at = escape + 2;
    }
    to.plain(from + at, &text[at..]);
}

/// Gives a character that is written as `\u00e9` or as two surrogates, and says where it ends.
fn unicode(text: &[u8], at: usize, from: usize, to: &mut Sink<'_>) -> usize {
    let Some(first) = hex(text, at) else {
        to.plain(from + at, &text[at..at + 2]);
        return at + 2;
    };
    let second = (0xd800..0xdc00).contains(&first).then(|| hex(text, at + 6)).flatten();
    let second = second.filter(|unit| (0xdc00..0xe000).contains(unit));
    let code = second.map_or(first, |second| 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
    let mut room = [0; 4];
    to.escaped(from + at, utf8(code, &mut room));
    at + if second.is_some() { 12 } else { 6 }
}

/// UTF-8 of a code point. A surrogate without its other half keeps its value, in three bytes: nothing is lost.
pub(super) fn utf8(code: u32, room: &mut [u8; 4]) -> &[u8] {
    match char::from_u32(code) {
        Some(char) => char.encode_utf8(room).as_bytes(),
        None => {
            let low = |bits: u32| 0x80 | (bits & 0x3f) as u8;
            room[..3].copy_from_slice(&[0xe0 | (code >> 12) as u8, low(code >> 6), low(code)]);
            &room[..3]
        }
    }
}

fn hex(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let digit = |value: u32, byte: &u8| Some(value << 4 | char::from(*byte).to_digit(16)?);
    digits.iter().try_fold(0, digit)
}

/// What stands between the quotes of a string that begins here.
fn quoted(line: &[u8], at: usize) -> Option<Range<usize>> {
    if line.get(at) != Some(&b'"') {
        return None;
    }
    Some(at + 1..string(line, at + 1)?)
}

/// Where a value ends that is not looked at.
fn value(line: &[u8], at: usize, depth: usize) -> Option<usize> {
    match line.get(at)? {
        b'"' => Some(quoted(line, at)?.end + 1),
        b'{' | b'[' if depth < DEEPEST => {
            let mut at = at + 1;
            loop {
                match line.get(at)? {
                    b'}' | b']' => return Some(at + 1),
                    b',' | b':' | b' ' | b'\t' => at += 1,
                    _ => at = value(line, at, depth + 1)?,
                }
            }
        }
        _ => {
            let rest = &line[at..];
            let len = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
            (len > 0).then_some(at + len)
        }
    }
}

fn blanks(line: &[u8], at: usize) -> usize {
    let rest = line.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}
