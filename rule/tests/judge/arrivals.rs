//! While logs are read, each at its own pace: what is said meanwhile, and what is said in the end.

use std::collections::{BTreeMap, BTreeSet};

use message::flow::{Flow, Log};
use message::logged::Message;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use record::id::MessageId;
use record::time::{DAY, Timestamp};
use rule::evidence::{Binding, Read};
use rule::holds::AllHolds;
use rule::verdict::{Outcome, State, Verdict, Why};

use super::beside::{self, ANSWERS};
use super::random::{Dice, bindings, count, known, known_apart, other_call, with_routes};
use super::random_call::{Plan, lines, plan};
use super::story::story;
use super::two_judges::difference;
use super::world::{log_of, told, verdicts};

/// What was logged of a scenario, and all that is known beside it.
struct Scenario {
    text: String,
    messages: Vec<Message>,
    bindings: Vec<Binding>,
    holds: AllHolds,
}

impl Scenario {
    /// `apart`: one machine writes its answers into a log of their own.
    fn of(plan: &Plan, other: Option<&Plan>, apart: bool, dice: &mut Dice) -> Self {
        let mut text = lines(plan);
        if let Some(other) = other {
            text = text + "\n" + &other_call(other, dice);
        }
        let text = with_routes(&text, dice);
        let messages = if apart { beside::apart(&story(&text)) } else { story(&text) };
        let first = messages.iter().map(|message| message.time).min().unwrap();
        let log = log_of(messages.iter().rfind(|message| message.place.source != "edge").unwrap());
        let bindings = bindings(plan, first, &log, dice);
        let holds = if apart { known_apart(plan.silent) } else { known(plan.silent) };
        Self { text, messages, bindings, holds }
    }

    fn judged(&self, messages: &[Message], read: &Read) -> (Flow, Vec<Verdict>) {
        verdicts(messages, &self.bindings, &self.holds, read)
    }

    /// All of it at once, read to the end of the day.
    fn whole(&self) -> (Flow, Vec<Verdict>) {
        self.judged(&self.messages, &self.read_on())
    }

    fn read_on(&self) -> Read {
        let last = self.messages.iter().map(|message| message.time).max().unwrap();
        let end = Timestamp(last.0 + 2 * DAY);
        let to = self.messages.iter().map(log_of).chain(self.beside()).map(|log| (log, end)).collect();
        Read { to, ..Read::default() }
    }

    /// Logs in which there is nothing of it, and might be.
    fn beside(&self) -> BTreeSet<Log> {
        rule::holds::beside(&self.holds, &self.messages.iter().map(log_of).collect())
    }
}

/// How far its logs are read, as one who reads them sees it: another may be further in one and less far in the next.
struct Reading<'s> {
    logs: BTreeMap<Log, Vec<&'s Message>>,
    /// Lines of each; one more than there are: to the end of the day.
    far: BTreeMap<Log, usize>,
    /// Logs in which there is nothing of it.
    empty: BTreeSet<Log>,
    end: Timestamp,
}

impl<'s> Reading<'s> {
    fn begin(scenario: &'s Scenario) -> Self {
        let mut logs: BTreeMap<Log, Vec<&Message>> = BTreeMap::new();
        for message in &scenario.messages {
            logs.entry(log_of(message)).or_default().push(message);
        }
        for lines in logs.values_mut() {
            lines.sort_by_key(|message| (message.time, message.id));
        }
        // Of a log of which nothing is read it is not known that it belongs to this call; only of answers, which stand beside
        // their requests.
        let begins = |log: &Log| usize::from(log.source != ANSWERS);
        let far = logs.keys().map(|log| (log.clone(), begins(log))).collect();
        let end = *scenario.read_on().to.values().next().unwrap();
        let mut empty = scenario.beside();
        empty.retain(|log| !logs.contains_key(log));
        Self { logs, far, empty, end }
    }

    fn is_over(&self) -> bool {
        self.logs.iter().all(|(log, lines)| self.far[log] > lines.len())
    }

    /// Reads on in one of the logs: some lines, or as far as it goes.
    fn on(&mut self, dice: &mut Dice) {
        let open: Vec<Log> =
            self.logs.iter().filter(|(log, lines)| self.far[log] <= lines.len()).map(|(log, _)| log.clone()).collect();
        let log = &open[dice.below(open.len())];
        let lines = self.logs[log].len();
        let some = if dice.one_in(6) { lines + 1 } else { 1 + dice.below(6) };
        let far = self.far.get_mut(log).unwrap();
        *far = (*far + some).min(lines + 1);
    }

    /// In any order, and how far each log is read by that.
    fn seen(&self, dice: &mut Dice) -> (Vec<Message>, Read) {
        let mut messages = Vec::new();
        let mut read = Read::default();
        read.to.extend(self.empty.iter().map(|log| (log.clone(), self.end)));
        for (log, lines) in &self.logs {
            let far = self.far[log];
            messages.extend(lines.iter().take(far).map(|message| (*message).clone()));
            let to = match far {
                0 => Timestamp(lines[0].time.0 - 1),
                far if far > lines.len() => self.end,
                far => lines[far - 1].time,
            };
            read.to.insert(log.clone(), to);
        }
        for last in (1..messages.len()).rev() {
            messages.swap(last, dice.below(last + 1));
        }
        (messages, read)
    }
}

/// Random scenarios; of every third two callers.
fn each_scenario(some: u64, mut check: impl FnMut(u64, &Scenario, &mut Dice)) {
    let mut runner = TestRunner::deterministic();
    for seed in 0..count(some) {
        let plan_of = |runner: &mut TestRunner| plan().new_tree(runner).unwrap().current();
        let plan = plan_of(&mut runner);
        let other = seed.is_multiple_of(3).then(|| plan_of(&mut runner));
        let mut dice = Dice::new(seed + 1);
        let apart = Dice::new(seed + 1_000_000).one_in(4);
        let scenario = Scenario::of(&plan, other.as_ref(), apart, &mut dice);
        check(seed, &scenario, &mut dice);
    }
}

/// Messages of the row that opened it.
fn opened(flow: &Flow, verdict: &Verdict, messages: &[Message]) -> BTreeSet<MessageId> {
    let row = &flow.rows[verdict.start];
    let others = row.sightings.iter().chain(&row.repeats).chain(&row.repeat_sightings);
    std::iter::once(&row.message).chain(others).map(|at| messages[*at].id).collect()
}

/// It failed because something did not come.
fn is_absent(verdict: &Verdict) -> bool {
    verdict.outcome == Outcome::Failed
        && verdict.step.is_some_and(|step| verdict.steps[step].state == State::Missed(None))
}

/// Of what failed meanwhile because it did not come: what did not fail in the end, and was not late.
fn taken_back(
    meanwhile: &(Flow, Vec<Verdict>),
    seen: &[Message],
    end: &(Flow, Vec<Verdict>),
    all: &[Message],
) -> Vec<String> {
    let failed = meanwhile.1.iter().filter(|verdict| is_absent(verdict));
    let stands = |verdict: &&Verdict| {
        let own = opened(&meanwhile.0, verdict, seen);
        end.1.iter().any(|other| {
            other.rule == verdict.rule
                && matches!(other.outcome, Outcome::Failed | Outcome::Late)
                && !opened(&end.0, other, all).is_disjoint(&own)
        })
    };
    let line = |verdict: &Verdict| format!("{} {:?} due {:?}", verdict.rule, verdict.class, verdict.due);
    failed.filter(|verdict| !stands(verdict)).map(line).collect()
}

/// Two read the logs, each the other way round; whatever one of them says is missing is missing in the end.
#[test]
fn nothing_is_called_missing_while_logs_are_read_that_is_not_in_the_end() {
    each_scenario(80, |seed, scenario, dice| {
        let whole = scenario.whole();
        let mut readings = [Reading::begin(scenario), Reading::begin(scenario)];
        while readings.iter().any(|reading| !reading.is_over()) {
            let open: Vec<usize> = (0..2).filter(|nth| !readings[*nth].is_over()).collect();
            let reading = &mut readings[open[dice.below(open.len())]];
            reading.on(dice);
            let (messages, read) = reading.seen(dice);
            let meanwhile = scenario.judged(&messages, &read);
            let back = taken_back(&meanwhile, &messages, &whole, &scenario.messages);
            assert!(
                back.is_empty(),
                "{seed}: {back:?}\n{}\nread: {:?}\nmeanwhile:\n{}in the end:\n{}",
                scenario.text,
                read.to,
                told(&meanwhile.0, &meanwhile.1),
                told(&whole.0, &whole.1)
            );
            if reading.is_over() {
                assert_eq!(told(&meanwhile.0, &meanwhile.1), told(&whole.0, &whole.1), "{seed}\n{}", scenario.text);
            }
        }
    });
}

/// Without new lines, of what is decided nothing changes: what is open, or cannot be told for silence, is decided in time, and
/// a failure becomes at most one that was due sooner.
#[test]
fn reading_on_decides_what_is_open_and_changes_nothing_else() {
    each_scenario(80, |seed, scenario, dice| {
        let mut reading = Reading::begin(scenario);
        while !reading.is_over() {
            reading.on(dice);
            let (messages, mut read) = reading.seen(dice);
            if dice.one_in(4) {
                let log = read.to.keys().nth(dice.below(read.to.len())).unwrap().clone();
                read.silent.insert(log);
            }
            let (flow, meanwhile) = scenario.judged(&messages, &read);
            let (_, later) = scenario.judged(&messages, &scenario.read_on());
            for verdict in meanwhile.iter().filter(|verdict| verdict.outcome != Outcome::Open) {
                if matches!(verdict.why, Some(Why::Silent(_))) {
                    continue;
                }
                let same = |other: &&Verdict| {
                    (&other.rule, other.leg, other.start) == (&verdict.rule, verdict.leg, verdict.start)
                };
                let after = later.iter().find(same);
                let stands = after.is_some_and(|after| {
                    let failed_sooner = verdict.outcome == Outcome::Failed && after.due < verdict.due;
                    after.outcome == verdict.outcome
                        && ((&after.class, after.step, after.due) == (&verdict.class, verdict.step, verdict.due)
                            || failed_sooner)
                });
                assert!(
                    stands,
                    "{seed}: {verdict:?}\nlater {after:?}\n{}\nread: {:?}\n{}",
                    scenario.text,
                    read,
                    told(&flow, &meanwhile)
                );
            }
        }
    });
}

/// After each piece that is read, of a caller alone as of both once they are one.
#[test]
fn two_judges_agree_while_logs_are_read_and_calls_become_one() {
    let mut judged = 0;
    each_scenario(30, |seed, scenario, dice| {
        let mut reading = Reading::begin(scenario);
        while !reading.is_over() {
            reading.on(dice);
            let (messages, read) = reading.seen(dice);
            let of = |other: bool| -> Vec<Message> {
                let own = |message: &&Message| {
                    let call = message.facts.call_id.as_deref();
                    !message.is_registration() && call.is_none_or(|call| call.starts_with("other-") == other)
                };
                let logs: BTreeSet<Log> = messages.iter().filter(own).map(log_of).collect();
                // It shows registrations, and waits for nobody's log for their sake.
                let shown = |message: &&Message| message.is_registration() && logs.contains(&log_of(message));
                messages.iter().filter(|message| own(message) || shown(message)).cloned().collect()
            };
            let parts = if dice.one_in(2) { [false, true].map(of).to_vec() } else { vec![messages] };
            for part in parts.iter().filter(|part| !part.is_empty()) {
                judged += 1;
                // Its phones register where one of its own logs shows it.
                let log = log_of(&part[0]);
                let bindings: Vec<Binding> =
                    scenario.bindings.iter().map(|known| Binding { log: log.clone(), ..known.clone() }).collect();
                let differ = difference(part, &bindings, &scenario.holds, &read);
                assert!(differ.is_none(), "{seed}\n{}\n{read:?}\n{}", scenario.text, differ.unwrap());
            }
        }
    });
    assert!(judged > 150, "{judged}");
}
