//! Messages one behind the other: HTTP requests and responses with their bodies, JSON values between them.

use std::borrow::Cow;

use record::parts::Protocol;

use super::chunked;
use crate::sip::{Headers, is_token};

/// An HTTP message within a record.
#[derive(Clone, Debug)]
pub struct Http<'a> {
    pub start: HttpStart<'a>,
    /// Ranges in it count from the start of this message.
    pub headers: Headers<'a>,
    /// Decoded where it was sent in chunks.
    pub body: Cow<'a, [u8]>,
    /// Where the body begins, from the start of the record's message.
    pub at: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HttpStart<'a> {
    Request { method: &'a str, target: &'a str },
    Response { status: u16, reason: &'a str },
}

/// What stands in a record, in order.
#[derive(Clone, Debug)]
pub enum Part<'a> {
    Http(Http<'a>),
    /// A body without a head: JSON values, or something else.
    Bare {
        body: &'a [u8],
        at: usize,
    },
}

/// Takes the message of a record apart, where `record::parts` says that its messages end. Bytes left out are blanks.
pub fn parts(bytes: &[u8]) -> Vec<Part<'_>> {
    let read = |part: record::parts::Part| {
        let text = &bytes[part.start..part.end];
        let http = (part.protocol == Some(Protocol::Http)).then(|| head(text)).flatten();
        match http {
            Some((start, headers)) => {
                let body = &bytes[part.body..part.end];
                let body = if is_chunked(headers.clone()) { chunked::content(body) } else { Cow::Borrowed(body) };
                Part::Http(Http { start, headers, body, at: part.body })
            }
            None => Part::Bare { body: text, at: part.start },
        }
    };
    record::parts::parts(bytes).into_iter().map(read).collect()
}

fn is_chunked(mut headers: Headers<'_>) -> bool {
    headers.any(|header| {
        header.name_bytes().eq_ignore_ascii_case(b"transfer-encoding")
            && header.value().split(',').any(|coding| coding.trim().eq_ignore_ascii_case("chunked"))
    })
}

/// The start line and headers of an HTTP message, if the bytes begin with one.
fn head(bytes: &[u8]) -> Option<(HttpStart<'_>, Headers<'_>)> {
    let headers = Headers::of(bytes);
    let line = std::str::from_utf8(bytes.get(headers.start_line())?).ok()?.trim();
    let start = if is_version(line) {
        let mut words = line.splitn(3, ' ').skip(1);
        let status = words.next()?.parse().ok().filter(|status| (100..600).contains(status))?;
        HttpStart::Response { status, reason: words.next().unwrap_or("").trim() }
    } else {
        let (method, rest) = line.split_once(' ')?;
        let (target, version) = rest.rsplit_once(' ')?;
        if !is_version(version) || !is_token(method.as_bytes()) {
            return None;
        }
        HttpStart::Request { method, target: target.trim() }
    };
    Some((start, headers))
}

fn is_version(text: &str) -> bool {
    text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("HTTP/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sip::text;

    const LINES: [&str; 11] = [
        "POST /v1 HTTP/1.1\r\n",
        "HTTP/1.1 200 OK\n",
        "HTTP/1.1 999 No\n",
        "Content-Length: 3\r\n",
        "Content-Length: 7\n",
        "\r\n",
        "\n",
        "abc",
        "{\"a\":1}",
        " \n",
        "a: \u{e9}\r\n",
    ];

    fn drawn(bytes: &str) -> String {
        let mut out = String::new();
        for part in parts(bytes.as_bytes()) {
            match part {
                Part::Http(http) => out.push_str(&format!("{:?} {:?}\n", http.start, text(&http.body))),
                Part::Bare { body, .. } => out.push_str(&format!("bare {:?}\n", text(body))),
            }
        }
        out
    }

    #[test]
    fn start_lines_are_read_however_they_are_spaced() {
        insta::assert_snapshot!(drawn(
            "GET /a b HTTP/1.1\nContent-Length: 99\n\nx\nHTTP/1.1 100 Continue\n\nHTTP/2 200\n\nok"
        ), @r#"
        Request { method: "GET", target: "/a b" } "x\n"
        Response { status: 100, reason: "Continue" } ""
        Response { status: 200, reason: "" } "ok"
        "#);
    }

    #[test]
    fn a_body_in_chunks_is_decoded() {
        insta::assert_snapshot!(drawn(
            "POST /a HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n2\r\n"
        ), @r#"
        Request { method: "POST", target: "/a" } "{}"
        Response { status: 200, reason: "OK" } "2\r\n"
        "#);
    }

    #[test]
    fn what_has_no_head_of_http_is_bare() {
        insta::assert_snapshot!(drawn("{\"a\": 1}\n{\"b\": 2}"), @r#"bare "{\"a\": 1}\n{\"b\": 2}""#);
        insta::assert_snapshot!(drawn("HTTP/1.1 1 x\n\n{}"), @r#"bare "HTTP/1.1 1 x\n\n{}""#);
        insta::assert_snapshot!(drawn("BYE sip:bob@example.com SIP/2.0\r\n\r\n"), @r#"bare "BYE sip:bob@example.com SIP/2.0\r\n\r\n""#);
        assert_eq!(drawn(" \r\n"), "");
    }

    proptest! {
        /// `record` and the walk over headers here agree on where a body begins.
        #[test]
        fn a_body_begins_behind_the_headers(lines in prop::collection::vec(prop::sample::select(LINES.to_vec()), 0..12)) {
            for part in parts(lines.concat().as_bytes()) {
                if let Part::Http(http) = part {
                    let whole = http.headers.body();
                    prop_assert_eq!(whole.len(), http.body.len());
                }
            }
        }
    }
}
