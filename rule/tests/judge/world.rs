//! A call with all that is known beside it, and what the rules say of it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use message::event::{CallClass, class_of};
use message::flow::{Flow, Log, flow};
use message::logged::Message;
use record::time::{DAY, Timestamp};
use rule::evidence::{Binding, Evidence, Read};
use rule::holds::AllHolds;
use rule::judge;
use rule::syntax::{Defaults, Rule};
use rule::verdict::{State, Verdict};

use super::case::case;
use super::flows::learn;
use super::load::shipped;

/// Calls that went well, by which it is learned what logs hold.
const WELL: [&str; 4] = ["01-basic", "05-fork-busy-answer", "06-answered-elsewhere", "08-late-fork-push"];

/// What the logs of the cases hold, as their healthy calls show.
pub fn holds() -> AllHolds {
    static HOLDS: LazyLock<AllHolds> = LazyLock::new(|| {
        let mut holds = AllHolds::new();
        for name in WELL {
            learn(&mut holds, &case(name));
        }
        holds
    });
    HOLDS.clone()
}

/// Everything is read long beyond the last message.
pub fn read(messages: &[Message]) -> Read {
    let last = messages.iter().map(|message| message.time).max().unwrap();
    let to = messages.iter().map(log_of).chain(holds().into_keys());
    Read { to: to.map(|log| (log, Timestamp(last.0 + 2 * DAY))).collect(), ..Read::default() }
}

pub fn log_of(message: &Message) -> Log {
    Log { agent: message.place.agent.clone(), source: message.place.source.clone() }
}

pub fn class(messages: &[Message]) -> CallClass {
    messages.iter().map(|message| class_of(&message.facts)).min().unwrap()
}

pub fn shipped_rules() -> &'static (Vec<Rule>, Defaults) {
    static SHIPPED: LazyLock<(Vec<Rule>, Defaults)> = LazyLock::new(shipped);
    &SHIPPED
}

/// What the shipped rules say.
pub fn verdicts(messages: &[Message], bindings: &[Binding], holds: &AllHolds, read: &Read) -> (Flow, Vec<Verdict>) {
    let (rules, defaults) = shipped_rules();
    let flow = flow(messages);
    let evidence = Evidence { flow: &flow, messages, class: class(messages), bindings, holds, read };
    let verdicts = judge(rules, defaults, &evidence);
    (flow, verdicts)
}

/// One line a verdict.
pub fn told(flow: &Flow, verdicts: &[Verdict]) -> String {
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    let mut order = Vec::new();
    for verdict in verdicts {
        let class = verdict.class.as_deref().map(|class| format!(" {class}")).unwrap_or_default();
        let why = verdict.why.as_ref().map(|why| format!(" ({why:?})")).unwrap_or_default();
        let late = verdict.late_by.map(|by| format!(" +{} ms", by / 1000)).unwrap_or_default();
        let tag = &flow.legs[verdict.leg].tag;
        let line = format!("{} {tag}: {}{class}{late}{why}", verdict.rule, verdict.outcome.name());
        let met = verdict.steps.iter().map(|step| match &step.state {
            State::Met(_) => "+",
            State::Late(..) => "~",
            State::Missed(_) => "!",
            State::Open => "?",
            State::Silent => "s",
            State::Blind(_) => "b",
            State::NotAsked => "-",
        });
        let line = format!("{line} [{}]", met.collect::<String>());
        if !lines.contains_key(&line) {
            order.push(line.clone());
        }
        *lines.entry(line).or_default() += 1;
    }
    order
        .into_iter()
        .map(|line| if lines[&line] > 1 { format!("{line} ×{}\n", lines[&line]) } else { line + "\n" })
        .collect()
}
