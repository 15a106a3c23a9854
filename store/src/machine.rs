//! The machines that write a log, as they were learned from many of its calls: kept with the log, for all its files.

use std::sync::Arc;

use message::machine::Machine;
use record::time::{SECOND, Timestamp};

use crate::backend::{with_pool, with_transaction};
use crate::{Error, Store, blob};

/// Calls that are settled again when something new was learned of their log, at most.
const AGAIN: i64 = 10_000;
/// They are settled once what is new is done.
const LATER: i64 = 2 * SECOND;

/// Where nothing was learned there is no blob; what cannot be read will be learned again.
pub(crate) fn read(stored: Option<&[u8]>) -> Arc<[Machine]> {
    let machines = stored.map(|bytes| blob::read::<Vec<Machine>>(bytes, "the machines of a log"));
    let machines = machines.transpose().unwrap_or_else(|error| {
        tracing::warn!(%error, "the machines of a log are learned again");
        None
    });
    machines.unwrap_or_default().into()
}

impl Store {
    /// The machines of a log. Empty: none were learned.
    pub async fn machines(&self, agent: &str, source: &str) -> Result<Arc<[Machine]>, Error> {
        let stored: Option<Option<Vec<u8>>> = with_pool!(self.backend, pool => {
            sqlx::query_scalar("select machines from source where agent = $1 and name = $2")
                .bind(agent)
                .bind(source)
                .fetch_optional(pool)
                .await?
        });
        Ok(read(stored.flatten().as_deref()))
    }

    /// Keeps the machines of a log. What was settled of it since that event time without knowing them is settled again, once
    /// what is new is done. False: they were known.
    pub async fn learn_machines(
        &self,
        agent: &str,
        source: &str,
        machines: &[Machine],
        since: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let bytes = blob::write_bare(machines);
        let mut tx = self.backend.begin().await?;
        let written = with_transaction!(&mut tx, db => {
            sqlx::query(
                "update source set machines = $1
                 where agent = $2 and name = $3 and (machines is null or machines <> $1)",
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
                         select x.id from scenario x where x.last >= $2 and x.due is null and x.settled is not null
                             and x.merged_into is null and exists (
                                 select 1 from scenario_call c join stream s on s.stream_id = c.stream_id
                                 where c.scenario_id = x.id and s.agent = $3 and s.source = $4)
                         order by x.last desc limit $5)",
                )
                .bind(now.0.saturating_add(LATER))
                .bind(since.0)
                .bind(agent)
                .bind(source)
                .bind(AGAIN)
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
