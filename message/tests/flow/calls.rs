//! Calls from the first INVITE to the last BYE, and what stands alone.

use insta::assert_snapshot;
use message::flow::flow;

use super::draw::drawn;

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
    ), @"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.1 (server) 
    | 10.0.0.2 (server) 
    | api.example.com (outside) REST
    | bob (device B1) 192.0.2.21:5060
    A: sip:bob@example.com Answered, rang 63 ms, 200 902 ms, 13 rows
    B1: bob Answered, rang 56 ms, 200 896 ms, 5 rows
         0 ms  A  #0 alice -> 10.0.0.1: INVITE
         1 ms  A  #1 10.0.0.1 -> 10.0.0.2: INVITE, 2 sightings 1 ms apart
         2 ms  A  #1 10.0.0.2 -> 10.0.0.1: 100 INVITE
         3 ms  A  #2 10.0.0.2 -> api.example.com: POST
         3 ms  A  #2 api.example.com -> 10.0.0.2: 200 POST
         4 ms  B1 #3 10.0.0.2 -> bob: INVITE
        60 ms  B1 #3 bob -> 10.0.0.2: 180 INVITE
        61 ms  A  #1 10.0.0.2 -> 10.0.0.1: 180 INVITE, 2 sightings 1 ms apart
        63 ms  A  #0 10.0.0.1 -> alice: 180 INVITE
       900 ms  B1 #3 bob -> 10.0.0.2: 200 INVITE
       901 ms  A  #1 10.0.0.2 -> 10.0.0.1: 200 INVITE
       902 ms  A  #0 10.0.0.1 -> alice: 200 INVITE
       910 ms  A  #4 alice -> 10.0.0.1: ACK
       911 ms  A  #4 10.0.0.1 -> 10.0.0.2: ACK
       912 ms  B1 #4 10.0.0.2 -> bob: ACK
      5000 ms  B1 #5 bob -> 10.0.0.2: BYE
      5001 ms  A  #6 10.0.0.1 -> alice: BYE
      5002 ms  A  #6 alice -> 10.0.0.1: 200 BYE
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
    ), @"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | bob (device B1) 192.0.2.21:5060
    A: sip:bob@example.com Answered, 200 45 ms, 6 rows
    B1: bob Answered, 200 42 ms, 5 rows
         0 ms  A  #0 alice -> 10.0.0.2: INVITE
         1 ms  B1 #1 10.0.0.2 -> bob: INVITE
        40 ms  A  #0 alice -> 10.0.0.2: CANCEL
        41 ms  A  #0 10.0.0.2 -> alice: 200 CANCEL
        42 ms  B1 #1 10.0.0.2 -> bob: CANCEL
        43 ms  B1 #1 bob -> 10.0.0.2: 200 INVITE [CANCEL crossed 200]
        44 ms  B1 #1 bob -> 10.0.0.2: 200 CANCEL
        45 ms  A  #0 10.0.0.2 -> alice: 200 INVITE [CANCEL crossed 200]
        46 ms  A  #2 alice -> 10.0.0.2: ACK
        47 ms  B1 #2 10.0.0.2 -> bob: ACK
        48 ms  A  #3 alice -> 10.0.0.2: BYE
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
    ), @"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | bob 192.0.2.21 (device B1 silent) 192.0.2.21:5060
    | bob 192.0.2.22 (device B2) 192.0.2.22:5060
    A: sip:bob@example.com Cancelled, 487 3001 ms, 6 rows
    B1: bob 192.0.2.21 Unreachable, 1 rows
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
    ), @"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.3 (server) 
    | 10.0.0.2 (server) 
    | bob 192.0.2.21 (device B1) 192.0.2.21:5060
    | bob 192.0.2.22 (device B2 silent) 192.0.2.22:5060
    A: sip:bob@example.com Answered, 200 52 ms, 4 rows
    B1: bob 192.0.2.21 Answered, 200 45 ms, 2 rows
    B2: bob 192.0.2.22 Unreachable, 1 rows
         0 ms  A  #0 alice -> 10.0.0.3: INVITE
         3 ms  A  #1 10.0.0.3 -> 10.0.0.2: INVITE, 2 sightings 1 ms apart
      -- fork at 10.0.0.2: B1 bob 192.0.2.21, B2 bob 192.0.2.22
         5 ms  B1 #2 10.0.0.2 -> bob 192.0.2.21: INVITE
         5 ms  B2 #3 10.0.0.2 -> bob 192.0.2.22: INVITE
        50 ms  B1 #2 bob 192.0.2.21 -> 10.0.0.2: 200 INVITE
        51 ms  A  #1 10.0.0.2 -> 10.0.0.3: 200 INVITE
        52 ms  A  #0 10.0.0.3 -> alice: 200 INVITE
    ");
}

#[test]
fn no_messages_are_no_picture() {
    let empty = flow(&[]);
    assert!(empty.rows.is_empty() && empty.nodes.is_empty() && empty.legs.is_empty());
}
