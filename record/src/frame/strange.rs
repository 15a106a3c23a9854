//! The torture list of framing, rows 14 to 29: strange bodies, strange bytes, strange lines, strange writers.

use super::laws::frame;
use super::torture::{BYE, INVITE, NOISE, POST, PUSH, draw, framer, grow, sip};
use super::*;
use crate::format::Line;
use crate::miss::Reason;
use chrono_tz::Tz;

#[test]
fn a14_an_http_request_and_its_response_are_one_record() {
    let request = "POST /v1 HTTP/1.1\r\nContent-Length: 9\r\n\r\n{\"a\":\"b\"}\n";
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\n";
    insta::assert_snapshot!(draw(format!("{POST}{request}{response}{BYE}")), @r#"
    POST: `POST /v1 HTTP/1.1\r\nContent-Length: 9\r\n\r\n{\"a\":\"b\"}\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok` + `\n`
    BYE: ``
    "#);
    insta::assert_snapshot!(draw(format!("{POST}{{\"a\":\n 1}}\n\n[2]\n{BYE}")), @r#"
    POST: `{\"a\":\n 1}\n\n[2]` + `\n`
    BYE: ``
    "#);
}

#[test]
fn a14_a_chunked_message_runs_to_the_next_known_line() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\u{303}\r\n0\r\n\r\n";
    insta::assert_snapshot!(draw(format!("{POST}{chunked}\n{NOISE}")), @r"
    POST: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\xcc\x83\r\n0\r\n\r\n` + `\n`, ambiguous_boundary
    noise 1: `2026-11-23 19:54:02.000 INFO app - tick\n`
    ");
}

#[test]
fn a21_a_character_may_lie_across_chunks_of_http() {
    let smile = "\u{1F600}".as_bytes();
    let (first, last) = smile.split_at(2);
    let chunked = [b"2\r\n", first, b"\r\n2\r\n", last, b"\r\n0\r\n\r\n"].concat();
    let message = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &*chunked].concat();
    let log = [POST.as_bytes(), &message, b"\n", BYE.as_bytes()].concat();
    draw(&log);
    let record = frame(&log, &[usize::MAX / 2])[0];
    let logged = &log[record.head as usize..(record.len - u64::from(record.line_end)) as usize];
    assert_eq!((logged, record.flags), (&*message, Flags::AMBIGUOUS_BOUNDARY));
}

#[test]
fn a15_a_body_without_a_last_newline_is_final_at_the_closed_end() {
    let log = format!("{INVITE}{}", sip("v=0"));
    let mut framer = framer();
    assert_eq!(grow(&mut framer, log.as_bytes(), 0, log.len()), []);
    assert_eq!(framer.tail()[0].len, log.len() as u64);
    insta::assert_snapshot!(draw(log), @r"INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 3\r\n\r\nv=0`");
    insta::assert_snapshot!(draw(format!("{PUSH}hello")), @"PUSH: `hello`, ambiguous_boundary");
    insta::assert_snapshot!(draw(INVITE.trim_end()), @"INVITE: ``");
    insta::assert_snapshot!(draw(format!("{NOISE}{BYE}{BYE}").trim_end()), @r"
    noise 1: `2026-11-23 19:54:02.000 INFO app - tick\n`
    BYE: ``
    BYE: ``
    ");
}

#[test]
fn a16_a_message_holds_the_newlines_that_were_logged_less_one() {
    let log = format!("{PUSH}\n{PUSH}\n\n{PUSH}{}{PUSH}{BYE}", "\n".repeat(11));
    insta::assert_snapshot!(draw(log), @r"
    PUSH: `` + `\n`
    PUSH: `\n` + `\n`, ambiguous_boundary
    PUSH: `\n\n\n\n\n\n\n\n\n\n` + `\n`, ambiguous_boundary
    PUSH: ``
    BYE: ``
    ");
}

#[test]
fn a16_the_blank_line_of_sip_headers_is_never_taken() {
    let blank = "`INVITE sip:bob@example.com SIP/2.0\\r\\nContent-Length: 0\\r\\n\\r\\n`";
    for (behind, expect) in [("", ""), ("\n", " + `\\n`")] {
        let drawn = draw(format!("{INVITE}{}{behind}{BYE}", sip("")));
        assert_eq!(drawn, format!("INVITE: {blank}{expect}\nBYE: ``"));
    }
    let drawn = draw(format!("{INVITE}{}\n\n\r\n{BYE}", sip("")));
    assert_eq!(drawn, format!("INVITE: {blank} + `\\n`\nnoise 2: `\\n\\r\\n`\nBYE: ``"), "more blank lines are noise");
}

#[test]
fn a17_a_header_line_may_end_in_crlf() {
    let log = format!("{INVITE}{}\r\n{BYE}", sip("v=0\r\n")).replace("5060]\n", "5060]\r\n");
    insta::assert_snapshot!(draw(&log), @r"
    INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 5\r\n\r\nv=0\r\n` + `\r\n`
    BYE: ``
    ");
    let spans = frame(log.as_bytes(), &[7]);
    assert_eq!(u64::from(spans[1].head), BYE.len() as u64 + 1, "the CR is in the header line");
    let line = &log.as_bytes()[spans[1].start.0 as usize..][..spans[1].head as usize - 1];
    let Line::Header(header) = Format::siptrail().read(line, Tz::UTC) else { panic!("a header") };
    assert!(line.ends_with(b"\r") && header.destination == b"sip:192.0.2.7:5060", "and not in the destination");
}

#[test]
fn a18_an_ipv6_address_and_a_blank_are_a_field_and_an_empty_one_is_not() {
    let v6 = "[1795463450][BYE][sip:[2001:db8::1]:5060][sip:b]\n";
    let blank = "[1795463450][BYE][sip:a b][sip:b]\n";
    let empty = "[1795463450][BYE][][sip:b]\n";
    let log = format!("{v6}{blank}{NOISE}{empty}");
    insta::assert_snapshot!(draw(&log), @r"
    BYE: ``
    BYE: ``
    noise 2: `2026-11-23 19:54:02.000 INFO app - tick\n[1795463450][BYE][][sip:b]\n`
    ");
    let (reason, _) = Format::siptrail().near_miss(empty.trim_end().as_bytes()).unwrap();
    assert_eq!(reason, Reason::Address);
    for (line, source) in [(v6, &b"sip:[2001:db8::1]:5060"[..]), (blank, b"sip:a b")] {
        let Line::Header(header) = Format::siptrail().read(line.trim_end().as_bytes(), Tz::UTC) else {
            panic!("{line}")
        };
        assert_eq!((header.source, header.destination), (source, &b"sip:b"[..]));
    }
}

#[test]
fn a19_a_line_with_brackets_is_not_a_header() {
    let lines = [
        "[1795463450][a][b][c][d]\n".to_owned(),
        "[2026-13-23 19:53:58][BYE][sip:a][sip:b]\n".to_owned(),
        "[main][INFO][a][b]\n".to_owned(),
        format!("{}[1795463450][BYE][sip:a][sip:b]\n", "x".repeat(20 << 10)),
    ];
    for line in lines {
        let kinds = |log: String| frame(log.as_bytes(), &[4096]).iter().map(|span| span.kind).collect::<Vec<_>>();
        assert_eq!(kinds(format!("{NOISE}{line}")), [SpanKind::Noise], "{line}");
        assert_eq!(kinds(format!("{INVITE}{}\n{NOISE}", sip(&line))), [SpanKind::Record, SpanKind::Noise], "{line}");
        let log = format!("{PUSH}{line}{NOISE}{line}");
        draw(&log);
        assert_eq!(kinds(log), [SpanKind::Record, SpanKind::Noise], "{line}");
    }
}

#[test]
fn a20_bytes_that_are_no_text_are_kept() {
    let mut log = b"\xef\xbb\xbf".to_vec();
    log.extend(INVITE.as_bytes());
    log.extend(b"INVITE sip:bob@example.com SIP/2.0\r\nSubject: caf\xe9\r\nContent-Length: 8\r\n\r\n\0\xff\xed\xa0\x80\r\n\0\n");
    log.extend(BYE.as_bytes());
    insta::assert_snapshot!(draw(log), @r"
    INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nSubject: caf\xe9\r\nContent-Length: 8\r\n\r\n\x00\xff\xed\xa0\x80\r\n\x00` + `\n`
    BYE: ``
    ");
}

#[test]
fn a21_a_character_may_lie_across_chunks() {
    // The drawing is the same for chunks of 1, 2 and 3 bytes.
    let log = format!("{PUSH}{{\"text\":\"안녕 \u{1F600}\"}}\n{INVITE}{}\n", sip("s=\u{1F600}\r\n"));
    let spans = frame(log.as_bytes(), &[1]);
    assert_eq!(spans.len(), 2);
    assert!(spans.iter().all(|span| span.flags == Flags::empty() && span.line_end == 1), "{spans:?}");
    draw(log);
}

#[test]
fn a22_a_long_body_is_one_record() {
    let body = "x".repeat(10 << 20);
    for log in [format!("{INVITE}{}\n{BYE}", sip(&body)), format!("{PUSH}{body}\n{BYE}")] {
        let spans = frame(log.as_bytes(), &[256 << 10]);
        assert_eq!(spans.len(), 2);
        assert_eq!(spans[0].end().0, (log.len() - BYE.len()) as u64);
        assert!(!spans[0].flags.contains(Flags::OVERSIZE));
    }
}

#[test]
fn a23_a_record_beyond_the_limit_is_flagged_and_kept_in_full() {
    let log = format!("{INVITE}{}\n", sip(&"x".repeat(2000)));
    for (record, oversize) in [(log.len() as u64, false), (log.len() as u64 - 1, true)] {
        let mut framer = Framer::new(Arc::new(Format::siptrail()), Offset(0), &Resume::default(), Limits { record });
        let spans = grow(&mut framer, log.as_bytes(), 0, log.len());
        assert_eq!((spans.len(), spans[0].len), (1, log.len() as u64));
        assert_eq!(spans[0].flags.contains(Flags::OVERSIZE), oversize);
    }
}

#[test]
fn a24_two_writers_of_whole_records_are_exact_in_any_order() {
    let records = [
        format!("{INVITE}{}\n", sip("v=0\r\n")),
        format!("a: {BYE}{}\n", sip("")),
        format!("{POST}{{\"a\":1}}\n"),
        format!("{NOISE}b: {PUSH}{{\n}}\n"),
    ];
    for first in 0..records.len() {
        for second in 0..records.len() {
            let log = format!("{}{}", records[first], records[second]);
            let spans = frame(log.as_bytes(), &[5]);
            let of = |kind| spans.iter().filter(move |span| span.kind == kind);
            assert_eq!(of(SpanKind::Record).count(), 2, "{log}");
            assert_eq!(of(SpanKind::Fragment).count(), 0, "{log}");
            assert!(of(SpanKind::Record).all(|span| span.flags == Flags::empty()), "{log}");
        }
    }
}

#[test]
fn a25_writers_that_mix_their_lines_lose_no_byte() {
    let log = format!("{INVITE}{BYE}{}\n{}\n", sip("a=1\r\n"), sip("a=2\r\n"));
    insta::assert_snapshot!(draw(log), @r"
    INVITE: ``
    BYE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 5\r\n\r\na=1\r\n` + `\n`, interleave_suspect
    fragment: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 5\r\n\r\na=2\r\n\n`, orphan_fragment
    ");
}

#[test]
fn a26_nothing_is_pending_in_noise() {
    let mut framer = framer();
    let log = format!("{INVITE}{}\n{}", sip(""), NOISE.repeat(2000));
    let mut at = 0;
    while at < log.len() {
        let to = log.len().min(at + 1000);
        let spans = grow(&mut framer, log.as_bytes(), at, to);
        assert!(spans.len() <= 2);
        assert!(to as u64 - framer.unfinished().0 < NOISE.len() as u64, "at {to}");
        assert_eq!(framer.tail(), []);
        at = to;
    }
}

#[test]
fn a26_unknown_lines_in_noise_are_noise() {
    let log = format!("{NOISE}java.lang.Error\n\tat a.b(C.java:7)\n{INVITE}{}\n{NOISE}\tat d.e\n{BYE}", sip(""));
    insta::assert_snapshot!(draw(log), @r"
    noise 3: `2026-11-23 19:54:02.000 INFO app - tick\njava.lang.Error\n\tat a.b(C.java:7)\n`
    INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n` + `\n`
    noise 2: `2026-11-23 19:54:02.000 INFO app - tick\n\tat d.e\n`
    BYE: ``
    ");
}

#[test]
fn a27_a_log_that_begins_inside_a_record_begins_with_a_fragment() {
    let log = format!("sip:alice@example.com>\r\n\r\nv=0\r\n\n{INVITE}{}\n", sip(""));
    insta::assert_snapshot!(draw(log), @r"
    fragment: `sip:alice@example.com>\r\n\r\nv=0\r\n\n`, orphan_fragment
    INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n` + `\n`
    ");
}

#[test]
fn a27_a_fragment_at_its_cap_is_flagged_and_then_noise() {
    let lines = "x=y and no header\n".repeat(100_000);
    for (before, cap, index) in [(String::new(), 1 << 20, 0), (format!("{INVITE}{}\n", sip("")), 64 << 10, 1)] {
        let log = format!("{before}{lines}{BYE}");
        let spans = frame(log.as_bytes(), &[4096]);
        let [fragment, noise, bye] = spans[index..] else { panic!("{spans:?}") };
        assert_eq!((fragment.kind, noise.kind, bye.kind), (SpanKind::Fragment, SpanKind::Noise, SpanKind::Record));
        assert_eq!(fragment.flags, Flags::ORPHAN_FRAGMENT.union(Flags::OVERSIZE));
        assert!((cap - 18..=cap).contains(&fragment.len), "{fragment:?}");
        assert_eq!(frame(log.as_bytes(), &[100]), spans);
    }
}

#[test]
fn a28_a_record_that_stalls_is_provisional_under_one_start() {
    let log = format!("{NOISE}{INVITE}{}\n", sip("v=0\r\no=a\r\ns=-\r\n"));
    let start = NOISE.len();
    let body = log.find("v=0").expect("a body");
    let mut framer = framer();
    let mut at = 0;
    for stall in [body + 2, body + 5, body + 12] {
        let spans = grow(&mut framer, log.as_bytes(), at, stall);
        assert!(spans.iter().all(|span| span.kind == SpanKind::Noise));
        let tail = framer.tail();
        assert_eq!((tail.len(), tail[0].start.0, tail[0].end().0), (1, start as u64, stall as u64));
        assert_eq!(framer.unfinished().0, start as u64);
        at = stall;
    }
    let spans = grow(&mut framer, log.as_bytes(), at, log.len());
    assert_eq!((spans.len(), spans[0].start.0, spans[0].end().0), (1, start as u64, log.len() as u64));
    assert_eq!(framer.tail(), []);
}

#[test]
fn a29_a_strange_time_is_data() {
    let times = [
        "2026-11-23 19:53:58",
        "2026-11-23 19:53:58",
        "1970-01-01 00:00:00",
        "9999-12-31 23:59:59",
        "0000000001",
        "2026-11-22 00:00:00",
    ];
    let log: String = times.map(|time| format!("[{time}][BYE][sip:a][sip:b]\n")).concat();
    let spans = frame(log.as_bytes(), &[11]);
    assert_eq!(spans.len(), times.len());
    let bye = |seconds: usize| "[".len() + seconds + "][BYE][sip:a][sip:b]\n".len();
    let mut start = 0;
    for (span, time) in spans.iter().zip(times) {
        let len = bye(time.len()) as u64;
        assert_eq!(
            (span.kind, span.start.0, span.len, span.flags),
            (SpanKind::Record, start, len, Flags::empty()),
            "{time}"
        );
        start += len;
    }
}

#[test]
fn a_prefix_that_is_a_level_word_makes_no_noise_of_messages() {
    let prefix = "[1795463450][INFO][sip:a][sip:b]\n";
    let info = "INFO sip:bob@example.com SIP/2.0\r\nAlert-Info: <http://a>\r\nError-Info: b\r\nWarning: 399 c\r\nContent-Length: 0\r\n\r\n\n";
    let body = info.trim_end_matches('\n').as_bytes().escape_ascii().to_string() + "\\n";
    for (logger, noise) in [
        ("INFO:root:", "WARNING:root:low\n"),
        ("info: ", "warn: low\n"),
        ("Info: ", "Warning: low\n"),
        ("INFO ", "DEBUG low\n"),
        ("INFO", "WARN[low]\n"),
    ] {
        let drawn = draw(format!("{logger}{prefix}{info}{noise}{logger}{prefix}{noise}"));
        let lines = noise.as_bytes().escape_ascii();
        assert_eq!(
            drawn,
            format!("INFO: `{body}` + `\\n`\nnoise 1: `{lines}`\nINFO: ``\nnoise 1: `{lines}`"),
            "{logger}"
        );
    }
}

#[test]
fn a_header_line_of_16_kib_is_the_longest() {
    for (longer, records) in [(0, 1), (1, 0)] {
        for eol in ["\n", "\r\n"] {
            let prefix = "x".repeat(LINE + longer - (BYE.len() - 1));
            let spans = frame(format!("{prefix}{}{eol}", BYE.trim_end()).as_bytes(), &[usize::MAX / 2]);
            assert_eq!(spans.iter().filter(|span| span.kind == SpanKind::Record).count(), records, "{longer}{eol:?}");
        }
    }
}

#[test]
fn text_that_starts_as_json_declares_no_length() {
    insta::assert_snapshot!(draw(format!("{PUSH}[1] hello\n{NOISE}")), @r"
    PUSH: `[1] hello` + `\n`, ambiguous_boundary
    noise 1: `2026-11-23 19:54:02.000 INFO app - tick\n`
    ");
}

#[test]
fn a28_an_unfinished_line_longer_than_a_header_is_provisional_as_far_as_it_is_there() {
    let mut framer = framer();
    let log = format!("[1795463450][PUSH][http://a][http://b]\n{{\"x\":\"{}", "y".repeat(20_000));
    for to in [100, 15_000, 17_000, log.len()] {
        let mut framer = self::framer();
        grow(&mut framer, log.as_bytes(), 0, to);
        assert_eq!(framer.tail()[0].len, to as u64, "of {to} bytes");
    }
    grow(&mut framer, log.as_bytes(), 0, 17_000);
    grow(&mut framer, log.as_bytes(), 17_000, log.len());
    assert_eq!(framer.tail()[0].len, log.len() as u64, "in two reads");
}
