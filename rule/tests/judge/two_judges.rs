//! Two judges agree.

use message::flow::Flow;
use message::logged::Message;
use rule::evidence::{Binding, Evidence, Read};
use rule::holds::AllHolds;

use super::case::case;
use super::cases::{known, names};
use super::naive::{self, Told};
use super::recorded;
use super::world::{class, read, shipped_rules, told as drawn, verdicts};

/// In every run one record of so many is left out; all of them where more judgements are asked for.
const FEW: usize = 2;

fn few() -> usize {
    if std::env::var_os("SIPTRAIL_JUDGEMENTS").is_some() { 1 } else { FEW }
}

/// Where the two judges differ: lines of the one and of the other.
pub fn difference(messages: &[Message], bindings: &[Binding], holds: &AllHolds, read: &Read) -> Option<String> {
    let (flow, verdicts) = verdicts(messages, bindings, holds, read);
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
    let (rules, defaults) = shipped_rules();
    let evidence = Evidence { flow: &flow, messages, class: class(messages), bindings, holds, read };
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
