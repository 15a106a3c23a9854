//! What was learned of a log from many of its calls: kept with the log, for all its files.

use std::sync::Arc;

use message::event::CallClass;
use message::habit::Learned;
use record::time::{SECOND, Timestamp};

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
        let bytes = blob::write(learned);
        let mut tx = self.backend.begin().await?;
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
                sqlx::query(
                    "update scenario set due = $1 where id in (
                         select x.id from scenario x where x.class = $6 and x.first >= $2 and x.due is null and x.settled is not null
                             and x.merged_into is null and exists (
                                 select 1 from scenario_call c join stream s on s.stream_id = c.stream_id
                                 where c.scenario_id = x.id and s.agent = $3 and s.source = $4)
                         order by x.first desc limit $5)",
                )
                .bind(now.0.saturating_add(LATER))
                .bind(since.0)
                .bind(agent)
                .bind(source)
                .bind(AGAIN)
                .bind(CallClass::Call.code())
                .execute(&mut *db)
                .await?;
            });
        }
        tx.commit().await?;
        if written > 0 {
            self.caches.places.forget_all();
        }
        Ok(written > 0)
    }
}
