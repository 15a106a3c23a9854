//! How legs end, and where nobody can tell.

use message::flow::{By, End, Outcome, PushState, Trouble, flow};

use super::story::story;

#[track_caller]
fn check(lines: &str, expect: &[(&str, Outcome)]) {
    let flow = flow(&story(lines));
    let outcomes: Vec<_> = flow.legs.iter().map(|leg| (leg.tag.as_str(), leg.outcome)).collect();
    assert_eq!(outcomes, expect, "{lines}");
}

#[test]
fn a_request_that_is_refused_ends_its_leg() {
    for method in ["MESSAGE", "REFER", "INFO", "PUBLISH"] {
        check(
            &format!(
                "0 core alice>core {method} sip:bob@example.com via=a1
                 1 core core>alice 404 {method} via=a1 tag=x"
            ),
            &[("A", Outcome::Refused(404))],
        );
    }
    check("0 core core>api POST body={\"callId\":\"call-a\",\"status\":503}", &[("A", Outcome::Refused(503))]);
}

#[test]
fn an_answer_to_something_else_ends_no_leg() {
    check(
        "0 core alice>core MESSAGE sip:bob@example.com via=a1
         1 core core>alice 100 MESSAGE via=a1
         2 core core>api POST body={\"callId\":\"call-a\",\"status\":503}
         3 core core>alice BYE sip:alice@192.0.2.10 via=c1
         4 core alice>core 200 BYE via=c1",
        &[("A", Outcome::Unknown)],
    );
}

const PUSHED: &str = "0 core alice>core INVITE sip:bob@example.com via=a1
    1 core core>alice 100 INVITE via=a1
    5 core core>fcm PUSH body={\"callId\":\"call-a\",\"token\":\"tok-bob-1\",\"status\":200}
    6 core core>bob1 INVITE sip:bob@192.0.2.21:5060;pn-prid=tok-bob-1 via=c1,a1
    6 core core>bob2 INVITE sip:bob@192.0.2.22:5060 via=c2,a1
    90 core bob2>core 486 INVITE via=c2,a1 tag=b2";

#[test]
fn a_device_that_slept_through_the_call_never_woke() {
    let over = "9000 core alice>core CANCEL sip:bob@example.com via=a1
        9001 core core>bob1 CANCEL sip:bob@192.0.2.21:5060 via=c1
        9002 core core>alice 487 INVITE via=a1 tag=p";
    let check = |lines: &str, woke: bool, expect| {
        let flow = flow(&story(lines));
        let leg = flow.legs.iter().find(|leg| leg.pushed.is_some()).unwrap();
        assert_eq!(leg.outcome, expect, "{lines}");
        assert_eq!(matches!(leg.push, PushState::Woke(..)), woke, "{lines}");
        assert_eq!(matches!(leg.push, PushState::NeverWoke(_)), lines.contains("487") && !woke, "{lines}");
    };
    check(PUSHED, false, Outcome::Open);
    check(&format!("{PUSHED}\n{over}"), false, Outcome::CancelUnanswered);
    let woke = "4100 core bob1>core REGISTER sip:example.com via=r1 call=reg-1 from=bob to=bob contact=<sip:bob@192.0.2.21:5060;pn-prid=tok-bob-1>";
    check(&format!("{PUSHED}\n{woke}\n{over}"), true, Outcome::CancelUnanswered);
    let rang = "4200 core bob1>core 180 INVITE via=c1,a1 tag=b1";
    check(&format!("{PUSHED}\n{rang}\n{over}"), true, Outcome::CancelUnanswered);
    let rings = "12000 core bob1>core 180 INVITE via=c1,a1 tag=b1";
    check(&format!("{PUSHED}\n{rang}\n{over}\n{rings}"), true, Outcome::StillRinging);
}

#[test]
fn a_log_without_answers_of_its_own_cannot_tell_that_there_was_none() {
    let blind = |lines: &str| {
        let flow = flow(&story(lines));
        let leg = &flow.legs[0];
        (leg.outcome, leg.blind.map(|node| flow.nodes[node].name.clone()))
    };
    let proxy = || Some("10.0.0.2".to_owned());
    let invite = "0 core alice>core INVITE sip:bob@example.com via=a1";
    let register = "0 core bob1>core REGISTER sip:example.com via=r1 from=bob to=bob";
    assert_eq!(blind(invite), (Outcome::Unknown, proxy()));
    assert_eq!(blind(register), (Outcome::Unknown, proxy()));
    assert_eq!(blind(&format!("{invite}\n1 core core>alice 100 INVITE via=a1")), (Outcome::Open, None));
    assert_eq!(blind(&format!("{register}\n1 core core>bob1 401 REGISTER via=r1 from=bob to=bob")).1, None);
    let passed_on = format!("{invite}\n1 core core>bob1 INVITE sip:bob@192.0.2.21 via=c1,a1");
    assert_eq!(blind(&passed_on), (Outcome::Open, None), "its log would hold what the device responds");
}

#[test]
fn a_device_that_refused_was_not_answered_elsewhere() {
    check(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21 via=c1,a1
         1 core core>bob2 INVITE sip:bob@192.0.2.22 via=c2,a1
         900 core bob1>core 200 INVITE via=c1,a1 tag=b1
         901 core core>alice 200 INVITE via=a1 tag=b1
         902 core core>bob2 CANCEL sip:bob@192.0.2.22 via=c2 | Reason: SIP;cause=200
         903 core bob2>core 603 INVITE via=c2,a1 tag=b2",
        &[("A", Outcome::Answered), ("B1", Outcome::Answered), ("B2", Outcome::Refused(603))],
    );
}

/// The REGISTER of a device has a Call-ID of its own and need not be of this call.
#[test]
fn a_device_that_was_invited_long_after_its_push_may_have_woken() {
    let lines = "0 core alice>core INVITE sip:bob@example.com via=a1
        5 core core>fcm PUSH body={\"callId\":\"call-a\",\"token\":\"tok-bob-1\",\"status\":200}
        4100 core core>bob1 INVITE sip:bob@192.0.2.21:5060;pn-prid=tok-bob-1 via=c1,a1
        20000 core core>alice 480 INVITE via=a1 tag=p";
    let flow = flow(&story(lines));
    assert!(matches!(flow.legs[1].push, PushState::CannotTell(_)), "{:?}", flow.legs[1].push);
}

/// That it is pushed to is enough: before its INVITE, or without one, its registrations are its own, too.
#[test]
fn registrations_of_a_device_that_was_pushed_to_and_never_invited_are_on_its_leg() {
    let register = |at: u32| {
        format!(
            "{at} core bob1>core REGISTER sip:example.com via=r{at} call=reg-1 from=bob to=bob ftag=r contact=<sip:bob@192.0.2.21:5060;pn-prid=tok-bob-1>
             {at}.5 core core>bob1 200 REGISTER via=r{at} call=reg-1 from=bob to=bob ftag=r tag=x\n"
        )
    };
    let call = "5000 core alice>core INVITE sip:bob@example.com via=a1
        5005 core core>fcm PUSH body={\"callId\":\"call-a\",\"token\":\"tok-bob-1\",\"status\":200}\n";
    let end = "25000 core core>alice 480 INVITE via=a1 tag=p";
    for (lines, woke) in [
        (format!("{}{call}{end}", register(100)), false),
        (format!("{call}{}{end}", register(9100)), true),
        (format!("{}{call}{}{end}", register(100), register(9100)), true),
    ] {
        let flow = flow(&story(&lines));
        let tags: Vec<_> = flow.legs.iter().map(|leg| leg.tag.as_str()).collect();
        assert_eq!(tags, ["A", "B1"], "{lines}");
        let registers = flow.rows.iter().filter(|row| lines.lines().nth(row.message).unwrap().contains("REGISTER"));
        assert!(registers.clone().count() >= 2 && registers.clone().all(|row| row.leg == 1), "{lines}");
        assert_eq!(matches!(flow.legs[1].push, PushState::Woke(..)), woke, "{:?}", flow.legs[1].push);
    }
}

/// A CANCEL says what was asked, not what happened.
#[test]
fn a_device_that_sends_no_487_was_not_answered_elsewhere() {
    let ends = |end: &str, expect| {
        check(
            &format!(
                "0 core alice>core INVITE sip:bob@example.com via=a1
                 1 core core>bob1 INVITE sip:bob@192.0.2.21 via=c1,a1
                 1 core core>bob2 INVITE sip:bob@192.0.2.22 via=c2,a1
                 50 core bob2>core 180 INVITE via=c2,a1 tag=b2
                 900 core bob1>core 200 INVITE via=c1,a1 tag=b1
                 901 core core>alice 200 INVITE via=a1 tag=b1
                 902 core core>bob2 CANCEL sip:bob@192.0.2.22 via=c2 | Reason: SIP;cause=200
                 903 core bob2>core 200 CANCEL via=c2 tag=b2
                 {end}"
            ),
            &[("A", Outcome::Answered), ("B1", Outcome::Answered), ("B2", expect)],
        );
    };
    ends("", Outcome::CancelledWithoutEnd);
    ends("904 core bob2>core 408 INVITE via=c2,a1 tag=b2", Outcome::Unreachable);
    ends("904 core bob2>core 487 INVITE via=c2,a1 tag=b2", Outcome::AnsweredElsewhere);
}

#[test]
fn who_hung_up_is_known_through_an_agent_and_a_proxy() {
    let flow = flow(&story(
        "0 agent alice>agent INVITE sip:bob@example.com via=a1
         3 agent agent>core INVITE sip:bob@example.com via=g1 call=call-b ftag=g | X-CID: call-a
         4 core agent>core INVITE sip:bob@example.com via=g1 call=call-b ftag=g | X-CID: call-a
         5 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,g1 call=call-b ftag=g
         50 core bob1>core 200 INVITE via=c1,g1 call=call-b ftag=g tag=b1
         51 core core>agent 200 INVITE via=g1 call=call-b ftag=g tag=b1
         52 agent agent>alice 200 INVITE via=a1 tag=g2
         5000 core bob1>core BYE sip:alice@10.0.0.3 via=b3 call=call-b from=bob to=alice ftag=b1 tag=g cseq=2
         5001 core core>agent BYE sip:alice@10.0.0.3 via=c3,b3 call=call-b from=bob to=alice ftag=b1 tag=g cseq=2
         5002 agent agent>alice BYE sip:alice@192.0.2.10 via=g3 from=bob to=alice ftag=g2 tag=f cseq=2",
    ));
    let ended = flow.course.first().and_then(|caller| caller.connected);
    let Some((_, End::Bye { by: By::Node(by), .. })) = ended else { panic!("{ended:?}") };
    assert_eq!(flow.nodes[by].name, "bob");
}

/// What a queue asked for is over when the caller hangs up.
#[test]
fn an_invite_of_a_queue_has_no_answer_once_the_caller_has_hung_up() {
    let flow = flow(&story(
        "0 agent alice>agent INVITE sip:bob@example.com via=a1
         2 agent agent>alice 200 INVITE via=a1 tag=ag
         9 agent alice>agent ACK sip:bob@example.com via=a2 tag=ag
         100 agent agent>bob1 INVITE sip:bob@192.0.2.21 via=g1 call=call-b ftag=g | X-CID: call-a
         105 agent bob1>agent 100 INVITE via=g1 call=call-b ftag=g
         9000 agent alice>agent BYE sip:bob@example.com via=a3 tag=ag cseq=2
         9005 agent agent>alice 200 BYE via=a3 tag=ag cseq=2",
    ));
    let problems: Vec<_> = flow.course.problems.iter().map(|problem| (problem.what, problem.row)).collect();
    assert_eq!(problems, [(Trouble::Unanswered { sent: 1 }, 3)]);
    assert_eq!(flow.course.problems[0].due.micros_since(flow.rows[5].time), 32_000_000);
}

/// A push of the second attempt is none of a missed call.
#[test]
fn a_caller_who_calls_again_decides_anew() {
    let flow = flow(&story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         5 core core>fcm PUSH body={\"callId\":\"call-a\",\"token\":\"tok-bob-1\",\"status\":200}
         20000 core core>alice 480 INVITE via=a1 tag=p
         22000 core core>fcm PUSH body={\"callId\":\"call-a\",\"token\":\"tok-missed\",\"status\":200}
         30000 core alice>core INVITE sip:bob@example.com via=a2 cseq=2
         30005 core core>fcm PUSH body={\"callId\":\"call-a\",\"token\":\"tok-bob-1\",\"status\":200}
         30006 core core>fcm PUSH body={\"callId\":\"call-a\",\"token\":\"tok-bob-2\",\"status\":200}
         50000 core core>alice 480 INVITE via=a2 tag=p cseq=2",
    ));
    let pushes: Vec<_> = flow.legs.iter().map(|leg| (leg.target.as_str(), leg.push)).collect();
    assert!(
        matches!(pushes[..], [_, ("fcm …-bob-1", PushState::NeverWoke(_)), ("fcm …-bob-2", PushState::NeverWoke(_))]),
        "{pushes:?}"
    );
}
