//! Groups and their items, read.

use std::collections::{BTreeMap, BTreeSet};

use record::id::ScenarioId;
use record::time::Timestamp;
use rule::syntax::Severity;
use sqlx::QueryBuilder;

use super::{Glance, Group, GroupKey, Item, ItemState, ItemTold};
use crate::backend::{with_pool, with_transaction};
use crate::statement::{self, push_list};
use crate::{Error, Store, blob};

/// Rows of one list.
const MOST: i64 = 1_000;

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
    fn item(self) -> Item {
        let (scenario, at) = (ScenarioId(self.scenario_id), Timestamp(self.at));
        let told = blob::read(&self.told, "what an alert says of a scenario").unwrap_or_else(|error| {
            tracing::error!(%scenario, %error, "an alert does not say what was seen");
            ItemTold::unreadable(&self.leg, self.nth, at)
        });
        Item {
            scenario,
            leg: self.leg,
            nth: self.nth,
            at,
            seen: Timestamp(self.seen),
            changed: Timestamp(self.changed),
            reported: self.reported.map(Timestamp),
            state: ItemState::from_code(self.state),
            told,
        }
    }
}

fn groups(rows: Vec<GroupRow>) -> Vec<Group> {
    let mut groups: Vec<Group> = rows.into_iter().map(GroupRow::group).collect();
    groups.sort_by_key(|group| group.id);
    groups
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
        Ok(groups(rows))
    }

    /// Takes groups of some routes for which no mail was left, whenever they are due.
    pub async fn held_alerts(
        &self,
        routes: &[i32],
        now: Timestamp,
        lease_micros: i64,
        most: usize,
    ) -> Result<Vec<Group>, Error> {
        let mut tx = self.backend.begin().await?;
        let skip_locked = tx.skip_locked();
        let mut rows: Vec<GroupRow> = Vec::new();
        for list in statement::lists(routes) {
            let some: Vec<GroupRow> = with_transaction!(&mut tx, db => {
                let mut q = QueryBuilder::<Db>::new("update alert_group set lease_until = ");
                q.push_bind(now.0.saturating_add(lease_micros));
                q.push(" where id in (select id from alert_group where held is not null and closed is null");
                q.push(" and lease_until < ").push_bind(now.0).push(" and route in ");
                push_list!(q, list);
                q.push(" order by held limit ").push_bind(most.saturating_sub(rows.len()) as i64);
                q.push(skip_locked).push(") returning ").push(GROUP);
                q.build_query_as().fetch_all(&mut *db).await?
            });
            rows.extend(some);
        }
        tx.commit().await?;
        Ok(groups(rows))
    }

    /// Since when a group of these routes waits, as no mail is left for it.
    pub async fn held_since(&self, routes: &[i32]) -> Result<Option<Timestamp>, Error> {
        let mut since: Option<i64> = None;
        for list in statement::lists(routes) {
            let held: Option<i64> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select min(held) from alert_group where held is not null and closed is null");
                q.push(" and route in ");
                push_list!(q, list);
                q.build_query_scalar().fetch_one(pool).await?
            });
            since = since.into_iter().chain(held).min();
        }
        Ok(since.map(Timestamp))
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

    /// Of these scenarios those whose failure of a rule was reported, in open groups or closed ones.
    pub async fn reported_of(&self, rule: &str, of: &[ScenarioId]) -> Result<BTreeSet<ScenarioId>, Error> {
        let ids: Vec<i64> = of.iter().map(|id| id.0).collect();
        let mut reported = BTreeSet::new();
        for list in statement::lists(&ids) {
            let rows: Vec<i64> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select i.scenario_id from alert_item i join alert_group g on g.id = i.group_id");
                q.push(" where i.reported is not null and g.rule = ").push_bind(rule).push(" and i.scenario_id in ");
                push_list!(q, list);
                q.build_query_scalar().fetch_all(pool).await?
            });
            reported.extend(rows.into_iter().map(ScenarioId));
        }
        Ok(reported)
    }

    /// A group that is taken, as it is by now. None: another has it.
    pub async fn taken_alert(&self, taken: &Group) -> Result<Option<Group>, Error> {
        let row: Option<GroupRow> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select ");
            q.push(GROUP).push(" from alert_group where id = ").push_bind(taken.id);
            q.push(" and lease_until = ").push_bind(taken.lease_until.0).push(" and closed is null");
            q.build_query_as().fetch_optional(pool).await?
        });
        Ok(row.map(GroupRow::group))
    }

    /// What is new of a group; none of its items is read.
    pub async fn glance(&self, group: i64) -> Result<Glance, Error> {
        let rows: Vec<(String, i64, i64)> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select host, cast(sum(case when reported is null and state = $2 then 1 else 0 end) as bigint),
                     cast(sum(case when reported is null then 0 else 1 end) as bigint)
                 from alert_item where group_id = $1 group by host",
            )
            .bind(group)
            .bind(ItemState::Failed.code())
            .fetch_all(pool)
            .await?
        });
        let is_new =
            |(host, unreported, reported): &(String, i64, i64)| !host.is_empty() && *unreported > 0 && *reported == 0;
        Ok(Glance { unreported: rows.iter().map(|row| row.1).sum(), new_host: rows.iter().any(is_new) })
    }

    /// Of these scenarios those whose failure of a rule is in an open group.
    pub async fn failing_of(&self, rule: &str, of: &[ScenarioId]) -> Result<BTreeSet<ScenarioId>, Error> {
        let ids: Vec<i64> = of.iter().map(|id| id.0).collect();
        let mut failing = BTreeSet::new();
        for list in statement::lists(&ids) {
            let rows: Vec<i64> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select i.scenario_id from alert_item i join alert_group g on g.id = i.group_id");
                q.push(" where g.closed is null and g.rule = ").push_bind(rule);
                q.push(" and i.state = ").push_bind(ItemState::Failed.code()).push(" and i.scenario_id in ");
                push_list!(q, list);
                q.build_query_scalar().fetch_all(pool).await?
            });
            failing.extend(rows.into_iter().map(ScenarioId));
        }
        Ok(failing)
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
        Ok(rows.into_iter().map(ItemRow::item).collect())
    }

    /// Groups, open ones first, then as they changed last.
    pub async fn alert_groups(&self, most: usize) -> Result<Vec<Group>, Error> {
        let most = (most as i64).min(MOST);
        // Open ones are few, and have an index of their own.
        let unindexed = self.backend.unindexed();
        let open = format!("closed is null order by {unindexed}changed desc, id");
        let mut groups: Vec<Group> = Vec::new();
        for which in [open.as_str(), "closed is not null order by changed desc, id desc"] {
            let rows: Vec<GroupRow> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select ");
                q.push(GROUP).push(" from alert_group where ").push(which);
                q.push(" limit ").push_bind(most - groups.len() as i64);
                q.build_query_as().fetch_all(pool).await?
            });
            groups.extend(rows.into_iter().map(GroupRow::group));
        }
        Ok(groups)
    }

    /// Groups for programs: open ones first, and the newest of each first. Neither changes but once, so pages of it miss none:
    /// one that closes meanwhile comes again. `after` is the last of the page before, and whether that was open.
    pub async fn alert_groups_after(&self, after: Option<(bool, i64)>, most: usize) -> Result<Vec<Group>, Error> {
        let most = (most as i64).min(MOST + 1);
        let (was_open, after) = after.unwrap_or((true, i64::MAX));
        // Open ones are few, and have an index of their own.
        let unindexed = self.backend.unindexed();
        let open = format!("closed is null and {unindexed}id < ");
        let parts = [(open.as_str(), unindexed, after), ("closed is not null and id < ", "", i64::MAX)];
        let parts = if was_open { &parts[..] } else { &[("closed is not null and id < ", "", after)][..] };
        let mut groups: Vec<Group> = Vec::new();
        for (which, unindexed, before) in parts {
            let rows: Vec<GroupRow> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select ");
                q.push(GROUP).push(" from alert_group where ").push(which).push_bind(*before);
                q.push(" order by ").push(unindexed).push("id desc limit ").push_bind(most - groups.len() as i64);
                q.build_query_as().fetch_all(pool).await?
            });
            groups.extend(rows.into_iter().map(GroupRow::group));
        }
        Ok(groups)
    }

    /// The scenarios of a group, those with the highest ids first: ids count up, so these are the newest. `after` is the last of
    /// the page before.
    pub async fn alert_items_after(
        &self,
        group: i64,
        after: Option<(ScenarioId, &str, i32)>,
        most: usize,
    ) -> Result<Vec<Item>, Error> {
        let rows: Vec<ItemRow> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new(
                "select scenario_id, leg, nth, at, seen, changed, reported, state, told from alert_item where group_id = ",
            );
            q.push_bind(group);
            if let Some((scenario, leg, nth)) = after {
                q.push(" and (scenario_id, leg, nth) < (").push_bind(scenario.0).push(", ").push_bind(leg);
                q.push(", ").push_bind(nth).push(")");
            }
            q.push(" order by scenario_id desc, leg desc, nth desc limit ").push_bind(most as i64);
            q.build_query_as().fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(ItemRow::item).collect())
    }

    /// A group by its id.
    pub async fn alert_group_of(&self, id: i64) -> Result<Option<Group>, Error> {
        let row: Option<GroupRow> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select ");
            q.push(GROUP).push(" from alert_group where id = ").push_bind(id);
            q.build_query_as().fetch_optional(pool).await?
        });
        Ok(row.map(GroupRow::group))
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

    /// Where the ladder showed failures of a scenario before their legs had other names, as mails say it: by where it shows
    /// them now, the oldest first.
    pub async fn former_places(&self, scenario: ScenarioId) -> Result<BTreeMap<String, Vec<String>>, Error> {
        let rows: Vec<(Vec<u8>, String)> = with_pool!(self.backend, pool => {
            sqlx::query_as("select told, places from alert_item where scenario_id = $1 and places is not null limit 1000")
                .bind(scenario.0)
                .fetch_all(pool)
                .await?
        });
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (told, were) in rows {
            // Only links of earlier mails want it.
            let Ok(item) = blob::read::<ItemTold>(&told, "what an alert says of a scenario") else { continue };
            places.entry(item.told.fragment()).or_default().extend(were.lines().map(str::to_owned));
        }
        Ok(places)
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
