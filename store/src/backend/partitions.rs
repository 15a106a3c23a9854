//! Day partitions of the tables that hold messages.
//!
//! Each is made as a table of its own and then attached: that waits for nobody who reads or writes. Made as a partition at
//! once, it would wait for every reader, and every append would wait behind it; a nightly dump takes hours.

use std::collections::BTreeSet;

use record::time::{DAY, Day, Timestamp};
use sqlx::AssertSqlSafe;

use super::Postgres;
use crate::Error;

const TABLES: [&str; 2] = ["message", "call_part"];

/// Makes what is missing of these days. Whoever gets the lock makes them; the others find them made.
pub(super) async fn ensure(at: &Postgres, days: BTreeSet<Day>) -> Result<(), Error> {
    let missing: Vec<i32> = {
        let known = at.days.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        days.iter().map(|day| day.0).filter(|day| !known.contains(day)).collect()
    };
    if missing.is_empty() {
        return Ok(());
    }
    let mut tx = at.pool.begin().await?;
    sqlx::query("set local lock_timeout = '5s'").execute(&mut *tx).await?;
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('siptrail partitions ' || current_schema(), 0))")
        .execute(&mut *tx)
        .await?;
    for day in &missing {
        for table in TABLES {
            let name = name_of(table, *day);
            let is_there: bool =
                sqlx::query_scalar("select to_regclass(quote_ident(current_schema()) || '.' || $1) is not null")
                    .bind(&name)
                    .fetch_one(&mut *tx)
                    .await?;
            if !is_there {
                sqlx::raw_sql(AssertSqlSafe(create(table, &name, *day))).execute(&mut *tx).await?;
            }
        }
    }
    tx.commit().await?;
    at.days.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(missing);
    Ok(())
}

/// Notes for each block range between which times its messages lie, of days that got new ones. PostgreSQL does that when it
/// vacuums: until then whoever asks for a time reads all that is new.
pub(super) async fn mark(at: &Postgres) -> Result<(), Error> {
    let unmarked = || at.unmarked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let days = std::mem::take(&mut *unmarked());
    for day in days {
        let mut tx = at.pool.begin().await?;
        // A vacuum holds the lock and marks, too. It is not to be stopped, as it is where somebody waits for it for a second.
        sqlx::query("set local lock_timeout = '100ms'").execute(&mut *tx).await?;
        let marked = sqlx::query(
            "select brin_summarize_new_values(i.indexrelid) from pg_index i
             join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
             where a.amname = 'brin' and i.indrelid = to_regclass(quote_ident(current_schema()) || '.' || $1)",
        )
        .bind(name_of("message", day))
        .execute(&mut *tx)
        .await;
        match marked {
            Ok(_) => tx.commit().await?,
            Err(why) => {
                tx.rollback().await?;
                unmarked().insert(day);
                if !is_lock_timeout(&why) {
                    return Err(why.into());
                }
            }
        }
    }
    Ok(())
}

/// As if the messages of a day came evenly: nothing counts them by time.
pub(super) async fn after_messages(at: &Postgres, from: Timestamp, messages: i64) -> Result<Option<Timestamp>, Error> {
    let rows: Option<f32> = sqlx::query_scalar(
        "select reltuples from pg_class where oid = to_regclass(quote_ident(current_schema()) || '.' || $1)",
    )
    .bind(name_of("message", from.day().0))
    .fetch_optional(&at.pool)
    .await?;
    let Some(rows) = rows.map(|rows| rows as i64).filter(|rows| *rows > messages) else { return Ok(None) };
    Ok(Some(Timestamp(from.0.saturating_add(DAY / (rows / messages).max(1)))))
}

fn is_lock_timeout(why: &sqlx::Error) -> bool {
    why.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "55P03")
}

/// `message_d020780` holds day 20780.
fn name_of(table: &str, day: i32) -> String {
    if day < 0 { format!("{table}_b{:06}", -day) } else { format!("{table}_d{day:06}") }
}

/// Rows are only ever inserted into most of these tables, so autovacuum counts inserts, and early.
fn create(table: &str, name: &str, day: i32) -> String {
    format!(
        "create table {name} (like {table} including all) with (autovacuum_vacuum_insert_scale_factor = 0.05);
         alter table {table} attach partition {name} for values from ({day}) to ({next})",
        next = day + 1
    )
}
