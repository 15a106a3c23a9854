//! The rules of framing, a sentence each (`docs/log-format.md`), where no row of the torture list shows it.

use super::laws::frame;
use super::torture::{BYE, INVITE, NOISE, POST, PUSH, declared, draw, framer, grow, sip};
use super::*;
use crate::format::Definition;

/// The record at the head of a growing log, once it is final.
fn first(log: &str) -> Option<Span> {
    grow(&mut framer(), log.as_bytes(), 0, log.len()).first().copied()
}

#[test]
fn sip_is_final_with_the_line_end_behind_its_declared_end() {
    let log = format!("{INVITE}{}", sip("v=0\r\n"));
    assert_eq!(first(&log), None);
    assert_eq!(first(&format!("{log}\n")).map(|span| span.len), Some(log.len() as u64 + 1));
}

#[test]
fn http_and_json_are_final_when_the_next_line_shows_that_nothing_of_theirs_follows() {
    for message in ["POST /v1 HTTP/1.1\r\nContent-Length: 2\r\n\r\nok\n", "{\"a\":1}\n"] {
        let log = format!("{POST}{message}");
        assert_eq!(first(&log), None, "{message}");
        assert_eq!(first(&format!("{log}HTTP/1.1 200 OK\r\n")), None, "{message}");
        for next in [BYE, NOISE, "what is this\n"] {
            assert_eq!(first(&format!("{log}{next}")).map(|span| span.len), Some(log.len() as u64), "{next}");
        }
    }
}

#[test]
fn all_else_is_final_with_the_next_known_line() {
    let log = format!("{PUSH}hello\nand more\n");
    assert_eq!(first(&format!("{log}unknown\n")), None);
    for next in [BYE, NOISE] {
        assert_eq!(first(&format!("{log}{next}")).map(|span| span.len), Some(log.len() as u64), "{next}");
    }
}

#[test]
fn blanks_may_stand_between_a_declared_end_and_its_line_end() {
    insta::assert_snapshot!(draw(format!("{INVITE}{} \t \n{BYE}", sip("v=0"))), @r"
    INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 3\r\n\r\nv=0`
    noise 1: ` \t \n`
    BYE: ``
    ");
}

#[test]
fn a_known_line_right_behind_a_declared_end_is_a_boundary() {
    for next in [BYE, NOISE] {
        let drawn = draw(format!("{INVITE}{}{next}", sip("v=0\r\n")));
        assert!(drawn.starts_with(r"INVITE: `INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: 5\r\n\r\nv=0\r\n`"));
        assert!(!drawn.contains("length_mismatch") && !drawn.contains("fragment"), "{drawn}");
    }
}

/// From the known line to the declared end.
#[test]
fn a_declared_end_is_waited_for_64_kib_behind_a_known_line_and_in_http_a_mib() {
    let http = |length| format!("{POST}POST /v1 HTTP/1.1\r\nContent-Length: {}\r\n\r\nab\r\n{BYE}", length + 4);
    let sip = |length: usize| format!("{INVITE}{}", declared(length + 4, &format!("ab\r\n{BYE}")));
    for (log, waits) in
        [(sip(64 << 10), true), (sip((64 << 10) + 1), false), (http(1 << 20), true), (http((1 << 20) + 1), false)]
    {
        let found = first(&log);
        assert_eq!(found.is_none(), waits, "{log}");
        if let Some(span) = found {
            assert_eq!((span.end().0, span.flags), ((log.len() - BYE.len()) as u64, Flags::LENGTH_MISMATCH));
        }
    }
}

#[test]
fn behind_bare_lf_a_declared_end_is_waited_for_as_long() {
    let log =
        |length: usize| format!("{INVITE}INVITE sip:bob@example.com SIP/2.0\nContent-Length: {length}\n\nv=0\n{BYE}");
    assert_eq!(first(&log(60 << 10)), None);
    let found = first(&log(70 << 10)).map(|span| (span.end().0, span.flags));
    assert_eq!(found, Some(((log(70 << 10).len() - BYE.len()) as u64, Flags::LENGTH_MISMATCH)));
}

#[test]
fn json_never_waits_for_its_bracket() {
    insta::assert_snapshot!(draw(format!("{PUSH}{{\"a\":\n{BYE}")), @r#"
    PUSH: `{\"a\":` + `\n`, ambiguous_boundary
    BYE: ``
    "#);
    assert!(first(&format!("{PUSH}{{\"a\":\n{NOISE}")).is_some());
}

#[test]
fn a_noise_pattern_of_the_format_ends_a_message_and_is_body_inside_a_length() {
    let pbx = Definition { name: "pbx".into(), noise: vec!["^# ".into()], ..Format::siptrail().definition().clone() };
    let format = Arc::new(Format::compile(pbx).expect("a format"));
    let log = format!("{PUSH}hello\n# tick\nunknown\n{INVITE}{}\n# tick\n", sip("# no tick\r\n"));
    let found: Vec<_> = spans(log.as_bytes(), &format).iter().map(|span| (span.kind, span.lines)).collect();
    let [record, noise] = [SpanKind::Record, SpanKind::Noise];
    assert_eq!(found, [(record, 0), (noise, 2), (record, 0), (noise, 1)]);
}

#[test]
fn the_shape_of_a_prefix_lives_until_the_next_header() {
    let prefixed = |prefix: &str| format!("{prefix}{PUSH}hello\n");
    let log = format!("{}one[7]: a tick\n{}one[7]: of the message\n", prefixed("one[3]: "), prefixed("two[3]: "));
    insta::assert_snapshot!(draw(log), @r"
    PUSH: `hello` + `\n`, ambiguous_boundary
    noise 1: `one[7]: a tick\n`
    PUSH: `hello\none[7]: of the message` + `\n`, ambiguous_boundary
    ");
}

#[test]
fn of_a_long_prefix_the_first_256_bytes_are_the_shape() {
    let prefix = "app-".repeat(64);
    let resume = |prefix: String| {
        let mut framer = framer();
        grow(&mut framer, format!("{prefix}{BYE}").as_bytes(), 0, prefix.len() + BYE.len());
        framer.resume().shape.len()
    };
    assert_eq!((resume(prefix.clone()), resume(prefix + "longer")), (256, 256));
}

#[test]
fn a_header_block_over_64_kib_declares_no_length() {
    let block = |bytes: usize| {
        let line = format!("X: {}\r\n", "x".repeat(95));
        format!(
            "INVITE sip:bob@example.com SIP/2.0\r\n{}Content-Length: 4\r\n\r\nv=0\n",
            line.repeat(bytes / line.len())
        )
    };
    for (bytes, flags) in [(60 << 10, Flags::empty()), (70 << 10, Flags::AMBIGUOUS_BOUNDARY)] {
        let log = format!("{INVITE}{}{BYE}", block(bytes));
        let spans = frame(log.as_bytes(), &[4096]);
        assert_eq!((spans.len(), spans[0].flags), (2, flags), "{bytes}");
        assert_eq!(spans[0].end().0, (log.len() - BYE.len()) as u64, "{bytes}");
    }
}

#[test]
fn json_nested_too_deep_runs_to_the_next_known_line() {
    let deep = format!("{}{}", "[".repeat(1025), "]".repeat(1025));
    let spans = frame(format!("{PUSH}{deep}\n{BYE}").as_bytes(), &[usize::MAX / 2]);
    assert_eq!((spans.len(), spans[0].flags), (2, Flags::AMBIGUOUS_BOUNDARY));
    assert_eq!(spans[0].len, (PUSH.len() + deep.len() + 1) as u64);
}

#[test]
fn a_framer_takes_less_than_a_kib() {
    assert!(size_of::<Framer>() + 256 < 1024, "{} bytes and a shape", size_of::<Framer>());
}

#[test]
fn a_byte_order_mark_spoils_neither_a_header_nor_the_shape_of_noise() {
    let log = "\u{feff}19:53:58.1 app [1795463450][INFO][sip:a][sip:b]\nhello\n20:01:07.9 app started\n";
    insta::assert_snapshot!(draw(log), @r"
    INFO: `hello` + `\n`, ambiguous_boundary
    noise 1: `20:01:07.9 app started\n`
    ");
    let log = format!("\u{feff}2026-11-23 19:53:58 INFO app started\n{BYE}");
    assert!(draw(log).starts_with("noise 1: "), "an ordinary line at the head of a file");
}

#[test]
fn what_stands_behind_the_groups_is_of_the_header_line_and_not_of_the_message() {
    for marks in [" ", "\t ", "\x1b[0m", " \x1b[m\x1b[K", "\x1b[0m\r"] {
        let header = INVITE.trim_end();
        let log = format!("{header}{marks}\n{}\n{BYE}", sip("v=0\r\n"));
        let plain = draw(format!("{header}\n{}\n{BYE}", sip("v=0\r\n")));
        assert_eq!(draw(&log), plain, "{marks:?}");
    }
}
