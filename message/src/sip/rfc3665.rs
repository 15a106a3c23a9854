//! The call flows of RFC 3665: each message of each flow is written, read, and drawn from its facts, one line a message.
//!
//! The messages are not those of the RFC: they are made here from what its sections describe, hop by hop. A line shows
//! what was sent, CSeq, the tags of From and To, the branches of all Vias from the top, and what else the message says.

use std::fmt::Write as _;

use crate::facts::{self, Facts, Settings};
use crate::kind::Kind;

/// Writes the messages of one call as they pass over a chain of hops.
struct Call {
    hops: &'static [&'static str],
    cseq: u32,
    /// Counts transactions, so that each has branches of its own.
    turn: u32,
    to_tag: &'static str,
    messages: Vec<String>,
}

const CALL_ID: &str = "flow-17@alice.example.com";
const ALICE: &str = "Alice <sip:alice@example.com>";
const BOB: &str = "Bob <sip:bob@example.org>";

impl Call {
    fn over(hops: &'static [&'static str]) -> Self {
        Self { hops, cseq: 0, turn: 0, to_tag: "", messages: Vec::new() }
    }

    /// A request of a new transaction; in `lines`, those that this request has beyond the usual.
    fn send(&mut self, method: &str, target: &str, lines: &str) {
        (self.cseq, self.turn) = (self.cseq + 1, self.turn + 1);
        self.request(method, target, lines);
    }

    /// ACK and CANCEL have the CSeq number of their INVITE; ACK to a 2xx is a transaction of its own (RFC 3261, 17).
    fn ack(&mut self, target: &str, lines: &str) {
        self.turn += 1;
        self.request("ACK", target, lines);
    }

    fn request(&mut self, method: &str, target: &str, lines: &str) {
        for at in 1..self.hops.len() {
            self.write(&format!("{method} {target} SIP/2.0"), method, at, lines);
        }
    }

    /// A response that passes back over all hops.
    fn answer(&mut self, status: &str, method: &str, lines: &str) {
        for at in (1..self.hops.len()).rev() {
            self.write(&format!("SIP/2.0 {status}"), method, at, lines);
        }
    }

    /// A message between two hops only: the one at `at` and the one before it.
    fn write(&mut self, start: &str, method: &str, at: usize, lines: &str) {
        let mut text = format!("{start}\r\n");
        for hop in self.hops[..at].iter().rev() {
            let _ = write!(text, "Via: SIP/2.0/TCP {hop}.example.com:5060;branch=z9hG4bK{hop}{}\r\n", self.turn);
        }
        // Who registers, registers himself.
        let from = if method == "REGISTER" { BOB } else { ALICE };
        let to_tag = if self.to_tag.is_empty() { String::new() } else { format!(";tag={}", self.to_tag) };
        let _ = write!(
            text,
            "From: {from};tag=a1\r\nTo: {BOB}{to_tag}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\n",
            CALL_ID, self.cseq
        );
        let (lines, body) = lines.split_once("\n\n").unwrap_or((lines, ""));
        for line in lines.lines() {
            let _ = write!(text, "{line}\r\n");
        }
        let body = body.replace('\n', "\r\n");
        let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
        self.messages.push(text);
    }

    fn drawn(&self) -> String {
        let mut out = String::new();
        for message in &self.messages {
            let facts = facts::read(Kind::Sip, "-", "-", "-", message.as_bytes(), &Settings::default());
            assert_eq!(facts.faults, [], "{message}");
            assert_eq!(facts.call_id.as_deref(), Some(CALL_ID));
            line(&facts, &mut out);
        }
        out
    }
}

fn line(facts: &Facts, out: &mut String) {
    let sip = facts.sip.as_deref().unwrap();
    let what = match facts.status {
        Some(status) => format!("{status} {}", facts.reason),
        None => format!("{} {}", facts.method, sip.request_uri.as_ref().unwrap().text),
    };
    let tag = |party: &Option<super::NameAddr>| party.as_ref().unwrap().tag().unwrap_or("-").to_owned();
    let branches: Vec<_> = sip.vias.iter().map(|via| via.branch.trim_start_matches("z9hG4bK")).collect();
    let _ = write!(
        out,
        "{what} · {} {} · {} {} · {}",
        sip.cseq.unwrap(),
        facts.method,
        tag(&sip.from),
        tag(&sip.to),
        branches.join(" ")
    );
    for (name, list) in [("contact", &sip.contacts), ("route", &sip.routes), ("recorded", &sip.record_routes)] {
        for address in list {
            let _ = write!(out, " · {name} {}", address.uri.text);
        }
    }
    if let Some(expires) = sip.expires {
        let _ = write!(out, " · expires {expires}");
    }
    if let Some(sdp) = &sip.sdp {
        let _ = write!(out, " · sdp {} {}", sdp.address.as_deref().unwrap_or("-"), sdp.media[0].codecs.join(","));
    }
    out.push('\n');
}

const CONTACT_ALICE: &str = "Contact: <sip:alice@alice.example.com;transport=tcp>\n";
const BOB_HOST: &str = "sip:bob@bob.example.org;transport=tcp";
const TARGET: &str = "sip:bob@example.org";

fn sdp(contact: &str, address: &str) -> String {
    format!(
        "{contact}Content-Type: application/sdp\n\nv=0\no=- 1 1 IN IP4 {address}\ns=-\nc=IN IP4 {address}\nt=0 0\n\
         m=audio 49172 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n"
    )
}

fn offer() -> String {
    sdp(CONTACT_ALICE, "192.0.2.101")
}

fn answered() -> String {
    sdp(&format!("Contact: <{BOB_HOST}>\n"), "192.0.2.201")
}

#[test]
fn rfc3665_2_1_a_successful_new_registration() {
    let mut call = Call::over(&["bob", "registrar"]);
    let contact = format!("Contact: <{BOB_HOST}>\n");
    call.send("REGISTER", "sip:example.org", &contact);
    call.to_tag = "r1";
    call.answer("401 Unauthorized", "REGISTER", "WWW-Authenticate: Digest realm=\"example.org\", nonce=\"ea9c\"\n");
    call.to_tag = "";
    let credentials =
        "Authorization: Digest username=\"bob\", realm=\"example.org\", nonce=\"ea9c\", response=\"dfe5\"\n";
    call.send("REGISTER", "sip:example.org", &format!("{contact}{credentials}"));
    call.to_tag = "r2";
    call.answer("200 OK", "REGISTER", &format!("Contact: <{BOB_HOST}>;expires=3600\n"));
    insta::assert_snapshot!(call.drawn(), @"
    REGISTER sip:example.org · 1 REGISTER · a1 - · bob1 · contact sip:bob@bob.example.org;transport=tcp
    401 Unauthorized · 1 REGISTER · a1 r1 · bob1
    REGISTER sip:example.org · 2 REGISTER · a1 - · bob2 · contact sip:bob@bob.example.org;transport=tcp
    200 OK · 2 REGISTER · a1 r2 · bob2 · contact sip:bob@bob.example.org;transport=tcp
    ");
}

#[test]
fn rfc3665_2_2_an_update_of_the_contact_list() {
    let mut call = Call::over(&["bob", "registrar"]);
    call.send("REGISTER", "sip:example.org", "Contact: mailto:bob@example.org\n");
    call.to_tag = "r1";
    call.answer(
        "200 OK",
        "REGISTER",
        &format!("Contact: <{BOB_HOST}>;expires=3600, <mailto:bob@example.org>;expires=4294967295\n"),
    );
    insta::assert_snapshot!(call.drawn(), @"
    REGISTER sip:example.org · 1 REGISTER · a1 - · bob1 · contact mailto:bob@example.org
    200 OK · 1 REGISTER · a1 r1 · bob1 · contact sip:bob@bob.example.org;transport=tcp · contact mailto:bob@example.org
    ");
}

#[test]
fn rfc3665_2_3_a_request_for_the_contact_list() {
    let mut call = Call::over(&["bob", "registrar"]);
    call.send("REGISTER", "sip:example.org", "");
    call.to_tag = "r1";
    call.answer(
        "200 OK",
        "REGISTER",
        &format!("Contact: <{BOB_HOST}>;expires=3600\nContact: <mailto:bob@example.org>\n"),
    );
    insta::assert_snapshot!(call.drawn(), @"
    REGISTER sip:example.org · 1 REGISTER · a1 - · bob1
    200 OK · 1 REGISTER · a1 r1 · bob1 · contact sip:bob@bob.example.org;transport=tcp · contact mailto:bob@example.org
    ");
}

#[test]
fn rfc3665_2_4_a_cancelled_registration() {
    let mut call = Call::over(&["bob", "registrar"]);
    call.send("REGISTER", "sip:example.org", "Expires: 0\nContact: *\n");
    call.to_tag = "r1";
    call.answer("200 OK", "REGISTER", "");
    insta::assert_snapshot!(call.drawn(), @"
    REGISTER sip:example.org · 1 REGISTER · a1 - · bob1 · contact * · expires 0
    200 OK · 1 REGISTER · a1 r1 · bob1
    ");
}

#[test]
fn rfc3665_2_5_an_unsuccessful_registration() {
    let mut call = Call::over(&["bob", "registrar"]);
    for _ in 0..2 {
        call.to_tag = "";
        call.send("REGISTER", "sip:example.org", &format!("Contact: <{BOB_HOST}>\n"));
        call.to_tag = "r1";
        call.answer(
            "401 Unauthorized",
            "REGISTER",
            "WWW-Authenticate: Digest realm=\"example.org\", nonce=\"f1ce\", stale=FALSE\n",
        );
    }
    insta::assert_snapshot!(call.drawn(), @"
    REGISTER sip:example.org · 1 REGISTER · a1 - · bob1 · contact sip:bob@bob.example.org;transport=tcp
    401 Unauthorized · 1 REGISTER · a1 r1 · bob1
    REGISTER sip:example.org · 2 REGISTER · a1 - · bob2 · contact sip:bob@bob.example.org;transport=tcp
    401 Unauthorized · 2 REGISTER · a1 r1 · bob2
    ");
}

#[test]
fn rfc3665_3_1_a_session_is_established() {
    let mut call = Call::over(&["alice", "bob"]);
    call.send("INVITE", TARGET, &offer());
    call.to_tag = "b1";
    call.answer("180 Ringing", "INVITE", &format!("Contact: <{BOB_HOST}>\n"));
    call.answer("200 OK", "INVITE", &answered());
    call.ack(BOB_HOST, "");
    call.send("BYE", BOB_HOST, "");
    call.answer("200 OK", "BYE", "");
    insta::assert_snapshot!(call.drawn(), @"
    INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    180 Ringing · 1 INVITE · a1 b1 · alice1 · contact sip:bob@bob.example.org;transport=tcp
    200 OK · 1 INVITE · a1 b1 · alice1 · contact sip:bob@bob.example.org;transport=tcp · sdp 192.0.2.201 PCMU/8000
    ACK sip:bob@bob.example.org;transport=tcp · 1 ACK · a1 b1 · alice2
    BYE sip:bob@bob.example.org;transport=tcp · 2 BYE · a1 b1 · alice3
    200 OK · 2 BYE · a1 b1 · alice3
    ");
}

#[test]
fn rfc3665_3_2_a_session_through_two_proxies() {
    let mut call = Call::over(&["alice", "p1", "p2", "bob"]);
    call.cseq = 1;
    call.write("INVITE sip:bob@example.org SIP/2.0", "INVITE", 1, &offer());
    call.to_tag = "p9";
    call.write("SIP/2.0 407 Proxy Authorization Required", "INVITE", 1, "Proxy-Authenticate: Digest realm=\"p1\"\n");
    call.write("ACK sip:bob@example.org SIP/2.0", "ACK", 1, "");
    call.to_tag = "";
    let recorded = "Record-Route: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>\n";
    call.send("INVITE", TARGET, &format!("Proxy-Authorization: Digest realm=\"p1\"\n{}", offer()));
    call.to_tag = "b1";
    call.answer("180 Ringing", "INVITE", recorded);
    call.answer("200 OK", "INVITE", &format!("{recorded}{}", answered()));
    call.ack(BOB_HOST, "Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\n");
    call.send("BYE", BOB_HOST, "Route: <sip:p1.example.com;lr>\nRoute: <sip:p2.example.com;lr>\n");
    call.answer("200 OK", "BYE", "");
    insta::assert_snapshot!(call.drawn(), @"
    INVITE sip:bob@example.org · 1 INVITE · a1 - · alice0 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    407 Proxy Authorization Required · 1 INVITE · a1 p9 · alice0
    ACK sip:bob@example.org · 1 ACK · a1 p9 · alice0
    INVITE sip:bob@example.org · 2 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    INVITE sip:bob@example.org · 2 INVITE · a1 - · p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    INVITE sip:bob@example.org · 2 INVITE · a1 - · p21 p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    180 Ringing · 2 INVITE · a1 b1 · p21 p11 alice1 · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr
    180 Ringing · 2 INVITE · a1 b1 · p11 alice1 · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr
    180 Ringing · 2 INVITE · a1 b1 · alice1 · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr
    200 OK · 2 INVITE · a1 b1 · p21 p11 alice1 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.201 PCMU/8000
    200 OK · 2 INVITE · a1 b1 · p11 alice1 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.201 PCMU/8000
    200 OK · 2 INVITE · a1 b1 · alice1 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.201 PCMU/8000
    ACK sip:bob@bob.example.org;transport=tcp · 2 ACK · a1 b1 · alice2 · route sip:p1.example.com;lr · route sip:p2.example.com;lr
    ACK sip:bob@bob.example.org;transport=tcp · 2 ACK · a1 b1 · p12 alice2 · route sip:p1.example.com;lr · route sip:p2.example.com;lr
    ACK sip:bob@bob.example.org;transport=tcp · 2 ACK · a1 b1 · p22 p12 alice2 · route sip:p1.example.com;lr · route sip:p2.example.com;lr
    BYE sip:bob@bob.example.org;transport=tcp · 3 BYE · a1 b1 · alice3 · route sip:p1.example.com;lr · route sip:p2.example.com;lr
    BYE sip:bob@bob.example.org;transport=tcp · 3 BYE · a1 b1 · p13 alice3 · route sip:p1.example.com;lr · route sip:p2.example.com;lr
    BYE sip:bob@bob.example.org;transport=tcp · 3 BYE · a1 b1 · p23 p13 alice3 · route sip:p1.example.com;lr · route sip:p2.example.com;lr
    200 OK · 3 BYE · a1 b1 · p23 p13 alice3
    200 OK · 3 BYE · a1 b1 · p13 alice3
    200 OK · 3 BYE · a1 b1 · alice3
    ");
}

#[test]
fn rfc3665_3_3_a_session_with_two_proxies_that_ask_for_credentials() {
    let mut call = Call::over(&["alice", "p1", "p2", "bob"]);
    let one = "Proxy-Authorization: Digest username=\"alice\", realm=\"one.example.com\", nonce=\"wf84\"\n";
    let two = "Proxy-Authorization: Digest username=\"alice\", realm=\"two.example.com\", nonce=\"c1e2\"\n";
    for (at, credentials) in [(1, String::new()), (2, one.to_owned())] {
        (call.cseq, call.turn, call.to_tag) = (call.cseq + 1, call.turn + 1, "");
        for hop in 1..=at {
            call.write("INVITE sip:bob@example.org SIP/2.0", "INVITE", hop, &format!("{credentials}{}", offer()));
        }
        call.to_tag = "p9";
        for hop in (1..=at).rev() {
            call.write(
                "SIP/2.0 407 Proxy Authorization Required",
                "INVITE",
                hop,
                "Proxy-Authenticate: Digest realm=\"x\"\n",
            );
            call.write("ACK sip:bob@example.org SIP/2.0", "ACK", hop, "");
        }
    }
    call.to_tag = "";
    call.send("INVITE", TARGET, &format!("{one}{two}{}", offer()));
    call.to_tag = "b1";
    call.answer("200 OK", "INVITE", &answered());
    call.ack(BOB_HOST, "");
    insta::assert_snapshot!(call.drawn(), @"
    INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    407 Proxy Authorization Required · 1 INVITE · a1 p9 · alice1
    ACK sip:bob@example.org · 1 ACK · a1 p9 · alice1
    INVITE sip:bob@example.org · 2 INVITE · a1 - · alice2 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    INVITE sip:bob@example.org · 2 INVITE · a1 - · p12 alice2 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    407 Proxy Authorization Required · 2 INVITE · a1 p9 · p12 alice2
    ACK sip:bob@example.org · 2 ACK · a1 p9 · p12 alice2
    407 Proxy Authorization Required · 2 INVITE · a1 p9 · alice2
    ACK sip:bob@example.org · 2 ACK · a1 p9 · alice2
    INVITE sip:bob@example.org · 3 INVITE · a1 - · alice3 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    INVITE sip:bob@example.org · 3 INVITE · a1 - · p13 alice3 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    INVITE sip:bob@example.org · 3 INVITE · a1 - · p23 p13 alice3 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    200 OK · 3 INVITE · a1 b1 · p23 p13 alice3 · contact sip:bob@bob.example.org;transport=tcp · sdp 192.0.2.201 PCMU/8000
    200 OK · 3 INVITE · a1 b1 · p13 alice3 · contact sip:bob@bob.example.org;transport=tcp · sdp 192.0.2.201 PCMU/8000
    200 OK · 3 INVITE · a1 b1 · alice3 · contact sip:bob@bob.example.org;transport=tcp · sdp 192.0.2.201 PCMU/8000
    ACK sip:bob@bob.example.org;transport=tcp · 3 ACK · a1 b1 · alice4
    ACK sip:bob@bob.example.org;transport=tcp · 3 ACK · a1 b1 · p14 alice4
    ACK sip:bob@bob.example.org;transport=tcp · 3 ACK · a1 b1 · p24 p14 alice4
    ");
}

#[test]
fn rfc3665_3_4_a_session_though_a_proxy_fails() {
    let mut call = Call::over(&["alice", "p1", "bob"]);
    call.cseq = 1;
    for _ in 0..3 {
        call.write("INVITE sip:bob@example.org SIP/2.0", "INVITE", 1, &offer());
    }
    call.hops = &["alice", "p2", "bob"];
    call.send("INVITE", TARGET, &offer());
    call.to_tag = "b1";
    call.answer("200 OK", "INVITE", &answered());
    call.ack(BOB_HOST, "Route: <sip:p2.example.com;lr>\n");
    insta::assert_snapshot!(call.drawn(), @"
    INVITE sip:bob@example.org · 1 INVITE · a1 - · alice0 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    INVITE sip:bob@example.org · 1 INVITE · a1 - · alice0 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    INVITE sip:bob@example.org · 1 INVITE · a1 - · alice0 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    INVITE sip:bob@example.org · 2 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    INVITE sip:bob@example.org · 2 INVITE · a1 - · p21 alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    200 OK · 2 INVITE · a1 b1 · p21 alice1 · contact sip:bob@bob.example.org;transport=tcp · sdp 192.0.2.201 PCMU/8000
    200 OK · 2 INVITE · a1 b1 · alice1 · contact sip:bob@bob.example.org;transport=tcp · sdp 192.0.2.201 PCMU/8000
    ACK sip:bob@bob.example.org;transport=tcp · 2 ACK · a1 b1 · alice2 · route sip:p2.example.com;lr
    ACK sip:bob@bob.example.org;transport=tcp · 2 ACK · a1 b1 · p22 alice2 · route sip:p2.example.com;lr
    ");
}

#[test]
fn rfc3665_3_5_a_session_through_a_gateway_that_rewrites_addresses() {
    let mut call = Call::over(&["alice", "alg", "bob"]);
    (call.cseq, call.turn) = (1, 1);
    call.write("INVITE sip:bob@example.org SIP/2.0", "INVITE", 1, &offer());
    call.write(
        "INVITE sip:bob@example.org SIP/2.0",
        "INVITE",
        2,
        &sdp("Contact: <sip:alice@192.0.2.128>\n", "192.0.2.128"),
    );
    call.to_tag = "b1";
    call.write("SIP/2.0 200 OK", "INVITE", 2, &answered());
    call.write("SIP/2.0 200 OK", "INVITE", 1, &sdp("Contact: <sip:bob@192.0.2.128>\n", "192.0.2.128"));
    call.ack("sip:bob@192.0.2.128", "");
    insta::assert_snapshot!(call.drawn(), @"
    INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    INVITE sip:bob@example.org · 1 INVITE · a1 - · alg1 alice1 · contact sip:alice@192.0.2.128 · sdp 192.0.2.128 PCMU/8000
    200 OK · 1 INVITE · a1 b1 · alg1 alice1 · contact sip:bob@bob.example.org;transport=tcp · sdp 192.0.2.201 PCMU/8000
    200 OK · 1 INVITE · a1 b1 · alice1 · contact sip:bob@192.0.2.128 · sdp 192.0.2.128 PCMU/8000
    ACK sip:bob@192.0.2.128 · 1 ACK · a1 b1 · alice2
    ACK sip:bob@192.0.2.128 · 1 ACK · a1 b1 · alg2 alice2
    ");
}

#[test]
fn rfc3665_3_6_a_session_by_redirection_with_the_answer_in_the_ack() {
    let mut call = Call::over(&["alice", "redirect"]);
    call.send("INVITE", TARGET, CONTACT_ALICE);
    call.to_tag = "r9";
    call.answer("302 Moved Temporarily", "INVITE", "Contact: <sip:bob@branch.example.org;transport=tcp>;q=0.7\n");
    call.request("ACK", TARGET, "");
    call.hops = &["alice", "p3", "bob"];
    call.to_tag = "";
    call.send("INVITE", "sip:bob@branch.example.org;transport=tcp", CONTACT_ALICE);
    call.to_tag = "b1";
    call.answer("180 Ringing", "INVITE", "");
    call.answer("200 OK", "INVITE", &answered());
    call.ack(BOB_HOST, &sdp("", "192.0.2.101"));
    insta::assert_snapshot!(call.drawn(), @"
    INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp
    302 Moved Temporarily · 1 INVITE · a1 r9 · alice1 · contact sip:bob@branch.example.org;transport=tcp
    ACK sip:bob@example.org · 1 ACK · a1 r9 · alice1
    INVITE sip:bob@branch.example.org;transport=tcp · 2 INVITE · a1 - · alice2 · contact sip:alice@alice.example.com;transport=tcp
    INVITE sip:bob@branch.example.org;transport=tcp · 2 INVITE · a1 - · p32 alice2 · contact sip:alice@alice.example.com;transport=tcp
    180 Ringing · 2 INVITE · a1 b1 · p32 alice2
    180 Ringing · 2 INVITE · a1 b1 · alice2
    200 OK · 2 INVITE · a1 b1 · p32 alice2 · contact sip:bob@bob.example.org;transport=tcp · sdp 192.0.2.201 PCMU/8000
    200 OK · 2 INVITE · a1 b1 · alice2 · contact sip:bob@bob.example.org;transport=tcp · sdp 192.0.2.201 PCMU/8000
    ACK sip:bob@bob.example.org;transport=tcp · 2 ACK · a1 b1 · alice3 · sdp 192.0.2.101 PCMU/8000
    ACK sip:bob@bob.example.org;transport=tcp · 2 ACK · a1 b1 · p33 alice3 · sdp 192.0.2.101 PCMU/8000
    ");
}

#[test]
fn rfc3665_3_7_a_session_whose_address_changes() {
    let mut call = Call::over(&["alice", "bob"]);
    call.send("INVITE", TARGET, &offer());
    call.to_tag = "b1";
    call.answer("200 OK", "INVITE", &answered());
    call.ack(BOB_HOST, "");
    call.send("INVITE", BOB_HOST, &sdp("Contact: <sip:alice@192.0.2.7>\n", "192.0.2.7"));
    call.answer("200 OK", "INVITE", &answered());
    call.ack(BOB_HOST, "");
    call.send("BYE", BOB_HOST, "");
    call.answer("200 OK", "BYE", "");
    insta::assert_snapshot!(call.drawn(), @"
    INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    200 OK · 1 INVITE · a1 b1 · alice1 · contact sip:bob@bob.example.org;transport=tcp · sdp 192.0.2.201 PCMU/8000
    ACK sip:bob@bob.example.org;transport=tcp · 1 ACK · a1 b1 · alice2
    INVITE sip:bob@bob.example.org;transport=tcp · 2 INVITE · a1 b1 · alice3 · contact sip:alice@192.0.2.7 · sdp 192.0.2.7 PCMU/8000
    200 OK · 2 INVITE · a1 b1 · alice3 · contact sip:bob@bob.example.org;transport=tcp · sdp 192.0.2.201 PCMU/8000
    ACK sip:bob@bob.example.org;transport=tcp · 2 ACK · a1 b1 · alice4
    BYE sip:bob@bob.example.org;transport=tcp · 3 BYE · a1 b1 · alice5
    200 OK · 3 BYE · a1 b1 · alice5
    ");
}

#[test]
fn rfc3665_3_8_nobody_answers_and_the_caller_cancels() {
    let mut call = Call::over(&["alice", "p1", "bob"]);
    call.send("INVITE", TARGET, &offer());
    call.to_tag = "b1";
    call.answer("180 Ringing", "INVITE", "");
    call.to_tag = "";
    call.write("CANCEL sip:bob@example.org SIP/2.0", "CANCEL", 1, "");
    call.write("SIP/2.0 200 OK", "CANCEL", 1, "");
    call.to_tag = "b1";
    call.answer("487 Request Terminated", "INVITE", "");
    call.write("ACK sip:bob@example.org SIP/2.0", "ACK", 1, "");
    insta::assert_snapshot!(call.drawn(), @"
    INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    INVITE sip:bob@example.org · 1 INVITE · a1 - · p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    180 Ringing · 1 INVITE · a1 b1 · p11 alice1
    180 Ringing · 1 INVITE · a1 b1 · alice1
    CANCEL sip:bob@example.org · 1 CANCEL · a1 - · alice1
    200 OK · 1 CANCEL · a1 - · alice1
    487 Request Terminated · 1 INVITE · a1 b1 · p11 alice1
    487 Request Terminated · 1 INVITE · a1 b1 · alice1
    ACK sip:bob@example.org · 1 ACK · a1 b1 · alice1
    ");
}

#[test]
fn rfc3665_3_9_the_callee_is_busy() {
    let mut call = Call::over(&["alice", "p1", "bob"]);
    call.send("INVITE", TARGET, &offer());
    call.write("SIP/2.0 100 Trying", "INVITE", 1, "");
    call.to_tag = "b1";
    call.answer("486 Busy Here", "INVITE", "");
    call.write("ACK sip:bob@example.org SIP/2.0", "ACK", 1, "");
    insta::assert_snapshot!(call.drawn(), @"
    INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    INVITE sip:bob@example.org · 1 INVITE · a1 - · p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    100 Trying · 1 INVITE · a1 - · alice1
    486 Busy Here · 1 INVITE · a1 b1 · p11 alice1
    486 Busy Here · 1 INVITE · a1 b1 · alice1
    ACK sip:bob@example.org · 1 ACK · a1 b1 · alice1
    ");
}

#[test]
fn rfc3665_3_10_the_callee_does_not_respond() {
    let mut call = Call::over(&["alice", "p1", "bob"]);
    call.send("INVITE", TARGET, &offer());
    for _ in 0..2 {
        call.write("INVITE sip:bob@example.org SIP/2.0", "INVITE", 2, &offer());
    }
    call.to_tag = "p9";
    call.write("SIP/2.0 480 No Response", "INVITE", 1, "");
    call.write("ACK sip:bob@example.org SIP/2.0", "ACK", 1, "");
    insta::assert_snapshot!(call.drawn(), @"
    INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    INVITE sip:bob@example.org · 1 INVITE · a1 - · p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    INVITE sip:bob@example.org · 1 INVITE · a1 - · p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    INVITE sip:bob@example.org · 1 INVITE · a1 - · p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    480 No Response · 1 INVITE · a1 p9 · alice1
    ACK sip:bob@example.org · 1 ACK · a1 p9 · alice1
    ");
}

#[test]
fn rfc3665_3_11_the_callee_is_unavailable_for_now() {
    let mut call = Call::over(&["alice", "p1", "bob"]);
    call.send("INVITE", TARGET, &offer());
    call.to_tag = "b1";
    call.answer("180 Ringing", "INVITE", "");
    call.answer("480 Temporarily Unavailable", "INVITE", "Retry-After: 60;duration=3600\n");
    call.write("ACK sip:bob@example.org SIP/2.0", "ACK", 1, "");
    insta::assert_snapshot!(call.drawn(), @"
    INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    INVITE sip:bob@example.org · 1 INVITE · a1 - · p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    180 Ringing · 1 INVITE · a1 b1 · p11 alice1
    180 Ringing · 1 INVITE · a1 b1 · alice1
    480 Temporarily Unavailable · 1 INVITE · a1 b1 · p11 alice1
    480 Temporarily Unavailable · 1 INVITE · a1 b1 · alice1
    ACK sip:bob@example.org · 1 ACK · a1 b1 · alice1
    ");
}
