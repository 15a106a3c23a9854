//! Messages one behind the other: HTTP requests and responses with their bodies, JSON values between them.

use memchr::memmem;

use crate::sip::{Headers, Name, is_token};

/// An HTTP message within a record.
#[derive(Clone, Debug)]
pub struct Http<'a> {
    pub start: HttpStart<'a>,
    /// Ranges in it count from the start of this message.
    pub headers: Headers<'a>,
    pub body: &'a [u8],
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
    /// From here on the bytes are those of a body without a head: JSON values, or something else.
    Bare(&'a [u8]),
}

/// A record holds a request and a response, perhaps an interim one between them.
const MOST: usize = 8;
/// How far the next message is looked for behind one without a usable length.
const SEARCHED: usize = 1 << 20;

/// Takes the message of a record apart: HTTP messages, and what has no head of HTTP behind them or alone. Bytes left
/// out are blanks; behind the eighth message the rest is.
pub fn parts(bytes: &[u8]) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while !rest[..rest.len().min(SEARCHED)].trim_ascii_start().is_empty() && parts.len() < MOST {
        let Some((start, headers)) = head(rest) else {
            parts.push(Part::Bare(rest));
            break;
        };
        let body = headers.body();
        let len = body_len(headers.clone(), &rest[body.start..]);
        let end = body.start + len;
        parts.push(Part::Http(Http { start, headers, body: &rest[body.start..end] }));
        rest = &rest[end..];
    }
    parts
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

/// The declared length if another message or nothing follows it, else up to the next response, else all.
fn body_len(headers: Headers<'_>, rest: &[u8]) -> usize {
    let declared = headers
        .filter(|header| header.known() == Some(Name::ContentLength))
        .find_map(|header| header.value().parse::<usize>().ok());
    if let Some(declared) = declared.filter(|len| *len <= rest.len()) {
        let behind = rest[declared..rest.len().min(declared.saturating_add(SEARCHED))].trim_ascii_start();
        if behind.is_empty() || behind.starts_with(b"HTTP/") {
            return declared;
        }
    }
    if rest.starts_with(b"HTTP/") {
        return 0;
    }
    memmem::find(&rest[..rest.len().min(SEARCHED)], b"\nHTTP/").map_or(rest.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sip::text;

    const LINES: [&str; 10] = [
        "POST /v1 HTTP/1.1\r\n",
        "HTTP/1.1 200 OK\n",
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
                Part::Http(http) => out.push_str(&format!("{:?} {:?}\n", http.start, text(http.body))),
                Part::Bare(bytes) => out.push_str(&format!("bare {:?}\n", text(bytes))),
            }
        }
        out
    }

    #[test]
    fn a_request_and_its_response_are_told_apart() {
        insta::assert_snapshot!(drawn(
            "POST /v1/calls HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 201 Created\r\n\r\n{\"id\":1}\n"
        ), @r#"
        Request { method: "POST", target: "/v1/calls" } "{}"
        Response { status: 201, reason: "Created" } "{\"id\":1}\n"
        "#);
    }

    #[test]
    fn a_wrong_length_does_not_hide_the_response() {
        insta::assert_snapshot!(drawn(
            "GET /a b HTTP/1.1\nContent-Length: 99\n\nx\nHTTP/1.1 100 Continue\n\nHTTP/2 200\n\nok"
        ), @r#"
        Request { method: "GET", target: "/a b" } "x\n"
        Response { status: 100, reason: "Continue" } ""
        Response { status: 200, reason: "" } "ok"
        "#);
    }

    #[test]
    fn what_has_no_head_is_a_body() {
        insta::assert_snapshot!(drawn("{\"a\": 1}\n{\"b\": 2}"), @r#"bare "{\"a\": 1}\n{\"b\": 2}""#);
        assert_eq!(drawn(" \r\n"), "");
    }

    proptest! {
        #[test]
        fn parts_leave_nothing_out_but_blanks_at_the_end(
            lines in prop::collection::vec(prop::sample::select(LINES.to_vec()), 0..12),
        ) {
            let text = lines.concat();
            let parts = parts(text.as_bytes());
            let mut at = 0;
            for part in &parts {
                let (head, body) = match part {
                    Part::Http(http) => (http.headers.body().start, http.body),
                    Part::Bare(bytes) => (0, *bytes),
                };
                prop_assert!(text.as_bytes()[at + head..].starts_with(body), "it stands right behind what was before it");
                at += head + body.len();
            }
            prop_assert!(text[at..].trim_ascii().is_empty() || parts.len() == MOST);
        }
    }
}
