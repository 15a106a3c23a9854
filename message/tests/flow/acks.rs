//! A 2xx to INVITE without its ACK: a problem where the ACK would be logged.

use message::flow::{Trouble, flow};

use super::story::story;

#[track_caller]
fn check(lines: &str, expect: &[usize]) {
    let problems = flow(&story(lines)).course.problems;
    let without_ack: Vec<_> = problems.iter().map(|problem| (problem.what, problem.row)).collect();
    let expect: Vec<_> = expect.iter().map(|row| (Trouble::NoAck { sent: 1 }, *row)).collect();
    assert_eq!(without_ack, expect, "{lines}");
}

/// The proxy asks who calls, and is not on the way afterwards unless it says so.
fn challenged(route: &str) -> String {
    format!(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>alice 407 INVITE via=a1 tag=p
         2 core alice>core ACK sip:bob@example.com via=a1 tag=p
         3 core alice>core INVITE sip:bob@example.com via=a2 cseq=2
         4 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a2 cseq=2
         900 core bob1>core 200 INVITE via=c1,a2 tag=b1 cseq=2{route}
         901 core core>alice 200 INVITE via=a2 tag=b1 cseq=2{route}"
    )
}

#[test]
fn an_ack_to_a_refusal_does_not_say_that_others_are_logged() {
    check(&challenged(""), &[]);
    let busy = "0 core alice>core INVITE sip:bob@example.com via=a1
        1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
        1 core core>bob2 INVITE sip:bob@192.0.2.22:5060 via=c2,a1
        90 core bob2>core 486 INVITE via=c2,a1 tag=b2
        91 core core>bob2 ACK sip:bob@192.0.2.22:5060 via=c2 tag=b2
        900 core bob1>core 200 INVITE via=c1,a1 tag=b1
        901 core core>alice 200 INVITE via=a1 tag=b1";
    check(busy, &[]);
}

#[test]
fn an_ack_passes_a_proxy_that_is_on_the_route_of_the_answer() {
    check(&challenged(" | Record-Route: <sip:10.0.0.2;lr>"), &[5]);
    check(&challenged(" | Record-Route: <sip:10.0.0.1;lr>"), &[]);
}

/// Both dialogs are the caller's; it acknowledges one of them.
#[test]
fn an_ack_to_another_answer_says_that_they_are_logged_there() {
    let lines = |log: &str| {
        format!(
            "0 core alice>core INVITE sip:bob@example.com via=a1
             1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
             1 core core>bob2 INVITE sip:bob@192.0.2.22:5060 via=c2,a1
             900 core bob1>core 200 INVITE via=c1,a1 tag=b1
             901 core core>alice 200 INVITE via=a1 tag=b1
             903 core bob2>core 200 INVITE via=c2,a1 tag=b2
             904 core core>alice 200 INVITE via=a1 tag=b2
             950 {log} alice>{log} ACK sip:bob@192.0.2.21 via=a2 tag=b1"
        )
    };
    check(&lines("core"), &[5]);
    check(&lines("edge"), &[]);
}
