//! What judging costs beside working out what happened: `cargo bench -p rule`.
//!
//! CPU time of this thread, so that other work on the machine counts little. Of ten runs the median.

// Helpers of a benchmark are no library.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../../message/tests/flow/case.rs"]
mod case;

use std::hint::black_box;
use std::path::Path;

use message::event::CallClass;
use message::flow::{Flow, Log, flow};
use message::logged::Message;
use record::time::{DAY, Timestamp};
use rule::evidence::{Evidence, Read};
use rule::holds::{AllHolds, seen};
use rule::judge;
use rule::set::RuleSet;
use rule::syntax::Rule;
use rustix::time::{ClockId, clock_gettime};

const RUNS: usize = 10;

fn main() {
    let calls = calls();
    let messages: usize = calls.iter().map(Vec::len).sum();
    let flows: Vec<Flow> = calls.iter().map(|call| flow(call)).collect();
    let mut holds = AllHolds::new();
    for (flow, call) in flows.iter().zip(&calls) {
        for ((log, sort), shown) in seen(flow, call) {
            holds.entry(log).or_default().see(0, &sort, &shown);
        }
    }
    let set = RuleSet::built_in();
    println!("{} calls of {messages} messages", calls.len());
    let of_flow = median(|| {
        for call in &calls {
            black_box(flow(call));
        }
    });
    println!("what happened     {:7.2} us a message", of_flow / messages as f64);
    let learning = median(|| {
        for (flow, call) in flows.iter().zip(&calls) {
            black_box(seen(flow, call));
        }
    });
    println!("what logs hold    {:7.2} us a message", learning / messages as f64);
    for times in [1, 10] {
        let rules: Vec<Rule> = std::iter::repeat_n(&set.rules, times).flatten().cloned().collect();
        let mut verdicts = 0;
        let spent = median(|| {
            verdicts = 0;
            for (flow, call) in flows.iter().zip(&calls) {
                verdicts += judged(flow, call, &holds, &set, &rules);
            }
        });
        println!(
            "{:3} rules         {:7.2} us a message, {:.0} verdicts a second on one core",
            rules.len(),
            spent / messages as f64,
            verdicts as f64 / spent * 1e6,
        );
    }
}

fn judged(flow: &Flow, messages: &[Message], holds: &AllHolds, set: &RuleSet, rules: &[Rule]) -> usize {
    let last = messages.iter().map(|message| message.time).max().unwrap();
    let log = |message: &Message| Log { agent: message.place.agent.clone(), source: message.place.source.clone() };
    let to = messages.iter().map(|message| (log(message), Timestamp(last.0 + DAY))).collect();
    let read = Read { to, ..Read::default() };
    let evidence = Evidence { flow, messages, class: CallClass::Call, bindings: &[], holds, read: &read };
    judge(rules, &set.defaults, &evidence).len()
}

/// Microseconds of one run.
fn median(mut work: impl FnMut()) -> f64 {
    let mut runs: Vec<f64> = (0..RUNS)
        .map(|_| {
            let began = spent();
            work();
            spent() - began
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    runs[RUNS / 2]
}

/// Microseconds of CPU that this thread took so far.
fn spent() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3
}

fn calls() -> Vec<Vec<Message>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/calls");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names.iter().map(|name| case::case(name)).filter(|call| call.iter().any(|m| m.facts.method == "INVITE")).collect()
}
