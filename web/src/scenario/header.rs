//! The header fields of a message as ranges of its bytes, by their full names, in groups.

use std::ops::Range;

/// Header fields in one pane; what is beyond is counted.
const MOST: usize = 400;

/// A header field of a message in the form of RFC 3261, 7.3, as a range of its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    pub name: String,
    pub value: Range<usize>,
    /// Where its line begins.
    pub line: usize,
}

/// The fields up to the first blank line, and how many more there are than are shown. Folded lines are one field.
pub fn headers(bytes: &[u8]) -> (Vec<Header>, usize) {
    let mut out: Vec<Header> = Vec::new();
    let mut more = 0;
    let mut at = 0;
    for (number, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let start = at;
        at += line.len();
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            break;
        }
        if number == 0 && !is_field(text) {
            if text.starts_with(b"{") || text.starts_with(b"[") {
                break;
            }
            continue;
        }
        if text[0] == b' ' || text[0] == b'\t' {
            if let (Some(last), 0) = (out.last_mut(), more) {
                last.value.end = start + text.len();
            }
            continue;
        }
        let Some(colon) = text.iter().position(|byte| *byte == b':') else { continue };
        if out.len() == MOST {
            more += 1;
            continue;
        }
        let name = text[..colon].trim_ascii();
        let value = &text[colon + 1..];
        let blank = value.len() - value.trim_ascii_start().len();
        out.push(Header { name: full_name(name), value: start + colon + 1 + blank..start + text.len(), line: start });
    }
    (out, more)
}

/// A start line has its first blank before any colon; `Via: …` has not.
fn is_field(line: &[u8]) -> bool {
    let colon = line.iter().position(|byte| *byte == b':');
    let name = colon.map(|colon| line[..colon].trim_ascii());
    name.is_some_and(|name| !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'))
}

/// Compact forms in full (RFC 3261, 7.3.3 and 20, and those registered later).
fn full_name(name: &[u8]) -> String {
    let full = match name.to_ascii_lowercase().as_slice() {
        b"a" => "Accept-Contact",
        b"b" => "Referred-By",
        b"c" => "Content-Type",
        b"e" => "Content-Encoding",
        b"f" => "From",
        b"i" => "Call-ID",
        b"j" => "Reject-Contact",
        b"k" => "Supported",
        b"l" => "Content-Length",
        b"m" => "Contact",
        b"o" => "Event",
        b"r" => "Refer-To",
        b"s" => "Subject",
        b"t" => "To",
        b"u" => "Allow-Events",
        b"v" => "Via",
        b"x" => "Session-Expires",
        b"y" => "Identity",
        _ => return String::from_utf8_lossy(&name[..name.len().min(80)]).into_owned(),
    };
    full.to_owned()
}

/// Where a field stands: dialog, identity, routing, rest.
pub fn group(name: &str) -> usize {
    match name.to_ascii_lowercase().as_str() {
        "call-id" | "cseq" | "session-id" | "replaces" | "in-reply-to" => 0,
        "from"
        | "to"
        | "p-asserted-identity"
        | "p-preferred-identity"
        | "remote-party-id"
        | "diversion"
        | "history-info"
        | "referred-by"
        | "identity"
        | "privacy" => 1,
        "via" | "route" | "record-route" | "contact" | "path" | "service-route" => 2,
        _ => 3,
    }
}
