//! The IPv6 torture tests of RFC 5118, sections 4.1 to 4.10, a test for each, named by section.
//!
//! Each was compared with the text of its section and of its messages. The messages are not copied: each was written
//! anew and holds what makes the RFC's message hard to read.

use super::margin::{check, sip};

fn register(target: &str, via: &str, contact: &str) -> String {
    format!(
        "
        |REGISTER {target} SIP/2.0
        |To: sip:alice@example.com
        |From: sip:alice@example.com;tag=81x2
        |Via: SIP/2.0/UDP {via};branch=z9hG4bKas3-111
        |Call-ID: v6-17@example.com
        |Max-Forwards: 70
        |Contact: \"Alice\" <{contact}>
        |CSeq: 98176 REGISTER
        |Content-Length: 0
        |
        "
    )
}

#[track_caller]
fn check_target(target: &str, faults: &[&str], host: &str, port: Option<u16>) {
    let facts = check(&register(target, "[2001:db8::9:1]", "sip:alice@[2001:db8::1]"), faults);
    let uri = sip(&facts).request_uri.clone().unwrap();
    assert_eq!((uri.host.as_str(), uri.port, uri.text.as_str()), (host, port, target));
    let (via, contact) = (&sip(&facts).vias[0], &sip(&facts).contacts[0]);
    assert_eq!((via.host.as_str(), contact.uri.host.as_str()), ("[2001:db8::9:1]", "[2001:db8::1]"));
}

#[test]
fn rfc5118_4_1_a_valid_message_with_an_ipv6_reference() {
    check_target("sip:[2001:db8::10]", &[], "[2001:db8::10]", None);
}

#[test]
fn rfc5118_4_2_an_ipv6_address_without_brackets() {
    check_target("sip:2001:db8::10", &["ipv6_brackets"], "2001:db8::10", None);
}

#[test]
fn rfc5118_4_3_a_port_within_the_brackets_is_part_of_the_address() {
    check_target("sip:[2001:db8::10:5070]", &[], "[2001:db8::10:5070]", None);
}

#[test]
fn rfc5118_4_4_a_port_behind_the_brackets_is_a_port() {
    check_target("sip:[2001:db8::10]:5070", &[], "[2001:db8::10]", Some(5070));
}

#[test]
fn rfc5118_4_5_received_with_brackets_and_without() {
    for received in ["[2001:db8::9:255]", "2001:db8::9:255"] {
        let via = format!("[2001:db8::9:1];received={received}");
        let facts = check(&register("sip:[2001:db8::10]", &via, "sip:alice@[2001:db8::1]"), &[]);
        assert_eq!(sip(&facts).vias[0].received.as_deref(), Some("[2001:db8::9:255]"));
        assert_eq!(sip(&facts).vias[0].branch, "z9hG4bKas3-111");
    }
}

fn invite(via: &str, contact: &str, body: &str) -> String {
    format!(
        "
        |INVITE sip:bob@[2001:db8::10] SIP/2.0
        |To: sip:bob@[2001:db8::10]
        |From: sip:alice@example.com;tag=81x2
        |{via}
        |Call-ID: v6-18@example.com
        |Contact: \"Alice\" <{contact}>
        |CSeq: 8612 INVITE
        |Max-Forwards: 70
        |Content-Type: application/sdp
        |Content-Length: {{length}}
        |
        {body}
        "
    )
}

#[test]
fn rfc5118_4_6_ipv6_addresses_in_the_session_description() {
    let body = "|v=0\n|o=alice 1 1 IN IP6 2001:db8::20\n|s=-\n|c=IN IP6 2001:db8::20\n|t=0 0\n|m=audio 54214 RTP/AVP 0";
    let via = "Via: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111";
    let facts = check(&invite(via, "sip:alice@[2001:db8::20]", body), &[]);
    assert_eq!(sip(&facts).to.as_ref().unwrap().uri.host, "[2001:db8::10]");
    assert_eq!(sip(&facts).sdp.as_ref().unwrap().address.as_deref(), Some("2001:db8::20"));
}

#[test]
fn rfc5118_4_7_addresses_of_both_families_in_header_fields() {
    let via = "Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111\n\
         |Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144\n\
         |Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200";
    let facts = check(&invite(via, "sip:alice@192.0.2.1", "|v=0\n|c=IN IP4 192.0.2.1\n|m=audio 54214 RTP/AVP 0"), &[]);
    let hops: Vec<_> = sip(&facts).vias.iter().map(|v| (&*v.host, v.port, v.received.as_deref())).collect();
    assert_eq!(
        hops,
        [
            ("[2001:db8::9:1]", Some(6050), None),
            ("192.0.2.1", None, None),
            ("[2001:db8::9:255]", None, Some("192.0.2.200"))
        ]
    );
}

#[test]
fn rfc5118_4_8_addresses_of_both_families_in_the_session_description() {
    let body = "|v=0\n|o=bob 1 1 IN IP4 host.example.com\n|s=\n|t=0 0\n|m=audio 22334 RTP/AVP 0\n|c=IN IP4 192.0.2.2\n\
         |m=video 6024 RTP/AVP 107\n|c=IN IP6 2001:db8::1\n|a=rtpmap:107 H263-1998/90000";
    let via = "Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111";
    let facts = check(&invite(via, "sip:bob@192.0.2.2", body), &[]);
    let sdp = sip(&facts).sdp.as_ref().unwrap();
    assert_eq!((sdp.address.as_deref(), sdp.media.len()), (Some("192.0.2.2"), 2));
    assert_eq!((sdp.media[1].port, sdp.media[1].codecs.join(" ").as_str()), (6024, "H263-1998/90000"));
}

#[test]
fn rfc5118_4_9_ipv4_addresses_mapped_into_ipv6() {
    let body = "|v=0\n|c=IN IP6 ::ffff:192.0.2.10\n|m=audio 54214 RTP/AVP 0";
    let via = "Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19\n\
         |Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111";
    let facts = check(&invite(via, "sip:alice@[::ffff:192.0.2.10]", body), &[]);
    let sip = sip(&facts);
    let hops: Vec<_> = sip.vias.iter().map(|via| (via.host.as_str(), via.port)).collect();
    assert_eq!(hops, [("[::ffff:192.0.2.10]", Some(19823)), ("[::ffff:192.0.2.2]", None)]);
    assert_eq!(sip.contacts[0].uri.host, "[::ffff:192.0.2.10]");
    assert_eq!(sip.sdp.as_ref().unwrap().address.as_deref(), Some("::ffff:192.0.2.10"));
}

#[test]
fn rfc5118_4_10_the_third_colon_that_rfc_3261_allowed() {
    for (host, fault) in [("[2001:db8:::192.0.2.1]", Some("ipv6")), ("[2001:db8::192.0.2.1]", None)] {
        let target = format!("sip:bob@{host}");
        check_target(&target, fault.as_slice(), host, None);
        let drawn = register("sip:example.com", "lab.example.com", &target)
            .replace("To: sip:alice@example.com", &format!("To: {target}"));
        // Told once a line.
        let facts = check(&drawn, &[fault, fault].into_iter().flatten().collect::<Vec<_>>());
        let to = &sip(&facts).to.as_ref().unwrap().uri;
        assert_eq!((to.user.as_str(), to.host.as_str()), ("bob", host));
    }
}
