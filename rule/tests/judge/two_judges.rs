//! Two judges agree.

use std::sync::LazyLock;

use message::flow::{Flow, flow};
use message::logged::Message;
use rule::evidence::{Binding, Evidence, Read};
use rule::holds::AllHolds;
use rule::judge;
use rule::syntax::{Defaults, Rule};

use super::case::case;
use super::cases::{known, names};
use super::load::rule;
use super::naive::{self, Told};
use super::recorded;
use super::world::{class, read, shipped_rules, told as drawn};

/// In every run one record of so many is left out; all of them where more judgements are asked for.
const FEW: usize = 2;

fn few() -> usize {
    if std::env::var_os("SIPTRAIL_JUDGEMENTS").is_some() { 1 } else { FEW }
}

/// Machines by their names: no shipped rule has any.
const OF_NODES: [&str; 2] = [
    r#"
    id = "node-passes-on"
    per = "attempt"
    start = "INVITE from caller with initial=yes"
    steps = [
        "there: INVITE to '10.0.0.2' within 2s else not-there",
        "on: INVITE from '10.0.0.2' within 3s else not-passed-on",
        "1xx INVITE to '10.0.0.1' within 5s optional",
        "2xx-6xx INVITE from '10.0.0.2' within 200s of start else no-final",
    ]
    end = ["3xx-6xx INVITE to caller", "BYE as ok"]
    "#,
    r#"
    id = "node-gets-bye"
    per = "dialog"
    start = "BYE"
    steps = [
        "BYE to '10.0.0.2' within 5s of start else not-there",
        "2xx BYE from '10.0.0.2' within 5s of start else not-answered",
        "no CANCEL to '10.0.0.1' within 5s of start else cancelled",
    ]
    "#,
];

/// The shipped rules, and those of named machines.
fn compared() -> &'static (Vec<Rule>, Defaults) {
    static COMPARED: LazyLock<(Vec<Rule>, Defaults)> = LazyLock::new(|| {
        let (mut rules, defaults) = shipped_rules().clone();
        rules.extend(OF_NODES.map(|text| rule(text, &defaults)));
        (rules, defaults)
    });
    &COMPARED
}

/// Where the two judges differ: lines of the one and of the other.
pub fn difference(messages: &[Message], bindings: &[Binding], holds: &AllHolds, read: &Read) -> Option<String> {
    let (rules, defaults) = compared();
    let flow = flow(messages);
    let evidence = Evidence { flow: &flow, messages, class: class(messages), bindings, holds, read };
    let verdicts = judge(rules, defaults, &evidence);
    let mut one: Vec<Told> = verdicts
        .iter()
        .map(|verdict| Told {
            rule: verdict.rule.clone(),
            leg: verdict.leg,
            start: verdict.start,
            outcome: verdict.outcome,
            class: verdict.class.clone(),
            step: verdict.step,
        })
        .collect();
    one.sort();
    let other = naive::judge(rules, defaults, &evidence, None);
    let only = |all: &[Told], beside: &[Told], whose: &str| -> Vec<String> {
        let differ = all.iter().filter(|told| !beside.contains(told));
        differ.map(|told| format!("  {whose}: {}\n", line(&flow, told))).collect()
    };
    let lines = || [only(&one, &other, "judge"), only(&other, &one, "naive"), vec![drawn(&flow, &verdicts)]].concat();
    (one != other).then(|| lines().concat())
}

fn line(flow: &Flow, told: &Told) -> String {
    let Told { rule, leg, start, outcome, class, step } = told;
    format!("{rule} {} from row {start}: {} {class:?} {step:?}", flow.legs[*leg].tag, outcome.name())
}

#[test]
fn two_judges_agree_on_each_case() {
    let mut differ = String::new();
    for folder in ["calls", "calls-one-log"] {
        for name in names(folder) {
            let messages = case(&name);
            let (bindings, holds) = known(&name, &messages);
            if let Some(difference) = difference(&messages, &bindings, &holds, &read(&messages)) {
                differ += &format!("{name}\n{difference}");
            }
        }
    }
    assert!(differ.is_empty(), "{differ}");
}

#[test]
fn two_judges_agree_on_recorded_logs() {
    for logs in [&["kamailio.log"][..], &["two-servers/core.log", "two-servers/edge.log"]] {
        let calls = recorded::calls(logs);
        let holds = recorded::known(&calls);
        for (nth, messages) in calls.values().enumerate() {
            let differ = difference(messages, &[], &holds, &read(messages));
            assert!(differ.is_none(), "{}", differ.unwrap());
            // All calls of a log are alike: of each other records are left out.
            for left_out in messages.iter().skip(nth % few()).step_by(few()) {
                let mut rest = messages.clone();
                rest.retain(|message| message.id != left_out.id);
                let differ = (!rest.is_empty()).then(|| difference(&rest, &[], &holds, &read(messages))).flatten();
                assert!(differ.is_none(), "without {} {}:\n{}", left_out.method, left_out.id, differ.unwrap());
            }
        }
    }
}

#[test]
fn two_judges_agree_on_each_case_without_one_record() {
    let mut differ = String::new();
    for folder in ["calls", "calls-one-log"] {
        for name in names(folder) {
            let messages = case(&name);
            let (bindings, holds) = known(&name, &messages);
            for left_out in messages.iter().skip(name.len() % few()).step_by(few()) {
                let mut rest = messages.clone();
                rest.retain(|message| message.id != left_out.id);
                if rest.is_empty() {
                    continue;
                }
                if let Some(difference) = difference(&rest, &bindings, &holds, &read(&messages)) {
                    let header = String::from_utf8_lossy(left_out.header());
                    differ += &format!("{name} without {header}\n{difference}");
                }
            }
        }
    }
    assert!(differ.is_empty(), "{differ}");
}
