//! Calls that name another one by the `cid` of Referred-By: it names a part of a body, and is a key only where it is the Call-ID
//! of a call that is known.

use std::collections::BTreeSet;

use message::event::CallEvent;
use message::keys::Key;
use sqlx::QueryBuilder;

use super::OutboxRow;
use crate::backend::with_pool;
use crate::statement::push_list;
use crate::{Error, Store, statement};

type Hash = [u8; 16];

/// Gives them that key.
pub(super) async fn join(store: &Store, rows: &mut [OutboxRow]) -> Result<(), Error> {
    let all: BTreeSet<Hash> = events(rows).filter_map(named).map(|key| key.hash()).collect();
    if all.is_empty() {
        return Ok(());
    }
    let own = |event: &CallEvent| event.keys.first().filter(|_| !event.class.is_daily()).map(Key::hash);
    let mut known: BTreeSet<Hash> = events(rows).filter_map(own).filter(|hash| all.contains(hash)).collect();
    for list in statement::lists(&all.difference(&known).copied().collect::<Vec<_>>()) {
        let found: Vec<Vec<u8>> = with_pool!(store.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select hash from scenario_key where own = 1 and hash in ");
            push_list!(q, list.iter().map(|hash| hash.to_vec()));
            q.build_query_scalar().fetch_all(pool).await?
        });
        known.extend(found.iter().filter_map(|hash| Hash::try_from(hash.as_slice()).ok()));
    }
    for event in rows.iter_mut().flat_map(|row| &mut row.events) {
        let key = named(event).filter(|key| known.contains(&key.hash()));
        event.keys.extend(key);
    }
    Ok(())
}

/// What is filed by day carries no keys.
fn named(event: &CallEvent) -> Option<Key> {
    event.cid.as_deref().filter(|_| !event.class.is_daily()).and_then(Key::own)
}

fn events(rows: &[OutboxRow]) -> impl Iterator<Item = &CallEvent> {
    rows.iter().flat_map(|row| &row.events)
}
