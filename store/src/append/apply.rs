//! Streams inside a transaction, each by itself: the watermark by compare-and-set, then its rows.

use record::id::Offset;

use super::known::{Unknown, agent_of};
use super::rows;
use super::{Outcome, Prepared};
use crate::backend::{Backend, Transaction, with_transaction};
use crate::caches::Caches;
use crate::text::{big, count};
use crate::{Error, near_miss};

/// All of these streams, in one transaction.
pub(super) async fn together(
    backend: &Backend,
    caches: &Caches,
    streams: Vec<&Prepared>,
) -> Result<Vec<Outcome>, Error> {
    let mut tx = backend.begin().await?;
    let new = Unknown::of(streams.iter().copied(), caches);
    new.write(&mut tx).await?;
    let mut outcomes = Vec::with_capacity(streams.len());
    for prepared in streams {
        outcomes.push(stream(&mut tx, prepared).await?);
    }
    tx.commit().await?;
    new.keep(caches);
    Ok(outcomes)
}

/// Moves the watermark and stores what belongs to that move, or says why not and changes nothing.
pub(crate) async fn stream(tx: &mut Transaction, prepared: &Prepared) -> Result<Outcome, Error> {
    if advance(tx, prepared).await? {
        return store(tx, prepared).await;
    }
    let head = &prepared.head;
    let Some((off, lease, agent)) = watermark(tx, head.stream.0).await? else {
        return Ok(Outcome::Base { w: Offset(0) });
    };
    if agent != agent_of(head) {
        return Ok(Outcome::Owner);
    }
    let w = Offset(count(off));
    if lease > head.lease {
        return Ok(Outcome::Lease { w, holder: lease });
    }
    if w >= head.end {
        return Ok(Outcome::Stored { w });
    }
    if w < head.base {
        return Ok(Outcome::Base { w });
    }
    let Some(rest) = prepared.behind(w)? else {
        return Ok(Outcome::Straddle { w });
    };
    // Another sender of the same bytes may be faster than this one; then it is asked to look again.
    if advance(tx, &rest).await? { store(tx, &rest).await } else { Ok(Outcome::Straddle { w }) }
}

async fn store(tx: &mut Transaction, prepared: &Prepared) -> Result<Outcome, Error> {
    let head = &prepared.head;
    let stream = head.stream.0;
    rows::messages(tx, "message", stream, &prepared.messages).await?;
    rows::call_parts(tx, stream, &prepared.sums.parts).await?;
    rows::fragments(tx, stream, head.received, &prepared.fragments).await?;
    rows::gaps(tx, stream, head.base, head.received, &prepared.gaps).await?;
    near_miss::add(tx, stream, &head.near_misses).await?;
    rows::clear_tail(tx, stream).await?;
    rows::messages(tx, "provisional", stream, &prepared.tail).await?;
    if let Some(events) = &prepared.sums.outbox {
        rows::outbox(tx, stream, head.end, head.received, events).await?;
    }
    Ok(Outcome::Stored { w: head.end })
}

/// True: the watermark stood at `base` and stands at `end` now.
async fn advance(tx: &mut Transaction, prepared: &Prepared) -> Result<bool, Error> {
    let head = &prepared.head;
    let counters = &prepared.sums.counters;
    // A batch without bytes carries marks; it does not take the end marker back.
    let keep_end = i16::from(head.base == head.end && head.closed.is_none());
    with_transaction!(tx, db => {
        let done = sqlx::query(
            "update stream_offset set off = $3, lease = $4, guard = $5, size = $6, read_to = $7, read_at = $8,
                 last_event = case when last_event >= $9 then last_event else coalesce($9, last_event) end,
                 tail_near_misses = $10, records = records + $11, record_bytes = record_bytes + $12, noise = noise + $13,
                 noise_bytes = noise_bytes + $14, noise_lines = noise_lines + $15, fragments = fragments + $16,
                 fragment_bytes = fragment_bytes + $17, gaps = gaps + $18, gap_bytes = gap_bytes + $19,
                 tail = $20,
                 end_size = case when $21 = 1 then end_size else $22 end,
                 end_crc = case when $21 = 1 then end_crc else $23 end,
                 end_counters = case when $21 = 1 then end_counters else $24 end, settled = $25
             where stream_id = $1 and off = $2 and lease <= $4 and agent = $26",
        )
        .bind(head.stream.0)
        .bind(big(head.base.0))
        .bind(big(head.end.0))
        .bind(head.lease)
        .bind(&prepared.guard)
        .bind(big(head.size))
        .bind(big(head.read_to.0))
        .bind(head.read_at.0)
        .bind(prepared.sums.last_event)
        .bind(&prepared.tail_near_misses)
        .bind(big(counters.records))
        .bind(big(counters.record_bytes))
        .bind(big(counters.noise))
        .bind(big(counters.noise_bytes))
        .bind(big(counters.noise_lines))
        .bind(big(counters.fragments))
        .bind(big(counters.fragment_bytes))
        .bind(big(counters.gaps))
        .bind(big(counters.gap_bytes))
        .bind(prepared.tail.len() as i64)
        .bind(keep_end)
        .bind(head.closed.map(|end| big(end.size)))
        .bind(head.closed.map(|end| i64::from(end.crc)))
        .bind(&prepared.end_counters)
        .bind(i16::from(head.settled))
        .bind(agent_of(head))
        .execute(db)
        .await?;
        Ok(done.rows_affected() == 1)
    })
}

async fn watermark(tx: &mut Transaction, stream: i64) -> Result<Option<(i64, i64, String)>, Error> {
    with_transaction!(tx, db => {
        let sql = "select off, lease, agent from stream_offset where stream_id = $1";
        Ok(sqlx::query_as(sql).bind(stream).fetch_optional(db).await?)
    })
}
