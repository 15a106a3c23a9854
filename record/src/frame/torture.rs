//! The torture list of framing, rows 1 to 13, cuts and lengths: what is written, how it is cut, the spans that come of it.

use super::laws::frame;
use super::*;
use crate::format::Line;
use chrono_tz::Tz;

pub const INVITE: &str = "[2026-11-23 19:53:58.132][INVITE][sip:192.0.2.1:5060][sip:192.0.2.7:5060]\n";
pub const BYE: &str = "[2026-11-23 19:53:59.001][BYE][sip:192.0.2.1:5060][sip:192.0.2.7:5060]\n";
pub const PUSH: &str = "[2026-11-23 19:54:00.000][PUSH][http://192.0.2.9][https://push.example.com/send]\n";
pub const POST: &str = "[2026-11-23 19:54:01.000][POST][http://192.0.2.9][https://api.example.com/v1]\n";
pub const NOISE: &str = "2026-11-23 19:54:02.000 INFO app - tick\n";

/// A SIP message whose body has the length it declares.
pub fn sip(body: &str) -> String {
    declared(body.len(), body)
}

pub fn declared(length: usize, body: &str) -> String {
    format!("INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// The spans as text, the same for every way of cutting: a record as its method and message, all else as its bytes.
pub fn draw(log: impl AsRef<[u8]>) -> String {
    let log = log.as_ref();
    let spans = frame(log, &[usize::MAX / 2]);
    for size in [1, 2, 3, 5, 61, 4096] {
        assert_eq!(frame(log, &[size]), spans, "in chunks of {size}");
    }
    let mut at = Offset(0);
    for span in &spans {
        assert_eq!(span.start, at, "spans tile");
        at = span.end();
    }
    assert_eq!(at.0, log.len() as u64, "spans tile to the end");
    spans.iter().map(|span| line(log, span)).collect::<Vec<_>>().join("\n")
}

fn line(log: &[u8], span: &Span) -> String {
    let bytes = &log[span.start.0 as usize..span.end().0 as usize];
    let (head, rest) = bytes.split_at(span.head as usize);
    let (text, line_end) = rest.split_at(rest.len() - usize::from(span.line_end));
    let name = match span.kind {
        SpanKind::Record => method(head),
        SpanKind::Noise => format!("noise {}", span.lines),
        SpanKind::Fragment => "fragment".to_owned(),
        SpanKind::Gap => "gap".to_owned(),
    };
    let text = if text.len() > 200 { format!("{} bytes", text.len()) } else { format!("`{}`", text.escape_ascii()) };
    let line_end = if line_end.is_empty() { String::new() } else { format!(" + `{}`", line_end.escape_ascii()) };
    let drawn = format!("{name}: {text}{line_end}");
    [vec![drawn], span.flags.names()].concat().join(", ")
}

fn method(head: &[u8]) -> String {
    match Format::siptrail().read(head.trim_ascii_end(), Tz::UTC) {
        Line::Header(header) => header.method.escape_ascii().to_string(),
        other => panic!("a record without a header: {other:?}"),
    }
}

pub fn framer() -> Framer {
    Framer::new(Arc::new(Format::siptrail()), Offset(0), &Resume::default(), Limits::default())
}

/// Feeds a growing file up to each of these sizes and gives what is final after the last.
pub fn grow(framer: &mut Framer, log: &[u8], from: usize, to: usize) -> Vec<Span> {
    let (mut at, mut out) = (from, Vec::new());
    while at < to {
        at = match framer.feed(&log[at..to], &mut out) {
            Next::More => to,
            Next::From(offset) => offset.0 as usize,
        };
    }
    out
}

#[test]
fn a01_a_record_in_two_writes_is_final_with_the_second() {
    let message = sip(&"a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host\r\n".repeat(34));
    let log = format!("{INVITE}{message}\n");
    assert!(log.len() > 2000);
    for cut in 1..log.len() {
        let mut framer = framer();
        assert_eq!(grow(&mut framer, log.as_bytes(), 0, cut), [], "cut at {cut}");
        assert_eq!(framer.unfinished(), Offset(0), "cut at {cut}");
        let spans = grow(&mut framer, log.as_bytes(), cut, log.len());
        assert_eq!(spans.len(), 1, "cut at {cut}");
        assert_eq!(
            (spans[0].len, spans[0].line_end, spans[0].flags),
            (log.len() as u64, 1, Flags::empty()),
            "cut at {cut}"
        );
    }
}

#[test]
fn a02_two_cuts_anywhere_change_nothing() {
    let log = format!("é {INVITE}{}\r\n{POST}{{\"a\":\n\"é\"}}\n{NOISE}", sip("s=é\r\n"));
    let log = log.replace("5060]\n", "5060]\r\n").into_bytes();
    let whole = frame(&log, &[log.len()]);
    insta::assert_snapshot!(draw(&log), @r#"
    INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 6\r\n\r\ns=\xc3\xa9\r\n` + `\r\n`
    POST: `{\"a\":\n\"\xc3\xa9\"}` + `\n`
    noise 1: `2026-11-23 19:54:02.000 INFO app - tick\n`
    "#);
    for first in 1..log.len() {
        for second in 1..log.len() - first {
            assert_eq!(frame(&log, &[first, second, log.len()]), whole, "cut at {first} and {}", first + second);
        }
    }
}

#[test]
fn a03_a_record_written_byte_by_byte_is_exact() {
    let log = format!("{INVITE}{}\n", sip("v=0\r\n"));
    let mut framer = framer();
    let (mut out, mut fed, mut at) = (Vec::new(), 0, 0);
    for size in 1..=log.len() {
        while at < size {
            fed += size - at;
            at = match framer.feed(&log.as_bytes()[at..size], &mut out) {
                Next::More => size,
                Next::From(offset) => offset.0 as usize,
            };
        }
    }
    assert_eq!(out, frame(log.as_bytes(), &[log.len()]));
    assert!(fed <= 2 * log.len(), "{fed} bytes looked at of {}", log.len());
}

#[test]
fn a04_a_header_alone_is_provisional_and_empty() {
    let mut framer = framer();
    let log = format!("{NOISE}{INVITE}");
    let out = grow(&mut framer, log.as_bytes(), 0, log.len());
    assert_eq!(out.len(), 1, "the noise before it is final");
    let start = Offset(NOISE.len() as u64);
    assert_eq!(framer.unfinished(), start);
    let len = INVITE.len() as u64;
    let empty =
        Span { start, len, kind: SpanKind::Record, head: len as u32, line_end: 0, flags: Flags::UNFINISHED, lines: 0 };
    assert_eq!(framer.tail(), [empty]);
}

#[test]
fn a05_nothing_is_classified_before_its_line_end() {
    let log = format!("{NOISE}{}{INVITE}{}\n", "2026-11-23 19:53:58.132 INFO  [Thread-0] - ", sip(""));
    let start = NOISE.len();
    let head_end = log.find("INVITE sip").expect("a message");
    let mut framer = framer();
    let mut at = 0;
    for size in 1..head_end {
        grow(&mut framer, log.as_bytes(), at, size);
        at = size;
        assert!(framer.unfinished().0 <= start as u64, "at {size}");
    }
    insta::assert_snapshot!(draw(&log), @r"
    noise 1: `2026-11-23 19:54:02.000 INFO app - tick\n`
    INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n` + `\n`
    ");
}

#[test]
fn a06_a_header_line_inside_a_consistent_length_is_body() {
    let log = format!("{INVITE}{}\n{BYE}", sip(&format!("see:\r\n{BYE}end\r\n")));
    insta::assert_snapshot!(draw(log), @r"
    INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 82\r\n\r\nsee:\r\n[2026-11-23 19:53:59.001][BYE][sip:192.0.2.1:5060][sip:192.0.2.7:5060]\nend\r\n` + `\n`, ambiguous_boundary
    BYE: ``
    ");
}

#[test]
fn a07_a_header_line_in_a_message_without_a_length_splits_it() {
    let log = format!("{PUSH}title: hello\n{BYE}body: bye\n{NOISE}");
    insta::assert_snapshot!(draw(log), @r"
    PUSH: `title: hello` + `\n`, ambiguous_boundary
    BYE: `body: bye` + `\n`, ambiguous_boundary
    noise 1: `2026-11-23 19:54:02.000 INFO app - tick\n`
    ");
}

#[test]
fn a08_noise_inside_the_declared_length_is_body() {
    let log = format!("{INVITE}{}\n{NOISE}", sip(&format!("{NOISE} 2(7) ERROR: x\r\n")));
    insta::assert_snapshot!(draw(log), @r"
    INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 56\r\n\r\n2026-11-23 19:54:02.000 INFO app - tick\n 2(7) ERROR: x\r\n` + `\n`
    noise 1: `2026-11-23 19:54:02.000 INFO app - tick\n`
    ");
}

#[test]
fn a09_a_length_smaller_than_the_body_runs_to_the_next_known_line() {
    let log = format!("{INVITE}{}\n{BYE}", declared(4, "v=0\r\no=a\r\n"));
    insta::assert_snapshot!(draw(log), @r"
    INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 4\r\n\r\nv=0\r` + `\n`
    fragment: `o=a\r\n\n`, orphan_fragment
    BYE: ``
    ");
    let log = format!("{INVITE}{}\n{NOISE}", declared(2, "v=0\r\no=a\r\n"));
    insta::assert_snapshot!(draw(log), @r"
    INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 2\r\n\r\nv=0\r\no=a\r\n` + `\n`, length_mismatch
    noise 1: `2026-11-23 19:54:02.000 INFO app - tick\n`
    ");
}

#[test]
fn a09_by_chance_at_a_line_end_the_rest_is_a_fragment() {
    let before_the_line_end = format!("{INVITE}{}\n{BYE}", declared(3, "v=0\r\no=a\r\n"));
    insta::assert_snapshot!(draw(before_the_line_end), @r"
    INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 3\r\n\r\nv=0`
    noise 1: `\r\n`
    fragment: `o=a\r\n\n`, orphan_fragment
    BYE: ``
    ");
    let behind_the_line_end = format!("{INVITE}{}\n{BYE}", declared(5, "v=0\r\no=a\r\n"));
    insta::assert_snapshot!(draw(behind_the_line_end), @r"
    INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 5\r\n\r\nv=0\r\no=a\r\n` + `\n`, length_mismatch
    BYE: ``
    ");
}

#[test]
fn a10_a_length_larger_than_the_body_ends_at_the_next_header() {
    let next = format!("{BYE}{}\n", sip(""));
    for more in [1, 2, 3, 40, 77, 100, 200, 5000, 70_000, 2_000_000] {
        let log = format!("{INVITE}{}\n{next}", declared(5 + more, "v=0\r\n"));
        let drawn = draw(&log);
        let alone = draw(&next);
        if more == 1 {
            // The logger's line end is counted as body: a consistent length, by chance.
            assert!(drawn.contains(r"v=0\r\n\n`") && !drawn.contains("length_mismatch"), "{drawn}");
        } else {
            assert!(drawn.contains(r"v=0\r\n` + `\n`, length_mismatch"), "{more}: {drawn}");
        }
        assert!(drawn.ends_with(&alone), "{more}: {drawn}");
    }
}

#[test]
fn a11_a_length_beyond_the_end_of_the_file_is_final_with_the_next_known_line_or_the_close() {
    let log = format!("{INVITE}{}\n", declared(500, "v=0\r\n"));
    let mut first = framer();
    assert_eq!(grow(&mut first, log.as_bytes(), 0, log.len()), []);
    assert_eq!(first.tail()[0].len, log.len() as u64);
    assert_eq!(first.unfinished(), Offset(0));
    insta::assert_snapshot!(draw(&log), @r"INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 500\r\n\r\nv=0\r\n` + `\n`, length_mismatch");
    // 500 bytes and more after the noise show that the length is wrong.
    let more = format!("{log}{}", NOISE.repeat(20));
    let spans = grow(&mut first, more.as_bytes(), log.len(), more.len());
    assert_eq!(spans[0].len, log.len() as u64);
    assert_eq!(spans[0].flags, Flags::LENGTH_MISMATCH);
}

#[test]
fn a12_a_length_that_counts_crlf_is_met_where_lf_was_logged() {
    let log = format!("{INVITE}{}\n{NOISE}", sip("v=0\r\no=a\r\n").replace('\r', ""));
    insta::assert_snapshot!(draw(log), @r"
    INVITE: `INVITE sip:bob@example.com SIP/2.0\nContent-Length: 10\n\nv=0\no=a\n` + `\n`
    noise 1: `2026-11-23 19:54:02.000 INFO app - tick\n`
    ");
}

#[test]
fn a13_lengths_in_each_form_are_honoured_or_flagged() {
    let check = |header: &str, expect: &str| {
        let log = format!("{INVITE}BYE sip:bob@example.com SIP/2.0\r\n{header}\r\n\r\nv=0\r\n\n{BYE}");
        let end = "v=0\\r\\n` + `\\n`";
        let drawn = draw(log);
        let first = drawn.lines().next().expect("a record");
        assert_eq!(first.split_once(end).map(|(_, flags)| flags), Some(expect), "{header}: {first}");
    };
    check("l: 5", "");
    check("Content-Length:\r\n   5", "");
    check("Content-Length: 5\r\nl: 5", "");
    check("Content-Length: 5\r\nl: 6", ", length_mismatch");
    check("Content-Length: -1", ", length_mismatch");
    check("Content-Length: 99999999999999999999", ", length_mismatch");
    check("Content-Length: five", ", length_mismatch");
    check("Subject: none", ", ambiguous_boundary");
}
