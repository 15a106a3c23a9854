//! Scenarios that an index finds: few enough to look at each of them. What more of them have is common, and so found soon by
//! whoever looks at the newest first.

use std::collections::{HashMap, HashSet};

use message::user::Sought;
use record::id::{CallKey, ScenarioId};
use record::time::Timestamp;
use sqlx::QueryBuilder;

use super::part::Place;
use super::{Filter, LONGEST, Touched, push_prefix};
use crate::backend::with_pool;
use crate::scenario::ScenarioRow;
use crate::statement::push_list;
use crate::{Error, Store, statement};

/// So many scenarios, and so many calls of a person, are few.
const FEW: usize = 5_000;
const FEW_CALLS: usize = 3_000;
/// Final statuses from here on have an index: they are those of calls that failed.
const FAILED: u16 = 300;

/// What is left to be looked at.
#[derive(Debug)]
pub(super) struct Candidates {
    /// Newest first. None: no filter leaves few.
    pub places: Option<Vec<Place>>,
    /// Of whom there are so many calls that each scenario is to be asked for them.
    pub person: Option<Sought>,
}

/// When each of them began.
type Begun = HashMap<i64, i64>;

/// ` and column begins with text`, of an index of scenarios.
enum Indexed<'a> {
    Prefix(&'static str, &'a str),
    Statuses(u16, u16),
}

impl Store {
    pub(super) async fn candidates(
        &self,
        filter: &Filter,
        touched: &Touched,
        before: Option<Place>,
    ) -> Result<Candidates, Error> {
        let mut all: Vec<Begun> = Vec::new();
        let mut many = None;
        if let Some(call_id) = &filter.call_id {
            all.push(self.begun(self.scenarios_with(&[CallKey::of(call_id.as_bytes()).0.to_vec()]).await?).await?);
        }
        if let Some(person) = &filter.person {
            let sought = Sought::of(person);
            match self.calls_of(&sought, filter).await? {
                Some(calls) => all.push(self.begun(self.scenarios_with(&calls).await?).await?),
                None => many = Some(sought),
            }
        }
        for (column, user) in [("caller_key", &filter.caller), ("callee_key", &filter.callee)] {
            if let Some(user) = user {
                all.extend(self.begin_with(column, &Sought::of(user).begins).await?);
            }
        }
        if let Some((least, most)) = filter.final_status.filter(|(least, _)| *least >= FAILED)
            && let Some(mut begun) = self.indexed(Indexed::Statuses(least, most)).await?
        {
            begun.extend(self.begun(touched.status.iter().copied().collect()).await?);
            all.push(begun);
        }
        all.sort_by_key(HashMap::len);
        let Some((least, others)) = all.split_first() else { return Ok(Candidates { places: None, person: many }) };
        let within = |place: &Place| {
            before.is_none_or(|before| *place < before) && filter.since.is_none_or(|since| *place > since)
        };
        let mut places: Vec<Place> = least
            .iter()
            .filter(|(id, _)| others.iter().all(|other| other.contains_key(id)))
            .map(|(id, first)| (Timestamp(*first), ScenarioId(*id)))
            .filter(within)
            .collect();
        places.sort_unstable_by_key(|place| std::cmp::Reverse(*place));
        Ok(Candidates { places: Some(places), person: many })
    }

    /// None: too many begin with one of these.
    async fn begin_with(&self, column: &'static str, begins: &[String]) -> Result<Option<Begun>, Error> {
        let mut all = Begun::new();
        for begin in begins {
            let Some(begun) = self.indexed(Indexed::Prefix(column, begin)).await? else { return Ok(None) };
            all.extend(begun);
        }
        Ok(Some(all))
    }

    async fn indexed(&self, by: Indexed<'_>) -> Result<Option<Begun>, Error> {
        let found: Vec<(i64, i64)> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select id, first from scenario where merged_into is null");
            match by {
                Indexed::Prefix(column, prefix) => push_prefix!(q, column, prefix),
                Indexed::Statuses(least, most) => {
                    // In words of the index.
                    q.push(format_args!(" and status >= {FAILED} and status between "));
                    q.push_bind(i32::from(least)).push(" and ").push_bind(i32::from(most));
                }
            }
            q.push(" limit ").push_bind(FEW as i64 + 1);
            q.build_query_as().fetch_all(pool).await?
        });
        Ok((found.len() <= FEW).then(|| found.into_iter().collect()))
    }

    async fn begun(&self, ids: HashSet<i64>) -> Result<Begun, Error> {
        let mut begun = Begun::new();
        for list in statement::lists(&ids.into_iter().collect::<Vec<_>>()) {
            let found: Vec<(i64, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select id, first from scenario where merged_into is null and id in ");
                push_list!(q, list);
                q.build_query_as().fetch_all(pool).await?
            });
            begun.extend(found);
        }
        Ok(begun)
    }

    async fn scenarios_with(&self, calls: &[Vec<u8>]) -> Result<HashSet<i64>, Error> {
        let mut ids = HashSet::new();
        for list in statement::lists(calls) {
            let found: Vec<i64> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select distinct scenario_id from scenario_call where call in ");
                push_list!(q, list);
                q.build_query_scalar().fetch_all(pool).await?
            });
            ids.extend(found);
        }
        Ok(ids)
    }

    /// Calls with such a user on either side, however they are in time. None: there are many.
    async fn calls_of(&self, sought: &Sought, filter: &Filter) -> Result<Option<Vec<Vec<u8>>>, Error> {
        // No scenario that is asked for has a call that begins before.
        let since = filter.since.map(|(first, _)| first.0);
        let first = filter.from.map(|from| from.0.saturating_sub(LONGEST)).max(since);
        let mut calls = HashSet::new();
        for (side, begin) in sides(sought) {
            let found: Vec<(Vec<u8>, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select call, first from call_part where 1 = 1");
                push_prefix!(q, side, begin);
                q.push(" limit ").push_bind(FEW_CALLS as i64 + 1);
                q.build_query_as().fetch_all(pool).await?
            });
            if found.len() > FEW_CALLS {
                return Ok(None);
            }
            calls.extend(
                found.into_iter().filter(|(_, at)| first.is_none_or(|first| *at >= first)).map(|(call, _)| call),
            );
        }
        Ok(Some(calls.into_iter().collect()))
    }

    /// Those of the scenarios that have a call with such a user on either side.
    pub(super) async fn with_person(
        &self,
        sought: &Sought,
        rows: &[ScenarioRow],
    ) -> Result<HashSet<ScenarioId>, Error> {
        let ids: Vec<i64> = rows.iter().filter_map(|row| row.subject.scenario()).map(|id| id.0).collect();
        let unindexed = self.backend.unindexed();
        let mut with = HashSet::new();
        for list in statement::lists(&ids) {
            let found: Vec<i64> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new(
                    "select distinct c.scenario_id from scenario_call c
                     join call_part p on p.call = c.call and p.day = c.day and p.stream_id = c.stream_id
                     where c.scenario_id in ",
                );
                push_list!(q, list);
                q.push(" and (1 = 0");
                for (side, begin) in sides(sought) {
                    q.push(" or (1 = 1");
                    push_prefix!(q, format_args!("{unindexed}p.{side}"), begin);
                    q.push(")");
                }
                q.push(")").build_query_scalar().fetch_all(pool).await?
            });
            with.extend(found.into_iter().map(ScenarioId));
        }
        Ok(with)
    }
}

/// Columns of `call_part`, and what one of them begins with.
fn sides(sought: &Sought) -> impl Iterator<Item = (&'static str, &str)> {
    let begins = sought.begins.iter().flat_map(|begin| [("from_user", begin.as_str()), ("to_user", begin)]);
    let ends = sought.ends.iter().flat_map(|end| [("from_back", end.as_str()), ("to_back", end)]);
    begins.chain(ends)
}
