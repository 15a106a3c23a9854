//! Recorded calls of real servers: nothing fails, and with one record taken out exactly that call does.

use std::collections::BTreeMap;
use std::path::Path;

use message::logged::Message;
use rule::holds::AllHolds;
use rule::verdict::Outcome;

use super::case::records;
use super::flows::learn;
use super::random::{Dice, count};
use super::world::{read, told, verdicts};

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

#[test]
fn one_record_less_of_two_servers_fails_what_it_showed() {
    insta::assert_snapshot!(without_one(&["two-servers/core.log", "two-servers/edge.log"]), @"
    core 180 INVITE:  ×36
    core 200 BYE:  ×6
    core 200 BYE: bye-propagates bye-unanswered ×6
    core 200 CANCEL:  ×12
    core 200 INVITE:  ×12
    core 487 INVITE: loser-released still-ringing ×12
    core ACK:  ×6
    core ACK: answered-no-ack no-ack ×6
    core BYE:  ×6
    core BYE: bye-propagates bye-not-passed-on ×6
    core GET:  ×8
    core INVITE:  ×26
    core PUSH:  ×2
    edge 100 INVITE:  ×6
    edge 180 INVITE:  ×36
    edge 200 BYE:  ×12
    edge 200 INVITE:  ×6
    edge 200 INVITE: answer-reaches-caller answer-lost ×6
    edge 480 INVITE:  ×2
    edge 480 INVITE: call-completes no-response ×2
    edge ACK:  ×14
    edge BYE:  ×12
    edge INVITE:  ×16
    ");
}

/// What an application logged has no whole call in it: nothing fails, and nobody can tell of most.
#[test]
fn nothing_fails_in_the_log_of_an_application() {
    let logs = ["app.2026-11-23.0.log", "app.2026-11-23.1.log", "app.2026-11-23.2.log", "app.log"];
    let logs = logs.map(|log| format!("logback/{log}"));
    let calls = calls(&logs.each_ref().map(String::as_str));
    let holds = known(&calls);
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for messages in calls.values() {
        for verdict in verdicts(messages, &[], &holds, &read(messages)).1 {
            *outcomes.entry(format!("{} {}", verdict.rule, verdict.outcome.name())).or_default() += 1;
        }
    }
    insta::assert_snapshot!(format!("{} calls, {outcomes:#?}", calls.len()), @r#"
    240 calls, {
        "call-completes unknown": 240,
        "rest-answers unknown": 158,
    }
    "#);
}

/// What is known of the logs is learned without that record, too, and all other calls are judged by it.
#[test]
fn without_a_record_no_other_call_fails() {
    let mut told = String::new();
    for logs in [&["kamailio.log"][..], &["two-servers/core.log", "two-servers/edge.log"]] {
        let all = calls(logs);
        let mut dice = Dice::new(logs.len() as u64);
        let (mut fails, few) = (0, count(40));
        for _ in 0..few {
            let (name, messages) = all.iter().nth(dice.below(all.len())).unwrap();
            let left_out = messages[dice.below(messages.len())].id;
            let mut calls = all.clone();
            calls.get_mut(name).unwrap().retain(|message| message.id != left_out);
            calls.retain(|_, messages| !messages.is_empty());
            let holds = known(&calls);
            let failed = |messages: &[Message]| {
                let (_, verdicts) = verdicts(messages, &[], &holds, &read(messages));
                verdicts.iter().any(|verdict| verdict.outcome == Outcome::Failed)
            };
            let failed: Vec<&String> =
                calls.iter().filter(|(_, messages)| failed(messages)).map(|(name, _)| name).collect();
            assert!(failed.iter().all(|of| *of == name), "without {left_out} of {name}: {failed:?}");
            fails += failed.len();
        }
        told += &format!("{}: {fails} of {few} records\n", logs.join(", "));
    }
    if std::env::var_os("SIPTRAIL_JUDGEMENTS").is_none() {
        insta::assert_snapshot!(told, @"
        kamailio.log: 7 of 40 records
        two-servers/core.log, two-servers/edge.log: 2 of 40 records
        ");
    }
}
