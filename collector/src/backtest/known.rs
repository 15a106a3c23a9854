//! When a collector that reads along would have known that something failed, and that it did not after all. Pure.

use std::collections::BTreeMap;

use record::id::ScenarioId;
use record::time::{SECOND, Timestamp};
use rule::syntax::Rule;
use rule::told::Seen;
use rule::verdict::{Outcome, Verdict};
use store::alert::{self, Alarm};

use crate::book::Book;
use crate::judging::{self, Case};
use crate::report;

/// From a line in a log until it is read, joined and judged.
const HEARD: i64 = 5 * SECOND;

/// What a collector would have learned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct News {
    pub at: Timestamp,
    pub scenario: ScenarioId,
    pub leg: String,
    /// Which of a day.
    pub nth: i32,
    pub group: [u8; 8],
    pub what: What,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    Failed(Box<Alarm>),
    /// What was missing came too late.
    Late,
    /// What explains it failed, too.
    Explained,
}

/// Of one scenario, from what rules say of it in the end.
pub fn news(book: &Book, case: &Case, scenario: ScenarioId, verdicts: &[Verdict]) -> Vec<News> {
    let rule = |id: &str| report::rule(book, id);
    let once_failed = |verdict: &Verdict| {
        let was_missed = |by: i64| {
            verdict.outcome == Outcome::Late && rule(&verdict.rule).is_some_and(|rule| by > rule.times.lateness)
        };
        (verdict.outcome == Outcome::Failed || verdict.late_by.is_some_and(was_missed))
            .then(|| Verdict { outcome: Outcome::Failed, ..verdict.clone() })
    };
    let failed: Vec<Verdict> = verdicts.iter().filter_map(once_failed).collect();
    let alarms = judging::alarms(book, case, &failed);
    let alarms: Vec<(&Rule, Alarm)> =
        alarms.into_iter().filter_map(|alarm| Some((rule(&alarm.item.told.rule)?, alarm))).collect();
    let mut first: BTreeMap<String, Timestamp> = BTreeMap::new();
    for (rule, alarm) in &alarms {
        let at = known(rule, alarm);
        first.entry(rule.id.clone()).and_modify(|known| *known = at.min(*known)).or_insert(at);
    }
    let mut news = Vec::new();
    for (rule, mut alarm) in alarms {
        let (at, late) = (known(rule, &alarm), late(rule, &alarm));
        let told = &alarm.item.told;
        let (leg, nth, group) = (told.leg.clone(), told.nth.unwrap_or_default(), alarm.group.hash);
        let mut learn =
            |at: Timestamp, what: What| news.push(News { at, scenario, leg: leg.clone(), nth, group, what });
        let causes = alarm.item.facts.iter().filter(|(name, _)| name == "because").filter_map(|(_, id)| first.get(id));
        let explained = match alarm.news {
            alert::News::Explained => causes.min().copied(),
            alert::News::Fresh | alert::News::Old => None,
        };
        if explained.is_some_and(|since| since <= at) {
            continue;
        }
        // What is listed stands beside it already.
        alarm.item.told.steps = Vec::new();
        learn(at, What::Failed(Box::new(alarm)));
        if let Some(since) = explained {
            learn(since, What::Explained);
        }
        if let Some(since) = late {
            learn(since, What::Late);
        }
    }
    news
}

/// What came is known when it is read; what did not, once every log is read beyond its deadline.
pub fn known(rule: &Rule, alarm: &Alarm) -> Timestamp {
    let told = &alarm.item.told;
    let step = told.step.and_then(|step| told.steps.get(step));
    let came = match step {
        None => Some(alarm.at),
        Some(step) if step.seen == Seen::Forbidden => step.time,
        Some(_) => None,
    };
    let at = match (rule.retry_within, came) {
        (Some(within), _) => alarm.at.0.saturating_add(within).saturating_add(rule.times.lateness),
        (None, Some(came)) => came.0,
        (None, None) => alarm.at.0.saturating_add(rule.times.lateness),
    };
    heard(at)
}

/// When it is known that it came after all.
pub fn late(rule: &Rule, alarm: &Alarm) -> Option<Timestamp> {
    let told = &alarm.item.told;
    told.late_by.filter(|by| *by <= rule.times.late_for)?;
    let came = told.steps.get(told.step?)?.time?;
    Some(heard(came.0))
}

/// In whole seconds: groups are looked at twice in one.
fn heard(at: i64) -> Timestamp {
    let second = at.saturating_add(HEARD + SECOND - 1).div_euclid(SECOND);
    Timestamp(second.saturating_mul(SECOND))
}
