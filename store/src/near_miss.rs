//! Lines that are nearly header lines: counted before the watermark, by reason; those of the tail are replaced with it.

use std::collections::{BTreeMap, HashMap};

use record::id::Offset;
use record::miss::{EXAMPLE, NearMiss, Reason};

use crate::backend::{Transaction, with_pool, with_transaction};
use crate::text::{big, count};
use crate::{Error, Store, blob};

/// Streams whose near misses are listed at once.
const STREAMS: i64 = 100;

/// The near misses of a stream, with where it lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Misread {
    pub host: String,
    pub source: String,
    pub path: String,
    /// A reason each.
    pub near_misses: Vec<NearMiss>,
}

#[derive(sqlx::FromRow)]
struct Row {
    stream_id: i64,
    reason: i16,
    lines: i64,
    off: i64,
    example: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct StreamColumns {
    stream_id: i64,
    host: String,
    source: String,
    path: Vec<u8>,
    tail_near_misses: Option<Vec<u8>>,
}

/// Adds what became final to what is counted; the example that stood there first is kept.
pub(crate) async fn add(tx: &mut Transaction, stream: i64, misses: &[NearMiss]) -> Result<(), Error> {
    let mut by_reason: BTreeMap<i16, (u64, &NearMiss)> = BTreeMap::new();
    for miss in misses {
        let (lines, first) = by_reason.entry(miss.reason.code()).or_insert((0, miss));
        *lines = lines.saturating_add(miss.lines);
        if miss.at < first.at {
            *first = miss;
        }
    }
    for (reason, (lines, first)) in by_reason {
        with_transaction!(tx, db => {
            sqlx::query(
                "insert into near_miss (stream_id, reason, lines, off, example) values ($1, $2, $3, $4, $5)
                 on conflict (stream_id, reason) do update set lines = near_miss.lines + excluded.lines",
            )
            .bind(stream)
            .bind(reason)
            .bind(big(lines))
            .bind(big(first.at.0))
            .bind(capped(&first.example))
            .execute(db)
            .await?;
        });
    }
    Ok(())
}

/// Of a tail, as it is kept; none where there are none.
pub(crate) fn pack(misses: &[NearMiss]) -> Option<Vec<u8>> {
    let cap = |miss: &NearMiss| NearMiss { example: capped(&miss.example).to_vec(), ..miss.clone() };
    let capped: Vec<NearMiss> = misses.iter().map(cap).collect();
    if capped.is_empty() { None } else { Some(blob::write(&capped)) }
}

pub(crate) fn unpack(packed: Option<&[u8]>) -> Vec<NearMiss> {
    packed.and_then(|packed| blob::read(packed, "near misses").ok()).unwrap_or_default()
}

fn capped(example: &[u8]) -> &[u8] {
    &example[..example.len().min(EXAMPLE)]
}

impl Store {
    /// Of the streams from `first` to `last`, by their ids: what is counted before their watermarks.
    pub(crate) async fn near_misses(&self, first: i64, last: i64) -> Result<HashMap<i64, Vec<NearMiss>>, Error> {
        let rows: Vec<Row> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select stream_id, reason, lines, off, example from near_miss where stream_id >= $1 and stream_id <= $2
                 order by stream_id, reason",
            )
            .bind(first)
            .bind(last)
            .fetch_all(pool)
            .await?
        });
        let mut misses: HashMap<i64, Vec<NearMiss>> = HashMap::new();
        for row in rows {
            misses.entry(row.stream_id).or_default().push(row.read());
        }
        Ok(misses)
    }

    /// Streams with lines that are nearly header lines, those with the most first; at most a hundred.
    pub async fn misread(&self) -> Result<Vec<Misread>, Error> {
        let streams: Vec<StreamColumns> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select s.stream_id, s.host, s.source, s.path, o.tail_near_misses
                 from stream_offset o join stream s on s.stream_id = o.stream_id
                 where o.tail_near_misses is not null or o.stream_id in (select stream_id from near_miss)
                 order by o.stream_id limit $1",
            )
            .bind(STREAMS)
            .fetch_all(pool)
            .await?
        });
        let (Some(first), Some(last)) = (streams.first(), streams.last()) else { return Ok(Vec::new()) };
        let mut final_ones = self.near_misses(first.stream_id, last.stream_id).await?;
        let mut found: Vec<Misread> = streams
            .into_iter()
            .map(|stream| {
                let mut near_misses = final_ones.remove(&stream.stream_id).unwrap_or_default();
                for miss in unpack(stream.tail_near_misses.as_deref()) {
                    miss.add_to(&mut near_misses);
                }
                let path = String::from_utf8_lossy(&stream.path).into_owned();
                Misread { host: stream.host, source: stream.source, path, near_misses }
            })
            .collect();
        found.sort_by_key(|log| std::cmp::Reverse(log.lines()));
        Ok(found)
    }
}

impl Misread {
    fn lines(&self) -> u64 {
        self.near_misses.iter().map(|miss| miss.lines).fold(0, u64::saturating_add)
    }
}

impl Row {
    fn read(self) -> NearMiss {
        NearMiss {
            reason: Reason::from_code(self.reason),
            lines: count(self.lines),
            at: Offset(count(self.off)),
            example: self.example,
        }
    }
}
