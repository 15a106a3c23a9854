//! What is read of a SIP message, a test for each item.

use message::facts::{self, Facts, Settings};
use message::kind::Kind;
use message::sip::{NameAddr, Uri};

use crate::margin::{check, sip};

const INVITE: &str = "
    |INVITE sips:bob@example.com:5061;transport=tcp SIP/2.0
    |Via: SIP/2.0/TLS p2.example.com:5061;branch=z9hG4bKp2
    |Via: SIP/2.0/TCP p1.example.com;branch=z9hG4bKp1, SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKalice;rport=4711
    |From: \"Alice A\" <sip:alice@example.com>;tag=a-1
    |To: <tel:+82-2-312-3456>
    |Contact: <sip:alice@192.0.2.10:5060;transport=udp>;+sip.instance=\"<urn:uuid:1>\"
    |Call-ID: call-4711@alice.example.com
    |CSeq: 17 INVITE
    |Refer-To: <sip:carol@example.com>
    |Referred-By: <sip:dave@example.com>
    |Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2
    |Expires: 90
    |Event: refer;id=7
    |User-Agent: Lab Phone/1.2
    |Subject: lunch
    |Supported: replaces
    |Content-Type: application/sdp
    |Content-Length: {length}
    |
    |v=0
    |o=- 1 1 IN IP4 192.0.2.10
    |c=IN IP4 192.0.2.10
    |m=audio 4000 RTP/AVP 0 96
    |a=rtpmap:0 PCMU/8000
    |a=rtpmap:96 opus/48000/2
    |a=sendonly
    |m=video 4002 RTP/AVP 31
    ";

fn invite() -> Facts {
    check(INVITE, &[])
}

/// User and host.
fn who(uri: &Uri) -> (&str, &str, &str) {
    (&uri.scheme, &uri.user, &uri.host)
}

fn address(address: Option<&NameAddr>) -> &Uri {
    &address.expect("an address").uri
}

#[test]
fn compact_headers_are_the_same_headers() {
    let mut compact = INVITE.to_owned();
    for (long, letter) in [
        ("Via", "v"),
        ("From", "f"),
        ("To", "t"),
        ("Contact", "m"),
        ("Call-ID", "i"),
        ("Refer-To", "r"),
        ("Referred-By", "b"),
        ("Event", "o"),
        ("Subject", "s"),
        ("Supported", "k"),
        ("Content-Type", "c"),
        ("Content-Length", "l"),
    ] {
        compact = compact.replace(&format!("|{long}:"), &format!("|{letter}:"));
        assert!(compact.contains(&format!("|{letter}:")), "{long}");
    }
    assert_eq!(check(&compact, &[]), invite());
}

#[test]
fn folded_headers_are_one_line() {
    let folded = INVITE
        .replace("|Via: SIP/2.0/TLS ", "|Via:\n    |  SIP/2.0/TLS\n    |\t")
        .replace("z9hG4bKp1, SIP", "z9hG4bKp1,\n    | SIP")
        .replace("\"Alice A\" <", "\"Alice\n    | A\"\n    | <")
        .replace(": 17 INVITE", ": 17\n    | INVITE")
        .replace("|Call-ID: ", "|Call-ID:\n    |    ")
        .replace("|Content-Length: ", "|Content-Length:\n    | ");
    assert_eq!(check(&folded, &[]), invite());
}

#[test]
fn all_vias_are_read_from_the_top_with_their_branches() {
    let facts = invite();
    let vias: Vec<_> =
        sip(&facts).vias.iter().map(|via| (&*via.transport, &*via.host, via.port, &*via.branch)).collect();
    assert_eq!(
        vias,
        [
            ("TLS", "p2.example.com", Some(5061), "z9hG4bKp2"),
            ("TCP", "p1.example.com", None, "z9hG4bKp1"),
            ("UDP", "192.0.2.10", Some(5060), "z9hG4bKalice"),
        ]
    );
    assert_eq!(sip(&facts).vias[2].rport, Some(4711));
}

#[test]
fn the_tags_of_from_and_to_are_read() {
    let tags = |facts: &Facts| {
        let tag = |address: &Option<NameAddr>| address.as_ref().and_then(NameAddr::tag).map(str::to_owned);
        (tag(&sip(facts).from), tag(&sip(facts).to))
    };
    assert_eq!(tags(&invite()), (Some("a-1".into()), None));
    let answered = INVITE.replace("3456>", "3456>;tag=b-1");
    assert_eq!(tags(&check(&answered, &[])), (Some("a-1".into()), Some("b-1".into())));
}

#[test]
fn cseq_and_call_id_are_read() {
    let facts = invite();
    assert_eq!((sip(&facts).cseq, &*facts.method), (Some(17), "INVITE"));
    assert_eq!(facts.call_id.as_deref(), Some("call-4711@alice.example.com"));
}

#[test]
fn users_and_hosts_of_from_to_contact_and_request_uri_are_read() {
    let facts = invite();
    let sip = sip(&facts);
    assert_eq!(sip.request_uri.as_ref().map(who), Some(("sips", "bob", "example.com")));
    assert_eq!(who(address(sip.from.as_ref())), ("sip", "alice", "example.com"));
    assert_eq!(who(address(sip.to.as_ref())), ("tel", "+82-2-312-3456", ""));
    assert_eq!(who(address(sip.contacts.first())), ("sip", "alice", "192.0.2.10"));
}

#[test]
fn each_of_them_may_be_sip_sips_or_tel() {
    for (uri, expect) in [
        ("sip:carol@pc.example.com:5070", ("sip", "carol", "pc.example.com")),
        ("sips:carol@[2001:db8::7]", ("sips", "carol", "[2001:db8::7]")),
        ("sip:gw.example.com", ("sip", "", "gw.example.com")),
        ("tel:+1-201-555-0123", ("tel", "+1-201-555-0123", "")),
    ] {
        for (line, place) in
            [("From", "sip:alice@example.com"), ("To", "tel:+82-2-312-3456"), ("Contact", "sip:alice@192.0.2.10:5060")]
        {
            let facts = check(&INVITE.replace(&format!("<{place}"), &format!("<{uri}")), &[]);
            let found = match line {
                "From" => sip(&facts).from.as_ref(),
                "To" => sip(&facts).to.as_ref(),
                _ => sip(&facts).contacts.first(),
            };
            assert_eq!(who(address(found)), expect, "{line}");
        }
        let facts = check(&INVITE.replace("sips:bob@example.com:5061", uri), &[]);
        assert_eq!(sip(&facts).request_uri.as_ref().map(who), Some(expect), "Request-URI");
    }
}

#[test]
fn expires_and_user_agent_are_read() {
    let facts = invite();
    assert_eq!((sip(&facts).expires, sip(&facts).user_agent.as_deref()), (Some(90), Some("Lab Phone/1.2")));
}

#[test]
fn both_uuids_of_session_id_are_read() {
    let facts = invite();
    let (local, remote) = sip(&facts).session_id.clone().expect("a session");
    assert_eq!(
        (&*local, remote.as_deref()),
        ("ab30317f1a784dc48ff824d0d3715d86", Some("47755a9de7794ba387653f2099600ef2"))
    );
}

#[test]
fn sdp_is_summed_up() {
    let facts = invite();
    let sdp = sip(&facts).sdp.as_ref().expect("SDP");
    assert_eq!(sdp.address.as_deref(), Some("192.0.2.10"));
    let media: Vec<_> =
        sdp.media.iter().map(|m| (&*m.kind, m.port, &*m.protocol, m.codecs.join(" "), &*m.direction)).collect();
    assert_eq!(
        media,
        [
            ("audio", 4000, "RTP/AVP", "PCMU/8000 opus/48000/2".into(), "sendonly"),
            ("video", 4002, "RTP/AVP", "31".into(), "sendrecv"),
        ]
    );
}

/// A log that writes LF for CRLF says the same.
#[test]
fn bare_lf_changes_nothing_that_is_read() {
    let crlf = crate::margin::message(INVITE);
    let lf = String::from_utf8(crlf).expect("text").replace('\r', "");
    assert_eq!(facts::read(Kind::Sip, "-", "-", "-", lf.as_bytes(), &Settings::default()), invite());
}
