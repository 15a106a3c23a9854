//! Whole SIP messages within bytes that have no header line of their own.

use super::head::{Head, line_at, sip_starts_at};
use super::{MOST_SIP, Part, Protocol};
use crate::name::Name;

/// Start lines that are tried: what follows each is read again where it does not make a message.
const MOST_TRIED: usize = 256;

/// Finds SIP messages that begin with a line: start line, headers with one Call-ID, blank line, and all of the body
/// that the length declares. What lies between them, and what declares no length, is left out.
pub fn messages_within(bytes: &[u8]) -> Vec<Part> {
    let mut found = Vec::new();
    let mut from = 0;
    for _ in 0..MOST_TRIED {
        let Some(start) = next_start(bytes, from).filter(|_| found.len() < MOST_SIP) else { break };
        let head = Head::read(bytes, start, Protocol::Sip, false);
        let end = head.ends(bytes).find(|end| begins_line(bytes, *end));
        let end = end.or_else(|| head.ends(bytes).find(|end| line_at(bytes, *end).0.is_empty()));
        match end.filter(|_| is_one(&bytes[start..head.body])) {
            Some(end) => {
                found.push(Part { protocol: Some(Protocol::Sip), start, body: head.body, end });
                from = end;
            }
            None => from = line_at(bytes, start).1,
        }
    }
    found
}

fn next_start(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    // A body may end within a line; then it is the next line that may be a start.
    if at > 0 && bytes[at - 1] != b'\n' {
        at = line_at(bytes, at).1;
    }
    while at < bytes.len() {
        if sip_starts_at(bytes, at) {
            return Some(at);
        }
        at = line_at(bytes, at).1;
    }
    None
}

/// Headers of one message: no other one begins among them, and there is one Call-ID and no contradiction.
fn is_one(head: &[u8]) -> bool {
    let (mut at, mut call_ids) = (line_at(head, 0).1, 0);
    while at < head.len() {
        let (line, next) = line_at(head, at);
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
        let value = &line[line.len().min(name.len() + 1)..];
        if Name::of(name) == Some(Name::CallId) && !value.trim_ascii().is_empty() {
            call_ids += 1;
        }
        if call_ids > 1 || sip_starts_at(head, at) {
            return false;
        }
        at = next;
    }
    call_ids == 1
}

fn begins_line(bytes: &[u8], at: usize) -> bool {
    bytes[..at].ends_with(b"\n") || sip_starts_at(bytes, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "INVITE sip:bob@example.com SIP/2.0\nCall-ID: a\nContent-Length: 0\n\n";
    const B: &str = "SIP/2.0 200 OK\r\ni: b\r\nl: 5\r\n\r\nv=0\r\n";

    fn found(text: &str) -> Vec<&str> {
        messages_within(text.as_bytes()).into_iter().map(|part| &text[part.start..part.end]).collect()
    }

    #[test]
    fn whole_messages_are_found_wherever_their_lines_stand() {
        assert_eq!(found(A), [A]);
        assert_eq!(found(&format!("rest of a line\n\n{A}\n{B}\nand more")), [A, B]);
        assert_eq!(found(&format!("{A}{B}")), [A, B]);
        assert_eq!(found(&format!("{}xyz\n{A}", B.trim_end())), [A], "its length ends within a line");
        assert_eq!(
            found(&format!("{}\n{A}", B.trim_end().replace("l: 5", "l: 3"))),
            [B.trim_end().replace("l: 5", "l: 3"), A.into()]
        );
    }

    #[test]
    fn a_message_that_is_not_whole_is_none() {
        for text in [
            &A[..A.len() - 1],
            &A.replace("Call-ID: a\n", ""),
            &A.replace("Call-ID: a", "Call-ID: "),
            &A.replace("Content-Length: 0\n", ""),
            &A.replace("Length: 0", "Length: 5"),
            &A.replace("Call-ID: a", "Call-ID: a\ni: b"),
            &format!("x {A}"),
            "v=0\no=a\n",
            "",
        ] {
            assert!(found(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn headers_of_two_messages_are_not_taken_for_one() {
        let cut = "BYE sip:bob@example.com SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1\n";
        assert_eq!(found(&format!("{cut}{A}")), [A]);
    }

    #[test]
    fn the_body_may_have_been_logged_with_bare_lf() {
        let text = "INFO sip:b@a SIP/2.0\nCall-ID: c\nContent-Length: 6\n\na\nb\n";
        assert_eq!(found(text), [text]);
        assert_eq!(found(&text.replace('6', "4")), [text.replace('6', "4")]);
    }
}
