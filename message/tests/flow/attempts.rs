//! A caller who tries again under one Call-ID: what each device did is of the attempt that counts.

use message::flow::{Flow, Outcome, PushState, Trouble, flow};

use super::story::story;

fn outcomes(flow: &Flow) -> Vec<(&str, Outcome)> {
    flow.legs.iter().map(|leg| (leg.tag.as_str(), leg.outcome)).collect()
}

/// Milliseconds after the first line.
fn at(flow: &Flow, time: Option<record::time::Timestamp>) -> Option<i64> {
    time.map(|time| time.micros_since(flow.rows[0].time) / 1000)
}

/// An INVITE of alice's to bob by way of core, and what bob's phone says of it, each a time after it: all of that is passed on.
fn attempt(at: u32, number: u32, said: &[(u32, u16)]) -> String {
    let mut lines = format!(
        "{at} core alice>core INVITE sip:bob@example.com via=a{number} cseq={number}
         {} core core>bob1 INVITE sip:bob@192.0.2.21 via=c{number},a{number} cseq={number}\n",
        at + 1
    );
    for (after, status) in said {
        lines += &format!(
            "{} core bob1>core {status} INVITE via=c{number},a{number} tag=b{number} cseq={number}
             {} core core>alice {status} INVITE via=a{number} tag=b{number} cseq={number}\n",
            at + after,
            at + after + 1
        );
    }
    lines
}

/// The first attempt, which alice cancels.
fn cancelled() -> String {
    attempt(0, 1, &[(50, 180)])
        + "3000 core alice>core CANCEL sip:bob@example.com via=a1
           3001 core core>alice 200 CANCEL via=a1
           3002 core core>bob1 CANCEL sip:bob@192.0.2.21 via=c1
           3003 core bob1>core 200 CANCEL via=c1
           3010 core bob1>core 487 INVITE via=c1,a1 tag=b1
           3011 core core>alice 487 INVITE via=a1 tag=b1\n"
}

#[test]
fn a_phone_that_rings_for_the_second_attempt_has_not_rung_on_for_the_first() {
    let both = cancelled() + &attempt(9_000, 2, &[(50, 180)]);
    let rings = flow(&story(&both));
    assert_eq!(outcomes(&rings), [("A", Outcome::Open), ("B1", Outcome::Open)]);
    assert_eq!(at(&rings, rings.legs[1].rang), Some(9050));
    assert_eq!(at(&rings, rings.legs[1].begun), Some(9001));
    assert_eq!(rings.legs[1].final_status, None);
    let silent = flow(&story(&format!("{both}15000 core core>alice 480 INVITE via=a2 tag=p cseq=2")));
    assert_eq!(outcomes(&silent), [("A", Outcome::Refused(480)), ("B1", Outcome::RangEndNotLogged)]);
    assert!(silent.course.problems.iter().all(|problem| problem.what != Trouble::StillRinging));
}

#[test]
fn a_phone_that_was_cancelled_in_the_first_attempt_alone_was_cancelled() {
    let flow = flow(&story(&format!(
        "{}9000 core alice>core INVITE sip:bob@example.com via=a2 cseq=2
         9001 core core>bob2 INVITE sip:bob@192.0.2.22 via=c2,a2 cseq=2
         9900 core bob2>core 200 INVITE via=c2,a2 tag=b2 cseq=2
         9901 core core>alice 200 INVITE via=a2 tag=b2 cseq=2",
        cancelled()
    )));
    let expect = [("A", Outcome::Answered), ("B1", Outcome::Cancelled), ("B2", Outcome::Answered)];
    assert_eq!(outcomes(&flow), expect);
    assert_eq!(at(&flow, flow.legs[1].asked), Some(0));
    assert_eq!(at(&flow, flow.legs[2].asked), Some(9000));
}

#[test]
fn an_answer_that_was_lost_in_the_first_attempt_is_not_the_answer_to_the_second() {
    let first = attempt(0, 1, &[])
        + "50 core bob1>core 180 INVITE via=c1,a1 tag=b1
           900 core bob1>core 200 INVITE via=c1,a1 tag=b1
           901 core core>alice 500 INVITE via=a1 tag=p\n";
    let flow = flow(&story(&(first + &attempt(9_000, 2, &[(900, 486)]))));
    assert_eq!(outcomes(&flow), [("A", Outcome::Refused(486)), ("B1", Outcome::Refused(486))]);
    assert_eq!(flow.legs[1].rang, None);
    let problems: Vec<_> = flow.course.problems.iter().map(|problem| (problem.what, problem.row)).collect();
    assert_eq!(problems, [(Trouble::AnswerLost, 3), (Trouble::Refused(486), 8)], "what went wrong before is told");
}

/// The second attempt does not mend what went wrong in the first.
#[test]
fn a_phone_that_rang_on_after_the_first_attempt_did_so_whatever_it_does_in_the_second() {
    let first = attempt(0, 1, &[])
        + "50 core bob1>core 180 INVITE via=c1,a1 tag=b1
           3000 core alice>core CANCEL sip:bob@example.com via=a1
           3001 core core>alice 200 CANCEL via=a1
           3002 core core>bob1 CANCEL sip:bob@192.0.2.21 via=c1
           3003 core bob1>core 200 CANCEL via=c1
           3011 core core>alice 487 INVITE via=a1 tag=p
           7000 core bob1>core 180 INVITE via=c1,a1 tag=b1\n";
    let flow = flow(&story(&(first + &attempt(9_000, 2, &[(900, 200)]))));
    assert_eq!(outcomes(&flow), [("A", Outcome::Answered), ("B1", Outcome::Answered)]);
    let problems: Vec<_> = flow.course.problems.iter().map(|problem| problem.what).collect();
    assert_eq!(problems, [Trouble::StillRinging]);
}

#[test]
fn a_second_attempt_is_one_though_the_callers_own_hop_is_not_logged() {
    let flow = flow(&story(&format!(
        "{}9001 core core>bob1 INVITE sip:bob@192.0.2.21 via=c2,a2 cseq=2
         9050 core bob1>core 180 INVITE via=c2,a2 tag=b2 cseq=2
         9900 core bob1>core 486 INVITE via=c2,a2 tag=b2 cseq=2
         9901 core core>alice 486 INVITE via=a2 tag=b2 cseq=2",
        cancelled()
    )));
    let caller = flow.course.first().unwrap();
    assert_eq!(caller.tries.iter().map(|tried| tried.result.as_ref().unwrap().status).collect::<Vec<_>>(), [487, 486]);
    assert_eq!(at(&flow, caller.tries[1].rang), Some(9050));
    assert_eq!(outcomes(&flow), [("A", Outcome::Refused(486)), ("B1", Outcome::Refused(486))]);
}

#[test]
fn who_answered_the_first_attempt_answered_though_another_is_asked_in_the_second() {
    let first = attempt(0, 1, &[(900, 200)]);
    let flow = flow(&story(&format!(
        "{first}60000 core alice>core BYE sip:bob@192.0.2.21 via=a3 tag=b1 cseq=2
         90000 core alice>core INVITE sip:bob@example.com via=a2 cseq=3
         90001 core core>bob2 INVITE sip:bob@192.0.2.22 via=c2,a2 cseq=3
         90900 core bob2>core 486 INVITE via=c2,a2 tag=b2 cseq=3
         90901 core core>alice 486 INVITE via=a2 tag=b2 cseq=3"
    )));
    let expect = [("A", Outcome::Refused(486)), ("B1", Outcome::Answered), ("B2", Outcome::Refused(486))];
    assert_eq!(outcomes(&flow), expect);
}

/// The first attempt of an agent's call got a 2xx that the agent did not pass on.
#[test]
fn who_answers_the_second_attempt_is_not_who_answered_the_first() {
    let flow = flow(&story(
        "0 agent alice>agent INVITE sip:bob@example.com via=a1
         1 agent agent>bob1 INVITE sip:bob@192.0.2.21 via=g1 call=call-b ftag=g | X-CID: call-a
         900 agent bob1>agent 200 INVITE via=g1 call=call-b ftag=g tag=b1
         901 agent agent>alice 500 INVITE via=a1 tag=p
         9000 agent alice>agent INVITE sip:bob@example.com via=a2 cseq=2
         9100 agent agent>alice 200 INVITE via=a2 tag=q cseq=2
         9101 agent agent>bob2 INVITE sip:bob@192.0.2.22 via=g2 call=call-c ftag=h | X-CID: call-a
         9900 agent bob2>agent 200 INVITE via=g2 call=call-c ftag=h tag=b2",
    ));
    let winner = flow.course.first().and_then(|caller| caller.winner.as_ref()).expect("answered");
    assert_eq!((winner.leg, winner.talked_to.map(|leg| flow.legs[leg].tag.as_str())), (None, Some("B2")));
    assert_eq!(flow.legs[1].outcome, Outcome::AnswerLost);
}

/// Alice talked with bob through an agent, and calls again; of another call that she had, the end comes late.
#[test]
fn what_an_agent_makes_of_a_second_attempt_is_below_its_caller() {
    let first = "0 agent alice>agent INVITE sip:bob@example.com via=a1
         1 agent agent>bob1 INVITE sip:bob@192.0.2.21 via=g1 call=call-b ftag=g | X-CID: call-a
         900 agent bob1>agent 200 INVITE via=g1 call=call-b ftag=g tag=b1
         901 agent agent>alice 200 INVITE via=a1 tag=q\n";
    let bye = |at: u32| {
        format!(
            "{at} agent alice>agent BYE sip:bob@example.com via=a3 tag=q cseq=2
             {at}.5 agent agent>bob1 BYE sip:bob@192.0.2.21 via=g3 call=call-b ftag=g tag=b1 cseq=2\n"
        )
    };
    let again = "9000 agent alice>agent INVITE sip:bob@example.com via=a2 cseq=3\n";
    let passed_on = "9002 agent agent>bob1 INVITE sip:bob@192.0.2.21 via=g2 call=call-c ftag=h | X-CID: call-a
         9900 agent bob1>agent 486 INVITE via=g2 call=call-c ftag=h tag=b2
         9901 agent agent>alice 486 INVITE via=a2 tag=q2 cseq=3";
    for lines in
        [format!("{first}{}{again}{passed_on}", bye(5_000)), format!("{first}{again}{}{passed_on}", bye(9_001))]
    {
        let flow = flow(&story(&lines));
        assert_eq!(outcomes(&flow), [("A", Outcome::Refused(486)), ("B1", Outcome::Refused(486))], "{lines}");
    }
}

/// Kamailio's script never sees its own answers.
#[test]
fn an_attempt_whose_end_is_logged_only_at_the_device_is_over_all_the_same() {
    let flow = flow(&story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21 via=c1,a1
         900 core bob1>core 486 INVITE via=c1,a1 tag=b1
         9000 core alice>core INVITE sip:bob@example.com via=a2 cseq=2
         9001 core core>bob1 INVITE sip:bob@192.0.2.21 via=c2,a2 cseq=2
         9900 core bob1>core 603 INVITE via=c2,a2 tag=b2 cseq=2",
    ));
    assert_eq!(outcomes(&flow), [("A", Outcome::Refused(603)), ("B1", Outcome::Refused(603))]);
    assert_eq!(flow.course.first().map(|caller| caller.tries.len()), Some(2));
}

/// The last attempt says how the call went.
#[test]
fn a_caller_who_was_refused_and_called_again_has_no_problem_of_that() {
    let problems = |second: u16| {
        let flow = flow(&story(&(attempt(0, 1, &[(900, 486)]) + &attempt(9_000, 2, &[(900, second)]))));
        let found: Vec<_> = flow.course.problems.iter().map(|problem| (problem.what, problem.row)).collect();
        (flow.course.callers[0].tries[0].result.as_ref().map(|got| got.status), found)
    };
    assert_eq!(problems(200), (Some(486), vec![]));
    assert_eq!(problems(603), (Some(486), vec![(Trouble::Refused(603), 7)]));
}

#[test]
fn a_cancel_that_nobody_answers_ends_an_attempt() {
    let first = attempt(0, 1, &[(50, 180)])
        + "3000 core alice>core CANCEL sip:bob@example.com via=a1
           3002 core core>bob1 CANCEL sip:bob@192.0.2.21 via=c1\n";
    let flow = flow(&story(&(first + &attempt(9_000, 2, &[(50, 180)]))));
    assert_eq!(outcomes(&flow), [("A", Outcome::Open), ("B1", Outcome::Open)]);
}

/// A server that is told of a new contact while its first INVITE is out asks there anew.
#[test]
fn a_phone_that_is_asked_anew_within_one_attempt_does_not_ring_on() {
    let flow = flow(&story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21 via=c1,a1
         3002 core core>bob1 CANCEL sip:bob@192.0.2.21 via=c1
         3003 core core>bob1 INVITE sip:bob@192.0.2.21 via=c2,a1
         9050 core bob1>core 180 INVITE via=c2,a1 tag=b2",
    ));
    assert_eq!(flow.legs[1].outcome, Outcome::Open);
}

#[test]
fn a_push_of_the_first_attempt_says_nothing_of_the_second() {
    let flow = flow(&story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>fcm PUSH body={\"callId\":\"call-a\",\"token\":\"tok-1\",\"status\":200}
         2000 core bob1>core REGISTER sip:example.com via=r1 call=reg-1 from=bob to=bob ftag=r contact=<sip:bob@192.0.2.21:5060;pn-prid=tok-1>
         2001 core core>bob1 INVITE sip:bob@192.0.2.21:5060;pn-prid=tok-1 via=c1,a1
         2900 core bob1>core 486 INVITE via=c1,a1 tag=b1
         2901 core core>alice 486 INVITE via=a1 tag=b1
         9000 core alice>core INVITE sip:bob@example.com via=a2 cseq=2
         9001 core core>fcm PUSH body={\"callId\":\"call-a\",\"token\":\"tok-1\",\"status\":410}
         20000 core core>alice 480 INVITE via=a2 tag=p cseq=2",
    ));
    assert!(matches!(flow.legs[1].push, PushState::Refused(410, _)), "{:?}", flow.legs[1].push);
    assert_eq!(at(&flow, flow.legs[1].pushed), Some(9001));
}

#[test]
fn each_attempt_has_a_fork_of_its_own() {
    let flow = flow(&story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21 via=c1,a1
         1 core core>bob2 INVITE sip:bob@192.0.2.22 via=c2,a1
         50 core bob1>core 486 INVITE via=c1,a1 tag=b1
         51 core bob2>core 486 INVITE via=c2,a1 tag=b2
         52 core core>alice 486 INVITE via=a1 tag=b2
         9000 core alice>core INVITE sip:bob@example.com via=a2 cseq=2
         9001 core core>bob2 INVITE sip:bob@192.0.2.22 via=c3,a2 cseq=2
         9001 core core>bob3 INVITE sip:bob@192.0.2.23 via=c4,a2 cseq=2",
    ));
    let forks: Vec<(usize, Vec<(usize, bool)>)> = flow
        .forks
        .iter()
        .map(|fork| (fork.before, fork.branches.iter().map(|branch| (branch.leg, branch.then)).collect()))
        .collect();
    assert_eq!(forks, [(1, vec![(1, false), (2, false)]), (7, vec![(2, false), (3, false)])]);
}

#[test]
fn dialogs_of_two_attempts_over_one_hop_are_of_one_phone() {
    let flow = flow(&story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>alice 180 INVITE via=a1 tag=b1
         2 core core>alice 486 INVITE via=a1 tag=b1
         9000 core alice>core INVITE sip:bob@example.com via=a2 cseq=2
         9001 core core>alice 180 INVITE via=a2 tag=b2 cseq=2
         9002 core core>alice 603 INVITE via=a2 tag=b2 cseq=2",
    ));
    assert_eq!(flow.legs[0].outcome, Outcome::Refused(603));
    assert!(flow.legs.len() <= 2, "{:?}", outcomes(&flow));
}
