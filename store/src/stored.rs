//! Stored rows on their way back to messages.

use std::collections::HashMap;
use std::sync::Arc;

use message::facts::{self, Settings};
use message::kind::Kind;
use message::logged::{Message, Place};
use record::id::{CallKey, MessageId, Offset, StreamId};
use record::redact::Mask;
use record::span::Flags;
use record::time::Timestamp;
use record::wire::MAX_UNPACKED;
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::statement::push_list;
use crate::text::count;
use crate::{Error, Store, blob, compress, learned, statement};

/// What a message takes in memory beside its bytes.
const MESSAGE: usize = 1024;

/// A row of `stream`, with what was learned of its log.
#[derive(sqlx::FromRow)]
struct Logged {
    stream_id: i64,
    agent: String,
    host: String,
    source: String,
    path: Vec<u8>,
    learned: Option<Vec<u8>>,
}

/// A row of `message` or `provisional`.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct StoredRow {
    pub ts: i64,
    pub stream_id: i64,
    pub off: i64,
    pub len: i64,
    pub src: i64,
    pub dst: i64,
    pub head: i32,
    pub line_end: i16,
    pub kind: i16,
    pub status: i16,
    pub flags: i16,
    pub dictionary: i16,
    pub call: Vec<u8>,
    pub method: String,
    pub masked: Vec<u8>,
    pub raw: Vec<u8>,
    /// 1: it stands in `provisional`.
    pub provisional: i64,
}

impl StoredRow {
    pub fn place(&self) -> (Timestamp, MessageId) {
        (Timestamp(self.ts), self.id())
    }

    pub fn id(&self) -> MessageId {
        MessageId::new(StreamId(self.stream_id), Offset(count(self.off)))
    }

    /// What its message takes in memory, roughly.
    pub fn size(&self) -> usize {
        let unpacked = usize::try_from(self.len).unwrap_or(usize::MAX).min(MAX_UNPACKED);
        MESSAGE.saturating_add(unpacked.max(self.raw.len()))
    }
}

/// 16 bytes of a column.
pub(crate) fn call_key(bytes: &[u8]) -> Result<CallKey, Error> {
    bytes.try_into().map(CallKey).map_err(|_| Error::Damaged(format!("a call key of {} bytes", bytes.len())))
}

/// Messages, and how many rows hold none that can be read.
#[derive(Debug)]
pub(crate) struct Messages {
    pub rows: Vec<Message>,
    pub unreadable: usize,
}

impl Store {
    /// Rows as messages, in the order given, with their addresses, places and facts. One that is damaged hides no other.
    pub(crate) async fn messages_of(&self, rows: Vec<StoredRow>) -> Result<Messages, Error> {
        let mut messages = Messages { rows: Vec::with_capacity(rows.len()), unreadable: 0 };
        let mut first = None;
        for message in self.each_of(rows).await? {
            match message {
                Ok(message) => messages.rows.push(message),
                Err(Error::Damaged(why)) => {
                    messages.unreadable += 1;
                    first.get_or_insert(why);
                }
                Err(other) => return Err(other),
            }
        }
        if let Some(why) = first {
            tracing::error!(why, unreadable = messages.unreadable, "messages that cannot be read are left out");
        }
        Ok(messages)
    }

    /// The same, each by itself.
    pub(crate) async fn each_of(&self, rows: Vec<StoredRow>) -> Result<Vec<Result<Message, Error>>, Error> {
        let addresses = self.addresses(rows.iter().flat_map(|row| [row.src, row.dst])).await?;
        let places = self.places(rows.iter().map(|row| row.stream_id)).await?;
        let settings = Arc::clone(&self.settings);
        // Unpacking and parsing takes longer than those may wait whose thread this is.
        let read = move || rows.into_iter().map(|row| message(row, &addresses, &places, &settings)).collect();
        tokio::task::spawn_blocking(read).await.map_err(|_| Error::Panicked)
    }

    async fn addresses(&self, ids: impl Iterator<Item = i64>) -> Result<HashMap<i64, Arc<str>>, Error> {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        for id in ids {
            if let Some(address) = self.caches.addresses.get(&id) {
                found.insert(id, address);
            } else {
                missing.push(id);
            }
        }
        missing.sort_unstable();
        missing.dedup();
        for list in statement::lists(&missing) {
            let rows: Vec<(i64, String)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select id, address from endpoint where id in ");
                push_list!(q, list);
                q.build_query_as().fetch_all(pool).await?
            });
            for (id, address) in rows {
                let address: Arc<str> = address.into();
                self.caches.addresses.insert(id, Arc::clone(&address));
                found.insert(id, address);
            }
        }
        Ok(found)
    }

    async fn places(&self, ids: impl Iterator<Item = i64>) -> Result<HashMap<i64, Arc<Place>>, Error> {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        for id in ids {
            if found.contains_key(&id) {
                continue;
            }
            if let Some(place) = self.caches.places.get(id) {
                found.insert(id, place);
            } else {
                missing.push(id);
            }
        }
        missing.sort_unstable();
        missing.dedup();
        for list in statement::lists(&missing) {
            let rows: Vec<Logged> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new(
                    "select s.stream_id, s.agent, s.host, s.source, s.path, l.learned
                     from stream s left join source l on l.agent = s.agent and l.name = s.source where s.stream_id in ",
                );
                push_list!(q, list);
                q.build_query_as().fetch_all(pool).await?
            });
            for Logged { stream_id: id, agent, host, source, path, learned } in rows {
                let path = String::from_utf8_lossy(&path).into_owned();
                let learned = learned::read(learned.as_deref());
                let place = Arc::new(Place { agent, host, source, path, learned });
                self.caches.places.put(id, Arc::clone(&place));
                found.insert(id, place);
            }
        }
        Ok(found)
    }
}

/// The bytes of a span alone.
pub(crate) fn bytes(row: StoredRow) -> Result<Vec<u8>, Error> {
    let (masked, text_len) = changed(&row.masked)?;
    compress::unpack(row.dictionary, row.raw, unpacked(text_len.unwrap_or(count(row.len)), &masked))
}

fn message(
    row: StoredRow,
    addresses: &HashMap<i64, Arc<str>>,
    places: &HashMap<i64, Arc<Place>>,
    settings: &Settings,
) -> Result<Message, Error> {
    let id = row.id();
    let damaged = |what: &str| Error::Damaged(format!("message {id}: {what}"));
    let kind = Kind::from_code(row.kind).ok_or_else(|| damaged("unknown kind"))?;
    let (masked, text_len) = changed(&row.masked)?;
    let raw = compress::unpack(row.dictionary, row.raw, unpacked(text_len.unwrap_or(count(row.len)), &masked))?;
    let (head, line_end) = (count(row.head.into()) as usize, count(row.line_end.into()) as usize);
    if head + line_end > raw.len() {
        return Err(damaged("shorter than its header line"));
    }
    let address = |id: i64| addresses.get(&id).map(ToString::to_string).unwrap_or_default();
    let (source, destination) = (address(row.src), address(row.dst));
    let flags = Flags::from_bits_retain(row.flags as u16);
    let status = u16::try_from(row.status).ok().filter(|status| *status > 0);
    Ok(Message {
        id,
        time: Timestamp(row.ts),
        kind,
        facts: facts::read(kind, &row.method, &source, &destination, &raw[head..raw.len() - line_end], settings),
        method: row.method,
        status,
        source,
        destination,
        call: call_key(&row.call)?,
        flags: flags.difference(Flags::UNFINISHED),
        provisional: row.provisional != 0 && flags.contains(Flags::UNFINISHED),
        place: places.get(&row.stream_id).cloned().unwrap_or_default(),
        len: count(row.len),
        raw,
        head: head as u32,
        line_end: line_end as u8,
        masked,
    })
}

/// How the bytes of a message differ from those of the file: masks, and how many there are before masking where the log is
/// wrapped.
fn changed(column: &[u8]) -> Result<(Vec<Mask>, Option<u64>), Error> {
    if column.is_empty() {
        return Ok((Vec::new(), None));
    }
    let (masked, _, text_len) = blob::read::<(Vec<Mask>, Option<[u8; 16]>, Option<u64>)>(column, "masks of a message")?;
    Ok((masked, text_len))
}

/// What was sent is what lay in the log, with its masked ranges changed in length; and no more than can be sent.
fn unpacked(len: u64, masked: &[Mask]) -> usize {
    let sum = |of: fn(&Mask) -> u32| masked.iter().map(|mask| u64::from(of(mask))).sum::<u64>();
    let sent = len.saturating_sub(sum(|mask| mask.len_before)).saturating_add(sum(|mask| mask.len));
    usize::try_from(sent).unwrap_or(usize::MAX).min(MAX_UNPACKED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_masked_or_unwrapped_is_read() {
        let mask = vec![Mask { at: 1, len: 8, len_before: 3 }];
        assert_eq!(changed(&[]).expect("readable"), (Vec::new(), None));
        let all = (&mask, None::<[u8; 16]>, Some(70_u64));
        assert_eq!(changed(&blob::write(&all)).expect("readable"), (mask.clone(), Some(70)));
        assert!(changed(&[0xc1]).is_err());
    }

    #[test]
    fn masks_that_claim_terabytes_take_no_memory() {
        let mask = Mask { at: 0, len: 3, len_before: u32::MAX };
        assert_eq!(unpacked(100 - 3 + u64::from(u32::MAX), &[mask]), 100);
        assert_eq!(unpacked(u64::MAX, &[]), MAX_UNPACKED);
        assert_eq!(unpacked(0, &[mask; 5]), 15);
    }
}
