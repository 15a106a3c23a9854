//! RFC 4475, 3.1.1.1 to 3.1.1.6: odd blanks, characters and escapes in messages that are valid. None has a fault.

use message::event::{CallClass, class_of};

use crate::margin::{check, parties, shown, sip, value};

#[test]
fn rfc4475_3_1_1_1_a_short_tortuous_invite() {
    let drawn = r#"
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
        "#;
    let facts = check(drawn, &[]);
    assert_eq!(parties(&facts), ("alice", "a-17", "bob", "7711n"));
    assert_eq!(facts.call_id.as_deref(), Some("tortuous.1@192.0.2.1"));
    let unknown = ["s", "InventedHeader", "OddHeader"].map(|name| value(drawn, name));
    assert_eq!(unknown, ["", "a value that goes on", ";;,,;;,;"]);
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
    assert_eq!((contact.param("odder"), sip.routes[0].uri.param("odd")), (Some(""), Some("yes")));
    let flags = [sip.routes[0].uri.param("odder"), sip.request_uri.as_ref().unwrap().param("strange")];
    assert_eq!(flags, [Some(""); 2]);
    assert_eq!(sip.sdp.as_ref().unwrap().media[1].codecs, ["LPC"]);
}

#[test]
fn rfc4475_3_1_1_2_a_wide_range_of_valid_characters() {
    let method = "!odd-Method0123456789_*+`.%indeed'~";
    let user = "1_odd.User~(of-all!sorts)&isn't+it$/so?,/;;*";
    let drawn = format!(
        r#"
        |{method} sip:{user}:&a=b,weird!*pas$wo~d_too.(isn't-it)@example.com SIP/2.0
        |Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bK-.!%66*_+`'~
        |To: "BEL:\{bel} NUL:\{nul} DEL:\{del}" <sip:{user}@example.com>
        |From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%="ключ";tag=_token~1'+`*%!-.
        |Call-ID: odd.word%ZK-!.*_+'@word`~)(><:\/"][?}}{{
        |CSeq: 139122385 {method}
        |Max-Forwards: 255
        |extensionHeader-!.%*+_`'~:{mark}大停電
        |Content-Length: 0
        |
        "#,
        bel = '\u{7}',
        nul = '\0',
        del = '\u{7f}',
        mark = '\u{feff}',
    );
    let facts = check(&drawn, &[]);
    assert_eq!(value(&drawn, "extensionHeader-!.%*+_`'~"), "\u{feff}大停電");
    let sip = sip(&facts);
    assert_eq!((facts.method.as_str(), sip.cseq), (method, Some(139_122_385)));
    let target = sip.request_uri.as_ref().unwrap();
    assert_eq!((target.user.as_str(), target.host.as_str()), (user, "example.com"));
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
        |i: esc-1@192.0.2.5
        |CSeq: 234234 INVITE
        |C: application/sdp
        |Contact:
        |  <sip:%61lice@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>
        |Content-Length: {length}
        |
        |v=0
        |m=audio 49217 RTP/AVP 0
        ",
        &[],
    );
    assert_eq!(parties(&facts), ("with%20blanks", "938", "%62o%62", "-"));
    // What is searched and shown is unescaped, once.
    assert_eq!(shown(&facts), ["with blanks", "bob", "sips:bob@example.com"]);
    let sip = sip(&facts);
    let target = sip.request_uri.as_ref().unwrap();
    assert_eq!((target.user.as_str(), target.host.as_str()), ("sips%3Abob%40example.com", "example.net"));
    let contact = &sip.contacts[0].uri;
    assert_eq!((contact.user.as_str(), contact.param("n%61me")), ("%61lice", Some("v%61lue%25%34%31")));
    assert_eq!(sip.sdp.as_ref().unwrap().media.len(), 1);
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
    // No name ends at its NUL.
    assert_eq!(shown(&facts)[..2], ["null-\u{fffd}-null", "null-\u{fffd}-null"]);
    let users: Vec<_> = sip(&facts).contacts.iter().map(|contact| contact.uri.user.as_str()).collect();
    assert_eq!(users, ["%00", "%00%00"]);
}

#[test]
fn rfc4475_3_1_1_5_a_percent_sign_that_is_no_escape() {
    let drawn = r#"
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
        "#;
    let facts = check(drawn, &[]);
    assert_eq!((facts.method.as_str(), class_of(&facts)), ("RE%47IST%45R", CallClass::Other));
    let sip = sip(&facts);
    let contacts: Vec<_> = sip.contacts.iter().map(|contact| contact.uri.user.as_str()).collect();
    assert_eq!((contacts.join(" ").as_str(), sip.to.as_ref().unwrap().display.as_str()), ("alias1 alias3", "%Z%45"));
    assert_eq!(value(drawn, "C%6Fntact"), "<sip:alias2@host2.example.com>");
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
