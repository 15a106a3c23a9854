//! What rules say of a settled call, and which of it is to be reported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use message::event::CallClass;
use message::flow::{Flow, Log};
use message::logged::Message;
use record::time::{MINUTE, Timestamp};
use rule::evidence::{Binding, Evidence, Read};
use rule::holds::{AllHolds, Holds};
use rule::syntax::Rule;
use rule::told::Told;
use rule::verdict::{Outcome, Verdict};
use store::alert::{Alarm, Instance, ItemTold, News};
use store::verdict::Judged;

use crate::book::Book;
use crate::config::EnvRule;
use crate::day;
use crate::grouping::{Failing, grouped};

/// A scenario with what is known beside it.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub class: CallClass,
    /// Of one that is filed by day: what began before is judged for good.
    pub from: Option<Timestamp>,
    /// The event time to which all of its logs are read that are not silent.
    pub read_to: Timestamp,
    pub flow: &'a Flow,
    pub messages: &'a [Message],
    pub bindings: &'a [Binding],
    pub holds: &'a AllHolds,
    pub read: &'a Read,
    /// The collector's clock.
    pub now: Timestamp,
}

/// What rules say of a scenario, and the event time after which they may say more, once its logs are read beyond it.
pub fn judged(book: &Book, case: &Case) -> (Judged, Option<Timestamp>) {
    let Case { flow, messages, .. } = *case;
    let verdicts = verdicts(book, case);
    let rules = by_id(book);
    let mut judged = Judged::default();
    let mut next: Option<Timestamp> = None;
    for verdict in &verdicts {
        let Some(rule) = rules.get(verdict.rule.as_str()) else { continue };
        if let Some(at) = verdict.next {
            let at = Timestamp(at.0.saturating_add(rule.times.lateness));
            next = Some(next.map_or(at, |known| known.min(at)));
        }
        if verdict.outcome != Outcome::Open {
            // Parts of a day begin and end by logged time.
            let began = case.from.map_or(flow.rows[verdict.start].time, |_| day::began(verdict, flow, messages));
            let minute = began.0.div_euclid(MINUTE);
            *judged.counts.entry((verdict.rule.clone(), minute, verdict.outcome)).or_default() += 1;
        }
    }
    judged.worst =
        worst(&verdicts, &rules).map(|verdict| (verdict.outcome, verdict.class.clone(), verdict.rule.clone()));
    for told in told(case, &verdicts, &rules).into_iter().flatten() {
        if told.outcome == Outcome::Open { judged.open.push(Instance::of(&told)) } else { judged.told.push(told) }
    }
    judged.alarms = alarms(book, case, &verdicts);
    if !judged.alarms.is_empty() {
        let others = verdicts.iter().filter(|verdict| verdict.outcome != Outcome::Failed);
        judged.others =
            others.map(|verdict| (verdict.version, messages[flow.rows[verdict.start].message].id)).collect();
    }
    let of_rules = verdicts.iter().filter_map(|verdict| Some((verdict, *rules.get(verdict.rule.as_str())?)));
    judged.window = case.from.map(|from| day::window(from, case.read_to, flow, messages, of_rules));
    (judged, next)
}

/// A call shows registrations and does not own them, and a day ends at midnight.
fn is_its_own(case: &Case, verdict: &Verdict) -> bool {
    let Case { flow, messages, .. } = *case;
    match case.from {
        Some(from) => day::is_of_day(from, day::began(verdict, flow, messages)),
        None => case.class != CallClass::Call || !messages[flow.rows[verdict.start].message].is_registration(),
    }
}

/// By verdict: which of the day it is. No two of one rule are the same.
fn nths(case: &Case, verdicts: &[Verdict]) -> Vec<i32> {
    let began = |at: &usize| day::began(&verdicts[*at], case.flow, case.messages);
    let mut order: Vec<usize> = (0..verdicts.len()).collect();
    order.sort_by_key(began);
    let mut last: BTreeMap<&str, i32> = BTreeMap::new();
    let mut nths = vec![0; verdicts.len()];
    for at in order {
        let nth = store::verdict::nth(began(&at));
        let nth = last.get(verdicts[at].rule.as_str()).map_or(nth, |last| nth.max(last.saturating_add(1)));
        last.insert(&verdicts[at].rule, nth);
        nths[at] = nth;
    }
    nths
}

/// By verdict: what is kept of one that did not go well, of which nobody can tell, or that is still open.
fn told(case: &Case, verdicts: &[Verdict], rules: &BTreeMap<&str, &Rule>) -> Vec<Option<Told>> {
    let nths = case.from.map(|_| nths(case, verdicts));
    let told = |(at, verdict): (usize, &Verdict)| {
        let rule = rules.get(verdict.rule.as_str()).filter(|_| verdict.outcome <= Outcome::Open)?;
        let nth = nths.as_ref().map(|nths| nths[at]);
        Some(Told { nth, ..Told::of(verdict, rule, case.flow, case.messages) })
    };
    verdicts.iter().enumerate().map(told).collect()
}

/// What came of each instance of each rule that is the scenario's own.
pub fn verdicts(book: &Book, case: &Case) -> Vec<Verdict> {
    let Case { class, flow, messages, bindings, holds, read, .. } = *case;
    let evidence = Evidence { flow, messages, class, bindings, holds, read };
    let mut verdicts = rule::judge(&book.set.rules, &book.set.defaults, &evidence);
    verdicts.retain(|verdict| is_its_own(case, verdict));
    verdicts
}

fn by_id(book: &Book) -> BTreeMap<&str, &Rule> {
    book.set.rules.iter().map(|rule| (rule.id.as_str(), rule)).collect()
}

/// Of several failures a cause before what it explains, then severity, then the earlier deadline.
fn worst<'v>(verdicts: &'v [Verdict], rules: &BTreeMap<&str, &Rule>) -> Option<&'v Verdict> {
    let explained = explained(verdicts, rules);
    verdicts.iter().min_by_key(|verdict| {
        let symptom = explained.contains_key(verdict.rule.as_str());
        (verdict.outcome, symptom, std::cmp::Reverse(verdict.severity), verdict.due)
    })
}

/// Rules whose failures another failure of this call explains, with what explains them.
fn explained<'r>(verdicts: &[Verdict], rules: &BTreeMap<&str, &'r Rule>) -> BTreeMap<&'r str, BTreeSet<&'r str>> {
    let mut explained: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for failed in verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Failed) {
        let Some(rule) = rules.get(failed.rule.as_str()) else { continue };
        for symptom in &rule.explains {
            explained.entry(symptom).or_default().insert(&rule.id);
        }
    }
    explained
}

/// What failed, in its groups.
pub fn alarms(book: &Book, case: &Case, verdicts: &[Verdict]) -> Vec<Alarm> {
    let rules = by_id(book);
    let explained = explained(verdicts, &rules);
    let told = told(case, verdicts, &rules);
    let Case { flow, messages, now, .. } = *case;
    let mut alarms = Vec::new();
    let is_failed = |verdict: &Verdict| verdict.outcome == Outcome::Failed;
    let is_recent =
        |verdict: &Verdict| verdict.due.is_some_and(|at| now.micros_since(at) <= book.set.defaults.mail_age);
    for (verdict, told) in verdicts.iter().zip(&told).filter(|(verdict, _)| is_failed(verdict)) {
        let (Some(rule), Some(at), Some(told)) = (rules.get(verdict.rule.as_str()), verdict.due, told) else {
            continue;
        };
        let causes: Vec<&str> = explained.get(rule.id.as_str()).into_iter().flatten().copied().collect();
        // A cause that is reported hides what it explains; one that waits for more of its kind, or is old, does not.
        let reported = |cause: &str| {
            rules.get(cause).is_some_and(|cause| cause.mail_when.is_empty())
                && verdicts.iter().any(|verdict| verdict.rule == cause && is_failed(verdict) && is_recent(verdict))
        };
        let news = match () {
            // What was read long after it happened is for the pages.
            () if !is_recent(verdict) => News::Old,
            () if causes.iter().any(|cause| reported(cause)) => News::Explained,
            () => News::Fresh,
        };
        let symptoms = verdicts.iter().filter(|other| other.outcome == Outcome::Failed);
        let symptoms = symptoms.filter(|other| rule.explains.contains(&other.rule)).map(|other| other.rule.clone());
        let place = &messages[flow.rows[verdict.start].message].place;
        let env = EnvRule::of(&book.env, &place.agent, &place.source).to_owned();
        let hosts: BTreeSet<&str> = messages.iter().map(|message| message.place.host.as_str()).collect();
        let failing = Failing {
            rule: &rule.id,
            failure: verdict.class.as_deref().unwrap_or_default(),
            severity: rule.severity,
            env: &env,
            host: &place.host,
        };
        let Some((group, wait)) = grouped(&book.routes, &failing, &hosts) else { continue };
        let mut facts = verdict.facts.clone();
        facts.push(("host".to_owned(), place.host.clone()));
        facts.extend(causes.iter().map(|cause| ("because".to_owned(), (*cause).to_owned())));
        alarms.push(Alarm {
            group,
            news,
            severity: rule.severity,
            at,
            item: ItemTold {
                caller: flow.caller.clone(),
                callee: flow.callee.clone(),
                told: told.clone(),
                also: symptoms.collect::<BTreeSet<_>>().into_iter().collect(),
                facts,
            },
            wait,
        });
    }
    alarms
}

/// The log that a message stands in.
pub fn log_of(message: &Message) -> Log {
    Log { agent: message.place.agent.clone(), source: message.place.source.clone() }
}

/// What agents say of the logs that they read.
#[derive(Debug)]
pub struct Reports {
    /// How far they are read, and of which nothing was reported for too long.
    pub read: Read,
    /// Agents that say which sources their configuration has, with the names of these.
    places: BTreeMap<String, Vec<String>>,
    listed: BTreeSet<Log>,
    silent_after: i64,
}

impl Reports {
    pub fn of(agents: &[store::agent::Agent], silent_after: i64, now: Timestamp) -> Self {
        let read = Read { clock: now, ..Read::default() };
        let mut reports = Self { read, places: BTreeMap::new(), listed: BTreeSet::new(), silent_after };
        for agent in agents {
            let silent = agent.heard.is_none_or(|heard| now.micros_since(heard) > silent_after);
            let Some(heartbeat) = &agent.heartbeat else { continue };
            if let Some(places) = &heartbeat.places {
                reports.places.insert(agent.id.clone(), places.clone());
            }
            for source in &heartbeat.sources {
                let log = Log { agent: agent.id.clone(), source: source.name.clone() };
                if let Some(at) = source.read_to {
                    reports.read.to.insert(log.clone(), at);
                }
                if silent {
                    reports.read.silent.insert(log.clone());
                }
                reports.listed.insert(log);
            }
        }
        reports
    }

    /// Of a scenario: logs that their agent does not read any more, as when they left its configuration. They are as silent as
    /// those whose agent is. What has only just begun to be read may not be reported yet.
    pub fn left(&self, messages: &[Message], bindings: &[Binding], holds: &AllHolds) -> BTreeSet<Log> {
        let mut last: BTreeMap<Log, Timestamp> = BTreeMap::new();
        let mut note = |log: Log, newest: Timestamp| {
            last.entry(log).and_modify(|known| *known = newest.max(*known)).or_insert(newest);
        };
        // Messages of one log stand beside each other more often than not.
        for some in messages.chunk_by(|one, other| Arc::ptr_eq(&one.place, &other.place)) {
            let log = log_of(&some[0]);
            let Some(newest) = some.iter().map(|message| message.time).max() else { continue };
            // What is missing here may stand there.
            let beside = holds.get(&log).map(Holds::beside).unwrap_or_default();
            for log in beside {
                note(log.clone(), newest);
            }
            note(log, newest);
        }
        for binding in bindings {
            note(binding.log.clone(), binding.time);
        }
        last.retain(|log, newest| {
            self.is_read_no_more(log) && self.read.clock.micros_since(*newest) > self.silent_after
        });
        last.into_keys().collect()
    }

    /// Its agent says so. That no file of it is followed says nothing: between a rotation and the next line there may be none.
    fn is_read_no_more(&self, log: &Log) -> bool {
        let names = |place: &String| {
            log.source.strip_prefix(place.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        !self.listed.contains(log) && self.places.get(&log.agent).is_some_and(|places| !places.iter().any(names))
    }
}
