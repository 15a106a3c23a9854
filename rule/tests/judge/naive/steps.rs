//! One instance: its ending, and its steps.

use message::flow::{Log, Node};
use message::kind::Kind;
use rule::holds::Holds;
use rule::syntax::{Anchor, Ending, OnSilence, Rule, Step, Timing};
use rule::verdict::Outcome;

use super::instances::Instance;
use super::{Case, Told, rows};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Met(Option<usize>),
    Late(usize),
    Missed,
    Open,
    Silent,
    Blind,
    NotAsked,
}

#[derive(Clone, Copy, Debug)]
pub struct Judged {
    pub state: State,
    pub due: i64,
    /// Of a blind or open step: from where those that count from it look on.
    since: usize,
}

pub const FOREVER: i64 = i64::MAX / 2;

impl Case<'_> {
    /// What is said of an instance, and the row with which it is over.
    pub fn steps(&self, rule: &Rule, instance: &Instance) -> (Option<Told>, Option<usize>) {
        let start = instance.start.unwrap();
        let end = self.ending(rule, instance);
        let mut judged: Vec<Judged> = Vec::new();
        for step in &rule.steps {
            let one = self.step(rule, instance, &judged, step, end.as_ref().map(|(row, _)| *row));
            judged.push(one);
        }
        let last_met = judged.iter().filter_map(|judged| match judged.state {
            State::Met(row) => row,
            State::Late(row) => Some(row),
            _ => None,
        });
        let last_met = last_met.max().unwrap_or(start);
        let undecided = judged.iter().any(|judged| matches!(judged.state, State::Open | State::Silent));
        let told = self.outcome(rule, instance, &judged, end.clone());
        // A blind step is decided by its last deadline, once that is read.
        let is_open = told.as_ref().is_some_and(|told| told.outcome == Outcome::Open);
        let over = match &end {
            Some((row, _)) => Some(*row),
            None if rule.ends.is_empty() && !undecided && !is_open => {
                let due =
                    judged.iter().filter(|judged| judged.state == State::Missed || judged.state == State::Met(None));
                let due = due.map(|judged| judged.due).filter(|due| *due < FOREVER).max().unwrap_or(i64::MIN);
                let by_due = self.rows.iter().rposition(|said| said.time <= due).unwrap_or(0);
                Some(last_met.max(by_due))
            }
            None => None,
        };
        (told, over)
    }

    /// The first message that ends it, and what that means.
    fn ending(&self, rule: &Rule, instance: &Instance) -> Option<(usize, Ending)> {
        let start = instance.start.unwrap();
        for at in start + 1..self.rows.len() {
            for end in &rule.ends {
                if self.first(instance, &end.pattern, at, at + 1, false).is_some() {
                    return Some((at, end.outcome.clone().unwrap_or_else(|| self.by_status(at))));
                }
            }
        }
        None
    }

    fn by_status(&self, at: usize) -> Ending {
        let said = &self.rows[at];
        if said.kind != Kind::Sip {
            return match said.status {
                400..500 => Ending::Failed("client".into()),
                500.. => Ending::Failed("server".into()),
                _ => Ending::Ok,
            };
        }
        if said.request || said.status < 300 {
            return Ending::Ok;
        }
        match self.defaults.codes.of(said.status) {
            Some(name) if name.business => Ending::Business(Some(name.name.clone())),
            Some(name) => Ending::Failed(name.name.clone()),
            None => Ending::Failed("client".into()),
        }
    }

    fn step(&self, rule: &Rule, instance: &Instance, before: &[Judged], step: &Step, end: Option<usize>) -> Judged {
        let start = instance.start.unwrap();
        let times = &rule.times;
        let until = end.map_or(self.rows.len(), |end| end + 1);
        let end_time = end.map_or(FOREVER, |end| self.rows[end].time);
        if let Some(Timing::Before { micros, label }) = step.timing {
            return self.looks_back(rule, instance, before, step, (micros, label), end);
        }
        let within = match step.timing {
            Some(Timing::Within { micros, .. }) => Some(micros),
            _ => None,
        };
        let anchor = match step.timing {
            Some(Timing::Within { of: Some(anchor), .. }) => anchor,
            _ => {
                let required = |at: &usize| rule.steps[*at].failure.is_some() && !rule.steps[*at].forbidden;
                (0..before.len()).rev().find(required).map_or(Anchor::Start, Anchor::Step)
            }
        };
        let from = match anchor {
            Anchor::Start => Some(start),
            Anchor::Step(other) => match before[other].state {
                State::Met(Some(row)) | State::Late(row) => Some(row),
                State::Blind => {
                    if self.knows(super::Sentence::BlindFromBlind) {
                        let since = before[other].since;
                        let seen = self.first(instance, &step.pattern, since, until, true).filter(|_| !step.forbidden);
                        let state = seen.map_or(State::Blind, |row| State::Met(Some(row)));
                        let due = before[other].due.saturating_add(within.unwrap_or_default());
                        return Judged { state, due, since };
                    }
                    Some(before[other].since)
                }
                State::Open | State::Silent => return Judged { state: State::Open, due: FOREVER, since: start },
                State::Met(None) | State::Missed | State::NotAsked => None,
            },
        };
        let Some(from) = from else { return Judged { state: State::NotAsked, due: FOREVER, since: start } };
        let due = within.map_or(FOREVER, |within| self.rows[from].time.saturating_add(within));
        let judged = |state, due| Judged { state, due, since: from };
        if step.forbidden {
            let seen = self.first(instance, &step.pattern, from, until, false);
            if let Some(row) = seen.filter(|row| self.rows[*row].time <= due) {
                return judged(State::Missed, self.rows[row].time);
            }
            if end_time <= due {
                return judged(State::Met(None), end_time);
            }
            return judged(self.passed(rule, due, instance).unwrap_or(State::Met(None)), due);
        }
        // An ending stops the instance.
        let seen = self.first(instance, &step.pattern, from, until, true);
        let in_time = seen.filter(|row| self.rows[*row].time <= due);
        if let Some(row) = in_time {
            return judged(State::Met(Some(row)), due);
        }
        if due > end_time {
            let counts = due == FOREVER && step.failure.is_some();
            return judged(if counts { self.missing(instance, from, step) } else { State::NotAsked }, end_time);
        }
        if let Some(row) = seen.filter(|_| step.failure.is_none()) {
            return judged(State::Met(Some(row)), due);
        }
        if step.failure.is_none() && !self.is_shown(instance, from, &step.pattern) {
            return judged(State::Blind, due);
        }
        if step.failure.is_none() {
            let passed = self.passed(rule, due, instance);
            // Of what is silent nobody waits for more.
            return judged(passed.unwrap_or(State::NotAsked), due);
        }
        let late = seen.map(|row| (row, self.rows[row].time - due));
        if let Some((row, _)) = late.filter(|(_, by)| *by <= times.late_for) {
            return judged(State::Late(row), due);
        }
        let missing = self.missing(instance, from, step);
        if missing == State::Blind {
            return judged(State::Blind, due);
        }
        judged(self.passed(rule, due, instance).unwrap_or(missing), due)
    }

    fn missing(&self, instance: &Instance, from: usize, step: &Step) -> State {
        if self.is_shown(instance, from, &step.pattern) { State::Missed } else { State::Blind }
    }

    /// `before X` looks back from X, or over everything if X never came.
    fn looks_back(
        &self,
        rule: &Rule,
        instance: &Instance,
        before: &[Judged],
        step: &Step,
        (micros, label): (Option<i64>, Anchor),
        end: Option<usize>,
    ) -> Judged {
        let start = instance.start.unwrap();
        let row = match label {
            Anchor::Start => Some(start),
            Anchor::Step(other) => match before.get(other).map(|judged| judged.state) {
                Some(State::Met(row)) => row,
                Some(State::Late(row)) => Some(row),
                Some(_) => None,
                // A later step.
                None => {
                    let until = end.map_or(self.rows.len(), |end| end + 1);
                    self.first(instance, &rule.steps[other].pattern, start, until, true)
                }
            },
        };
        let until = row.unwrap_or(self.rows.len());
        let due = row.map_or(FOREVER, |row| self.rows[row].time);
        let since = micros.map_or(i64::MIN, |micros| due.saturating_sub(micros));
        let from = self.rows.iter().position(|said| row.is_none() || said.time >= since).unwrap_or(0);
        let seen = self.first(instance, &step.pattern, from, until, !step.forbidden);
        let judged = |state| Judged { state, due, since: start };
        match seen {
            Some(_) if step.forbidden => judged(State::Missed),
            Some(row) => judged(State::Met(Some(row))),
            None if step.forbidden => judged(State::Met(None)),
            None if step.failure.is_none() => judged(State::NotAsked),
            None if row.is_none() && end.is_none() => judged(State::Open),
            None => {
                let missing = self.missing(instance, start, step);
                if missing == State::Blind {
                    return judged(missing);
                }
                judged(self.passed(rule, due.min(FOREVER), instance).unwrap_or(missing))
            }
        }
    }

    /// The same of what is no deadline of a step: a silent log is waited for until then by the clock, as others are.
    pub fn passed_at_last(&self, rule: &Rule, due: i64) -> Option<State> {
        let read = self.evidence.read;
        let behind = self.behind(rule, due);
        let is_silent = |log: &Log| read.silent.contains(log);
        match () {
            () if behind.is_empty() => None,
            () if behind.iter().all(is_silent) && read.clock.0 > due => Some(State::Silent),
            () => Some(State::Open),
        }
    }

    /// None: every log is read beyond a deadline.
    pub fn passed(&self, rule: &Rule, due: i64, _instance: &Instance) -> Option<State> {
        let behind = self.behind(rule, due);
        if behind.is_empty() {
            return None;
        }
        let silent = behind.iter().any(|log| self.evidence.read.silent.contains(log));
        match rule.times.on_silence {
            OnSilence::Failed if silent => None,
            _ => Some(if silent { State::Silent } else { State::Open }),
        }
    }

    /// Logs that are not read beyond a time.
    fn behind(&self, rule: &Rule, due: i64) -> Vec<Log> {
        let read = self.evidence.read;
        let mut logs: Vec<Log> = self.evidence.messages.iter().map(rows::log).collect();
        logs.extend(self.evidence.flow.nodes.iter().flat_map(|node| node.logs.clone()));
        // Where what belongs to them stood so far.
        let beside = |log: &Log| self.evidence.holds.get(log).map(Holds::beside).unwrap_or_default();
        let is_followed = |log: &&Log| read.to.contains_key(*log) || read.silent.contains(*log);
        let others: Vec<Log> = logs.iter().flat_map(beside).filter(is_followed).cloned().collect();
        logs.extend(others);
        let writes = |node: &Node, log: &Log| node.logs.iter().any(|own| beside(own).contains(log));
        let behind = |log: &&Log| {
            let to = read.to.get(*log).map_or(i64::MIN, |to| to.0);
            let nodes = &self.evidence.flow.nodes;
            let shift = nodes.iter().find(|node| node.logs.contains(log));
            let shift = shift.or_else(|| nodes.iter().find(|node| writes(node, log)));
            let shift = shift.map_or(0, |node| node.clock_shift);
            to.saturating_add(shift).saturating_sub(rule.times.lateness) <= due
        };
        logs.iter().filter(behind).cloned().collect()
    }
}
