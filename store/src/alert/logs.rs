//! Items that are about a log, not about a scenario.

use record::id::ScenarioId;
use record::span::Cause;
use record::time::Timestamp;
use sqlx::QueryBuilder;

use super::known::Place;
use super::{Alarm, ItemState, ItemTold, write};
use crate::backend::with_pool;
use crate::text::count;
use crate::{Error, Store, blob};

/// Where otherwise a scenario stands.
pub const OF_A_LOG: ScenarioId = ScenarioId(0);
/// Items and lost ranges that are looked at, the newest.
const MOST: i64 = 10_000;
const LOST: i64 = 1_000;

/// What is reported of an agent or its log, and not over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogItem {
    pub group: i64,
    pub hash: [u8; 8],
    pub rule: String,
    /// Of the agent, and of its source after it.
    pub name: String,
    pub nth: i32,
}

impl LogItem {
    fn place(&self) -> Place<'_> {
        (self.group, OF_A_LOG.0, &self.name, self.nth)
    }
}

#[derive(sqlx::FromRow)]
struct LostRow {
    agent: String,
    host: String,
    source: String,
    off: i64,
    len: i64,
    lost: Option<i64>,
    cause: i16,
    noticed: i64,
}

#[derive(sqlx::FromRow)]
struct LogRow {
    group_id: i64,
    hash: Vec<u8>,
    leg: String,
    nth: i32,
    told: Vec<u8>,
}

impl LogRow {
    /// None: nobody can read it any more.
    fn item(self) -> Option<LogItem> {
        let told: ItemTold = blob::read(&self.told, "what an alert says of a log").ok()?;
        let (hash, rule) = (self.hash.try_into().ok()?, told.told.rule);
        Some(LogItem { group: self.group_id, hash, rule, name: self.leg, nth: self.nth })
    }
}

/// A range of a log that nobody could read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lost {
    pub agent: String,
    pub host: String,
    pub source: String,
    pub offset: u64,
    /// None: nobody knows.
    pub bytes: Option<u64>,
    pub cause: &'static str,
    pub noticed: Timestamp,
}

impl Store {
    /// What is reported of logs, and not over: in open groups, or since a time.
    pub async fn log_items(&self, since: Timestamp) -> Result<Vec<LogItem>, Error> {
        let rows: Vec<LogRow> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select i.group_id, g.hash, i.leg, i.nth, i.told from alert_item i join alert_group g on g.id = i.group_id
                 where i.scenario_id = 0 and i.state = 0 and (i.seen >= $1 or g.closed is null) order by i.seen desc limit $2",
            )
            .bind(since.0)
            .bind(MOST)
            .fetch_all(pool)
            .await?
        });
        Ok(rows.into_iter().filter_map(LogRow::item).collect())
    }

    /// Puts what is wrong with logs into its groups, and says of other items that they are over.
    pub async fn report_logs(&self, fresh: &[Alarm], over: &[LogItem], now: Timestamp) -> Result<(), Error> {
        let mut tx = self.backend.begin().await?;
        let mut by_group: Vec<&Alarm> = fresh.iter().collect();
        // Groups are taken in one order, so that two collectors do not wait for each other.
        by_group.sort_by_key(|alarm| alarm.group.hash);
        for some in by_group.chunk_by(|a, b| a.group.hash == b.group.hash) {
            let items: Vec<(i64, &Alarm)> = some.iter().map(|alarm| (OF_A_LOG.0, *alarm)).collect();
            write::open(&mut tx, &some[0].group, &items, now).await?;
        }
        let mut over: Vec<Place> = over.iter().map(LogItem::place).collect();
        over.sort_unstable();
        for of_group in over.chunk_by(|one, other| one.0 == other.0) {
            write::change(&mut tx, of_group, ItemState::Gone, now).await?;
        }
        tx.commit().await
    }

    /// These are over, and no mail says so: nobody knows whether they are well.
    pub async fn drop_log_items(&self, items: &[LogItem], now: Timestamp) -> Result<(), Error> {
        let mut tx = self.backend.begin().await?;
        let mut places: Vec<Place> = items.iter().map(LogItem::place).collect();
        places.sort_unstable();
        for of_group in places.chunk_by(|one, other| one.0 == other.0) {
            write::change(&mut tx, of_group, ItemState::Gone, now).await?;
            write::count_as_reported(&mut tx, of_group).await?;
        }
        tx.commit().await
    }

    /// What was lost since a time, by the collector's clock.
    pub async fn lost_since(&self, since: Timestamp) -> Result<Vec<Lost>, Error> {
        let rows: Vec<LostRow> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new(
                "select s.agent, s.host, s.source, g.off, g.len, g.lost, g.cause, g.noticed from gap g
                 join stream s on s.stream_id = g.stream_id where g.noticed >= ",
            );
            q.push_bind(since.0).push(" and g.cause <> ").push_bind(Cause::StartAtEnd.code());
            q.push(" order by g.noticed desc limit ").push_bind(LOST);
            q.build_query_as().fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(LostRow::read).collect())
    }
}

impl LostRow {
    fn read(self) -> Lost {
        Lost {
            agent: self.agent,
            host: self.host,
            source: self.source,
            offset: count(self.off),
            bytes: self.lost.or(Some(self.len).filter(|len| *len > 0)).map(count),
            cause: Cause::from_code(self.cause).map_or("unknown", Cause::name),
            noticed: Timestamp(self.noticed),
        }
    }
}
