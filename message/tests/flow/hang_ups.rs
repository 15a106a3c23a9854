//! Who hung up, and how long a call without a BYE may be going on.

use message::flow::{By, End, flow};

use super::draw::tell;
use super::story::story;

const HOUR: i64 = 3600;

/// What is said of the call's end.
fn end(lines: &str) -> String {
    let messages = story(lines);
    let told = tell(&flow(&messages), &messages);
    let call = told.lines().next().unwrap_or_default();
    call.split_once(", ended by ").map_or(call, |(_, who)| who).to_owned()
}

/// Nobody has a log of the edge.
const BEHIND_EDGE: &str = "0 core edge>core INVITE sip:bob@example.com via=e1,a1
    1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,e1,a1
    900 core bob1>core 200 INVITE via=c1,e1,a1 tag=b1
    901 core core>edge 200 INVITE via=e1,a1 tag=b1
    910 core edge>core ACK sip:bob@192.0.2.21 via=e2,a2 tag=b1
    911 core core>bob1 ACK sip:bob@192.0.2.21 via=c2,e2,a2 tag=b1";

#[test]
fn a_proxy_that_passes_a_bye_on_did_not_hang_up() {
    let by_alice = "5000 core edge>core BYE sip:bob@192.0.2.21 via=e3,a3 tag=b1 cseq=2
        5001 core core>bob1 BYE sip:bob@192.0.2.21 via=c3,e3,a3 tag=b1 cseq=2";
    let by_bob = "5000 core bob1>core BYE sip:alice@192.0.2.10 via=b3 from=bob to=alice ftag=b1 tag=f
        5001 core core>edge BYE sip:alice@192.0.2.10 via=c3,b3 from=bob to=alice ftag=b1 tag=f";
    assert_eq!(end(&format!("{BEHIND_EDGE}\n{by_alice}")), "the user alice");
    assert_eq!(end(&format!("{BEHIND_EDGE}\n{by_bob}")), "bob");
    let nameless = format!("{BEHIND_EDGE}\n{by_alice}").replace(" via=", " from= via=");
    assert_eq!(end(&nameless), "nobody knows whom");
}

#[test]
fn the_device_that_hung_up_is_known_by_its_tag_where_its_own_hop_is_not_logged() {
    let call = "0 edge alice>edge INVITE sip:bob@example.com via=a1
        1 edge edge>core INVITE sip:bob@example.com via=e1,a1
        2 core edge>core INVITE sip:bob@example.com via=e1,a1
        3 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,e1,a1
        900 core bob1>core 200 INVITE via=c1,e1,a1 tag=b1
        901 core core>edge 200 INVITE via=e1,a1 tag=b1
        902 edge core>edge 200 INVITE via=e1,a1 tag=b1
        903 edge edge>alice 200 INVITE via=a1 tag=b1";
    let by_alice = "5000 core edge>core BYE sip:bob@192.0.2.21 via=e3,a3 tag=b1 cseq=2";
    let by_bob = "5000 edge core>edge BYE sip:alice@192.0.2.10 via=c3,b3 from=bob to=alice ftag=b1 tag=f";
    assert_eq!(end(&format!("{call}\n{by_alice}")), "alice");
    assert_eq!(end(&format!("{call}\n{by_bob}")), "bob");
}

/// The agent says goodbye to alice since somebody beyond the edge did so to it.
#[test]
fn who_hung_up_beyond_an_agent_and_a_proxy_without_a_log_is_the_user_of_that_side() {
    let lines = "0 agent alice>agent INVITE sip:bob@example.com via=a1
        3 agent agent>core INVITE sip:bob@example.com via=g1 call=call-b ftag=g | X-CID: call-a
        51 agent core>agent 200 INVITE via=g1 call=call-b ftag=g tag=b1
        52 agent agent>alice 200 INVITE via=a1 tag=g2
        5001 agent core>agent BYE sip:alice@10.0.0.3 via=c3,b3 call=call-b from=bob to=alice ftag=b1 tag=g cseq=2
        5002 agent agent>alice BYE sip:alice@192.0.2.10 via=g3 from=bob to=alice ftag=g2 tag=f cseq=2";
    assert_eq!(end(lines), "the user bob");
}

/// Seconds from the last message to where a BYE is missing.
#[track_caller]
fn open(lines: &str) -> i64 {
    let flow = flow(&story(lines));
    let connected = flow.course.first().and_then(|caller| caller.connected);
    let Some((_, End::Open { until })) = connected else { panic!("{connected:?}") };
    let last = flow.rows.iter().filter(|row| row.leg < 2).map(|row| row.time).max().unwrap();
    until.micros_since(last) / 1_000_000
}

fn answered(offer: &str, inner: &str, outer: &str) -> String {
    format!(
        "0 core alice>core INVITE sip:bob@example.com via=a1{offer}
         1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1{offer}
         900 core bob1>core 200 INVITE via=c1,a1 tag=b1{inner}
         901 core core>alice 200 INVITE via=a1 tag=b1{outer}"
    )
}

const HALF_AN_HOUR: &str = " | Session-Expires: 1800;refresher=uac";

#[test]
fn a_session_lives_as_long_as_its_last_answer_says() {
    assert_eq!(open(&answered(HALF_AN_HOUR, "", "")), 12 * HOUR, "an offer that was not taken is no timer");
    assert_eq!(open(&answered("", "", HALF_AN_HOUR)), 1800, "a proxy may keep the timer for the phone");
    let both = answered(HALF_AN_HOUR, HALF_AN_HOUR, HALF_AN_HOUR);
    let update = "60000 core alice>core UPDATE sip:bob@192.0.2.21 via=a5 tag=b1 cseq=2 | Session-Expires: 600
        60001 core core>bob1 UPDATE sip:bob@192.0.2.21 via=c5,a5 tag=b1 cseq=2 | Session-Expires: 600
        60002 core bob1>core 200 UPDATE via=c5,a5 tag=b1 cseq=2 | Session-Expires: 600
        60003 core core>alice 200 UPDATE via=a5 tag=b1 cseq=2 | Session-Expires: 600";
    assert_eq!(open(&format!("{both}\n{update}")), 600);
    let refused = "60000 core alice>core UPDATE sip:bob@192.0.2.21 via=a5 tag=b1 cseq=2 | Session-Expires: 600
        60003 core core>alice 422 UPDATE via=a5 tag=b1 cseq=2 | Session-Expires: 600";
    assert_eq!(open(&format!("{both}\n{refused}")), 1800);
    let ends = "60000 core bob1>core INVITE sip:alice@192.0.2.10 via=b5 from=bob to=alice ftag=b1 tag=f
        60003 core core>bob1 200 INVITE via=b5 from=bob to=alice ftag=b1 tag=f";
    assert_eq!(open(&format!("{both}\n{ends}")), 12 * HOUR, "the refresh gave the timer up");
}

#[test]
fn the_timer_of_one_call_is_none_of_another() {
    let other = "2000 core carol>core INVITE sip:bob@example.com via=d1 call=call-c from=carol ftag=d | X-CID: call-a
        2900 core core>carol 200 INVITE via=d1 call=call-c from=carol ftag=d tag=x | Session-Expires: 90";
    assert_eq!(open(&format!("{}\n{other}", answered("", "", ""))), 12 * HOUR);
}

/// Alice asks bob to call carol; what comes of it, and then alice hangs up. How the call ended, and whether a transfer is told.
fn handed_over(between: &str) -> (End, bool) {
    let call = answered("", "", "");
    let refer =
        "10000 core alice>core REFER sip:bob@192.0.2.21 via=a7 tag=b1 cseq=2 | Refer-To: <sip:carol@example.com>
        10001 core core>bob1 REFER sip:bob@192.0.2.21 via=c7,a7 tag=b1 cseq=2 | Refer-To: <sip:carol@example.com>";
    let bye = "30000 core alice>core BYE sip:bob@192.0.2.21 via=a8 tag=b1 cseq=9";
    let flow = flow(&story(&format!("{call}\n{refer}\n{between}\n{bye}")));
    (flow.course.callers[0].connected.unwrap().1, !flow.course.transfers.is_empty())
}

#[test]
fn a_caller_whose_transfer_came_to_nothing_did_not_leave_by_it() {
    let accepted = "10010 core bob1>core 202 REFER via=c7,a7 tag=b1 cseq=2\n";
    let notify = |at: u32, status: &str| {
        format!(
            "{at} core bob1>core NOTIFY sip:alice@192.0.2.10 via=n{at} from=bob to=alice ftag=b1 tag=f cseq={at} body=SIP/2.0_{status} | Event: refer | Content-Type: message/sipfrag\n"
        )
    };
    let (trying, busy, answered) = (notify(10_100, "100_Trying"), notify(12_000, "486_Busy"), notify(12_000, "200_OK"));
    let left = |between: &str| {
        let (end, told) = handed_over(between);
        let left = matches!(end, End::Transferred { .. });
        assert_eq!(left, told, "{between}");
        left
    };
    assert!(left(accepted) && left(&format!("{accepted}{trying}")), "nothing says that it was in vain");
    assert!(left(&format!("{accepted}{trying}{answered}")));
    assert!(!left("10010 core bob1>core 603 REFER via=c7,a7 tag=b1 cseq=2"));
    assert!(!left(&format!("{accepted}{trying}{busy}")));
    let again =
        "15000 core alice>core REFER sip:bob@192.0.2.21 via=a9 tag=b1 cseq=3 | Refer-To: <sip:dave@example.com>";
    assert!(left(&format!("{accepted}{trying}{busy}{again}")), "the last one counts");
}

/// Carol ends the call with alice whose place bob's has taken; alice then ends the one with bob herself.
#[test]
fn a_phone_that_is_hung_up_and_hangs_up_passes_nothing_on() {
    let flow = flow(&story(&format!(
        "{}
         2000 core alice>core INVITE sip:carol@example.com via=d1 call=call-c to=carol ftag=k
         2001 core core>carol INVITE sip:carol@192.0.2.30:5060 via=e1,d1 call=call-c to=carol ftag=k
         2900 core carol>core 200 INVITE via=e1,d1 call=call-c to=carol ftag=k tag=x
         2901 core core>alice 200 INVITE via=d1 call=call-c to=carol ftag=k tag=x
         8000 core alice>core REFER sip:bob@192.0.2.21 via=a7 tag=b1 cseq=2 | Refer-To: <sip:carol@example.com?Replaces=call-c%3Bto-tag%3Dx%3Bfrom-tag%3Dk>
         9000 core carol>core BYE sip:alice@192.0.2.10 via=d3 call=call-c from=carol to=alice ftag=x tag=k cseq=2
         9001 core core>alice BYE sip:alice@192.0.2.10 via=e3,d3 call=call-c from=carol to=alice ftag=x tag=k cseq=2
         9500 core alice>core BYE sip:bob@192.0.2.21 via=a8 tag=b1 cseq=3
         9501 core core>bob1 BYE sip:bob@192.0.2.21 via=c8,a8 tag=b1 cseq=3",
        answered("", "", "")
    )));
    let Some((_, End::Transferred { by: By::Node(by), .. })) = flow.course.callers[0].connected else {
        panic!("{:?}", flow.course)
    };
    assert_eq!(flow.nodes[by].name, "alice");
}

/// Neither the first hop of alice's INVITE nor that of carol's is logged.
#[test]
fn a_call_is_picked_up_though_first_hops_are_not_logged() {
    let flow = flow(&story(
        "0 edge edge>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         50 edge bob1>edge 180 INVITE via=c1,a1 tag=b1
         51 edge edge>alice 180 INVITE via=a1 tag=b1
         2001 edge edge>alice INVITE sip:alice@192.0.2.10 via=e1,d1 call=call-c from=carol to=alice ftag=k | Replaces: call-a;to-tag=f;from-tag=b1
         2900 edge alice>edge 200 INVITE via=e1,d1 call=call-c from=carol to=alice ftag=k tag=x
         2901 edge edge>carol 200 INVITE via=d1 call=call-c from=carol to=alice ftag=k tag=x
         2950 edge alice>edge CANCEL sip:bob@example.com via=a1
         2960 edge edge>alice 487 INVITE via=a1 tag=b1",
    ));
    let caller = flow.course.first().unwrap();
    assert_eq!(caller.result().map(|got| got.status), Some(200));
    let winner = caller.winner.as_ref().unwrap();
    assert_eq!(winner.node.map(|node| flow.nodes[node].name.as_str()), Some("192.0.2.30"));
    assert!(winner.picked_up.is_some());
}

/// What the caller got of that dialog is not logged.
#[test]
fn an_invite_in_place_of_a_dialog_that_was_answered_picks_nothing_up() {
    let flow = flow(&story(
        "0 edge alice>edge INVITE sip:bob@example.com via=a1
         1 edge edge>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         2 edge edge>alice 100 INVITE via=a1
         900 edge bob1>edge 200 INVITE via=c1,a1 tag=b1
         9000 edge carol>edge INVITE sip:alice@example.com via=d1 call=call-c from=carol to=alice ftag=k | Replaces: call-a;to-tag=f;from-tag=b1
         9001 edge edge>alice INVITE sip:alice@192.0.2.10 via=e1,d1 call=call-c from=carol to=alice ftag=k | Replaces: call-a;to-tag=f;from-tag=b1
         9900 edge alice>edge 200 INVITE via=e1,d1 call=call-c from=carol to=alice ftag=k tag=x
         9901 edge edge>carol 200 INVITE via=d1 call=call-c from=carol to=alice ftag=k tag=x",
    ));
    assert_eq!(flow.course.callers[0].winner.as_ref().and_then(|winner| winner.picked_up), None);
    assert_ne!(flow.course.callers[0].result().map(|got| got.time), Some(flow.rows[7].time));
}

/// Alice asks bob, who is a number, to call carol, who is another.
#[test]
fn a_call_goes_on_as_that_which_a_refer_asked_for_however_its_numbers_are_written() {
    let call = answered("", "", "").replace(" via=", " to=+493012345 via=");
    let refer = "10000 core bob1>core REFER sip:alice@192.0.2.10 via=b7 from=+493012345 to=alice ftag=b1 tag=f | Refer-To: <sip:%2B493055555@example.com>
        10100 core alice>core INVITE sip:0049-30-55555@example.com via=d1 call=call-c from=ALICE to=004930 ftag=d
        11000 core core>alice 200 INVITE via=d1 call=call-c from=ALICE to=004930 ftag=d tag=x
        20000 core bob1>core BYE sip:alice@192.0.2.10 via=b8 from=+493012345 to=alice ftag=b1 tag=f cseq=3
        60000 core alice>core BYE sip:carol@192.0.2.30 via=d3 call=call-c from=ALICE to=004930 ftag=d tag=x cseq=2";
    let flow = flow(&story(&format!("{call}\n{refer}")));
    let Some((answered, End::Bye { time, .. })) = flow.course.callers[0].connected else { panic!("{:?}", flow.course) };
    assert_eq!(time.micros_since(answered) / 1_000_000, 59);
}
