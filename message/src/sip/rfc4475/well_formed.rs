//! RFC 4475, 3.1.1: valid messages that look wrong. None has a fault.

use crate::event::{CallClass, class_of};
use crate::sip::Headers;
use crate::sip::margin::{check, check_bytes, message, parties, sip};

#[test]
fn rfc4475_3_1_1_1_a_short_tortuous_invite() {
    let facts = check(
        r#"
        |INVITE sip:bob@gw.example.com;strange SIP/2.0
        |TO :
        | sip:bob@example.com ;   tag    = 7711n
        |from   : "Alice \\\"A\\\""       <sip:alice@example.org>
        |  ;
        |  tag = a-17
        |MaX-fOrWaRdS: 0070
        |Call-ID: tortuous.1@192.0.2.1
        |Content-Length   : {length}
        |cseq: 0012
        |  INVITE
        |Via  : SIP  /   2.0
        | /UDP
        |    192.0.2.2;branch=17oldstyle
        |s :
        |InventedHeader:   a value
        | that goes on
        |OddHeader: ;;,,;;,;
        |Content-Type: application/sdp
        |Route:
        | <sip:edge.example.com;lr;odd=yes;odder>
        |v:  SIP  / 2.0  / TCP     hop.example.com   ;
        |  branch  =   z9hG4bK17b  ,
        | SIP  /    2.0   / UDP  192.0.2.255   ; branch=
        | z9hG4bK17c
        |m:"Quoted \"\"" <sip:alice@example.com> ; odd =
        |      more ;
        |  odder ; q = 0.33
        |
        |v=0
        |o=alice 1 1 IN IP4 192.0.2.3
        |c=IN IP4 192.0.2.4
        |t=0 0
        |m=audio 49217 RTP/AVP 0 12
        |m=video 3227 RTP/AVP 31
        |a=rtpmap:31 LPC
        "#,
        &[],
    );
    assert_eq!(parties(&facts), ("alice", "a-17", "bob", "7711n"));
    assert_eq!(facts.call_id.as_deref(), Some("tortuous.1@192.0.2.1"));
    let sip = sip(&facts);
    assert_eq!((facts.method.as_str(), sip.cseq), ("INVITE", Some(12)));
    assert_eq!(sip.from.as_ref().unwrap().display, r#"Alice \"A\""#);
    let hops: Vec<_> = sip.vias.iter().map(|via| (&*via.transport, &*via.host, &*via.branch)).collect();
    assert_eq!(
        hops,
        [
            ("UDP", "192.0.2.2", "17oldstyle"),
            ("TCP", "hop.example.com", "z9hG4bK17b"),
            ("UDP", "192.0.2.255", "z9hG4bK17c")
        ]
    );
    let contact = &sip.contacts[0];
    assert_eq!(
        (&*contact.display, contact.param("odd"), contact.param("q")),
        ("Quoted \"\"", Some("more"), Some("0.33"))
    );
    assert_eq!(sip.routes[0].uri.param("odder"), Some(""));
    assert_eq!(sip.sdp.as_ref().unwrap().media[1].codecs, ["LPC"]);
}

#[test]
fn rfc4475_3_1_1_2_a_wide_range_of_valid_characters() {
    let method = "!odd-Method0123456789_*+`.%indeed'~";
    let user = "1_odd.User~(of-all!sorts)&isn't+it$/so?,/;;*";
    let facts = check(
        &format!(
            r#"
        |{method} sip:{user}:&a=b,weird!*pas$wo~d_(too)@example.com SIP/2.0
        |Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bK-.!%66*_+`'~
        |To: "BEL:\{bel} NUL:\{nul} DEL:\{del}" <sip:{user}@example.com>
        |From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%="ключ";tag=_token~1'+`*%!-.
        |Call-ID: odd.word%ZK-!.*_+'@word`~)(><:\/"][?}}{{
        |CSeq: 139122385 {method}
        |Max-Forwards: 255
        |extensionHeader-!.%*+_`'~: 大停電
        |Content-Length: 0
        |
        "#,
            bel = '\u{7}',
            nul = '\0',
            del = '\u{7f}'
        ),
        &[],
    );
    let sip = sip(&facts);
    assert_eq!((facts.method.as_str(), sip.cseq), (method, Some(139_122_385)));
    assert_eq!(sip.request_uri.as_ref().unwrap().user, user);
    assert_eq!(sip.to.as_ref().unwrap().display, "BEL:\u{7} NUL:\0 DEL:\u{7f}");
    let from = sip.from.as_ref().unwrap();
    assert_eq!(from.display, "token1~` token2'+_ token3*%!.-");
    assert_eq!((from.tag(), from.param("fromparam''~+*_!.-%")), (Some("_token~1'+`*%!-."), Some("ключ")));
    assert_eq!(facts.call_id.as_deref(), Some(r#"odd.word%ZK-!.*_+'@word`~)(><:\/"][?}{"#));
    assert_eq!(sip.vias[0].branch, "z9hG4bK-.!%66*_+`'~");
}

#[test]
fn rfc4475_3_1_1_3_valid_use_of_the_percent_escape() {
    let facts = check(
        "
        |INVITE sip:sips%3Abob%40example.com@example.net SIP/2.0
        |To: sip:%62o%62@example.com
        |From: <sip:with%20blanks@example.net>;tag=938
        |Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKesc
        |Call-ID: esc-1@192.0.2.5
        |CSeq: 234234 INVITE
        |Contact: <sip:alice@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>
        |Content-Length: 0
        |
        ",
        &[],
    );
    assert_eq!(parties(&facts), ("with%20blanks", "938", "%62o%62", "-"));
    let sip = sip(&facts);
    let target = sip.request_uri.as_ref().unwrap();
    assert_eq!((target.user.as_str(), target.host.as_str()), ("sips%3Abob%40example.com", "example.net"));
    assert_eq!(sip.contacts[0].uri.param("n%61me"), Some("v%61lue%25%34%31"));
}

#[test]
fn rfc4475_3_1_1_4_escaped_nulls_in_uris() {
    let facts = check(
        "
        |REGISTER sip:example.com SIP/2.0
        |To: sip:null-%00-null@example.com
        |From: sip:null-%00-null@example.com;tag=839923423
        |Max-Forwards: 70
        |Call-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd
        |CSeq: 14398234 REGISTER
        |Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKnull
        |Contact: <sip:%00@host5.example.com>
        |Contact: <sip:%00%00@host5.example.com>
        |L:0
        |
        ",
        &[],
    );
    assert_eq!(parties(&facts), ("null-%00-null", "839923423", "null-%00-null", "-"));
    let users: Vec<_> = sip(&facts).contacts.iter().map(|contact| contact.uri.user.as_str()).collect();
    assert_eq!(users, ["%00", "%00%00"]);
}

#[test]
fn rfc4475_3_1_1_5_a_percent_sign_that_is_no_escape() {
    let facts = check(
        r#"
        |RE%47IST%45R sip:registrar.example.com SIP/2.0
        |To: "%Z%45" <sip:resource@example.com>
        |From: "%Z%45" <sip:resource@example.com>;tag=f232jadfj23
        |Call-ID: esc02.1@192.0.2.5
        |Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234
        |CSeq: 29344 RE%47IST%45R
        |Max-Forwards: 70
        |Contact: <sip:alias1@host1.example.com>
        |C%6Fntact: <sip:alias2@host2.example.com>
        |Contact: <sip:alias3@host3.example.com>
        |l: 0
        |
        "#,
        &[],
    );
    assert_eq!((facts.method.as_str(), class_of(&facts)), ("RE%47IST%45R", CallClass::Call));
    let sip = sip(&facts);
    assert_eq!((sip.contacts.len(), sip.to.as_ref().unwrap().display.as_str()), (2, "%Z%45"));
    assert_eq!(sip.vias[0].branch, "z9hG4bK209%fzsnel234");
}

#[test]
fn rfc4475_3_1_1_6_no_blank_between_display_name_and_angle_bracket() {
    let facts = check(
        "
        |OPTIONS sip:bob@example.com SIP/2.0
        |To: sip:bob@example.com
        |From: caller<sip:alice@example.com>;tag=323
        |Max-Forwards: 70
        |Call-ID: lwsdisp.1234abcd@example.com
        |CSeq: 60 OPTIONS
        |Via: SIP/2.0/UDP example.com;branch=z9hG4bKkdjuw
        |l: 0
        |
        ",
        &[],
    );
    assert_eq!(parties(&facts), ("alice", "323", "bob", "-"));
    assert_eq!((&*sip(&facts).from.as_ref().unwrap().display, class_of(&facts)), ("caller", CallClass::Keepalive));
}

#[test]
fn rfc4475_3_1_1_7_long_values_in_header_fields() {
    let user = "longuser".repeat(40);
    let tag = "longtag".repeat(60);
    let call_id = format!("{}@example.com", "longcallid".repeat(50));
    let mut drawn = format!(
        "
        |INVITE sip:bob@example.com SIP/2.0
        |To: \"{display}\" <sip:{user}@example.com>
        |F: sip:{user}@example.com;tag={tag};param{name}=value{name}
        |Call-ID: {call_id}
        |CSeq: 3882340 INVITE
        |Unknown{name}: {display}
        ",
        display = "I have a user name of extreme proportion ".repeat(40),
        name = "long".repeat(50),
    );
    for nth in 0..34 {
        drawn.push_str(&format!("|v: SIP/2.0/TCP sip{nth}.example.com;branch=z9hG4bK{nth}\n"));
    }
    drawn.push_str("|l: {length}\n|Contact: <sip:amazing@host.example.net>\n|Content-Type: application/sdp\n|\n|v=0\n");
    let facts = check(&drawn, &[]);
    assert_eq!(parties(&facts), (&*user, &*tag, &*user, "-"));
    assert_eq!(facts.call_id, Some(call_id));
    let sip = sip(&facts);
    assert_eq!((sip.vias.len(), sip.vias[33].host.as_str()), (34, "sip33.example.com"));
}

#[test]
fn rfc4475_3_1_1_8_extra_octets_behind_a_datagram() {
    let mut bytes = message(
        "
        |REGISTER sip:example.com SIP/2.0
        |To: sip:alice@example.com
        |From: sip:alice@example.com;tag=43251
        |Max-Forwards: 8
        |Call-ID: dblreq.0ha0isndaksdj99sdfafnl3lk233412
        |CSeq: 8 REGISTER
        |Via: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw
        |Content-Length: 0
        |
        ",
    );
    let end = bytes.len();
    bytes.extend(message("|INVITE sip:bob@example.com SIP/2.0\n|Content-Length: 0\n|\n|v=0\n|m=audio 1 RTP/AVP 0"));
    // The message is valid; that bytes stand behind it is what a log reader has to tell.
    let facts = check_bytes(&bytes, &["extra_bytes"]);
    assert_eq!((facts.method.as_str(), facts.faults[0].at as usize), ("REGISTER", end));
    assert_eq!(sip(&facts).sdp, None);
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
        |Via: SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bK-d87543
        |Max-Forwards: 70
        |Route: <sip:192.0.2.10:5080>
        |Identity: r5mwreLuyDRYBi/0TiPwEsY3rEVsk
        |To: <sip:bob@example.org>
        |From: <sip:alice@example.com>;tag=2fb0dcc9
        |Call-ID: 3d9485ad0c49859b@example.com
        |CSeq: 1 MESSAGE
        |Content-Transfer-Encoding: binary
        |Content-Type: multipart/mixed;boundary=7a9cbec02ceef655
        |Date: Sat, 15 Oct 2005 04:44:56 GMT
        |Content-Length: 155
        |
        |--7a9cbec02ceef655
        |Content-Type: text/plain
        |Content-Transfer-Encoding: binary
        |
        |Hello
        |--7a9cbec02ceef655
        |Content-Type: application/octet-stream
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
    assert_eq!(sip(&facts).sdp, None);
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
