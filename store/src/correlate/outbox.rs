//! The outbox: which rows are whose turn, and that each is applied once.

use std::collections::{BTreeMap, BTreeSet};

use message::event::CallEvent;
use message::logged::Message;
use record::id::{Offset, StreamId};
use record::time::Timestamp;
use sqlx::QueryBuilder;

use super::OutboxRow;
use super::exchange::turn;
use crate::append::unpack_events;
use crate::backend::{Transaction, with_pool, with_transaction};
use crate::statement::push_list;
use crate::text::{self, big};
use crate::{Error, Store, compress, statement};

/// Bytes of events, unpacked, that one call reads, unless one row alone has more. In memory they are several times
/// as large, and all of them are one transaction.
const BYTES: usize = 4 << 20;
/// Streams whose rows are named in one statement.
const STREAMS: usize = 64;

#[derive(sqlx::FromRow)]
struct Waiting {
    stream_id: i64,
    end_off: i64,
    /// The first bytes of the packed events.
    head: Vec<u8>,
    lease_owner: Option<String>,
    lease_until: i64,
    off: i64,
}

pub(super) async fn read(
    store: &Store,
    owner: &str,
    now: Timestamp,
    lease_micros: i64,
    most: usize,
) -> Result<Vec<OutboxRow>, Error> {
    let waiting: Vec<Waiting> = with_pool!(store.backend, pool => {
        sqlx::query_as(
            "select o.stream_id, o.end_off, substr(o.events, 1, 4) as head, c.lease_owner, c.lease_until, c.off
             from outbox o join correlation_offset c on c.stream_id = o.stream_id
             where c.lease_owner = $1 or c.lease_until < $2 order by o.made, o.stream_id, o.end_off limit $3",
        )
        .bind(owner)
        .bind(now.0)
        .bind(most as i64)
        .fetch_all(pool)
        .await?
    });
    // The last row of each stream whose turn it is, and where correlation of that stream stands.
    let mut turns: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    let mut bytes = 0;
    let mut mine = true;
    for row in waiting {
        bytes += compress::unpacked_len(&row.head);
        if bytes > BYTES && !turns.is_empty() {
            break;
        }
        mine &= row.lease_owner.as_deref() == Some(owner) && row.lease_until > now.0 + lease_micros / 2;
        let turn = turns.entry(row.stream_id).or_insert((row.end_off, row.off));
        turn.0 = turn.0.max(row.end_off);
    }
    if turns.is_empty() {
        return Ok(Vec::new());
    }
    if !mine {
        let until = Timestamp(now.0.saturating_add(lease_micros));
        let held = lease(store, owner, now, until, turns.keys().copied().collect()).await?;
        turns.retain(|stream, (_, off)| held.get(stream).map(|at| *off = *at).is_some());
    }
    events(store, &turns).await
}

/// The streams that are `owner`'s now, and where their correlation stands.
async fn lease(
    store: &Store,
    owner: &str,
    now: Timestamp,
    until: Timestamp,
    streams: Vec<i64>,
) -> Result<BTreeMap<i64, i64>, Error> {
    let mut tx = store.backend.begin().await?;
    let mut held = BTreeMap::new();
    lock(&mut tx, &streams).await?;
    for list in statement::lists(&streams) {
        let rows: Vec<(i64, i64)> = with_transaction!(&mut tx, db => {
            let mut q = QueryBuilder::<Db>::new("update correlation_offset set lease_owner = ");
            q.push_bind(owner).push(", lease_until = ").push_bind(until.0).push(" where stream_id in ");
            push_list!(q, list);
            q.push(" and (lease_owner = ").push_bind(owner).push(" or lease_until < ").push_bind(now.0);
            q.push(") returning stream_id, off");
            q.build_query_as().fetch_all(db).await?
        });
        held.extend(rows);
    }
    tx.commit().await?;
    Ok(held)
}

/// In the order in which everybody takes them: a statement that changes several rows locks them in an order of its own, and two
/// such would wait for each other.
async fn lock(tx: &mut Transaction, streams: &[i64]) -> Result<(), Error> {
    let for_update = tx.for_update();
    let streams: Vec<i64> = streams.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    // Where rows are locked one by one at all.
    for list in statement::lists(&streams).filter(|_| !for_update.is_empty()) {
        with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new("select stream_id from correlation_offset where stream_id in ");
            push_list!(q, list);
            q.push(" order by stream_id").push(for_update);
            q.build().execute(db).await?;
        });
    }
    Ok(())
}

pub(super) async fn leave(store: &Store, owner: &str) -> Result<(), Error> {
    let mut tx = store.backend.begin().await?;
    let streams: Vec<i64> = with_transaction!(&mut tx, db => {
        sqlx::query_scalar("select stream_id from correlation_offset where lease_owner = $1")
            .bind(owner)
            .fetch_all(db)
            .await?
    });
    lock(&mut tx, &streams).await?;
    with_transaction!(&mut tx, db => {
        sqlx::query("update correlation_offset set lease_until = 0 where lease_owner = $1")
            .bind(owner)
            .execute(db)
            .await?;
    });
    turn::leave(&mut tx, owner, Timestamp::default()).await?;
    tx.commit().await
}

async fn events(store: &Store, turns: &BTreeMap<i64, (i64, i64)>) -> Result<Vec<OutboxRow>, Error> {
    let streams: Vec<(&i64, &(i64, i64))> = turns.iter().collect();
    let mut rows: Vec<OutboxRow> = Vec::new();
    for some in streams.chunks(STREAMS) {
        let found: Vec<(i64, i64, Vec<u8>)> = with_pool!(store.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select stream_id, end_off, events from outbox where ");
            let mut any = q.separated(" or ");
            for (stream, (end, off)) in some {
                any.push("(stream_id = ").push_bind_unseparated(**stream);
                any.push_unseparated(" and end_off > ").push_bind_unseparated(*off);
                any.push_unseparated(" and end_off <= ").push_bind_unseparated(*end).push_unseparated(")");
            }
            q.push(" order by stream_id, end_off");
            q.build_query_as().persistent(false).fetch_all(pool).await?
        });
        for (stream, end, packed) in found {
            let from = match rows.last() {
                Some(before) if before.stream.0 == stream => before.end,
                _ => Offset(text::count(turns.get(&stream).map_or(0, |(_, off)| *off))),
            };
            let (stream, end) = (StreamId(stream), Offset(text::count(end)));
            let (events, unreadable) = match unpack_events(&packed) {
                Ok(events) => (events, false),
                Err(Error::Damaged(why)) => events_of_messages(store, stream, from, end, &why).await?,
                Err(other) => return Err(other),
            };
            rows.push(OutboxRow { stream, from, end, events, unreadable });
        }
    }
    Ok(rows)
}

/// What a row says that cannot be read, from the messages that it was made of, and whether some of these cannot be read either.
async fn events_of_messages(
    store: &Store,
    stream: StreamId,
    from: Offset,
    end: Offset,
    why: &str,
) -> Result<(Vec<CallEvent>, bool), Error> {
    let messages = store.messages_between(stream, from, end).await?;
    let unreadable = messages.iter().filter(|message| message.is_err()).count();
    if unreadable == 0 {
        tracing::warn!(%stream, %from, %end, why, "a row of the outbox cannot be read; it is made anew from its messages");
    } else {
        tracing::error!(%stream, %from, %end, why, unreadable, "a row of the outbox and some of its messages cannot be read; it is put aside, and these messages are joined to no scenario");
    }
    Ok((messages.iter().flatten().map(Message::event).collect(), unreadable > 0))
}

/// Counts scenarios that began, less those that went into others, at one of the streams whose rows were applied: the sum over
/// all streams is how many there are.
pub(super) async fn count(tx: &mut Transaction, rows: &[OutboxRow], scenarios: i64) -> Result<(), Error> {
    if let Some(row) = rows.first().filter(|_| scenarios != 0) {
        with_transaction!(tx, db => {
            sqlx::query("update correlation_offset set scenarios = scenarios + $1 where stream_id = $2")
                .bind(scenarios)
                .bind(row.stream.0)
                .execute(db)
                .await?;
        });
    }
    Ok(())
}

/// Keeps others from their streams, as `take` does, and moves nothing: what is counted there is counted in one order.
pub(super) async fn hold(tx: &mut Transaction, rows: &[OutboxRow]) -> Result<bool, Error> {
    lock(tx, &rows.iter().map(|row| row.stream.0).collect::<Vec<_>>()).await?;
    Ok(true)
}

/// Moves the offsets of all streams of these rows and deletes the rows. False: one of them is not where it was, or
/// not `owner`'s any more.
pub(super) async fn take(tx: &mut Transaction, owner: &str, rows: &[OutboxRow]) -> Result<bool, Error> {
    let mut moves: BTreeMap<StreamId, (Offset, Offset)> = BTreeMap::new();
    for row in rows {
        moves.entry(row.stream).or_insert((row.from, row.end)).1 = row.end;
    }
    lock(tx, &moves.keys().map(|stream| stream.0).collect::<Vec<_>>()).await?;
    let moves: Vec<_> = moves.into_iter().collect();
    for some in statement::chunks(&moves) {
        let moved = with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new("update correlation_offset set off = m.column3 from (");
            q.push_values(some, |mut to, (stream, (from, end))| {
                to.push_bind(stream.0).push_bind(big(from.0)).push_bind(big(end.0));
            });
            q.push(") as m where stream_id = m.column1 and off = m.column2 and lease_owner = ").push_bind(owner);
            q.build().execute(db).await?.rows_affected()
        });
        if moved != some.len() as u64 {
            return Ok(false);
        }
    }
    for row in rows.iter().filter(|row| row.unreadable) {
        with_transaction!(tx, db => {
            sqlx::query(
                "insert into outbox_aside (stream_id, end_off, made, events)
                 select stream_id, end_off, made, events from outbox where stream_id = $1 and end_off = $2
                 on conflict do nothing",
            )
            .bind(row.stream.0)
            .bind(big(row.end.0))
            .execute(db)
            .await?;
        });
    }
    for (stream, (from, end)) in &moves {
        with_transaction!(tx, db => {
            sqlx::query("delete from outbox where stream_id = $1 and end_off > $2 and end_off <= $3")
                .bind(stream.0)
                .bind(big(from.0))
                .bind(big(end.0))
                .execute(db)
                .await?;
        });
    }
    Ok(true)
}
