//! Alerts: scenarios of one failure that are reported together, and what was reported of them.

use std::collections::BTreeMap;

use record::id::ScenarioId;
use record::time::Timestamp;
use rule::syntax::Severity;
use rule::told::Told;
use rule::verdict::Outcome;
use serde::{Deserialize, Serialize};
use sqlx::QueryBuilder;

use crate::backend::{Transaction, with_pool, with_transaction};
use crate::statement::{self, push_list};
use crate::verdict::Judged;
use crate::{Error, Store, blob};

/// Rows of one list.
const MOST: i64 = 1_000;

/// A failure, in the group of its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    pub group: GroupKey,
    pub news: News,
    pub severity: Severity,
    /// The event time of the failure.
    pub at: Timestamp,
    pub item: ItemTold,
    /// A new group waits so long for others, in microseconds.
    pub wait: i64,
}

/// What becomes of a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    /// It is to be reported.
    Fresh,
    /// It happened too long ago to be reported now. What was reported of it stands.
    Old,
    /// What explains it is reported in its place. What was reported of it before stands.
    Explained,
}

/// What the failures of a group have in common.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct GroupKey {
    /// First bytes of a hash over all that the route groups by.
    pub hash: [u8; 8],
    /// Number of the route, from 0 on.
    pub route: i32,
    pub env: String,
    pub rule: String,
    pub failure: String,
}

/// What a mail says of a scenario.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ItemTold {
    pub caller: Option<String>,
    pub callee: Option<String>,
    pub told: Told,
    /// Other rules that this failure explains: they are listed under it.
    pub also: Vec<String>,
    /// What is known of it beyond: names of facts and their values.
    pub facts: Vec<(String, String)>,
}

/// How it stands with one scenario of a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ItemState {
    Failed,
    /// What was missing came after all, too late.
    Late,
    /// It did not fail, as is known now.
    Gone,
}

impl ItemState {
    fn code(self) -> i16 {
        self as i16
    }

    fn from_code(code: i16) -> Self {
        match code {
            0 => Self::Failed,
            1 => Self::Late,
            _ => Self::Gone,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    pub scenario: ScenarioId,
    pub leg: String,
    /// Of a scenario that is all of one day, which of its failures; else 0.
    pub nth: i32,
    pub at: Timestamp,
    /// When it was judged, and when that changed last.
    pub seen: Timestamp,
    pub changed: Timestamp,
    pub reported: Option<Timestamp>,
    pub state: ItemState,
    pub told: ItemTold,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub id: i64,
    pub key: GroupKey,
    pub severity: Severity,
    pub opened: Timestamp,
    pub changed: Timestamp,
    pub closed: Option<Timestamp>,
    pub items: i64,
    /// Mails that were made for it, and when the last one was.
    pub mails: i64,
    pub reported: Option<Timestamp>,
    /// What the reporter keeps in mind.
    pub state: Option<Vec<u8>>,
    /// Until when the one who took it last may report it: what is written of it counts for that one alone.
    pub lease_until: Timestamp,
}

#[derive(sqlx::FromRow)]
struct GroupRow {
    id: i64,
    hash: Vec<u8>,
    route: i32,
    env: String,
    rule: String,
    failure: String,
    severity: i16,
    opened: i64,
    changed: i64,
    closed: Option<i64>,
    items: i64,
    mails: i64,
    reported: Option<i64>,
    state: Option<Vec<u8>>,
    lease_until: i64,
}

const GROUP: &str = "id, hash, route, env, rule, failure, severity, opened, changed, closed, items, mails, reported, state, lease_until";

impl GroupRow {
    fn group(self) -> Group {
        let mut hash = [0; 8];
        let len = self.hash.len().min(8);
        hash[..len].copy_from_slice(&self.hash[..len]);
        Group {
            id: self.id,
            key: GroupKey { hash, route: self.route, env: self.env, rule: self.rule, failure: self.failure },
            severity: match self.severity {
                0 => Severity::Info,
                1 => Severity::Warning,
                _ => Severity::Critical,
            },
            opened: Timestamp(self.opened),
            changed: Timestamp(self.changed),
            closed: self.closed.map(Timestamp),
            items: self.items,
            mails: self.mails,
            reported: self.reported.map(Timestamp),
            state: self.state,
            lease_until: Timestamp(self.lease_until),
        }
    }
}

#[derive(sqlx::FromRow)]
struct ItemRow {
    scenario_id: i64,
    leg: String,
    nth: i32,
    at: i64,
    seen: i64,
    changed: i64,
    reported: Option<i64>,
    state: i16,
    told: Vec<u8>,
}

impl ItemRow {
    fn item(self) -> Result<Item, Error> {
        Ok(Item {
            scenario: ScenarioId(self.scenario_id),
            leg: self.leg,
            nth: self.nth,
            at: Timestamp(self.at),
            seen: Timestamp(self.seen),
            changed: Timestamp(self.changed),
            reported: self.reported.map(Timestamp),
            state: ItemState::from_code(self.state),
            told: blob::read(&self.told, "what an alert says of a scenario")?,
        })
    }
}

/// An item of a scenario, with the key of its group.
#[derive(sqlx::FromRow)]
struct Known {
    group_id: i64,
    scenario_id: i64,
    leg: String,
    nth: i32,
    state: i16,
    reported: Option<i64>,
    told: Vec<u8>,
    hash: Vec<u8>,
    closed: Option<i64>,
}

impl Known {
    fn is_of(&self, alarm: &Alarm) -> bool {
        let told = &alarm.item.told;
        self.hash == alarm.group.hash && self.leg == told.leg && self.nth == told.nth.unwrap_or_default()
    }

    fn is_failed(&self) -> bool {
        ItemState::from_code(self.state) == ItemState::Failed
    }

    fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// As it is now that it did not fail: what was missing may have come too late.
    fn instead(&self, told: &[Told]) -> ItemState {
        let rule = blob::read::<ItemTold>(&self.told, "what an alert says of a scenario").map(|item| item.told.rule);
        let same = |told: &Told| told.leg == self.leg && told.nth.unwrap_or_default() == self.nth;
        let late = |told: &Told| same(told) && told.outcome == Outcome::Late;
        match rule {
            Ok(rule) if told.iter().any(|told| told.rule == rule && late(told)) => ItemState::Late,
            _ => ItemState::Gone,
        }
    }
}

/// What is to be done in the groups of one key.
#[derive(Default)]
struct Work<'a> {
    changes: Vec<(Known, ItemState)>,
    /// What is said of them is other than before.
    said: Vec<(i64, i64, &'a Alarm)>,
    fresh: Vec<(i64, &'a Alarm)>,
}

/// Puts the failures of scenarios into their groups, and takes back what is none any more.
pub(crate) async fn write(tx: &mut Transaction, of: &[(ScenarioId, &Judged)], now: Timestamp) -> Result<(), Error> {
    let ids: Vec<i64> = of.iter().map(|(id, ..)| id.0).collect();
    let mut known = known(tx, &ids).await?;
    // Groups are taken in one order, so that two collectors do not wait for each other.
    let mut work: BTreeMap<Vec<u8>, Work> = BTreeMap::new();
    for (id, Judged { alarms, told, window, .. }) in of {
        let mut before = known.remove(&id.0).unwrap_or_default();
        // What is judged for good stays as it is.
        before.retain(|known| window.as_ref().is_none_or(|window| known.nth >= window.begins()));
        for alarm in alarms {
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
                None => known.instead(told),
                Some(News::Explained) if known.reported.is_none() => ItemState::Gone,
                // Whoever was not told of it in time is not told now; in a closed group, a new one tells of it.
                Some(News::Old) if known.reported.is_none() && !known.is_failed() => continue,
                Some(_) if !known.is_open() => continue,
                Some(_) => ItemState::Failed,
            };
            if ItemState::from_code(known.state) != state {
                work.entry(known.hash.clone()).or_default().changes.push((known, state));
            }
        }
    }
    for Work { changes, said, fresh } in work.into_values() {
        for (known, state) in changes {
            change(tx, &known, state, now).await?;
        }
        for (group, scenario, alarm) in said {
            say(tx, group, scenario, alarm).await?;
        }
        if let Some((_, first)) = fresh.first() {
            open(tx, &first.group, &fresh, now).await?;
        }
    }
    Ok(())
}

/// By scenario: its items.
async fn known(tx: &mut Transaction, of: &[i64]) -> Result<BTreeMap<i64, Vec<Known>>, Error> {
    let mut known: BTreeMap<i64, Vec<Known>> = BTreeMap::new();
    for list in statement::lists(of) {
        let rows: Vec<Known> = with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new(
                "select i.group_id, i.scenario_id, i.leg, i.nth, i.state, i.reported, i.told, g.hash, g.closed from alert_item i
                 join alert_group g on g.id = i.group_id where i.scenario_id in ",
            );
            push_list!(q, list);
            q.build_query_as().fetch_all(&mut *db).await?
        });
        for row in rows {
            known.entry(row.scenario_id).or_default().push(row);
        }
    }
    Ok(known)
}

/// A time of a change is later than those before it, whatever clocks say: who looked at it before sees that it is another.
async fn change(tx: &mut Transaction, known: &Known, state: ItemState, now: Timestamp) -> Result<(), Error> {
    with_transaction!(&mut *tx, db => {
        sqlx::query(
            "update alert_item set state = $1, changed = case when reported >= $2 then reported + 1 else $2 end
             where group_id = $3 and scenario_id = $4 and leg = $5 and nth = $6",
        )
        .bind(state.code())
        .bind(now.0)
        .bind(known.group_id)
        .bind(known.scenario_id)
        .bind(&known.leg)
        .bind(known.nth)
        .execute(&mut *db)
        .await?;
        sqlx::query(
            "update alert_group set changed = case when changed < $1 then $1 else changed + 1 end, due = $1
             where id = $2 and closed is null",
        )
        .bind(now.0)
        .bind(known.group_id)
        .execute(&mut *db)
        .await?;
    });
    Ok(())
}

/// What is not mailed yet is mailed as it is known by then.
async fn say(tx: &mut Transaction, group: i64, scenario: i64, alarm: &Alarm) -> Result<(), Error> {
    with_transaction!(tx, db => {
        sqlx::query(
            "update alert_item set told = $1
             where group_id = $2 and scenario_id = $3 and leg = $4 and nth = $5 and reported is null and told <> $1",
        )
        .bind(blob::write(&alarm.item))
        .bind(group)
        .bind(scenario)
        .bind(&alarm.item.told.leg)
        .bind(alarm.item.told.nth.unwrap_or_default())
        .execute(db)
        .await?;
    });
    Ok(())
}

/// What was reported of scenarios that were merged goes with them.
pub(crate) async fn merge(tx: &mut Transaction, gone: &[(i64, i64)]) -> Result<(), Error> {
    let into: BTreeMap<i64, i64> = gone.iter().copied().collect();
    let known = known(tx, &into.keys().copied().collect::<Vec<_>>()).await?;
    let mut known: Vec<Known> = known.into_values().flatten().collect();
    known.sort_by(|a, b| (&a.hash, a.group_id).cmp(&(&b.hash, b.group_id)));
    for item in known {
        let Some(into) = into.get(&item.scenario_id) else { continue };
        with_transaction!(&mut *tx, db => {
            sqlx::query("update alert_group set changed = changed + 1 where id = $1 and closed is null")
                .bind(item.group_id)
                .execute(&mut *db)
                .await?;
            sqlx::query(
                "update alert_item set scenario_id = $1 where group_id = $2 and scenario_id = $3 and leg = $4 and nth = $5
                     and not exists (select 1 from alert_item o
                         where o.group_id = $2 and o.scenario_id = $1 and o.leg = $4 and o.nth = $5)",
            )
            .bind(into)
            .bind(item.group_id)
            .bind(item.scenario_id)
            .bind(&item.leg)
            .bind(item.nth)
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
async fn open(tx: &mut Transaction, key: &GroupKey, items: &[(i64, &Alarm)], now: Timestamp) -> Result<(), Error> {
    let severity = items.iter().map(|(_, alarm)| alarm.severity as i16).max().unwrap_or_default();
    let wait = items.iter().map(|(_, alarm)| alarm.wait).min().unwrap_or_default();
    let mut rows: BTreeMap<(i64, &str, i32), &Alarm> = BTreeMap::new();
    for (id, alarm) in items {
        let told = &alarm.item.told;
        rows.entry((*id, told.leg.as_str(), told.nth.unwrap_or_default())).or_insert(alarm);
    }
    let group: i64 = with_transaction!(&mut *tx, db => {
        sqlx::query_scalar(
            "insert into alert_group (opened, changed, due, items, mails, severity, route, hash, env, rule, failure)
             values ($1, $1, $2, $3, 0, $4, $5, $6, $7, $8, $9)
             on conflict (hash) where closed is null do update set
                 changed = case when alert_group.changed < excluded.changed then excluded.changed
                                else alert_group.changed + 1 end, due = excluded.changed, items = alert_group.items + excluded.items,
                 severity = case when excluded.severity > alert_group.severity then excluded.severity
                                 else alert_group.severity end
             returning id",
        )
        .bind(now.0)
        .bind(now.0.saturating_add(wait))
        .bind(rows.len() as i64)
        .bind(severity)
        .bind(key.route)
        .bind(&key.hash[..])
        .bind(&key.env)
        .bind(&key.rule)
        .bind(&key.failure)
        .fetch_one(&mut *db)
        .await?
    });
    let rows: Vec<_> = rows.into_iter().map(|(key, alarm)| (key, alarm, blob::write(&alarm.item))).collect();
    for some in statement::chunks(&rows) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new(
                "insert into alert_item (group_id, scenario_id, at, seen, changed, state, leg, nth, told) ",
            );
            q.push_values(some, |mut row, ((id, leg, nth), alarm, told)| {
                row.push_bind(group).push_bind(*id).push_bind(alarm.at.0).push_bind(now.0).push_bind(now.0);
                row.push_bind(ItemState::Failed.code()).push_bind(*leg).push_bind(*nth).push_bind(told);
            });
            q.push(" on conflict (group_id, scenario_id, leg, nth) do nothing");
            q.build().execute(&mut *db).await?;
        });
    }
    Ok(())
}

impl Store {
    /// Takes groups that are to be looked at, the longest due first.
    pub async fn due_alerts(&self, now: Timestamp, lease_micros: i64, most: usize) -> Result<Vec<Group>, Error> {
        let waits: Option<i64> = with_pool!(self.backend, pool => {
            sqlx::query_scalar("select id from alert_group where due <= $1 and lease_until < $1 limit 1")
                .bind(now.0)
                .fetch_optional(pool)
                .await?
        });
        if waits.is_none() {
            return Ok(Vec::new());
        }
        let mut tx = self.backend.begin().await?;
        let skip_locked = tx.skip_locked();
        let rows: Vec<GroupRow> = with_transaction!(&mut tx, db => {
            let mut q = QueryBuilder::<Db>::new("update alert_group set lease_until = ");
            q.push_bind(now.0.saturating_add(lease_micros));
            q.push(" where id in (select id from alert_group where due <= ").push_bind(now.0);
            q.push(" and lease_until < ").push_bind(now.0).push(" order by due limit ").push_bind(most as i64);
            q.push(skip_locked).push(") returning ").push(GROUP);
            q.build_query_as().fetch_all(&mut *db).await?
        });
        tx.commit().await?;
        let mut groups: Vec<Group> = rows.into_iter().map(GroupRow::group).collect();
        groups.sort_by_key(|group| group.id);
        Ok(groups)
    }

    /// Open groups of a rule.
    pub async fn open_alerts(&self, rule: &str) -> Result<Vec<Group>, Error> {
        let rows: Vec<GroupRow> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select ");
            q.push(GROUP).push(" from alert_group where closed is null and rule = ").push_bind(rule);
            q.push(" order by id limit ").push_bind(MOST).build_query_as().fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(GroupRow::group).collect())
    }

    /// The scenarios of a group, the newest first.
    pub async fn alert_items(&self, group: i64, most: usize) -> Result<Vec<Item>, Error> {
        let rows: Vec<ItemRow> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select scenario_id, leg, nth, at, seen, changed, reported, state, told from alert_item
                 where group_id = $1 order by at desc, scenario_id, leg, nth limit $2",
            )
            .bind(group)
            .bind(most as i64)
            .fetch_all(pool)
            .await?
        });
        rows.into_iter().map(ItemRow::item).collect()
    }

    /// Groups, open ones first, then as they changed last.
    pub async fn alert_groups(&self, most: usize) -> Result<Vec<Group>, Error> {
        let rows: Vec<GroupRow> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select ");
            q.push(GROUP).push(" from alert_group order by case when closed is null then 0 else 1 end, changed desc, id limit ");
            q.push_bind((most as i64).min(MOST)).build_query_as().fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(GroupRow::group).collect())
    }

    /// How many groups are open, counted up to a thousand.
    pub async fn count_open_alerts(&self) -> Result<i64, Error> {
        Ok(with_pool!(self.backend, pool => {
            sqlx::query_scalar(
                "select count(*) from (select 1 as one from alert_group where closed is null limit 1000) as some_open",
            )
            .fetch_one(pool)
            .await?
        }))
    }

    /// A group by its key: the open one, else the last.
    pub async fn alert_group(&self, hash: [u8; 8]) -> Result<Option<Group>, Error> {
        let row: Option<GroupRow> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select ");
            q.push(GROUP).push(" from alert_group where hash = ").push_bind(&hash[..]);
            q.push(" order by case when closed is null then 0 else 1 end, id desc limit 1");
            q.build_query_as().fetch_optional(pool).await?
        });
        Ok(row.map(GroupRow::group))
    }

    /// Groups that a scenario is in.
    pub async fn alert_groups_of(&self, scenario: ScenarioId) -> Result<Vec<Group>, Error> {
        let rows: Vec<GroupRow> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select ");
            q.push(GROUP).push(" from alert_group where id in (select group_id from alert_item where scenario_id = ");
            q.push_bind(scenario.0).push(") order by id desc limit 100");
            q.build_query_as().fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(GroupRow::group).collect())
    }
}
