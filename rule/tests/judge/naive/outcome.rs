//! What the steps and the ending of an instance add up to.

use message::flow::End;
use record::time::SECOND;
use rule::syntax::{Anchor, Ending, OnSilence, Rule, Side};
use rule::verdict::Outcome;

use super::instances::Instance;
use super::steps::{FOREVER, Judged, State};
use super::{Case, Told, rows};

impl Case<'_> {
    pub fn outcome(
        &self,
        rule: &Rule,
        instance: &Instance,
        judged: &[Judged],
        end: Option<(usize, Ending)>,
    ) -> Option<Told> {
        let start = instance.start.unwrap();
        let of = |state: fn(State) -> bool| {
            let required = judged.iter().enumerate().filter(|(step, _)| rule.steps[*step].failure.is_some());
            let steps = required.filter(|(_, judged)| state(judged.state));
            steps.min_by_key(|(_, judged)| judged.due).map(|(step, judged)| (step, judged.due))
        };
        let missed = of(|state| state == State::Missed);
        let late = of(|state| matches!(state, State::Late(_)));
        let is_silent = |step: &usize| judged[*step].state == State::Silent && rule.steps[*step].failure.is_some();
        let silent = (0..judged.len()).find(is_silent);
        let blinded = |step: &usize| judged[*step].state == State::Blind && rule.steps[*step].failure.is_some();
        let blind = (0..judged.len()).rev().find(blinded);
        let passed_over = blind.is_none_or(|last| {
            end.is_some()
                || judged[last + 1..].iter().any(|judged| matches!(judged.state, State::Met(Some(_)) | State::Late(_)))
        });
        let blind = blind.filter(|_| !passed_over);
        let required = judged.iter().zip(&rule.steps).filter(|(_, step)| step.failure.is_some());
        let undecided = required.filter(|(one, _)| match one.state {
            State::Met(_) | State::NotAsked => false,
            State::Blind => !passed_over,
            _ => true,
        });
        let first = undecided.map(|(one, _)| one.due).min();
        if first.is_some_and(|first| self.is_dropped(rule, instance, judged, first)) {
            return None;
        }
        // What was due before the ending, and may still come.
        let open = judged.iter().zip(&rule.steps).any(|(one, step)| one.state == State::Open && step.failure.is_some());
        let failed = |due: i64, class: Option<String>, step: Option<usize>| {
            let until = rule.retry_within.map(|within| due + within);
            if self.is_retried(rule, start, due) {
                (Outcome::Ok, None, None)
            } else {
                // It may be sent again.
                match until.and_then(|until| self.passed_at_last(rule, until)) {
                    None => (Outcome::Failed, class, step),
                    Some(State::Silent) if rule.times.on_silence == OnSilence::Failed => (Outcome::Failed, class, step),
                    Some(State::Silent) => (Outcome::Unknown, None, None),
                    Some(_) => (Outcome::Open, None, None),
                }
            }
        };
        let given_up = self.rows[start].time.saturating_add(rule.times.give_up);
        let well = late.map_or((Outcome::Ok, None, None), |(step, _)| {
            (Outcome::Late, rule.steps[step].failure.clone(), Some(step))
        });
        let (outcome, class, step) = if let Some((step, due)) = missed {
            failed(due, rule.steps[step].failure.clone(), Some(step))
        } else {
            match &end {
                Some((row, Ending::Failed(class))) => failed(self.rows[*row].time, Some(class.clone()), None),
                Some(_) if open && silent.is_none() => match self.passed_at_last(rule, given_up) {
                    Some(State::Silent) => (Outcome::Unknown, None, None),
                    _ => (Outcome::Open, None, None),
                },
                // Who was refused in the end was not served late.
                Some((_, Ending::Business(class))) if late.is_some() && silent.is_none() => {
                    (Outcome::Business, class.clone(), None)
                }
                _ if silent.is_some() => (Outcome::Unknown, None, silent),
                Some((_, Ending::Business(class))) => (Outcome::Business, class.clone(), None),
                Some((_, Ending::Ok)) => well,
                None if blind.is_some() => {
                    let last = blind.map_or(FOREVER, |step| judged[step].due);
                    match self.passed(rule, last, instance).filter(|_| last < FOREVER / 2) {
                        Some(State::Open) => (Outcome::Open, None, None),
                        _ => (Outcome::Unknown, None, blind),
                    }
                }
                // A step that waits for an optional one never seen is not asked for when the call is long over.
                None => {
                    // A blind ending is not waited for.
                    let has_deadline = judged.iter().any(|one| one.state == State::Open && one.due < FOREVER);
                    let waits = judged.iter().any(|one| one.state == State::Open)
                        || rule.ends.iter().any(|end| self.is_shown(instance, start, &end.pattern));
                    let rests = self.rests(instance).filter(|_| !has_deadline);
                    let rested = rests.map(|rests| self.passed_at_last(rule, rests));
                    // Of what is silent nobody can tell.
                    match (rested, self.passed_at_last(rule, given_up)) {
                        _ if !waits => well,
                        (Some(None), _) => well,
                        (Some(Some(State::Silent)), _) | (_, None | Some(State::Silent)) => {
                            (Outcome::Unknown, None, None)
                        }
                        _ => (Outcome::Open, None, None),
                    }
                }
            }
        };
        Some(Told { rule: rule.id.clone(), leg: instance.leg, start, outcome, class, step })
    }

    /// When its call was over for 32 s: a final refusal to the caller, or a BYE.
    fn rests(&self, instance: &Instance) -> Option<i64> {
        let flow = self.evidence.flow;
        let root = self.root(instance.leg);
        let over = match flow.course.callers.iter().find(|caller| caller.leg == root) {
            Some(caller) => match (&caller.connected, caller.result()) {
                (Some((_, End::Bye { time, .. } | End::Transferred { time, .. })), _) => Some(time.0),
                (None, Some(got)) if got.status >= 300 => Some(got.time.0),
                _ => None,
            },
            None => self.rows.iter().map(|said| said.time).max(),
        };
        over.map(|over| over + 32 * SECOND)
    }

    /// Seen anywhere in the scenario before the deadline of the first step that was missed, overdue or undecided.
    fn is_dropped(&self, rule: &Rule, instance: &Instance, judged: &[Judged], limit: i64) -> bool {
        rule.unless.iter().any(|unless| {
            unless.pattern.0.iter().any(|term| {
                let rows = (0..self.rows.len())
                    .filter(|at| self.matches(instance, term, *at, true) && self.rows[*at].time < limit);
                rows.skip(term.nth as usize - 1).any(|at| {
                    let Some((side, anchor)) = unless.side else { return true };
                    let row = match anchor {
                        Anchor::Start => instance.start,
                        Anchor::Step(step) => match judged[step].state {
                            State::Met(row) => row,
                            State::Late(row) => Some(row),
                            _ => None,
                        },
                    };
                    match (side, row) {
                        (Side::Before, Some(row)) => at < row,
                        (Side::Before, None) => true,
                        (Side::After, Some(row)) => at > row,
                        (Side::After, None) => false,
                    }
                })
            })
        })
    }

    /// The same request, sent after the failure and inside this time, that succeeds.
    fn is_retried(&self, rule: &Rule, start: usize, failed: i64) -> bool {
        let Some(within) = rule.retry_within else { return false };
        let first = &self.rows[start];
        let body = |said: &rows::Said| message_body(said.message);
        (start + 1..self.rows.len()).any(|at| {
            let said = &self.rows[at];
            let same = said.request
                && said.is(first.method)
                && said.message.facts.target == first.message.facts.target
                && body(said) == body(first);
            let answer = self.evidence.flow.rows[at].pair;
            let succeeds = answer.is_some_and(|answer| (200..400).contains(&self.rows[answer].status));
            same && said.time >= failed && said.time <= failed + within && succeeds
        })
    }
}

fn message_body(message: &message::logged::Message) -> Vec<u8> {
    let body = message.body();
    let head = body.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    body[head..].to_vec()
}
