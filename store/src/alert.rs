//! Alerts: scenarios of one failure that are reported together, and what was reported of them.

use std::collections::BTreeMap;

use record::id::ScenarioId;
use record::time::Timestamp;
use rule::syntax::Severity;
use rule::told::Told;
use serde::{Deserialize, Serialize};
use sqlx::QueryBuilder;

use crate::backend::{Transaction, with_pool, with_transaction};
use crate::statement::{self, push_list};
use crate::{Error, Store, blob};

/// Rows of one list.
const MOST: i64 = 1_000;

/// A failure that is to be reported, in the group of its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    pub group: GroupKey,
    pub severity: Severity,
    /// The event time of the failure.
    pub at: Timestamp,
    pub item: ItemTold,
    /// A new group waits so long for others, in microseconds.
    pub wait: i64,
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
}

const GROUP: &str =
    "id, hash, route, env, rule, failure, severity, opened, changed, closed, items, mails, reported, state";

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
        }
    }
}

#[derive(sqlx::FromRow)]
struct ItemRow {
    scenario_id: i64,
    leg: String,
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
            at: Timestamp(self.at),
            seen: Timestamp(self.seen),
            changed: Timestamp(self.changed),
            reported: self.reported.map(Timestamp),
            state: ItemState::from_code(self.state),
            told: blob::read(&self.told, "what an alert says of a scenario")?,
        })
    }
}

/// Items of one scenario, with the key of their group.
#[derive(sqlx::FromRow)]
struct Known {
    group_id: i64,
    scenario_id: i64,
    leg: String,
    state: i16,
    hash: Vec<u8>,
    rule: String,
}

/// Puts the failures of scenarios into their groups, and takes back what is none any more.
pub(crate) async fn write(
    tx: &mut Transaction,
    of: &[(ScenarioId, &[Alarm], &[Told])],
    now: Timestamp,
) -> Result<(), Error> {
    let ids: Vec<i64> = of.iter().map(|(id, ..)| id.0).collect();
    let mut known: BTreeMap<i64, Vec<Known>> = BTreeMap::new();
    for list in statement::lists(&ids) {
        let rows: Vec<Known> = with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new(
                "select i.group_id, i.scenario_id, i.leg, i.state, g.hash, g.rule from alert_item i
                 join alert_group g on g.id = i.group_id where i.scenario_id in ",
            );
            push_list!(q, list);
            q.build_query_as().fetch_all(&mut *db).await?
        });
        for row in rows {
            known.entry(row.scenario_id).or_default().push(row);
        }
    }
    // Groups are taken in one order, so that two collectors do not wait for each other.
    let mut fresh: BTreeMap<&GroupKey, Vec<(i64, &Alarm)>> = BTreeMap::new();
    let mut changes: Vec<(i64, i64, String, ItemState)> = Vec::new();
    for (id, alarms, told) in of {
        let before = known.remove(&id.0).unwrap_or_default();
        for alarm in *alarms {
            let same = |known: &&Known| known.hash == alarm.group.hash && known.leg == alarm.item.told.leg;
            match before.iter().find(same) {
                Some(known) if ItemState::from_code(known.state) == ItemState::Failed => {}
                Some(known) => changes.push((known.group_id, id.0, known.leg.clone(), ItemState::Failed)),
                None => fresh.entry(&alarm.group).or_default().push((id.0, alarm)),
            }
        }
        for known in before {
            let still = alarms.iter().any(|alarm| known.hash == alarm.group.hash && known.leg == alarm.item.told.leg);
            let late = told.iter().any(|told| {
                told.rule == known.rule && told.leg == known.leg && told.outcome == rule::verdict::Outcome::Late
            });
            let state = if late { ItemState::Late } else { ItemState::Gone };
            if !still && ItemState::from_code(known.state) != state {
                changes.push((known.group_id, id.0, known.leg, state));
            }
        }
    }
    for (key, items) in fresh {
        open(tx, key, &items, now).await?;
    }
    changes.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
    for (group, scenario, leg, state) in changes {
        with_transaction!(&mut *tx, db => {
            sqlx::query(
                "update alert_item set state = $1, changed = $2 where group_id = $3 and scenario_id = $4 and leg = $5",
            )
            .bind(state.code())
            .bind(now.0)
            .bind(group)
            .bind(scenario)
            .bind(leg)
            .execute(&mut *db)
            .await?;
            sqlx::query("update alert_group set changed = $1, due = $1 where id = $2 and closed is null")
                .bind(now.0)
                .bind(group)
                .execute(&mut *db)
                .await?;
        });
    }
    Ok(())
}

/// Opens the group of a key, or takes the open one, and adds to it.
async fn open(tx: &mut Transaction, key: &GroupKey, items: &[(i64, &Alarm)], now: Timestamp) -> Result<(), Error> {
    let severity = items.iter().map(|(_, alarm)| alarm.severity as i16).max().unwrap_or_default();
    let wait = items.iter().map(|(_, alarm)| alarm.wait).min().unwrap_or_default();
    let mut rows: BTreeMap<(i64, &str), &Alarm> = BTreeMap::new();
    for (id, alarm) in items {
        rows.entry((*id, alarm.item.told.leg.as_str())).or_insert(alarm);
    }
    let group: i64 = with_transaction!(&mut *tx, db => {
        sqlx::query_scalar(
            "insert into alert_group (opened, changed, due, items, mails, severity, route, hash, env, rule, failure)
             values ($1, $1, $2, $3, 0, $4, $5, $6, $7, $8, $9)
             on conflict (hash) where closed is null do update set changed = excluded.changed,
                 due = excluded.changed, items = alert_group.items + excluded.items,
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
                "insert into alert_item (group_id, scenario_id, at, seen, changed, state, leg, told) ",
            );
            q.push_values(some, |mut row, ((id, leg), alarm, told)| {
                row.push_bind(group).push_bind(*id).push_bind(alarm.at.0).push_bind(now.0).push_bind(now.0);
                row.push_bind(ItemState::Failed.code()).push_bind(*leg).push_bind(told);
            });
            q.push(" on conflict (group_id, scenario_id, leg) do nothing");
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

    /// The scenarios of a group, the newest first.
    pub async fn alert_items(&self, group: i64, most: usize) -> Result<Vec<Item>, Error> {
        let rows: Vec<ItemRow> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select scenario_id, leg, at, seen, changed, reported, state, told from alert_item
                 where group_id = $1 order by at desc, scenario_id, leg limit $2",
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
