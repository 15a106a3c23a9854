//! What came of each instance of a rule: a pure function of what is known, alike in any order of arrival.

mod step;

use std::collections::BTreeSet;

use message::flow::{End as Ended, Log};
use message::kind::Kind;
use message::logged::Message;
use record::time::{SECOND, Timestamp};

use crate::evidence::Evidence;
use crate::expected::expected;
use crate::ground::Ground;
use crate::holds::beside;
use crate::instance::{Instance, Of};
use crate::matching::Reach;
use crate::syntax::{Defaults, End, Ending, OnSilence, Per, Rule, Step};
use crate::verdict::{Outcome, State, Verdict, Why};
use step::Looked;

/// Timer B: a call that is over for so long has nothing more to say.
const REST: i64 = 32 * SECOND;

/// Judges one scenario by all rules.
pub fn judge(rules: &[Rule], defaults: &Defaults, evidence: &Evidence) -> Vec<Verdict> {
    let ground = Ground::of(evidence, &defaults.codes);
    let mut logs = ground.logs();
    // What is missing, what ends it and what drops it may stand in another log of the machine, of which nothing has come yet. One
    // that nobody follows any more, such as that of a process that has ended, is not waited for.
    let is_followed = |log: &Log| evidence.read.to.contains_key(log) || evidence.read.silent.contains(log);
    logs.extend(beside(evidence.holds, &logs).into_iter().filter(is_followed));
    rules.iter().flat_map(|rule| of_rule(rule, &ground, &logs)).collect()
}

fn of_rule(rule: &Rule, ground: &Ground, logs: &BTreeSet<Log>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for of in Of::all(ground, rule.per) {
        let mut from = 0;
        while let Some(start) = (Instance { of, start: from }).find_whole(ground, &rule.start, from, Reach::Start) {
            let instance = Instance { of, start };
            let Judged { verdict, over } = Judging { rule, ground, logs, instance }.judge();
            verdicts.extend(verdict);
            // After an instance has ended, the next start opens another.
            let Some(over) = over.filter(|_| !matches!(rule.per, Per::Scenario | Per::Leg | Per::Attempt)) else {
                break;
            };
            from = over.max(start) + 1;
            if from >= ground.rows.len() {
                break;
            }
        }
    }
    verdicts
}

struct Judging<'g, 'a> {
    rule: &'g Rule,
    ground: &'g Ground<'a>,
    logs: &'g BTreeSet<Log>,
    instance: Instance,
}

/// What came of one instance; none if it was dropped.
struct Judged {
    verdict: Option<Verdict>,
    /// The row with which it was over.
    over: Option<usize>,
}

/// How far all logs of a scenario are read.
#[derive(PartialEq, Eq)]
enum Passed {
    Read,
    /// Of those that are not read so far nothing is reported any more.
    Silent(Vec<Log>),
    No,
}

/// The ending of an instance.
struct Over {
    row: usize,
    outcome: Ending,
}

impl Judging<'_, '_> {
    fn judge(&self) -> Judged {
        let over = self.ending();
        let steps = self.steps(over.as_ref());
        let end = over.as_ref().map(|over| over.row);
        if self.is_dropped(&steps, over.as_ref()) {
            return Judged { verdict: None, over: end };
        }
        let verdict = self.verdict(steps, over);
        // Its last step is decided by the row that met it, or by its deadline.
        let last = verdict.steps.iter().filter_map(|step| match step.state {
            State::Met(Some(row)) | State::Late(row, _) => Some(row),
            State::Missed(_) | State::Met(None) => {
                self.ground.flow.rows.iter().rposition(|row| Some(row.time) <= step.due)
            }
            _ => None,
        });
        let silent =
            matches!(verdict.why, Some(Why::Silent(_))) || verdict.steps.iter().any(|step| step.state == State::Silent);
        let decided = verdict.outcome != Outcome::Open && !silent;
        let end = end.or_else(|| last.max().filter(|_| decided && self.rule.ends.is_empty()));
        Judged { verdict: Some(verdict), over: end }
    }

    /// The first message that ends it. Of several endings that fit the one that is written first counts.
    fn ending(&self) -> Option<Over> {
        let row = |end: &End| self.instance.find_whole(self.ground, &end.pattern, self.instance.start, Reach::Own);
        let mut all: Vec<(usize, &End)> = self.rule.ends.iter().filter_map(|end| Some((row(end)?, end))).collect();
        // Told apart by its To-tag only, a leg may be ended by a 199.
        if let Of::Leg(leg) = self.instance.of
            && self.ground.flow.legs[leg].by_tag
        {
            let gone = |at: &usize| self.ground.rows[*at].status == Some(199) && self.ground.is_of_leg(*at, leg);
            if let Some(row) = (self.instance.start..self.ground.rows.len()).find(gone)
                && all.iter().all(|(other, _)| *other > row)
            {
                return Some(Over { row, outcome: Ending::Ok });
            }
        }
        all.sort_by_key(|(row, _)| *row);
        let (row, end) = all.first()?;
        Some(Over { row: *row, outcome: end.outcome.clone().unwrap_or_else(|| self.says(*row)) })
    }

    /// What the status of an ending says.
    fn says(&self, row: usize) -> Ending {
        let said = &self.ground.rows[row];
        match (said.kind, said.status) {
            (_, None | Some(..300)) => Ending::Ok,
            (Kind::Sip, Some(status)) => match self.ground.codes.of(status) {
                Some(name) if name.business => Ending::Business(Some(name.name.clone())),
                Some(name) => Ending::Failed(name.name.clone()),
                None => Ending::Failed("client".to_owned()),
            },
            (_, Some(..400)) => Ending::Ok,
            (_, Some(..500)) => Ending::Failed("client".to_owned()),
            (_, Some(_)) => Ending::Failed("server".to_owned()),
        }
    }

    fn verdict(&self, steps: Vec<Looked>, over: Option<Over>) -> Verdict {
        let summed = self.sum(&steps, over.as_ref());
        Verdict {
            rule: self.rule.id.clone(),
            version: self.rule.version,
            severity: self.rule.severity,
            start: self.instance.start,
            leg: self.instance.of.leg(self.ground),
            outcome: summed.outcome,
            class: summed.class,
            step: summed.step,
            due: summed.due,
            late_by: summed.late_by,
            ended: over.map(|over| over.row),
            why: summed.why,
            waits_for: summed.waits_for,
            facts: if summed.outcome == Outcome::Failed { self.instance.facts(self.ground) } else { Vec::new() },
            next: summed.next,
            steps: steps.into_iter().map(|looked| looked.progress).collect(),
        }
    }

    fn sum(&self, steps: &[Looked], over: Option<&Over>) -> Sum {
        let mut failures: Vec<Sum> = Vec::new();
        let mut late: Option<Sum> = None;
        for (at, (looked, step)) in steps.iter().zip(&self.rule.steps).enumerate() {
            let Some(class) = &step.failure else { continue };
            let sum = |outcome, late_by| Sum {
                outcome,
                class: Some(class.clone()),
                step: Some(at),
                due: looked.progress.due,
                late_by,
                ..Sum::default()
            };
            match looked.progress.state {
                State::Missed(_) => failures.push(sum(Outcome::Failed, None)),
                State::Late(_, by) if by > self.rule.times.late_for => failures.push(sum(Outcome::Failed, Some(by))),
                State::Late(_, by) => late = late.or(Some(sum(Outcome::Late, Some(by)))),
                State::Silent if self.rule.times.on_silence == OnSilence::Failed => {
                    failures.push(sum(Outcome::Failed, None));
                }
                _ => {}
            }
        }
        if let Some(Over { row, outcome: Ending::Failed(class) }) = over {
            let due = Some(self.ground.time(*row));
            failures.push(Sum { outcome: Outcome::Failed, class: Some(class.clone()), due, ..Sum::default() });
        }
        failures.sort_by_key(|failure| (failure.due, failure.step));
        if let Some(failed) = failures.into_iter().next() {
            return self.retried(failed);
        }
        let unknown =
            |why: Why, step: Option<usize>| Sum { outcome: Outcome::Unknown, why: Some(why), step, ..Sum::default() };
        let is_silent =
            |at: &usize| steps[*at].progress.state == State::Silent && self.rule.steps[*at].failure.is_some();
        if let Some(at) = (0..steps.len()).find(is_silent) {
            // It may be read on.
            let due = steps[at].progress.due;
            let behind = |log: &Log| due.is_none_or(|due| self.read_to(log) <= due);
            let is_silent = |log: &Log| self.ground.evidence.read.silent.contains(log) && behind(log);
            let silent = self.logs_of(&steps[at]).into_iter().filter(is_silent);
            return Sum { due, next: due, ..unknown(Why::Silent(silent.collect()), Some(at)) };
        }
        let (blind, blind_until) = self.blind(steps, over.is_some());
        if let Some((at, why)) = &blind
            && blind_until.is_none_or(|due| self.is_read_or_silent(due, &self.logs_of(&steps[*at])))
        {
            return Sum { due: blind_until, ..unknown(why.clone(), Some(*at)) };
        }
        let waits: Vec<&Looked> = steps.iter().filter(|looked| looked.progress.state == State::Open).collect();
        let dues = waits.iter().filter_map(|looked| looked.progress.due).chain(blind_until.filter(|_| blind.is_some()));
        let next = dues.min();
        // What was due before the ending counts, and may still come.
        let is_asked =
            |(looked, step): (&Looked, &Step)| looked.progress.state == State::Open && step.failure.is_some();
        let given_up = Timestamp(self.ground.time(self.instance.start).0.saturating_add(self.rule.times.give_up));
        if over.is_some() && steps.iter().zip(&self.rule.steps).any(is_asked) {
            let next = next.or(Some(given_up));
            return match self.passed(given_up) {
                // Its log is read no further, and nobody reports that any more.
                Passed::Read if next == Some(given_up) => unknown(Why::GivenUp, None),
                Passed::Silent(logs) => Sum { next, ..unknown(Why::Silent(logs), None) },
                _ => Sum { outcome: Outcome::Open, next, waits_for: self.behind(&waits), ..Sum::default() },
            };
        }
        let without_end = over.is_none() && !self.rule.ends.is_empty() && !self.ends_blind();
        let open_due = waits.iter().any(|looked| looked.progress.due.is_some()) || blind.is_some();
        if over.is_none() && (!waits.is_empty() || without_end || blind.is_some()) {
            let rests = self.rests();
            let rested = rests.filter(|_| !open_due).map(|rests| self.passed(rests));
            if rested != Some(Passed::Read) {
                let next = next.into_iter().chain(rests).min().or(Some(given_up));
                return match (rested, self.passed(given_up)) {
                    (Some(Passed::Silent(logs)), _) | (_, Passed::Silent(logs)) => {
                        Sum { next, ..unknown(Why::Silent(logs), None) }
                    }
                    (_, Passed::Read) => unknown(Why::GivenUp, None),
                    _ => Sum { outcome: Outcome::Open, next, waits_for: self.behind(&waits), ..Sum::default() },
                };
            }
        }
        match over.map(|over| &over.outcome) {
            Some(Ending::Business(class)) => Sum { outcome: Outcome::Business, class: class.clone(), ..Sum::default() },
            _ => late.unwrap_or(Sum { outcome: Outcome::Ok, ..Sum::default() }),
        }
    }

    /// The last blind step that nothing passed over, and its deadline.
    fn blind(&self, steps: &[Looked], ended: bool) -> (Option<(usize, Why)>, Option<Timestamp>) {
        let required = |at: usize| self.rule.steps[at].failure.is_some();
        let last = steps.iter().enumerate().rev().find_map(|(at, looked)| match &looked.progress.state {
            State::Blind(why) if required(at) => Some((at, why.clone())),
            _ => None,
        });
        let Some((at, why)) = last.filter(|_| !ended) else { return (None, None) };
        let passed = steps[at + 1..].iter().any(|looked| looked.row().is_some());
        if passed { (None, None) } else { (Some((at, why)), steps[at].progress.due) }
    }

    /// The same request again, soon after the failure, and it succeeds.
    fn retried(&self, failed: Sum) -> Sum {
        let (Some(within), Some(due)) = (self.rule.retry_within, failed.due) else { return failed };
        let (ground, first) = (self.ground, self.ground.message(self.instance.start));
        let until = Timestamp(due.0.saturating_add(within));
        let again = (self.instance.start + 1..ground.rows.len()).filter(|at| {
            let (said, message) = (&ground.rows[*at], ground.message(*at));
            let time = ground.time(*at);
            !said.response
                && said.method == ground.rows[self.instance.start].method
                && (time > due && time <= until)
                && message.facts.target == first.facts.target
                && message.destination == first.destination
                && payload(message) == payload(first)
        });
        let succeeds = |at: usize| {
            let answer = ground.flow.rows[at].pair.and_then(|answer| ground.rows[answer].status);
            answer.is_some_and(|status| status < 400)
        };
        if again.into_iter().any(succeeds) {
            return Sum { outcome: Outcome::Ok, ..Sum::default() };
        }
        let next = Some(until);
        match self.passed(until) {
            Passed::Read => failed,
            Passed::Silent(_) if self.rule.times.on_silence == OnSilence::Failed => failed,
            Passed::Silent(logs) => {
                Sum { outcome: Outcome::Unknown, why: Some(Why::Silent(logs)), next, ..Sum::default() }
            }
            Passed::No => Sum { outcome: Outcome::Open, next, ..Sum::default() },
        }
    }

    /// A blind ending is not waited for.
    fn ends_blind(&self) -> bool {
        let blind =
            |end: &End| expected(self.ground, &self.instance, &end.pattern, self.instance.start).blind.is_some();
        self.rule.ends.iter().all(blind)
    }

    /// When it is over without an ending: so long after its call.
    fn rests(&self) -> Option<Timestamp> {
        let callers = &self.ground.flow.course.callers;
        let of = self.ground.caller_of(self.instance.of.leg(self.ground)).map(|caller| &callers[caller]);
        let over = match of {
            Some(caller) => match (caller.connected, caller.result()) {
                (Some((_, Ended::Bye { time, .. } | Ended::Transferred { time, .. })), _) => Some(time),
                (None, Some(got)) if got.status >= 300 => Some(got.time),
                _ => None,
            },
            None => self.ground.flow.rows.iter().map(|row| row.time).max(),
        };
        over.map(|time| Timestamp(time.0.saturating_add(REST)))
    }

    /// Every log that could show more is read beyond a time.
    fn is_read_beyond(&self, due: Timestamp, logs: &BTreeSet<Log>) -> bool {
        logs.iter().all(|log| self.read_to(log) > due)
    }

    /// Whether every log of the scenario is read beyond a time; else whether it is over, and those that are not are silent.
    fn passed(&self, due: Timestamp) -> Passed {
        let read = self.ground.evidence.read;
        let behind: Vec<&Log> = self.logs.iter().filter(|log| self.read_to(log) <= due).collect();
        match () {
            () if behind.is_empty() => Passed::Read,
            () if read.clock > due && behind.iter().all(|log| read.silent.contains(*log)) => {
                Passed::Silent(behind.into_iter().cloned().collect())
            }
            () => Passed::No,
        }
    }

    /// Nothing more is to be waited for.
    fn is_read_or_silent(&self, due: Timestamp, logs: &BTreeSet<Log>) -> bool {
        let silent = |log: &Log| self.ground.evidence.read.silent.contains(log);
        let mut behind = logs.iter().filter(|log| self.read_to(log) <= due).peekable();
        behind.peek().is_none() || behind.any(silent)
    }

    /// In repaired time.
    fn read_to(&self, log: &Log) -> Timestamp {
        let read = self.ground.evidence.read.to.get(log).copied().unwrap_or(Timestamp(i64::MIN));
        let shift = self.ground.writer_of(log).map_or(0, |node| node.clock_shift);
        Timestamp(read.0.saturating_add(shift).saturating_sub(self.rule.times.lateness))
    }

    fn logs_of(&self, looked: &Looked) -> BTreeSet<Log> {
        self.logs.union(&looked.expected.logs).cloned().collect()
    }

    /// Logs that keep steps open whose deadline has passed in other logs.
    fn behind(&self, waits: &[&Looked]) -> Vec<Log> {
        let mut behind = BTreeSet::new();
        for looked in waits {
            let (Some(due), logs) = (looked.progress.due, self.logs_of(looked)) else { continue };
            if logs.iter().any(|log| self.read_to(log) > due) {
                behind.extend(logs.into_iter().filter(|log| self.read_to(log) <= due));
            }
        }
        behind.into_iter().collect()
    }
}

/// What is asked: a request that is sent again has an id of its own among its headers.
fn payload(message: &Message) -> &[u8] {
    let body = message.body();
    let head = body.windows(4).position(|four| four == b"\r\n\r\n");
    // Without headers it is the payload alone.
    head.filter(|_| body.starts_with(message.facts.method.as_bytes())).map_or(body, |head| &body[head + 4..])
}

/// What the outcome is made of.
#[derive(Clone, Debug)]
struct Sum {
    outcome: Outcome,
    class: Option<String>,
    step: Option<usize>,
    due: Option<Timestamp>,
    late_by: Option<i64>,
    why: Option<Why>,
    waits_for: Vec<Log>,
    next: Option<Timestamp>,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            outcome: Outcome::Ok,
            class: None,
            step: None,
            due: None,
            late_by: None,
            why: None,
            waits_for: Vec::new(),
            next: None,
        }
    }
}
