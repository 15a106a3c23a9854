//! The first line of a SIP message (RFC 3261, 7.1 and 7.2), with odd spacing and any version.

use super::is_token;
use crate::sip::Faults;

/// What the first line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartLine<'a> {
    Request {
        method: &'a str,
        uri: &'a str,
        version: &'a str,
    },
    /// Without a code where it is not a number of three digits.
    Status {
        version: &'a str,
        code: Option<u16>,
        reason: &'a str,
    },
    /// Neither a request nor a status line.
    Unreadable,
}

impl<'a> StartLine<'a> {
    /// Reads a line without its line end.
    pub fn of(line: &'a str) -> Self {
        Self::read(line, &mut Faults::default())
    }

    pub(crate) fn read(line: &'a str, faults: &mut Faults) -> Self {
        let trimmed = line.trim_matches([' ', '\t', '\r']);
        let is_status = trimmed.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/"));
        if is_status { status_line(line, trimmed, faults) } else { request_line(line, trimmed, faults) }
    }
}

fn status_line<'a>(line: &'a str, trimmed: &'a str, faults: &mut Faults) -> StartLine<'a> {
    let (version, rest) = word(trimmed);
    let (code_text, reason) = word(rest.trim_start());
    let single = line.as_bytes().get(version.len() + 1 + code_text.len()) == Some(&b' ');
    if !line.starts_with(version) || !rest[1.min(rest.len())..].starts_with(code_text) || !single {
        faults.note("start_line_space");
    }
    check_version(version, faults);
    let three = code_text.len() == 3 && code_text.bytes().all(|b| b.is_ascii_digit());
    let code = code_text.parse().ok().filter(|code| three && (100..700).contains(code));
    if code.is_none() {
        faults.note("status");
    }
    StartLine::Status { version, code, reason: reason.trim() }
}

fn request_line<'a>(line: &'a str, trimmed: &'a str, faults: &mut Faults) -> StartLine<'a> {
    let (method, rest) = word(trimmed);
    let rest = rest.trim();
    let (uri, version) = match rest.rfind([' ', '\t']) {
        Some(at) if is_version(&rest[at + 1..]) => (rest[..at].trim_end(), &rest[at + 1..]),
        _ => (rest, ""),
    };
    let readable = is_token(method.as_bytes()) && !uri.is_empty() && (!version.is_empty() || uri.contains(':'));
    if !readable {
        faults.note("start_line");
        return StartLine::Unreadable;
    }
    check_version(version, faults);
    if line.len() != method.len() + uri.len() + version.len() + 2 && !version.is_empty() {
        faults.note("start_line_space");
    }
    StartLine::Request { method, uri, version }
}

/// The text up to the first blank, and the rest from there.
fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find([' ', '\t']).unwrap_or(text.len()))
}

fn is_version(text: &str) -> bool {
    text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/"))
}

fn check_version(version: &str, faults: &mut Faults) {
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        faults.note("version");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expect: StartLine<'_>, faults: &[&str]) {
        let mut seen = Faults::default();
        assert_eq!(StartLine::read(line, &mut seen), expect);
        assert_eq!(seen.names(), faults, "{line}");
    }

    #[test]
    fn a_request_line_is_read_with_any_spacing_and_version() {
        let request = |version| StartLine::Request { method: "INVITE", uri: "sip:bob@example.com", version };
        check("INVITE sip:bob@example.com SIP/2.0", request("SIP/2.0"), &[]);
        check("INVITE sip:bob@example.com sip/2.0", request("sip/2.0"), &[]);
        check("INVITE  sip:bob@example.com\tSIP/2.0 ", request("SIP/2.0"), &["start_line_space"]);
        check("INVITE sip:bob@example.com SIP/7.0", request("SIP/7.0"), &["version"]);
        check("INVITE sip:bob@example.com", request(""), &["version"]);
    }

    #[test]
    fn a_status_line_keeps_its_reason_whatever_it_says() {
        let status = |code, reason| StartLine::Status { version: "SIP/2.0", code, reason };
        check("SIP/2.0 200 OK", status(Some(200), "OK"), &[]);
        check("SIP/2.0 180 벨이 울림", status(Some(180), "벨이 울림"), &[]);
        check("SIP/2.0 100 ", status(Some(100), ""), &[]);
        check("SIP/2.0 100", status(Some(100), ""), &["start_line_space"]);
        check("SIP/2.0  200  Yes", status(Some(200), "Yes"), &["start_line_space"]);
        check("SIP/2.0 4294967301 Far too much", status(None, "Far too much"), &["status"]);
        check("SIP/2.0", status(None, ""), &["start_line_space", "status"]);
    }

    #[test]
    fn a_line_of_something_else_is_unreadable() {
        for line in ["", "   ", "v=0", "a=rtpmap:8 PCMA/8000", "Via: SIP/2.0/UDP 192.0.2.1", "INVITE", "{\"callId\":1}"]
        {
            check(line, StartLine::Unreadable, &["start_line"]);
        }
    }
}
