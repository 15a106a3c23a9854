//! RFC 4475, 3.1.1.7 to 3.1.1.13: long, many and rare values in messages that are valid.

use message::sip::Headers;

use crate::margin::{check, check_bytes, message, parties, sip};

#[test]
fn rfc4475_3_1_1_7_long_values_in_header_fields() {
    let user = "longuser".repeat(40);
    let tag = "longtag".repeat(60);
    let call_id = "longcallid".repeat(50);
    let branch = "longbranch".repeat(30);
    let long = "long".repeat(50);
    let mut drawn = format!(
        "
        |INVITE sip:bob@example.com SIP/2.0
        |To: \"{name}\"<sip:bob@example.com:6000;one={long};{long}=short;{long}NoValue>
        |F: sip:{user}@example.net;tag={tag};{long}={long};{long}NoValue
        |Call-ID: {call_id}
        |CSeq: 3882340 INVITE
        |Unknown-{long}-Name: {long}-value; {long}-name = {long}-value
        ",
        name = "I have a user name of extreme proportion ".repeat(40),
    );
    let spellings = ["Via", "v", "V", "Via", "ViA", "VIa", "VIA", "via", "viA", "vIa", "vIA", "V ", "v ", "Via  "];
    for nth in 0..33 {
        drawn.push_str(&format!("|{}: SIP/2.0/TCP sip{nth}.example.com\n", spellings[nth % spellings.len()]));
    }
    drawn.push_str(&format!("|Via: SIP/2.0/TCP host.example.com;received=192.0.2.5;branch={branch}\n"));
    drawn.push_str("|l: {length}\n|Contact: <sip:amazing@host.example.net>\n|Content-Type: application/sdp\n|\n|v=0\n");
    let facts = check(&drawn, &[]);
    assert_eq!(parties(&facts), (&*user, &*tag, "bob", "-"));
    assert_eq!(facts.call_id, Some(call_id));
    let sip = sip(&facts);
    let (from, to) = (sip.from.as_ref().unwrap(), sip.to.as_ref().unwrap());
    let valueless = format!("{long}novalue");
    assert_eq!((from.param(&long), from.param(&valueless)), (Some(long.as_str()), Some("")));
    assert_eq!((to.uri.port, to.uri.param(&long), to.uri.param(&valueless)), (Some(6000), Some("short"), Some("")));
    let hosts = sip.vias[..33].iter().enumerate().map(|(nth, via)| via.host == format!("sip{nth}.example.com"));
    assert!(hosts.into_iter().all(|same| same));
    let last = &sip.vias[33];
    assert_eq!((last.branch.as_str(), last.received.as_deref()), (branch.as_str(), Some("192.0.2.5")));
}

#[test]
fn rfc4475_3_1_1_8_extra_octets_behind_a_datagram() {
    let mut bytes = message(
        "
        |REGISTER sip:example.com SIP/2.0
        |To: sip:alice@example.com
        |From: sip:alice@example.com;tag=43251
        |Max-Forwards: 8
        |I: dblreq.0ha0isndaksdj99sdfafnl3lk233412
        |Contact: sip:alice@host.example.com
        |CSeq: 8 REGISTER
        |Via: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw
        |Content-Length: 0
        |
        ",
    );
    let end = bytes.len();
    bytes.extend(message(
        "
        |
        |INVITE sip:bob@example.com SIP/2.0
        |t: sip:bob@example.com
        |From: sip:carol@example.net;tag=141334
        |Call-ID: other.1@192.0.2.15
        |CSeq: 8 INVITE
        |Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKother
        |Content-Type: application/sdp
        |
        |v=0
        |m=audio 1 RTP/AVP 0
        ",
    ));
    // The message is valid; that bytes stand behind it is what a log reader has to tell.
    let facts = check_bytes(&bytes, &["extra_bytes"]);
    assert_eq!((facts.method.as_str(), facts.faults[0].at as usize), ("REGISTER", end));
    assert_eq!(facts.call_id.as_deref(), Some("dblreq.0ha0isndaksdj99sdfafnl3lk233412"));
    let sip = sip(&facts);
    assert_eq!((sip.vias.len(), sip.contacts.len(), &sip.content_type, &sip.sdp), (1, 1, &None, &None));
}

#[test]
fn rfc4475_3_1_1_9_semicolons_in_the_user_part() {
    let facts = check(
        "
        |OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0
        |To: sip:bob@example.com
        |From: sip:alice@example.org;tag=33242
        |Max-Forwards: 3
        |Call-ID: semiuri.0ha0isndaksdj
        |CSeq: 8 OPTIONS
        |Accept: application/sdp, application/pkcs7-mime,
        |        multipart/mixed, multipart/signed,
        |        message/sip, message/sipfrag
        |Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw
        |l: 0
        |
        ",
        &[],
    );
    let target = sip(&facts).request_uri.as_ref().unwrap();
    assert_eq!((target.user.as_str(), target.params.len()), ("user;par=u%40example.net", 0));
}

#[test]
fn rfc4475_3_1_1_10_varied_and_unknown_transports() {
    let facts = check(
        "
        |OPTIONS sip:bob@example.com SIP/2.0
        |To: sip:bob@example.com
        |From: <sip:alice@example.com>;tag=323
        |Max-Forwards: 70
        |Call-ID: transports.kijh4akdnaqjkwendsasfdj
        |Accept: application/sdp
        |CSeq: 60 OPTIONS
        |Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bK1
        |Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bK2
        |Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK3
        |Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bK4
        |Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK5
        |l: 0
        |
        ",
        &[],
    );
    let transports: Vec<_> = sip(&facts).vias.iter().map(|via| via.transport.as_str()).collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

#[test]
fn rfc4475_3_1_1_11_a_multipart_message_with_bytes_that_are_no_text() {
    let mut bytes = message(
        "
        |MESSAGE sip:bob@example.org SIP/2.0
        |Via: SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bK-d87543-4dade06d--d87543-;rport
        |Max-Forwards: 70
        |Route: <sip:192.0.2.10:5080>
        |Identity: r5mwreLuyDRYBi/0TiPwEsY3rEVsk
        |To: <sip:bob@example.org>
        |From: <sip:alice@example.com>;tag=2fb0dcc9
        |Call-ID: 3d9485ad0c49859b@Zmx1ZmZ5..
        |CSeq: 1 MESSAGE
        |Content-Transfer-Encoding: binary
        |Content-Type: multipart/mixed;boundary=7a9cbec02ceef655
        |Date: Sat, 15 Oct 2005 04:44:56 GMT
        |User-Agent: Example/0.2.5 (curses)
        |Content-Length: 155
        |
        |--7a9cbec02ceef655
        |Content-Type: text/plain
        |Content-Transfer-Encoding: binary
        |
        |Hello
        |--7a9cbec02ceef655
        |Content-Type: application/octet-stream
        |Content-Transfer-Encoding: binary
        |
        ",
    );
    let at = bytes.len();
    bytes.extend([0x30, 0x82, 0x01, 0x52, 0, 0xff, 0x0d, 0x0a, 0xc3, 0x28]);
    bytes.extend(b"\r\n--7a9cbec02ceef655--\r\n");
    let body = Headers::of(&bytes).body();
    let length = body.len().to_string();
    let with_length = String::from_utf8_lossy(&bytes[..body.start]).replace("155", &length).into_bytes();
    let whole = [&with_length, &bytes[body.clone()]].concat();
    let facts = check_bytes(&whole, &[]);
    let sip = sip(&facts);
    assert_eq!((sip.vias[0].branch.as_str(), sip.vias[0].rport), ("z9hG4bK-d87543-4dade06d--d87543-", None));
    assert_eq!((sip.user_agent.as_deref(), &sip.sdp), (Some("Example/0.2.5 (curses)"), &None));
    assert_eq!(Headers::of(&whole).body().len(), bytes.len() - body.start);
    assert!(whole.windows(10).any(|bytes_there| bytes_there == &bytes[at..at + 10]));
}

#[test]
fn rfc4475_3_1_1_12_an_unusual_reason_phrase() {
    let facts = check(
        "
        |SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое
        |Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
        |Call-ID: unreason.1234ksdfak3j2erwedfsASdf
        |CSeq: 35 INVITE
        |From: sip:alice@example.com;tag=11141343
        |To: sip:bob@example.edu;tag=2229
        |Content-Length: {length}
        |Content-Type: application/sdp
        |Contact: <sip:bob@host198.example.com>
        |
        |v=0
        |m=audio 49217 RTP/AVP 0
        ",
        &[],
    );
    assert_eq!((facts.method.as_str(), facts.status), ("INVITE", Some(200)));
    assert_eq!(facts.reason, "= 2**3 * 5**2 но сто девяносто девять - простое");
    assert_eq!(parties(&facts), ("alice", "11141343", "bob", "2229"));
}

#[test]
fn rfc4475_3_1_1_13_an_empty_reason_phrase() {
    let facts = check(
        "
        |SIP/2.0 100\x20
        |Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe
        |Call-ID: noreason.asndj203insdf99223ndf
        |CSeq: 35 INVITE
        |From: <sip:alice@example.com>;tag=39ansfi3
        |To: <sip:bob@example.edu>;tag=902jndnke3
        |Content-Length: 0
        |Contact: <sip:bob@host105.example.com>
        |
        ",
        &[],
    );
    assert_eq!((facts.method.as_str(), facts.status, facts.reason.as_str()), ("INVITE", Some(100), ""));
}
