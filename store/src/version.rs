//! Has a scenario changed: what the live view asks for each of those that are being watched.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use record::id::{CallKey, ScenarioId};
use record::time::Timestamp;
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::owner::Owner;
use crate::statement::push_list;
use crate::stored::call_key;
use crate::{Error, Store, statement};

/// A provisional row, as far as it tells whether something has changed.
#[derive(Clone, PartialEq, Eq, Hash, Debug, sqlx::FromRow)]
struct Shown {
    call: Vec<u8>,
    stream_id: i64,
    off: i64,
    len: i64,
    flags: i16,
    ts: i64,
}

impl Shown {
    /// The same in every process: any of them may answer the next question.
    fn digest(&self) -> i64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        // Half of what there is: sums do not overflow into the sign often, and a sum that does is different all the same.
        (hasher.finish() >> 2) as i64
    }
}

impl Store {
    /// Version and merged-into of each scenario being watched: the live view's query, three short statements however
    /// many are watched. A version is compared for being different, not greater: it is the scenario's own, which
    /// rises with each correlated batch, plus a digest of the provisional rows of its calls, and of no others.
    pub async fn versions(&self, ids: &[ScenarioId]) -> Result<Vec<(ScenarioId, i64, Option<ScenarioId>)>, Error> {
        let mut versions = Vec::new();
        for ids in statement::lists(&ids.iter().map(|id| id.0).collect::<Vec<_>>()) {
            let rows: Vec<(i64, i64, Option<i64>)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select id, version, merged_into from scenario where id in ");
                push_list!(q, &ids);
                q.push(" order by id");
                q.build_query_as().fetch_all(pool).await?
            });
            let shown = self.shown_of(&ids).await?;
            versions.extend(rows.into_iter().map(|(id, version, into)| {
                let shown = shown.get(&id).copied().unwrap_or(0);
                (ScenarioId(id), version.wrapping_add(shown), into.map(ScenarioId))
            }));
        }
        Ok(versions)
    }

    /// Digests of the provisional rows of each scenario's calls.
    async fn shown_of(&self, ids: &[i64]) -> Result<HashMap<i64, i64>, Error> {
        let calls: Vec<(i64, Vec<u8>)> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select distinct scenario_id, call from scenario_call where scenario_id in ");
            push_list!(q, ids);
            q.build_query_as().fetch_all(pool).await?
        });
        let mut owners: HashMap<Vec<u8>, HashSet<i64>> = HashMap::new();
        for (scenario, call) in calls {
            owners.entry(call).or_default().insert(scenario);
        }
        let mut digests: HashMap<i64, i64> = HashMap::new();
        for row in self.shown_rows(owners.keys().cloned().collect()).await? {
            for scenario in owners.get(&row.call).into_iter().flatten() {
                let digest = digests.entry(*scenario).or_default();
                *digest = digest.wrapping_add(row.digest());
            }
        }
        Ok(digests)
    }

    async fn shown_rows(&self, calls: Vec<Vec<u8>>) -> Result<Vec<Shown>, Error> {
        let mut found = Vec::new();
        for keys in statement::lists(&calls) {
            let rows: Vec<Shown> = with_pool!(self.backend, pool => {
                let mut q =
                    QueryBuilder::<Db>::new("select call, stream_id, off, len, flags, ts from provisional where call in ");
                push_list!(q, &keys);
                q.build_query_as().fetch_all(pool).await?
            });
            // A list is filled up with its last key.
            found.extend(rows);
        }
        Ok(found)
    }

    /// The same of calls that are watched though they had no scenario: a version, or the scenario that each has by now.
    pub async fn call_versions(&self, calls: &[CallKey]) -> Result<Vec<(CallKey, i64, Option<ScenarioId>)>, Error> {
        let owners = self.owners_of(calls).await?;
        let mut digests: HashMap<CallKey, i64> = HashMap::new();
        for row in self.shown_rows(calls.iter().map(|call| call.0.to_vec()).collect()).await? {
            let call = call_key(&row.call)?;
            let day = Some(Timestamp(row.ts).day());
            let owned = |(_, of): &Owner| of.is_none() || *of == day;
            if !owners.get(&call).is_some_and(|owners| owners.iter().any(owned)) {
                let digest = digests.entry(call).or_default();
                *digest = digest.wrapping_add(row.digest());
            }
        }
        let newest = |call: &CallKey| owners.get(call)?.iter().max_by_key(|(id, day)| (*day, *id)).map(|(id, _)| *id);
        let version = |call: &CallKey| match digests.get(call) {
            Some(digest) => (*call, *digest, None),
            None => (*call, 0, newest(call)),
        };
        Ok(calls.iter().map(version).collect())
    }
}
