//! What the list says of scenarios, held against small stories.

use proptest::prelude::*;

use super::*;
use crate::event::Hop;
use crate::said::Said;
use record::id::{CallKey, Offset, StreamId};
use record::time::Day;

fn event(at: i64, method: &str, status: Option<u16>) -> CallEvent {
    CallEvent {
        exchange: Vec::new(),
        nameless: false,
        stream: StreamId(1),
        offset: Offset(at as u64),
        call: CallKey::of(b"a"),
        call_id: "a".into(),
        class: CallClass::Call,
        day: Day(0),
        time: Timestamp(at),
        kind: Kind::Sip,
        method: method.into(),
        status,
        response: status.is_some(),
        said: Said::of(Kind::Sip, method, status),
        from: Some("alice".into()),
        to: Some("bob".into()),
        identity: None,
        target: None,
        branch: format!("z9hG4bK{at}"),
        to_tag: false,
        tags: Vec::new(),
        source: "sip:10.0.0.1:5060;transport=tcp".into(),
        destination: "sip:10.0.0.2:5060".into(),
        keys: Vec::new(),
        cid: None,
        hop: None,
        answered_by: None,
    }
}

#[test]
fn a_forked_call_is_answered_though_its_losers_were_released() {
    let events = [
        event(1, "INVITE", None),
        event(2, "INVITE", Some(180)),
        event(3, "INVITE", Some(200)),
        event(4, "INVITE", Some(487)),
        event(5, "BYE", None),
        event(6, "BYE", Some(200)),
    ];
    let summary = Summary::of(&events);
    assert_eq!((summary.caller(), summary.callee(), summary.status()), (Some("alice"), Some("bob"), Some(200)));
    assert_eq!(
        (summary.rang, summary.answered, summary.ending),
        (Some(Timestamp(2)), Some(Timestamp(3)), Some(Timestamp(5)))
    );
    assert_eq!((summary.messages, summary.nodes()), (6, 2));
}

#[test]
fn a_challenge_or_a_release_is_not_the_final_status_when_another_came() {
    let statuses = [(1, 407), (2, 486), (3, 487)];
    let events: Vec<_> = statuses.iter().map(|(at, s)| event(*at, "INVITE", Some(*s))).collect();
    assert_eq!(Summary::of(&events).status(), Some(486));
    assert_eq!(Summary::of(&[event(1, "INVITE", Some(407))]).status(), Some(407));
}

proptest! {
    #[test]
    fn order_of_arrival_and_of_joining_does_not_matter(
        picks in prop::collection::vec((0..50i64, 0..4usize, prop::option::of(prop::sample::select(vec![100u16, 180, 200, 407, 486, 487]))), 1..30),
        split in 0..30usize,
    ) {
        let methods = ["INVITE", "BYE", "ACK", "CANCEL"];
        let events: Vec<_> = picks.iter().map(|(at, m, s)| event(*at, methods[*m], *s)).collect();
        let (left, right) = events.split_at(split.min(events.len()));
        let mut joined = Summary::of(right);
        joined.join(&Summary::of(left));
        prop_assert_eq!(joined, Summary::of(&events));
    }
}

/// An INVITE of a hop.
fn invite(at: i64, branch: &str, below: &str, cseq: u32, to: &str, uri: &str) -> CallEvent {
    let hop = Hop { below: below.into(), cseq: Some(cseq), uri: uri.into(), device: uri.starts_with("bob@192") };
    let source = if below.is_empty() { "sip:192.0.2.10" } else { "sip:10.0.0.1:5060;transport=tcp" };
    let (source, destination) = (source.into(), to.into());
    CallEvent { branch: branch.into(), hop: Some(hop), source, destination, ..event(at, "INVITE", None) }
}

fn other(kind: Kind, status: Option<u16>, to: Option<&str>) -> CallEvent {
    let to = to.map(str::to_owned);
    CallEvent { kind, status, response: false, from: None, to, method: kind.name().into(), ..event(1, "", None) }
}

#[track_caller]
fn counts(events: &[CallEvent], legs: usize, devices: usize, nodes: usize) {
    let summary = Summary::of(events);
    assert_eq!((summary.legs(), summary.devices(), summary.nodes()), (legs, devices, nodes));
}

#[test]
fn legs_devices_and_nodes_are_those_of_the_picture() {
    let plain = [
        invite(1, "a", "", 1, "sip:10.0.0.1", "bob@example.com:0"),
        invite(2, "e", "a", 1, "sip:10.0.0.1:5060", "bob@example.com:0"),
        CallEvent {
            source: "sip:10.0.0.2".into(),
            ..invite(3, "c", "e", 1, "sip:192.0.2.21:5060", "bob@192.0.2.21:0")
        },
    ];
    counts(&plain, 1, 1, 4);
    let fork = |cseq, trunk: &'static str, at| {
        (21..24_i64).map(move |n| (n, format!("{trunk}-{n}"))).map(move |(n, branch)| {
            invite(
                at + n,
                &branch,
                &format!("a{cseq}"),
                cseq,
                &format!("sip:192.0.2.{n}"),
                &format!("bob@192.0.2.{n}:0"),
            )
        })
    };
    let first = invite(1, "a1", "", 1, "sip:10.0.0.1", "bob@example.com:0");
    let again = invite(2, "a2", "", 2, "sip:10.0.0.1:5060", "bob@example.com:0");
    counts(&[first.clone(), again.clone()], 1, 0, 2);
    let forked: Vec<_> = [first.clone()].into_iter().chain(fork(1, "c", 3)).collect();
    counts(&forked, 4, 3, 5);
    let challenged: Vec<_> = [first, again].into_iter().chain(fork(2, "d", 3)).collect();
    counts(&challenged, 4, 3, 5);
}

#[test]
fn ports_of_one_host_are_nodes_where_they_talk_to_each_other() {
    let between =
        |from: &str, to: &str| CallEvent { source: from.into(), destination: to.into(), ..event(1, "BYE", None) };
    counts(&[between("sip:10.0.0.1", "sip:10.0.0.2:5060"), between("sip:10.0.0.1:4711", "sip:10.0.0.2")], 1, 0, 2);
    counts(&[between("sip:10.0.0.1", "sip:10.0.0.1:5070"), between("-", "sip:10.0.0.1")], 1, 0, 2);
}

#[test]
fn the_status_is_that_of_what_the_scenario_opened_with() {
    let check = |events: &[CallEvent], expect| assert_eq!(Summary::of(events).status(), expect);
    check(&[event(1, "MESSAGE", None), event(2, "MESSAGE", Some(404))], Some(404));
    check(&[event(1, "INVITE", None), event(2, "INVITE", Some(486)), event(3, "INFO", Some(200))], Some(486));
    check(&[event(1, "INVITE", None), event(2, "CANCEL", Some(200))], None);
    check(&[event(1, "REFER", None), event(2, "REFER", Some(202)), event(3, "NOTIFY", Some(481))], Some(202));
    check(&[other(Kind::Rest, Some(503), None)], Some(503));
    check(&[event(1, "INVITE", None), other(Kind::Rest, Some(503), None)], None);
}

#[test]
fn a_push_alone_says_whom_it_was_for() {
    let summary = Summary::of(&[other(Kind::Push, Some(410), Some("dave"))]);
    assert_eq!((summary.caller(), summary.callee(), summary.status()), (None, Some("dave"), Some(410)));
}

#[test]
fn who_answered_is_the_contact_of_the_answer() {
    let answer = |at, by: Option<&str>| CallEvent { answered_by: by.map(Into::into), ..event(at, "INVITE", Some(200)) };
    let by = |events: &[CallEvent]| Summary::of(events).answered_by;
    assert_eq!(by(&[answer(3, Some("carol")), answer(4, Some("dave"))]).as_deref(), Some("carol"));
    assert_eq!(by(&[answer(4, Some("dave")), answer(3, None)]).as_deref(), Some("bob"));
}
