//! Calls whose course an expert wrote down before anything was looked at (`tests/cases/calls`), drawn as text.

use insta::assert_snapshot;
use message::flow::flow;

use super::case::case;
use super::draw::tell;

/// What happened in a case.
pub fn told(name: &str) -> String {
    let messages = case(name);
    tell(&flow(&messages), &messages)
}

#[test]
fn a_plain_call() {
    assert_snapshot!(told("01-basic"), @"
    A: alice -> bob, 200 OK after 4002 ms, rang 56 ms by B1 bob, lasted 29998 ms, ended by alice
    A: sip:bob@example.com Answered, rang 56 ms, 200 4002 ms, 14 rows
    B1: bob Answered, rang 50 ms, 200 3996 ms, 6 rows
    ");
}

#[test]
fn a_busy_phone_and_one_that_answers() {
    assert_snapshot!(told("05-fork-busy-answer"), @"
    A: alice -> bob, 200 OK after 5002 ms, rang 56 ms by B2 bob JsSIP, lasted 14998 ms, ended by bob JsSIP
    A: sip:bob@example.com Answered, rang 56 ms, 200 5002 ms, 16 rows
    B1: bob Yealink Refused(486), rang 50 ms, 486 1996 ms, 4 rows
    B2: bob JsSIP Answered, rang 89 ms, 200 4995 ms, 6 rows
    ");
}

#[test]
fn three_phones_of_which_one_answers() {
    assert_snapshot!(told("06-answered-elsewhere"), @"
    A: alice -> bob, 200 OK after 6002 ms, rang 56 ms by B3 bob OneNumber, lasted 53998 ms, ended by bob OneNumber
    A: sip:bob@example.com Answered, rang 56 ms, 200 6002 ms, 18 rows
    B1: bob Yealink AnsweredElsewhere, rang 50 ms, 487 6032 ms, 6 rows
    B2: bob JsSIP AnsweredElsewhere, rang 89 ms, 487 6032 ms, 6 rows
    B3: bob OneNumber Answered, rang 128 ms, 200 5994 ms, 6 rows
    ");
}

#[test]
fn two_phones_that_answer_at_once() {
    assert_snapshot!(told("07-two-2xx"), @"
    A: alice -> bob, 200 OK after 5002 ms, rang 56 ms by B1 bob Yealink, lasted 24998 ms, ended by alice
    A: sip:bob@example.com Answered, rang 56 ms, 200 5002 ms, 24 rows
    B1: bob Yealink Answered, rang 50 ms, 200 4996 ms, 6 rows
    B2: bob JsSIP AnsweredTooHungUp, rang 89 ms, 200 5015 ms, 8 rows
    ");
}

#[test]
fn a_phone_woken_by_a_push_answers() {
    assert_snapshot!(told("08-late-fork-push"), @"
    A: alice -> bob, 200 OK after 9002 ms, rang 116 ms by B2 bob OneNumber, lasted 30998 ms, ended by alice
    A: sip:bob@example.com Answered, rang 116 ms, 200 9002 ms, 20 rows
    B1: bob Yealink AnsweredElsewhere, rang 52 ms, 487 8974 ms, 6 rows
    B2: bob OneNumber Answered, rang 4214 ms, 200 8918 ms, woke 4082 ms, 16 rows
    ");
}

#[test]
fn a_phone_that_never_wakes() {
    assert_snapshot!(told("09-push-never-wakes"), @"
    A: alice -> bob, 480 Temporarily Unavailable after 20000 ms
    A: sip:bob@example.com Refused(480), 480 20000 ms, 10 rows
    B1: apns …7e8f90 NotInvited, never woke, 2 rows
    ! refused 480: 20000 ms  A  #0 192.0.2.1 -> alice: 480 INVITE
    ");
}

#[test]
fn a_push_that_is_refused() {
    assert_snapshot!(told("10-push-410"), @"
    A: alice -> bob, 480 Temporarily Unavailable after 20029 ms, rang 56 ms
    A: sip:bob@example.com Refused(480), rang 56 ms, 480 20029 ms, 12 rows
    B1: bob RangOut, rang 52 ms, 487 20020 ms, 6 rows
    B2: apns …7e8f90 NotInvited, push refused 410, 2 rows
    ! refused 410: 174 ms* B2 #4 api.push.apple.com -> 192.0.2.20: 410
    ! refused 480: 20029 ms  A  #0 192.0.2.1 -> alice: 480 INVITE
    ");
}

#[test]
fn a_look_up_that_is_refused() {
    assert_snapshot!(told("11-rest-403"), @"
    A: alice -> bob, 403 Forbidden after 64 ms
    A: sip:bob@example.com Refused(403), 403 64 ms, 10 rows
    ! refused 401: 54 ms  A  #2 192.0.2.40 -> 192.0.2.7: 401
    ! refused 403: 64 ms* A  #0 192.0.2.1 -> alice: 403 INVITE
    ");
}

#[test]
fn a_look_up_without_an_answer() {
    assert_snapshot!(told("12-rest-timeout"), @"
    A: alice -> bob, 500 Server Internal Error after 5004 ms
    A: sip:bob@example.com Refused(500), 500 5004 ms, 9 rows
    ! not answered, sent 1 times: 2 ms  A  #2 192.0.2.7 -> 192.0.2.40: GET, after 30000 ms
    ! refused 500: 5004 ms* A  #0 192.0.2.1 -> alice: 500 INVITE
    ");
}

#[test]
fn a_phone_that_declines_for_all() {
    assert_snapshot!(told("13-dnd"), @"
    A: alice -> bob, 603 Decline after 352 ms, rang 96 ms
    A: sip:bob@example.com Refused(603), rang 96 ms, 603 352 ms, 10 rows
    B1: bob 198.51.100.23 Refused(603), 603 296 ms, 3 rows
    B2: bob 198.51.100.22 ReleasedByRefusal, rang 89 ms, 487 330 ms, 6 rows
    ! refused 603: 352 ms* A  #0 192.0.2.1 -> alice: 603 INVITE
    ");
}

#[test]
fn a_second_call_that_waits() {
    assert_snapshot!(told("14-call-waiting"), @"
    A: alice -> bob, 200 OK after 3002 ms, rang 56 ms by B1 bob, lasted 66998 ms, ended by alice
    C: 200 OK after 5002 ms, queued 36 ms, rang 56 ms by C1 bob, lasted 14998 ms, ended by carol
    A: sip:bob@example.com Answered, rang 56 ms, 200 3002 ms, 26 rows
    B1: bob Answered, rang 50 ms, 200 2996 ms, 12 rows
    C: sip:bob@example.com Answered, rang 56 ms, 200 5002 ms, 16 rows
    C1: bob Answered, rang 50 ms, 200 4996 ms, 7 rows
    ");
}

#[test]
fn a_blind_transfer() {
    assert_snapshot!(told("15-blind-transfer"), @"
    A: alice -> bob, 200 OK after 3002 ms, rang 56 ms by B1 bob, lasted 46998 ms, ended by alice
    C: 200 OK after 2902 ms, rang 56 ms by C1 carol, lasted 31998 ms, ended by alice
    A: sip:bob@example.com Answered, rang 56 ms, 200 3002 ms, 26 rows
    B1: bob Answered, rang 50 ms, 200 2996 ms, 12 rows
    C: sip:carol@example.com Answered, rang 56 ms, 200 2902 ms, 14 rows
    C1: carol Answered, rang 50 ms, 200 2896 ms, 6 rows
    ");
}

#[test]
fn an_attended_transfer() {
    assert_snapshot!(told("16-attended-transfer"), @"
    A: alice -> bob, 200 OK after 3002 ms, rang 56 ms by B1 bob, lasted 86998 ms, ended by alice
    C: 200 OK after 3002 ms, rang 56 ms by C1 carol, transferred after 7348 ms, ended by carol
    D: 200 OK after 202 ms by D1 carol, lasted 59698 ms, ended by alice
    A: sip:bob@example.com Answered, rang 56 ms, 200 3002 ms, 22 rows
    B1: bob Answered, rang 50 ms, 200 2996 ms, 10 rows
    C: sip:carol@example.com Answered, rang 56 ms, 200 3002 ms, 14 rows
    C1: carol Answered, rang 50 ms, 200 2996 ms, 6 rows
    D: sip:carol@example.com Answered, 200 202 ms, 12 rows
    D1: carol Answered, 200 196 ms, 5 rows
    ");
}

#[test]
fn a_call_that_is_forwarded() {
    assert_snapshot!(told("17-cf-181"), @"
    A: alice -> bob, 200 OK after 4002 ms, forwarded 14 ms, rang 86 ms, to carol by B1 carol, lasted 15998 ms, ended by alice
    A: sip:bob@example.com Answered, rang 86 ms, 200 4002 ms, 16 rows
    B1: carol Answered, rang 62 ms, 200 3978 ms, 6 rows
    ");
}

#[test]
fn a_back_to_back_agent_with_one_phone() {
    assert_snapshot!(told("19-b2bua-xcid"), @"
    A: alice -> bob, 200 OK after 4006 ms, rang 77 ms by B1 bob, lasted 25994 ms, ended by alice
    A: sip:bob@example.com Answered, rang 77 ms, 200 4006 ms, 21 rows
    B1: bob Answered, rang 52 ms, 200 3981 ms, 6 rows
    ");
}

#[test]
fn a_phone_that_leaves() {
    assert_snapshot!(told("25-deregister"), @"A: sip:bob@example.com Answered, 200 7 ms, 4 rows");
}

#[test]
fn a_text_message() {
    assert_snapshot!(told("27-message"), @"A: sip:bob@example.com Answered, 200 28 ms, 6 rows");
}

#[test]
fn two_holds_that_cross() {
    assert_snapshot!(told("30-glare-491"), @"
    A: alice -> bob, 200 OK after 3002 ms, rang 56 ms by B1 bob, lasted 26998 ms, ended by alice
    A: sip:bob@example.com Answered, rang 56 ms, 200 3002 ms, 32 rows
    B1: bob Answered, rang 50 ms, 200 2996 ms, 15 rows
    ");
}

#[test]
fn a_bye_without_an_answer() {
    assert_snapshot!(told("32-bye-noanswer"), @"
    A: alice -> bob, 200 OK after 3002 ms, rang 56 ms by B1 bob, lasted 16998 ms, ended by alice
    A: sip:bob@example.com Answered, rang 56 ms, 200 3002 ms, 12 rows
    B1: bob Answered, rang 50 ms, 200 2996 ms, 5 rows
    ! not answered, sent 11 times: 20002 ms  B1 #6 192.0.2.7 -> bob: BYE, x11 over 31500 ms
    ");
}

#[test]
fn a_proxy_that_fails_over() {
    assert_snapshot!(told("34-failover"), @"
    A: alice -> bob, 200 OK after 3002 ms, rang 67 ms by B2 bob, lasted 16998 ms, ended by alice
    A: sip:bob@example.com Answered, rang 67 ms, 200 3002 ms, 7 rows
    B1: sip:bob@example.com Refused(503), 503 4 ms, 3 rows
    B2: bob Answered, rang 54 ms, 200 2989 ms, 12 rows
    ");
}

#[test]
fn a_call_between_regions() {
    assert_snapshot!(told("39-inter-region"), @"
    A: alice -> bob, 200 OK after 9037 ms, rang 3213 ms by B1 bob, lasted 30963 ms, ended by alice
    A: sip:bob@region-b.example.com Answered, rang 3213 ms, 200 9037 ms, 24 rows
    B1: bob Answered, rang 3066 ms, 200 8890 ms, woke 2932 ms, 12 rows
    ");
}

#[test]
fn an_answer_without_an_ack() {
    assert_snapshot!(told("40-no-ack"), @"
    A: alice -> bob, 200 OK after 3002 ms, rang 56 ms by B1 bob, lasted 31998 ms, ended by bob
    A: sip:bob@example.com Answered, rang 56 ms, 200 3002 ms, 12 rows
    B1: bob Answered, rang 50 ms, 200 2996 ms, 5 rows
    ! no ACK, sent 11 times: 3000 ms  B1 #2 bob -> 192.0.2.7: 200 INVITE sdp, x11 over 31500 ms
    ");
}

#[test]
fn a_phone_that_rings_on() {
    assert_snapshot!(told("41-still-ringing"), @"
    A: alice -> bob, 200 OK after 5002 ms, rang 56 ms by B1 bob Yealink, lasted 24998 ms, ended by alice
    A: sip:bob@example.com Answered, rang 56 ms, 200 5002 ms, 18 rows
    B1: bob Yealink Answered, rang 50 ms, 200 4996 ms, 6 rows
    B2: bob JsSIP StillRinging, rang 89 ms, 4 rows
    ! not answered, sent 4 times: 5001 ms  B2 #3 192.0.2.7 -> bob JsSIP: CANCEL, x4 over 3500 ms, after 32000 ms
    ! still ringing: 9000 ms  B2 #3 bob JsSIP -> 192.0.2.7: 180 INVITE
    ");
}

#[test]
fn an_answer_that_a_proxy_loses() {
    assert_snapshot!(told("43-answer-lost"), @"
    A: alice -> bob, 500 Server Internal Error after 4200 ms, rang 56 ms
    A: sip:bob@example.com Refused(500), rang 56 ms, 500 4200 ms, 10 rows
    B1: bob AnswerLost, rang 50 ms, 200 3996 ms, 3 rows
    ! the answer was lost: 4000 ms  B1 #2 bob -> 192.0.2.7: 200 INVITE sdp
    ! refused 500: 4200 ms* A  #0 192.0.2.1 -> alice: 500 INVITE
    ");
}

#[test]
fn a_back_to_back_agent_with_three_phones() {
    assert_snapshot!(told("61-b2bua-fork"), @"
    A: alice -> bob, 200 OK after 6006 ms, rang 74 ms by B3 bob OneNumber, lasted 33994 ms, ended by alice
    A: sip:bob@example.com Answered, rang 74 ms, 200 6006 ms, 14 rows
    B1: bob Yealink AnsweredElsewhere, rang 52 ms, 487 6042 ms, 12 rows
    B2: bob JsSIP AnsweredElsewhere, rang 81 ms, 487 6041 ms, 12 rows
    B3: bob OneNumber Answered, rang 110 ms, 200 5986 ms, 12 rows
    ");
}

#[test]
fn a_refused_push_to_another_phone() {
    assert_snapshot!(told("63-push-410-other"), @"
    A: alice -> bob, 480 Temporarily Unavailable after 20029 ms, rang 56 ms
    A: sip:bob@example.com Refused(480), rang 56 ms, 480 20029 ms, 12 rows
    B1: bob RangOut, rang 52 ms, 487 20020 ms, 6 rows
    B2: urn:uuid:00000000-0000-4000-8000-000000000003 NotInvited, push refused 410, 2 rows
    ! refused 410: 362 ms  B2 #3 api.push.apple.com -> 192.0.2.20: 410 PUSH
    ! refused 480: 20029 ms* A  #0 192.0.2.1 -> alice: 480 INVITE
    ");
}

#[test]
fn a_phone_that_wakes_and_is_silent() {
    assert_snapshot!(told("64-woke-no-response"), @"
    A: alice -> bob, 480 Temporarily Unavailable after 20100 ms, rang 56 ms
    A: sip:bob@example.com Refused(480), rang 56 ms, 480 20100 ms, 12 rows
    B1: bob Yealink RangOut, rang 52 ms, 487 20030 ms, 6 rows
    B2: bob OneNumber Unreachable, woke 3642 ms, 11 rows
    ! not answered, sent 5 times: 4064 ms  B2 #8 192.0.2.7 -> bob OneNumber: INVITE sdp, x5 over 7500 ms, after 48036 ms
    ! refused 480: 20100 ms* A  #0 192.0.2.1 -> alice: 480 INVITE
    ");
}

#[test]
fn an_answer_that_is_not_passed_on() {
    assert_snapshot!(told("70-answer-not-passed-on"), @"
    A: alice -> bob, 487 Request Terminated after 8008 ms, rang 56 ms, cancelled 8000 ms
    A: sip:bob@example.com Cancelled, rang 56 ms, 487 8008 ms, 11 rows
    B1: bob AnswerLost, rang 50 ms, 200 3996 ms, 3 rows
    ! the answer was lost: 4000 ms  B1 #2 bob -> 192.0.2.7: 200 INVITE sdp
    ");
}

#[test]
fn an_edge_that_logs_requests_alone() {
    assert_snapshot!(told("71-edge-requests-only"), @"
    A: alice -> bob, 200 OK after 3998 ms, rang 52 ms by B1 bob, lasted 30002 ms, ended by alice
    A: sip:bob@example.com Answered, rang 52 ms, 200 3998 ms, 10 rows
    B1: bob Answered, rang 50 ms, 200 3996 ms, 6 rows
    ");
}

#[test]
fn a_caller_who_gives_up() {
    assert_snapshot!(told("75-fork-caller-cancels"), @"
    A: alice -> bob, 487 Request Terminated after 20100 ms, rang 56 ms, cancelled 20000 ms
    A: sip:bob@example.com Cancelled, rang 56 ms, 487 20100 ms, 16 rows
    B1: bob Yealink Cancelled, rang 50 ms, 487 20034 ms, 6 rows
    B2: bob JsSIP Cancelled, rang 89 ms, 487 20033 ms, 6 rows
    ");
}

#[test]
fn two_pushes_side_by_side() {
    assert_snapshot!(told("82-push-parallel"), @"
    A: alice -> bob, 200 OK after 6002 ms, rang 2606 ms by B2 bob 198.51.100.25, lasted 23998 ms, ended by alice
    A: sip:bob@example.com Answered, rang 2606 ms, 200 6002 ms, 16 rows
    B1: bob 198.51.100.21 CancelUnanswered, push refused 410, 4 rows
    B2: bob 198.51.100.25 Answered, rang 2422 ms, 200 5818 ms, woke 2422 ms, 8 rows
    ! refused 410: 474 ms  B1 #2 api.push.apple.com -> 192.0.2.20: 410
    ! not answered, sent 1 times: 2002 ms  B1 #4 192.0.2.7 -> bob 198.51.100.21: INVITE sdp, after 36000 ms
    ! not answered, sent 1 times: 6008 ms  B1 #4 192.0.2.7 -> bob 198.51.100.21: CANCEL, after 32000 ms
    ");
}

#[test]
fn two_pushes_as_exchanges() {
    assert_snapshot!(told("83-push-exchange"), @"
    A: alice -> bob, 200 OK after 6002 ms, rang 2606 ms by B1 bob 198.51.100.25, lasted 23998 ms, ended by alice
    A: sip:bob@example.com Answered, rang 2606 ms, 200 6002 ms, 16 rows
    B1: bob 198.51.100.25 Answered, rang 2382 ms, 200 5778 ms, woke 2382 ms, 8 rows
    B2: bob 198.51.100.21 CancelUnanswered, push refused 410, 4 rows
    ! refused 410: 472 ms  B2 #3 api.push.apple.com -> 192.0.2.20: 410 PUSH
    ! not answered, sent 1 times: 2002 ms  B2 #4 192.0.2.7 -> bob 198.51.100.21: INVITE sdp, after 36000 ms
    ! not answered, sent 1 times: 6008 ms  B2 #4 192.0.2.7 -> bob 198.51.100.21: CANCEL, after 32000 ms
    ");
}

#[test]
fn a_phone_that_wakes_on_the_second_push() {
    assert_snapshot!(told("84-push-twice-wakes"), @"
    A: alice -> bob, 200 OK after 10002 ms, rang 7097 ms by B1 bob, lasted 19998 ms, ended by alice
    A: sip:bob@example.com Answered, rang 7097 ms, 200 10002 ms, 16 rows
    B1: bob Answered, rang 6833 ms, 200 9738 ms, woke 1742 ms, 14 rows
    ");
}

/// Who left, who stayed and who came.
fn transfers(name: &str) -> Vec<String> {
    let flow = flow(&case(name));
    flow.transfers().map(|of| format!("{} -{}-> {}", of.whom, of.by, of.to)).collect()
}

#[test]
fn a_transfer_is_told_once_with_who_left_and_who_came() {
    assert_eq!(transfers("15-blind-transfer"), ["alice -bob-> carol"]);
    assert_eq!(transfers("16-attended-transfer"), ["alice -bob-> carol"]);
    assert_eq!(transfers("01-basic"), [""; 0]);
}
