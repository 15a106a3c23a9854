//! The one place that knows which database it is: pools, transactions, and every difference between the two.

mod partitions;
mod postgres;
mod sqlite;

use std::collections::BTreeSet;

use record::time::{Day, Timestamp};
use sqlx::migrate::Migrator;

use crate::{Error, Location};

pub(crate) use postgres::Postgres;
pub(crate) use sqlite::Sqlite;

/// An open database.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// What suits it: there is one writer and each commit waits for the disk, or there are many beside each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Commits {
    Together,
    Each,
}

/// A transaction that writes. Dropped without `commit`, it leaves nothing behind.
pub(crate) enum Transaction {
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

/// One text for both databases: `with_pool!(backend, pool => …)` reads; inside, `Db` is the database.
macro_rules! with_pool {
    ($backend:expr, $pool:ident => $body:expr) => {
        match &$backend {
            $crate::backend::Backend::Sqlite(at) => {
                #[allow(dead_code)]
                type Db = sqlx::Sqlite;
                let $pool = &at.readers;
                $body
            }
            $crate::backend::Backend::Postgres(at) => {
                #[allow(dead_code)]
                type Db = sqlx::Postgres;
                let $pool = &at.pool;
                $body
            }
        }
    };
}

/// The same inside a transaction: `with_transaction!(tx, db => …)`, `db` being a `&mut` connection.
macro_rules! with_transaction {
    ($tx:expr, $db:ident => $body:expr) => {
        match $tx {
            $crate::backend::Transaction::Sqlite(at) => {
                #[allow(dead_code)]
                type Db = sqlx::Sqlite;
                let $db: &mut sqlx::SqliteConnection = &mut *at;
                $body
            }
            $crate::backend::Transaction::Postgres(at) => {
                #[allow(dead_code)]
                type Db = sqlx::Postgres;
                let $db: &mut sqlx::PgConnection = &mut *at;
                $body
            }
        }
    };
}

pub(crate) use {with_pool, with_transaction};

impl Backend {
    pub async fn open(location: &Location) -> Result<Self, Error> {
        match location {
            Location::Directory(path) => Ok(Self::Sqlite(Sqlite::open(path).await?)),
            Location::Postgres(options) => Ok(Self::Postgres(Postgres::open(options).await?)),
        }
    }

    /// Beside whoever writes to it.
    pub async fn open_to_read(location: &Location) -> Result<Self, Error> {
        match location {
            Location::Directory(path) => Ok(Self::Sqlite(Sqlite::open_to_read(path).await?)),
            Location::Postgres(options) => Ok(Self::Postgres(Postgres::open_to_read(options).await?)),
        }
    }

    pub async fn begin(&self) -> Result<Transaction, Error> {
        Ok(match self {
            Self::Sqlite(at) => Transaction::Sqlite(at.writer.begin_with("begin immediate").await?),
            Self::Postgres(at) => Transaction::Postgres(at.pool.begin().await?),
        })
    }

    pub fn commits(&self) -> Commits {
        match self {
            Self::Sqlite(_) => Commits::Together,
            Self::Postgres(_) => Commits::Each,
        }
    }

    /// The same database for readers, with connections of their own. SQLite has these anyway.
    pub fn for_readers(&self) -> Self {
        match self {
            Self::Sqlite(at) => Self::Sqlite(at.clone()),
            Self::Postgres(at) => Self::Postgres(at.for_readers()),
        }
    }

    /// Whether it answers.
    pub async fn ready(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(at) => at.ready().await?,
            Self::Postgres(at) => at.ready().await?,
        }
        Ok(())
    }

    /// Makes room for rows of these days where tables are partitioned.
    pub async fn ensure_days(&self, days: BTreeSet<Day>) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(at) => {
                at.unmarked
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .extend(days.iter().map(|day| day.0));
                partitions::ensure(at, days).await
            }
        }
    }

    /// Times of messages are marked where that is not done as they are stored.
    pub async fn mark_times(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(at) => partitions::mark(at).await,
        }
    }

    /// Partitions are looked for again.
    pub fn forget_days(&self) {
        match self {
            Self::Sqlite(_) => {}
            Self::Postgres(at) => at.days.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear(),
        }
    }

    /// Two days back, three ahead.
    pub async fn keep_partitions(&self, now: Timestamp) -> Result<(), Error> {
        let today = now.day().0;
        self.ensure_days((today - 2..=today + 3).map(Day).collect()).await
    }

    /// Put before a column that only narrows what another index finds. SQLite has no statistics here and would take
    /// the column's own index, which may be as good as none; PostgreSQL knows better, and needs it to leave out
    /// partitions.
    pub fn unindexed(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "+",
            Self::Postgres(_) => "",
        }
    }

    /// Messages by time: what stands after `from`, up to a condition on `max_ts` and `min_ts` where there are marks of
    /// times. PostgreSQL keeps those of each block range itself.
    pub fn messages_by_time(&self) -> (&'static str, bool) {
        match self {
            Self::Sqlite(_) => ("message_mark cross join message on message.id between min_id and max_id", true),
            Self::Postgres(_) => ("message", false),
        }
    }

    /// A time before which about so many messages were logged since `from`; none where there are fewer.
    pub async fn after_messages(&self, from: Timestamp, messages: i64) -> Result<Option<Timestamp>, Error> {
        match self {
            Self::Sqlite(at) => sqlite::after_messages(at, from, messages).await,
            Self::Postgres(at) => partitions::after_messages(at, from, messages).await,
        }
    }

    /// The lock on a directory keeps all others out, so that what one process left is the next one's at once.
    pub fn correlator(&self, process: &str) -> String {
        match self {
            Self::Sqlite(_) => "the only one".into(),
            Self::Postgres(_) => process.into(),
        }
    }

    pub async fn close(&self) {
        match self {
            Self::Sqlite(at) => at.close().await,
            Self::Postgres(at) => at.close().await,
        }
    }
}

impl Transaction {
    pub async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    pub async fn rollback(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(tx) => tx.rollback().await?,
            Self::Postgres(tx) => tx.rollback().await?,
        }
        Ok(())
    }

    /// What locks the rows a select returns. SQLite has one writer, so its rows are locked already.
    pub fn for_update(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " for update",
        }
    }

    /// The same, without those that another transaction has locked.
    pub fn skip_locked(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " for update skip locked",
        }
    }

    /// Numbers of new scenarios, each higher than all before.
    pub async fn scenario_numbers(&mut self, count: usize) -> Result<Vec<i64>, Error> {
        let count = count as i64;
        Ok(match self {
            Self::Sqlite(tx) => {
                let last: Option<i64> = sqlx::query_scalar("select seq from sqlite_sequence where name = 'scenario'")
                    .fetch_optional(&mut **tx)
                    .await?;
                let last = last.unwrap_or(0);
                (last + 1..=last + count).collect()
            }
            Self::Postgres(tx) => {
                sqlx::query_scalar("select nextval('scenario_number') from generate_series(1, $1)")
                    .bind(count)
                    .fetch_all(&mut **tx)
                    .await?
            }
        })
    }

    /// Notes days and times of the messages just stored, in the order they were stored, where no partition and no block
    /// range says so.
    pub async fn mark(&mut self, stored: &[(Day, Timestamp)]) -> Result<(), Error> {
        match self {
            Self::Sqlite(tx) => sqlite::mark(tx, stored).await,
            Self::Postgres(_) => Ok(()),
        }
    }
}

/// Whether a database has the tables of this build; `applied` are the migrations that made them, with their checksums.
fn is_of_this_build(applied: &[(i64, Vec<u8>)], all: &Migrator) -> Result<(), Error> {
    for (version, checksum) in applied {
        match all.iter().find(|migration| migration.version == *version) {
            None => return Err(Error::NewerBuild),
            Some(migration) if migration.checksum[..] != checksum[..] => return Err(Error::OtherBuild),
            Some(_) => {}
        }
    }
    let is_applied = |version: i64| applied.iter().any(|(known, _)| *known == version);
    if all.iter().all(|migration| is_applied(migration.version)) { Ok(()) } else { Err(Error::OlderBuild) }
}

/// Tables with their columns, and which of them are in the primary key: `table.column` and `table.column key`.
#[cfg(test)]
pub(crate) async fn columns(backend: &Backend) -> Vec<String> {
    let text = match backend {
        Backend::Sqlite(_) => {
            "select t.name || '.' || c.name || case when c.pk > 0 then ' key' else '' end
             from sqlite_master t join pragma_table_info(t.name) c
             where t.type = 'table' and t.name not like 'sqlite%' and t.name not like '\\_sqlx%' escape '\\' order by 1"
        }
        Backend::Postgres(_) => {
            "select t.relname || '.' || a.attname || case when i.indexrelid is not null then ' key' else '' end
             from pg_class t join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
             left join pg_index i on i.indrelid = t.oid and i.indisprimary and a.attnum = any(i.indkey)
             where t.relnamespace = current_schema()::regnamespace and t.relkind in ('r', 'p') and not t.relispartition
               and t.relname not like '\\_sqlx%' order by 1"
        }
    };
    with_pool!(*backend, pool => {
        sqlx::query_scalar(text).fetch_all(pool).await.unwrap()
    })
}

#[cfg(test)]
pub(crate) fn is_sqlite(backend: &Backend) -> bool {
    matches!(backend, Backend::Sqlite(_))
}

/// Counts what its readers do from now on, in thousands of steps of SQLite's machine; PostgreSQL has no such count.
#[cfg(test)]
pub(crate) async fn count_steps(backend: &Backend, steps: std::sync::Arc<std::sync::atomic::AtomicU64>) {
    let Backend::Sqlite(at) = backend else { return };
    let mut held = Vec::new();
    for _ in 0..at.readers.options().get_max_connections() {
        held.push(at.readers.acquire().await.unwrap());
    }
    for connection in &mut held {
        let steps = std::sync::Arc::clone(&steps);
        connection.lock_handle().await.unwrap().set_progress_handler(1000, move || {
            steps.fetch_add(1000, std::sync::atomic::Ordering::Relaxed);
            true
        });
    }
}
