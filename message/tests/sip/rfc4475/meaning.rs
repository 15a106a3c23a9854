//! RFC 4475, 3.2 to 3.4: the grammar is right, the meaning asks for care.

use message::event::{CallClass, class_of};

use crate::margin::{check, line_of, parties, sip};

const DIALOG: &str = "
    |To: <sip:bob@example.com>
    |From: <sip:alice@example.net>;tag=1341
    |Call-ID: meaning.0ha0isnda@192.0.2.15
    |CSeq: 8 OPTIONS
    |Max-Forwards: 70";
const VIA: &str = "|Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw";

fn options(target: &str, lines: &str) -> String {
    format!("|OPTIONS {target} SIP/2.0\n{VIA}{DIALOG}\n{lines}\n|Content-Length: {{length}}\n|\n")
}

fn register(lines: &str) -> String {
    options("sip:example.com", lines).replace("OPTIONS", "REGISTER")
}

#[test]
fn rfc4475_3_2_1_a_branch_that_is_only_the_cookie() {
    let drawn = options("sip:bob@example.com", "").replace("z9hG4bKkdjuw", "z9hG4bK");
    let facts = check(&drawn, &["branch"]);
    assert_eq!(line_of(&facts, "branch", &drawn), "Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bK");
    assert_eq!(sip(&facts).vias[0].branch, "z9hG4bK");
}

#[test]
fn rfc4475_3_3_1_required_header_fields_are_missing() {
    let facts = check(
        &format!("|INVITE sip:bob@example.com SIP/2.0\n|CSeq: 193942 INVITE\n{VIA}\n|l: 5\n|\n|v=0\n"),
        &["missing_from", "missing_to", "missing_call_id"],
    );
    assert_eq!((facts.method.as_str(), facts.call_id.as_deref(), sip(&facts).cseq), ("INVITE", None, Some(193_942)));
}

#[test]
fn rfc4475_3_3_2_a_request_uri_of_an_unknown_scheme() {
    let facts = check(&options("nobodyKnowsThisScheme:totallyopaque", ""), &[]);
    let target = sip(&facts).request_uri.as_ref().unwrap();
    assert_eq!((target.scheme.as_str(), target.user.as_str(), target.host.as_str()), ("nobodyknowsthisscheme", "", ""));
}

#[test]
fn rfc4475_3_3_3_a_request_uri_of_a_known_scheme_that_is_not_sip() {
    let facts = check(&options("soap.beep://192.0.2.103:3002", ""), &[]);
    let target = sip(&facts).request_uri.as_ref().unwrap();
    assert_eq!((target.scheme.as_str(), target.host.as_str(), target.port), ("soap.beep", "192.0.2.103", Some(3002)));
}

#[test]
fn rfc4475_3_3_4_unknown_schemes_in_header_fields() {
    let drawn = register("|Contact: <name:John_Smith>")
        .replace("<sip:bob@example.com>", "isbn:2983792873")
        .replace("<sip:alice@example.net>", "<http://www.example.com>");
    let facts = check(&drawn, &[]);
    let sip = sip(&facts);
    let (from, to) = (sip.from.as_ref().unwrap(), sip.to.as_ref().unwrap());
    assert_eq!(
        (from.uri.scheme.as_str(), from.uri.host.as_str(), from.tag()),
        ("http", "www.example.com", Some("1341"))
    );
    assert_eq!((to.uri.scheme.as_str(), to.uri.text.as_str()), ("isbn", "isbn:2983792873"));
    assert_eq!(sip.contacts[0].uri.text, "name:John_Smith");
}

#[test]
fn rfc4475_3_3_5_extensions_are_required_that_nobody_supports() {
    let lines = "|Require: nothingSupportsThis, nothingSupportsThisEither\n|Proxy-Require: noProxiesSupportThis";
    assert_eq!(parties(&check(&options("sip:bob@example.com", lines), &[])), ("alice", "1341", "bob", "-"));
}

#[test]
fn rfc4475_3_3_6_a_body_of_an_unknown_type() {
    let drawn =
        options("sip:bob@example.com", "|Content-Type: application/unknownformat") + "|<audio>\n|v=0\n|</audio>\n";
    let facts = check(&drawn, &[]);
    assert_eq!((sip(&facts).content_type.as_deref(), &sip(&facts).sdp), (Some("application/unknownformat"), &None));
}

#[test]
fn rfc4475_3_3_7_an_unknown_authorization_scheme() {
    let facts = check(&register(r#"|Authorization: NoOneKnowsThisScheme opaque-data="here, and; there""#), &[]);
    assert_eq!(class_of(&facts), CallClass::Registration);
}

#[test]
fn rfc4475_3_3_8_several_values_where_one_is_allowed() {
    let again = "|To: <sip:carol@example.com>\n|From: <sip:dave@example.net>;tag=99\n|Call-ID: other.1@192.0.2.15\n\
         |CSeq: 9 INVITE\n|Max-Forwards: 5\n|Content-Type: text/plain\n|Content-Type: application/sdp";
    let drawn = options("sip:bob@example.com", again);
    let facts = check(&drawn, &["repeated"; 6]);
    assert_eq!(line_of(&facts, "repeated", &drawn), "To: <sip:carol@example.com>");
    assert_eq!(parties(&facts), ("alice", "1341", "bob", "-"));
    assert_eq!(facts.call_id.as_deref(), Some("meaning.0ha0isnda@192.0.2.15"));
    assert_eq!((sip(&facts).cseq, sip(&facts).content_type.as_deref()), (Some(8), Some("text/plain")));
}

#[test]
fn rfc4475_3_3_9_several_content_lengths() {
    let drawn = options("sip:bob@example.com", "|Content-Length: 13\n|Content-Type: application/sdp")
        .replace("{length}", "5")
        + "|v=0\n|s=Who knows how long I am?\n|m=audio 7 RTP/AVP 0\n";
    let facts = check(&drawn, &["content_length"]);
    assert_eq!(line_of(&facts, "content_length", &drawn), "Content-Length: 5");
    // None of them is believed: the body is all that stands there.
    assert_eq!(sip(&facts).sdp.as_ref().unwrap().media[0].port, 7);
}

#[test]
fn rfc4475_3_3_10_a_response_whose_via_is_the_broadcast_address() {
    let lines = "|Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23";
    let drawn = options("sip:bob@example.com", lines).replace("OPTIONS sip:bob@example.com SIP/2.0", "SIP/2.0 200 OK");
    let facts = check(&drawn, &[]);
    assert_eq!((facts.status, sip(&facts).vias[1].host.as_str()), (Some(200), "255.255.255.255"));
}

#[test]
fn rfc4475_3_3_11_max_forwards_of_zero() {
    let drawn = options("sip:bob@example.com", "").replace("Max-Forwards: 70", "Max-Forwards: 0");
    assert_eq!(check(&drawn, &[]).method, "OPTIONS");
}

#[test]
fn rfc4475_3_3_12_a_parameter_of_the_contact_header() {
    let facts = check(&register("|Contact: sip:+19725550100@gw1.example.net;strange"), &[]);
    let contact = &sip(&facts).contacts[0];
    assert_eq!((contact.param("strange"), contact.uri.param("strange")), (Some(""), None));
    assert_eq!(contact.uri.user, "+19725550100");
}

#[test]
fn rfc4475_3_3_13_a_parameter_of_the_contact_uri() {
    let facts = check(&register("|Contact: <sip:+19725550100@gw1.example.net;strange>"), &[]);
    let contact = &sip(&facts).contacts[0];
    assert_eq!((contact.param("strange"), contact.uri.param("strange")), (None, Some("")));
}

#[test]
fn rfc4475_3_3_14_a_contact_uri_with_headers() {
    let facts = check(&register("|M: <sip:alice@example.com?Route=%3Csip:x.example.com%3E>"), &[]);
    let uri = &sip(&facts).contacts[0].uri;
    assert_eq!(
        (uri.host.as_str(), uri.text.as_str()),
        ("example.com", "sip:alice@example.com?Route=%3Csip:x.example.com%3E")
    );
}

#[test]
fn rfc4475_3_3_15_an_accept_that_nobody_can_satisfy() {
    let lines = "|Accept: text/nobodyKnowsThis\n|Content-Type: application/sdp";
    let drawn = options("sip:bob@example.com", lines).replace("OPTIONS", "INVITE") + "|v=0\n|m=video 3227 RTP/AVP 31\n";
    let facts = check(&drawn, &[]);
    assert_eq!(sip(&facts).sdp.as_ref().unwrap().media[0].kind, "video");
}

#[test]
fn rfc4475_3_4_1_an_invite_in_the_syntax_of_rfc_2543() {
    let facts = check(
        "
        |INVITE sip:bob@example.com SIP/2.0
        |Via: SIP/2.0/UDP gw.example.com
        |From: <sip:+13035550111@gw.example.net;user=phone>
        |Record-Route: <sip:bob@example.com;maddr=ss1.example.com>
        |To: sip:+16505550222@ss1.example.net;user=phone
        |Call-ID: inv2543.1717@gw.example.com
        |CSeq: 56 INVITE
        |Content-Type: application/sdp
        |
        |v=0
        |c=IN IP4 192.0.2.14
        |m=audio 32002 RTP/AVP 0
        ",
        &[],
    );
    assert_eq!(parties(&facts), ("+13035550111", "-", "+16505550222", "-"));
    let sip = sip(&facts);
    assert_eq!((sip.vias[0].host.as_str(), sip.vias[0].branch.as_str()), ("gw.example.com", ""));
    assert_eq!(sip.record_routes[0].uri.param("maddr"), Some("ss1.example.com"));
    // In a bare address the parameter is the header's, as RFC 3261, 20.10 says.
    assert_eq!(sip.to.as_ref().unwrap().param("user"), Some("phone"));
    assert_eq!(sip.sdp.as_ref().unwrap().address.as_deref(), Some("192.0.2.14"));
}
