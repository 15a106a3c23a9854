//! Answers of REST and push that name no call: each goes to the call of its request, which an id that both carry tells.
//!
//! It is as if the answer named the Call-ID of that call. It names one call at most, so it never unites two.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use message::event::ExchangeKey;
use message::keys::Key;
use record::time::Timestamp;
use sqlx::QueryBuilder;

use super::OutboxRow;
use crate::backend::{Transaction, with_pool, with_transaction};
use crate::statement::push_list;
use crate::text::capped;
use crate::{Error, Store, statement};

/// What is to be known of requests, and of answers whose request is not known: the name of the call of each.
pub(super) type Exchanges = BTreeSet<(ExchangeKey, bool, String)>;

/// By hash: names of calls, as they came.
type Known = HashMap<ExchangeKey, Vec<String>>;

/// Gives answers the key of their request's call, and requests those of answers that came before them.
pub(super) async fn pair(store: &Store, rows: &mut [OutboxRow]) -> Result<Exchanges, Error> {
    let mut asked: BTreeMap<ExchangeKey, (Timestamp, String)> = BTreeMap::new();
    let mut answered = BTreeSet::new();
    for event in rows.iter().flat_map(|row| &row.events).filter(|event| !event.exchange.is_empty()) {
        if event.is_bare_answer() {
            answered.extend(event.exchange.iter().copied());
        } else if !event.response {
            for key in &event.exchange {
                let request = (event.time, event.call_id.clone());
                let first = asked.entry(*key).or_insert_with(|| request.clone());
                // Of requests that carry one id the earlier one.
                *first = request.min(first.clone());
            }
        }
    }
    if asked.is_empty() && answered.is_empty() {
        return Ok(Exchanges::new());
    }
    let requests = known(store, &answered.into_iter().collect::<Vec<_>>(), false).await?;
    let waiting = known(store, &asked.keys().copied().collect::<Vec<_>>(), true).await?;
    let mut exchanges: Exchanges = asked.iter().map(|(key, (_, call_id))| (*key, false, call_id.clone())).collect();
    for event in rows.iter_mut().flat_map(|row| &mut row.events).filter(|event| !event.exchange.is_empty()) {
        if event.is_bare_answer() {
            let of = |key| requests.get(key).and_then(|all| all.first()).or_else(|| asked.get(key).map(|(_, id)| id));
            match event.exchange.iter().find_map(of) {
                Some(call_id) => event.keys.extend(Key::own(call_id)),
                None => {
                    exchanges.extend(event.exchange.iter().map(|key| (*key, true, event.call_id.clone())));
                }
            }
        } else if !event.response {
            let answers = event.exchange.iter().filter_map(|key| waiting.get(key)).flatten();
            let answers = answers.filter_map(|name| Key::own(name));
            event.keys.extend(answers.collect::<Vec<_>>());
        }
    }
    Ok(exchanges)
}

async fn known(store: &Store, keys: &[ExchangeKey], response: bool) -> Result<Known, Error> {
    let mut known = Known::new();
    for list in statement::lists(keys) {
        let rows: Vec<(Vec<u8>, String)> = with_pool!(store.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select hash, call_id from exchange where response = ");
            q.push_bind(i16::from(response)).push(" and hash in ");
            push_list!(q, list.iter().map(|key| key.to_vec()));
            q.push(" order by last, call_id");
            q.build_query_as().fetch_all(pool).await?
        });
        for (hash, call_id) in rows {
            if let Ok(hash) = ExchangeKey::try_from(hash.as_slice()) {
                known.entry(hash).or_default().push(call_id);
            }
        }
    }
    Ok(known)
}

/// In one order, so that correlators that meet never wait for each other in a circle.
pub(super) async fn keep(tx: &mut Transaction, exchanges: &Exchanges, now: Timestamp) -> Result<(), Error> {
    let all: Vec<_> = exchanges.iter().collect();
    for some in statement::chunks(&all) {
        with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new("insert into exchange (last, response, hash, call_id) ");
            q.push_values(some, |mut row, (hash, response, call_id)| {
                row.push_bind(now.0).push_bind(i16::from(*response)).push_bind(hash.to_vec()).push_bind(capped(call_id, 1024));
            });
            q.push(" on conflict do nothing").build().execute(&mut *db).await?;
        });
    }
    Ok(())
}
