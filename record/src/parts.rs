//! Where the messages within the bytes of one record end: HTTP messages and JSON values, or SIP messages.
//!
//! This is the one place that knows. Framing asks where a record ends, and has to do with what is not written yet; here
//! all bytes are there, and each of them belongs to one part.

mod head;
#[cfg(test)]
mod laws;
mod within;

use memchr::{memchr_iter, memmem};

pub use crate::frame::headers::Protocol;
use crate::frame::headers::{BodyLength, protocol_of};
use crate::frame::json::{self, Json, Scan};
use head::{Head, blanks, line_at, sip_starts_at};
pub use within::messages_within;

/// One message, or bytes that have no head of a protocol, as offsets into the bytes of the record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// None: bare bytes, such as JSON values.
    pub protocol: Option<Protocol>,
    /// Where its start line begins.
    pub start: usize,
    /// Where its body begins: behind the blank line. Of bare bytes the same as `start`.
    pub body: usize,
    /// Where it ends, and the next part may begin.
    pub end: usize,
}

/// A record holds a request and a response, perhaps an interim one between them.
const MOST_HTTP: usize = 8;
/// One read of a TCP connection may bring several.
const MOST_SIP: usize = 64;
/// How far the next response is looked for behind a message whose length does not tell.
const SEARCHED: usize = 1 << 20;

/// Takes the message of a record apart. What is left out between the parts, and at both ends, is blanks.
///
/// A SIP message is followed by another one only where its declared length ends exactly at a start line; else all that
/// follows is its own. A wrong length of an HTTP message does not hide the response behind it.
pub fn parts(message: &[u8]) -> Vec<Part> {
    let at = blanks(message, 0);
    if protocol_at(message, at) == Some(Protocol::Sip) { sip_parts(message, at) } else { http_parts(message, at) }
}

/// How many bytes stand for so many octets on the wire, if each LF was CRLF there. None where that is within a line
/// end, or where fewer are there.
pub fn len_of_octets(bytes: &[u8], octets: usize) -> Option<usize> {
    let (mut at, mut left) = (0, octets);
    for lf in memchr_iter(b'\n', bytes) {
        if lf - at >= left {
            break;
        }
        left = (left + at).checked_sub(lf + 2)?;
        at = lf + 1;
    }
    (left <= bytes.len() - at).then_some(at + left)
}

fn sip_parts(message: &[u8], mut start: usize) -> Vec<Part> {
    let mut parts = Vec::with_capacity(1);
    loop {
        let head = Head::read(message, start, Protocol::Sip, false);
        let next = head.ends(message).find(|end| sip_starts_at(message, *end)).filter(|_| parts.len() + 1 < MOST_SIP);
        let end = next.unwrap_or(message.len());
        parts.push(Part { protocol: Some(Protocol::Sip), start, body: head.body, end });
        match next {
            Some(next) => start = next,
            None => return parts,
        }
    }
}

fn http_parts(message: &[u8], mut start: usize) -> Vec<Part> {
    let mut parts = Vec::with_capacity(2);
    let mut left = MOST_HTTP;
    let mut answers_head = false;
    while start < message.len() {
        let (protocol, body, end) = if left == 0 {
            (None, start, message.len())
        } else if protocol_at(message, start) == Some(Protocol::Http) {
            left -= 1;
            let head = Head::read(message, start, Protocol::Http, answers_head);
            if !head.headers.is_response {
                answers_head = head.headers.is_head;
            }
            (Some(Protocol::Http), head.body, http_end(message, &head))
        } else {
            (None, start, bare_end(message, start))
        };
        parts.push(Part { protocol, start, body, end });
        start = blanks(message, end);
    }
    parts
}

/// The declared end, if a response or nothing follows it; else the next response, else the end of all.
fn http_end(message: &[u8], head: &Head) -> usize {
    if head.headers.body() == BodyLength::NoBody {
        return head.body;
    }
    let follows = |end: usize| blanks(message, end);
    let with_response = head.ends(message).find(|end| response_at(message, follows(*end)));
    // Where both ways of counting lead into blanks, the longer body has more of them.
    let with_nothing = || head.ends(message).filter(|end| follows(*end) == message.len()).last();
    with_response.or_else(with_nothing).unwrap_or_else(|| next_response(message, head.body))
}

/// JSON values one behind the other end where an HTTP message follows them; anything else ends with the next response.
fn bare_end(message: &[u8], start: usize) -> usize {
    let mut at = start;
    while json::begins(line_at(message, at).0) {
        let Scan::End(len) = Json::default().scan(&message[at..]) else { break };
        let end = at + len;
        at = blanks(message, end);
        if at == message.len() || protocol_at(message, at) == Some(Protocol::Http) {
            return end;
        }
    }
    next_response(message, at)
}

fn next_response(message: &[u8], from: usize) -> usize {
    if response_at(message, from) {
        return from;
    }
    let near = &message[from..message.len().min(from + SEARCHED)];
    let found = memmem::find_iter(near, b"\nHTTP/").map(|at| from + at + 1).find(|at| response_at(message, *at));
    found.unwrap_or(message.len())
}

fn response_at(message: &[u8], at: usize) -> bool {
    matches!(&message[at..], [b'H', b'T', b'T', b'P', b'/', digit, ..] if digit.is_ascii_digit())
}

fn protocol_at(message: &[u8], at: usize) -> Option<Protocol> {
    protocol_of(head::start_line(message, at)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(message: &str) -> String {
        let mut out = String::new();
        for part in parts(message.as_bytes()) {
            let protocol = part.protocol.map_or("bare".to_owned(), |protocol| format!("{protocol:?}"));
            let (head, body) = (&message[part.start..part.body], &message[part.body..part.end]);
            out.push_str(&format!("{protocol} {:?} {body:?}\n", head.lines().next().unwrap_or_default()));
        }
        out
    }

    #[test]
    fn a_request_and_its_response_are_told_apart() {
        insta::assert_snapshot!(drawn(
            "POST /v1/calls HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 201 Created\r\n\r\n{\"id\":1}\n"
        ), @r#"
        Http "POST /v1/calls HTTP/1.1" "{}"
        Http "HTTP/1.1 201 Created" "{\"id\":1}\n"
        "#);
    }

    #[test]
    fn a_wrong_length_does_not_hide_the_response() {
        insta::assert_snapshot!(drawn(
            "GET /a b HTTP/1.1\nContent-Length: 99\n\nx\nHTTP/1.1 100 Continue\n\nHTTP/2 200\n\nok"
        ), @r#"
        Http "GET /a b HTTP/1.1" "x\n"
        Http "HTTP/1.1 100 Continue" ""
        Http "HTTP/2 200" "ok"
        "#);
    }

    #[test]
    fn answers_that_have_no_body_have_none_whatever_they_declare() {
        insta::assert_snapshot!(drawn(
            "HEAD /a HTTP/1.1\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"a\":1}"
        ), @r#"
        Http "HEAD /a HTTP/1.1" ""
        Http "HTTP/1.1 103 Early Hints" ""
        Http "HTTP/1.1 200 OK" ""
        bare "" "{\"a\":1}"
        "#);
        assert_eq!(
            drawn("HTTP/1.1 304 Not Modified\nContent-Length: 9\n\n"),
            "Http \"HTTP/1.1 304 Not Modified\" \"\"\n"
        );
    }

    #[test]
    fn json_values_stay_together_until_a_message_of_http() {
        insta::assert_snapshot!(drawn("{\"a\": 1}\n{\"b\": 2}"), @r#"bare "" "{\"a\": 1}\n{\"b\": 2}""#);
        insta::assert_snapshot!(drawn("{\"a\": \"\u{7d}\"}\n\nHTTP/1.1 200 OK\n\n{}\n"), @r#"
        bare "" "{\"a\": \"}\"}"
        Http "HTTP/1.1 200 OK" "{}\n"
        "#);
        assert_eq!(drawn(" \r\n"), "");
    }

    const INVITE: &str = "INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: a\r\nContent-Length: 5\r\n\r\nv=0\r\n";
    const OK: &str = "SIP/2.0 200 OK\r\nl: 0\r\n\r\n";

    #[test]
    fn a_sip_message_that_ends_at_a_start_line_is_followed_by_another() {
        insta::assert_snapshot!(drawn(&format!("{OK}{INVITE}{OK}\r\n")), @r#"
        Sip "SIP/2.0 200 OK" ""
        Sip "INVITE sip:bob@example.com SIP/2.0" "v=0\r\n"
        Sip "SIP/2.0 200 OK" "\r\n"
        "#);
    }

    #[test]
    fn what_follows_a_length_that_ends_elsewhere_is_of_the_same_message() {
        for (from, to) in [("Length: 5", "Length: 4"), ("Length: 5", "Length: 6"), ("Content-Length: 5", "x: y")] {
            let text = format!("{}{OK}", INVITE.replace(from, to));
            assert_eq!(parts(text.as_bytes()).len(), 1, "{to}");
        }
        assert_eq!(parts(format!("{OK}we speak SIP/2.0 here\r\n{OK}").as_bytes()).len(), 1, "no start line");
        assert_eq!(parts(format!("{OK}\r\n{OK}").as_bytes()).len(), 1, "blank lines of their own");
    }

    #[test]
    fn behind_bare_lf_both_ways_of_counting_may_fit() {
        let message = |length: usize| format!("INFO sip:b@a SIP/2.0\nl: {length}\n\na\nb\n");
        for length in [4, 6] {
            let text = format!("{}{}", message(length), OK.replace('\r', ""));
            assert_eq!(parts(text.as_bytes()).len(), 2, "{length}");
        }
        assert_eq!(parts(format!("{}{OK}", message(5)).as_bytes()).len(), 1);
        let post = "POST /a HTTP/1.1\nContent-Length: 6\n\na\nb\nHTTP/1.1 200 OK\n\n";
        assert_eq!(parts(post.as_bytes()).iter().map(|part| part.end).collect::<Vec<_>>(), [40, 57]);
    }

    #[test]
    fn no_more_messages_are_told_apart_than_a_record_holds() {
        let sip = parts(OK.repeat(100).as_bytes());
        assert_eq!((sip.len(), sip[63].end), (64, 100 * OK.len()));
        let http = parts("HTTP/1.1 200 OK\n\n".repeat(100).as_bytes());
        assert_eq!((http.len(), http[8].protocol, http[8].end), (9, None, 1700));
    }
}
