//! The steps of one instance, looked for one after another.

use record::time::Timestamp;

use super::{Judging, Over};
use crate::expected::{Expected, expected};
use crate::instance::Instance;
use crate::matching::Reach;
use crate::syntax::{Anchor, OnSilence, Side, Step, Timing, Unless};
use crate::verdict::{Progress, State, Why};

impl Judging<'_, '_> {
    pub fn steps(&self, over: Option<&Over>) -> Vec<Looked> {
        let mut looked: Vec<Looked> = Vec::with_capacity(self.rule.steps.len());
        for at in 0..self.rule.steps.len() {
            let one = self.step(&self.rule.steps[at], self.base(at, &looked), over, &looked);
            looked.push(one);
        }
        looked
    }

    /// What a step counts from.
    fn base(&self, at: usize, looked: &[Looked]) -> Base {
        let anchor = match self.rule.steps[at].timing {
            Some(Timing::Within { of: Some(anchor), .. }) => anchor,
            _ => {
                let required = |step: &Step| step.failure.is_some() && !step.forbidden;
                let before = self.rule.steps[..at].iter().rposition(required);
                before.map_or(Anchor::Start, Anchor::Step)
            }
        };
        let Anchor::Step(step) = anchor else { return Base::Row(self.instance.start) };
        let Some(before) = looked.get(step) else { return Base::Nothing };
        match &before.progress.state {
            State::Met(Some(row)) | State::Late(row, _) => Base::Row(*row),
            State::Met(None) => Base::Row(before.base),
            State::Blind(why) => Base::Blind(before.base, why.clone(), before.progress.due),
            State::Open | State::Silent => Base::Waits,
            State::Missed(_) | State::NotAsked => Base::Nothing,
        }
    }

    fn step(&self, step: &Step, base: Base, over: Option<&Over>, looked: &[Looked]) -> Looked {
        let (from, blind) = match base {
            Base::Row(row) => (row, None),
            Base::Blind(row, why, due) => (row, Some((why, due))),
            Base::Waits => return Looked::nothing(self.instance.start, State::Open),
            Base::Nothing => return Looked::nothing(self.instance.start, State::NotAsked),
        };
        let looking = Looking { judging: self, step, from, over };
        match step.timing {
            Some(Timing::Before { micros, label }) => {
                let row = match label {
                    Anchor::Start => Some(self.instance.start),
                    Anchor::Step(label) if label < looked.len() => looked[label].row(),
                    Anchor::Step(label) => self.ahead(label, over),
                };
                looking.before(row, micros)
            }
            _ if step.forbidden => looking.forbidden(blind),
            Some(Timing::Within { micros, .. }) => looking.after(Some(micros), blind),
            None => looking.after(None, blind),
        }
    }

    /// What meets a step that is written further on.
    fn ahead(&self, step: usize, over: Option<&Over>) -> Option<usize> {
        let pattern = &self.rule.steps[step].pattern;
        let row = self.instance.find(self.ground, pattern, self.instance.start, Reach::Own);
        row.filter(|row| over.is_none_or(|over| *row <= over.row))
    }

    /// Seen before the deadline of the first step that was missed, overdue or undecided.
    pub fn is_dropped(&self, steps: &[Looked], over: Option<&Over>) -> bool {
        let passed_over = self.blind(steps, over.is_some()).0.is_none();
        let undecided = steps.iter().zip(&self.rule.steps).filter(|(looked, step)| {
            let open = match looked.progress.state {
                State::Late(..) | State::Missed(_) | State::Open | State::Silent => true,
                State::Blind(_) => !passed_over,
                State::Met(_) | State::NotAsked => false,
            };
            open && step.failure.is_some()
        });
        let dues = undecided.map(|(looked, _)| looked.progress.due.unwrap_or(Timestamp(i64::MAX)));
        let Some(due) = dues.min() else { return false };
        self.rule.unless.iter().any(|unless| self.is_seen(unless, due, steps))
    }

    fn is_seen(&self, unless: &Unless, due: Timestamp, steps: &[Looked]) -> bool {
        let row_of = |anchor: Anchor| match anchor {
            Anchor::Start => Some(self.instance.start),
            Anchor::Step(step) => steps.get(step).and_then(Looked::row),
        };
        let mut from = 0;
        while let Some(row) = self.instance.find(self.ground, &unless.pattern, from, Reach::Scenario) {
            if self.ground.time(row) >= due {
                return false;
            }
            let counts = match unless.side {
                None => true,
                Some((Side::Before, anchor)) => row_of(anchor).is_none_or(|label| row < label),
                Some((Side::After, anchor)) => row_of(anchor).is_some_and(|label| row > label),
            };
            if counts {
                return true;
            }
            from = row + 1;
        }
        false
    }
}

/// From where a step counts.
enum Base {
    Row(usize),
    /// That step is blind; the row that it counts from itself, and by when it had to come.
    Blind(usize, Why, Option<Timestamp>),
    /// It may still come.
    Waits,
    /// It never came.
    Nothing,
}

/// A step that was looked for.
#[derive(Clone, Debug)]
pub struct Looked {
    pub progress: Progress,
    pub expected: Expected,
    base: usize,
}

impl Looked {
    fn nothing(base: usize, state: State) -> Self {
        Self { progress: Progress { state, due: None, hop: None }, expected: Expected::default(), base }
    }

    /// The row that met it.
    pub fn row(&self) -> Option<usize> {
        match self.progress.state {
            State::Met(row) => row,
            State::Late(row, _) => Some(row),
            _ => None,
        }
    }
}

/// One step, on the way to what became of it.
struct Looking<'j, 'g, 'a> {
    judging: &'j Judging<'g, 'a>,
    step: &'j Step,
    /// The row that it counts from.
    from: usize,
    over: Option<&'j Over>,
}

impl Looking<'_, '_, '_> {
    fn after(&self, micros: Option<i64>, blind: Option<(Why, Option<Timestamp>)>) -> Looked {
        let judging = self.judging;
        let ground = judging.ground;
        let since = blind.as_ref().map_or(Some(ground.time(self.from)), |(_, due)| *due);
        let due = since.zip(micros).map(|(since, micros)| Timestamp(since.0.saturating_add(micros)));
        let row = judging.instance.find(ground, &self.step.pattern, self.from, Reach::Own);
        let row = row.filter(|row| self.over.is_none_or(|over| *row <= over.row));
        if let Some(row) = row {
            let by = due.map_or(0, |due| ground.time(row).micros_since(due));
            // Counted from what no log shows, it is met whatever its time.
            let state = if by <= 0 || blind.is_some() { State::Met(Some(row)) } else { State::Late(row, by) };
            return Looked {
                progress: Progress { state, due, hop: None },
                expected: Expected::default(),
                base: self.from,
            };
        }
        self.absent(due, blind.map(|(why, _)| why))
    }

    /// Not seen: missed, or why not yet.
    fn absent(&self, due: Option<Timestamp>, blind: Option<Why>) -> Looked {
        let judging = self.judging;
        let ground = judging.ground;
        let expected = expected(ground, &judging.instance, &self.step.pattern, self.from);
        let hop = expected.hop;
        let looked =
            |state| Looked { progress: Progress { state, due, hop }, expected: expected.clone(), base: self.from };
        // What was due after the ending is not asked for.
        if let Some(over) = self.over
            && due.is_none_or(|due| due > ground.time(over.row))
        {
            return looked(State::NotAsked);
        }
        if let Some(why) = blind.or_else(|| expected.blind.clone()) {
            return looked(State::Blind(why));
        }
        let Some(due) = due else { return looked(State::Open) };
        let logs = judging.logs.union(&expected.logs).cloned().collect();
        if judging.is_read_beyond(due, &logs) {
            return looked(if self.step.failure.is_some() { State::Missed(None) } else { State::NotAsked });
        }
        let waits = logs.iter().filter(|log| judging.read_to(log) <= due);
        let silent = waits.into_iter().any(|log| ground.evidence.read.silent.contains(log));
        looked(if silent { State::Silent } else { State::Open })
    }

    /// Looks back from a row, or over everything if that never came.
    fn before(&self, label: Option<usize>, micros: Option<i64>) -> Looked {
        let (judging, ground) = (self.judging, self.judging.ground);
        let from = match (label, micros) {
            (Some(label), Some(micros)) => {
                let since = Timestamp(ground.time(label).0.saturating_sub(micros));
                (0..ground.rows.len()).find(|row| ground.time(*row) >= since).unwrap_or(0)
            }
            _ => 0,
        };
        let find = if self.step.forbidden { Instance::find_whole } else { Instance::find };
        let row = find(&judging.instance, ground, &self.step.pattern, from, Reach::Own);
        let row = row.filter(|row| label.is_none_or(|label| *row < label));
        let due = label.map(|label| ground.time(label));
        let state = match row {
            Some(row) if self.step.forbidden => State::Missed(Some(row)),
            Some(row) => State::Met(Some(row)),
            None if self.step.forbidden && (label.is_some() || self.over.is_some()) => State::Met(None),
            None if self.step.forbidden => State::Open,
            None => return self.absent(due, None),
        };
        let due = row.filter(|_| self.step.forbidden).map(|row| ground.time(row));
        Looked { progress: Progress { state, due, hop: None }, expected: Expected::default(), base: self.from }
    }

    /// What must not be seen, in its time; without one until the instance ends.
    fn forbidden(&self, blind: Option<(Why, Option<Timestamp>)>) -> Looked {
        let (judging, ground) = (self.judging, self.judging.ground);
        let within = match self.step.timing {
            Some(Timing::Within { micros, .. }) => Some(micros),
            _ => None,
        };
        let due = within.map(|micros| Timestamp(ground.time(self.from).0.saturating_add(micros)));
        let row = judging.instance.find_whole(ground, &self.step.pattern, self.from, Reach::Own);
        let row = row.filter(|row| self.over.is_none_or(|over| *row <= over.row));
        let row = row.filter(|row| due.is_none_or(|due| ground.time(*row) <= due));
        let looked = |state, due| Looked {
            progress: Progress { state, due, hop: None },
            expected: Expected::default(),
            base: self.from,
        };
        if let Some((why, due)) = blind {
            return looked(State::Blind(why), due);
        }
        if let Some(row) = row {
            return looked(State::Missed(Some(row)), Some(ground.time(row)));
        }
        let passed =
            due.map(|due| (judging.is_read_beyond(due, judging.logs), judging.is_read_or_silent(due, judging.logs)));
        let state = match passed {
            _ if self.over.is_some() => State::Met(None),
            Some((true, _)) => State::Met(None),
            Some((_, true)) if judging.rule.times.on_silence == OnSilence::Failed => State::Met(None),
            Some((_, true)) => State::Silent,
            _ => State::Open,
        };
        looked(state, due)
    }
}
