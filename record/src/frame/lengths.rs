//! Laws of declared lengths: a length that lies makes no record disappear, and costs no more than one that is true.

use proptest::prelude::*;

use super::laws::frame;
use super::torture::{BYE, INVITE, NOISE, POST, declared, draw, framer, sip};
use super::*;

/// A record of a log, and where its declared length says that its body ends.
struct Written {
    text: String,
    body: usize,
    length: usize,
}

/// A message whose length is what it is; `crlf`: line ends of the message.
fn record(kind: usize, number: usize, length: usize, body: &str, crlf: bool, prefix: &str) -> Written {
    let (method, start) = [
        ("INVITE", "INVITE sip:bob@example.com SIP/2.0"),
        ("200", "SIP/2.0 200 OK"),
        ("POST", "POST /v1/calls HTTP/1.1"),
        ("200", "HTTP/1.1 200 OK"),
    ][kind % 4];
    let head = format!("{prefix}[{}][{method}][sip:192.0.2.1][http://192.0.2.2]\n", 1_795_463_450 + number);
    let eol = if crlf { "\r\n" } else { "\n" };
    let agent = "x".repeat(number % 23);
    let headers = format!("{start}{eol}Server: {agent}{eol}Content-Length: {length}{eol}{eol}");
    Written { body: head.len() + headers.len(), text: format!("{head}{headers}{body}\n"), length }
}

fn log_of(records: &[Written]) -> (String, Vec<usize>) {
    let starts = records.iter().scan(0, |at, written| Some(std::mem::replace(at, *at + written.text.len())));
    (records.iter().map(|written| written.text.as_str()).collect(), starts.collect())
}

fn records_of(spans: &[Span]) -> Vec<Span> {
    spans.iter().filter(|span| span.kind == SpanKind::Record).copied().collect()
}

/// Is this an end that the log confirms: only blanks, a line end and perhaps a blank line before a known line?
fn is_confirmed(log: &str, end: usize, starts: &[usize]) -> bool {
    let noise = log[end..].find(NOISE_LINE).map(|at| end + at);
    let known = starts.iter().copied().filter(|start| *start >= end).chain(noise).min().unwrap_or(log.len());
    let between = &log[end..known];
    let lines = if log.as_bytes()[end - 1] == b'\n' { 1 } else { 2 };
    between.trim_matches([' ', '\t', '\r', '\n']).is_empty() && between.matches('\n').count() <= lines
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..700_usize, 1 => 700..70_000_usize, 1 => 900_000..1_100_000_usize]
}

const NOISE_LINE: &str = "2026-11-23 19:54:02 INFO x\n";
const BODIES: [&str; 7] =
    ["", "v=0\r\no=a\r\n", "v=0\no=a\n", "{\"a\":1}", "AAAA...(truncated)", "{\n  \"a\": 1\n}\n", NOISE_LINE];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// N records with lengths at random, bodies or none, CRLF or LF, give N records, but for lengths that end by chance
    /// where the log confirms them; and those are flagged.
    #[test]
    fn a_length_that_lies_hides_no_record(
        made in prop::collection::vec((0..4_usize, lengths(), 0..BODIES.len()), 2..40),
        crlf in any::<bool>(),
        prefix in prop::sample::select(vec!["", " 2(28536) INFO: {1}<script>: ", "2026-11-23 19:53:58 INFO app - "]),
    ) {
        let written: Vec<Written> = made.iter().enumerate()
            .map(|(number, (kind, length, body))| record(*kind, number, *length, BODIES[*body], crlf, prefix))
            .collect();
        let (log, starts) = log_of(&written);
        let spans = frame(log.as_bytes(), &[usize::MAX / 2]);
        prop_assert_eq!(&frame(log.as_bytes(), &[611]), &spans);
        let found = records_of(&spans);
        for span in &found {
            let begins = starts.iter().position(|start| *start as u64 == span.start.0);
            prop_assert!(begins.is_some(), "a record begins where none was written: {:?}", span);
            let (first, end) = (begins.unwrap_or(0), span.end().0 as usize - usize::from(span.line_end));
            let swallowed = starts.iter().filter(|start| **start > starts[first] && **start < end).count();
            if swallowed > 0 {
                prop_assert!(span.flags.contains(Flags::AMBIGUOUS_BOUNDARY), "{:?}", span);
                prop_assert!(is_confirmed(&log, end, &starts), "{:?}", span);
                let body = starts[first] + written[first].body;
                let (octets, lf) = (end - body, log[body..end].replace("\r\n", "  ").matches('\n').count());
                let length = written[first].length;
                prop_assert!(octets == length || (!crlf && octets + lf == length), "{:?}", span);
            }
        }
        let covered = |start: &usize| found.iter().any(|span| span.start.0 <= *start as u64 && span.end().0 > *start as u64);
        prop_assert!(starts.iter().all(covered), "a record is in no record");
    }

    /// What is looked at does not grow with what lengths claim: it is the log, and at most 2 KiB for each length that lies,
    /// namely the bytes at the end that each of the two ways of counting claims.
    #[test]
    fn lengths_that_lie_cost_no_more_than_true_ones(
        made in prop::collection::vec((0..4_usize, lengths(), 0..BODIES.len()), 50..150),
        crlf in any::<bool>(),
    ) {
        let written: Vec<Written> = made.iter().enumerate()
            .map(|(number, (kind, length, body))| record(*kind, number, *length, BODIES[*body], crlf, ""))
            .collect();
        let (log, _) = log_of(&written);
        let looked_at = work(log.as_bytes(), usize::MAX / 2);
        let bound = 3 * log.len() + written.len() * 2048;
        prop_assert!(looked_at <= bound as u64, "{} of {}", looked_at, bound);
    }
}

/// The bytes at a claimed end are looked at, also where the header line that contests it ends right before them.
#[test]
fn a_claimed_end_one_byte_after_the_header_line_that_contests_it_is_looked_at_at_once() {
    for kind in 0..4 {
        for length in 60..70 {
            let written = [record(kind, 1, length, BODIES[5], true, ""), record(1, 2, 100, BODIES[4], true, "")];
            let noise = "2026-11-23 19:54:02 INFO x\n".repeat(100);
            let log = log_of(&written).0 + &noise;
            let whole = frame(log.as_bytes(), &[usize::MAX / 2]);
            let mut framer = framer();
            let mut out = Vec::new();
            let mut at = 0;
            while at < log.len() {
                at = match framer.feed(&log.as_bytes()[at..], &mut out) {
                    Next::More => log.len(),
                    Next::From(offset) => offset.0 as usize,
                };
            }
            assert_eq!(records_of(&out).len(), 2, "kind {kind}, length {length}: no record waits for more");
            for size in 1..700 {
                assert_eq!(frame(log.as_bytes(), &[size]), whole, "kind {kind}, length {length}, size {size}");
            }
        }
    }
}

/// Bytes that are looked at when a closed log is framed.
fn work(log: &[u8], size: usize) -> u64 {
    let mut framer = framer();
    let (mut out, mut at) = (Vec::new(), 0);
    loop {
        while at < log.len() {
            let end = log.len().min(at.saturating_add(size.max(framer.wants())));
            at = match framer.feed(&log[at..end], &mut out) {
                Next::More => end,
                Next::From(offset) => offset.0 as usize,
            };
        }
        match framer.close(&mut out) {
            Next::More => return framer.looked_at,
            Next::From(offset) => at = offset.0 as usize,
        }
    }
}

/// As many logs have them: N records without the bodies that their lengths declare are N records.
#[test]
fn bodies_that_were_never_logged_leave_every_record() {
    let mut random = 7_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for (name, kinds, least, most, crlf) in [
        ("SIP", [0, 1, 1], 150, 700, true),
        ("answers to HEAD with CRLF", [3, 3, 3], 500, 20_000, true),
        ("answers to HEAD with LF", [3, 3, 3], 500, 20_000, false),
        ("requests of 60,000 octets with LF", [2, 2, 2], 60_000, 60_001, false),
        ("requests of a megabyte with LF", [2, 2, 2], 1_000_000, 1_000_001, false),
        ("requests of a megabyte with CRLF", [2, 2, 2], 1_000_000, 1_000_001, true),
    ] {
        let written: Vec<Written> = (0..9000)
            .map(|number| record(kinds[number % 3], number, (least + next(most - least)) as usize, "", crlf, ""))
            .collect();
        let (log, starts) = log_of(&written);
        let found = records_of(&frame(log.as_bytes(), &[256 << 10]));
        assert_eq!(found.len(), written.len(), "{name}");
        assert!(found.iter().zip(&starts).all(|(span, start)| span.start.0 == *start as u64), "{name}");
        let flag = if kinds[0] == 3 { Flags::empty() } else { Flags::LENGTH_MISMATCH };
        assert!(found[..found.len() - 1].iter().all(|span| span.flags == flag), "{name}: {:?}", found[0]);
        let looked_at = work(log.as_bytes(), 256 << 10);
        assert!(looked_at < 3 * log.len() as u64, "{name}: {looked_at} bytes looked at of {}", log.len());
    }
}

#[test]
fn a_body_with_noise_in_it_and_a_length_that_lies_is_read_twice_at_most() {
    let record = format!("{POST}POST /v1 HTTP/1.1\r\nContent-Length: 900000\r\n\r\nab\r\n{}", NOISE.repeat(50));
    let log = record.repeat(400);
    assert_eq!(records_of(&frame(log.as_bytes(), &[256 << 10])).len(), 400);
    let looked_at = work(log.as_bytes(), 256 << 10);
    assert!(looked_at < 3 * log.len() as u64, "{looked_at} bytes looked at of {}", log.len());
}

#[test]
fn a_header_line_right_after_the_headers_means_no_body() {
    let log = format!("{INVITE}{}\n{BYE}", declared(82, &format!("{BYE}end\r\n")));
    insta::assert_snapshot!(draw(log), @r"
    INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 82\r\n\r\n`, length_mismatch
    BYE: `end\r\n` + `\n`, ambiguous_boundary
    BYE: ``
    ");
    insta::assert_snapshot!(draw(format!("{POST}HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n\n{BYE}")), @r"
    POST: `HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n` + `\n`
    BYE: ``
    ");
}

#[test]
fn with_a_header_line_inside_a_line_end_confirms_no_length() {
    // The end lies at the end of a line of the second record.
    let second =
        format!("{BYE}BYE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\nContent-Length: 0\r\n\r\n\n");
    for length in [8 + BYE.len() + 35, 8 + BYE.len() + 37, 8 + BYE.len() + 35 + 29] {
        let drawn = draw(format!("{INVITE}{}{second}", declared(length, "v=0\r\n\r\n\n")));
        assert!(drawn.starts_with("INVITE: `INVITE sip:bob@example.com SIP/2.0"), "{drawn}");
        assert!(drawn.contains("length_mismatch\nBYE: `BYE sip:bob"), "{length}: {drawn}");
    }
}

#[test]
fn with_a_header_line_inside_a_known_line_or_a_blank_one_before_it_confirms_the_length() {
    let body = format!("see:\r\n{BYE}end\r\n");
    let whole = |drawn: &str| {
        drawn.lines().next().is_some_and(|first| first.ends_with("ambiguous_boundary") && first.contains("end"))
    };
    for after in ["", "\n", "\r\n", " \n"] {
        for next in [BYE, NOISE, ""] {
            let drawn = draw(format!("{INVITE}{}{after}{next}", sip(&body)));
            assert!(whole(&drawn), "{after:?} {next:?}: {drawn}");
        }
    }
    let cut = body.trim_end();
    for after in ["\n", "\r\n", "\n\n", " \n"] {
        let drawn = draw(format!("{INVITE}{}{after}{BYE}", sip(cut)));
        assert!(whole(&drawn), "{after:?}: {drawn}");
    }
    for after in ["\n\n", "x\n", "\nx\n"] {
        let drawn = draw(format!("{INVITE}{}{after}{BYE}", sip(&body)));
        assert!(!whole(&drawn) && drawn.contains("length_mismatch"), "{after:?}: {drawn}");
    }
}

#[test]
fn after_bare_lf_both_ways_of_counting_are_contested_alike() {
    let body = format!("see:\n{BYE}end\n");
    for length in [body.len(), body.len() + 3] {
        let message = format!("INVITE sip:bob@example.com SIP/2.0\nContent-Length: {length}\n\n{body}");
        for next in [BYE, NOISE, ""] {
            let drawn = draw(format!("{INVITE}{message}\n{next}"));
            assert!(drawn.contains(r"end\n` + `\n`, ambiguous_boundary"), "{length} {next:?}: {drawn}");
        }
    }
}

#[test]
fn http_answers_without_a_body_take_none_whatever_they_declare() {
    for start in ["HTTP/1.1 304 Not Modified", "HTTP/1.1 204 No Content", "HTTP/1.1 100 Continue"] {
        for length in ["Content-Length: 700\r\n", ""] {
            let drawn = draw(format!("{POST}{start}\r\n{length}\r\n\n{BYE}{BYE}"));
            assert!(drawn.ends_with("\\r\\n\\r\\n` + `\\n`\nBYE: ``\nBYE: ``"), "{start} {length}: {drawn}");
        }
    }
    insta::assert_snapshot!(draw(format!("{POST}HEAD /v1 HTTP/1.1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\n{NOISE}")), @r"
    POST: `HEAD /v1 HTTP/1.1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n` + `\n`
    noise 1: `2026-11-23 19:54:02.000 INFO app - tick\n`
    ");
}

#[test]
fn a_message_without_a_length_and_without_a_body_carries_no_flag() {
    for message in [
        "GET /v1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nServer: a\r\n\r\n",
        "BYE sip:a SIP/2.0\r\nVia: x\r\n\r\n",
    ] {
        for (after, next) in [("", BYE), ("\n", BYE), ("\n", NOISE), ("\n\n", BYE), ("\n", ""), ("", "")] {
            let drawn = draw(format!("{POST}{message}{after}{next}"));
            let first = drawn.lines().next().expect("a record");
            assert!(first.ends_with('`') && first.contains(r"\r\n\r\n`"), "{after:?} {next:?}: {first}");
        }
    }
    insta::assert_snapshot!(draw(format!("{POST}POST /v1 HTTP/1.1\r\nHost: a\r\n\r\nsome text\n{BYE}")), @r"
    POST: `POST /v1 HTTP/1.1\r\nHost: a\r\n\r\nsome text` + `\n`, ambiguous_boundary
    BYE: ``
    ");
}

#[test]
fn sip_messages_of_one_record_stay_together_where_a_length_ends_at_a_start_line() {
    let second = "BYE sip:bob@example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n";
    for body in ["", "v=0\r\n", "hello"] {
        let drawn = draw(format!("{INVITE}{}{second}{second}\n{BYE}", sip(body)));
        let lines: Vec<&str> = drawn.lines().collect();
        assert!(lines.len() == 2 && lines[0].matches("Content-Length").count() == 3, "{body:?}: {drawn}");
        assert!(lines[0].ends_with(r"` + `\n`"), "{body:?}: {drawn}");
        let apart = draw(format!("{INVITE}{}\n{second}\n{BYE}", sip(body)));
        assert!(apart.contains("\nfragment: `BYE sip"), "two writers: {apart}");
    }
}

#[test]
fn a_body_without_a_line_end_before_the_next_header_is_kept_where_it_fits() {
    let post = "POST /v1 HTTP/1.1\r\nContent-Length: 15\r\n\r\n{\"callId\":\"q1\"}";
    insta::assert_snapshot!(draw(format!("{POST}{post}{BYE}")), @r#"
    POST: `POST /v1 HTTP/1.1\r\nContent-Length: 15\r\n\r\n{\"callId\":\"q1\"}`
    BYE: ``
    "#);
    insta::assert_snapshot!(draw(format!("{POST}{{\"a\":\n1}}{BYE}")), @r#"
    POST: `{\"a\":\n1}`
    BYE: ``
    "#);
    // The logger's own prefix stands between them, as it stood before the first header.
    for prefix in [" 2(28536) INFO: {1}<script>: ", "2026-11-23 19:53:58 INFO app - ", "[7] "] {
        let drawn = draw(format!("{prefix}{POST}{post}{prefix}{BYE}"));
        assert!(drawn.contains(r#"q1\"}`"#) && drawn.ends_with("\nBYE: ``"), "{prefix}: {drawn}");
        let drawn =
            draw(format!("{prefix}{POST}{}\n{prefix}{BYE}", post.replace("15", &(16 + prefix.len()).to_string())));
        assert!(drawn.contains("length_mismatch"), "a prefix is no body: {drawn}");
    }
}

#[test]
fn a_record_after_an_empty_one_of_sip_may_be_mixed_with_it() {
    let flags =
        |log: String| records_of(&frame(log.as_bytes(), &[7])).iter().map(|span| span.flags).collect::<Vec<_>>();
    let suspect = Flags::INTERLEAVE_SUSPECT;
    assert_eq!(flags(format!("{INVITE}{INVITE}{}\n", sip(""))), [Flags::empty(), suspect]);
    assert_eq!(flags(format!("{INVITE}{NOISE}{INVITE}{}\n", sip(""))), [Flags::empty(); 2]);
    assert_eq!(flags(format!("{POST}{INVITE}{}\n", sip(""))), [Flags::empty(); 2]);
    assert_eq!(flags(format!("{BYE}{BYE}")), [Flags::empty(); 2]);
}
