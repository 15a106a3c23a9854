//! PostgreSQL: a pool, read committed.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::append::known::Unknown;
use crate::append::{Outcome, Prepared, apply};
use crate::{Error, Store};

const CONNECTIONS: u32 = 16;
/// Streams of one batch that are stored at the same time.
const AT_ONCE: usize = 4;

#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    pub pool: PgPool,
    /// Days that have partitions, as far as this process knows.
    pub days: Arc<Mutex<BTreeSet<i32>>>,
}

impl Postgres {
    pub async fn open(url: &str) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url)?.statement_cache_capacity(300).application_name("siptrail");
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(30))
            .connect_with(options)
            .await?;
        // Locked here: sqlx would lock the whole database, not this schema.
        let mut migrations = sqlx::migrate!("../migrations/postgres");
        migrations.set_locking(false);
        let mut lock = pool.begin().await?;
        sqlx::query("select pg_advisory_xact_lock(hashtextextended('siptrail migration ' || current_schema(), 0))")
            .execute(&mut *lock)
            .await?;
        migrations.run(&pool).await?;
        lock.commit().await?;
        Ok(Self { pool, days: Arc::default() })
    }
}

/// One transaction a stream; what is new of streams and end points is committed before.
pub(super) async fn append(store: &Store, streams: Vec<Prepared>) -> Result<Vec<Outcome>, Error> {
    let new = Unknown::of(&streams, &store.caches);
    if !new.is_empty() {
        let mut tx = store.backend.begin().await?;
        new.write(&mut tx).await?;
        tx.commit().await?;
        new.keep(&store.caches);
    }
    let alone = |stream: Prepared| async move {
        let mut tx = store.backend.begin().await?;
        let outcome = apply::stream(&mut tx, &stream).await?;
        tx.commit().await?;
        Ok(outcome)
    };
    // All are tried; the first error is told.
    let outcomes: Vec<Result<Outcome, Error>> =
        futures::stream::iter(streams).map(alone).buffered(AT_ONCE).collect().await;
    let outcomes: Result<Vec<Outcome>, Error> = outcomes.into_iter().collect();
    if outcomes.is_err() {
        // It may be that somebody dropped a partition that this process knew.
        store.backend.forget_days();
    }
    outcomes
}
