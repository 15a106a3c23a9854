//! The inserts of one append.

use std::collections::BTreeMap;

use record::id::Offset;
use record::time::{Day, Timestamp};
use sqlx::QueryBuilder;

use super::GapRow;
use super::packed::{PackedFragment, PackedMessage};
use super::sums::CallPart;
use crate::backend::{Transaction, with_transaction};
use crate::text::big;
use crate::{Error, statement};

/// Columns of `message` and `provisional`, in the order in which they are bound and read; a row has its class beside them.
pub(crate) const COLUMNS: &str = "ts, stream_id, off, len, src, dst, day, head, line_end, kind, status, flags, dictionary, \
    call, method, masked, raw";

/// Into `message` or `provisional`.
pub(super) async fn messages(
    tx: &mut Transaction,
    table: &'static str,
    stream: i64,
    rows: &[PackedMessage],
) -> Result<(), Error> {
    for rows in statement::chunks(rows) {
        with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new("insert into ");
            q.push(table).push(" (").push(COLUMNS).push(", class) ");
            q.push_values(rows, |mut to, row| {
                to.push_bind(row.time.0)
                    .push_bind(stream)
                    .push_bind(row.offset())
                    .push_bind(big(row.len))
                    .push_bind(row.source)
                    .push_bind(row.destination)
                    .push_bind(row.day.0)
                    .push_bind(row.head)
                    .push_bind(row.line_end)
                    .push_bind(row.kind)
                    .push_bind(row.status)
                    .push_bind(row.flags)
                    .push_bind(row.dictionary)
                    .push_bind(row.call.0.as_slice())
                    .push_bind(row.method.as_str())
                    .push_bind(row.masked.as_slice())
                    .push_bind(row.raw.as_slice())
                    .push_bind(row.class);
            });
            if table == "provisional" {
                q.push(" on conflict do nothing");
            }
            q.build().execute(db).await?;
        });
    }
    if table == "message" {
        let stored: Vec<(Day, Timestamp)> = rows.iter().map(|row| (row.day, row.time)).collect();
        tx.mark(&stored).await?;
    }
    Ok(())
}

/// Most batches tell nothing new of a call that is there already.
pub(super) async fn call_parts(tx: &mut Transaction, stream: i64, parts: &[CallPart]) -> Result<(), Error> {
    for parts in statement::chunks(parts) {
        with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new("insert into call_part (call, stream_id, day, first, from_user, to_user, identity) ");
            q.push_values(parts, |mut to, part| {
                to.push_bind(part.call.0.as_slice())
                    .push_bind(stream)
                    .push_bind(part.day.0)
                    .push_bind(part.first.0)
                    .push_bind(part.from.as_deref())
                    .push_bind(part.to.as_deref())
                    .push_bind(part.identity.as_deref());
            });
            q.push(
                " on conflict (call, day, stream_id) do update set
                    first = case when excluded.first < call_part.first then excluded.first else call_part.first end,
                    from_user = coalesce(call_part.from_user, excluded.from_user),
                    to_user = coalesce(call_part.to_user, excluded.to_user),
                    identity = coalesce(call_part.identity, excluded.identity)
                  where excluded.first < call_part.first
                     or (call_part.from_user is null and excluded.from_user is not null)
                     or (call_part.to_user is null and excluded.to_user is not null)
                     or (call_part.identity is null and excluded.identity is not null)",
            );
            q.build().execute(db).await?;
        });
    }
    Ok(())
}

pub(super) async fn fragments(
    tx: &mut Transaction,
    stream: i64,
    received: Timestamp,
    rows: &[PackedFragment],
) -> Result<(), Error> {
    for rows in statement::chunks(rows) {
        with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new(
                "insert into fragment (stream_id, off, len, received, of_stream, of_off, flags, dictionary, raw) ",
            );
            q.push_values(rows, |mut to, row| {
                to.push_bind(stream)
                    .push_bind(big(row.start.0))
                    .push_bind(big(row.len))
                    .push_bind(received.0)
                    .push_bind(row.of.map(|(stream, _)| stream.0))
                    .push_bind(row.of.map(|(_, offset)| big(offset.0)))
                    .push_bind(row.flags)
                    .push_bind(row.dictionary)
                    .push_bind(row.raw.as_slice());
            });
            q.push(" on conflict do nothing").build().execute(db).await?;
        });
    }
    Ok(())
}

/// A gap of no length may be told again, and may then turn out to be longer; it is kept and counted once. Only where
/// a batch begins can there be one already.
pub(super) async fn gaps(
    tx: &mut Transaction,
    stream: i64,
    base: Offset,
    noticed: Timestamp,
    told: &[GapRow],
) -> Result<(), Error> {
    let mut each: BTreeMap<(Offset, i16), &GapRow> = BTreeMap::new();
    for gap in told {
        let longest = each.entry((gap.start, gap.cause.code())).or_insert(gap);
        if gap.len > longest.len {
            *longest = gap;
        }
    }
    let mut new = each.len();
    if each.range((base, i16::MIN)..=(base, i16::MAX)).next().is_some() {
        let known: Vec<i16> = with_transaction!(tx, db => {
            sqlx::query_scalar("select cause from gap where stream_id = $1 and off = $2")
                .bind(stream)
                .bind(big(base.0))
                .fetch_all(db)
                .await?
        });
        new -= known.iter().filter(|cause| each.contains_key(&(base, **cause))).count();
    }
    let rows: Vec<&GapRow> = each.into_values().collect();
    for rows in statement::chunks(&rows) {
        with_transaction!(tx, db => {
            let mut q =
                QueryBuilder::<Db>::new("insert into gap (stream_id, off, cause, len, lost, noticed, hash) ");
            q.push_values(rows, |mut to, row| {
                to.push_bind(stream)
                    .push_bind(big(row.start.0))
                    .push_bind(row.cause.code())
                    .push_bind(big(row.len))
                    .push_bind(row.lost.map(big))
                    .push_bind(noticed.0)
                    .push_bind(row.hash.map(Vec::from));
            });
            q.push(
                " on conflict (stream_id, off, cause) do update
                    set len = excluded.len, lost = excluded.lost, hash = excluded.hash where excluded.len > gap.len",
            );
            q.build().execute(db).await?;
        });
    }
    let again = (told.len() - new) as i64;
    if again > 0 {
        with_transaction!(tx, db => {
            sqlx::query("update stream_offset set gaps = gaps - $2 where stream_id = $1")
                .bind(stream)
                .bind(again)
                .execute(db)
                .await?;
        });
    }
    Ok(())
}

pub(super) async fn clear_tail(tx: &mut Transaction, stream: i64) -> Result<(), Error> {
    with_transaction!(tx, db => {
        sqlx::query("delete from provisional where stream_id = $1").bind(stream).execute(db).await?;
    });
    Ok(())
}

pub(super) async fn outbox(
    tx: &mut Transaction,
    stream: i64,
    end: Offset,
    made: Timestamp,
    events: &[u8],
) -> Result<(), Error> {
    with_transaction!(tx, db => {
        sqlx::query("insert into outbox (stream_id, end_off, made, events) values ($1, $2, $3, $4)")
            .bind(stream)
            .bind(big(end.0))
            .bind(made.0)
            .bind(events)
            .execute(db)
            .await?;
    });
    Ok(())
}
