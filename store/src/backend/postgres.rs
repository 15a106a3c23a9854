//! PostgreSQL: a pool for those who store and one for those who read, read committed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection, Executor};

use super::is_of_this_build;
use crate::Error;

/// Connections of those who store and join, and of those who read pages: however many read, storing goes on.
const WRITERS: u32 = 12;
const READERS: u32 = 12;
/// Prepared statements that a connection keeps: lists come in many sizes, and each takes some KB on both sides.
const STATEMENTS: usize = 100;
/// A reader waits so long for a connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a reader asks is given up before the page that waits for it is.
const LONGEST: &str = "set statement_timeout = '25s'";
/// Who opened it to read cannot write.
const READ_ONLY: &str = "set default_transaction_read_only = on; set statement_timeout = '25s'";
/// A probe is answered within this time.
const READY: Duration = Duration::from_secs(2);
/// A server that is there answers within.
const ANSWERS: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    /// What this handle reads and writes with.
    pub pool: PgPool,
    readers: PgPool,
    options: Arc<PgConnectOptions>,
    /// Days that have partitions, as far as this process knows.
    pub days: Arc<Mutex<BTreeSet<i32>>>,
    /// Days of messages that were stored since their times were marked last.
    pub unmarked: Arc<Mutex<BTreeSet<i32>>>,
}

impl Postgres {
    pub async fn open(options: &PgConnectOptions) -> Result<Self, Error> {
        let options = options.clone().statement_cache_capacity(STATEMENTS).application_name("siptrail");
        reach(&options, ANSWERS).await?;
        let pool = PgPoolOptions::new()
            .max_connections(WRITERS)
            .acquire_timeout(Duration::from_secs(30))
            .connect_with(options.clone())
            .await?;
        let readers = PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(PATIENCE)
            .after_connect(|connection, _| Box::pin(async { connection.execute(LONGEST).await.map(|_| ()) }))
            .connect_lazy_with(options.clone());
        // Locked here: sqlx would lock the whole database, not this schema.
        let mut migrations = sqlx::migrate!("../migrations/postgres");
        migrations.set_locking(false);
        let mut lock = pool.begin().await?;
        sqlx::query("select pg_advisory_xact_lock(hashtextextended('siptrail migration ' || current_schema(), 0))")
            .execute(&mut *lock)
            .await?;
        migrations.run(&pool).await?;
        lock.commit().await?;
        Ok(Self { pool, readers, options: Arc::new(options), days: Arc::default(), unmarked: Arc::default() })
    }

    /// Beside those who write to it.
    pub async fn open_to_read(options: &PgConnectOptions) -> Result<Self, Error> {
        let options = options.clone().statement_cache_capacity(STATEMENTS).application_name("siptrail");
        reach(&options, ANSWERS).await?;
        let pool = PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(PATIENCE)
            .after_connect(|connection, _| Box::pin(async { connection.execute(READ_ONLY).await.map(|_| ()) }))
            .connect_with(options.clone())
            .await?;
        let applied = sqlx::query_as("select version, checksum from _sqlx_migrations").fetch_all(&pool).await?;
        is_of_this_build(&applied, &sqlx::migrate!("../migrations/postgres"))?;
        let options = Arc::new(options);
        Ok(Self { readers: pool.clone(), pool, options, days: Arc::default(), unmarked: Arc::default() })
    }

    /// A handle that reads beside those who store.
    pub fn for_readers(&self) -> Self {
        Self { pool: self.readers.clone(), ..self.clone() }
    }

    /// Whether the server answers; in its own words if not.
    pub async fn ready(&self) -> Result<(), Error> {
        if self.pool.is_closed() {
            return Err(sqlx::Error::PoolClosed.into());
        }
        reach(&self.options, READY).await
    }

    pub async fn close(&self) {
        self.readers.close().await;
        self.pool.close().await;
    }
}

/// A pool asks for half a minute before it says that it waited in vain; one connection says at once why it is refused.
async fn reach(options: &PgConnectOptions, within: Duration) -> Result<(), Error> {
    let what = match tokio::time::timeout(within, PgConnection::connect_with(options)).await {
        Ok(Ok(connection)) => return Ok(connection.close().await?),
        Ok(Err(why)) => why.to_string(),
        Err(_) => format!("no answer within {} seconds", within.as_secs()),
    };
    Err(Error::Unreachable {
        host: options.get_socket().map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string()),
        port: options.get_port(),
        database: options.get_database().unwrap_or_else(|| options.get_username()).to_owned(),
        what,
    })
}
