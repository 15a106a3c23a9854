//! Day partitions of the tables that hold messages.

use std::collections::BTreeSet;

use message::time::Day;
use sqlx::AssertSqlSafe;

use super::Postgres;
use crate::Error;

/// With how full their pages are made: a call part is written again with each batch of its call.
const TABLES: [(&str, u8); 3] = [("message", 100), ("part", 100), ("call_part", 80)];

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
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('siptrail partitions ' || current_schema(), 0))")
        .execute(&mut *tx)
        .await?;
    for day in &missing {
        for (table, full) in TABLES {
            sqlx::raw_sql(AssertSqlSafe(create(table, full, *day))).execute(&mut *tx).await?;
        }
    }
    tx.commit().await?;
    at.days.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(missing);
    Ok(())
}

/// `message_d020780` holds day 20780. Vacuum is told to look at inserts early, since rows of
/// most of them are only ever inserted.
fn create(table: &str, full: u8, day: i32) -> String {
    let name = if day < 0 { format!("{table}_b{:06}", -day) } else { format!("{table}_d{day:06}") };
    format!(
        "create table if not exists {name} partition of {table} for values from ({day}) to ({next})
         with (fillfactor = {full}, autovacuum_vacuum_insert_scale_factor = 0.05)",
        next = day + 1
    )
}
