//! Has a scenario changed: what the live view asks for each of those that are being watched.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use record::id::{CallKey, ScenarioId};
use record::time::Timestamp;
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::owner::Owner;
use crate::statement::push_list;
use crate::stored::call_key;
use crate::{Error, Store, statement};

impl Store {
    /// Version and merged-into of each scenario being watched: the live view's query, four short statements however
    /// many are watched. A version is compared for being different, not greater: it is the scenario's own, which
    /// rises with each correlated batch, plus the tail marks of the streams that log its calls or hold provisional
    /// rows of them. A stream's mark rises whenever its provisional rows change, whichever call they are of.
    pub async fn versions(&self, ids: &[ScenarioId]) -> Result<Vec<(ScenarioId, i64, Option<ScenarioId>)>, Error> {
        let mut versions = Vec::new();
        for ids in statement::lists(&ids.iter().map(|id| id.0).collect::<Vec<_>>()) {
            let rows: Vec<(i64, i64, Option<i64>)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select id, version, merged_into from scenario where id in ");
                push_list!(q, &ids);
                q.push(" order by id");
                q.build_query_as().fetch_all(pool).await?
            });
            let marks = self.tail_marks(&ids).await?;
            versions.extend(rows.into_iter().map(|(id, version, into)| {
                (ScenarioId(id), version + marks.get(&id).copied().unwrap_or(0), into.map(ScenarioId))
            }));
        }
        Ok(versions)
    }

    /// Sums of the tail marks of each scenario's streams.
    async fn tail_marks(&self, ids: &[i64]) -> Result<HashMap<i64, i64>, Error> {
        let calls: Vec<(i64, Vec<u8>, i64)> = with_pool!(self.backend, pool => {
            let mut q =
                QueryBuilder::<Db>::new("select distinct scenario_id, call, stream_id from scenario_call where scenario_id in ");
            push_list!(q, ids);
            q.build_query_as().fetch_all(pool).await?
        });
        let mut streams: HashMap<i64, BTreeSet<i64>> = HashMap::new();
        let mut owners: HashMap<Vec<u8>, i64> = HashMap::new();
        for (scenario, call, stream) in calls {
            streams.entry(scenario).or_default().insert(stream);
            owners.insert(call, scenario);
        }
        for keys in statement::lists(&owners.keys().cloned().collect::<Vec<_>>()) {
            let tails: Vec<(Vec<u8>, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select call, stream_id from provisional where call in ");
                push_list!(q, &keys);
                q.build_query_as().fetch_all(pool).await?
            });
            for (call, stream) in tails {
                if let Some(scenario) = owners.get(&call) {
                    streams.entry(*scenario).or_default().insert(stream);
                }
            }
        }
        self.sums(&streams).await
    }

    /// The same of calls that are watched though they had no scenario: a version, or the scenario that each has by now.
    pub async fn call_versions(&self, calls: &[CallKey]) -> Result<Vec<(CallKey, i64, Option<ScenarioId>)>, Error> {
        let owners = self.owners_of(calls).await?;
        let mut streams: HashMap<CallKey, BTreeSet<i64>> = HashMap::new();
        for keys in statement::lists(calls) {
            let tails: Vec<(Vec<u8>, i64, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select distinct call, stream_id, ts from provisional where call in ");
                push_list!(q, keys.iter().map(|call| call.0.to_vec()));
                q.build_query_as().fetch_all(pool).await?
            });
            for (call, stream, time) in tails {
                let call = call_key(&call)?;
                let day = Some(Timestamp(time).day());
                let owned = |(_, of): &Owner| of.is_none() || *of == day;
                if !owners.get(&call).is_some_and(|owners| owners.iter().any(owned)) {
                    streams.entry(call).or_default().insert(stream);
                }
            }
        }
        let sums = self.sums(&streams).await?;
        let newest = |call: &CallKey| owners.get(call)?.iter().max_by_key(|(id, day)| (*day, *id)).map(|(id, _)| *id);
        let version = |call: &CallKey| match sums.get(call) {
            Some(sum) => (*call, *sum, None),
            None => (*call, 0, newest(call)),
        };
        Ok(calls.iter().map(version).collect())
    }

    /// The tail marks of each one's streams, added up.
    async fn sums<K: Copy + Eq + Hash>(&self, streams: &HashMap<K, BTreeSet<i64>>) -> Result<HashMap<K, i64>, Error> {
        let all: Vec<i64> = streams.values().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let mut marks: HashMap<i64, i64> = HashMap::new();
        for list in statement::lists(&all) {
            let rows: Vec<(i64, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select stream_id, tail_mark from stream_offset where stream_id in ");
                push_list!(q, &list);
                q.build_query_as().fetch_all(pool).await?
            });
            marks.extend(rows);
        }
        let sum = |of: &BTreeSet<i64>| of.iter().filter_map(|stream| marks.get(stream)).sum();
        Ok(streams.iter().map(|(key, of)| (*key, sum(of))).collect())
    }
}
