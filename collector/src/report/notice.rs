//! What a mail says of a group: its lines, and what its failures have in common.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use record::id::ScenarioId;
use record::time::{HOUR, MINUTE, SECOND, Timestamp};
use rule::logs::LogFault;
use rule::told::Seen;
use rule::wording::{missed, what};
use store::alert::{Item, ItemState, OF_A_LOG};

use super::{Looking, rule};
use crate::alert::{Draft, share};
use crate::book::Book;
use crate::mail::notice::{self, Common, Share, State};

impl Looking {
    /// What a mail says of it.
    pub fn notice(&self, book: &Book, draft: &Draft) -> notice::Group {
        let Self { group, items, .. } = self;
        let rule = rule(book, &group.key.rule);
        let of_logs = LogFault::of(&group.key.rule).filter(|_| rule.is_none());
        let says = |class: &str| {
            let own = rule.and_then(|rule| rule.says.get(class)).or_else(|| book.set.defaults.says.get(class));
            let own = own.cloned().or(of_logs.map(|fault| fault.says().to_owned()));
            own.unwrap_or_else(|| class.to_owned())
        };
        let listed = || draft.new.iter().chain(&draft.continuing).map(|at| &items[*at]);
        let all = || listed().chain(draft.resolved.iter().map(|at| &items[*at]));
        let times = || all().map(|item| item.at);
        let step = all().find_map(|item| item.told.told.step.and_then(|step| item.told.told.steps.get(step)));
        let newest = items.iter().map(|item| item.at).max().unwrap_or(group.changed);
        let (failed, judged) = share(&self.shares, newest, HOUR);
        let mut persons: Vec<_> = listed().filter_map(|item| item.told.callee.as_ref()).collect();
        persons.sort_unstable();
        persons.dedup();
        let is_gone = |at: &usize| items[*at].state == ItemState::Gone && items[*at].scenario != OF_A_LOG;
        let (gone, resolved): (Vec<usize>, Vec<usize>) = draft.resolved.iter().copied().partition(is_gone);
        notice::Group {
            state: match (draft.first, draft.resolved_all) {
                (_, true) => State::Resolved,
                (true, _) => State::Firing,
                _ => State::Update,
            },
            key: u64::from_be_bytes(group.key.hash),
            severity: draft.severity,
            rule: group.key.rule.clone(),
            version: rule.map(|rule| format!("{:016x}", rule.version)[..6].to_owned()).unwrap_or_default(),
            title: rule
                .map(|rule| rule.title.clone())
                .or(of_logs.map(|fault| fault.title().to_owned()))
                .unwrap_or_default(),
            failure: group.key.failure.clone(),
            says: says(&group.key.failure),
            step: step.map_or_else(|| "end".to_owned(), |step| step.name.clone()),
            missed: match step {
                Some(step) => missed(&step.text),
                None => all().find_map(|item| item.told.told.ending.clone()).unwrap_or_default(),
            },
            begins: times().min().unwrap_or(group.opened),
            ends: times().max().unwrap_or(group.changed),
            share: (judged > 0).then(|| Share {
                failed: failed.unsigned_abs(),
                judged: judged.unsigned_abs(),
                persons: (!persons.is_empty()).then_some(persons.len() as u64),
                week_ago: None,
            }),
            common: common(&listed().collect::<Vec<_>>()),
            new: lines(items, &draft.new),
            continuing: lines(items, &draft.continuing),
            resolved: lines(items, &resolved),
            gone: lines(items, &gone),
            max_listed: self.route(book).map_or(0, |(_, route)| route.grouping.max_listed as usize),
            hidden: notice::Hidden { older: self.older(draft), ..notice::Hidden::default() },
        }
    }
}

/// One for each leg of a scenario, as it failed last.
fn lines(items: &[Item], listed: &[usize]) -> Vec<notice::Item> {
    let mut lines: Vec<notice::Item> = Vec::new();
    let mut known: HashMap<(ScenarioId, &str), usize> = HashMap::new();
    for item in listed.iter().map(|at| &items[*at]) {
        match known.entry((item.scenario, &item.leg)) {
            Entry::Occupied(line) => lines[*line.get()].times += 1,
            Entry::Vacant(first) => {
                first.insert(lines.len());
                lines.push(line(item));
            }
        }
    }
    lines
}

fn line(item: &Item) -> notice::Item {
    let told = &item.told.told;
    let step = told.step.and_then(|step| told.steps.get(step));
    let met = told.steps.iter().filter(|step| matches!(step.seen, Seen::Met | Seen::Late)).filter_map(|step| {
        let after = step.time?.micros_since(told.began);
        Some((after, format!("{} {}", what(&step.text), passed(after))))
    });
    let seen = met.max_by_key(|(after, _)| *after).map(|(_, text)| text).unwrap_or_default();
    let fact = |name: &str| item.told.facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    // The version of what is not known says nothing.
    let device =
        fact("platform").into_iter().chain(fact("platform").and(fact("app_version"))).collect::<Vec<_>>().join(" ");
    let unseen = match (step, told.due) {
        _ if item.scenario == OF_A_LOG && item.state == ItemState::Gone => {
            format!("well again after {} min", item.changed.micros_since(item.at).max(0) / MINUTE)
        }
        _ if item.state == ItemState::Gone => "did not fail, as is known now".to_owned(),
        (Some(step), _) if step.seen == Seen::Forbidden => format!("{} came", missed(&step.text)),
        (Some(_), Some(due)) => format!("nothing until {}", clock(due)),
        _ => told.ending.clone().unwrap_or_default(),
    };
    notice::Item {
        scenario: item.scenario.0,
        at: item.at,
        caller: item.told.caller.clone().unwrap_or_default(),
        callee: item.told.callee.clone().unwrap_or_default(),
        leg: told.leg.clone(),
        device,
        seen,
        unseen,
        fragment: told.fragment(),
        late_by: told.late_by,
        times: 1,
        also: item.told.also.clone(),
    }
}

/// Facts that most of the listed share.
fn common(items: &[&Item]) -> Vec<Common> {
    let mut by: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for item in items {
        for (name, value) in item.told.facts.iter().filter(|(name, _)| name != "because" && name != "device") {
            *by.entry(name).or_default().entry(value).or_default() += 1;
        }
    }
    let of = items.len() as u64;
    let most = |(name, values): (&str, BTreeMap<&str, u64>)| {
        let (value, has) = values.into_iter().max_by_key(|(_, has)| *has)?;
        // Of one nothing is common.
        (of > 1 && has * 10 >= of * 6).then(|| Common { name: name.to_owned(), value: value.to_owned(), has, of })
    };
    by.into_iter().filter_map(most).collect()
}

fn passed(micros: i64) -> String {
    if micros < 5_000 { "at once".to_owned() } else { format!("after {:.2} s", micros as f64 / 1_000_000.0) }
}

/// `12:05:11Z`.
fn clock(at: Timestamp) -> String {
    let second = at.0.div_euclid(SECOND).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}
