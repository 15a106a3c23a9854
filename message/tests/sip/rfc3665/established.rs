//! RFC 3665, 3.1 to 3.7: sessions that are established.

use super::{ALICE_HOST, BOB_HOST, Flow, PRELOADED, PROXIES, Path, TARGET, answer, contact, listed, offer, sdp};

const BACK: Path = &["bob", "p2", "p1", "alice"];
const REQUIRED: &str = "407 Proxy Authorization Required";
const CHALLENGE: &str =
    "Proxy-Authenticate: Digest realm=\"example.com\", qop=\"auth\",\n nonce=\"f84f\",\n opaque=\"\"\n";

fn credentials(realm: &str) -> String {
    format!(
        "Proxy-Authorization: Digest username=\"alice\",\n realm=\"{realm}.example.com\",\n nonce=\"wf84\", opaque=\"\"\n"
    )
}

#[test]
fn rfc3665_3_1_a_session_is_established() {
    let mut flow = Flow::recorded_by(&[]);
    let invite = flow.turn("INVITE", &["alice", "bob"]);
    flow.request(invite, 1, TARGET, &offer());
    flow.tag = "b1";
    flow.back(invite, "180 Ringing", &contact(BOB_HOST));
    flow.back(invite, "200 OK", &answer());
    let ack = flow.ack(invite, &["alice", "bob"]);
    flow.pass(ack, BOB_HOST, "");
    let bye = flow.turn("BYE", &["bob", "alice"]);
    flow.pass(bye, ALICE_HOST, "");
    flow.back(bye, "200 OK", "");
    insta::assert_snapshot!(flow.drawn(), @"
    alice → bob · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    bob → alice · 180 Ringing · 1 INVITE · a1 b1 · alice1 · contact sip:bob@bob.example.org;transport=tcp
    bob → alice · 200 OK · 1 INVITE · a1 b1 · alice1 · contact sip:bob@bob.example.org;transport=tcp · sdp 192.0.2.201 PCMU/8000
    alice → bob · ACK sip:bob@bob.example.org;transport=tcp · 1 ACK · a1 b1 · alice2
    bob → alice · BYE sip:alice@alice.example.com;transport=tcp · 1 BYE · b1 a1 · bob3
    alice → bob · 200 OK · 1 BYE · b1 a1 · bob3
    ");
}

#[test]
fn rfc3665_3_2_a_session_through_two_proxies() {
    let mut flow = Flow::recorded_by(&["p1", "p2"]);
    let refused = flow.turn("INVITE", PROXIES);
    flow.request(refused, 1, TARGET, &format!("{PRELOADED}{}", offer()));
    flow.tag = "p9";
    flow.refuse(refused, 1, REQUIRED, CHALLENGE);
    flow.tag = "";
    let invite = flow.invite(PROXIES, &format!("{PRELOADED}{}", credentials("one")), &offer());
    let recorded = flow.recorded(&PROXIES[1..3]);
    flow.tag = "b1";
    flow.back(invite, "180 Ringing", &format!("{recorded}{}", contact(BOB_HOST)));
    flow.back(invite, "200 OK", &format!("{recorded}{}", answer()));
    let ack = flow.ack(invite, PROXIES);
    flow.pass(ack, BOB_HOST, "");
    let bye = flow.turn("BYE", BACK);
    flow.pass(bye, ALICE_HOST, "");
    flow.back(bye, "200 OK", "");
    insta::assert_snapshot!(flow.drawn(), @"
    alice → p1 · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · route sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p1 → alice · 407 Proxy Authorization Required · 1 INVITE · a1 p9 · alice1
    alice → p1 · ACK sip:bob@example.org · 1 ACK · a1 p9 · alice1
    alice → p1 · INVITE sip:bob@example.org · 2 INVITE · a1 - · alice2 · contact sip:alice@alice.example.com;transport=tcp · route sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p1 → p2 · INVITE sip:bob@example.org · 2 INVITE · a1 - · p12 alice2 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p1 → alice · 100 Trying · 2 INVITE · a1 - · alice2
    p2 → bob · INVITE sip:bob@bob.example.org;transport=tcp · 2 INVITE · a1 - · p22 p12 alice2 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p2 → p1 · 100 Trying · 2 INVITE · a1 - · p12 alice2
    bob → p2 · 180 Ringing · 2 INVITE · a1 b1 · p22 p12 alice2 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr
    p2 → p1 · 180 Ringing · 2 INVITE · a1 b1 · p12 alice2 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr
    p1 → alice · 180 Ringing · 2 INVITE · a1 b1 · alice2 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr
    bob → p2 · 200 OK · 2 INVITE · a1 b1 · p22 p12 alice2 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.201 PCMU/8000
    p2 → p1 · 200 OK · 2 INVITE · a1 b1 · p12 alice2 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.201 PCMU/8000
    p1 → alice · 200 OK · 2 INVITE · a1 b1 · alice2 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.201 PCMU/8000
    alice → p1 · ACK sip:bob@bob.example.org;transport=tcp · 2 ACK · a1 b1 · alice3 · route sip:p1.example.com;lr · route sip:p2.example.com;lr
    p1 → p2 · ACK sip:bob@bob.example.org;transport=tcp · 2 ACK · a1 b1 · p13 alice3 · route sip:p2.example.com;lr
    p2 → bob · ACK sip:bob@bob.example.org;transport=tcp · 2 ACK · a1 b1 · p23 p13 alice3
    bob → p2 · BYE sip:alice@alice.example.com;transport=tcp · 1 BYE · b1 a1 · bob4 · route sip:p2.example.com;lr · route sip:p1.example.com;lr
    p2 → p1 · BYE sip:alice@alice.example.com;transport=tcp · 1 BYE · b1 a1 · p24 bob4 · route sip:p1.example.com;lr
    p1 → alice · BYE sip:alice@alice.example.com;transport=tcp · 1 BYE · b1 a1 · p14 p24 bob4
    alice → p1 · 200 OK · 1 BYE · b1 a1 · p14 p24 bob4
    p1 → p2 · 200 OK · 1 BYE · b1 a1 · p24 bob4
    p2 → bob · 200 OK · 1 BYE · b1 a1 · bob4
    ");
}

#[test]
fn rfc3665_3_3_a_session_with_two_proxies_that_ask_for_credentials() {
    let mut flow = Flow::recorded_by(&["p1", "p2"]);
    let first = flow.turn("INVITE", PROXIES);
    flow.request(first, 1, TARGET, &format!("{PRELOADED}{}", offer()));
    flow.tag = "p8";
    flow.refuse(first, 1, REQUIRED, CHALLENGE);
    flow.tag = "";
    let second = flow.turn("INVITE", PROXIES);
    flow.request(second, 1, TARGET, &format!("{PRELOADED}{}{}", credentials("one"), offer()));
    flow.response(second, 1, "100 Trying", "");
    flow.request(second, 2, TARGET, &format!("{}{}", flow.recorded(&["p1"]), offer()));
    flow.tag = "p9";
    flow.refuse(second, 2, REQUIRED, CHALLENGE);
    flow.tag = "";
    let third = flow.turn("INVITE", PROXIES);
    flow.request(third, 1, TARGET, &format!("{}{}{}", credentials("one"), credentials("two"), offer()));
    flow.response(third, 1, "100 Trying", "");
    flow.request(third, 2, TARGET, &format!("{}{}{}", flow.recorded(&["p1"]), credentials("two"), offer()));
    flow.response(third, 2, "100 Trying", "");
    let recorded = flow.recorded(&["p1", "p2"]);
    flow.request(third, 3, BOB_HOST, &format!("{recorded}{}", offer()));
    flow.tag = "b1";
    flow.back(third, "200 OK", &format!("{recorded}{}", answer()));
    let ack = flow.ack(third, PROXIES);
    flow.pass(ack, BOB_HOST, &format!("{}{}", credentials("one"), credentials("two")));
    insta::assert_snapshot!(flow.drawn(), @"
    alice → p1 · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · route sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p1 → alice · 407 Proxy Authorization Required · 1 INVITE · a1 p8 · alice1
    alice → p1 · ACK sip:bob@example.org · 1 ACK · a1 p8 · alice1
    alice → p1 · INVITE sip:bob@example.org · 2 INVITE · a1 - · alice2 · contact sip:alice@alice.example.com;transport=tcp · route sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p1 → alice · 100 Trying · 2 INVITE · a1 - · alice2
    p1 → p2 · INVITE sip:bob@example.org · 2 INVITE · a1 - · p12 alice2 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p2 → p1 · 407 Proxy Authorization Required · 2 INVITE · a1 p9 · p12 alice2
    p1 → p2 · ACK sip:bob@example.org · 2 ACK · a1 p9 · p12
    p1 → alice · 407 Proxy Authorization Required · 2 INVITE · a1 p9 · alice2
    alice → p1 · ACK sip:bob@example.org · 2 ACK · a1 p9 · alice2
    alice → p1 · INVITE sip:bob@example.org · 3 INVITE · a1 - · alice3 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    p1 → alice · 100 Trying · 3 INVITE · a1 - · alice3
    p1 → p2 · INVITE sip:bob@example.org · 3 INVITE · a1 - · p13 alice3 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p2 → p1 · 100 Trying · 3 INVITE · a1 - · p13 alice3
    p2 → bob · INVITE sip:bob@bob.example.org;transport=tcp · 3 INVITE · a1 - · p23 p13 alice3 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    bob → p2 · 200 OK · 3 INVITE · a1 b1 · p23 p13 alice3 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.201 PCMU/8000
    p2 → p1 · 200 OK · 3 INVITE · a1 b1 · p13 alice3 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.201 PCMU/8000
    p1 → alice · 200 OK · 3 INVITE · a1 b1 · alice3 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.201 PCMU/8000
    alice → p1 · ACK sip:bob@bob.example.org;transport=tcp · 3 ACK · a1 b1 · alice4 · route sip:p1.example.com;lr · route sip:p2.example.com;lr
    p1 → p2 · ACK sip:bob@bob.example.org;transport=tcp · 3 ACK · a1 b1 · p14 alice4 · route sip:p2.example.com;lr
    p2 → bob · ACK sip:bob@bob.example.org;transport=tcp · 3 ACK · a1 b1 · p24 p14 alice4
    ");
}

#[test]
fn rfc3665_3_4_a_session_though_a_proxy_fails() {
    const PATH: Path = &["alice", "p2", "bob"];
    let mut flow = Flow::recorded_by(&["p2"]);
    let unheard = flow.turn("INVITE", PROXIES);
    for _ in 0..7 {
        flow.request(unheard, 1, TARGET, &format!("{PRELOADED}{}", offer()));
    }
    // Alice begins anew at the other proxy: another call.
    (flow.call_id, flow.alice) = ("flow-18@alice.example.com", 0);
    let refused = flow.turn("INVITE", PATH);
    flow.request(refused, 1, TARGET, &offer());
    flow.tag = "p9";
    flow.refuse(refused, 1, REQUIRED, CHALLENGE);
    flow.tag = "";
    let invite = flow.invite(PATH, &credentials("two"), &offer());
    let recorded = flow.recorded(&["p2"]);
    flow.tag = "b1";
    flow.back(invite, "180 Ringing", &format!("{recorded}{}", contact(BOB_HOST)));
    flow.back(invite, "200 OK", &format!("{recorded}{}", answer()));
    let ack = flow.ack(invite, PATH);
    flow.pass(ack, BOB_HOST, "");
    let bye = flow.turn("BYE", &["bob", "p2", "alice"]);
    flow.pass(bye, ALICE_HOST, "");
    flow.back(bye, "200 OK", "");
    insta::assert_snapshot!(flow.drawn(), @"
    alice → p1 · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · route sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    alice → p1 · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · route sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    alice → p1 · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · route sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    alice → p1 · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · route sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    alice → p1 · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · route sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    alice → p1 · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · route sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    alice → p1 · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · route sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    alice → p2 · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice2 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000 · call flow-18@alice.example.com
    p2 → alice · 407 Proxy Authorization Required · 1 INVITE · a1 p9 · alice2 · call flow-18@alice.example.com
    alice → p2 · ACK sip:bob@example.org · 1 ACK · a1 p9 · alice2 · call flow-18@alice.example.com
    alice → p2 · INVITE sip:bob@example.org · 2 INVITE · a1 - · alice3 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000 · call flow-18@alice.example.com
    p2 → bob · INVITE sip:bob@bob.example.org;transport=tcp · 2 INVITE · a1 - · p23 alice3 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p2.example.com;lr · sdp 192.0.2.101 PCMU/8000 · call flow-18@alice.example.com
    p2 → alice · 100 Trying · 2 INVITE · a1 - · alice3 · call flow-18@alice.example.com
    bob → p2 · 180 Ringing · 2 INVITE · a1 b1 · p23 alice3 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · call flow-18@alice.example.com
    p2 → alice · 180 Ringing · 2 INVITE · a1 b1 · alice3 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · call flow-18@alice.example.com
    bob → p2 · 200 OK · 2 INVITE · a1 b1 · p23 alice3 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · sdp 192.0.2.201 PCMU/8000 · call flow-18@alice.example.com
    p2 → alice · 200 OK · 2 INVITE · a1 b1 · alice3 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · sdp 192.0.2.201 PCMU/8000 · call flow-18@alice.example.com
    alice → p2 · ACK sip:bob@bob.example.org;transport=tcp · 2 ACK · a1 b1 · alice4 · route sip:p2.example.com;lr · call flow-18@alice.example.com
    p2 → bob · ACK sip:bob@bob.example.org;transport=tcp · 2 ACK · a1 b1 · p24 alice4 · call flow-18@alice.example.com
    bob → p2 · BYE sip:alice@alice.example.com;transport=tcp · 1 BYE · b1 a1 · bob5 · route sip:p2.example.com;lr · call flow-18@alice.example.com
    p2 → alice · BYE sip:alice@alice.example.com;transport=tcp · 1 BYE · b1 a1 · p25 bob5 · call flow-18@alice.example.com
    alice → p2 · 200 OK · 1 BYE · b1 a1 · p25 bob5 · call flow-18@alice.example.com
    p2 → bob · 200 OK · 1 BYE · b1 a1 · bob5 · call flow-18@alice.example.com
    ");
}

#[test]
fn rfc3665_3_5_a_session_through_a_gateway_that_rewrites_addresses_of_media() {
    const SHORT: Path = &["alice", "alg", "bob"];
    let mut flow = Flow::recorded_by(&["alg"]);
    let invite = flow.turn("INVITE", &["alice", "alg", "p2", "bob"]);
    let recorded = listed("Record-Route", ["alg"].iter());
    let rewritten = sdp(&contact(ALICE_HOST), "192.0.2.128");
    flow.request(invite, 1, TARGET, &format!("{}{}", listed("Route", ["alg"].iter()), offer()));
    flow.request(invite, 2, TARGET, &format!("{recorded}{rewritten}"));
    flow.response(invite, 1, "100 Trying", "");
    flow.request(invite, 3, BOB_HOST, &format!("{recorded}{rewritten}"));
    flow.response(invite, 2, "100 Trying", "");
    flow.tag = "b1";
    flow.back(invite, "180 Ringing", &format!("{recorded}{}", contact(BOB_HOST)));
    for (hop, address) in [(3, "192.0.2.201"), (2, "192.0.2.201"), (1, "192.0.2.128")] {
        flow.response(invite, hop, "200 OK", &format!("{recorded}{}", sdp(&contact(BOB_HOST), address)));
    }
    let ack = flow.ack(invite, SHORT);
    flow.pass(ack, BOB_HOST, "");
    let bye = flow.turn("BYE", SHORT);
    flow.pass(bye, BOB_HOST, "");
    flow.back(bye, "200 OK", "");
    insta::assert_snapshot!(flow.drawn(), @"
    alice → alg · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · route sip:alg.example.com;lr · sdp 192.0.2.101 PCMU/8000
    alg → p2 · INVITE sip:bob@example.org · 1 INVITE · a1 - · alg1 alice1 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:alg.example.com;lr · sdp 192.0.2.128 PCMU/8000
    alg → alice · 100 Trying · 1 INVITE · a1 - · alice1
    p2 → bob · INVITE sip:bob@bob.example.org;transport=tcp · 1 INVITE · a1 - · p21 alg1 alice1 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:alg.example.com;lr · sdp 192.0.2.128 PCMU/8000
    p2 → alg · 100 Trying · 1 INVITE · a1 - · alg1 alice1
    bob → p2 · 180 Ringing · 1 INVITE · a1 b1 · p21 alg1 alice1 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:alg.example.com;lr
    p2 → alg · 180 Ringing · 1 INVITE · a1 b1 · alg1 alice1 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:alg.example.com;lr
    alg → alice · 180 Ringing · 1 INVITE · a1 b1 · alice1 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:alg.example.com;lr
    bob → p2 · 200 OK · 1 INVITE · a1 b1 · p21 alg1 alice1 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:alg.example.com;lr · sdp 192.0.2.201 PCMU/8000
    p2 → alg · 200 OK · 1 INVITE · a1 b1 · alg1 alice1 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:alg.example.com;lr · sdp 192.0.2.201 PCMU/8000
    alg → alice · 200 OK · 1 INVITE · a1 b1 · alice1 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:alg.example.com;lr · sdp 192.0.2.128 PCMU/8000
    alice → alg · ACK sip:bob@bob.example.org;transport=tcp · 1 ACK · a1 b1 · alice2 · route sip:alg.example.com;lr
    alg → bob · ACK sip:bob@bob.example.org;transport=tcp · 1 ACK · a1 b1 · alg2 alice2
    alice → alg · BYE sip:bob@bob.example.org;transport=tcp · 2 BYE · a1 b1 · alice3 · route sip:alg.example.com;lr
    alg → bob · BYE sip:bob@bob.example.org;transport=tcp · 2 BYE · a1 b1 · alg3 alice3
    bob → alg · 200 OK · 2 BYE · a1 b1 · alg3 alice3
    alg → alice · 200 OK · 2 BYE · a1 b1 · alice3
    ");
}

#[test]
fn rfc3665_3_6_a_session_by_redirection_with_the_answer_in_the_ack() {
    const PATH: Path = &["alice", "p3", "bob"];
    const BRANCH: &str = "sip:bob@branch.example.org;transport=tcp";
    let mut flow = Flow::recorded_by(&["p3"]);
    let moved = flow.turn("INVITE", &["alice", "redirect"]);
    flow.request(moved, 1, TARGET, &contact(ALICE_HOST));
    flow.tag = "r9";
    flow.refuse(moved, 1, "302 Moved Temporarily", &contact(BRANCH));
    flow.tag = "";
    let invite = flow.turn("INVITE", PATH);
    let recorded = flow.recorded(&["p3"]);
    flow.request(invite, 1, BRANCH, &contact(ALICE_HOST));
    flow.request(invite, 2, BOB_HOST, &format!("{recorded}{}", contact(ALICE_HOST)));
    flow.response(invite, 1, "100 Trying", "");
    flow.tag = "b1";
    flow.back(invite, "180 Ringing", &format!("{recorded}{}", contact(BOB_HOST)));
    flow.back(invite, "200 OK", &format!("{recorded}{}", answer()));
    let ack = flow.ack(invite, PATH);
    flow.pass(ack, BOB_HOST, &sdp("", "192.0.2.101"));
    let bye = flow.turn("BYE", &["bob", "p3", "alice"]);
    flow.pass(bye, ALICE_HOST, "");
    flow.back(bye, "200 OK", "");
    insta::assert_snapshot!(flow.drawn(), @"
    alice → redirect · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp
    redirect → alice · 302 Moved Temporarily · 1 INVITE · a1 r9 · alice1 · contact sip:bob@branch.example.org;transport=tcp
    alice → redirect · ACK sip:bob@example.org · 1 ACK · a1 r9 · alice1
    alice → p3 · INVITE sip:bob@branch.example.org;transport=tcp · 2 INVITE · a1 - · alice2 · contact sip:alice@alice.example.com;transport=tcp
    p3 → bob · INVITE sip:bob@bob.example.org;transport=tcp · 2 INVITE · a1 - · p32 alice2 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p3.example.com;lr
    p3 → alice · 100 Trying · 2 INVITE · a1 - · alice2
    bob → p3 · 180 Ringing · 2 INVITE · a1 b1 · p32 alice2 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p3.example.com;lr
    p3 → alice · 180 Ringing · 2 INVITE · a1 b1 · alice2 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p3.example.com;lr
    bob → p3 · 200 OK · 2 INVITE · a1 b1 · p32 alice2 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p3.example.com;lr · sdp 192.0.2.201 PCMU/8000
    p3 → alice · 200 OK · 2 INVITE · a1 b1 · alice2 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p3.example.com;lr · sdp 192.0.2.201 PCMU/8000
    alice → p3 · ACK sip:bob@bob.example.org;transport=tcp · 2 ACK · a1 b1 · alice3 · route sip:p3.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p3 → bob · ACK sip:bob@bob.example.org;transport=tcp · 2 ACK · a1 b1 · p33 alice3 · sdp 192.0.2.101 PCMU/8000
    bob → p3 · BYE sip:alice@alice.example.com;transport=tcp · 1 BYE · b1 a1 · bob4 · route sip:p3.example.com;lr
    p3 → alice · BYE sip:alice@alice.example.com;transport=tcp · 1 BYE · b1 a1 · p34 bob4
    alice → p3 · 200 OK · 1 BYE · b1 a1 · p34 bob4
    p3 → bob · 200 OK · 1 BYE · b1 a1 · bob4
    ");
}

#[test]
fn rfc3665_3_7_a_session_in_which_bobs_address_changes() {
    const ELSEWHERE: &str = "sip:bob@192.0.2.100";
    let mut flow = Flow::recorded_by(&[]);
    let invite = flow.invite(&["alice", "p2", "bob"], "", &offer());
    flow.tag = "b1";
    flow.back(invite, "180 Ringing", &contact(BOB_HOST));
    flow.back(invite, "200 OK", &answer());
    let ack = flow.ack(invite, &["alice", "bob"]);
    flow.pass(ack, BOB_HOST, "");
    flow.bob = 13;
    let again = flow.turn("INVITE", &["bob", "alice"]);
    flow.pass(again, ALICE_HOST, &sdp(&contact(ELSEWHERE), "192.0.2.100"));
    flow.back(again, "200 OK", &offer());
    let ack = flow.ack(again, &["bob", "alice"]);
    flow.pass(ack, ALICE_HOST, "");
    let bye = flow.turn("BYE", &["alice", "bob"]);
    flow.pass(bye, ELSEWHERE, "");
    flow.back(bye, "200 OK", "");
    insta::assert_snapshot!(flow.drawn(), @"
    alice → p2 · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    p2 → bob · INVITE sip:bob@bob.example.org;transport=tcp · 1 INVITE · a1 - · p21 alice1 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    p2 → alice · 100 Trying · 1 INVITE · a1 - · alice1
    bob → p2 · 180 Ringing · 1 INVITE · a1 b1 · p21 alice1 · contact sip:bob@bob.example.org;transport=tcp
    p2 → alice · 180 Ringing · 1 INVITE · a1 b1 · alice1 · contact sip:bob@bob.example.org;transport=tcp
    bob → p2 · 200 OK · 1 INVITE · a1 b1 · p21 alice1 · contact sip:bob@bob.example.org;transport=tcp · sdp 192.0.2.201 PCMU/8000
    p2 → alice · 200 OK · 1 INVITE · a1 b1 · alice1 · contact sip:bob@bob.example.org;transport=tcp · sdp 192.0.2.201 PCMU/8000
    alice → bob · ACK sip:bob@bob.example.org;transport=tcp · 1 ACK · a1 b1 · alice2
    bob → alice · INVITE sip:alice@alice.example.com;transport=tcp · 14 INVITE · b1 a1 · bob3 · contact sip:bob@192.0.2.100 · sdp 192.0.2.100 PCMU/8000
    alice → bob · 200 OK · 14 INVITE · b1 a1 · bob3 · contact sip:alice@alice.example.com;transport=tcp · sdp 192.0.2.101 PCMU/8000
    bob → alice · ACK sip:alice@alice.example.com;transport=tcp · 14 ACK · b1 a1 · bob4
    alice → bob · BYE sip:bob@192.0.2.100 · 2 BYE · a1 b1 · alice5
    bob → alice · 200 OK · 2 BYE · a1 b1 · alice5
    ");
}
