//! Laws of reading a message: nothing panics, no byte is lost, line ends do not matter.

use message::event::class_of;
use message::facts::{self, Facts, Settings};
use message::kind::{Kind, decide};
use message::sip::{HEADER_BLOCK, Headers};
use proptest::prelude::*;

const INVITE: &str = "INVITE sip:bob@example.com;x=1 SIP/2.0\nVia: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK1;rport,\n \
    SIP/2.0/TCP b.example.com;branch=z9hG4bK2\nf: \"A \\\"l\\\" <x>\" <sip:alice@example.com>;tag=1\n\
    To: sip:bob@example.com\ni: call-17@example.com\nCSeq: 1 INVITE\nX-CID: a-leg-17@example.com\n\
    Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2\n\
    Refer-To: <sip:c@example.com?Replaces=call-18%40example.com%3Bto-tag%3D1>\nContact: *\n\
    P-Charging-Vector: icid-value=\"icid-17\"\nContent-Type: multipart/mixed;boundary=b\nContent-Length: 79\n\n\
    --b\nContent-Type: application/sdp\n\nv=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\n--b--\n";
const EXCHANGE: &str = "POST /3/device/ab?callId=call%2017 HTTP/1.1\nContent-Length: 30\n\n{\"callId\":\"call-17\",\"status\":7}\n\
    HTTP/1.1 200 OK\n\n{\"message\":{\"token\":[\"t\"]},\"result\":{\"status\":0}}[1]{\n";

/// Header lines that mean something, whole and broken.
fn lines() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "Via: SIP/2.0/UDP a.example.com;branch=z9hG4bK1",
        "v: SIP / 2.0 / TCP b.example.com;;,",
        "From: \"Al\\\"ice\" <sip:alice@example.com>;tag=1",
        "From: \"open <sip:alice@example.com>",
        "To: sip:bob@example.com;tag=2",
        "i: call-17@example.com",
        "CSeq: 99999999999 INVITE",
        "CSeq: 2 INVITE",
        "X-CID: <a-leg-17@example.com>",
        "Contact: <sip:a@b>, \"x,y\" <tel:+1>;q=0.1",
        "Contact:\n <sip:folded@example.com>\n ;expires=60",
        "no colon here",
        "bad name: x",
        ": nothing",
        "Session-ID: ab30317f1a784dc48ff824d0d3715d86",
        "Event: refer;id=1",
        "Reason: SIP;cause=200;text=\"elsewhere\"",
        "Expires: -1",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "[ -~]{0,40}"]
}

fn all_kinds(method: &str, destination: &str, body: &[u8]) -> Vec<Facts> {
    let settings = Settings::default();
    let _ = decide(&settings.kind, "proxy", method, destination, destination, body);
    Kind::ALL.iter().map(|kind| facts::read(*kind, method, destination, destination, body, &settings)).collect()
}

/// Facts without the places of their faults.
fn without_places(mut facts: Facts) -> Facts {
    facts.faults.iter_mut().for_each(|fault| fault.at = 0);
    facts
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(method in "[A-Z0-9]{0,8}", destination in "[ -~]{0,30}", body in prop::collection::vec(any::<u8>(), 0..400)) {
        for facts in all_kinds(&method, &destination, &body) {
            let _ = (class_of(&facts), facts.interleaved(&method));
        }
    }

    #[test]
    fn no_mutation_of_a_message_makes_it_panic(
        exchange in any::<bool>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3u8, prop::sample::select(b"\0\t\n\r \"%&,/:;<=>?@[\\]{}\x80\xff0aZ".to_vec())), 0..12),
    ) {
        let mut bytes = if exchange { EXCHANGE } else { INVITE }.as_bytes().to_vec();
        for (at, what, byte) in edits {
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => bytes.truncate(at.max(1)),
            }
        }
        for facts in all_kinds("INVITE", "https://fcm.example.com/x?callId=1", &bytes) {
            prop_assert!(facts.faults.len() <= 32 && facts.keys.len() <= 32);
            prop_assert!(facts.faults.iter().all(|fault| fault.at as usize <= bytes.len()));
        }
    }

    #[test]
    fn start_line_headers_blank_line_and_body_tile_the_message(
        start in "(\r?\n){0,2}[ -~]{0,20}",
        lines in prop::collection::vec(lines(), 0..12),
        crlf in any::<bool>(),
        body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut message = format!("{start}\n{}\n\n", lines.join("\n"));
        if crlf {
            message = message.replace('\n', "\r\n");
        }
        let bytes = [message.as_bytes(), &body].concat();
        let headers = Headers::of(&bytes);
        let mut at = headers.start_line().end;
        prop_assert_eq!(headers.start_line().start, 0);
        for header in headers.clone() {
            prop_assert_eq!(header.range.start, at);
            prop_assert!(header.range.start <= header.value_range.start && header.value_range.end <= header.range.end);
            at = header.range.end;
        }
        prop_assert_eq!(headers.blank().start, at);
        prop_assert_eq!(headers.body(), headers.blank().end..bytes.len());
    }

    #[test]
    fn lf_and_crlf_say_the_same(lines in prop::collection::vec(lines(), 0..12), body in "([a-z]=[ -~]{0,12}\n){0,6}") {
        let declared = body.replace('\n', "\r\n").len();
        let text = format!("INVITE sip:bob@example.com SIP/2.0\n{}\nc: application/sdp\nl: {declared}\n\n{body}", lines.join("\n"));
        let read = |text: &str| {
            without_places(facts::read(Kind::Sip, "INVITE", "-", "-", text.as_bytes(), &Settings::default()))
        };
        prop_assert_eq!(read(&text), read(&text.replace('\n', "\r\n")));
    }
}

#[test]
fn headers_behind_64_kib_count_as_body() {
    let many = "X-Long: 0123456789abcdef\r\n".repeat(4000);
    let message = format!("INVITE sip:b SIP/2.0\r\nCall-ID: c1@a\r\n{many}\r\nbody");
    let mut headers = Headers::of(message.as_bytes());
    let last = headers.by_ref().last().unwrap();
    assert!(headers.cut() && last.range.end <= HEADER_BLOCK);
    assert_eq!(headers.body(), last.range.end..message.len());
    let facts = facts::read(Kind::Sip, "INVITE", "-", "-", message.as_bytes(), &Settings::default());
    assert!(facts.has_fault("header_block") && facts.call_id.as_deref() == Some("c1@a"));
}

#[test]
fn a_line_without_an_end_is_a_body() {
    let bytes = vec![b'a'; HEADER_BLOCK + 1];
    let mut headers = Headers::of(&bytes);
    assert_eq!((headers.next(), headers.cut(), headers.body()), (None, true, 0..bytes.len()));
    let headers = Headers::of(b"INVITE sip:b SIP/2.0");
    assert_eq!((headers.start_line(), headers.blank(), headers.body()), (0..20, 20..20, 20..20));
}

#[test]
fn a_folded_value_is_unfolded_and_its_range_is_as_logged() {
    let bytes = b"INVITE sip:b SIP/2.0\r\nsUbJeCt :  I know\r\n you're\r\n\t there \r\nX-Odd\r\n\r\n\xffbody";
    let headers: Vec<_> = Headers::of(bytes).collect();
    assert_eq!((&*headers[0].name(), &*headers[0].canonical()), ("sUbJeCt", "Subject"));
    assert_eq!(headers[0].value(), "I know you're there");
    assert_eq!(&bytes[headers[0].value_range.clone()], b"I know\r\n you're\r\n\t there");
    assert_eq!((&*headers[1].name(), &*headers[1].value()), ("", "X-Odd"));
    assert_eq!(&bytes[Headers::of(bytes).body()], b"\xffbody");
}
