//! Streams: watermark, size, counts and gaps of each followed file.

use std::collections::HashMap;

use record::id::{Offset, StreamId};
use record::miss::NearMiss;
use record::span::{Cause, Flags};
use record::time::Timestamp;
use record::wire::Counters;
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::text::count;
use crate::{Error, Store, near_miss};

#[derive(Clone, PartialEq, Debug)]
pub struct StreamRow {
    pub stream: StreamId,
    pub agent: String,
    pub host: String,
    pub source: String,
    pub path: String,
    pub w: Offset,
    pub size: u64,
    pub read_to: Offset,
    pub read_at: Timestamp,
    /// The latest event time, clamped; of provisional rows, too.
    pub last_event: Option<Timestamp>,
    pub counters: Counters,
    /// Lines that are nearly header lines, a reason each: of what is final, and of its tail.
    pub near_misses: Vec<NearMiss>,
    pub closed: bool,
    /// Provisional rows it has now: records that are shown and not final.
    pub tail: i64,
    /// Those of them that are not read to their end.
    pub provisional: i64,
    /// Its oldest ones; `counters` has how many there are.
    pub gaps: Vec<Gap>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    pub start: Offset,
    pub len: u64,
    pub lost: Option<u64>,
    pub cause: Cause,
    pub noticed: Timestamp,
}

/// Totals for the home page and progress.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    pub streams: i64,
    /// Final ones, and those that are shown and not final.
    pub records: i64,
    /// With calls that have no scenario yet.
    pub scenarios: i64,
    pub gaps: i64,
    /// Bytes of files known and bytes committed.
    pub size: i64,
    pub committed: i64,
    /// Bytes that were not read or are not shown yet.
    pub lag: i64,
    /// Outbox rows that correlation has not applied.
    pub waiting: i64,
}

/// Gaps that one page of streams shows at most, each stream as many as any other: its oldest.
const GAPS: usize = 10_000;
/// Streams whose gaps are asked for at once.
const ASKED: usize = 100;

#[derive(sqlx::FromRow)]
struct Row {
    stream_id: i64,
    agent: String,
    host: String,
    source: String,
    path: Vec<u8>,
    off: i64,
    size: i64,
    read_to: i64,
    read_at: i64,
    last_event: Option<i64>,
    tail_near_misses: Option<Vec<u8>>,
    records: i64,
    record_bytes: i64,
    noise: i64,
    noise_bytes: i64,
    noise_lines: i64,
    fragments: i64,
    fragment_bytes: i64,
    gaps: i64,
    gap_bytes: i64,
    tail: i64,
    end_size: Option<i64>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct GapColumns {
    stream_id: i64,
    off: i64,
    len: i64,
    lost: Option<i64>,
    cause: i16,
    noticed: i64,
}

impl Store {
    /// Streams with ids above `after`, by id, at most `limit`, with their gaps.
    pub async fn streams(&self, after: Option<StreamId>, limit: usize) -> Result<Vec<StreamRow>, Error> {
        let rows: Vec<Row> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select s.stream_id, s.agent, s.host, s.source, s.path, o.off, o.size, o.read_to, o.read_at, o.last_event,
                     o.tail_near_misses, o.records, o.record_bytes, o.noise, o.noise_bytes, o.noise_lines, o.fragments,
                     o.fragment_bytes, o.gaps, o.gap_bytes, o.tail, o.end_size
                 from stream s join stream_offset o on o.stream_id = s.stream_id
                 where s.stream_id > $1 order by s.stream_id limit $2",
            )
            .bind(after.map_or(-1, |stream| stream.0))
            .bind(limit as i64)
            .fetch_all(pool)
            .await?
        });
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
        let with_gaps: Vec<i64> = rows.iter().filter(|row| row.gaps > 0).map(|row| row.stream_id).collect();
        let found = self.oldest_gaps(&with_gaps, GAPS / rows.len().min(GAPS)).await?;
        let tails: Vec<(i64, i64, i64)> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select stream_id, max(ts), cast(sum(case when flags & ");
            q.push(Flags::UNFINISHED.bits()).push(" <> 0 then 1 else 0 end) as bigint) from provisional where stream_id >= ");
            q.push_bind(first.stream_id).push(" and stream_id <= ").push_bind(last.stream_id).push(" group by stream_id");
            q.build_query_as().fetch_all(pool).await?
        });
        let tails: HashMap<i64, (i64, i64)> = tails.into_iter().map(|(id, last, open)| (id, (last, open))).collect();
        let mut gaps: HashMap<i64, Vec<Gap>> = HashMap::new();
        for gap in found {
            gaps.entry(gap.stream_id).or_default().push(gap.read()?);
        }
        let mut misses = self.near_misses(first.stream_id, last.stream_id).await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let gaps = gaps.remove(&row.stream_id).unwrap_or_default();
                let tail = tails.get(&row.stream_id).copied();
                let misses = misses.remove(&row.stream_id).unwrap_or_default();
                row.read(gaps, tail, misses)
            })
            .collect())
    }

    /// So many of each stream: a few that have thousands leave room for the others.
    async fn oldest_gaps(&self, streams: &[i64], each: usize) -> Result<Vec<GapColumns>, Error> {
        let mut found = Vec::new();
        for streams in streams.chunks(ASKED) {
            let some: Vec<GapColumns> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("");
                for (nth, stream) in streams.iter().enumerate() {
                    q.push(if nth == 0 { "" } else { " union all " });
                    q.push("select * from (select stream_id, off, len, lost, cause, noticed from gap where stream_id = ");
                    q.push_bind(*stream).push(" order by off, cause limit ").push_bind(each as i64).push(") as some_gaps");
                }
                q.push(" order by stream_id, off, cause").build_query_as().fetch_all(pool).await?
            });
            found.extend(some);
        }
        Ok(found)
    }

    pub async fn totals(&self) -> Result<Totals, Error> {
        let (streams, records, gaps, size, committed, lag): (i64, i64, i64, i64, i64, i64) = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select count(*), cast(coalesce(sum(records + tail), 0) as bigint), cast(coalesce(sum(gaps), 0) as bigint),
                     cast(coalesce(sum(size), 0) as bigint), cast(coalesce(sum(off), 0) as bigint),
                     cast(coalesce(sum(case when tail > 0 and read_to >= size then 0 when tail > 0 then size - read_to
                         when off >= size then 0 else size - off end), 0) as bigint)
                 from stream_offset",
            )
            .fetch_one(pool)
            .await?
        });
        let scenarios: i64 = with_pool!(self.backend, pool => {
            sqlx::query_scalar("select cast(coalesce(sum(scenarios), 0) as bigint) from correlation_offset").fetch_one(pool).await?
        });
        let waiting: i64 = with_pool!(self.backend, pool => {
            sqlx::query_scalar("select count(*) from outbox").fetch_one(pool).await?
        });
        let scenarios = scenarios + self.count_unjoined().await?;
        Ok(Totals { streams, records, scenarios, gaps, size, committed, lag, waiting })
    }

    /// The database answers.
    pub async fn ping(&self) -> Result<(), Error> {
        self.backend.ready().await
    }
}

impl StreamRow {
    /// Bytes that were not read, or are not shown yet: what stands in the provisional tail is.
    pub fn lag(&self) -> u64 {
        let shown = if self.tail > 0 { self.read_to.0 } else { self.w.0 };
        self.size.saturating_sub(shown)
    }
}

impl Row {
    /// `tail`: the time of the last provisional row, and how many are not read to their end.
    fn read(self, gaps: Vec<Gap>, tail: Option<(i64, i64)>, mut near_misses: Vec<NearMiss>) -> StreamRow {
        for miss in near_miss::unpack(self.tail_near_misses.as_deref()) {
            miss.add_to(&mut near_misses);
        }
        StreamRow {
            stream: StreamId(self.stream_id),
            agent: self.agent,
            host: self.host,
            source: self.source,
            path: String::from_utf8_lossy(&self.path).into_owned(),
            w: Offset(count(self.off)),
            size: count(self.size),
            read_to: Offset(count(self.read_to)),
            read_at: Timestamp(self.read_at),
            last_event: self.last_event.max(tail.map(|(last, _)| last)).map(Timestamp),
            counters: Counters {
                records: count(self.records),
                record_bytes: count(self.record_bytes),
                noise: count(self.noise),
                noise_bytes: count(self.noise_bytes),
                noise_lines: count(self.noise_lines),
                fragments: count(self.fragments),
                fragment_bytes: count(self.fragment_bytes),
                gaps: count(self.gaps),
                gap_bytes: count(self.gap_bytes),
            },
            near_misses,
            closed: self.end_size.is_some(),
            tail: self.tail,
            provisional: tail.map_or(0, |(_, unfinished)| unfinished),
            gaps,
        }
    }
}

impl GapColumns {
    pub fn read(self) -> Result<Gap, Error> {
        Ok(Gap {
            start: Offset(count(self.off)),
            len: count(self.len),
            lost: self.lost.map(count),
            cause: Cause::from_code(self.cause)
                .ok_or_else(|| Error::Damaged(format!("cause {} of a gap", self.cause)))?,
            noticed: Timestamp(self.noticed),
        })
    }
}
