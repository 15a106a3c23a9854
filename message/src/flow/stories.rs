//! Hand-made flows, each drawn as text.

use insta::assert_snapshot;

use super::draw::draw;
use super::story::story;
use super::{Outcome, PushState, flow};

fn drawn(lines: &str) -> String {
    let messages = story(lines);
    draw(&flow(&messages), &messages)
}

#[test]
fn a_plain_call_is_one_leg_over_all_its_hops() {
    assert_snapshot!(drawn(
        "0 edge alice>edge INVITE sip:bob@example.com via=a1
         1 edge edge>core INVITE sip:bob@example.com via=e1,a1
         2 core edge>core INVITE sip:bob@example.com via=e1,a1
         2 core core>edge 100 INVITE via=e1,a1
         3 core core>api POST body={\"callId\":\"call-a\",\"status\":200}
         4 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,e1,a1
         60 core bob1>core 180 INVITE via=c1,e1,a1 tag=b1
         61 core core>edge 180 INVITE via=e1,a1 tag=b1
         62 edge core>edge 180 INVITE via=e1,a1 tag=b1
         63 edge edge>alice 180 INVITE via=a1 tag=b1
         900 core bob1>core 200 INVITE via=c1,e1,a1 tag=b1
         901 core core>edge 200 INVITE via=e1,a1 tag=b1
         902 edge edge>alice 200 INVITE via=a1 tag=b1
         910 edge alice>edge ACK sip:bob@192.0.2.21:5060 via=a2 tag=b1
         911 edge edge>core ACK sip:bob@192.0.2.21:5060 via=e2,a2 tag=b1
         912 core core>bob1 ACK sip:bob@192.0.2.21:5060 via=c2,e2,a2 tag=b1
         5000 core bob1>core BYE sip:alice@192.0.2.10:5060 via=b9 from=bob to=alice ftag=b1 tag=f cseq=2
         5001 edge edge>alice BYE sip:alice@192.0.2.10:5060 via=e9,c9,b9 from=bob to=alice ftag=b1 tag=f cseq=2
         5002 edge alice>edge 200 BYE via=e9,c9,b9 from=bob to=alice ftag=b1 tag=f cseq=2"
    ), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.1 (server) 
    | 10.0.0.2 (server) 
    | api.example.com (outside) REST
    | bob (device A) 192.0.2.21:5060
    A: bob Answered, rang 60 ms, 200 900 ms, 18 rows
         0 ms  A  #0 alice -> 10.0.0.1: INVITE
         1 ms  A  #1 10.0.0.1 -> 10.0.0.2: INVITE, 2 sightings 1 ms apart
         2 ms  A  #1 10.0.0.2 -> 10.0.0.1: 100 INVITE
         3 ms  A  #2 10.0.0.2 -> api.example.com: POST
         3 ms  A  #2 api.example.com -> 10.0.0.2: 200 POST
         4 ms  A  #3 10.0.0.2 -> bob: INVITE
        60 ms  A  #3 bob -> 10.0.0.2: 180 INVITE
        61 ms  A  #1 10.0.0.2 -> 10.0.0.1: 180 INVITE, 2 sightings 1 ms apart
        63 ms  A  #0 10.0.0.1 -> alice: 180 INVITE
       900 ms  A  #3 bob -> 10.0.0.2: 200 INVITE
       901 ms  A  #1 10.0.0.2 -> 10.0.0.1: 200 INVITE
       902 ms  A  #0 10.0.0.1 -> alice: 200 INVITE
       910 ms  A  #4 alice -> 10.0.0.1: ACK
       911 ms  A  #4 10.0.0.1 -> 10.0.0.2: ACK
       912 ms  A  #4 10.0.0.2 -> bob: ACK
      5000 ms  A  #5 bob -> 10.0.0.2: BYE
      5001 ms  A  #6 10.0.0.1 -> alice: BYE
      5002 ms  A  #6 alice -> 10.0.0.1: 200 BYE
    ");
}

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
fn a_cancel_that_crosses_a_200_says_so() {
    assert_snapshot!(drawn(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         40 core alice>core CANCEL sip:bob@example.com via=a1
         41 core core>alice 200 CANCEL via=a1
         42 core core>bob1 CANCEL sip:bob@192.0.2.21:5060 via=c1
         43 core bob1>core 200 INVITE via=c1,a1 tag=b1
         44 core bob1>core 200 CANCEL via=c1
         45 core core>alice 200 INVITE via=a1 tag=b1
         46 core alice>core ACK sip:bob@192.0.2.21:5060 via=a2 tag=b1
         47 core core>bob1 ACK sip:bob@192.0.2.21:5060 via=c2,a2 tag=b1
         48 core alice>core BYE sip:bob@192.0.2.21:5060 via=a3 tag=b1 cseq=2"
    ), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | bob (device A) 192.0.2.21:5060
    A: bob Answered, 200 43 ms, 11 rows
         0 ms  A  #0 alice -> 10.0.0.2: INVITE
         1 ms  A  #1 10.0.0.2 -> bob: INVITE
        40 ms  A  #0 alice -> 10.0.0.2: CANCEL
        41 ms  A  #0 10.0.0.2 -> alice: 200 CANCEL
        42 ms  A  #1 10.0.0.2 -> bob: CANCEL
        43 ms  A  #1 bob -> 10.0.0.2: 200 INVITE [CANCEL crossed 200]
        44 ms  A  #1 bob -> 10.0.0.2: 200 CANCEL
        45 ms  A  #0 10.0.0.2 -> alice: 200 INVITE [CANCEL crossed 200]
        46 ms  A  #2 alice -> 10.0.0.2: ACK
        47 ms  A  #2 10.0.0.2 -> bob: ACK
        48 ms  A  #3 alice -> 10.0.0.2: BYE
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
    assert_snapshot!(drawn(lines), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | fcm.example.net (outside) push
    | bob 192.0.2.21 (device B1) 192.0.2.21:5060
    | bob 192.0.2.22 (device B2) 192.0.2.22:5060
    A: sip:bob@example.com Answered, 200 6001 ms, 2 rows
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
fn what_one_source_logs_twice_was_sent_twice() {
    assert_snapshot!(drawn(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         501 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         1501 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         1600 core bob1>core 200 INVITE via=c1,a1 tag=b1
         2100 core bob1>core 200 INVITE via=c1,a1 tag=b1"
    ), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | bob (device A) 192.0.2.21:5060
    A: bob Answered, 200 1600 ms, 3 rows
         0 ms  A  #0 alice -> 10.0.0.2: INVITE
         1 ms  A  #1 10.0.0.2 -> bob: INVITE, x3 over 1500 ms
      1600 ms  A  #1 bob -> 10.0.0.2: 200 INVITE, x2 over 500 ms
    ");
}

#[test]
fn a_repeat_that_both_ends_log_is_one_repeat() {
    assert_snapshot!(drawn(
        "0 edge edge>core INVITE sip:bob@example.com via=e1,a1
         1 core edge>core INVITE sip:bob@example.com via=e1,a1
         500 edge edge>core INVITE sip:bob@example.com via=e1,a1
         501 core edge>core INVITE sip:bob@example.com via=e1,a1"
    ), @r"
    | 10.0.0.1 (server) 
    | 10.0.0.2 (server) 
    A: sip:bob@example.com Unknown, 10.0.0.2 logs none of its answers, 1 rows
         0 ms  A  #0 10.0.0.1 -> 10.0.0.2: INVITE, 2 sightings 1 ms apart, x2 over 500 ms (1 seen twice)
    ");
}

#[test]
fn a_second_183_with_other_sdp_is_no_repeat() {
    let messages = story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         10 core core>alice 183 INVITE via=a1 tag=b | RSeq: 1
         20 core core>alice 183 INVITE via=a1 tag=b | RSeq: 2
         30 core core>alice 183 INVITE via=a1 tag=b | RSeq: 2",
    );
    let repeats: Vec<_> = flow(&messages).rows.iter().map(|row| row.repeats.len()).collect();
    assert_eq!(repeats, [0, 0, 1]);
}

#[test]
fn legs_of_a_back_to_back_agent_have_letters_of_their_own() {
    assert_snapshot!(drawn(
        "0 agent alice>agent INVITE sip:bob@example.com via=a1
         3 agent agent>core INVITE sip:bob@example.com via=g1 call=call-b ftag=g contact=<sip:agent@10.0.0.3> | X-CID: call-a
         4 core agent>core INVITE sip:bob@example.com via=g1 call=call-b ftag=g contact=<sip:agent@10.0.0.3> | X-CID: call-a
         5 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,g1 call=call-b ftag=g contact=<sip:agent@10.0.0.3>
         5 core core>bob2 INVITE sip:bob@192.0.2.22:5060 via=c2,g1 call=call-b ftag=g contact=<sip:agent@10.0.0.3>
         50 core bob1>core 200 INVITE via=c1,g1 call=call-b ftag=g tag=b1
         51 core core>agent 200 INVITE via=g1 call=call-b ftag=g tag=b1
         52 agent agent>alice 200 INVITE via=a1 tag=g2"
    ), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.3 (server) 
    | 10.0.0.2 (server) 
    | bob 192.0.2.21 (device C1) 192.0.2.21:5060
    | bob 192.0.2.22 (device C2 silent) 192.0.2.22:5060
    A: sip:bob@example.com Answered, 200 52 ms, 2 rows
    C: sip:bob@example.com Answered, 200 48 ms, 2 rows
    C1: bob 192.0.2.21 Answered, 200 45 ms, 2 rows
    C2: bob 192.0.2.22 Open, 1 rows
         0 ms  A  #0 alice -> 10.0.0.3: INVITE
         3 ms  C  #1 10.0.0.3 -> 10.0.0.2: INVITE, 2 sightings 1 ms apart
      -- fork at 10.0.0.2: C1 bob 192.0.2.21, C2 bob 192.0.2.22
         5 ms  C1 #2 10.0.0.2 -> bob 192.0.2.21: INVITE
         5 ms  C2 #3 10.0.0.2 -> bob 192.0.2.22: INVITE
        50 ms  C1 #2 bob 192.0.2.21 -> 10.0.0.2: 200 INVITE
        51 ms  C  #1 10.0.0.2 -> 10.0.0.3: 200 INVITE
        52 ms  A  #0 10.0.0.3 -> alice: 200 INVITE
    ");
}

#[test]
fn an_exchange_in_one_record_is_two_rows_of_one_time() {
    assert_snapshot!(drawn(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         5 core core>api POST body={\"callId\":\"call-a\",\"status\":404}
         6 core core>api GET body={\"callId\":\"call-a\",\"status\":0}
         7 core core>api GET body={\"callId\":\"call-a\"}"
    ), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | api.example.com (outside) REST
    A: sip:bob@example.com Unknown, 10.0.0.2 logs none of its answers, 5 rows
         0 ms  A  #0 alice -> 10.0.0.2: INVITE
         5 ms  A  #1 10.0.0.2 -> api.example.com: POST
         5 ms  A  #1 api.example.com -> 10.0.0.2: 404 POST
         6 ms  A  #2 10.0.0.2 -> api.example.com: GET
         7 ms  A  #3 10.0.0.2 -> api.example.com: GET
    ");
}

#[test]
fn a_clock_38_ms_behind_is_repaired_on_display_only() {
    let lines = "0 edge alice>edge INVITE sip:bob@example.com via=a1
         1 edge edge>core INVITE sip:bob@example.com via=e1,a1
         -36 core edge>core INVITE sip:bob@example.com via=e1,a1
         -35 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,e1,a1
         20 core bob1>core 180 INVITE via=c1,e1,a1 tag=b1
         21 core core>edge 180 INVITE via=e1,a1 tag=b1
         60 edge core>edge 180 INVITE via=e1,a1 tag=b1
         61 edge edge>alice 180 INVITE via=a1 tag=b1";
    assert_snapshot!(drawn(lines), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.1 (server) 
    | 10.0.0.2 (server clock +38 ms) 
    | bob (device A) 192.0.2.21:5060
    A: bob Open, rang 58 ms, 6 rows
         0 ms  A  #0 alice -> 10.0.0.1: INVITE
         1 ms  A  #1 10.0.0.1 -> 10.0.0.2: INVITE, 2 sightings 1 ms apart
         3 ms* A  #2 10.0.0.2 -> bob: INVITE
        58 ms* A  #2 bob -> 10.0.0.2: 180 INVITE
        59 ms* A  #1 10.0.0.2 -> 10.0.0.1: 180 INVITE, 2 sightings 1 ms apart
        61 ms  A  #0 10.0.0.1 -> alice: 180 INVITE
    ");
    let messages = story(lines);
    let drawn = flow(&messages);
    assert!(drawn.rows.iter().any(|row| row.repaired));
    assert_eq!(drawn.times[2].micros_since(messages[2].time), 38_000);
}

#[test]
fn clocks_that_show_nothing_impossible_are_left_alone() {
    let messages = story(
        "0 edge edge>core INVITE sip:bob@example.com via=e1,a1
         300 core edge>core INVITE sip:bob@example.com via=e1,a1
         301 core core>edge 100 INVITE via=e1,a1
         302 edge core>edge 100 INVITE via=e1,a1",
    );
    assert!(flow(&messages).rows.iter().all(|row| !row.repaired && row.sightings.len() == 1));
}

#[test]
fn a_response_logged_before_its_request_elsewhere_moves_the_later_source() {
    assert_snapshot!(drawn(
        "0 edge alice>edge INVITE sip:bob@example.com via=a1
         1 edge edge>core INVITE sip:bob@example.com via=e1,a1
         -40 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,e1,a1
         -10 core bob1>core 180 INVITE via=c1,e1,a1 tag=b1"
    ), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.1 (server) 
    | 10.0.0.2 (server clock +41 ms) 
    | bob (device A) 192.0.2.21:5060
    A: bob Open, rang 31 ms, 4 rows
         0 ms  A  #0 alice -> 10.0.0.1: INVITE
         1 ms  A  #1 10.0.0.1 -> 10.0.0.2: INVITE
         1 ms* A  #2 10.0.0.2 -> bob: INVITE
        31 ms* A  #2 bob -> 10.0.0.2: 180 INVITE
    ");
}

#[test]
fn of_one_millisecond_the_cause_stands_first() {
    assert_snapshot!(drawn(
        "0 core core>alice 200 INVITE via=a1 tag=b
         0 core core>alice 180 INVITE via=a1 tag=b
         0 core core>alice 100 INVITE via=a1
         0 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         0 core alice>core INVITE sip:bob@example.com via=a1"
    ), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | bob (device A silent) 192.0.2.21:5060
    A: bob Answered, rang 0 ms, 200 0 ms, 5 rows
         0 ms  A  #0 alice -> 10.0.0.2: INVITE
         0 ms  A  #0 10.0.0.2 -> alice: 100 INVITE
         0 ms  A  #0 10.0.0.2 -> alice: 180 INVITE
         0 ms  A  #0 10.0.0.2 -> alice: 200 INVITE
         0 ms  A  #1 10.0.0.2 -> bob: INVITE
    ");
}

#[test]
fn a_message_to_itself_stays_in_its_column() {
    assert_snapshot!(drawn(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>core INVITE sip:carol@example.com via=c1,a1
         2 core core>carol INVITE sip:carol@192.0.2.30:5060 via=c2,c1,a1 provisional"
    ), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | carol (device A silent) 192.0.2.30:5060
    A: carol Open, 3 rows
         0 ms  A  #0 alice -> 10.0.0.2: INVITE
         1 ms  A  #1 10.0.0.2 to itself: INVITE
         2 ms  A  #2 10.0.0.2 -> carol: INVITE, provisional
    ");
}

#[test]
fn a_retry_after_a_challenge_stays_on_its_leg() {
    assert_snapshot!(drawn(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>alice 407 INVITE via=a1 tag=p
         2 core alice>core ACK sip:bob@example.com via=a1 tag=p
         3 core alice>core INVITE sip:bob@example.com via=a2 cseq=2
         4 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a2 cseq=2
         5 core core>bob2 INVITE sip:bob@192.0.2.22:5060 via=c2,a2 cseq=2
         9 core bob2>core 486 INVITE via=c2,a2 cseq=2 tag=b2
         3000 core alice>core CANCEL sip:bob@example.com via=a2 cseq=2
         3001 core core>alice 487 INVITE via=a2 cseq=2 tag=p"
    ), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | bob 192.0.2.21 (device B1 silent) 192.0.2.21:5060
    | bob 192.0.2.22 (device B2) 192.0.2.22:5060
    A: sip:bob@example.com Cancelled, 487 3001 ms, 6 rows
    B1: bob 192.0.2.21 Unknown, 1 rows
    B2: bob 192.0.2.22 Refused(486), 486 4 ms, 2 rows
         0 ms  A  #0 alice -> 10.0.0.2: INVITE
         1 ms  A  #0 10.0.0.2 -> alice: 407 INVITE
         2 ms  A  #0 alice -> 10.0.0.2: ACK
         3 ms  A  #1 alice -> 10.0.0.2: INVITE
      -- fork at 10.0.0.2: B1 bob 192.0.2.21, B2 bob 192.0.2.22
         4 ms  B1 #2 10.0.0.2 -> bob 192.0.2.21: INVITE
         5 ms  B2 #3 10.0.0.2 -> bob 192.0.2.22: INVITE
         9 ms  B2 #3 bob 192.0.2.22 -> 10.0.0.2: 486 INVITE
      3000 ms  A  #1 alice -> 10.0.0.2: CANCEL
      3001 ms  A  #1 10.0.0.2 -> alice: 487 INVITE
    ");
}

#[test]
fn a_register_alone_is_the_trunk_of_its_own() {
    assert_snapshot!(drawn(
        "0 core bob1>core REGISTER sip:example.com via=r1 from=bob to=bob | User-Agent: Phone/1.2
         1 core core>bob1 401 REGISTER via=r1 from=bob to=bob tag=x
         2 core bob1>core REGISTER sip:example.com via=r2 from=bob to=bob cseq=2 | User-Agent: Phone/1.2
         3 core core>bob1 200 REGISTER via=r2 from=bob to=bob tag=x cseq=2"
    ), @r"
    | bob (device A) Phone/1.2
    | 10.0.0.2 (server) 
    A: sip:bob@example.com Answered, 200 3 ms, 4 rows
         0 ms  A  #0 bob -> 10.0.0.2: REGISTER
         1 ms  A  #0 10.0.0.2 -> bob: 401 REGISTER
         2 ms  A  #1 bob -> 10.0.0.2: REGISTER
         3 ms  A  #1 10.0.0.2 -> bob: 200 REGISTER
    ");
}

#[test]
fn a_machine_under_a_name_and_a_number_is_one_column() {
    assert_snapshot!(drawn(
        "0 edge alice>edge INVITE sip:bob@example.com via=a1
         1 edge edge>sip:core.example.com INVITE sip:bob@example.com via=e1,a1
         2 core sip:10.0.0.1:43210>core INVITE sip:bob@example.com via=e1,a1
         3 core core>bob1 INVITE sip:bob@192.0.2.21 via=c1,e1,a1"
    ), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.1 (server) 
    | core.example.com (server) 
    | bob (device A silent) 192.0.2.21:5060
    A: bob Open, 3 rows
         0 ms  A  #0 alice -> 10.0.0.1: INVITE
         1 ms  A  #1 10.0.0.1 -> core.example.com: INVITE, 2 sightings 1 ms apart
         3 ms  A  #2 core.example.com -> bob: INVITE
    ");
}

#[test]
fn strangers_of_one_network_share_a_column() {
    assert_snapshot!(drawn(
        "0 edge sip:203.0.113.7>edge OPTIONS sip:edge.example.com via=x1
         1 edge sip:203.0.113.9>edge OPTIONS sip:edge.example.com via=x2
         2 edge sip:198.51.100.9>edge OPTIONS sip:edge.example.com via=x3"
    ), @r"
    | outside: 203.0.113.0/24 (outside) 2 addresses
    | 10.0.0.1 (server) 
    | 198.51.100.9 (outside) outside
    A: sip:bob@example.com Unknown, 10.0.0.1 logs none of its answers, 3 rows
         0 ms  A  #0 outside: 203.0.113.0/24 -> 10.0.0.1: OPTIONS
         1 ms  A  #1 outside: 203.0.113.0/24 -> 10.0.0.1: OPTIONS
         2 ms  A  #2 198.51.100.9 -> 10.0.0.1: OPTIONS
    ");
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
    ), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.3 (server) 
    | fcm.example.net (outside) push
    | bob 192.0.2.21 (device B1 silent) 192.0.2.21:5060
    | bob 192.0.2.22 (device B2) 192.0.2.22:5060
    A: sip:bob@example.com Open, push refused 410, 3 rows
    B1: bob 192.0.2.21 Open, 1 rows
    B2: bob 192.0.2.22 Unreachable, 408 19 ms, 2 rows
         0 ms  A  #0 alice -> 10.0.0.3: INVITE
      -- fork at 10.0.0.3: B1 bob 192.0.2.21, B2 bob 192.0.2.22
         1 ms  B1 #1 10.0.0.3 -> bob 192.0.2.21: INVITE
         1 ms  B2 #2 10.0.0.3 -> bob 192.0.2.22: INVITE
        20 ms  B2 #2 bob 192.0.2.22 -> 10.0.0.3: 408 INVITE
        30 ms  A  #3 10.0.0.3 -> fcm.example.net: PUSH
        30 ms  A  #3 fcm.example.net -> 10.0.0.3: 410 PUSH
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

#[test]
fn machines_are_named_by_the_operator() {
    let messages = story("0 core alice>core INVITE sip:bob@example.com via=a1");
    let named = super::flow_named(&messages, &|source, address| {
        (source == "core" && address.host == "10.0.0.2").then(|| "proxy-1".to_owned())
    });
    assert_eq!(named.nodes[1].name, "proxy-1");
    assert_eq!(named.nodes[1].detail, "10.0.0.2");
}

#[test]
fn no_messages_are_no_picture() {
    let empty = flow(&[]);
    assert!(empty.rows.is_empty() && empty.nodes.is_empty() && empty.legs.is_empty());
}
