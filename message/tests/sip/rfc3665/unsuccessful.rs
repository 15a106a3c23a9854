//! RFC 3665, 3.8 to 3.11: calls through two proxies that nobody takes.

use super::{BOB_HOST, Flow, PRELOADED, PROXIES, Turn, contact, offer, target};

/// Alice's INVITE, with the credentials that the first proxy asks for.
fn invite() -> (Flow, Turn) {
    let mut flow = Flow::recorded_by(&["p1", "p2"]);
    let first = format!("{PRELOADED}Proxy-Authorization: Digest username=\"alice\",\n realm=\"example.com\"\n");
    let invite = flow.invite(PROXIES, &first, &offer());
    (flow, invite)
}

fn ring(flow: &mut Flow, invite: Turn) {
    flow.tag = "b1";
    let recorded = flow.recorded(&["p1", "p2"]);
    flow.back(invite, "180 Ringing", &format!("{recorded}{}", contact(BOB_HOST)));
}

#[test]
fn rfc3665_3_8_nobody_answers_and_the_caller_cancels() {
    let (mut flow, invite) = invite();
    ring(&mut flow, invite);
    flow.tag = "";
    let cancel = invite.hop_by_hop("CANCEL");
    for hop in 1..PROXIES.len() {
        flow.request(cancel, hop, target(PROXIES, hop), if hop == 1 { PRELOADED } else { "" });
        flow.response(cancel, hop, "200 OK", "");
    }
    flow.tag = "b1";
    flow.refuse(invite, 3, "487 Request Terminated", "");
    insta::assert_snapshot!(flow.drawn(), @"
    alice → p1 · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · route sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p1 → p2 · INVITE sip:bob@example.org · 1 INVITE · a1 - · p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p1 → alice · 100 Trying · 1 INVITE · a1 - · alice1
    p2 → bob · INVITE sip:bob@bob.example.org;transport=tcp · 1 INVITE · a1 - · p21 p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p2 → p1 · 100 Trying · 1 INVITE · a1 - · p11 alice1
    bob → p2 · 180 Ringing · 1 INVITE · a1 b1 · p21 p11 alice1 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr
    p2 → p1 · 180 Ringing · 1 INVITE · a1 b1 · p11 alice1 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr
    p1 → alice · 180 Ringing · 1 INVITE · a1 b1 · alice1 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr
    alice → p1 · CANCEL sip:bob@example.org · 1 CANCEL · a1 - · alice1 · route sip:p1.example.com;lr
    p1 → alice · 200 OK · 1 CANCEL · a1 - · alice1
    p1 → p2 · CANCEL sip:bob@example.org · 1 CANCEL · a1 - · p11
    p2 → p1 · 200 OK · 1 CANCEL · a1 - · p11
    p2 → bob · CANCEL sip:bob@bob.example.org;transport=tcp · 1 CANCEL · a1 - · p21
    bob → p2 · 200 OK · 1 CANCEL · a1 - · p21
    bob → p2 · 487 Request Terminated · 1 INVITE · a1 b1 · p21 p11 alice1
    p2 → bob · ACK sip:bob@bob.example.org;transport=tcp · 1 ACK · a1 b1 · p21
    p2 → p1 · 487 Request Terminated · 1 INVITE · a1 b1 · p11 alice1
    p1 → p2 · ACK sip:bob@example.org · 1 ACK · a1 b1 · p11
    p1 → alice · 487 Request Terminated · 1 INVITE · a1 b1 · alice1
    alice → p1 · ACK sip:bob@example.org · 1 ACK · a1 b1 · alice1
    ");
}

#[test]
fn rfc3665_3_9_the_callee_is_busy() {
    let (mut flow, invite) = invite();
    flow.tag = "b1";
    // The RFC prints this status line with two blanks, which its grammar does not allow.
    flow.refuse(invite, 3, " 486 Busy Here", "");
    insta::assert_snapshot!(flow.drawn(), @"
    alice → p1 · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · route sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p1 → p2 · INVITE sip:bob@example.org · 1 INVITE · a1 - · p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p1 → alice · 100 Trying · 1 INVITE · a1 - · alice1
    p2 → bob · INVITE sip:bob@bob.example.org;transport=tcp · 1 INVITE · a1 - · p21 p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p2 → p1 · 100 Trying · 1 INVITE · a1 - · p11 alice1
    bob → p2 · 486 Busy Here · 1 INVITE · a1 b1 · p21 p11 alice1 · fault start_line_space
    p2 → bob · ACK sip:bob@bob.example.org;transport=tcp · 1 ACK · a1 b1 · p21
    p2 → p1 · 486 Busy Here · 1 INVITE · a1 b1 · p11 alice1 · fault start_line_space
    p1 → p2 · ACK sip:bob@example.org · 1 ACK · a1 b1 · p11
    p1 → alice · 486 Busy Here · 1 INVITE · a1 b1 · alice1 · fault start_line_space
    alice → p1 · ACK sip:bob@example.org · 1 ACK · a1 b1 · alice1
    ");
}

#[test]
fn rfc3665_3_10_the_callee_does_not_respond() {
    let (mut flow, invite) = invite();
    let recorded = flow.recorded(&["p1", "p2"]);
    for _ in 0..6 {
        flow.request(invite, 3, BOB_HOST, &format!("{recorded}{}", offer()));
    }
    flow.tag = "p9";
    flow.refuse(invite, 2, "480 No Response", "");
    insta::assert_snapshot!(flow.drawn(), @"
    alice → p1 · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · route sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p1 → p2 · INVITE sip:bob@example.org · 1 INVITE · a1 - · p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p1 → alice · 100 Trying · 1 INVITE · a1 - · alice1
    p2 → bob · INVITE sip:bob@bob.example.org;transport=tcp · 1 INVITE · a1 - · p21 p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p2 → p1 · 100 Trying · 1 INVITE · a1 - · p11 alice1
    p2 → bob · INVITE sip:bob@bob.example.org;transport=tcp · 1 INVITE · a1 - · p21 p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p2 → bob · INVITE sip:bob@bob.example.org;transport=tcp · 1 INVITE · a1 - · p21 p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p2 → bob · INVITE sip:bob@bob.example.org;transport=tcp · 1 INVITE · a1 - · p21 p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p2 → bob · INVITE sip:bob@bob.example.org;transport=tcp · 1 INVITE · a1 - · p21 p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p2 → bob · INVITE sip:bob@bob.example.org;transport=tcp · 1 INVITE · a1 - · p21 p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p2 → bob · INVITE sip:bob@bob.example.org;transport=tcp · 1 INVITE · a1 - · p21 p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p2 → p1 · 480 No Response · 1 INVITE · a1 p9 · p11 alice1
    p1 → p2 · ACK sip:bob@example.org · 1 ACK · a1 p9 · p11
    p1 → alice · 480 No Response · 1 INVITE · a1 p9 · alice1
    alice → p1 · ACK sip:bob@example.org · 1 ACK · a1 p9 · alice1
    ");
}

#[test]
fn rfc3665_3_11_the_callee_is_unavailable_for_now() {
    let (mut flow, invite) = invite();
    ring(&mut flow, invite);
    flow.refuse(invite, 3, "480 Temporarily Unavailable", "");
    insta::assert_snapshot!(flow.drawn(), @"
    alice → p1 · INVITE sip:bob@example.org · 1 INVITE · a1 - · alice1 · contact sip:alice@alice.example.com;transport=tcp · route sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p1 → p2 · INVITE sip:bob@example.org · 1 INVITE · a1 - · p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p1 → alice · 100 Trying · 1 INVITE · a1 - · alice1
    p2 → bob · INVITE sip:bob@bob.example.org;transport=tcp · 1 INVITE · a1 - · p21 p11 alice1 · contact sip:alice@alice.example.com;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr · sdp 192.0.2.101 PCMU/8000
    p2 → p1 · 100 Trying · 1 INVITE · a1 - · p11 alice1
    bob → p2 · 180 Ringing · 1 INVITE · a1 b1 · p21 p11 alice1 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr
    p2 → p1 · 180 Ringing · 1 INVITE · a1 b1 · p11 alice1 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr
    p1 → alice · 180 Ringing · 1 INVITE · a1 b1 · alice1 · contact sip:bob@bob.example.org;transport=tcp · recorded sip:p2.example.com;lr · recorded sip:p1.example.com;lr
    bob → p2 · 480 Temporarily Unavailable · 1 INVITE · a1 b1 · p21 p11 alice1
    p2 → bob · ACK sip:bob@bob.example.org;transport=tcp · 1 ACK · a1 b1 · p21
    p2 → p1 · 480 Temporarily Unavailable · 1 INVITE · a1 b1 · p11 alice1
    p1 → p2 · ACK sip:bob@example.org · 1 ACK · a1 b1 · p11
    p1 → alice · 480 Temporarily Unavailable · 1 INVITE · a1 b1 · alice1
    alice → p1 · ACK sip:bob@example.org · 1 ACK · a1 b1 · alice1
    ");
}
