//! Two judges agree on calls made at random: with records lost, repeated, provisional, read to a random time, in logs that are
//! split or silent, and with two callers in one scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use message::flow::Log;
use message::logged::{Message, Place};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use record::time::{HOUR, SECOND, Timestamp};
use rule::evidence::{Binding, Read};
use rule::holds::AllHolds;

use super::beside;
use super::flows::learn;
use super::random_call::{Plan, lines, plan};
use super::story::story;
use super::two_judges::difference;
use super::world::log_of;

/// Numbers that look random and are the same in every run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Less than a number.
    pub fn below(&mut self, end: usize) -> usize {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

/// A call as it was logged, with all that is known beside it.
struct Trial {
    text: String,
    messages: Vec<Message>,
    bindings: Vec<Binding>,
    holds: AllHolds,
    read: Read,
}

/// As many as are asked for; some in every run.
pub fn count(some: u64) -> u64 {
    std::env::var("SIPTRAIL_JUDGEMENTS").ok().and_then(|count| count.parse().ok()).unwrap_or(some)
}

/// What logs hold whose servers log what they answer, and those whose servers do not.
pub fn known(silent: bool) -> AllHolds {
    static KNOWN: LazyLock<[AllHolds; 2]> =
        LazyLock::new(|| [false, true].map(|silent| learned(silent, <[_]>::to_vec)));
    KNOWN[usize::from(silent)].clone()
}

/// The same where one of the machines writes its answers into a log of their own.
pub fn known_apart(silent: bool) -> AllHolds {
    static KNOWN: LazyLock<[AllHolds; 2]> =
        LazyLock::new(|| [false, true].map(|silent| learned(silent, beside::apart)));
    KNOWN[usize::from(silent)].clone()
}

fn learned(silent: bool, logged: impl Fn(&[Message]) -> Vec<Message>) -> AllHolds {
    let mut runner = TestRunner::deterministic();
    let mut holds = AllHolds::new();
    for nth in 0..40 {
        let mut plan = plan().new_tree(&mut runner).unwrap().current();
        (plan.lost, plan.silent, plan.loses_answers) = (Vec::new(), silent, false);
        (plan.acked, plan.bye_answered) = (true, true);
        learn(&mut holds, &logged(&story(&with_routes(&lines(&plan), &mut Dice::new(nth)))));
    }
    holds
}

/// Servers that want to see what follows.
pub fn with_routes(lines: &str, dice: &mut Dice) -> String {
    let (edge, core) = (!dice.one_in(3), !dice.one_in(3));
    let mut text = String::new();
    for line in lines.lines() {
        text.push_str(line);
        if line.contains(" INVITE sip:") {
            let routes = [("edge>", edge, "10.0.0.1"), ("core>", core, "10.0.0.2")];
            for (_, _, host) in routes.iter().filter(|(from, asks, _)| *asks && line.contains(from)) {
                text.push_str(&format!(" | Record-Route: <sip:{host}:5060;lr>"));
            }
        }
        text.push('\n');
    }
    text
}

/// Another caller's call, some time later.
pub fn other_call(plan: &Plan, dice: &mut Dice) -> String {
    let later = dice.below(40_000) as i64;
    let moved =
        lines(plan).replace("call-", "other-").replace("via=v", "via=w").replace(",v", ",w").replace("alice", "carol");
    let line = |line: &str| {
        let (at, rest) = line.split_once(' ').unwrap();
        format!("{} {rest}", at.parse::<i64>().unwrap() + later)
    };
    moved.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn trial(plan: &Plan, other: Option<&Plan>, seed: u64) -> Trial {
    let mut dice = Dice::new(seed);
    let mut text = lines(plan);
    if let Some(other) = other {
        text = text + "\n" + &other_call(other, &mut dice);
    }
    let mut text = with_routes(&text, &mut dice);
    // The same again, as if it had not been answered.
    for _ in 0..[0, 0, 1, 2][dice.below(4)] {
        let all: Vec<&str> = text.lines().collect();
        let (at, rest) = all[dice.below(all.len())].split_once(' ').unwrap();
        let mut more = String::new();
        for after in [500, 1500, 3500].iter().take(1 + dice.below(3)) {
            more += &format!("{} {rest}\n", at.parse::<i64>().unwrap() + after);
        }
        text += &more;
    }
    let mut messages = story(&text);
    let last = messages.iter().map(|message| message.time).max().unwrap();
    let first = messages.iter().map(|message| message.time).min().unwrap();
    // One log becomes another at some time, as if somebody had renamed it.
    if dice.one_in(6) {
        let at = first.0 + dice.below(30) as i64 * SECOND;
        for message in messages.iter_mut().filter(|message| message.place.source == "core" && message.time.0 > at) {
            let source = "core-b".to_owned();
            message.place = Arc::new(Place { source, ..(*message.place).clone() });
        }
    }
    // One machine writes its answers into a log of their own.
    let apart = Dice::new(seed + 1_000_000).one_in(5);
    if apart {
        messages = beside::apart(&messages);
    }
    let mut holds = match dice.below(6) {
        0 => known(true),
        1 => AllHolds::new(),
        _ if apart => known_apart(plan.silent),
        _ => known(plan.silent),
    };
    if dice.one_in(4) {
        learn(&mut holds, &messages);
    }
    let mut read = Read {
        to: messages.iter().map(log_of).map(|log| (log, Timestamp(last.0 + 60 * HOUR))).collect(),
        silent: BTreeSet::new(),
        clock: Timestamp(first.0 + [0, 1, 30, 60][dice.below(4)] * HOUR),
    };
    // Everything that came until some time.
    if dice.one_in(2) {
        let now = Timestamp(first.0 + dice.below(100_000) as i64 * 1000);
        messages.retain(|message| message.time <= now || message.time == first);
        for to in read.to.values_mut() {
            *to = Timestamp(now.0 + [0, 14, 16, 40][dice.below(4)] * SECOND);
        }
        if dice.one_in(3) {
            let newest: BTreeSet<_> = read
                .to
                .keys()
                .filter_map(|log| messages.iter().filter(|m| log_of(m) == *log).map(|m| (m.time, m.id)).max())
                .collect();
            for message in messages.iter_mut().filter(|message| newest.contains(&(message.time, message.id))) {
                message.provisional = true;
            }
        }
    }
    // A log of which nothing is heard any more.
    if dice.one_in(4) {
        let logs: Vec<Log> = read.to.keys().cloned().collect();
        let log = logs[dice.below(logs.len())].clone();
        let until = Timestamp(first.0 + dice.below(40_000) as i64 * 1000);
        messages.retain(|message| log_of(message) != log || message.time <= until || message.time == first);
        read.to.insert(log.clone(), until);
        if !dice.one_in(3) {
            read.silent.insert(log);
        }
    }
    let log = log_of(messages.iter().rfind(|message| message.place.source != "edge").unwrap());
    let bindings = bindings(plan, first, &log, &mut dice);
    // In any order of arrival.
    for last in (1..messages.len()).rev() {
        messages.swap(last, dice.below(last + 1));
    }
    Trial { text, messages, bindings, holds, read }
}

/// Some of the devices had registered an hour before.
pub fn bindings(plan: &Plan, first: Timestamp, log: &Log, dice: &mut Dice) -> Vec<Binding> {
    let mut bindings = Vec::new();
    for device in 0..plan.devices.len() {
        if dice.one_in(2) {
            continue;
        }
        bindings.push(Binding {
            user: "bob".to_owned(),
            contact: ("bob".to_owned(), format!("192.0.2.2{}", device + 1), Some(5060)),
            instance: None,
            token: (!dice.one_in(4)).then(|| format!("token-{device}")),
            user_agent: (!dice.one_in(4)).then(|| "App/7.4.1 (iOS)".to_owned()),
            time: Timestamp(first.0 - HOUR - device as i64 * SECOND),
            log: log.clone(),
        });
    }
    bindings
}

#[test]
fn two_judges_agree_on_random_calls() {
    let mut runner = TestRunner::deterministic();
    // Of each way in which they differ the shortest.
    let mut differ: BTreeMap<String, (usize, usize, String)> = BTreeMap::new();
    for seed in 0..count(400) {
        let plan_of = |runner: &mut TestRunner| plan().new_tree(runner).unwrap().current();
        let plan = plan_of(&mut runner);
        let other = seed.is_multiple_of(5).then(|| plan_of(&mut runner));
        let Trial { text, messages, bindings, holds, read } = trial(&plan, other.as_ref(), seed);
        if let Some(difference) = difference(&messages, &bindings, &holds, &read) {
            let first = difference.lines().next().unwrap_or_default();
            let (who, what) = first.split_once(" from row").unwrap_or((first, ""));
            let rule = who.rsplit_once(' ').unwrap_or_default().0;
            let key = format!("{rule} {}", what.split_once(": ").unwrap_or_default().1);
            let told = format!("{seed}: {plan:?}\n{text}{read:?}\n{bindings:?}\n{difference}\n");
            let known = differ.entry(key).or_insert((0, usize::MAX, String::new()));
            known.0 += 1;
            if messages.len() < known.1 {
                (known.1, known.2) = (messages.len(), told);
            }
        }
    }
    let told = differ.iter().map(|(key, (times, _, told))| format!("=== {key} ×{times}\n{told}"));
    assert!(differ.is_empty(), "{}", told.collect::<String>());
}
