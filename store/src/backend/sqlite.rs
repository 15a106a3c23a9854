//! SQLite: one directory, one process, one writer.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use record::time::{Day, Timestamp};
use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::is_of_this_build;
use crate::Error;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

const READERS: u32 = 8;
/// A probe is answered within this time.
const READY: Duration = Duration::from_secs(2);
/// Pages each connection keeps, in KiB (negative: that is how SQLite tells them from a number of pages). What they do not
/// keep is in the system's cache of the file.
const WRITER_CACHE: &str = "-8192";
const READER_CACHE: &str = "-1024";
/// Pages in the log of what is written until they go into the database, 128 MB: a page that many batches change goes there
/// once for all of them.
const CHECKPOINT: &str = "32000";

#[derive(Clone, Debug)]
pub(crate) struct Sqlite {
    pub readers: SqlitePool,
    /// Of one connection.
    pub writer: SqlitePool,
    /// Held as long as anyone may write; none by who only reads.
    lock: Option<Arc<File>>,
}

impl Sqlite {
    pub async fn open(directory: &Path) -> Result<Self, Error> {
        let lock = Some(Arc::new(lock(directory)?));
        own(directory)?;
        let options = SqliteConnectOptions::new()
            .filename(directory.join("siptrail.db"))
            .create_if_missing(true)
            .page_size(4096)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(false)
            .busy_timeout(Duration::from_secs(30))
            .statement_cache_capacity(300)
            .pragma("temp_store", "memory")
            // An index of all messages, made for one question, takes longer than any answer is worth.
            .pragma("automatic_index", "off")
            .pragma("cache_size", WRITER_CACHE);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .after_release(|connection, _| Box::pin(is_at_rest(connection)))
            .connect_with(options.clone().pragma("wal_autocheckpoint", CHECKPOINT))
            .await?;
        MIGRATIONS.run(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true).create_if_missing(false).pragma("cache_size", READER_CACHE))
            .await?;
        Ok(Self { readers, writer, lock })
    }

    /// Beside the process to which the directory belongs, which goes on writing.
    pub async fn open_to_read(directory: &Path) -> Result<Self, Error> {
        let file = directory.join("siptrail.db");
        File::open(&file).map_err(|why| Error::Directory {
            path: directory.display().to_string(),
            what: match why.kind() {
                ErrorKind::NotFound => "holds no siptrail.db: nothing was stored here yet".to_owned(),
                _ => format!("siptrail.db cannot be read: {why}"),
            },
        })?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            .busy_timeout(Duration::from_secs(30))
            .pragma("temp_store", "memory")
            .pragma("automatic_index", "off")
            .pragma("cache_size", WRITER_CACHE);
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_with(options).await?;
        let applied = sqlx::query_as("select version, checksum from _sqlx_migrations").fetch_all(&readers).await?;
        is_of_this_build(&applied, &MIGRATIONS)?;
        Ok(Self { writer: readers.clone(), readers, lock: None })
    }

    /// Whether the file can be read.
    pub async fn ready(&self) -> Result<(), Error> {
        let read = sqlx::query("select id from agent limit 1").fetch_optional(&self.readers);
        match tokio::time::timeout(READY, read).await {
            Ok(read) => read.map(|_| ()).map_err(Error::Sql),
            Err(_) => Err(Error::Sql(sqlx::Error::PoolTimedOut)),
        }
    }

    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        let _ = self.lock.as_ref().map(|lock| lock.unlock());
    }
}

/// Whether a connection that comes back can be used again. On a full disk SQLite rolls back by itself, and the driver still
/// counts a transaction that is not there: every later one would fail. Such a connection is closed, and another one opened.
async fn is_at_rest(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // What was given up is rolled back in turn: this is answered after that.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Takes the directory for this process.
fn lock(directory: &Path) -> Result<File, Error> {
    let error = |what: String| Error::Directory { path: directory.display().to_string(), what };
    let says = |does: &str, why: &dyn Display| error(format!("{does}: {why}"));
    // What people say to each other is nobody else's.
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|why| says("cannot be made", &why))?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(OURS)
        .open(directory.join("siptrail.lock"))
        .map_err(|why| says("cannot be written to", &why))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(error(
            "is in use by another siptrail; stop it, or choose another directory, or use PostgreSQL for several processes"
                .into(),
        )),
        Err(TryLockError::Error(why)) => Err(says("cannot be locked", &why)),
    }
}

/// What people say to each other is for nobody else on this machine to read.
const OURS: u32 = 0o600;

/// The database is ours alone, in whatever directory and under whatever umask; what SQLite puts beside it gets its mode.
fn own(directory: &Path) -> Result<(), Error> {
    let beside =
        ["siptrail.db", "siptrail.db-wal", "siptrail.db-shm", "siptrail.lock"].map(|name| directory.join(name));
    let [database, ..] = &beside;
    let error = |why: std::io::Error| Error::Directory {
        path: database.display().to_string(),
        what: format!("cannot be made readable by its owner alone: {why}"),
    };
    File::options().create(true).truncate(false).write(true).mode(OURS).open(database).map_err(error)?;
    for file in &beside {
        match fs::metadata(file) {
            Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
                fs::set_permissions(file, Permissions::from_mode(OURS)).map_err(error)?;
                tracing::warn!("{} could be read by other users, and can be no more", file.display());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Messages that one mark of times covers at least, and at most. Batches are of one stream, so their times are near.
const MARKED: i64 = 256;
const MARK: usize = 1024;

/// Each mark is for some hundreds.
pub(super) async fn after_messages(at: &Sqlite, from: Timestamp, messages: i64) -> Result<Option<Timestamp>, Error> {
    let begins: Option<i64> =
        sqlx::query_scalar("select min_ts from message_mark where min_ts >= $1 order by min_ts limit 1 offset $2")
            .bind(from.0)
            .bind(messages / (2 * MARKED))
            .fetch_optional(&at.readers)
            .await?;
    Ok(begins.map(Timestamp))
}

/// Messages get ascending ids, and nobody else writes: so the last of them has the highest id there is.
pub(super) async fn mark(tx: &mut SqliteConnection, stored: &[(Day, Timestamp)]) -> Result<(), Error> {
    if stored.is_empty() {
        return Ok(());
    }
    let last: i64 = sqlx::query_scalar("select max(id) from message").fetch_one(&mut *tx).await?;
    let first = last - stored.len() as i64 + 1;
    mark_days(tx, first, stored).await?;
    mark_times(tx, first, stored).await
}

async fn mark_days(tx: &mut SqliteConnection, first: i64, stored: &[(Day, Timestamp)]) -> Result<(), Error> {
    let mut days: BTreeMap<Day, (i64, i64)> = BTreeMap::new();
    for (id, (day, _)) in (first..).zip(stored) {
        days.entry(*day).or_insert((id, id)).1 = id;
    }
    for (day, (first, last)) in days {
        sqlx::query(
            "insert into day_mark (day, min_id, max_id) values ($1, $2, $3)
             on conflict (day) do update set min_id = min(min_id, excluded.min_id), max_id = max(max_id, excluded.max_id)",
        )
        .bind(day.0)
        .bind(first)
        .bind(last)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

async fn mark_times(tx: &mut SqliteConnection, first: i64, stored: &[(Day, Timestamp)]) -> Result<(), Error> {
    let newest: Option<i64> = sqlx::query_scalar("select max(min_id) from message_mark").fetch_one(&mut *tx).await?;
    // A small one goes on.
    let mut begins = newest.filter(|begins| first - begins < MARKED).unwrap_or(first);
    let mut at = first;
    for some in stored.chunks(MARK) {
        let times = || some.iter().map(|(_, time)| time.0);
        at += some.len() as i64;
        sqlx::query(
            "insert into message_mark (min_id, max_id, min_ts, max_ts) values ($1, $2, $3, $4)
             on conflict (min_id) do update set max_id = excluded.max_id,
                 min_ts = min(min_ts, excluded.min_ts), max_ts = max(max_ts, excluded.max_ts)",
        )
        .bind(begins)
        .bind(at - 1)
        .bind(times().min())
        .bind(times().max())
        .execute(&mut *tx)
        .await?;
        begins = at;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_is_its_owners_alone_in_whatever_directory() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
        let modes = || {
            let files = fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap());
            let modes = files.map(|file| (file.file_name(), file.metadata().unwrap().permissions().mode() & 0o777));
            modes.collect::<BTreeMap<_, _>>()
        };
        for _ in 0..2 {
            let at = Sqlite::open(directory.path()).await.unwrap();
            assert!(modes().len() >= 3 && modes().values().all(|mode| *mode == OURS), "{:?}", modes());
            at.close().await;
            // As an older build left it.
            for name in modes().keys() {
                fs::set_permissions(directory.path().join(name), Permissions::from_mode(0o644)).unwrap();
            }
        }
    }

    /// A limit of this connection alone stands for a disk that is full until it is replaced.
    #[tokio::test]
    async fn after_a_full_disk_the_next_transaction_is_stored() {
        let directory = tempfile::tempdir().unwrap();
        let at = Sqlite::open(directory.path()).await.unwrap();
        for _ in 0..3 {
            sqlx::query("pragma max_page_count = 1").execute(&at.writer).await.unwrap();
            let mut full = at.writer.begin_with("begin immediate").await.unwrap();
            let stored = async |db: &mut SqliteConnection, size: i64| {
                let id = "insert into endpoint (id, seen, address) values (abs(random()), 0, hex(zeroblob($1)))";
                sqlx::query(id).bind(size).execute(db).await
            };
            let error = stored(&mut full, 1 << 20).await.unwrap_err().to_string();
            assert!(error.contains("full"), "{error}");
            drop(full);
            let mut next = at.writer.begin_with("begin immediate").await.unwrap();
            stored(&mut next, 1 << 20).await.unwrap();
            next.commit().await.unwrap();
        }
        let stored: i64 = sqlx::query_scalar("select count(*) from endpoint").fetch_one(&at.readers).await.unwrap();
        assert_eq!(stored, 3);
        at.close().await;
    }
}
