//! What agents say of themselves: that they are there, and how far they have read.

use record::time::{SECOND, Timestamp};
use record::wire::Heartbeat;

use crate::backend::{with_pool, with_transaction};
use crate::health::Part;
use crate::{Error, Store, blob, compress};

/// Agents that are listed, those heard last first.
const MOST: i64 = 1000;
/// A heartbeat that comes after a later one is no older than this.
const LATE: i64 = 60 * SECOND;
/// What their heartbeats take in memory together; of those beyond it is only known when they were heard.
const MOST_BYTES: usize = 64 << 20;

/// An agent, as it was last heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agent {
    pub id: String,
    /// The collector's clock then; none where it never said anything of itself.
    pub heard: Option<Timestamp>,
    /// By how many microseconds its clock was ahead of the collector's.
    pub clock_offset: i64,
    pub heartbeat: Option<Heartbeat>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    heard: Option<i64>,
    clock_offset: Option<i64>,
    heartbeat: Option<Vec<u8>>,
}

impl Store {
    /// Keeps what an agent says of itself, in place of what it said before. `now` is the collector's clock.
    pub async fn hear(&self, heartbeat: &Heartbeat, now: Timestamp) -> Result<(), Error> {
        self.health.step_for(Part::Hearing, &heartbeat.agent, self.keep(heartbeat, now)).await
    }

    async fn keep(&self, heartbeat: &Heartbeat, now: Timestamp) -> Result<(), Error> {
        let packed = compress::pack_quickly(&blob::write(heartbeat));
        let mut tx = self.backend.begin().await?;
        with_transaction!(&mut tx, db => {
            // Two may come at once: the later one is kept, as the agent's clock says, unless that was set back.
            sqlx::query(
                "insert into agent (id, heard, clock_offset, heartbeat) values ($1, $2, $3, $4)
                 on conflict (id) do update set heard = excluded.heard, clock_offset = excluded.clock_offset,
                     heartbeat = excluded.heartbeat
                 where agent.heard is null
                     or excluded.heard + excluded.clock_offset not between agent.heard + agent.clock_offset - $5
                         and agent.heard + agent.clock_offset - 1",
            )
            .bind(&heartbeat.agent)
            .bind(now.0)
            .bind(heartbeat.clock.0.saturating_sub(now.0))
            .bind(packed)
            .bind(LATE)
            .execute(db)
            .await?;
        });
        tx.commit().await
    }

    /// All agents, those heard last first.
    pub async fn agents(&self) -> Result<Vec<Agent>, Error> {
        let rows: Vec<Row> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select id, heard, clock_offset, heartbeat from agent order by coalesce(heard, 0) desc, id limit $1",
            )
            .bind(MOST)
            .fetch_all(pool)
            .await?
        });
        let mut room = MOST_BYTES;
        Ok(rows.into_iter().map(|row| row.read(&mut room)).collect())
    }

    /// Agents by id, after this one, at most `limit`, and whether others follow. A page ends where what they say of themselves
    /// takes too much memory.
    pub async fn agents_after(&self, after: Option<&str>, limit: usize) -> Result<(Vec<Agent>, bool), Error> {
        let mut rows: Vec<Row> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select id, heard, clock_offset, heartbeat from agent where id > $1 order by id limit $2",
            )
            .bind(after.unwrap_or(""))
            .bind(limit as i64 + 1)
            .fetch_all(pool)
            .await?
        });
        let (all, mut taken) = (rows.len(), 0);
        let mut fits = |row: &Row| {
            taken += row.len();
            taken <= MOST_BYTES
        };
        let fit = rows.iter().take(limit).take_while(|row| fits(row)).count().max(1);
        rows.truncate(fit);
        let (more, mut room) = (rows.len() < all, usize::MAX);
        Ok((rows.into_iter().map(|row| row.read(&mut room)).collect(), more))
    }
}

impl Row {
    fn len(&self) -> usize {
        self.heartbeat.as_deref().map_or(0, compress::unpacked_len)
    }

    fn read(self, room: &mut usize) -> Agent {
        let fits = |bytes: &Vec<u8>| {
            let len = compress::unpacked_len(bytes);
            let fits = len <= *room;
            *room -= if fits { len } else { 0 };
            fits
        };
        let read = |bytes: Vec<u8>| blob::read(&compress::unpack_quick(&bytes)?, "the heartbeat of an agent");
        let heartbeat = self.heartbeat.filter(fits).and_then(|bytes| {
            read(bytes).inspect_err(|why| tracing::debug!(error = %why, "a heartbeat is left out")).ok()
        });
        Agent { id: self.id, heard: self.heard.map(Timestamp), clock_offset: self.clock_offset.unwrap_or(0), heartbeat }
    }
}
