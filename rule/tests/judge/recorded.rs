//! Recorded calls of real servers: nothing fails, and with one record taken out exactly that call does.

use std::collections::BTreeMap;
use std::path::Path;

use message::logged::Message;
use rule::holds::AllHolds;
use rule::verdict::Outcome;

use super::case::records;
use super::world::{learn, read, told, verdicts};

/// All messages, by the call that they name.
pub fn calls(logs: &[&str]) -> BTreeMap<String, Vec<Message>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/logs");
    let mut calls: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    for (nth, log) in logs.iter().enumerate() {
        for message in records(&root.join(log), nth as i64 + 1) {
            calls.entry(message.facts.call_id.clone().unwrap_or_default()).or_default().push(message);
        }
    }
    calls
}

/// What its logs hold, as all of its calls show.
pub fn known(calls: &BTreeMap<String, Vec<Message>>) -> AllHolds {
    let mut holds = AllHolds::new();
    for messages in calls.values() {
        learn(&mut holds, messages);
    }
    holds
}

fn judged(logs: &[&str]) -> String {
    let calls = calls(logs);
    let holds = known(&calls);
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for messages in calls.values() {
        let (flow, verdicts) = verdicts(messages, &[], &holds, &read(messages));
        *lines.entry(told(&flow, &verdicts)).or_default() += 1;
    }
    let lines: Vec<String> = lines.into_iter().map(|(told, times)| format!("{times} times\n{told}")).collect();
    lines.concat()
}

#[test]
fn nothing_fails_in_the_log_of_a_forking_proxy() {
    insta::assert_snapshot!(judged(&["kamailio.log"]), @r#"
    12 times
    call-completes A: ok [+++]
    answered-no-ack B1: ok [+]
    answer-reaches-caller B1: ok [+]
    loser-released B2: ok [++]
    loser-released B3: ok [++]
    bye-propagates B1: ok [+++]
    rest-answers A: ok [+]
    3 times
    call-completes A: unknown (NeverLogged { log: Log { agent: "kamailio", source: "kamailio" }, what: "answers to INVITE" }) [bbb]
    rest-answers A: ok [+]
    3 times
    registration A: unknown (NeverLogged { log: Log { agent: "kamailio", source: "kamailio" }, what: "answers to REGISTER" }) [b+]
    "#);
}

#[test]
fn nothing_fails_in_the_logs_of_two_servers() {
    insta::assert_snapshot!(judged(&["two-servers/core.log", "two-servers/edge.log"]), @r#"
    2 times
    call-completes A: business no-answer [+-+]
    rest-answers A: ok [+]
    6 times
    call-completes A: ok [+++]
    answered-no-ack B1: ok [+]
    answer-reaches-caller B1: ok [+]
    loser-released B2: ok [++]
    loser-released B3: ok [++]
    bye-propagates B1: ok [+++]
    rest-answers A: ok [+]
    3 times
    registration A: unknown (NeverLogged { log: Log { agent: "core", source: "core" }, what: "answers to REGISTER" }) [b+]
    "#);
}

/// What fails when a record is not there, by what it is.
fn without_one(logs: &[&str]) -> String {
    let calls = calls(logs);
    let holds = known(&calls);
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for messages in calls.values() {
        for left_out in messages {
            let mut rest = messages.clone();
            rest.retain(|message| message.id != left_out.id);
            if rest.is_empty() {
                continue;
            }
            let (_, verdicts) = verdicts(&rest, &[], &holds, &read(messages));
            let failed = verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Failed);
            let mut failed: Vec<_> =
                failed.map(|verdict| format!("{} {}", verdict.rule, verdict.class.as_deref().unwrap_or("-"))).collect();
            failed.sort();
            failed.dedup();
            let what = match left_out.status.filter(|_| left_out.facts.response) {
                Some(status) => format!("{status} {}", left_out.facts.method),
                None => left_out.facts.method.clone(),
            };
            let line = format!("{} {what}: {}", left_out.place.source, failed.join(", "));
            *lines.entry(line).or_default() += 1;
        }
    }
    let lines: Vec<String> = lines.into_iter().map(|(line, times)| format!("{line} ×{times}")).collect();
    lines.join("\n")
}

#[test]
fn one_record_less_of_a_forking_proxy_fails_what_it_showed() {
    insta::assert_snapshot!(without_one(&["kamailio.log"]), @"
    kamailio 180 INVITE:  ×72
    kamailio 200 BYE:  ×12
    kamailio 200 BYE: bye-propagates bye-unanswered ×12
    kamailio 200 CANCEL:  ×24
    kamailio 200 INVITE:  ×12
    kamailio 200 INVITE: answer-reaches-caller answer-lost ×12
    kamailio 487 INVITE: loser-released still-ringing ×24
    kamailio ACK:  ×12
    kamailio ACK: answered-no-ack no-ack ×12
    kamailio BYE:  ×12
    kamailio BYE: bye-propagates bye-not-passed-on ×12
    kamailio GET:  ×15
    kamailio INVITE:  ×51
    kamailio PUSH:  ×3
    ");
}
