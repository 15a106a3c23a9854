//! A call that goes on to somebody else: who that is.

use message::flow::{Flow, flow};

use super::story::story;

fn forwarded_to(flow: &Flow) -> Vec<Vec<&str>> {
    let tries = flow.course.callers.iter().flat_map(|caller| &caller.tries);
    tries.map(|tried| tried.forwarded_to.iter().map(String::as_str).collect()).collect()
}

#[track_caller]
fn check(lines: &str, expect: &[&[&str]]) {
    assert_eq!(forwarded_to(&flow(&story(lines))), expect);
}

#[test]
fn a_redirection_that_a_proxy_follows_names_whom_it_went_on_to() {
    check(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         50 core bob1>core 302 INVITE via=c1,a1 tag=b1 contact=<sip:carol@example.com>
         51 core core>carol INVITE sip:carol@192.0.2.30:5060 via=c2,a1
         900 core carol>core 200 INVITE via=c2,a1 tag=c
         901 core core>alice 200 INVITE via=a1 tag=c",
        &[&["carol"]],
    );
}

#[test]
fn a_redirection_that_the_caller_follows_is_one_attempt_that_names_all() {
    check(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>alice 302 INVITE via=a1 tag=p contact=<sip:+49%2830%29-123456@example.com>
         2 core alice>core ACK sip:bob@example.com via=a1 tag=p
         3 core alice>core INVITE sip:004930123456@example.com via=a2 cseq=2
         4 core core>alice 302 INVITE via=a2 tag=q cseq=2 contact=<sip:carol@example.com>
         5 core alice>core INVITE sip:carol@example.com via=a3 cseq=3
         900 core core>alice 486 INVITE via=a3 tag=r cseq=3",
        &[&["+49(30)-123456", "carol"]],
    );
}

#[test]
fn the_same_user_at_another_place_is_nobody_else() {
    check(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>alice 302 INVITE via=a1 tag=p contact=<sip:Bob@192.0.2.21>
         3 core alice>core INVITE sip:bob@192.0.2.21 via=a2 cseq=2
         4 core core>alice 486 INVITE via=a2 tag=q cseq=2",
        &[&[]],
    );
}

#[test]
fn what_a_diversion_and_a_history_say_is_told() {
    check(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>alice 181 INVITE via=a1 tag=p | History-Info: <sip:bob@example.com>;index=1, <sip:carol@example.com>;index=1.1;mp=1
         2 core core>carol INVITE sip:carol@example.com via=c1,a1 | Diversion: <sip:bob@example.com>;reason=unconditional
         3 core carol>core INVITE sip:dave@example.com via=d1,c1,a1 | Diversion: <sip:carol@example.com>;reason=no-answer",
        &[&["carol", "dave"]],
    );
}

/// `rc`: the contact that the same person registered (RFC 7044).
#[test]
fn a_contact_that_was_registered_is_nobody_else() {
    check(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:x8f7@192.0.2.21:5060 via=c1,a1 | History-Info: <sip:bob@example.com>;index=1, <sip:x8f7@192.0.2.21>;index=1.1;rc=1
         2 core bob1>core 486 INVITE via=c1,a1 tag=b1",
        &[&[]],
    );
}

#[test]
fn each_attempt_names_its_own() {
    check(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         50 core bob1>core 302 INVITE via=c1,a1 tag=b1 contact=<sip:carol@example.com>
         51 core core>alice 480 INVITE via=a1 tag=p
         9000 core alice>core INVITE sip:bob@example.com via=a2 cseq=2
         9001 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c2,a2 cseq=2
         9050 core bob1>core 486 INVITE via=c2,a2 tag=b2 cseq=2
         9051 core core>alice 486 INVITE via=a2 tag=b2 cseq=2",
        &[&["carol"], &[]],
    );
}
