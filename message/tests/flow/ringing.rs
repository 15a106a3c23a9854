//! Who rings on, and what ends an early dialog.

use message::flow::{Flow, Outcome, Trouble, flow};

use super::story::story;

fn outcome(flow: &Flow, leg: &str) -> Outcome {
    flow.legs.iter().find(|own| own.tag == leg).unwrap().outcome
}

const ANSWERED: &str = "0 core alice>core INVITE sip:bob@example.com via=a1
    1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
    50 core bob1>core 180 INVITE via=c1,a1 tag=b1
    900 core bob1>core 200 INVITE via=c1,a1 tag=b1";

/// The proxy lost the answer, so nobody cancelled the other phone.
#[test]
fn a_phone_that_rings_after_anothers_answer_rings_on_though_the_caller_never_got_that() {
    let rings = "2 core core>bob2 INVITE sip:bob@192.0.2.22:5060 via=c2,a1
        60 core bob2>core 180 INVITE via=c2,a1 tag=b2
        4000 core bob2>core 180 INVITE via=c2,a1 tag=b2";
    let end = "20000 core core>alice 500 INVITE via=a1 tag=p";
    let flow = flow(&story(&format!("{ANSWERED}\n{rings}\n{end}")));
    assert_eq!(outcome(&flow, "B1"), Outcome::AnswerLost);
    assert_eq!(outcome(&flow, "B2"), Outcome::StillRinging);
    assert!(flow.course.problems.iter().any(|problem| problem.what == Trouble::StillRinging));
}

#[test]
fn a_phone_that_was_asked_after_an_answer_does_not_ring_on() {
    let rings = "5000 core core>bob2 INVITE sip:bob@192.0.2.22:5060 via=c2,a1
        5060 core bob2>core 180 INVITE via=c2,a1 tag=b2
        20000 core core>alice 500 INVITE via=a1 tag=p";
    let flow = flow(&story(&format!("{ANSWERED}\n{rings}")));
    assert_eq!(outcome(&flow, "B2"), Outcome::RangEndNotLogged);
}

/// The proxy that forks has no log; it says of each branch when that is over (RFC 6228).
#[test]
fn a_199_is_no_ring_and_ends_its_dialog() {
    let lines = |reason: &str| {
        format!(
            "0 edge alice>edge INVITE sip:bob@example.com via=a1
             1 edge edge>core INVITE sip:bob@example.com via=e1,a1
             50 edge core>edge 180 INVITE via=e1,a1 tag=b1 contact=<sip:bob@192.0.2.21>
             60 edge core>edge 180 INVITE via=e1,a1 tag=b2 contact=<sip:bob@192.0.2.22>
             900 edge core>edge 200 INVITE via=e1,a1 tag=b1 contact=<sip:bob@192.0.2.21>
             901 edge edge>alice 200 INVITE via=a1 tag=b1 contact=<sip:bob@192.0.2.21>
             4000 edge core>edge 199 INVITE via=e1,a1 tag=b2 contact=<sip:bob@192.0.2.22>{reason}"
        )
    };
    let other = |lines: &str| {
        let flow = flow(&story(lines));
        let rang_on = flow.course.problems.iter().any(|problem| problem.what == Trouble::StillRinging);
        (flow.legs.last().unwrap().outcome, rang_on)
    };
    assert_eq!(other(&lines(" | Reason: SIP;cause=486;text=\"Busy Here\"")), (Outcome::Refused(486), false));
    assert_eq!(other(&lines("")), (Outcome::RangEndNotLogged, false));
}
