//! What never leaves the host: header values masked before a batch is made.

mod credentials;
#[cfg(test)]
mod laws;

use memchr::{memchr, memchr_iter};
use serde::{Deserialize, Serialize};

use crate::frame::is_start_line;
use crate::name::is_token;
use credentials::Secret;

/// A range of the *masked* bytes that stands for `len_before` bytes of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mask {
    /// Where the replacement starts, from the start of the span's bytes as sent.
    pub at: u32,
    /// Bytes of the replacement.
    pub len: u32,
    /// Bytes it stands for.
    pub len_before: u32,
}

/// What is masked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Header names, in any case; the whole value is masked, but of credentials only what is secret.
    pub headers: Vec<String>,
}

impl Default for Rules {
    fn default() -> Self {
        let headers = [
            "Authorization",
            "Proxy-Authorization",
            "Authentication-Info",
            "Proxy-Authentication-Info",
            "Cookie",
            "Set-Cookie",
        ];
        Self { headers: headers.map(String::from).into() }
    }
}

const MASKED: &[u8] = b"~masked~";

/// Masks in each line `Name: value` with a name of `rules`, its folded lines included, what is secret in the value: of
/// credentials the secret parameters, of any other header all but the line end.
///
/// `bytes` are those of a record, whose header line of `head` bytes (line end included) is left alone, or of a fragment (`head` 0).
/// `cut`: they begin inside a line, as the head of a stream may; the name of that line stands where nobody looks, so all of
/// it is masked, unless it is a start line or shows a name of its own.
/// Every line is looked at, not only header blocks: a fragment has no block to find, and a record may hold several messages.
/// None where nothing is masked. A JSON log of headers is not looked into.
pub fn mask(bytes: &[u8], head: u32, cut: bool, rules: &Rules) -> Option<(Vec<u8>, Vec<Mask>)> {
    let first_letters = first_letters(rules);
    let (mut sent, mut masks) = (Vec::new(), Vec::new());
    let head = bytes.len().min(head as usize);
    let (mut copied, mut looked_at) = (0, 0);
    let starts = memchr_iter(b'\n', &bytes[head..]).map(|at| head + at + 1);
    for line in std::iter::once(head).chain(starts) {
        let Some(first) = bytes.get(line).filter(|_| line >= looked_at) else { continue };
        let named = || value_start(&bytes[line..], rules).map(|(at, secret)| (line + at, secret));
        let rest_of_a_value = cut && line == 0 && !is_whole(bytes, rules);
        let value = if rest_of_a_value {
            Some((0, Secret::Whole))
        } else {
            first_letters[usize::from(*first)].then(named).flatten()
        };
        if let Some((value, secret)) = value {
            let end = value_end(bytes, value);
            for range in secret.within(&bytes[value..end]) {
                sent.extend_from_slice(&bytes[copied..value + range.start]);
                masks.push(Mask { at: small(sent.len()), len: small(MASKED.len()), len_before: small(range.len()) });
                sent.extend_from_slice(MASKED);
                copied = value + range.end;
            }
            // Its folded lines are no lines of their own.
            looked_at = end;
        }
    }
    if masks.is_empty() {
        return None;
    }
    sent.extend_from_slice(&bytes[copied..]);
    Some((sent, masks))
}

/// Most lines are left behind by one look at their first byte.
fn first_letters(rules: &Rules) -> [bool; 256] {
    let mut letters = [false; 256];
    for first in rules.headers.iter().filter_map(|name| name.bytes().next()) {
        letters[usize::from(first.to_ascii_lowercase())] = true;
        letters[usize::from(first.to_ascii_uppercase())] = true;
    }
    letters
}

/// Where the value of one of the headers starts, blanks before it skipped, and what of it is secret.
fn value_start(line: &[u8], rules: &Rules) -> Option<(usize, Secret)> {
    rules.headers.iter().find_map(|name| {
        let (start, rest) = line.split_at_checked(name.len())?;
        // Cheap first: few lines have the end of a name right there.
        if !matches!(rest, [b':' | b' ' | b'\t', ..]) || !start.eq_ignore_ascii_case(name.as_bytes()) {
            return None;
        }
        let colon = name.len() + blanks(rest);
        let after = line.get(colon..)?.strip_prefix(b":")?;
        Some((colon + 1 + blanks(after), Secret::of(start)))
    })
}

/// Is the first line a start line or `Name: value`? What ends as a masked name does may be the rest of that name.
fn is_whole(bytes: &[u8], rules: &Rules) -> bool {
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii_end();
    if is_start_line(line) {
        return true;
    }
    let Some(colon) = memchr(b':', line) else { return false };
    let (name, after) = (line[..colon].trim_ascii_end(), line.get(colon + 1));
    let rest_of = |masked: &String| {
        let ends = masked.len().checked_sub(name.len()).and_then(|at| masked.as_bytes().get(at..));
        ends.is_some_and(|end| end.eq_ignore_ascii_case(name))
    };
    let is_named = is_token(name) && matches!(after, None | Some(b' ' | b'\t')) && !rules.headers.iter().any(rest_of);
    // `Sales: 2", response="66"` is the rest of a value that is cut between quotes.
    is_named && has_whole_quotes(&bytes[..value_end(bytes, 0)])
}

/// Does every quote that is opened end? One after a backslash is none.
fn has_whole_quotes(text: &[u8]) -> bool {
    let (mut is_open, mut is_escaped) = (false, false);
    for b in text {
        is_open ^= *b == b'"' && !is_escaped;
        is_escaped = *b == b'\\' && !is_escaped;
    }
    !is_open
}

/// Where the value ends: before the line end that no folded line follows.
fn value_end(bytes: &[u8], value: usize) -> usize {
    let mut at = value;
    loop {
        let Some(lf) = memchr(b'\n', &bytes[at..]).map(|found| at + found) else { return bytes.len() };
        if !matches!(bytes.get(lf + 1), Some(b' ' | b'\t')) {
            return if lf > value && bytes[lf - 1] == b'\r' { lf - 1 } else { lf };
        }
        at = lf + 1;
    }
}

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count()
}

/// A span of 4 GiB and more is not sent in one batch.
fn small(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(input: &str) -> String {
        masked_behind(input, 0)
    }

    fn masked_behind(input: &str, head: usize) -> String {
        mask(input.as_bytes(), head as u32, false, &Rules::default())
            .map_or("(as it was)".into(), |(sent, _)| String::from_utf8(sent).unwrap())
    }

    #[test]
    fn credentials_and_cookies_are_masked_and_their_line_ends_stay() {
        assert_eq!(
            masked(
                "REGISTER sip:example.com SIP/2.0\r\nAuthorization: Digest nc=1, response=\"b\"\r\nproxy-AUTHORIZATION :\tx\r\n\r\n"
            ),
            "REGISTER sip:example.com SIP/2.0\r\nAuthorization: Digest nc=1, response=\"~masked~\"\r\nproxy-AUTHORIZATION :\t~masked~\r\n\r\n"
        );
        assert_eq!(
            masked("HTTP/1.1 200 OK\nset-cookie:a=b\nCookie: c\n\n{}"),
            "HTTP/1.1 200 OK\nset-cookie:~masked~\nCookie: ~masked~\n\n{}"
        );
    }

    #[test]
    fn what_is_secret_of_a_folded_value_is_masked() {
        assert_eq!(
            masked("Authorization: Digest\r\n username=\"alice\",\r\n\tresponse=\"1\"\r\nVia: x\r\n"),
            "Authorization: Digest\r\n username=\"alice\",\r\n\tresponse=\"~masked~\"\r\nVia: x\r\n"
        );
        assert_eq!(masked("Authorization:\n Bearer\n a\nVia: x\n"), "Authorization:\n Bearer\n ~masked~\nVia: x\n");
        assert_eq!(masked("Cookie:\n a\n b\nVia: x\n"), "Cookie:~masked~\nVia: x\n");
        assert_eq!(masked("Cookie: a\n b"), "Cookie: ~masked~", "a fragment cut in a fold");
    }

    #[test]
    fn a_record_that_is_cut_within_a_parameter_shows_no_part_of_it() {
        for (cut, expect) in [
            ("Digest nc=1, response=\"66", "Digest nc=1, ~masked~"),
            ("Digest nc=1, response=66", "Digest nc=1, response=~masked~"),
            ("Digest nc=1, response=", "Digest nc=1, ~masked~"),
            ("Digest nc=1, user", "Digest nc=1, ~masked~"),
            ("Digest nc=1,\r\n username=\"a", "Digest nc=1,\r\n ~masked~"),
            ("Digest nc=1,\r", "(as it was)"),
            ("Diges", "~masked~"),
        ] {
            let expect = if expect.starts_with('(') { expect.to_owned() } else { format!("Authorization: {expect}") };
            assert_eq!(masked(&format!("Authorization: {cut}")), expect);
        }
    }

    #[test]
    fn a_second_message_of_the_record_is_masked_too() {
        assert_eq!(
            masked("GET / HTTP/1.1\r\nCookie: a\r\n\r\nHTTP/1.1 200 OK\r\nSet-Cookie: b\r\n\r\n"),
            "GET / HTTP/1.1\r\nCookie: ~masked~\r\n\r\nHTTP/1.1 200 OK\r\nSet-Cookie: ~masked~\r\n\r\n"
        );
    }

    #[test]
    fn the_header_line_is_left_alone() {
        let line = "Cookie: [2026-11-23 19:53:58][GET][a][b]\n";
        assert_eq!(masked_behind(&format!("{line}Cookie: a\n"), line.len()), format!("{line}Cookie: ~masked~\n"));
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        for input in [
            "",
            "Cookie",
            "Cookie:",
            "Cookie: \r\n",
            "Cookies: a\n",
            "X-Cookie: a\n",
            " Cookie: a\n",
            "Authorization-Info: a\n",
            "c\u{e9}: a\n",
            "INVITE sip:bob@example.com SIP/2.0\r\nContact: <sip:alice@192.0.2.1>\r\n\r\n",
        ] {
            assert_eq!(masked(input), "(as it was)", "{input:?}");
        }
    }

    fn masked_cut(input: &str) -> String {
        mask(input.as_bytes(), 0, true, &Rules::default())
            .map_or("(as it was)".into(), |(sent, _)| String::from_utf8(sent).unwrap())
    }

    #[test]
    fn the_rest_of_a_line_that_a_rotation_cut_is_masked() {
        for rest in [
            "ponse=\"6629\"",
            "YWxpY2U6",
            " nc=1,\r\n\tresponse=\"6629\"",
            "ation: Digest 1",
            ": a",
            "ie: a=b",
            "sip:a\", response=1",
            "Sales: 2\", response=\"6629\"",
            "Sales: 2\",\r\n username=\"\\\"\", response=6629",
        ] {
            let expect = "~masked~\r\nContent-Length: 0\r\n\r\n";
            assert_eq!(masked_cut(&format!("{rest}\r\nContent-Length: 0\r\n\r\n")), expect, "{rest}");
        }
        assert_eq!(masked_cut("secret"), "~masked~");
        assert_eq!(masked_cut("Cookie: a\nCookie: b\n"), "~masked~\nCookie: ~masked~\n");
    }

    #[test]
    fn a_whole_line_at_the_head_of_a_stream_stays() {
        for input in [
            "INVITE sip:bob@example.com SIP/2.0\r\nVia: x\r\n",
            "HTTP/1.1 200 OK\r\n",
            "Via: SIP/2.0/UDP 192.0.2.1\r\n",
            "X-Ticket: 7\n",
            "From: \"a \\\" b\" <sip:a>\n",
            "Subject:\n",
            "\r\nv=0\r\n",
        ] {
            assert_eq!(masked_cut(input), "(as it was)", "{input:?}");
        }
    }

    #[test]
    fn a_mask_tells_its_place_as_sent_and_its_length_in_the_file() {
        let (_, masks) = mask(b"Cookie: a\r\nVia: x\r\nCookie: abcdefghijkl\r\n", 0, false, &Rules::default()).unwrap();
        assert_eq!(masks, [Mask { at: 8, len: 8, len_before: 1 }, Mask { at: 34, len: 8, len_before: 12 }]);
    }

    #[test]
    fn bytes_that_are_no_text_are_masked_and_kept_alike() {
        let (sent, _) = mask(b"\xff\0\nCookie: \xff\0\xed\xa0\x80\n\xe9\n", 0, false, &Rules::default()).unwrap();
        assert_eq!(sent, b"\xff\0\nCookie: ~masked~\n\xe9\n");
    }

    #[test]
    fn more_headers_are_a_setting_and_a_misspelt_setting_is_an_error() {
        let rules: Rules = serde_json::from_str(r#"{"headers":["X-Api-Key",""]}"#).unwrap();
        assert_eq!(
            mask(b"x-api-key: 1\nCookie: 2\n", 0, false, &rules).unwrap().0,
            b"x-api-key: ~masked~\nCookie: 2\n"
        );
        assert!(serde_json::from_str::<Rules>(r#"{"header":[]}"#).is_err());
        assert_eq!(serde_json::from_str::<Rules>("{}").unwrap(), Rules::default());
    }
}
