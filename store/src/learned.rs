//! What was learned of a log from many of its calls: kept with the log, for all its files.

use std::sync::Arc;

use message::event::CallClass;
use message::habit::Learned;
use record::time::{SECOND, Timestamp};
use sqlx::QueryBuilder;

use crate::backend::{with_pool, with_transaction};
use crate::{Error, Store, blob};

/// Calls that are settled again when something new was learned of their log, at most.
const AGAIN: i64 = 10_000;
/// They are settled once what is new is done.
const LATER: i64 = 2 * SECOND;

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

    /// Keeps what was learned of a log. What was settled of its calls that began since that event time is settled again, once
    /// what is new is done. False: it was known.
    pub async fn learn(
        &self,
        agent: &str,
        source: &str,
        learned: &Learned,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let mut tx = self.backend.begin().await?;
        let skip_locked = tx.skip_locked();
        let stored: Option<Option<Vec<u8>>> = with_transaction!(&mut tx, db => {
            sqlx::query_scalar("select learned from source where agent = $1 and name = $2")
                .bind(agent)
                .bind(source)
                .fetch_optional(&mut *db)
                .await?
        });
        // What another collector has seen is not forgotten.
        let mut learned = learned.clone();
        learned.learn(read(stored.flatten().as_deref()).habits.clone());
        let bytes = blob::write(&learned);
        let written = with_transaction!(&mut tx, db => {
            sqlx::query(
                "update source set learned = $1
                 where agent = $2 and name = $3 and (learned is null or learned <> $1)",
            )
            .bind(&bytes)
            .bind(agent)
            .bind(source)
            .execute(&mut *db)
            .await?
            .rows_affected()
        });
        if written > 0 {
            with_transaction!(&mut tx, db => {
                let mut q = QueryBuilder::<Db>::new("update scenario set due = ");
                let later = now.0.saturating_add(LATER);
                q.push_bind(later).push(" where id in (select x.id from scenario x where x.class = ");
                q.push_bind(CallClass::Call.code()).push(" and x.first >= ").push_bind(since.0);
                q.push(" and (x.due is null or x.due > ").push_bind(later);
                q.push(") and x.settled is not null and x.merged_into is null and exists (select 1 from scenario_call c");
                q.push(" join stream s on s.stream_id = c.stream_id where c.scenario_id = x.id and s.agent = ");
                q.push_bind(agent).push(" and s.source = ").push_bind(source);
                q.push(") order by x.first desc limit ").push_bind(AGAIN).push(skip_locked).push(")");
                q.build().execute(&mut *db).await?;
            });
        }
        tx.commit().await?;
        if written > 0 {
            self.caches.places.forget_all();
        }
        Ok(written > 0)
    }
}
