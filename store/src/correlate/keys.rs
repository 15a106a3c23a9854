//! Keys as rows: to which scenario each leads, and how many calls it has joined.

use std::collections::{BTreeMap, HashMap};

use record::time::{HOUR, Timestamp};
use sqlx::QueryBuilder;

use super::components::KeyUse;
use crate::backend::{Transaction, with_transaction};
use crate::statement::push_list;
use crate::stored::call_key;
use crate::{Error, statement};

/// In place of a scenario's id: the key was refused before it joined anything, and joins nothing.
pub(super) const NOWHERE: i64 = 0;

/// A key as it is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyRow {
    /// Or nowhere.
    pub scenario: i64,
    /// Calls that joined by it.
    pub calls: i64,
    pub last: Timestamp,
}

/// A key as it is to be stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewKey<'a> {
    pub key: &'a KeyUse,
    pub scenario: i64,
    /// Calls that it brings.
    pub calls: i64,
    /// False: refused, only counted.
    pub joins: bool,
}

impl NewKey<'_> {
    /// Most messages bring nothing new of their keys; `last` is for retention, which counts in days.
    pub fn changes(&self, row: &KeyRow) -> bool {
        self.calls > 0 || self.key.last.micros_since(row.last) > HOUR
    }
}

pub(super) async fn read(tx: &mut Transaction, hashes: &[[u8; 16]]) -> Result<HashMap<[u8; 16], KeyRow>, Error> {
    let mut known = HashMap::with_capacity(hashes.len());
    for list in statement::lists(hashes) {
        let rows: Vec<(Vec<u8>, i64, i64, i64)> = with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new("select hash, scenario_id, calls, last from scenario_key where hash in ");
            push_list!(q, list.iter().map(|hash| hash.to_vec()));
            q.build_query_as().fetch_all(db).await?
        });
        for (hash, scenario, calls, last) in rows {
            known.insert(call_key(&hash)?.0, KeyRow { scenario, calls, last: Timestamp(last) });
        }
    }
    Ok(known)
}

/// Inserts what is new, and says for all of them to which scenario they lead.
pub(super) async fn upsert(
    tx: &mut Transaction,
    now: Timestamp,
    keys: &BTreeMap<[u8; 16], NewKey<'_>>,
) -> Result<Vec<([u8; 16], i64)>, Error> {
    let keys: Vec<&NewKey<'_>> = keys.values().collect();
    let mut found = Vec::with_capacity(keys.len());
    for some in statement::chunks(&keys) {
        let rows: Vec<(Vec<u8>, i64)> = with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new("insert into scenario_key (hash, scenario_id, last, calls) ");
            q.push_values(some, |mut to, new| {
                to.push_bind(new.key.hash.as_slice())
                    .push_bind(new.scenario)
                    // A clock that is ahead must not keep a key for ever.
                    .push_bind(new.key.last.min(now).0)
                    .push_bind(new.calls);
            });
            q.push(
                " on conflict (hash) do update set calls = scenario_key.calls + excluded.calls,
                    scenario_id = case when scenario_key.scenario_id = 0 then excluded.scenario_id
                                  else scenario_key.scenario_id end,
                    last = case when excluded.last > scenario_key.last then excluded.last else scenario_key.last end
                 returning hash, scenario_id",
            );
            q.build_query_as().fetch_all(db).await?
        });
        for (hash, scenario) in rows {
            found.push((call_key(&hash)?.0, scenario));
        }
    }
    Ok(found)
}
