//! Single records that are not in the log: what the others say of them.

use message::flow::{By, End, Flow, Outcome, PushState, flow};

use super::story::story;

fn outcomes(flow: &Flow) -> Vec<(&str, Outcome)> {
    flow.legs.iter().map(|leg| (leg.tag.as_str(), leg.outcome)).collect()
}

#[test]
fn a_device_whose_invite_is_not_logged_is_known_by_the_contact_of_its_answers() {
    let flow = flow(&story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>fcm PUSH body={\"callId\":\"call-a\",\"token\":\"tok-bob-1\",\"status\":200}
         2 core core>bob2 INVITE sip:bob@192.0.2.22:5060 via=c2,a1
         90 core bob2>core 486 INVITE via=c2,a1 tag=b2
         4100 core bob1>core REGISTER sip:example.com via=r1 call=reg-1 from=bob to=bob ftag=r contact=<sip:bob@192.0.2.21:5060;pn-prid=tok-bob-1>
         4200 core bob1>core 180 INVITE via=c1,a1 tag=b1 contact=<sip:bob@192.0.2.21:5060>
         6000 core bob1>core 200 INVITE via=c1,a1 tag=b1 contact=<sip:bob@192.0.2.21:5060>
         6001 core core>alice 200 INVITE via=a1 tag=b1",
    ));
    let expect = [("A", Outcome::Answered), ("B1", Outcome::Answered), ("B2", Outcome::Refused(486))];
    assert_eq!(outcomes(&flow), expect);
    assert!(matches!(flow.legs[1].push, PushState::Woke(_, 4_099_000)), "{:?}", flow.legs[1].push);
}

#[test]
fn a_caller_who_was_challenged_is_no_device_where_the_second_invite_is_not_logged() {
    let flow = flow(&story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>alice 407 INVITE via=a1 tag=p
         2 core alice>core ACK sip:bob@example.com via=a1 tag=p
         4 core core>alice 100 INVITE via=a2 cseq=2
         5 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a2 cseq=2
         900 core bob1>core 486 INVITE via=c1,a2 tag=b1 cseq=2
         901 core core>alice 486 INVITE via=a2 tag=b1 cseq=2",
    ));
    assert_eq!(outcomes(&flow), [("A", Outcome::Refused(486)), ("B1", Outcome::Refused(486))]);
}

#[test]
fn a_challenge_is_no_end_where_all_that_is_logged_of_the_second_invite_is_its_100_and_487() {
    let flow = flow(&story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>alice 407 INVITE via=a1 tag=p
         2 core alice>core ACK sip:bob@example.com via=a1 tag=p
         4 core core>alice 100 INVITE via=a2 cseq=2
         4500 core alice>core CANCEL sip:bob@example.com via=a2 cseq=2
         4501 core core>alice 200 CANCEL via=a2 tag=p cseq=2
         4560 core core>alice 487 INVITE via=a2 tag=p cseq=2",
    ));
    assert_eq!(outcomes(&flow), [("A", Outcome::Cancelled)]);
    assert_eq!(flow.course.problems, []);
}

/// The 407 shows that core logs its final answers; that the 200 is missing says that there was none.
#[test]
fn the_answer_to_an_invite_that_is_not_logged_says_what_a_machine_logs() {
    let flow = flow(&story(
        "1 core core>alice 407 INVITE via=a1 tag=p
         2 core alice>core ACK sip:bob@example.com via=a1 tag=p
         3 core alice>core INVITE sip:bob@example.com via=a2 cseq=2
         4 core core>alice 100 INVITE via=a2 cseq=2
         5 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a2 cseq=2
         900 core bob1>core 200 INVITE via=c1,a2 tag=b1 cseq=2",
    ));
    assert_eq!(outcomes(&flow), [("A", Outcome::Open), ("B1", Outcome::AnswerLost)]);
}

#[test]
fn an_answer_to_a_bye_that_is_not_logged_is_one_on_another_hop() {
    let flow = flow(&story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         900 core bob1>core 200 INVITE via=c1,a1 tag=b1
         901 core core>alice 200 INVITE via=a1 tag=b1
         910 core alice>core ACK sip:bob@192.0.2.21 via=a2 tag=b1
         911 core core>bob1 ACK sip:bob@192.0.2.21 via=c2,a2 tag=b1
         5000 core alice>core BYE sip:bob@192.0.2.21 via=a3 tag=b1 cseq=2
         5009 core bob1>core 200 BYE via=c3,a3 tag=b1 cseq=2",
    ));
    assert_eq!(flow.course.problems, []);
}

#[test]
fn the_answer_of_an_agents_call_names_the_device_where_the_callers_own_is_not_logged() {
    let flow = flow(&story(
        "0 agent alice>agent INVITE sip:bob@example.com via=a1
         3 agent agent>core INVITE sip:bob@example.com via=g1 call=call-b ftag=g | X-CID: call-a
         4 core agent>core INVITE sip:bob@example.com via=g1 call=call-b ftag=g | X-CID: call-a
         5 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,g1 call=call-b ftag=g
         6 core core>bob2 INVITE sip:bob@192.0.2.22:5060 via=c2,g1 call=call-b ftag=g
         50 core bob1>core 180 INVITE via=c1,g1 call=call-b ftag=g tag=b1
         60 core bob2>core 180 INVITE via=c2,g1 call=call-b ftag=g tag=b2
         900 agent core>agent 200 INVITE via=g1 call=call-b ftag=g tag=b2
         5000 agent alice>agent BYE sip:bob@example.com via=a3 tag=ag cseq=2",
    ));
    let winner = flow.course.first().and_then(|caller| caller.winner.as_ref()?.leg);
    assert_eq!(winner.map(|leg| flow.legs[leg].tag.as_str()), Some("B2"));
    assert_eq!(flow.legs[2].outcome, Outcome::Answered);
}

/// A proxy passes on both; the caller hangs up the first and keeps the second.
#[test]
fn of_two_answers_that_the_caller_got_unlogged_the_one_that_stays_counts() {
    let flow = flow(&story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         1 core core>bob2 INVITE sip:bob@192.0.2.22:5060 via=c2,a1
         900 core bob1>core 200 INVITE via=c1,a1 tag=b1
         903 core bob2>core 200 INVITE via=c2,a1 tag=b2
         910 core alice>core ACK sip:bob@192.0.2.21 via=a2 tag=b1
         911 core alice>core ACK sip:bob@192.0.2.22 via=a3 tag=b2
         950 core alice>core BYE sip:bob@192.0.2.21 via=a4 tag=b1 cseq=2
         951 core core>bob1 BYE sip:bob@192.0.2.21 via=c4,a4 tag=b1 cseq=2
         952 core bob1>core 200 BYE via=c4,a4 tag=b1 cseq=2",
    ));
    let expect = [("A", Outcome::Answered), ("B1", Outcome::AnsweredTooHungUp), ("B2", Outcome::Answered)];
    assert_eq!(outcomes(&flow), expect);
    assert_eq!(flow.course.first().and_then(|caller| caller.result()).map(|got| got.inferred), Some(true));
}

#[test]
fn a_bye_that_a_proxy_passes_on_is_not_that_of_another_dialog() {
    let flow = flow(&story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         1 core core>bob2 INVITE sip:bob@192.0.2.22:5060 via=c2,a1
         900 core bob1>core 200 INVITE via=c1,a1 tag=b1
         901 core core>alice 200 INVITE via=a1 tag=b1
         902 core bob2>core 200 INVITE via=c2,a1 tag=b2
         903 core core>alice 200 INVITE via=a1 tag=b2
         950 core alice>core BYE sip:bob@192.0.2.22 via=a4 tag=b2 cseq=2
         951 core core>bob2 BYE sip:bob@192.0.2.22 via=c4,a4 tag=b2 cseq=2
         2000 core core>alice BYE sip:alice@192.0.2.10 via=c5,b5 from=bob to=alice ftag=b1 tag=f cseq=2",
    ));
    let ended = flow.course.first().and_then(|caller| caller.connected);
    let Some((_, End::Bye { by: By::Node(by), .. })) = ended else { panic!("{ended:?}") };
    assert_eq!(flow.nodes[by].name, "bob 192.0.2.21");
}

#[test]
fn a_caller_who_was_challenged_is_no_device_where_the_challenge_is_not_logged_either() {
    let flow = flow(&story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         2 core alice>core ACK sip:bob@example.com via=a1 tag=p
         4 core core>alice 100 INVITE via=a2 cseq=2
         20000 core core>alice 480 INVITE via=a2 tag=p cseq=2",
    ));
    assert_eq!(outcomes(&flow), [("A", Outcome::Refused(480))]);
}
