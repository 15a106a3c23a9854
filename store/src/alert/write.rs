//! Failures are put into their groups, in the transaction that settles their scenarios.

use std::collections::{BTreeMap, BTreeSet};

use record::time::{SECOND, Timestamp};
use sqlx::QueryBuilder;

use super::known::{Failures, Known, Place, known};
use super::rename::{self, Renamed};
use super::{Alarm, GroupKey, ItemState, News};
use crate::backend::{Transaction, with_transaction};
use crate::statement::{self, push_list};
use crate::{Error, blob};

/// So soon at the earliest a group is looked at for what is new of it.
const SOON: i64 = 2 * SECOND;

/// And a second later for each 500 that it has, up to ten: a look that does not know without its items what to do reads them.
macro_rules! of_many {
    () => {
        "case when alert_group.items < 5000 then alert_group.items else 5000 end / 500 * 1000000"
    };
}

/// What is to be done in the groups of one key.
#[derive(Default)]
struct Work<'a> {
    renamed: Vec<(i64, Vec<Renamed>)>,
    changes: Vec<(Known, ItemState)>,
    /// What is said of them is other than before.
    said: Vec<(i64, i64, &'a Alarm)>,
    fresh: Vec<(i64, &'a Alarm)>,
}

/// Puts the failures of scenarios into their groups, and takes back what is none any more.
pub(crate) async fn write(tx: &mut Transaction, of: &[Failures<'_>], now: Timestamp) -> Result<(), Error> {
    let ids: Vec<i64> = of.iter().map(|failures| failures.of.0).collect();
    let mut known = known(tx, &ids).await?;
    // Groups are taken in one order, so that two collectors do not wait for each other.
    let mut work: BTreeMap<Vec<u8>, Work> = BTreeMap::new();
    for failures in of {
        let Failures { of: id, alarms, begins, .. } = failures;
        let mut before = known.remove(&id.0).unwrap_or_default();
        // What is judged for good stays as it is.
        before.retain(|known| begins.is_none_or(|begins| known.nth >= begins));
        for of_group in rename::renamed(&mut before, failures) {
            work.entry(of_group.0).or_default().renamed.push((id.0, of_group.1));
        }
        for alarm in *alarms {
            let of_group = work.entry(alarm.group.hash.to_vec()).or_default();
            if before.iter().any(|known| known.is_of(alarm) && known.is_failed()) {
                let open =
                    before.iter().find(|known| known.is_of(alarm) && known.is_open() && known.reported.is_none());
                of_group.said.extend(open.map(|known| (known.group_id, id.0, alarm)));
            } else if alarm.news == News::Fresh && !before.iter().any(|known| known.is_of(alarm) && known.is_open()) {
                of_group.fresh.push((id.0, alarm));
            }
        }
        for known in before {
            let state = match alarms.iter().find(|alarm| known.is_of(alarm)).map(|alarm| alarm.news) {
                None => match known.instead(failures) {
                    Some(state) => state,
                    None => continue,
                },
                Some(News::Explained) if known.reported.is_none() => ItemState::Gone,
                // What was not reported in time is not reported now; what was in a closed group is reported in a new one.
                Some(News::Old) if known.reported.is_none() && !known.is_failed() => continue,
                Some(_) if !known.is_open() => continue,
                Some(_) => ItemState::Failed,
            };
            if ItemState::from_code(known.state) != state {
                work.entry(known.hash.clone()).or_default().changes.push((known, state));
            }
        }
    }
    for Work { renamed, changes, said, fresh } in work.into_values() {
        for (scenario, renamed) in renamed {
            rename::write(tx, scenario, &renamed).await?;
        }
        for state in [ItemState::Failed, ItemState::Late, ItemState::Gone] {
            let of_state = changes.iter().filter(|(_, to)| *to == state);
            change(tx, &of_state.map(|(known, _)| known.place()).collect::<Vec<_>>(), state, now).await?;
        }
        say(tx, &said).await?;
        if let Some((_, first)) = fresh.first() {
            open(tx, &first.group, &fresh, now).await?;
        }
    }
    Ok(())
}

/// Items are in another state. A time of a change is later than those before it, whatever clocks say: who looked at the group
/// before sees that it is another.
pub(super) async fn change(
    tx: &mut Transaction,
    items: &[Place<'_>],
    state: ItemState,
    now: Timestamp,
) -> Result<(), Error> {
    let soon = now.0.saturating_add(SOON);
    let groups: BTreeSet<i64> = items.iter().map(|(group, ..)| *group).collect();
    for list in statement::lists(&groups.into_iter().collect::<Vec<_>>()) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new("update alert_group set changed = case when changed < ");
            q.push_bind(now.0).push(" then ").push_bind(now.0).push(" else changed + 1 end, due = ");
            let soon = |q: &mut QueryBuilder<Db>| {
                q.push_bind(soon).push(concat!(" + ", of_many!()));
            };
            q.push("case when due < ");
            soon(&mut q);
            q.push(" then due else ");
            soon(&mut q);
            q.push(" end");
            q.push(" where closed is null and id in ");
            push_list!(q, list);
            q.build().execute(&mut *db).await?;
        });
    }
    for some in statement::chunks(items) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new("update alert_item set state = ");
            q.push_bind(state.code()).push(", changed = case when reported >= ").push_bind(now.0);
            q.push(" then reported + 1 else ").push_bind(now.0).push(" end");
            if state == ItemState::Failed {
                // A mail has said that it is over, so it is new.
                q.push(", reported = case when changed <= reported then null else reported end");
            }
            q.push(" from (");
            q.push_values(some, |mut row, (group, scenario, leg, nth)| {
                row.push_bind(*group).push_bind(*scenario).push_bind(*leg).push_bind(*nth);
            });
            q.push(") as m where group_id = m.column1 and scenario_id = m.column2 and leg = m.column3 and nth = m.column4");
            q.build().execute(&mut *db).await?;
        });
    }
    Ok(())
}

/// How these are now counts as reported.
pub(super) async fn count_as_reported(tx: &mut Transaction, items: &[Place<'_>]) -> Result<(), Error> {
    for some in statement::chunks(items) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new("update alert_item set reported = changed from (");
            q.push_values(some, |mut row, (group, scenario, leg, nth)| {
                row.push_bind(*group).push_bind(*scenario).push_bind(*leg).push_bind(*nth);
            });
            q.push(") as m where group_id = m.column1 and scenario_id = m.column2 and leg = m.column3 and nth = m.column4");
            q.build().execute(&mut *db).await?;
        });
    }
    Ok(())
}

/// What is not mailed yet is mailed as it is known by then.
async fn say(tx: &mut Transaction, said: &[(i64, i64, &Alarm)]) -> Result<(), Error> {
    for some in statement::chunks(said) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new("update alert_item set told = m.column5, host = m.column6 from (");
            q.push_values(some, |mut row, (group, scenario, alarm)| {
                let told = &alarm.item.told;
                row.push_bind(*group).push_bind(*scenario).push_bind(&told.leg).push_bind(told.nth.unwrap_or_default());
                row.push_bind(blob::write(&alarm.item)).push_bind(alarm.item.host().unwrap_or_default());
            });
            q.push(
                ") as m where group_id = m.column1 and scenario_id = m.column2 and leg = m.column3 and nth = m.column4
                     and reported is null and told <> m.column5",
            );
            q.build().execute(&mut *db).await?;
        });
    }
    Ok(())
}

/// What was reported of scenarios that were merged goes with them.
pub(crate) async fn merge(tx: &mut Transaction, gone: &[(i64, i64)]) -> Result<(), Error> {
    let into: BTreeMap<i64, i64> = gone.iter().copied().collect();
    let mut items: Vec<Known> =
        known(tx, &into.keys().copied().collect::<Vec<_>>()).await?.into_values().flatten().collect();
    if items.is_empty() {
        return Ok(());
    }
    let mut theirs =
        known(tx, &into.values().copied().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()).await?;
    items.sort_by(|a, b| (&a.hash, a.group_id).cmp(&(&b.hash, b.group_id)));
    for mut item in items {
        let Some(into) = into.get(&item.scenario_id) else { continue };
        let theirs = theirs.entry(*into).or_default();
        let of_group = || theirs.iter().filter(|other| other.group_id == item.group_id);
        let same = of_group().find(|other| (&other.leg, other.nth) == (&item.leg, item.nth));
        let begun = |item: &Known| item.item.as_ref().map(|item| item.told.start);
        // Of two with one name each is a failure of its own, and gets the name that it has in the whole once that is judged.
        let is_other = same.is_some_and(|other| begun(other) != begun(&item));
        let mut taken = of_group().map(|other| (other.leg.clone(), other.nth)).collect();
        let leg = if is_other { rename::unused(&mut taken, &item.leg, item.nth) } else { item.leg.clone() };
        with_transaction!(&mut *tx, db => {
            sqlx::query("update alert_group set changed = changed + 1 where id = $1 and closed is null")
                .bind(item.group_id)
                .execute(&mut *db)
                .await?;
            sqlx::query(
                "update alert_item set scenario_id = $1, leg = $6
                 where group_id = $2 and scenario_id = $3 and leg = $4 and nth = $5
                     and not exists (select 1 from alert_item o
                         where o.group_id = $2 and o.scenario_id = $1 and o.leg = $6 and o.nth = $5)",
            )
            .bind(into)
            .bind(item.group_id)
            .bind(item.scenario_id)
            .bind(&item.leg)
            .bind(item.nth)
            .bind(&leg)
            .execute(&mut *db)
            .await?;
            sqlx::query("delete from alert_item where group_id = $1 and scenario_id = $2 and leg = $3 and nth = $4")
                .bind(item.group_id)
                .bind(item.scenario_id)
                .bind(&item.leg)
                .bind(item.nth)
                .execute(&mut *db)
                .await?;
        });
        item.leg = leg;
        theirs.push(item);
    }
    Ok(())
}

/// What was reported of scenarios that are no more.
pub(crate) async fn forget(tx: &mut Transaction, gone: &[i64]) -> Result<(), Error> {
    for list in statement::lists(gone) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new("delete from alert_item where scenario_id in ");
            push_list!(q, list);
            q.build().execute(&mut *db).await?;
        });
    }
    Ok(())
}

/// Opens the group of a key, or takes the open one, and adds to it.
pub(super) async fn open(
    tx: &mut Transaction,
    key: &GroupKey,
    items: &[(i64, &Alarm)],
    now: Timestamp,
) -> Result<(), Error> {
    let severity = items.iter().map(|(_, alarm)| alarm.severity as i16).max().unwrap_or_default();
    let wait = items.iter().map(|(_, alarm)| alarm.wait).min().unwrap_or_default();
    let mut rows: BTreeMap<(i64, &str, i32), &Alarm> = BTreeMap::new();
    for (id, alarm) in items {
        let told = &alarm.item.told;
        rows.entry((*id, told.leg.as_str(), told.nth.unwrap_or_default())).or_insert(alarm);
    }
    let group: i64 = with_transaction!(&mut *tx, db => {
        sqlx::query_scalar(concat!(
            "insert into alert_group (opened, changed, due, items, mails, severity, route, hash, env, rule, failure)
             values ($1, $1, $2, $3, 0, $4, $5, $6, $7, $8, $9)
             on conflict (hash) where closed is null do update set
                 changed = case when alert_group.changed < excluded.changed then excluded.changed
                                else alert_group.changed + 1 end,
                 due = case when alert_group.due < $10 + ",
            of_many!(),
            " then alert_group.due else $10 + ",
            of_many!(),
            " end, items = alert_group.items + excluded.items,
                 severity = case when excluded.severity > alert_group.severity then excluded.severity
                                 else alert_group.severity end
             returning id"
        ))
        .bind(now.0)
        .bind(now.0.saturating_add(wait))
        .bind(rows.len() as i64)
        .bind(severity)
        .bind(key.route)
        .bind(&key.hash[..])
        .bind(&key.env)
        .bind(&key.rule)
        .bind(&key.failure)
        .bind(now.0.saturating_add(SOON))
        .fetch_one(&mut *db)
        .await?
    });
    let rows: Vec<_> = rows.into_iter().map(|(key, alarm)| (key, alarm, blob::write(&alarm.item))).collect();
    for some in statement::chunks(&rows) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new(
                "insert into alert_item (group_id, scenario_id, at, seen, changed, state, leg, nth, host, told) ",
            );
            q.push_values(some, |mut row, ((id, leg, nth), alarm, told)| {
                row.push_bind(group).push_bind(*id).push_bind(alarm.at.0).push_bind(now.0).push_bind(now.0);
                row.push_bind(ItemState::Failed.code()).push_bind(*leg).push_bind(*nth);
                row.push_bind(alarm.item.host().unwrap_or_default()).push_bind(told);
            });
            // What is not well again after all, or was not heard of for a while.
            q.push(
                " on conflict (group_id, scenario_id, leg, nth) do update set state = excluded.state,
                     changed = excluded.changed, seen = excluded.seen, host = excluded.host, told = excluded.told, reported = null
                 where alert_item.state <> excluded.state",
            );
            q.build().execute(&mut *db).await?;
        });
    }
    Ok(())
}
