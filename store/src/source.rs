//! Sources: what is stored of each, over all its files.

use std::cmp::Reverse;
use std::collections::HashMap;

use record::span::{Cause, Flags};
use record::time::Timestamp;
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::stream::{Gap, GapColumns};
use crate::text::count;
use crate::{Error, Store};

/// Gaps of a source that are listed, the newest first.
const GAPS: i64 = 3;
/// Of all sources, so many are looked at for these.
const NEWEST: i64 = 1_000;

/// One log of one host over its rotations. Its agent says how far it is read; this is what the collector has of it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SourceRow {
    pub agent: String,
    pub name: String,
    pub host: String,
    pub files: u64,
    /// Bytes in these files, as far as the collector knows.
    pub size: u64,
    /// Bytes of them that are not stored or shown yet, as far as the collector knows.
    pub lag: u64,
    /// Bytes that were read, and of which no record could be made yet.
    pub read: u64,
    /// Its agent's clock when it looked for what was stored last.
    pub read_at: Timestamp,
    /// Final ones, and those that are shown and not final.
    pub records: u64,
    pub noise_lines: u64,
    /// The latest event time, clamped; of provisional rows, too.
    pub last_event: Option<Timestamp>,
    /// Provisional rows that are not read to their end.
    pub provisional: u64,
    /// Gaps that begin where reading began, as it was asked for.
    pub skipped: u64,
    /// All other gaps.
    pub gaps: u64,
    /// The newest of them.
    pub newest_gaps: Vec<Gap>,
}

#[derive(sqlx::FromRow)]
struct Row {
    agent: String,
    source: String,
    host: String,
    files: i64,
    size: i64,
    lag: i64,
    unread: i64,
    read_at: i64,
    records: i64,
    noise_lines: i64,
    gaps: i64,
    last_event: Option<i64>,
}

/// Agent and source.
type Key = (String, String);

#[derive(sqlx::FromRow)]
struct Found {
    agent: String,
    source: String,
    #[sqlx(flatten)]
    gap: GapColumns,
}

#[derive(sqlx::FromRow)]
struct Shown {
    agent: String,
    source: String,
    last: i64,
    unfinished: i64,
}

impl Store {
    /// Sources by their last message, the newest first, at most `limit`.
    pub async fn sources(&self, limit: usize) -> Result<Vec<SourceRow>, Error> {
        let mut rows: Vec<Row> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select s.agent, s.source, max(s.host) as host, count(*) as files,
                     cast(sum(o.size) as bigint) as size,
                     cast(sum(case when o.tail > 0 and o.read_to >= o.size then 0 when o.tail > 0 then o.size - o.read_to
                         when o.off >= o.size then 0 else o.size - o.off end) as bigint) as lag,
                     cast(sum(case when o.read_to >= o.size then 0 else o.size - o.read_to end) as bigint) as unread,
                     max(o.read_at) as read_at,
                     cast(sum(o.records + o.tail) as bigint) as records,
                     cast(sum(o.noise_lines) as bigint) as noise_lines,
                     cast(sum(o.gaps) as bigint) as gaps,
                     max(o.last_event) as last_event
                 from stream s join stream_offset o on o.stream_id = s.stream_id group by s.agent, s.source",
            )
            .fetch_all(pool)
            .await?
        });
        let shown = self.shown_by_source().await?;
        let last = |row: &Row| row.last_event.max(shown.get(&row.key()).map(|shown| shown.last)).unwrap_or(0);
        rows.sort_by_cached_key(|row| (Reverse(last(row)), row.key()));
        rows.truncate(limit);
        let skipped = self.skipped_by_source().await?;
        let mut newest = self.newest_gaps().await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let key = row.key();
            let skipped = skipped.get(&key).copied().unwrap_or_default();
            let lost = count(row.gaps).saturating_sub(skipped);
            let some = newest.remove(&key).unwrap_or_default();
            let is_all = some.len() as u64 >= lost.min(GAPS as u64);
            let newest = if is_all { some } else { self.gaps_of(&key).await? };
            found.push(row.read(shown.get(&key), skipped, lost, newest));
        }
        Ok(found)
    }

    /// What is shown of each source and not final: from its few rows to their streams, as it is asked for by whoever opens home.
    async fn shown_by_source(&self) -> Result<HashMap<Key, Shown>, Error> {
        let rows: Vec<Shown> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new(
                "select s.agent, s.source, max(p.last) as last, cast(sum(p.unfinished) as bigint) as unfinished
                 from (select stream_id, max(ts) as last, sum(case when flags & ",
            );
            q.push(Flags::UNFINISHED.bits()).push(
                " <> 0 then 1 else 0 end) as unfinished from provisional group by stream_id) p
                 cross join stream s where s.stream_id = p.stream_id group by s.agent, s.source",
            );
            q.build_query_as().fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(|row| ((row.agent.clone(), row.source.clone()), row)).collect())
    }

    /// Of each source that has any: gaps as it was asked for. There is one at most for each stream, where reading began.
    async fn skipped_by_source(&self) -> Result<HashMap<Key, u64>, Error> {
        let rows: Vec<(String, String, i64)> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select s.agent, s.source, count(*) from gap g cross join stream s
                 where g.cause = $1 and s.stream_id = g.stream_id group by s.agent, s.source",
            )
            .bind(Cause::StartAtEnd.code())
            .fetch_all(pool)
            .await?
        });
        Ok(rows.into_iter().map(|(agent, source, skipped)| ((agent, source), count(skipped))).collect())
    }

    /// By source, of the newest gaps of all.
    async fn newest_gaps(&self) -> Result<HashMap<Key, Vec<Gap>>, Error> {
        let rows: Vec<Found> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select s.agent, s.source, g.stream_id, g.off, g.len, g.lost, g.cause, g.noticed
                 from (select stream_id, off, len, lost, cause, noticed from gap where cause <> $1 order by noticed desc, off desc limit $2) g
                 cross join stream s where s.stream_id = g.stream_id order by g.noticed desc, g.off desc",
            )
            .bind(Cause::StartAtEnd.code())
            .bind(NEWEST)
            .fetch_all(pool)
            .await?
        });
        let mut newest: HashMap<Key, Vec<Gap>> = HashMap::new();
        for Found { agent, source, gap } in rows {
            let of = newest.entry((agent, source)).or_default();
            if of.len() < GAPS as usize {
                of.push(gap.read()?);
            }
        }
        Ok(newest)
    }

    /// The newest ones of a source, of which these are not enough.
    async fn gaps_of(&self, (agent, source): &Key) -> Result<Vec<Gap>, Error> {
        // By its streams: those of others may be many.
        let unindexed = self.backend.unindexed();
        let rows: Vec<GapColumns> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new(
                "select g.stream_id, g.off, g.len, g.lost, g.cause, g.noticed from stream s cross join gap g where g.stream_id = s.stream_id and s.agent = ",
            );
            q.push_bind(agent).push(" and s.source = ").push_bind(source).push(" and g.cause <> ").push_bind(Cause::StartAtEnd.code());
            q.push(" order by ").push(unindexed).push("g.noticed desc, g.off desc limit ").push_bind(GAPS);
            q.build_query_as().fetch_all(pool).await?
        });
        rows.into_iter().map(GapColumns::read).collect()
    }
}

impl Row {
    fn key(&self) -> Key {
        (self.agent.clone(), self.source.clone())
    }

    fn read(self, shown: Option<&Shown>, skipped: u64, gaps: u64, newest_gaps: Vec<Gap>) -> SourceRow {
        let lag = count(self.lag);
        SourceRow {
            agent: self.agent,
            name: self.source,
            host: self.host,
            files: count(self.files),
            size: count(self.size),
            lag,
            read: lag.saturating_sub(count(self.unread)),
            read_at: Timestamp(self.read_at),
            records: count(self.records),
            noise_lines: count(self.noise_lines),
            last_event: self.last_event.max(shown.map(|shown| shown.last)).map(Timestamp),
            provisional: shown.map_or(0, |shown| count(shown.unfinished)),
            skipped,
            gaps,
            newest_gaps,
        }
    }
}
