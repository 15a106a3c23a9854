//! Calls that name another one by the `cid` of Referred-By: it names a part of a body, and is a key only where it is the Call-ID
//! of a call that is known, now or later.

use std::collections::{BTreeMap, BTreeSet};

use message::event::CallEvent;
use message::keys::Key;
use record::id::{CallKey, MessageId, Offset, StreamId};
use record::time::Timestamp;
use sqlx::QueryBuilder;

use super::OutboxRow;
use crate::backend::{Transaction, with_pool, with_transaction};
use crate::statement::push_list;
use crate::stored::call_key;
use crate::text::{big, count};
use crate::{Error, Store, statement};

type Hash = [u8; 16];

/// Rows that are looked at of one name: one that many thousands carry is no call's.
const WAITING: usize = 1_000;

/// What a batch says of such names.
#[derive(Default)]
pub(super) struct Referred {
    /// Calls that name one that is not known: by the hash of its key, each with the first message that does.
    waiting: BTreeMap<(Hash, CallKey), (Key, MessageId)>,
    /// Messages that are joined already and name a call of this batch, which is a key of theirs from now on.
    pub again: Vec<CallEvent>,
    /// The rows of these.
    found: BTreeSet<(Hash, CallKey)>,
}

/// Gives calls that key, and finds those that waited for the calls of this batch.
pub(super) async fn join(store: &Store, rows: &mut [OutboxRow]) -> Result<Referred, Error> {
    let own: BTreeMap<Hash, Key> = events(rows).filter_map(own).map(|key| (key.hash(), key.clone())).collect();
    let named: BTreeSet<Hash> = events(rows).filter_map(named).map(|key| key.hash()).collect();
    let others: Vec<Hash> = named.iter().filter(|hash| !own.contains_key(*hash)).copied().collect();
    let known = known(store, &others).await?;
    let mut referred = waiting(store, &own).await?;
    for event in rows.iter_mut().flat_map(|row| &mut row.events) {
        let Some(key) = self::named(event) else { continue };
        let hash = key.hash();
        if own.contains_key(&hash) || known.contains(&hash) {
            event.keys.push(key);
        } else {
            referred.waiting.entry((hash, event.call)).or_insert_with(|| (key, event.message()));
        }
    }
    Ok(referred)
}

/// Those of these hashes that are of calls.
async fn known(store: &Store, hashes: &[Hash]) -> Result<BTreeSet<Hash>, Error> {
    let mut known = BTreeSet::new();
    for list in statement::lists(hashes) {
        let found: Vec<Vec<u8>> = with_pool!(store.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select hash from scenario_key where own = 1 and hash in ");
            push_list!(q, list.iter().map(|hash| hash.to_vec()));
            q.build_query_scalar().fetch_all(pool).await?
        });
        known.extend(found.iter().filter_map(|hash| Hash::try_from(hash.as_slice()).ok()));
    }
    Ok(known)
}

/// Keys of calls that are known by now, though they were not when these calls named them.
pub(super) async fn named_by(store: &Store, calls: &BTreeSet<CallKey>) -> Result<BTreeMap<Hash, Key>, Error> {
    let mut waiting: BTreeMap<Hash, (i64, i64)> = BTreeMap::new();
    for list in statement::lists(&calls.iter().copied().collect::<Vec<_>>()) {
        let rows: Vec<(Vec<u8>, i64, i64)> = with_pool!(store.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select hash, stream_id, off from referred where call in ");
            push_list!(q, list.iter().map(|call| call.0.to_vec()));
            q.build_query_as().fetch_all(pool).await?
        });
        for (hash, stream, offset) in rows {
            waiting.insert(call_key(&hash)?.0, (stream, offset));
        }
    }
    let mut own = BTreeMap::new();
    for hash in known(store, &waiting.keys().copied().collect::<Vec<_>>()).await? {
        let event = event(store, waiting[&hash]).await?;
        own.extend(event.as_ref().and_then(named).map(|key| (hash, key)));
    }
    Ok(own)
}

/// Of a message by stream and offset; none of one that nobody can read: it joins nothing, and keeps nothing else from being joined.
async fn event(store: &Store, (stream, offset): (i64, i64)) -> Result<Option<CallEvent>, Error> {
    match store.message(MessageId::new(StreamId(stream), Offset(count(offset)))).await {
        Err(Error::Damaged(_)) => Ok(None),
        found => Ok(found?.map(|(message, _)| message.event())),
    }
}

/// Messages that wait for the calls of these keys.
pub(super) async fn waiting(store: &Store, own: &BTreeMap<Hash, Key>) -> Result<Referred, Error> {
    let mut referred = Referred::default();
    for list in statement::lists(&own.keys().copied().collect::<Vec<_>>()) {
        let mut after = Vec::new();
        loop {
            let mut rows: Vec<(Vec<u8>, Vec<u8>, i64, i64)> = with_pool!(store.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select hash, call, stream_id, off from referred where hash in ");
                push_list!(q, list.iter().map(|hash| hash.to_vec()));
                q.push(" and hash > ").push_bind(&after).push(" order by hash, call limit ").push_bind(WAITING as i64);
                q.build_query_as().fetch_all(pool).await?
            });
            let last = rows.last().filter(|_| rows.len() == WAITING).map(|(hash, ..)| hash.clone());
            let next = last.map(|last| {
                // The others of this name are on the next page; unless it has a page of its own: more are not joined by one.
                let whole = rows.partition_point(|(hash, ..)| *hash < last);
                if whole > 0 {
                    rows.truncate(whole);
                }
                rows.last().map(|(hash, ..)| hash.clone()).unwrap_or(last)
            });
            for (hash, call, stream, offset) in rows {
                let hash = call_key(&hash)?.0;
                referred.found.insert((hash, call_key(&call)?));
                let event = event(store, (stream, offset)).await?;
                let (Some(key), Some(mut event)) = (own.get(&hash), event) else { continue };
                event.keys.push(key.clone());
                referred.again.push(event);
            }
            match next {
                Some(next) => after = next,
                None => break,
            }
        }
    }
    Ok(referred)
}

impl Referred {
    /// Keys of calls that are known by now though they were not when it was asked.
    pub async fn missed(&self, store: &Store) -> Result<BTreeMap<Hash, Key>, Error> {
        let keys: BTreeMap<Hash, &Key> = self.waiting.iter().map(|((hash, _), (key, _))| (*hash, key)).collect();
        let known = known(store, &keys.keys().copied().collect::<Vec<_>>()).await?;
        Ok(keys.into_iter().filter(|(hash, _)| known.contains(hash)).map(|(hash, key)| (hash, key.clone())).collect())
    }

    /// What is known of messages that nobody can read is not asked for again.
    pub async fn forget(&self, store: &Store, now: Timestamp) -> Result<(), Error> {
        if self.found.is_empty() {
            return Ok(());
        }
        let mut tx = store.backend.begin().await?;
        self.keep(&mut tx, now).await?;
        tx.commit().await
    }

    pub async fn keep(&self, tx: &mut Transaction, now: Timestamp) -> Result<(), Error> {
        let waiting: Vec<_> = self.waiting.iter().collect();
        for some in statement::chunks(&waiting) {
            with_transaction!(tx, db => {
                let mut q = QueryBuilder::<Db>::new("insert into referred (last, stream_id, off, hash, call) ");
                q.push_values(some, |mut row, ((hash, call), (_, message))| {
                    row.push_bind(now.0).push_bind(message.stream.0).push_bind(big(message.offset.0));
                    row.push_bind(hash.to_vec()).push_bind(call.0.to_vec());
                });
                q.push(" on conflict (hash, call) do nothing");
                q.build().execute(&mut *db).await?;
            });
        }
        for (hash, call) in &self.found {
            with_transaction!(tx, db => {
                sqlx::query("delete from referred where hash = $1 and call = $2")
                    .bind(hash.to_vec())
                    .bind(call.0.to_vec())
                    .execute(&mut *db)
                    .await?;
            });
        }
        Ok(())
    }
}

/// The key of a call whose Call-ID others may name.
fn own(event: &CallEvent) -> Option<&Key> {
    event.keys.first().filter(|_| !event.class.is_daily())
}

/// What is filed by day carries no keys.
fn named(event: &CallEvent) -> Option<Key> {
    event.cid.as_deref().filter(|_| !event.class.is_daily()).and_then(Key::own)
}

fn events(rows: &[OutboxRow]) -> impl Iterator<Item = &CallEvent> {
    rows.iter().flat_map(|row| &row.events)
}
