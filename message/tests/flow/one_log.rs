//! Cases of one log each (`tests/cases/calls-one-log`), drawn as text: what one machine alone says of a call.

use std::sync::Arc;

use insta::assert_snapshot;
use message::flow::{Node, NodeKind, flow};
use message::gist::Gist;
use message::learned::Learned;
use message::logged::{Message, Place};
use message::machine::Learner;
use record::time::Timestamp;

use super::case::case;
use super::cases::told;

#[test]
fn a_push_sent_in_chunks() {
    assert_snapshot!(told("39-chunked-json"), @"
    A: alice -> bob, 486 Busy Here after 2010 ms, rang 10 ms
    A: sip:bob@example.com Refused(486), rang 10 ms, 486 2010 ms, 6 rows
    ! refused 486: 2030 ms  A  #1 192.0.2.20 -> alice: 486 INVITE
    ");
}

#[test]
fn two_early_dialogs_on_one_branch() {
    assert_snapshot!(told("45-forked-prack"), @"
    A: alice -> bob, 200 OK after 2060 ms, rang 10 ms by B2 sip:bob@example.com, lasted 9010 ms, ended by alice
    A: sip:bob@example.com Answered, rang 10 ms, 200 2060 ms, 1 rows
    B1: sip:bob@example.com RangEndNotLogged, rang 10 ms, 3 rows
    B2: sip:bob@example.com Answered, rang 20 ms, 200 2060 ms, 7 rows
    ");
}

#[test]
fn two_answers_on_one_branch() {
    assert_snapshot!(told("46-two-200"), @"
    A: alice -> bob, 200 OK after 1020 ms, rang 10 ms by B1 sip:bob@example.com, lasted 30042 ms, ended by alice
    A: sip:bob@example.com Answered, rang 10 ms, 200 1020 ms, 1 rows
    B1: sip:bob@example.com Answered, rang 10 ms, 200 1020 ms, 5 rows
    B2: sip:bob@example.com AnsweredTooHungUp, rang 20 ms, 200 1022 ms, 5 rows
    ");
}

#[test]
fn a_call_that_is_picked_up() {
    assert_snapshot!(told("49-pickup-replaces"), @"
    A: alice -> bob, 200 OK after 2020 ms, rang 10 ms, cancelled 2040 ms by C sip:alice@example.com, picked up from B1 sip:bob@example.com, no BYE yet
    C: 200 OK after 10 ms by C sip:alice@example.com, no BYE yet
    A: sip:bob@example.com Answered, rang 10 ms, 200 2020 ms, 6 rows
    B1: sip:bob@example.com PickedUp(2), rang 10 ms, 487 2060 ms, 0 rows
    C: sip:alice@example.com Answered, 200 10 ms, 3 rows
    ");
}

#[test]
fn a_cancel_from_another_port() {
    assert_snapshot!(told("50-nat-cancel"), @"
    A: alice -> bob, 487 Request Terminated after 2030 ms, rang 10 ms, cancelled 2010 ms
    A: sip:bob@example.com Cancelled, rang 10 ms, 487 2030 ms, 6 rows
    ");
}

#[test]
fn two_calls_under_one_call_id() {
    assert_snapshot!(told("60-callid-reuse"), @"
    A: alice -> bob, 200 OK after 10 ms; then 486 Busy Here after 4010 ms, rang 10 ms
    A: sip:bob@example.com Refused(486), rang 10 ms, 486 4010 ms, 9 rows
    ! refused 486: 34040 ms  A  #3 192.0.2.20 -> alice: 486 INVITE
    ");
}

#[test]
fn a_call_whose_invite_is_not_logged() {
    assert_snapshot!(told("61-invite-missing"), @"
    A: alice -> bob, 200 OK after ?, rang ? by A sip:bob@example.com, lasted 4010 ms, ended by 192.0.2.10
    A: sip:bob@example.com Answered, rang 10 ms, 200 2010 ms, 6 rows
    ");
}

#[test]
fn a_cancel_with_two_reasons() {
    assert_snapshot!(told("66-reason-two-headers"), @"
    A: alice -> bob, 487 Request Terminated after 40 ms, rang 10 ms, cancelled 20 ms
    A: sip:bob@example.com AnsweredElsewhere, rang 10 ms, 487 40 ms, 5 rows
    ");
}

#[test]
fn a_queue_that_connects_two_agents() {
    assert_snapshot!(told("71-b2bua-second-agent"), @"
    A: alice -> bob, 200 OK after 2040 ms, rang 30 ms by B1 sip:agent1@example.com, lasted 592060 ms, ended by alice
    A: sip:bob@example.com Answered, rang 30 ms, 200 2040 ms, 6 rows
    B1: sip:agent1@example.com Answered, rang 10 ms, 200 2010 ms, 6 rows
    B2: sip:agent2@example.com ConnectedAfter(32050000), rang 10 ms, 200 2010 ms, 6 rows
    ");
}

#[test]
fn an_agent_behind_a_peer_is_named_as_the_one_who_answered() {
    let gist = Gist::of(&flow(&case("71-b2bua-second-agent")), Timestamp(i64::MAX)).unwrap();
    assert_eq!(gist.answered_by.as_deref(), Some("agent1"), "and not whom the caller asked for");
}

#[test]
fn presence_and_chat() {
    assert_snapshot!(told("96-pidf-and-chat"), @"
    A: sip:alice@example.com Answered, 200 10 ms, 2 rows
    C: sip:bob@example.com Answered, 200 10 ms, 2 rows
    ");
}

#[test]
fn an_exchange_that_writes_the_log() {
    assert_snapshot!(told("b2bua"), @"
    A: alice -> bob, 200 OK after 2000 ms, rang 100 ms by A sip:bob@10.0.0.1, lasted 7000 ms, ended by alice
    C: 200 OK after 2000 ms, rang 100 ms by C1 bob, lasted 7000 ms, ended by 10.0.0.1
    A: sip:bob@10.0.0.1 Answered, rang 100 ms, 200 2000 ms, 6 rows
    C: sip:bob@10.0.0.3:5060 Answered, rang 100 ms, 200 2000 ms, 6 rows
    C1: bob Answered, rang 100 ms, 200 2000 ms, 0 rows
    ");
}

#[test]
fn a_chain_of_proxies_in_one_log() {
    assert_snapshot!(told("chain5"), @"
    A: five -> callee5, 200 OK after 3025 ms, rang 1025 ms by B1 callee5, lasted 5975 ms, ended by five
    A: sip:callee5@example.com Answered, rang 1025 ms, 200 3025 ms, 18 rows
    B1: callee5 Answered, rang 995 ms, 200 2995 ms, 6 rows
    ");
}

#[test]
fn message_and_publish() {
    assert_snapshot!(told("message-publish"), @"
    A: sip:bob@ex.com Answered, 200 10 ms, 2 rows
    C: sip:alice@ex.com Refused(489), 489 10 ms, 2 rows
    ! refused 489: 1010 ms  C  #1 10.0.0.1 -> alice: 489 PUBLISH
    ");
}

#[test]
fn no_content_length() {
    assert_snapshot!(told("no-content-length"), @"
    A: alice -> bob, 200 OK after 2000 ms, rang 1000 ms by A sip:bob@10.0.0.3, lasted 2000 ms, ended by alice
    A: sip:bob@10.0.0.3 Answered, rang 1000 ms, 200 2000 ms, 6 rows
    ");
}

#[test]
fn a_call_known_by_its_refusal() {
    assert_snapshot!(told("response-only"), @"
    A: alice -> bob, 486 Busy Here after ?
    A: sip:bob@ex.com Refused(486), 486 0 ms, 1 rows
    ! refused 486: 0 ms  A  #0 10.0.0.1 -> 10.0.0.2: 486 INVITE
    ");
}

#[test]
fn a_clock_that_steps_back() {
    assert_snapshot!(told("step"), @"
    A: stepper -> clock, 200 OK after 500 ms, rang 0 ms by A sip:clock@example.com, no BYE yet
    A: sip:clock@example.com Answered, rang 0 ms, 200 500 ms, 4 rows
    ");
    let set_back: Vec<i64> = flow(&case("step")).rows.iter().map(|row| row.set_back).collect();
    assert_eq!(set_back, [0, 2_500_000, 0, 0], "one row says so");
}

#[test]
fn an_invite_without_an_answer() {
    assert_snapshot!(told("unanswered-invite"), @"
    A: alice -> bob, no result
    A: sip:bob@10.0.0.3 Unreachable, 1 rows
    ! not answered, sent 7 times: 0 ms  A  #0 alice -> 10.0.0.3: INVITE, x7 over 31500 ms
    ");
}

#[test]
fn peers_without_an_address() {
    assert_snapshot!(told("unknown"), @"
    A: unk -> dunno, no result, rang 60 ms
    A: sip:dunno@example.com Open, rang 60 ms, 2 rows
    B1: sip:dunno@192.0.2.30 Open, rang 20 ms, 2 rows
    ");
}

#[test]
fn a_phone_that_unregisters() {
    assert_snapshot!(told("unregister"), @"A: sip:alice@ex.com Answered, 200 30010 ms, 4 rows");
}

#[test]
fn every_from_names_its_user_however_it_is_written() {
    let all = case("from-variants");
    let callers: Vec<_> = all.iter().map(|one| flow(std::slice::from_ref(one)).caller.unwrap_or_default()).collect();
    assert_eq!(callers.iter().filter(|caller| *caller == "alice").count(), callers.len() - 2, "{callers:?}");
    assert!(["+49-30-1234", "alice;x=1"].iter().all(|name| callers.iter().any(|caller| caller == name)), "{callers:?}");
}

/// The columns of a case, left to right.
fn columns(name: &str) -> String {
    drawn_columns(&case(name))
}

fn drawn_columns(messages: &[Message]) -> String {
    let flow = flow(messages);
    let kind = |node: &Node| match node.kind {
        NodeKind::Server => "server",
        NodeKind::Device => "device",
        NodeKind::External => "outside",
    };
    flow.nodes
        .iter()
        .map(|node| format!("{} ({}) {}", node.name, kind(node), node.detail))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn an_exchange_is_the_server_also_where_it_calls() {
    let mut messages = case("b2bua");
    let mut learner = Learner::default();
    for message in &messages {
        learner.see(message.seen());
    }
    let machines = learner.machines(|_| false).unwrap();
    let learned = Arc::new(Learned { machines, ..Learned::default() });
    let place = Place { learned, ..(*messages[0].place).clone() };
    let place = Arc::new(place);
    for message in &mut messages {
        message.place = place.clone();
    }
    let second: Vec<_> = messages.drain(6..).collect();
    assert_snapshot!(drawn_columns(&messages), @"
    alice (device) Yealink T46
    10.0.0.1 (server) b2bua
    ");
    assert_snapshot!(drawn_columns(&second), @"
    10.0.0.1 (server) b2bua
    bob (device) Yealink T46
    ");
}

#[test]
fn peers_without_an_address_stand_on_their_own_sides() {
    assert_snapshot!(columns("unknown"), @"
    unknown caller (outside) no address in the log
    192.0.2.20 (server) unknown
    unknown callee (outside) no address in the log
    ");
}

#[test]
fn all_that_pass_a_request_on_are_servers() {
    assert_snapshot!(columns("chain5"), @"
    five (device) 192.0.2.10:5060
    192.0.2.11 (server) chain5
    192.0.2.12 (server) chain5
    192.0.2.13 (server) chain5
    callee5 (device) 192.0.2.14:5060
    ");
}
