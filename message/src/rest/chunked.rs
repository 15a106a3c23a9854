//! Bodies in chunks (RFC 9112, 7.1), as loggers write them: with CRLF or LF, cut off, or decoded already.

use std::borrow::Cow;

use memchr::memchr;
use record::parts;

/// The content of a body that was sent in chunks: extensions and trailers are left out, and of a chunk that is cut off
/// what is there is taken. A body that does not begin with a chunk was logged decoded, and is given as it is.
///
/// Never longer than the body.
pub(super) fn content(body: &[u8]) -> Cow<'_, [u8]> {
    let Some((mut size, mut rest)) = head(body) else { return Cow::Borrowed(body) };
    let mut content = Vec::new();
    while size > 0 {
        let len = data_len(rest, size);
        content.extend_from_slice(&rest[..len]);
        rest = behind_line_end(&rest[len..]).unwrap_or_default();
        match head(rest) {
            Some(next) => (size, rest) = next,
            None => break,
        }
    }
    Cow::Owned(content)
}

/// The size of a chunk and what stands behind its line.
fn head(text: &[u8]) -> Option<(usize, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let size = usize::from_str_radix(std::str::from_utf8(&text[..digits]).ok()?, 16).ok()?;
    let blanks = text[digits..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let rest = &text[digits + blanks..];
    match rest.first() {
        Some(b';') => Some((size, memchr(b'\n', rest).map_or(&[][..], |lf| &rest[lf + 1..]))),
        Some(_) => Some((size, behind_line_end(rest)?)),
        None => Some((size, rest)),
    }
}

/// The bytes that are there of so many octets. Where no line ends behind them, each LF stands for CRLF.
fn data_len(rest: &[u8], size: usize) -> usize {
    let ends = |len: &usize| *len == rest.len() || behind_line_end(&rest[*len..]).is_some();
    let one = size.min(rest.len());
    let exact = size <= rest.len() && ends(&one) && head_follows(&rest[one..]);
    if exact {
        return one;
    }
    let two = parts::len_of_octets(rest, size);
    two.filter(|len| ends(len) && head_follows(&rest[*len..])).unwrap_or(one)
}

/// A line end, and then another chunk or nothing.
fn head_follows(rest: &[u8]) -> bool {
    behind_line_end(rest).is_none_or(|next| next.is_empty() || head(next).is_some())
}

fn behind_line_end(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"\r\n").or_else(|| text.strip_prefix(b"\n"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(body: &str, expect: &str) {
        assert_eq!(String::from_utf8_lossy(&content(body.as_bytes())), expect, "{body:?}");
    }

    #[test]
    fn chunks_are_put_together() {
        check("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world");
        check("5;name=\"a b\"\r\nhello\r\nB\r\n{\"a\":12345}\r\n0;x\r\nTrailer: 7\r\n\r\n", "hello{\"a\":12345}");
        check("000a \r\n0123456789\r\n00\r\n", "0123456789");
        check("0\r\n\r\n", "");
    }

    #[test]
    fn chunks_may_be_logged_with_bare_lf() {
        check("5\nhello\n6\n world\n0\n\n", "hello world");
        // Two octets for each LF of the data.
        check("1d\n{\"data\":{\"callId\":\"c39@a\"}}\n\n0\n\n", "{\"data\":{\"callId\":\"c39@a\"}}\n");
        check("7\na\nbc\n\n1\nx\n0\n\n", "a\nbc\nx");
    }

    #[test]
    fn of_a_body_that_is_cut_off_what_is_there_is_taken() {
        check("5\r\nhello\r\nff\r\n wor", "hello wor");
        check("5\r\nhello\r\nff", "hello");
        check("5\r\nhello", "hello");
        check("5", "");
        check("3\r\nhello\r\n0\r\n\r\n", "hel");
        check("ffffffffffffffff\r\nhello", "hello");
    }

    #[test]
    fn a_body_that_was_logged_decoded_is_as_it_is() {
        for body in ["{\"callId\":\"a\"}", "", "hello", "12 monkeys", "ffffffffffffffffff\r\nx", "\r\n5\r\nhello"] {
            check(body, body);
        }
    }

    proptest! {
        #[test]
        fn what_was_sent_in_chunks_comes_back(chunks in prop::collection::vec("[a-z{}\":]{1,20}", 0..8), lf in any::<bool>()) {
            let eol = if lf { "\n" } else { "\r\n" };
            let sent: Vec<_> = chunks.iter().map(|chunk| format!("{:X}{eol}{chunk}{eol}", chunk.len())).collect();
            let sent = sent.concat();
            check(&format!("{sent}0{eol}{eol}"), &chunks.concat());
        }

        #[test]
        fn content_is_never_longer_than_its_body(body in "([0-9a-f]{1,2}|\r?\n|[a-z;]){0,20}") {
            prop_assert!(content(body.as_bytes()).len() <= body.len());
        }
    }
}
