//! What was learned of a log from many of its calls: kept with the log, for all its files.

use std::sync::Arc;

use message::event::CallClass;
use message::flow::Log;
use message::learned::Learned;
use record::time::{SECOND, Timestamp};
use rule::holds::{AllHolds, Holds};
use sqlx::QueryBuilder;

use crate::backend::{with_pool, with_transaction};
use crate::{Error, Store, blob};

/// Calls that are settled again when something new was learned of their log, at most.
const AGAIN: i64 = 10_000;
/// They are settled once what is new is done, and once no collector remembers what was known before (`caches`).
const LATER: i64 = 15 * SECOND;
const TRIES: usize = 5;

/// Where nothing was learned there is no blob; what cannot be read will be learned again.
pub(crate) fn read(stored: Option<&[u8]>) -> Arc<Learned> {
    let learned = stored.map(|bytes| blob::read::<Learned>(bytes, "what was learned of a log"));
    let learned = learned.transpose().unwrap_or_else(|error| {
        tracing::warn!(%error, "a log is learned again");
        None
    });
    Arc::new(learned.unwrap_or_default())
}

impl Store {
    /// What all logs are known to hold.
    pub async fn all_holds(&self) -> Result<AllHolds, Error> {
        let rows: Vec<(String, String, Vec<u8>)> = with_pool!(self.backend, pool => {
            sqlx::query_as("select agent, name, holds from source where holds is not null").fetch_all(pool).await?
        });
        let mut all = AllHolds::new();
        for (agent, source, bytes) in rows {
            match blob::read::<Holds>(&bytes, "what a log holds") {
                Ok(holds) => drop(all.insert(Log { agent, source }, holds)),
                Err(error) => tracing::warn!(%error, "it is learned again"),
            }
        }
        Ok(all)
    }

    /// Adds what was seen of logs to what is known of them.
    pub async fn add_holds(&self, seen: &AllHolds) -> Result<(), Error> {
        let mut tx = self.backend.begin().await?;
        let for_update = tx.for_update();
        // In one order, so that two collectors do not wait for each other.
        for (log, seen) in seen {
            let stored: Option<Option<Vec<u8>>> = with_transaction!(&mut tx, db => {
                let mut q = QueryBuilder::<Db>::new("select holds from source where agent = ");
                q.push_bind(&log.agent).push(" and name = ").push_bind(&log.source).push(for_update);
                q.build_query_scalar().fetch_optional(&mut *db).await?
            });
            let before = stored.flatten().map(|bytes| blob::read::<Holds>(&bytes, "what a log holds")).transpose();
            let mut holds = before.unwrap_or_default().unwrap_or_default();
            holds.merge(seen);
            with_transaction!(&mut tx, db => {
                sqlx::query("update source set holds = $1 where agent = $2 and name = $3")
                    .bind(blob::write_bare(&holds))
                    .bind(&log.agent)
                    .bind(&log.source)
                    .execute(&mut *db)
                    .await?;
            });
        }
        tx.commit().await
    }

    /// What was learned of a log.
    pub async fn learned(&self, agent: &str, source: &str) -> Result<Arc<Learned>, Error> {
        let stored: Option<Option<Vec<u8>>> = with_pool!(self.backend, pool => {
            sqlx::query_scalar("select learned from source where agent = $1 and name = $2")
                .bind(agent)
                .bind(source)
                .fetch_optional(pool)
                .await?
        });
        Ok(read(stored.flatten().as_deref()))
    }

    /// Keeps what was learned of a log, with what another collector has seen of its habits. Calls of it that began since that
    /// event time are settled again, once what is new is done. Gives what is known now.
    pub async fn learn(
        &self,
        agent: &str,
        source: &str,
        learned: &Learned,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Learned, Error> {
        let mut tx = self.backend.begin().await?;
        let for_update = tx.for_update();
        let stored: Option<Option<Vec<u8>>> = with_transaction!(&mut tx, db => {
            let mut q = QueryBuilder::<Db>::new("select learned from source where agent = ");
            q.push_bind(agent).push(" and name = ").push_bind(source).push(for_update);
            q.build_query_scalar().fetch_optional(&mut *db).await?
        });
        let before = read(stored.flatten().as_deref());
        let mut learned = learned.clone();
        learned.learn(before.habits.clone());
        if learned == *before {
            return Ok(learned);
        }
        with_transaction!(&mut tx, db => {
            sqlx::query("update source set learned = $1 where agent = $2 and name = $3")
                .bind(blob::write(&learned))
                .bind(agent)
                .bind(source)
                .execute(&mut *db)
                .await?;
        });
        tx.commit().await?;
        self.caches.places.forget_all();
        self.settle_again(agent, source, since, Timestamp(i64::MAX), now).await?;
        Ok(learned)
    }

    /// Calls of a log that began from `from` to before `to` are settled again, once what is new is done.
    pub(crate) async fn settle_again(
        &self,
        agent: &str,
        source: &str,
        from: Timestamp,
        to: Timestamp,
        now: Timestamp,
    ) -> Result<(), Error> {
        // What another transaction has locked is looked at again.
        for _ in 0..TRIES {
            if self.settle_some_again(agent, source, (from, to), now).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Gives how many calls became due. A new version says to whoever is settling one that this counts no more.
    async fn settle_some_again(
        &self,
        agent: &str,
        source: &str,
        (from, to): (Timestamp, Timestamp),
        now: Timestamp,
    ) -> Result<u64, Error> {
        let later = now.0.saturating_add(LATER);
        let mut tx = self.backend.begin().await?;
        let skip_locked = tx.skip_locked();
        let again = with_transaction!(&mut tx, db => {
            let at = format!("case when x.rest_until > {later} then x.rest_until else {later} end");
            let mut q = QueryBuilder::<Db>::new("update scenario set version = version + 1, due = ");
            q.push(at.replace("x.", "")).push(" where id in (select x.id from scenario x where x.class = ");
            q.push_bind(CallClass::Call.code()).push(" and x.first >= ").push_bind(from.0);
            q.push(" and x.first < ").push_bind(to.0);
            q.push(format_args!(" and (x.due is null or x.due > {at} or (x.due <> {at} and x.lease_until > {}))", now.0));
            q.push(format_args!(" and (x.settled is not null or x.lease_until > {})", now.0));
            q.push(" and x.merged_into is null and exists (select 1 from scenario_call c");
            q.push(" join stream s on s.stream_id = c.stream_id where c.scenario_id = x.id and s.agent = ");
            q.push_bind(agent).push(" and s.source = ").push_bind(source);
            q.push(") order by x.first desc limit ").push_bind(AGAIN).push(skip_locked).push(")");
            q.build().execute(&mut *db).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(again)
    }
}
