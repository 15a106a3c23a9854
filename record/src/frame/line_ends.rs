//! Messages logged with LF for CRLF: their lengths counted CRLF on the wire, or the LFs of a body were there.

use super::laws::frame;
use super::torture::{BYE, INVITE, NOISE, POST, draw};
use crate::span::Flags;

const JSON: &str = "{\n  \"a\": 1\n}";

fn http(body: &str) -> String {
    format!("POST /v1 HTTP/1.1\nContent-Type: application/json\nContent-Length: {}\n\n{body}", body.len())
}

fn sip(method: &str, length: usize, body: &str) -> String {
    format!("{method} sip:bob@example.com SIP/2.0\nContent-Length: {length}\n\n{body}")
}

/// `message` is stored whole, without a flag, whatever follows.
#[track_caller]
fn check(header: &str, message: &str) {
    let whole = (header.len() + message.len()) as u64;
    for (behind, line_end) in
        [("", 0), ("\n", 1), (&*format!("\n{BYE}"), 1), (&*format!("\n{NOISE}"), 1), (&*format!("\n\n{BYE}"), 1)]
    {
        let log = format!("{header}{message}{behind}");
        draw(&log);
        let span = frame(log.as_bytes(), &[usize::MAX / 2])[0];
        assert_eq!((span.len - line_end, u64::from(span.line_end)), (whole, line_end), "{message:?} and {behind:?}");
        assert_eq!(span.flags, Flags::empty(), "{message:?} and {behind:?}");
    }
}

#[test]
fn json_with_line_ends_of_its_own_is_whole() {
    check(POST, &http(JSON));
    for lines in 0..40 {
        let body = format!("{{\n{}  \"a\": 1\n}}", "  \"key\": \"value\",\n".repeat(lines));
        check(POST, &http(&body));
        for method in ["MESSAGE", "INFO"] {
            check(INVITE, &sip(method, body.len(), &body));
        }
    }
}

#[test]
fn text_with_line_ends_of_its_own_is_whole() {
    check(INVITE, &sip("MESSAGE", 11, "hello\nworld"));
    let xml = "<tuple id=\"some\">\n".repeat(12);
    check(INVITE, &sip("NOTIFY", xml.len() + 11, &format!("{xml}</presence>")));
}

#[test]
fn text_that_had_crlf_on_the_wire_is_whole() {
    check(INVITE, &sip("INVITE", 10, "v=0\no=a\n"));
    check(INVITE, &sip("MESSAGE", 12, "hello\nworld"));
    check(POST, &http("a\nb\nc\nd").replace("Length: 7", "Length: 10"));
    let json = "{\n\"a\": 1,\n\"b\": 2,\n\"c\": 3\n}";
    check(INVITE, &sip("INFO", json.len() + 4, json));
}

#[test]
fn a_body_that_ends_in_a_line_end_keeps_it() {
    check(POST, &http("{\"a\":1}\n"));
    check(INVITE, &sip("MESSAGE", 6, "hello\n"));
    check(INVITE, &sip("MESSAGE", 7, "hello\n"));
}

#[test]
fn http_and_json_of_one_record_stay_together() {
    let answer = "HTTP/1.1 200 OK\nContent-Length: 12\n\n";
    check(POST, &format!("{}\n{answer}{JSON}", http(JSON)));
    check(POST, &format!("{}\n\n{JSON}", http(JSON)));
}

#[test]
fn a_wrong_length_behind_bare_lf_is_flagged_and_loses_nothing() {
    insta::assert_snapshot!(draw(format!("{INVITE}{}\n{BYE}", sip("INVITE", 5000, "v=0\no=a\n"))), @r"
    INVITE: `INVITE sip:bob@example.com SIP/2.0\nContent-Length: 5000\n\nv=0\no=a\n` + `\n`, length_mismatch
    BYE: ``
    ");
    insta::assert_snapshot!(draw(format!("{POST}{}\n{BYE}", http(JSON).replace("12", "500"))), @r#"
    POST: `POST /v1 HTTP/1.1\nContent-Type: application/json\nContent-Length: 500\n\n{\n  \"a\": 1\n}` + `\n`, length_mismatch
    BYE: ``
    "#);
    insta::assert_snapshot!(draw(format!("{POST}{}\n{NOISE}", http(JSON).replace("12", "7"))), @r#"
    POST: `POST /v1 HTTP/1.1\nContent-Type: application/json\nContent-Length: 7\n\n{\n  \"a\": 1\n}` + `\n`, length_mismatch
    noise 1: `2026-11-23 19:54:02.000 INFO app - tick\n`
    "#);
}
