//! One INVITE to several devices: who was tried, who woke, who won.

use insta::assert_snapshot;
use message::flow::{Outcome, PushState, flow};

use super::draw::drawn;
use super::story::story;

#[test]
fn a_serial_fork_says_then() {
    assert_snapshot!(drawn(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         50 core bob1>core 486 INVITE via=c1,a1 tag=b1
         51 core core>bob1 ACK sip:bob@192.0.2.21:5060 via=c1 tag=b1
         52 core core>bob2 INVITE sip:bob@192.0.2.22:5060 via=c2,a1
         90 core bob2>core 200 INVITE via=c2,a1 tag=b2
         91 core core>alice 200 INVITE via=a1 tag=b2"
    ), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | bob 192.0.2.21 (device B1) 192.0.2.21:5060
    | bob 192.0.2.22 (device B2) 192.0.2.22:5060
    A: sip:bob@example.com Answered, 200 91 ms, 2 rows
    B1: bob 192.0.2.21 Refused(486), 486 49 ms, 3 rows
    B2: bob 192.0.2.22 Answered, 200 38 ms, 2 rows
         0 ms  A  #0 alice -> 10.0.0.2: INVITE
      -- fork at 10.0.0.2: B1 bob 192.0.2.21, then B2 bob 192.0.2.22
         1 ms  B1 #1 10.0.0.2 -> bob 192.0.2.21: INVITE
        50 ms  B1 #1 bob 192.0.2.21 -> 10.0.0.2: 486 INVITE
        51 ms  B1 #1 10.0.0.2 -> bob 192.0.2.21: ACK
        52 ms  B2 #2 10.0.0.2 -> bob 192.0.2.22: INVITE
        90 ms  B2 #2 bob 192.0.2.22 -> 10.0.0.2: 200 INVITE
        91 ms  A  #0 10.0.0.2 -> alice: 200 INVITE
    ");
}

#[test]
fn of_two_answers_the_first_to_the_caller_wins() {
    assert_snapshot!(drawn(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         1 core core>bob2 INVITE sip:bob@192.0.2.22:5060 via=c2,a1
         1 core core>bob3 INVITE sip:bob@192.0.2.23:5060 via=c3,a1
         40 core bob1>core 200 INVITE via=c1,a1 tag=b1
         41 core bob2>core 200 INVITE via=c2,a1 tag=b2
         42 core core>alice 200 INVITE via=a1 tag=b2
         43 core core>alice 200 INVITE via=a1 tag=b1
         44 core core>bob3 CANCEL sip:bob@192.0.2.23:5060 via=c3 | Reason: SIP;cause=200;text=\"Call completed elsewhere\"
         45 core bob3>core 487 INVITE via=c3,a1 tag=b3
         50 core alice>core ACK sip:bob@192.0.2.21 via=a2 tag=b1
         50.1 core core>bob1 ACK sip:bob@192.0.2.21 via=c4,a2 tag=b1
         51 core alice>core BYE sip:bob@192.0.2.21 via=a3 tag=b1 cseq=2
         51.1 core core>bob1 BYE sip:bob@192.0.2.21 via=c5,a3 tag=b1 cseq=2
         52 core alice>core ACK sip:bob@192.0.2.22 via=a4 tag=b2
         52.1 core core>bob2 ACK sip:bob@192.0.2.22 via=c6,a4 tag=b2"
    ), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | bob 192.0.2.21 (device B1) 192.0.2.21:5060
    | bob 192.0.2.22 (device B2) 192.0.2.22:5060
    | bob 192.0.2.23 (device B3) 192.0.2.23:5060
    A: sip:bob@example.com Answered, 200 42 ms, 6 rows
    B1: bob 192.0.2.21 AnsweredTooHungUp, 200 39 ms, 4 rows
    B2: bob 192.0.2.22 Answered, 200 40 ms, 3 rows
    B3: bob 192.0.2.23 AnsweredElsewhere, 487 44 ms, 3 rows
         0 ms  A  #0 alice -> 10.0.0.2: INVITE
      -- fork at 10.0.0.2: B1 bob 192.0.2.21, B2 bob 192.0.2.22, B3 bob 192.0.2.23
         1 ms  B1 #1 10.0.0.2 -> bob 192.0.2.21: INVITE
         1 ms  B2 #2 10.0.0.2 -> bob 192.0.2.22: INVITE
         1 ms  B3 #3 10.0.0.2 -> bob 192.0.2.23: INVITE
        40 ms  B1 #1 bob 192.0.2.21 -> 10.0.0.2: 200 INVITE
        41 ms  B2 #2 bob 192.0.2.22 -> 10.0.0.2: 200 INVITE
        42 ms  A  #0 10.0.0.2 -> alice: 200 INVITE
        43 ms  A  #0 10.0.0.2 -> alice: 200 INVITE
        44 ms  B3 #3 10.0.0.2 -> bob 192.0.2.23: CANCEL
        45 ms  B3 #3 bob 192.0.2.23 -> 10.0.0.2: 487 INVITE
        50 ms  A  #4 alice -> 10.0.0.2: ACK
    50.100 ms  B1 #4 10.0.0.2 -> bob 192.0.2.21: ACK
        51 ms  A  #5 alice -> 10.0.0.2: BYE
    51.100 ms  B1 #6 10.0.0.2 -> bob 192.0.2.21: BYE
        52 ms  A  #7 alice -> 10.0.0.2: ACK
    52.100 ms  B2 #7 10.0.0.2 -> bob 192.0.2.22: ACK
    ");
}

#[test]
fn a_device_woken_by_a_push_joins_its_leg_late() {
    let lines = "0 core alice>core INVITE sip:bob@example.com via=a1
         5 core core>fcm PUSH body={\"callId\":\"call-a\",\"token\":\"tok-bob-1\",\"status\":200}
         6 core core>bob2 INVITE sip:bob@192.0.2.22:5060 via=c2,a1
         60 core bob2>core 180 INVITE via=c2,a1 tag=b2
         4100 core bob1>core REGISTER sip:example.com via=r1 call=reg-1 from=bob to=bob ftag=r contact=<sip:bob@192.0.2.21:5060;pn-provider=fcm;pn-prid=tok-bob-1>
         4101 core core>bob1 200 REGISTER via=r1 call=reg-1 from=bob to=bob ftag=r tag=x
         4110 core core>bob1 INVITE sip:bob@192.0.2.21:5060;pn-provider=fcm;pn-prid=tok-bob-1 via=c1,a1
         4200 core bob1>core 180 INVITE via=c1,a1 tag=b1
         6000 core bob1>core 200 INVITE via=c1,a1 tag=b1
         6001 core core>alice 200 INVITE via=a1 tag=b1
         6002 core core>bob2 CANCEL sip:bob@192.0.2.22:5060 via=c2
         6010 core bob2>core 487 INVITE via=c2,a1 tag=b2";
    assert_snapshot!(drawn(lines), @"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | fcm.example.net (outside) push
    | bob 192.0.2.21 (device B1) 192.0.2.21:5060
    | bob 192.0.2.22 (device B2) 192.0.2.22:5060
    A: sip:bob@example.com Answered, rang 60 ms, 200 6001 ms, 2 rows
    B1: bob 192.0.2.21 Answered, rang 4195 ms, 200 5995 ms, woke 4095 ms, 7 rows
    B2: bob 192.0.2.22 Released, rang 54 ms, 487 6004 ms, 4 rows
         0 ms  A  #0 alice -> 10.0.0.2: INVITE
      -- fork at 10.0.0.2: B2 bob 192.0.2.22, then B1 bob 192.0.2.21 by push
         5 ms  B1 #1 10.0.0.2 -> fcm.example.net: PUSH
         5 ms  B1 #1 fcm.example.net -> 10.0.0.2: 200 PUSH
         6 ms  B2 #2 10.0.0.2 -> bob 192.0.2.22: INVITE
        60 ms  B2 #2 bob 192.0.2.22 -> 10.0.0.2: 180 INVITE
      4100 ms  B1 #3 bob 192.0.2.21 -> 10.0.0.2: REGISTER
      4101 ms  B1 #3 10.0.0.2 -> bob 192.0.2.21: 200 REGISTER
      4110 ms  B1 #4 10.0.0.2 -> bob 192.0.2.21: INVITE
      4200 ms  B1 #4 bob 192.0.2.21 -> 10.0.0.2: 180 INVITE
      6000 ms  B1 #4 bob 192.0.2.21 -> 10.0.0.2: 200 INVITE
      6001 ms  A  #0 10.0.0.2 -> alice: 200 INVITE
      6002 ms  B2 #2 10.0.0.2 -> bob 192.0.2.22: CANCEL
      6010 ms  B2 #2 bob 192.0.2.22 -> 10.0.0.2: 487 INVITE
    ");
    let woken = &flow(&story(lines)).legs[1];
    assert!(matches!(woken.push, PushState::Woke(_, 4_095_000)), "{:?}", woken.push);
    assert_eq!(woken.outcome, Outcome::Answered);
}

#[test]
fn a_device_that_says_180_after_the_answer_rings_on() {
    let messages = story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21 via=c1,a1
         1 core core>bob2 INVITE sip:bob@192.0.2.22 via=c2,a1
         50 core bob2>core 180 INVITE via=c2,a1 tag=b2
         60 core bob1>core 200 INVITE via=c1,a1 tag=b1
         61 core core>alice 200 INVITE via=a1 tag=b1
         9000 core bob2>core 180 INVITE via=c2,a1 tag=b2",
    );
    let outcomes: Vec<_> = flow(&messages).legs.iter().map(|leg| leg.outcome).collect();
    assert_eq!(outcomes, [Outcome::Answered, Outcome::Answered, Outcome::StillRinging]);
}

#[test]
fn an_agent_that_hides_vias_forks_all_the_same() {
    assert_snapshot!(drawn(
        "0 agent alice>agent INVITE sip:bob@example.com via=a1
         1 agent agent>bob1 INVITE sip:bob@192.0.2.21 via=g1
         1 agent agent>bob2 INVITE sip:bob@192.0.2.22 via=g2
         20 agent bob2>agent 408 INVITE via=g2 tag=b2
         30 agent agent>fcm PUSH body={\"callId\":\"call-a\",\"to\":\"bob\",\"status\":410}"
    ), @"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.3 (server) 
    | fcm.example.net (outside) push
    | bob 192.0.2.21 (device B1 silent) 192.0.2.21:5060
    | bob 192.0.2.22 (device B2) 192.0.2.22:5060
    A: sip:bob@example.com Open, 1 rows
    B1: bob 192.0.2.21 Open, 1 rows
    B2: bob 192.0.2.22 Unreachable, 408 19 ms, 2 rows
    B3: bob (fcm) NotInvited, push refused 410, 2 rows
         0 ms  A  #0 alice -> 10.0.0.3: INVITE
      -- fork at 10.0.0.3: B1 bob 192.0.2.21, B2 bob 192.0.2.22
         1 ms  B1 #1 10.0.0.3 -> bob 192.0.2.21: INVITE
         1 ms  B2 #2 10.0.0.3 -> bob 192.0.2.22: INVITE
        20 ms  B2 #2 bob 192.0.2.22 -> 10.0.0.3: 408 INVITE
        30 ms  B3 #3 10.0.0.3 -> fcm.example.net: PUSH
        30 ms  B3 #3 fcm.example.net -> 10.0.0.3: 410 PUSH
    ");
}

#[test]
fn forks_behind_a_fork_are_numbered_below_it() {
    assert_snapshot!(drawn(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>edge INVITE sip:bob@10.0.0.1 via=c1,a1
         1 core core>bob3 INVITE sip:bob@192.0.2.23 via=c2,a1
         2 edge edge>bob1 INVITE sip:bob@192.0.2.21 via=e1,c1,a1
         2 edge edge>bob2 INVITE sip:bob@192.0.2.22 via=e2,c1,a1"
    ), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | 10.0.0.1 (server) 
    | bob 192.0.2.21 (device B1.1 silent) 192.0.2.21:5060
    | bob 192.0.2.22 (device B1.2 silent) 192.0.2.22:5060
    | bob 192.0.2.23 (device B2 silent) 192.0.2.23:5060
    A: sip:bob@example.com Open, 1 rows
    B1: sip:bob@10.0.0.1 Open, 1 rows
    B1.1: bob 192.0.2.21 Open, 1 rows
    B1.2: bob 192.0.2.22 Open, 1 rows
    B2: bob 192.0.2.23 Open, 1 rows
         0 ms  A  #0 alice -> 10.0.0.2: INVITE
      -- fork at 10.0.0.2: B1 10.0.0.1, B2 bob 192.0.2.23
         1 ms  B1 #1 10.0.0.2 -> 10.0.0.1: INVITE
         1 ms  B2 #2 10.0.0.2 -> bob 192.0.2.23: INVITE
      -- fork at 10.0.0.1: B1.1 bob 192.0.2.21, B1.2 bob 192.0.2.22
         2 ms  B1.1 #3 10.0.0.1 -> bob 192.0.2.21: INVITE
         2 ms  B1.2 #4 10.0.0.1 -> bob 192.0.2.22: INVITE
    ");
}

/// In a URI the token is escaped where its characters ask for it (RFC 3261, 25.1); in a push it is not.
#[test]
fn the_token_of_a_push_is_that_of_its_contact_however_it_is_escaped() {
    let lines = "0 core alice>core INVITE sip:bob@example.com via=a1
        5 core core>fcm PUSH body={\"callId\":\"call-a\",\"token\":\"f1:A/b=\",\"status\":200}
        6 core core>bob1 INVITE sip:bob@192.0.2.21;pn-prid=f1%3aA/b%3D via=c1,a1
        6 core core>bob2 INVITE sip:bob@192.0.2.22 via=c2,a1";
    let pushes: Vec<_> =
        flow(&story(lines)).legs.iter().map(|leg| matches!(leg.push, PushState::Accepted(..))).collect();
    assert_eq!(pushes, [false, true, false]);
}
