//! A leg may have another name once more is read of its call, or once that is one with another: its failure is the same.

use std::collections::{BTreeMap, BTreeSet};

use record::time::SECOND;

use super::known::{Failures, Known};
use super::{Alarm, ItemState, ItemTold};
use crate::backend::{Transaction, with_transaction};
use crate::{Error, blob};

/// By so much the beginning of an instance may move once another log of it is read.
const MOVES: i64 = 5 * SECOND;
/// Places that a row had before, as links in mails name them.
const PLACES: usize = 4;

/// An item that has another name by now.
#[derive(Debug)]
pub(super) struct Renamed {
    group: i64,
    nth: i32,
    from: String,
    to: String,
    /// What is said of it by now; none: it only makes room.
    item: Option<ItemTold>,
    /// Where the ladder showed what was mailed of it, one a line.
    places: Option<String>,
}

/// Gives the items of one scenario the names that their failures have by now: by the hash of their group, what is to be written
/// of each group.
pub(super) fn renamed(before: &mut [Known], of: &Failures<'_>) -> Vec<(Vec<u8>, Vec<Renamed>)> {
    let mut groups: BTreeMap<(Vec<u8>, i64), Vec<usize>> = BTreeMap::new();
    if !of.alarms.is_empty() {
        for (at, known) in before.iter().enumerate() {
            groups.entry((known.hash.clone(), known.group_id)).or_default().push(at);
        }
    }
    let mut all = Vec::new();
    for ((hash, _), items) in groups {
        let names = names(before, &items, of);
        let renamed: Vec<Renamed> = names.into_iter().map(|(at, to, alarm)| take(&mut before[at], to, alarm)).collect();
        if !renamed.is_empty() {
            all.push((hash, renamed));
        }
    }
    all
}

fn take(known: &mut Known, to: String, alarm: Option<&Alarm>) -> Renamed {
    let item = alarm.map(|alarm| alarm.item.clone());
    if let Some(item) = &item {
        let mailed = known.item.as_ref().filter(|_| known.reported.is_some()).map(|item| item.told.fragment());
        let were = known.places.iter().flat_map(|places| places.lines());
        let mut places: Vec<&str> = were.filter(|place| Some(*place) != mailed.as_deref()).collect();
        places.extend(mailed.as_deref());
        places.drain(..places.len().saturating_sub(PLACES));
        known.places = Some(places.join("\n")).filter(|places| !places.is_empty());
        known.item = Some(item.clone());
    }
    let from = std::mem::replace(&mut known.leg, to.clone());
    Renamed { group: known.group_id, nth: known.nth, from, to, item, places: known.places.clone() }
}

/// Items of one group that get another name, and the failures by which they do. What the same message began is the same failure,
/// surer than what has the same name; and where one of a kind is gone and one alike is new, it is that one.
fn names<'a>(before: &[Known], items: &[usize], of: &Failures<'a>) -> Vec<(usize, String, Option<&'a Alarm>)> {
    let mut alarms: BTreeMap<(&str, i32), &Alarm> = BTreeMap::new();
    for alarm in of.alarms.iter().filter(|alarm| before[items[0]].hash == alarm.group.hash) {
        alarms.entry(name(alarm)).or_insert(alarm);
    }
    let mut left: BTreeSet<usize> = items.iter().copied().collect();
    let mut owners: BTreeMap<(&str, i32), usize> = BTreeMap::new();
    let begun = |known: &Known, alarm: &Alarm| {
        let begun =
            |item: &ItemTold| (&item.told.rule, item.told.start) == (&alarm.item.told.rule, alarm.item.told.start);
        known.item.as_ref().is_some_and(begun)
    };
    let named = |known: &Known, alarm: &Alarm| known.leg == name(alarm).0;
    type Same<'s> = &'s dyn Fn(&Known, &Alarm) -> bool;
    let sure: [Same; 3] = [&|known, alarm| begun(known, alarm) && named(known, alarm), &begun, &named];
    for same in sure {
        for (name, alarm) in &alarms {
            let is_it = |at: &&usize| before[**at].nth == name.1 && same(&before[**at], alarm);
            let found = if owners.contains_key(name) { None } else { left.iter().find(is_it).copied() };
            if let Some(at) = found {
                left.remove(&at);
                owners.insert(*name, at);
            }
        }
    }
    let is_gone = |at: &&usize| {
        let known = &before[**at];
        let stands = known.item.as_ref().is_some_and(|item| of.others.contains(&(item.told.version, item.told.start)));
        known.is_failed() && known.is_open() && known.instead(of) == Some(ItemState::Gone) && !stands
    };
    let new: Vec<&Alarm> =
        alarms.iter().filter(|(name, _)| !owners.contains_key(*name)).map(|(_, alarm)| *alarm).collect();
    let gone: Vec<usize> = left.iter().filter(is_gone).copied().collect();
    if let ([alarm], [at]) = (&new[..], &gone[..])
        && before[*at].item.as_ref().is_some_and(|item| is_alike(item, &alarm.item))
        && before[*at].nth == name(alarm).1
    {
        left.remove(at);
        owners.insert(name(alarm), *at);
    }
    let mut names: Vec<(usize, String, Option<&Alarm>)> = Vec::new();
    for (name, at) in owners.iter().filter(|(name, at)| before[**at].leg != name.0) {
        names.push((*at, name.0.to_owned(), Some(alarms[name])));
    }
    // What has such a name and is none of these makes room.
    let mut taken: BTreeSet<(String, i32)> =
        items.iter().map(|at| (before[*at].leg.clone(), before[*at].nth)).collect();
    taken.extend(alarms.keys().map(|(leg, nth)| ((*leg).to_owned(), *nth)));
    for at in left {
        let known = &before[at];
        if owners.contains_key(&(known.leg.as_str(), known.nth)) {
            names.push((at, unused(&mut taken, &known.leg, known.nth), None));
        }
    }
    names
}

/// A name that nothing has.
pub(super) fn unused(taken: &mut BTreeSet<(String, i32)>, leg: &str, nth: i32) -> String {
    let mut leg = format!("{leg}~");
    while !taken.insert((leg.clone(), nth)) {
        leg.push('~');
    }
    leg
}

fn name(alarm: &Alarm) -> (&str, i32) {
    let told = &alarm.item.told;
    (&told.leg, told.nth.unwrap_or_default())
}

/// The same step at about the same time.
fn is_alike(one: &ItemTold, other: &ItemTold) -> bool {
    let (one, other) = (&one.told, &other.told);
    let moved = one.began.micros_since(other.began).saturating_abs();
    (&one.rule, one.step) == (&other.rule, other.step) && moved <= MOVES
}

pub(super) async fn write(tx: &mut Transaction, scenario: i64, renamed: &[Renamed]) -> Result<(), Error> {
    let groups: BTreeSet<i64> = renamed.iter().map(|renamed| renamed.group).collect();
    for group in groups {
        with_transaction!(&mut *tx, db => {
            // Who looks at the group meanwhile looks again.
            sqlx::query("update alert_group set changed = changed + 1 where id = $1 and closed is null")
                .bind(group)
                .execute(&mut *db)
                .await?;
        });
    }
    // One may get the name of another, so all let go of theirs first.
    let between = |nth: usize| format!("\u{1}{nth}");
    for (nth, renamed) in renamed.iter().enumerate() {
        with_transaction!(&mut *tx, db => {
            sqlx::query("update alert_item set leg = $1 where group_id = $2 and scenario_id = $3 and leg = $4 and nth = $5")
                .bind(between(nth))
                .bind(renamed.group)
                .bind(scenario)
                .bind(&renamed.from)
                .bind(renamed.nth)
                .execute(&mut *db)
                .await?;
        });
    }
    for (nth, renamed) in renamed.iter().enumerate() {
        with_transaction!(&mut *tx, db => {
            sqlx::query("update alert_item set leg = $1 where group_id = $2 and scenario_id = $3 and leg = $4 and nth = $5")
                .bind(&renamed.to)
                .bind(renamed.group)
                .bind(scenario)
                .bind(between(nth))
                .bind(renamed.nth)
                .execute(&mut *db)
                .await?;
        });
        if let Some(item) = &renamed.item {
            with_transaction!(&mut *tx, db => {
                sqlx::query(
                    "update alert_item set told = $1, host = $2, places = $7
                     where group_id = $3 and scenario_id = $4 and leg = $5 and nth = $6",
                )
                .bind(blob::write(item))
                .bind(item.host().unwrap_or_default())
                .bind(renamed.group)
                .bind(scenario)
                .bind(&renamed.to)
                .bind(renamed.nth)
                .bind(&renamed.places)
                .execute(&mut *db)
                .await?;
            });
        }
    }
    Ok(())
}
