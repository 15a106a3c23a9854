//! What a batch is the first to speak of: streams, addresses and numbers, written before its rows, each once. An agent may
//! say anew where a stream lies and how it is to be read.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use record::time::{Day, Timestamp};
use sqlx::QueryBuilder;

use super::sums::CallPart;
use super::{Incoming, Prepared};
use crate::backend::{Transaction, with_transaction};
use crate::caches::Caches;
use crate::text::{big, capped, clean};
use crate::{Error, blob, statement};

/// Streams, addresses and numbers that this process has not seen committed yet.
#[derive(Debug, Default)]
pub(crate) struct Unknown {
    /// With the time at which their batch arrived.
    streams: Vec<(NewStream, Timestamp)>,
    /// By id: concurrent inserts in different orders would wait for each other.
    endpoints: Vec<(i64, String)>,
    /// Backwards, in order.
    numbers: Vec<String>,
    /// Of the batch that arrived last.
    day: Day,
}

#[derive(Debug, Hash)]
struct NewStream {
    id: i64,
    agent: String,
    host: String,
    source: String,
    path: Vec<u8>,
    format: Vec<u8>,
    zone: String,
    /// Device, inode, generation, birth, epoch.
    identity: [i64; 5],
    predecessor: Option<i64>,
}

impl Unknown {
    pub fn of<'a>(batch: impl IntoIterator<Item = &'a Prepared>, caches: &Caches) -> Self {
        let mut new = Self::default();
        for prepared in batch {
            let is_known = |stream: &NewStream| caches.streams.get(stream.id) == Some(stream.digest());
            let stream = NewStream::of(prepared).filter(|stream| !is_known(stream));
            new.streams.extend(stream.map(|stream| (stream, prepared.head.received)));
            let day = prepared.head.received.day();
            new.day = new.day.max(day);
            let unseen =
                prepared.endpoints.iter().filter(|(id, _)| caches.endpoints.get(*id).is_none_or(|seen| seen < day));
            new.endpoints.extend(unseen.map(|(id, address)| (*id, address.clone())));
            let unseen = |back: &String| {
                digits(back).and_then(|number| caches.numbers.get(&number)).is_none_or(|seen| seen < day)
            };
            new.numbers.extend(prepared.sums.parts.iter().flat_map(CallPart::numbers).filter(unseen));
        }
        new.numbers.sort_unstable();
        new.numbers.dedup();
        new.streams.sort_by_key(|(stream, _)| stream.id);
        new.streams.dedup_by_key(|(stream, _)| stream.id);
        new.endpoints.sort();
        new.endpoints.dedup_by_key(|(id, _)| *id);
        new
    }

    pub fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.endpoints.is_empty() && self.numbers.is_empty()
    }

    pub async fn write(&self, tx: &mut Transaction) -> Result<(), Error> {
        // In one order: batches beside each other that bring the same sources would wait for each other.
        let sources: BTreeMap<_, _> = self.streams.iter().map(|(of, _)| ((&of.agent, &of.source), &of.host)).collect();
        for ((agent, source), host) in sources {
            write_source(tx, agent, source, host).await?;
        }
        for (stream, created) in &self.streams {
            stream.write(tx, *created).await?;
        }
        for rows in statement::chunks(&self.endpoints) {
            with_transaction!(tx, db => {
                let mut q = QueryBuilder::<Db>::new("insert into endpoint (id, address, seen) ");
                q.push_values(rows, |mut row, (id, address)| {
                    row.push_bind(*id).push_bind(address).push_bind(self.day.0);
                });
                // Once a day, so that retention knows which are still in use.
                q.push(" on conflict (id) do update set seen = excluded.seen where excluded.seen > endpoint.seen");
                q.build().execute(db).await?;
            });
        }
        for rows in statement::chunks(&self.numbers) {
            with_transaction!(tx, db => {
                let mut q = QueryBuilder::<Db>::new("insert into number (back, seen) ");
                q.push_values(rows, |mut row, back| {
                    row.push_bind(back).push_bind(self.day.0);
                });
                q.push(" on conflict (back) do update set seen = excluded.seen where excluded.seen > number.seen");
                q.build().execute(db).await?;
            });
        }
        Ok(())
    }

    /// To be called once it is committed.
    pub fn keep(&self, caches: &Caches) {
        for (stream, _) in &self.streams {
            caches.streams.put(stream.id, stream.digest());
            caches.places.forget(stream.id);
        }
        self.endpoints.iter().for_each(|(id, _)| caches.endpoints.insert(*id, self.day));
        self.numbers.iter().filter_map(|back| digits(back)).for_each(|number| caches.numbers.insert(number, self.day));
    }
}

/// Digits as one value that no other digits have: with a 1 before them, since they may begin with 0. None: there are too many.
fn digits(digits: &str) -> Option<u64> {
    let all = digits.len() <= 18 && digits.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| digits.bytes().fold(1, |value, byte| value * 10 + u64::from(byte - b'0')))
}

async fn write_source(tx: &mut Transaction, agent: &str, source: &str, host: &str) -> Result<(), Error> {
    with_transaction!(tx, db => {
        sqlx::query("insert into agent (id) values ($1) on conflict do nothing").bind(agent).execute(&mut *db).await?;
        sqlx::query("insert into source (agent, name, host) values ($1, $2, $3) on conflict do nothing")
            .bind(agent)
            .bind(source)
            .bind(host)
            .execute(&mut *db)
            .await?;
    });
    Ok(())
}

/// The id of an agent as it is stored.
pub(super) fn agent_of(head: &Incoming) -> String {
    capped(&head.agent, 256)
}

impl NewStream {
    fn of(prepared: &Prepared) -> Option<Self> {
        let head = &prepared.head;
        let meta = head.meta.as_ref()?;
        let file = &meta.file;
        Some(Self {
            id: head.stream.0,
            agent: agent_of(head),
            host: clean(&meta.host),
            source: capped(&meta.source, 512),
            path: meta.path.clone(),
            format: blob::write(&meta.format),
            zone: clean(&meta.zone),
            identity: [file.device as i64, file.inode as i64, file.generation as i64, file.birth, big(meta.epoch)],
            predecessor: meta.predecessor.map(|stream| stream.0),
        })
    }

    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    async fn write(&self, tx: &mut Transaction, created: Timestamp) -> Result<(), Error> {
        with_transaction!(tx, db => {
            sqlx::query(
                "insert into stream (stream_id, agent, host, source, path, format, zone,
                     device, inode, generation, birth, epoch, predecessor, created)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
                 on conflict (stream_id) do update set host = excluded.host, source = excluded.source,
                     path = excluded.path, format = excluded.format, zone = excluded.zone
                 where stream.agent = excluded.agent
                     and (stream.host <> excluded.host or stream.source <> excluded.source
                     or stream.path <> excluded.path or stream.format <> excluded.format or stream.zone <> excluded.zone)",
            )
            .bind(self.id)
            .bind(&self.agent)
            .bind(&self.host)
            .bind(&self.source)
            .bind(&self.path)
            .bind(&self.format)
            .bind(&self.zone)
            .bind(self.identity[0])
            .bind(self.identity[1])
            .bind(self.identity[2])
            .bind(self.identity[3])
            .bind(self.identity[4])
            .bind(self.predecessor)
            .bind(created.0)
            .execute(&mut *db)
            .await?;
            sqlx::query(
                "insert into stream_offset (stream_id, agent, off, lease, size, read_to, read_at, records, record_bytes,
                     noise, noise_bytes, noise_lines, fragments, fragment_bytes, gaps, gap_bytes, tail)
                 values ($1, $2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) on conflict do nothing",
            )
            .bind(self.id)
            .bind(&self.agent)
            .execute(&mut *db)
            .await?;
            sqlx::query("insert into correlation_offset (stream_id, off, lease_until) values ($1, 0, 0) on conflict do nothing")
                .bind(self.id)
                .execute(&mut *db)
                .await?;
        });
        Ok(())
    }
}
