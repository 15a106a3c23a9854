//! The header block of a SIP or HTTP message, a line at a time: only its declared length matters here.

use super::known::is_blank;
use crate::name::{Name, is_token};

/// SIP reads `l:` too (RFC 3261, 20.14).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    Sip,
    Http,
}

/// Beyond this a length is a mistake, whatever follows.
const HUGE: u64 = 1 << 30;

/// What the lines so far declare.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Declared {
    #[default]
    Nothing,
    Length(u64),
    /// Invalid, negative, huge or contradictory.
    Unusable,
}

/// What the grammar says of a body, once all header lines are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyLength {
    /// Octets that were declared.
    Declared(u64),
    /// HTTP: 1xx, 204, 304 and the answer to HEAD have none, whatever they declare (RFC 9110, 6.4.1 and 8.6).
    NoBody,
    /// Nothing is declared, or the body is chunked: what follows tells.
    Open,
    /// What is declared is invalid, negative, huge or contradictory.
    Unusable,
}

#[derive(Clone, Copy, Debug)]
pub struct Headers {
    pub protocol: Protocol,
    /// The start line ended in a bare LF, so each LF of the body stands for CRLF.
    pub bare_lf: bool,
    pub declared: Declared,
    /// It is a response that has no body.
    no_body: bool,
    /// It is a request of method HEAD: its answer has no body.
    pub is_head: bool,
    pub is_response: bool,
    /// Transfer-Encoding stands above a length (RFC 9112, 6.3).
    chunked: bool,
    /// The line before named a length and gave none yet: the value is folded.
    folded: bool,
    /// The line before was a length header.
    on_length: bool,
}

impl Headers {
    /// From the start line on. `answers_head`: the request before it in the same record was a HEAD.
    pub fn new(protocol: Protocol, start: &[u8], bare_lf: bool, answers_head: bool) -> Self {
        let is_http = protocol == Protocol::Http;
        let is_response = starts(start, if is_http { b"HTTP/" } else { b"SIP/" });
        Self {
            protocol,
            bare_lf,
            declared: Declared::Nothing,
            no_body: is_http && is_response && (answers_head || has_bodiless_status(start)),
            is_head: is_http && start.starts_with(b"HEAD "),
            is_response,
            chunked: false,
            folded: false,
            on_length: false,
        }
    }

    /// What the lines so far say of the body.
    pub fn body(&self) -> BodyLength {
        match self.declared {
            _ if self.no_body => BodyLength::NoBody,
            _ if self.chunked => BodyLength::Open,
            Declared::Length(length) => BodyLength::Declared(length),
            Declared::Nothing => BodyLength::Open,
            Declared::Unusable => BodyLength::Unusable,
        }
    }

    /// Takes a header line without its line end.
    pub fn line(&mut self, line: &[u8]) {
        if line.first().is_some_and(|b| is_blank(*b)) {
            self.continuation(line.trim_ascii());
            return;
        }
        if std::mem::take(&mut self.folded) {
            self.declared = Declared::Unusable;
        }
        self.on_length = false;
        // Of the others nothing is asked.
        if !matches!(line, [b'c' | b'C' | b'l' | b'L' | b't' | b'T', ..]) {
            return;
        }
        let Some(colon) = memchr::memchr(b':', &line[..line.len().min(64)]) else { return };
        let name = line[..colon].trim_ascii_end();
        let compact = self.protocol == Protocol::Sip && name.eq_ignore_ascii_case(b"l");
        if compact || name.eq_ignore_ascii_case(b"content-length") {
            self.on_length = true;
            self.value(line[colon + 1..].trim_ascii());
        } else if self.protocol == Protocol::Http && name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = true;
        }
    }

    /// The blank line: what stands now counts.
    pub fn end(&mut self) {
        if std::mem::take(&mut self.folded) {
            self.declared = Declared::Unusable;
        }
    }

    fn continuation(&mut self, text: &[u8]) {
        if std::mem::take(&mut self.folded) {
            self.value(text);
        } else if self.on_length && !text.is_empty() {
            self.declared = Declared::Unusable;
        }
    }

    fn value(&mut self, text: &[u8]) {
        if text.is_empty() {
            self.folded = true;
            return;
        }
        let length = std::str::from_utf8(text)
            .ok()
            .filter(|t| t.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|t| t.parse().ok());
        let length = length.filter(|n: &u64| *n <= HUGE);
        self.declared = match (self.declared, length) {
            (Declared::Nothing, Some(n)) => Declared::Length(n),
            (Declared::Length(old), Some(n)) if old == n => Declared::Length(n),
            _ => Declared::Unusable,
        };
    }
}

fn has_bodiless_status(start: &[u8]) -> bool {
    let status = start.split(|b| *b == b' ').nth(1).unwrap_or_default();
    matches!(status, [b'1', _, _] | b"204" | b"304") && status.iter().all(u8::is_ascii_digit)
}

/// What a first line says a message is.
pub fn protocol_of(line: &[u8]) -> Option<Protocol> {
    let tail = &line[line.len().saturating_sub(12)..];
    if starts(line, b"SIP/") || ends_with_version(tail, b" SIP/") {
        return Some(Protocol::Sip);
    }
    (starts(line, b"HTTP/") || ends_with_version(tail, b" HTTP/")).then_some(Protocol::Http)
}

/// Is it a start line and nothing else, though it looks like noise? `INFO sip:bob@example.com SIP/2.0` is.
pub fn is_start_line(line: &[u8]) -> bool {
    if protocol_of(line).is_none() {
        return false;
    }
    let mut words = line.trim_ascii_end().split(|b| *b == b' ');
    let (method, uri, version) = (words.next().unwrap_or_default(), words.next(), words.next());
    let is_request = version.is_some() && words.next().is_none();
    starts(method, b"SIP/")
        || starts(method, b"HTTP/")
        || (is_request && is_token(method) && uri.is_some_and(|uri| uri.iter().any(|b| b":/*".contains(b))))
}

/// Is it a header line, though it looks like noise? `Warning: 399 …` is; `WARNING:` is how loggers write.
pub fn is_header_line(line: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', &line[..line.len().min(64)]) else { return false };
    let name = line[..colon].trim_ascii_end();
    Name::of(name).is_some_and(|known| name == known.text().as_bytes() || !name.iter().any(u8::is_ascii_uppercase))
}

fn starts(line: &[u8], with: &[u8]) -> bool {
    line.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
        && line.get(with.len()).is_some_and(u8::is_ascii_digit)
}

/// ` SIP/2.0`, ` HTTP/1.1`, ` HTTP/2` at the end, trailing blanks allowed.
fn ends_with_version(tail: &[u8], mark: &[u8]) -> bool {
    let tail = tail.trim_ascii_end();
    let Some(at) = tail.windows(mark.len()).rposition(|w| w.eq_ignore_ascii_case(mark)) else { return false };
    let version = &tail[at + mark.len()..];
    !version.is_empty() && version.iter().all(|b| b.is_ascii_digit() || *b == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(lines: &[&str]) -> Declared {
        let mut headers = Headers::new(Protocol::Sip, b"BYE sip:a SIP/2.0", false, false);
        for line in lines {
            headers.line(line.as_bytes());
        }
        headers.end();
        headers.declared
    }

    #[test]
    fn a13_compact_folded_and_equal_lengths_are_honoured_the_rest_is_not() {
        assert_eq!(declared(&["l: 142"]), Declared::Length(142));
        assert_eq!(declared(&["Content-Length:   154  "]), Declared::Length(154));
        assert_eq!(declared(&["CONTENT-LENGTH :", "\t 7"]), Declared::Length(7));
        assert_eq!(declared(&["Content-Length: 7", "l: 7"]), Declared::Length(7));
        assert_eq!(declared(&["Content-Length: 7", "l: 8"]), Declared::Unusable);
        assert_eq!(declared(&["Content-Length: -1"]), Declared::Unusable);
        assert_eq!(declared(&["Content-Length: 99999999999999999999"]), Declared::Unusable);
        assert_eq!(declared(&["Content-Length: 7", " 8"]), Declared::Unusable);
        assert_eq!(declared(&["Content-Length:"]), Declared::Unusable);
        assert_eq!(declared(&["Via: x", "Subject: Content-Length: 3"]), Declared::Nothing);
    }

    #[test]
    fn start_and_header_lines_are_known_among_lines_of_a_logger() {
        for (line, expect) in [
            ("INFO sip:bob@example.com SIP/2.0", true),
            ("SIP/2.0 200 OK", true),
            ("HTTP/1.1 200 OK", true),
            ("INFO * HTTP/1.1", true),
            ("INFO speaks SIP/2.0", false),
            ("INFO app - sent BYE sip:bob@example.com SIP/2.0", false),
            ("INFO sip:bob@example.com", false),
        ] {
            assert_eq!(is_start_line(line.as_bytes()), expect, "{line}");
        }
        for (line, expect) in [
            ("Warning: 399 a \"b\"", true),
            ("warning : 299", true),
            ("WARNING: x", false),
            ("Info: x", false),
            ("Warning", false),
        ] {
            assert_eq!(is_header_line(line.as_bytes()), expect, "{line}");
        }
    }

    #[test]
    fn first_lines_tell_the_protocol() {
        for (line, expect) in [
            ("INVITE sip:bob@example.com SIP/2.0", Some(Protocol::Sip)),
            ("SIP/2.0 180 Ringing", Some(Protocol::Sip)),
            ("POST /v1 HTTP/1.1", Some(Protocol::Http)),
            ("HTTP/2 200", Some(Protocol::Http)),
            ("{\"a\":1}", None),
            ("we speak SIP/2.0 here", None),
        ] {
            assert_eq!(protocol_of(line.as_bytes()), expect, "{line}");
        }
    }
}
