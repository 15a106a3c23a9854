//! The two schemas are one, and what opening a database does.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use record::id::{MessageId, ScenarioId};
use record::time::Timestamp;
use record::wire::Asked;

use super::fixture::{self, File, NOON, says};
use super::store_test;
use crate::append::Outcome;
use crate::backend::{columns, with_pool, with_transaction};
use crate::search::{Filter, MessageFilter};
use crate::{Error, Location, Store};

#[tokio::test]
async fn both_migrations_have_the_same_tables_columns_and_keys() {
    let (lite, _directory) = fixture::sqlite().await;
    let (post, schema) = fixture::postgres().await;
    let (lite, post) = (columns(&lite.backend).await, columns(&post.backend).await);
    let (lite, post): (BTreeSet<_>, BTreeSet<_>) = (lite.into_iter().collect(), post.into_iter().collect());
    let only: Vec<_> = lite.symmetric_difference(&post).cloned().collect();
    // SQLite has no partitions and no block ranges: its messages are numbered, and their days and times marked.
    let marks = ["max_id", "max_ts", "min_id key", "min_ts"].map(|column| format!("message_mark.{column}"));
    let expected = ["day_mark.day key", "day_mark.max_id", "day_mark.min_id", "message.id key"].map(String::from);
    assert_eq!(only, [&expected[..], &marks[..]].concat());
    assert!(lite.len() > 150);
    schema.drop().await;
}

/// The tables that are distributed by stream where one machine is not enough (`otlp_seen` is still to come).
const WITH_THE_STREAM: [&str; 10] = [
    "stream_offset",
    "message",
    "call_part",
    "fragment",
    "gap",
    "near_miss",
    "provisional",
    "outbox",
    "outbox_aside",
    "correlation_offset",
];
const BY_DAY: [&str; 2] = ["message", "call_part"];

/// What Citus refuses, refused here: keys without the column by which rows are distributed, that column in two types,
/// keys to other tables, defaults that are not the same each time.
#[tokio::test]
async fn what_moves_with_a_stream_could_be_distributed_by_it() {
    let (store, schema) = fixture::postgres().await;
    let texts = async |sql: &'static str| -> Vec<String> {
        with_pool!(store.backend, pool => sqlx::query_scalar(sql).fetch_all(pool).await.unwrap())
    };
    let unique = texts(
        "select t.relname || ': ' || string_agg(a.attname, ' ' order by a.attnum)
         from pg_index i join pg_class t on t.oid = i.indrelid
         join pg_attribute a on a.attrelid = t.oid and a.attnum = any(i.indkey)
         where i.indisunique and t.relnamespace = current_schema()::regnamespace and not t.relispartition
         group by t.relname, i.indexrelid",
    )
    .await;
    let keys_of = |table: &str| -> Vec<Vec<String>> {
        let of = unique.iter().filter_map(|line| line.strip_prefix(&format!("{table}: ")));
        of.map(|columns| columns.split(' ').map(String::from).collect()).collect()
    };
    for table in WITH_THE_STREAM {
        for key in keys_of(table) {
            assert!(key.contains(&"stream_id".into()), "{table}: {key:?}");
            assert!(!BY_DAY.contains(&table) || key.contains(&"day".into()), "{table}: {key:?}");
        }
        assert_eq!(keys_of(table).len(), usize::from(table != "message"), "{table}");
    }
    let streams = texts(
        "select table_name || '.' || column_name || ' ' || data_type from information_schema.columns
         where table_schema = current_schema() and (column_name = 'stream_id' or column_name like '%\\_stream')",
    )
    .await;
    assert!(streams.len() > WITH_THE_STREAM.len());
    assert!(streams.iter().all(|column| column.ends_with(" bigint")), "{streams:?}");
    let foreign =
        texts("select cast(conname as text) from pg_constraint where contype = 'f' and connamespace = current_schema()::regnamespace").await;
    assert!(foreign.is_empty(), "{foreign:?}");
    let defaults = texts(
        "select c.relname || ': ' || pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d join pg_class c on c.oid = d.adrelid
         where c.relnamespace = current_schema()::regnamespace and c.relname not like '\\_sqlx%'
           and pg_get_expr(d.adbin, d.adrelid) !~ '^[0-9]+$'",
    )
    .await;
    assert!(defaults.is_empty(), "{defaults:?}");
    store.close().await;
    schema.drop().await;
}

#[tokio::test]
async fn partitions_are_made_two_days_back_and_three_ahead() {
    let (store, schema) = fixture::postgres().await;
    store.keep_partitions(NOON).await.unwrap();
    store.keep_partitions(Timestamp(NOON.0 + record::time::DAY)).await.unwrap();
    let (one, two) = (store.keep_partitions(NOON), store.keep_partitions(NOON));
    let (one, two) = tokio::join!(one, two);
    one.and(two).unwrap();
    let names: Vec<String> = with_pool!(store.backend, pool => {
        sqlx::query_scalar(
            "select cast(c.relname as text) from pg_inherits i join pg_class c on c.oid = i.inhrelid
             where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace order by 1",
        )
        .fetch_all(pool)
        .await
        .unwrap()
    });
    let today = NOON.day().0;
    for table in ["message", "call_part"] {
        for day in today - 2..=today + 4 {
            assert!(names.contains(&format!("{table}_d{day:06}")), "{table} {day}");
        }
    }
    schema.drop().await;
}

const SOON: Duration = Duration::from_secs(30);

/// A dump of hours holds what it reads.
#[tokio::test]
async fn whoever_reads_all_day_stops_no_append_to_a_new_day() {
    let (store, schema) = fixture::postgres().await;
    let mut file = File::new(1);
    file.log(&store, [says("a", 0, "INVITE")]).await;
    let mut dump = store.backend.begin().await.unwrap();
    with_transaction!(&mut dump, db => {
        sqlx::raw_sql("lock table message, call_part in access share mode").execute(db).await.unwrap();
    });
    let next = async {
        for days in 5..8 {
            store.keep_partitions(Timestamp(NOON.0 + days * record::time::DAY)).await.unwrap();
            file.log(&store, [says("a", days * 86_400, "INVITE")]).await;
        }
    };
    tokio::time::timeout(SOON, next).await.expect("appends go on while the dump runs");
    drop(dump);
    assert_eq!(store.messages(&MessageFilter::default(), None, 10).await.unwrap().rows.len(), 4);
    store.close().await;
    schema.drop().await;
}

#[tokio::test]
async fn readers_who_wait_for_a_lock_stop_no_append() {
    let (store, schema) = fixture::postgres().await;
    let mut file = File::new(1);
    file.log(&store, [says("a", 0, "INVITE")]).await;
    let mut lock = store.backend.begin().await.unwrap();
    with_transaction!(&mut lock, db => {
        sqlx::raw_sql("lock table scenario in access exclusive mode").execute(db).await.unwrap();
    });
    let readers = store.for_readers();
    let read = |_| {
        let readers = readers.clone();
        tokio::spawn(async move { readers.search(&Filter::default(), None, 10).await.map(|_| ()) })
    };
    let mut reading: FuturesUnordered<_> = (0..40).map(read).collect();
    let next = async {
        for at in 1..20 {
            file.log(&store, [says("a", at, "INFO")]).await;
        }
    };
    tokio::time::timeout(SOON, next).await.expect("appends go on while readers wait");
    // As many as have a connection wait for the lock; the others are refused one.
    for _ in 0..40 - 12 {
        let done =
            tokio::time::timeout(SOON, reading.next()).await.expect("who gets no connection is not kept waiting");
        assert!(done.unwrap().unwrap().is_err());
    }
    drop(lock);
    // On a machine so busy that not all connections were made in time, a few more gave up.
    let mut read = 0;
    while let Some(done) = reading.next().await {
        read += usize::from(done.unwrap().is_ok());
    }
    assert!(read > 0, "those with a connection have their answer once the lock is gone");
    store.close().await;
    schema.drop().await;
}

/// Callers spawn what they wait for.
#[test]
fn what_the_store_does_can_be_done_on_any_thread() {
    fn check<T: Send>(_: impl FnOnce(Store) -> T) {}
    check(async |store: Store| {
        let id = MessageId::default();
        store.append(Vec::new()).await?;
        store.outbox("", NOON, 0, 0).await?;
        store.correlate("", NOON, Vec::new()).await?;
        store.leave_outbox("").await?;
        store.scenario(ScenarioId::default()).await?;
        store.message(id).await?;
        store.scenarios_of(&[]).await?;
        store.versions(&[]).await?;
        store.search(&Filter::default(), None, 0).await?;
        store.messages(&MessageFilter::default(), None, 0).await?;
        store.streams(None, 0).await?;
        store.totals().await?;
        store.positions("", Asked::After(None), 0).await?;
        store.keep_partitions(NOON).await?;
        Store::open(&Location::Postgres(Box::default())).await?.close().await;
        Ok::<_, Error>(())
    });
}

#[tokio::test]
async fn a_partition_that_was_dropped_is_made_again() {
    let (store, schema) = fixture::postgres().await;
    let mut file = File::new(1);
    file.log(&store, [says("a", 0, "INVITE")]).await;
    with_pool!(store.backend, pool => {
        let text = format!("drop table message_d{:06}", NOON.day().0);
        sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(pool).await.unwrap();
    });
    let record = file.record(file.w, &says("a", 1, "BYE"));
    let batch = file.batch(file.w, vec![record]);
    assert!(store.append(vec![batch.clone()]).await.is_err());
    assert!(matches!(store.append(vec![batch]).await.unwrap()[..], [Outcome::Stored { .. }]));
    store.close().await;
    schema.drop().await;
}

/// Else whoever asks for a time reads all that came since the last vacuum.
#[tokio::test]
async fn times_of_new_messages_are_marked_before_postgresql_would() {
    let (store, schema) = fixture::postgres().await;
    let mut file = File::new(1);
    let unmarked = async || -> i32 {
        let text = format!("select brin_summarize_new_values('message_d{:06}_ts_idx')", NOON.day().0);
        with_pool!(store.backend, pool => {
            sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_one(pool).await.unwrap()
        })
    };
    // Some hundred pages of messages, in ranges of 32.
    let mut many = async || {
        file.log(&store, (0..100).map(|at| says("a", at, "INFO"))).await;
        with_pool!(store.backend, pool => {
            let name = format!("message_d{:06}", NOON.day().0);
            let more = format!("insert into {name} select m.* from {name} m, generate_series(1, 50) limit 5000");
            sqlx::query(sqlx::AssertSqlSafe(more)).execute(pool).await.unwrap();
        });
    };
    many().await;
    assert!(unmarked().await > 0);
    many().await;
    store.mark_times().await.unwrap();
    assert_eq!(unmarked().await, 0);
    store.close().await;
    schema.drop().await;
}

store_test! {
    async fn the_database_answers(store) {
        store.ping().await.unwrap();
    }

    async fn a_closed_store_says_so(store) {
        store.close().await;
        assert!(matches!(store.ping().await, Err(Error::Sql(sqlx::Error::PoolClosed))));
        assert!(store.append(vec![File::new(1).batch(0, Vec::new())]).await.is_err());
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_opening_again() {
    let (store, directory) = fixture::sqlite().await;
    let mut file = File::new(1);
    file.log(&store, [says("a", 0, "INVITE")]).await;
    store.close().await;
    let store = Store::open(&Location::Directory(directory.path().into())).await.unwrap();
    assert_eq!(store.totals().await.unwrap().records, 1);
    file.log(&store, [says("a", 1, "BYE")]).await;
    assert_eq!(store.totals().await.unwrap().records, 2);
}

#[tokio::test]
async fn a_database_of_another_build_is_refused_with_what_to_do() {
    let (lite, directory) = fixture::sqlite().await;
    let (post, schema) = fixture::postgres().await;
    for (store, location) in [(lite, Location::Directory(directory.path().into())), (post, schema.location.clone())] {
        with_pool!(store.backend, pool => {
            // On SQLite readers may not write, so the file is opened by itself.
            let change = "update _sqlx_migrations set checksum = substr(checksum, 2)";
            if sqlx::query(change).execute(pool).await.is_err() {
                let file = sqlx::SqlitePool::connect(directory.path().join("siptrail.db").to_str().unwrap()).await.unwrap();
                sqlx::query(change).execute(&file).await.unwrap();
            }
        });
        store.close().await;
        let error = Store::open(&location).await.unwrap_err();
        assert!(matches!(error, Error::OtherBuild), "{error}");
        assert!(error.to_string().contains("start with a new one"), "{error}");
    }
    assert!(matches!(Error::from(sqlx::migrate::MigrateError::VersionMissing(9)), Error::NewerBuild));
    schema.drop().await;
}

#[tokio::test]
async fn after_a_kill_the_next_process_on_a_directory_correlates_at_once() {
    let (store, directory) = fixture::sqlite().await;
    File::new(1).log(&store, [says("a", 0, "INVITE")]).await;
    let name = store.correlator("1-8480");
    assert_eq!(store.outbox(&name, NOON, 10_000_000, 100).await.unwrap().len(), 1);
    store.close().await;
    let store = Store::open(&Location::Directory(directory.path().into())).await.unwrap();
    let name = store.correlator("2-8481");
    assert_eq!(store.outbox(&name, NOON, 10_000_000, 100).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_named_without_its_password() {
    let url = "postgres://siptrail:secret@127.0.0.1:1/calls";
    let error = Store::open(&Location::postgres(url).unwrap()).await.unwrap_err();
    assert!(std::error::Error::source(&error).is_none(), "its cause is told once");
    let text = error.to_string();
    assert!(text.starts_with("PostgreSQL at 127.0.0.1:1, database calls: "), "{text}");
    assert!(text.contains("refused") && !text.contains("secret"), "{text}");
}

#[test]
fn what_is_no_postgresql_url_is_told_without_repeating_it() {
    for wrong in ["", "secret", "http://secret@127.0.0.1/x", "postgres://u:secret@127.0.0.1:port/x"] {
        let text = Location::postgres(wrong).unwrap_err().to_string();
        assert!(text.contains("postgres://") && !text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn a_directory_in_use_is_refused_until_it_is_free() {
    let (store, directory) = fixture::sqlite().await;
    let location = Location::Directory(directory.path().into());
    let error = Store::open(&location).await.unwrap_err().to_string();
    assert!(error.contains("is in use by another siptrail"), "{error}");
    store.close().await;
    Store::open(&location).await.unwrap();
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Store::open(&Location::Directory(file.join("data"))).await.unwrap_err().to_string();
    assert!(error.contains("file/data: cannot be made"), "{error}");
}

#[tokio::test]
async fn days_and_times_of_messages_are_marked_where_nothing_else_says_so() {
    let (store, _directory) = fixture::sqlite().await;
    let mut file = File::new(1);
    for at in [-90_000, 0, -90_000] {
        file.log(&store, [says("a", at, "INVITE"), says("a", 5, "INFO"), says("a", at, "BYE")]).await;
    }
    let days: Vec<(i32, i64, i64)> = with_pool!(store.backend, pool => {
        sqlx::query_as("select day, min_id, max_id from day_mark order by day").fetch_all(pool).await.unwrap()
    });
    let today = NOON.day().0;
    assert_eq!(days, [(today - 1, 1, 9), (today, 2, 8)]);
    file.log(&store, (0..3000).map(|at| says("a", at, "INFO"))).await;
    file.log(&store, [says("a", 3000, "BYE")]).await;
    let times: Vec<(i64, i64, i64, i64)> = with_pool!(store.backend, pool => {
        sqlx::query_as("select min_id, max_id, min_ts, max_ts from message_mark order by min_id").fetch_all(pool).await.unwrap()
    });
    let at = |second: i64| NOON.0 + second * record::time::SECOND;
    let expected = [
        (1, 1033, at(-90_000), at(1023)),
        (1034, 2057, at(1024), at(2047)),
        (2058, 3009, at(2048), at(2999)),
        (3010, 3010, at(3000), at(3000)),
    ];
    assert_eq!(times, expected);
}

/// What is deleted day by day is found without looking at what stays.
#[tokio::test]
async fn what_retention_asks_for_has_an_index() {
    let (lite, _directory) = fixture::sqlite().await;
    let asks = [
        ("call_part", "day"),
        ("fragment", "received"),
        ("scenario_key", "last"),
        ("asked", "last"),
        ("referred", "last"),
        ("day_mark", "day"),
    ];
    for (table, column) in asks {
        let sql = format!("explain query plan select 1 from {table} where {column} < 7 limit 5000");
        let plan: Vec<(i64, i64, i64, String)> = with_pool!(lite.backend, pool => {
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await.unwrap()
        });
        assert!(plan.iter().all(|step| step.3.starts_with("SEARCH")), "{table}: {plan:?}");
    }
    // Marks hold ids, so an id must never come twice, not even when all messages are gone.
    let mut file = File::new(1);
    let ids = async || -> Vec<i64> {
        with_pool!(lite.backend, pool => sqlx::query_scalar("select id from message").fetch_all(pool).await.unwrap())
    };
    file.log(&lite, [says("a", 0, "INVITE")]).await;
    let before = ids().await;
    let mut tx = lite.backend.begin().await.unwrap();
    with_transaction!(&mut tx, db => {
        sqlx::query("delete from message").execute(db).await.unwrap();
    });
    tx.commit().await.unwrap();
    file.log(&lite, [says("a", 1, "BYE")]).await;
    assert!(ids().await[0] > before[0]);
}

store_test! {
    async fn an_address_and_a_number_say_on_which_day_they_were_met_last(store) {
        let seen = async || -> Vec<i32> {
            let both = "select seen from endpoint union select seen from number";
            with_pool!(store.backend, pool => sqlx::query_scalar(both).fetch_all(pool).await.unwrap())
        };
        let mut file = File::new(1);
        file.log(&store, [says("a", 0, "INVITE").people("+12025550177", "bob")]).await;
        assert_eq!(seen().await, [NOON.day().0]);
        for days in [2, 1] {
            let received = Timestamp(NOON.0 + days * record::time::DAY);
            let record = file.record(file.w, &says("a", 1, "INFO").people("+12025550177", "bob"));
            let next = crate::append::Incoming { received, ..file.batch(file.w, vec![record]) };
            file.w = next.end.0;
            store.append(vec![next]).await.unwrap();
            assert_eq!(seen().await, [NOON.day().0 + 2]);
        }
    }
}
