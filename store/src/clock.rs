//! The clock table: by how much the clocks of logs are off, for the calls that began in one hour.

use std::collections::BTreeMap;

use message::clock::{Clocks, Measured};
use record::time::{HOUR, Timestamp};
use serde::de::DeserializeOwned;
use sqlx::QueryBuilder;

use crate::backend::{with_pool, with_transaction};
use crate::statement::push_list;
use crate::{Error, Store, blob, statement};

/// What cannot be read will be measured again.
fn read<T: DeserializeOwned + Default>(stored: &[u8]) -> T {
    if stored.is_empty() {
        return T::default();
    }
    blob::read(stored, "what was measured of clocks").unwrap_or_else(|error| {
        tracing::warn!(%error, "clocks of an hour are measured again");
        T::default()
    })
}

impl Store {
    /// By how much clocks are off in an hour.
    pub async fn clocks(&self, hour: i64) -> Result<Clocks, Error> {
        Ok(self.clocks_of(&[hour]).await?.remove(&hour).unwrap_or_default())
    }

    /// The same of several hours; those of which nothing is known are left out. Not from memory: another collector may have
    /// learned more.
    pub async fn clocks_of(&self, hours: &[i64]) -> Result<BTreeMap<i64, Clocks>, Error> {
        let mut clocks = BTreeMap::new();
        for list in statement::lists(hours) {
            let rows: Vec<(i64, Vec<u8>)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select hour, shifts from clock where hour in ");
                push_list!(q, list);
                q.build_query_as().fetch_all(pool).await?
            });
            clocks.extend(rows.into_iter().map(|(hour, shifts)| (hour, read(&shifts))));
        }
        Ok(clocks)
    }

    /// Keeps what was measured, with what another collector has measured in that hour. Calls that began in it and touch a log
    /// whose clock turns out to be off by something else are settled again, once what is new is done. Gives what is known now.
    pub async fn learn_clocks(
        &self,
        hour: i64,
        measured: &Measured,
        now: Timestamp,
    ) -> Result<(Measured, Clocks), Error> {
        let mut tx = self.backend.begin().await?;
        let for_update = tx.for_update();
        let (shifts, before): (Vec<u8>, Vec<u8>) = with_transaction!(&mut tx, db => {
            let mut q = QueryBuilder::<Db>::new("insert into clock (hour, shifts, measured) values (");
            q.push_bind(hour).push(", ").push_bind(Vec::<u8>::new()).push(", ").push_bind(Vec::<u8>::new());
            q.push(") on conflict do nothing").build().execute(&mut *db).await?;
            let mut q = QueryBuilder::<Db>::new("select shifts, measured from clock where hour = ");
            q.push_bind(hour).push(for_update).build_query_as().fetch_one(&mut *db).await?
        });
        let (mut clocks, mut all): (Clocks, Measured) = (read(&shifts), read(&before));
        all.merge(measured);
        let Some(again) = clocks.take(&all.clocks()) else { return Ok((all, clocks)) };
        with_transaction!(&mut tx, db => {
            sqlx::query("update clock set shifts = $1, measured = $2 where hour = $3")
                .bind(blob::write(&clocks))
                .bind(blob::write(&all))
                .bind(hour)
                .execute(&mut *db)
                .await?;
        });
        tx.commit().await?;
        let at = |hour: i64| Timestamp(hour.saturating_mul(HOUR));
        for (agent, source) in again {
            self.settle_again(&agent, &source, at(hour), at(hour.saturating_add(1)), now).await?;
        }
        Ok((all, clocks))
    }
}
