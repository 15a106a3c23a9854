//! How far each stream of an agent is committed.

use record::id::{Offset, StreamId};
use record::wire::{Asked, FileIdentity, Guard, Position, Positions, StreamMeta};

use crate::backend::with_pool;
use crate::text::count;
use crate::{Error, Store, blob};

#[derive(sqlx::FromRow)]
struct Row {
    stream_id: i64,
    #[sqlx(flatten)]
    file: FileColumns,
    epoch: i64,
    off: i64,
    guard: Option<Vec<u8>>,
    size: i64,
    source: String,
    path: Vec<u8>,
    end_size: Option<i64>,
}

impl Store {
    /// Positions of one agent's streams that are asked for, by id, at most `limit`.
    pub async fn positions(&self, agent: &str, asked: Asked, limit: usize) -> Result<Positions, Error> {
        // Ids are not negative.
        let (first, last, settled) = match asked {
            Asked::After(after) => (after.map_or(0, |stream| stream.0.saturating_add(1)), i64::MAX, 0),
            Asked::One(stream) => (stream.0, stream.0, 1),
        };
        let mut rows: Vec<Row> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select s.stream_id, s.device, s.inode, s.generation, s.birth, s.epoch, o.off, o.guard, o.size,
                     s.source, s.path, o.end_size
                 from stream s join stream_offset o on o.stream_id = s.stream_id
                 where s.agent = $1 and s.stream_id between $2 and $3 and o.settled <= $4
                 order by s.stream_id limit $5",
            )
            .bind(agent)
            .bind(first)
            .bind(last)
            .bind(settled)
            .bind(limit as i64 + 1)
            .fetch_all(pool)
            .await?
        });
        let more = rows.len() > limit;
        rows.truncate(limit);
        let sources = if asked == Asked::After(None) { self.sources_of(agent).await? } else { Vec::new() };
        Ok(Positions { positions: rows.into_iter().map(position).collect(), sources, more })
    }

    async fn sources_of(&self, agent: &str) -> Result<Vec<String>, Error> {
        Ok(with_pool!(self.backend, pool => {
            sqlx::query_scalar("select name from source where agent = $1 order by name").bind(agent).fetch_all(pool).await?
        }))
    }

    /// The committed offset of a stream; 0 where it is not known.
    pub async fn watermark(&self, stream: StreamId) -> Result<Offset, Error> {
        let off: Option<i64> = with_pool!(self.backend, pool => {
            sqlx::query_scalar("select off from stream_offset where stream_id = $1")
                .bind(stream.0)
                .fetch_optional(pool)
                .await?
        });
        Ok(Offset(off.map_or(0, count)))
    }

    /// Whose stream it is; none where nobody said anything of it.
    pub async fn stream_owner(&self, stream: StreamId) -> Result<Option<String>, Error> {
        Ok(with_pool!(self.backend, pool => {
            sqlx::query_scalar("select agent from stream where stream_id = $1").bind(stream.0).fetch_optional(pool).await?
        }))
    }

    /// Whose stream it is, and how it is to be read, as its agent said: none where that cannot be read any more, and its agent
    /// is to say it again. None at all: nobody said anything of it.
    pub async fn stream_meta(&self, stream: StreamId) -> Result<Option<(String, Option<StreamMeta>)>, Error> {
        let row: Option<MetaRow> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select agent, host, source, path, format, zone, device, inode, generation, birth, epoch, predecessor
                 from stream where stream_id = $1",
            )
            .bind(stream.0)
            .fetch_optional(pool)
            .await?
        });
        Ok(row.map(|row| {
            let agent = row.agent.clone();
            let meta =
                meta(stream, row).inspect_err(|why| tracing::warn!(%stream, error = %why, "its agent is asked again"));
            (agent, meta.ok())
        }))
    }
}

#[derive(sqlx::FromRow)]
struct MetaRow {
    agent: String,
    host: String,
    source: String,
    path: Vec<u8>,
    format: Vec<u8>,
    zone: String,
    #[sqlx(flatten)]
    file: FileColumns,
    epoch: i64,
    predecessor: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct FileColumns {
    device: i64,
    inode: i64,
    generation: i64,
    birth: i64,
}

impl FileColumns {
    fn read(self) -> FileIdentity {
        FileIdentity {
            device: self.device as u64,
            inode: self.inode as u64,
            generation: self.generation as u64,
            birth: self.birth,
        }
    }
}

fn meta(stream: StreamId, row: MetaRow) -> Result<StreamMeta, Error> {
    Ok(StreamMeta {
        source: row.source,
        format: blob::read(&row.format, &format!("format of stream {stream}"))?,
        zone: row.zone,
        path: row.path,
        host: row.host,
        file: row.file.read(),
        epoch: count(row.epoch),
        predecessor: row.predecessor.map(StreamId),
    })
}

fn position(row: Row) -> Position {
    let guard = match row.guard.as_deref() {
        // A stream of which nothing is stored yet.
        None => Guard::default(),
        // Its agent then reads the file anew, and the collector knows where to go on.
        Some(bytes) => blob::read(bytes, "the guard of a stream").unwrap_or_else(|why| {
            tracing::warn!(stream = %StreamId(row.stream_id), error = %why, "how a file is known again cannot be read");
            Guard::default()
        }),
    };
    Position {
        stream: StreamId(row.stream_id),
        file: row.file.read(),
        epoch: count(row.epoch),
        w: Offset(count(row.off)),
        guard,
        size: count(row.size),
        source: row.source,
        path: row.path,
        closed: row.end_size.is_some(),
    }
}
