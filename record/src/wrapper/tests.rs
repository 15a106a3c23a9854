//! What each wrapper makes of its lines.

use super::laws::{Got, cri, docker, read, wrap};
use super::*;
use crate::frame::Resume;
use crate::span::SpanKind;

const INVITE: &str = "[2026-11-20 10:00:00.010][INVITE][sip:192.0.2.10:5060][sip:192.0.2.20:5060]\n\
    INVITE sip:bob@example.com SIP/2.0\r\nSubject: caf\u{e9} \u{1F600} \"x\" #012345 \\n\r\nContent-Length: 0\r\n\r\n\n";
const BYE: &str = "[2026-11-20 10:00:01.010][BYE][sip:192.0.2.10:5060][sip:192.0.2.20:5060]\n\
    BYE sip:bob@example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n\n";

fn text(raw: &[u8], wrapper: Wrapper) -> Vec<u8> {
    let state = Unwrapper::new(wrapper);
    let mut text = Text::new(Mark { text: 0, raw: 0, state });
    text.take(raw, true, &Format::siptrail());
    assert_eq!(text.raw(), raw.len() as u64);
    text.bytes(0, usize::MAX).expect("kept").to_vec()
}

fn records(raw: &[u8], wrapper: Wrapper) -> Vec<String> {
    let got = read(raw, 0, &Resume::default(), wrapper, &[usize::MAX / 2]);
    let all = got.iter().filter(|got| got.kind() == SpanKind::Record);
    all.map(|got: &Got| String::from_utf8_lossy(&got.bytes).into_owned()).collect()
}

#[test]
fn an_entry_of_docker_is_read_whatever_order_its_keys_have() {
    for (line, is) in [
        (r#"{"log":"a\u00e9\ud83d\ude00\/\t\"\\n\r\n","stream":"stdout","time":"x"}"#, "a\u{e9}\u{1F600}/\t\"\\n\r\n"),
        (r#" { "time" : "x" , "stream" : "stderr" , "log" : "b\n" , "attrs" : { "a" : [ 1, {} ] } } "#, "b\n"),
        (r#"{"log":"","stream":"stdout"}"#, ""),
        (r#"{"log":"\ud83d\n","stream":"stdout"}"#, "\u{0}\n"),
    ] {
        let text = text(format!("{line}\n").as_bytes(), Wrapper::Docker);
        let is = if is.starts_with('\0') { b"\xed\xa0\xbd\n".to_vec() } else { is.as_bytes().to_vec() };
        assert_eq!(text, is, "{line}");
    }
}

#[test]
fn what_is_no_line_of_the_wrapper_passes_as_it_is() {
    for line in [
        "kernel: x\n",
        "{\"log\":\"torn\n",
        "{\"log\":7,\"stream\":\"stdout\"}\n",
        "{\"a\":\"b\"}\n",
        "\n",
        "{} x\n",
        "{\"log\":\"a\"} x\n",
    ] {
        assert_eq!(text(line.as_bytes(), Wrapper::Docker), line.as_bytes(), "{line}");
    }
    for line in [
        "2026-11-20T10:00:00.1Z stdout X a\n",
        "2026-11-20 10:00:00 stdout F a\n",
        "stdout F a\n",
        "\n",
        "2026-11-20T10:00:00Z other F a\n",
    ] {
        assert_eq!(text(line.as_bytes(), Wrapper::Cri), line.as_bytes(), "{line}");
    }
}

#[test]
fn parts_of_a_line_of_cri_are_joined() {
    let raw = "2026-11-20T10:00:00.1Z stdout P ab\n2026-11-20T10:00:00.1+09:00 stdout P cd\n2026-11-20T10:00:00Z stdout F \n\
        2026-11-20T10:00:00Z stdout F\n2026-11-20T10:00:00Z stdout F:x e\r\n";
    assert_eq!(text(raw.as_bytes(), Wrapper::Cri), b"abcd\n\ne\r\n");
}

#[test]
fn syslog_writes_control_characters_in_octal_and_other_hashes_stay() {
    assert_eq!(
        text(b"a#012#015#012#011b#033[0m #021# #0123 #01 #\n", Wrapper::Syslog),
        b"a\n\r\n\tb\x1b[0m #021# \n3 #01 #\n"
    );
}

#[test]
fn utf_16_is_utf_8_and_its_mark_is_left_out_at_the_head_alone() {
    let log = "\u{e9}\u{feff}\u{1F600}\r\n";
    for wrapper in [Wrapper::Utf16Le, Wrapper::Utf16Be] {
        let raw = wrap(log.as_bytes(), wrapper, 0);
        assert_eq!(Wrapper::of_mark(&raw), Some(wrapper));
        assert_eq!(text(&raw, wrapper), log.as_bytes());
        assert_eq!(text(&[&raw[..], b"x"].concat(), wrapper), [log.as_bytes(), b"x"].concat(), "half a unit");
    }
    assert_eq!(text(&[0xff, 0xfe, 0, 0xd8, b'a', 0], Wrapper::Utf16Le), [0xed, 0xa0, 0x80, b'a'], "half a pair");
}

#[test]
fn lines_of_the_other_output_are_not_mixed_into_a_record() {
    for wrapper in [Wrapper::Docker, Wrapper::Cri] {
        let line = |text: &str, stream: &str| match wrapper {
            Wrapper::Docker => docker(format!("{text}\n").as_bytes(), stream, false).into_bytes(),
            _ => cri(text.as_bytes(), stream, "F"),
        };
        let mut raw = line("OpenJDK warning", "stderr");
        for (nth, text) in format!("{INVITE}{BYE}").lines().enumerate() {
            raw.extend(line(text, "stdout"));
            raw.extend(line(&format!("stack trace {nth}"), "stderr"));
            raw.extend(line("2026-11-20 10:00:00 WARN app - x", "stderr"));
        }
        let got = read(&raw, 0, &Resume::default(), wrapper, &[usize::MAX / 2]);
        let is: Vec<_> = records(&raw, wrapper).iter().map(|text| text.replace('\r', "")).collect();
        assert_eq!(is, [INVITE, BYE].map(|text| text.replace('\r', "")), "{got:#?}");
    }
}

/// No runtime cuts a header line, which is shorter than what it reads at once; but nothing says so.
#[test]
fn a_header_line_in_several_entries_is_one() {
    let mut raw = Vec::new();
    for line in format!("{INVITE}{BYE}").split_inclusive('\n') {
        let text = line.strip_suffix('\n').unwrap_or(line);
        let (first, rest) = text.split_at(text.len() / 5);
        raw.extend(cri(first.as_bytes(), "stderr", "P"));
        raw.extend(cri(b"other", "stdout", "F"));
        raw.extend(cri(rest.as_bytes(), "stderr", "F"));
        raw.extend(cri(b"a part that nothing follows", "stdout", "P"));
    }
    assert_eq!(records(&raw, Wrapper::Cri), [INVITE, BYE]);
}

#[test]
fn records_of_either_output_are_followed() {
    let mut raw = Vec::new();
    for nth in 0..4 {
        for text in format!("{INVITE}{BYE}").split_inclusive('\n') {
            raw.extend(docker(text.as_bytes(), if nth % 2 == 0 { "stdout" } else { "stderr" }, false).into_bytes());
        }
    }
    assert_eq!(records(&raw, Wrapper::Docker), [INVITE, BYE].repeat(4));
}

#[test]
fn two_records_in_one_entry_begin_where_they_stand() {
    let post = "[2026-11-20 10:00:00.010][POST][http://a][http://b]\n{\"callId\":\"q1\"}";
    let log = format!("{post}{post}\n{BYE}");
    let raw = docker(log.as_bytes(), "stdout", false);
    let got = read(raw.as_bytes(), 0, &Resume::default(), Wrapper::Docker, &[usize::MAX / 2]);
    let places: Vec<&str> = got
        .iter()
        .filter(|got| got.kind() == SpanKind::Record)
        .map(|got| &raw[got.start as usize..(got.start as usize + 25).min(raw.len())])
        .collect();
    assert_eq!(places, ["{\"log\":\"[2026-11-20 10:00", "[2026-11-20 10:00:00.010]", "[2026-11-20 10:00:01.010]"]);
    assert_eq!(records(raw.as_bytes(), Wrapper::Docker).len(), 3);
}

#[test]
fn a_line_longer_than_any_wrapper_writes_takes_no_memory_and_loses_nothing_behind_it() {
    for wrapper in Wrapper::NAMED {
        let long = format!("{{\"log\":\"{}\n", "x#012".repeat(LONGEST));
        let raw = [long.as_bytes(), &wrap(INVITE.as_bytes(), wrapper, 99)].concat();
        let is = records(&raw, wrapper);
        assert_eq!(is.len(), 1, "{wrapper}");
    }
}

#[test]
fn a_log_is_recognised_by_its_first_lines_or_its_first_record() {
    let format = Format::siptrail();
    let look = |bytes: &[u8]| Seen::default().look(bytes, &format);
    for wrapper in Wrapper::NAMED {
        let raw = wrap(INVITE.as_bytes(), wrapper, 99);
        assert_eq!(look(&raw), Some(wrapper));
        let after = [b"kernel text\n\n".as_slice(), &raw].concat();
        assert_eq!(look(&after), Some(wrapper), "{wrapper} behind other lines");
        let mut seen = Seen::default();
        seen.understood();
        assert_eq!(seen.look(&raw, &format), None);
    }
    for plain in
        [INVITE, "a#012b\n", "{\"log\":\"x\"}\n", "{\"log\":\"x\",\"stream\":", "2026-11-20T10:00:00.1Z stdout\n", ""]
    {
        assert_eq!(look(plain.as_bytes()), None, "{plain}");
    }
    let late = [
        "Nov 20 10:00:00 pbx kamailio[123]: starting #012 now\n".repeat(99),
        "x [1795463450][BYE][sip:a][sip:b]#015#012BYE".into(),
    ]
    .concat();
    assert_eq!(look(late.as_bytes()), None, "bounded work");
    let mut seen = Seen::default();
    let (first, rest) = late.split_at(late.len() - 200);
    assert_eq!(seen.look(first.as_bytes(), &format), None);
    assert_eq!(seen.look(&rest.as_bytes()[rest.find('\n').unwrap_or(0) + 1..], &format), Some(Wrapper::Syslog));
}
