//! A machine that writes its answers into another log than its requests: what is missing is known once both are read.

use std::sync::Arc;

use message::logged::{Message, Place};
use record::time::{DAY, SECOND, Timestamp};
use rule::evidence::Read;
use rule::holds::AllHolds;
use rule::verdict::{Outcome, Verdict, Why};

use super::flows::plain::{connects, hangs_up, invite, well};
use super::flows::script::Script;
use super::flows::{learn, log_named, requests};
use super::two_judges::difference;
use super::world::{log_of, verdicts};

const WAY: [&str; 3] = ["alice", "core", "bob1"];
const CALL: &str = "call=call-a cseq=1 ftag=f";

/// The log of a machine's answers.
pub const ANSWERS: &str = "answers";

/// The answers of a machine stand in a log of their own.
pub fn apart(messages: &[Message]) -> Vec<Message> {
    let mut messages = messages.to_vec();
    for message in messages.iter_mut().filter(|message| message.facts.response && message.place.source == "core") {
        message.place = Arc::new(Place { source: ANSWERS.to_owned(), ..(*message.place).clone() });
    }
    messages
}

fn known() -> AllHolds {
    let mut known = AllHolds::new();
    for fixture in well().iter().chain(&requests::well()) {
        learn(&mut known, &apart(&fixture.messages));
    }
    known
}

fn call(answered: bool, acked: bool) -> Vec<Message> {
    let mut script = Script::default();
    let sent = script.ask(0, "INVITE", &WAY, CALL);
    if answered {
        script.answer(200, 180, &sent, "tag=b");
        script.answer(4_000, 200, &sent, "tag=b contact=<sip:bob@192.0.2.21:5060>");
    }
    if acked {
        script.ask(4_020, "ACK", &WAY, &format!("{CALL} tag=b"));
    }
    apart(&script.messages())
}

/// What is said of a call of which these logs are read to the end, and the others not even to its beginning.
fn said(messages: &[Message], known: &AllHolds, read: &[&str], silent: &[&str]) -> Vec<Verdict> {
    let first = messages.iter().map(|message| message.time).min().unwrap();
    let log = |source: &str| {
        let mut log = log_named("core");
        source.clone_into(&mut log.source);
        log
    };
    let until = |source: &str| first.0 + if read.contains(&source) { 2 * DAY } else { -SECOND };
    let read = Read {
        to: ["core", "answers"].map(|source| (log(source), Timestamp(until(source)))).into(),
        silent: silent.iter().map(|source| log(source)).collect(),
        clock: Timestamp(first.0 + DAY),
    };
    let mut messages = messages.to_vec();
    messages.retain(|message| read.to[&log_of(message)] > message.time);
    let differ = difference(&messages, &[], known, &read);
    assert!(differ.is_none(), "{}", differ.unwrap());
    verdicts(&messages, &[], known, &read).1
}

fn failed(verdicts: &[Verdict]) -> Vec<(&str, &str)> {
    let failed = verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Failed);
    failed.map(|verdict| (verdict.rule.as_str(), verdict.class.as_deref().unwrap_or_default())).collect()
}

#[test]
fn what_would_stand_in_another_log_of_the_machine_is_waited_for_there() {
    let known = known();
    for answered in [true, false] {
        let messages = call(answered, answered);
        let meanwhile = said(&messages, &known, &["core"], &[]);
        assert_eq!(failed(&meanwhile), [], "{answered}");
        let waiting = meanwhile.iter().find(|verdict| verdict.rule == "call-completes").unwrap();
        assert_eq!(waiting.outcome, Outcome::Open);
        assert_eq!(waiting.waits_for.iter().map(|log| log.source.as_str()).collect::<Vec<_>>(), ["answers"]);
        let silent = said(&messages, &known, &["core"], &["answers"]);
        let unknown = silent.iter().find(|verdict| verdict.rule == "call-completes").unwrap();
        assert_eq!(unknown.outcome, Outcome::Unknown);
        assert!(matches!(&unknown.why, Some(Why::Silent(logs)) if logs[0].source == "answers"), "{:?}", unknown.why);
    }
    assert_eq!(failed(&said(&call(true, true), &known, &["core", "answers"], &[])), []);
    let whole = said(&call(false, false), &known, &["core", "answers"], &[]);
    assert_eq!(failed(&whole), [("call-completes", "no-response")]);
}

#[test]
fn an_ack_in_another_log_than_its_answer_is_waited_for_there() {
    let known = known();
    for acked in [true, false] {
        let messages = call(true, acked);
        assert_eq!(failed(&said(&messages, &known, &["answers"], &[])), [], "{acked}");
        let whole = said(&messages, &known, &["core", "answers"], &[]);
        let missing: &[_] = if acked { &[] } else { &[("answered-no-ack", "no-ack")] };
        assert_eq!(failed(&whole), missing);
    }
}

#[test]
fn an_answer_that_stands_beside_its_request_is_waited_for_nowhere_else() {
    // Another log of the machine holds its answers, too.
    let mut known = AllHolds::new();
    for fixture in well() {
        learn(&mut known, &fixture.messages);
        let twice: Vec<Message> = fixture.messages.iter().cloned().chain(copies(&apart(&fixture.messages))).collect();
        learn(&mut known, &twice);
    }
    let mut script = Script::default();
    invite(&mut script, 0, &WAY, CALL);
    let sent = script.ask(0, "INVITE", &WAY, "call=call-b cseq=1 ftag=f");
    connects(&mut script, 4_000, &sent, &WAY, "call=call-b cseq=1 ftag=f");
    hangs_up(&mut script, 30_000, &WAY);
    let mut messages = script.messages();
    messages.retain(|message| message.facts.call_id.as_deref() == Some("call-a"));
    messages.retain(|message| !message.facts.response);
    assert_eq!(failed(&said(&messages, &known, &["core"], &[])), [("call-completes", "no-response")]);
}

/// What the other log holds of a call that stands in the first as a whole.
fn copies(messages: &[Message]) -> Vec<Message> {
    let mut copies = messages.to_vec();
    copies.retain(|message| message.place.source == "answers");
    for message in &mut copies {
        message.id.stream.0 += 1_000;
    }
    copies
}
