//! Sources: what is stored of each, over all its files.

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
    last_event: Option<i64>,
    last_shown: Option<i64>,
    provisional: i64,
}

impl Store {
    /// Sources by their last message, the newest first, at most `limit`.
    pub async fn sources(&self, limit: usize) -> Result<Vec<SourceRow>, Error> {
        let rows: Vec<Row> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new(
                "select s.agent, s.source, max(s.host) as host, count(*) as files,
                     cast(sum(o.size) as bigint) as size,
                     cast(sum(case when o.tail > 0 and o.read_to >= o.size then 0 when o.tail > 0 then o.size - o.read_to
                         when o.off >= o.size then 0 else o.size - o.off end) as bigint) as lag,
                     cast(sum(case when o.read_to >= o.size then 0 else o.size - o.read_to end) as bigint) as unread,
                     max(o.read_at) as read_at,
                     cast(sum(o.records + o.tail) as bigint) as records,
                     cast(sum(o.noise_lines) as bigint) as noise_lines,
                     max(o.last_event) as last_event, max(p.last) as last_shown,
                     cast(coalesce(sum(p.unfinished), 0) as bigint) as provisional
                 from stream s join stream_offset o on o.stream_id = s.stream_id
                 left join (select stream_id, max(ts) as last, sum(case when flags & ",
            );
            q.push(Flags::UNFINISHED.bits());
            q.push(" <> 0 then 1 else 0 end) as unfinished from provisional group by stream_id) p on p.stream_id = s.stream_id
                 group by s.agent, s.source
                 order by coalesce(max(o.last_event), max(p.last), 0) desc, s.agent, s.source limit ");
            q.push_bind(limit as i64).build_query_as().fetch_all(pool).await?
        });
        let gaps = self.gaps_by_source().await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let key = (row.agent.clone(), row.source.clone());
            let (skipped, lost) = gaps.get(&key).copied().unwrap_or_default();
            let newest = if lost > 0 { self.newest_gaps(&key).await? } else { Vec::new() };
            found.push(row.read(skipped, lost, newest));
        }
        Ok(found)
    }

    /// For each source that has any: gaps as it was asked for, and all others.
    async fn gaps_by_source(&self) -> Result<HashMap<(String, String), (u64, u64)>, Error> {
        let rows: Vec<(String, String, i64, i64)> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select s.agent, s.source, cast(sum(case when g.cause = $1 then 1 else 0 end) as bigint), count(*)
                 from gap g join stream s on s.stream_id = g.stream_id group by s.agent, s.source",
            )
            .bind(Cause::StartAtEnd.code())
            .fetch_all(pool)
            .await?
        });
        let counts = |(agent, source, skipped, all): (String, String, i64, i64)| {
            ((agent, source), (count(skipped), count(all - skipped)))
        };
        Ok(rows.into_iter().map(counts).collect())
    }

    async fn newest_gaps(&self, (agent, source): &(String, String)) -> Result<Vec<Gap>, Error> {
        let rows: Vec<GapColumns> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select g.stream_id, g.off, g.len, g.lost, g.cause, g.noticed from gap g join stream s on s.stream_id = g.stream_id
                 where s.agent = $1 and s.source = $2 and g.cause <> $3 order by g.noticed desc, g.off desc limit $4",
            )
            .bind(agent)
            .bind(source)
            .bind(Cause::StartAtEnd.code())
            .bind(GAPS)
            .fetch_all(pool)
            .await?
        });
        rows.into_iter().map(GapColumns::read).collect()
    }
}

impl Row {
    fn read(self, skipped: u64, gaps: u64, newest_gaps: Vec<Gap>) -> SourceRow {
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
            last_event: self.last_event.max(self.last_shown).map(Timestamp),
            provisional: count(self.provisional),
            skipped,
            gaps,
            newest_gaps,
        }
    }
}
