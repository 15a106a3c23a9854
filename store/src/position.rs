//! How far each stream of an agent is committed.

use message::id::{Offset, StreamId};
use message::wire::{self, FileIdentity, Position, Positions};

use crate::backend::with_pool;
use crate::text::count;
use crate::{Error, Store};

#[derive(sqlx::FromRow)]
struct Row {
    stream_id: i64,
    device: i64,
    inode: i64,
    generation: i64,
    birth: i64,
    epoch: i64,
    off: i64,
    guard: Option<Vec<u8>>,
    size: i64,
    source: String,
    path: Vec<u8>,
    end_size: Option<i64>,
}

impl Store {
    /// Positions of one agent's streams with ids above `after`, by id, at most `limit`.
    pub async fn positions(&self, agent: &str, after: Option<StreamId>, limit: usize) -> Result<Positions, Error> {
        let mut rows: Vec<Row> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select s.stream_id, s.device, s.inode, s.generation, s.birth, s.epoch, o.off, o.guard, o.size,
                     s.source, s.path, o.end_size
                 from stream s join stream_offset o on o.stream_id = s.stream_id
                 where s.agent = $1 and s.stream_id > $2 order by s.stream_id limit $3",
            )
            .bind(agent)
            .bind(after.map_or(-1, |stream| stream.0))
            .bind(limit as i64 + 1)
            .fetch_all(pool)
            .await?
        });
        let more = rows.len() > limit;
        rows.truncate(limit);
        Ok(Positions { positions: rows.into_iter().map(position).collect::<Result<_, _>>()?, more })
    }
}

fn position(row: Row) -> Result<Position, Error> {
    let guard = match row.guard.as_deref() {
        // A stream of which nothing is stored yet.
        None => wire::Guard::default(),
        Some(bytes) => {
            wire::decode(bytes).map_err(|_| Error::Damaged(format!("guard of stream {}", StreamId(row.stream_id))))?
        }
    };
    Ok(Position {
        stream: StreamId(row.stream_id),
        file: FileIdentity {
            device: row.device as u64,
            inode: row.inode as u64,
            generation: row.generation as u64,
            birth: row.birth,
        },
        epoch: count(row.epoch),
        w: Offset(count(row.off)),
        guard,
        size: count(row.size),
        source: row.source,
        path: row.path,
        closed: row.end_size.is_some(),
    })
}
