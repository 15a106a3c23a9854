//! Scenarios that an index finds: few enough to look at each of them. What more of them have is common, and so found soon by
//! whoever looks at the newest first.

use std::collections::{HashMap, HashSet};

use message::user::Sought;
use record::id::{CallKey, ScenarioId};
use record::time::Timestamp;
use sqlx::QueryBuilder;

use super::part::Place;
use super::{BEHIND, Filter, LONGEST, LOOKS, Touched, push_prefix};
use crate::backend::with_pool;
use crate::statement::push_list;
use crate::{Error, Store, statement};

/// So many scenarios, and so many calls of a person, are few.
const FEW: usize = 5_000;
const FEW_CALLS: usize = 1_000;
/// Final statuses from here on have an index: they are those of calls that failed.
const FAILED: u16 = 300;

/// Newest first.
#[derive(Debug)]
pub(super) struct Candidates {
    pub places: Vec<Place>,
    /// None of those from here on up is missing. None: of none.
    pub to: Option<Place>,
}

/// When each of them began.
type Begun = HashMap<i64, i64>;

/// ` and column begins with text`, of an index of scenarios.
enum Indexed<'a> {
    Prefix(&'static str, &'a str),
    Statuses(u16, u16),
}

impl Store {
    /// None: no filter leaves few.
    pub(super) async fn candidates(
        &self,
        filter: &Filter,
        touched: &Touched,
        before: Option<Place>,
    ) -> Result<Option<Candidates>, Error> {
        let mut all: Vec<Begun> = Vec::new();
        let mut to = None;
        if let Some(call_id) = &filter.call_id {
            all.push(self.begun(self.scenarios_with(&[CallKey::of(call_id.as_bytes()).0.to_vec()]).await?).await?);
        }
        if let Some(person) = &filter.person {
            let (calls, cut) = self.calls_of_person(person, filter, before).await?;
            // Places are compared: no scenario has this number.
            to = cut.map(|cut| (cut, ScenarioId(0)));
            all.push(self.begun(self.scenarios_with(&calls.into_iter().collect::<Vec<_>>()).await?).await?);
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
        let Some((least, others)) = all.split_first() else { return Ok(None) };
        let within = |place: &Place| {
            before.is_none_or(|before| *place < before)
                && to.is_none_or(|to| *place >= to)
                && filter.since.is_none_or(|since| *place > since)
        };
        let mut places: Vec<Place> = least
            .iter()
            .filter(|(id, _)| others.iter().all(|other| other.contains_key(id)))
            .map(|(id, first)| (Timestamp(*first), ScenarioId(*id)))
            .filter(within)
            .collect();
        places.sort_unstable_by_key(|place| std::cmp::Reverse(*place));
        Ok(Some(Candidates { places, to }))
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

    /// Calls of a person. Where there are many, the newest: of scenarios that began at the time given, or later, none is
    /// missing.
    async fn calls_of_person(
        &self,
        person: &str,
        filter: &Filter,
        before: Option<Place>,
    ) -> Result<(HashSet<Vec<u8>>, Option<Timestamp>), Error> {
        let begun = before.map(|(first, _)| first).into_iter().chain(filter.to).min();
        let last = begun.map(|first| first.0.saturating_add(BEHIND));
        let since = filter.since.map(|(first, _)| first.0);
        let first = filter.from.map(|from| from.0.saturating_sub(LONGEST)).max(since);
        let mut calls = HashSet::new();
        let mut cut = None;
        let Sought { begins, ends } = Sought::of(person);
        let begins = begins.iter().flat_map(|begin| [("from_user", begin), ("to_user", begin)]);
        let ends = ends.iter().flat_map(|end| [("from_back", end), ("to_back", end)]);
        for (side, begin) in begins.chain(ends) {
            let few: Vec<Vec<u8>> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select call from call_part where 1 = 1");
                push_prefix!(q, side, begin);
                push_between!(q, first, last);
                q.push(" limit ").push_bind(FEW_CALLS as i64 + 1);
                q.build_query_scalar().fetch_all(pool).await?
            });
            if few.len() <= FEW_CALLS {
                calls.extend(few);
                continue;
            }
            let (newest, to) = self.newest_calls(side, begin, first, begun.map(|at| at.0), last).await?;
            calls.extend(newest);
            cut = cut.max(to);
        }
        Ok((calls, cut))
    }

    /// The same in the order of time, of those of whom one side begins so.
    async fn newest_calls(
        &self,
        side: &'static str,
        begin: &str,
        first: Option<i64>,
        begun: Option<i64>,
        last: Option<i64>,
    ) -> Result<(Vec<Vec<u8>>, Option<Timestamp>), Error> {
        let unindexed = self.backend.unindexed();
        let end: Option<i64> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select first from call_part where 1 = 1");
            push_between!(q, first, begun);
            q.push(" order by first desc limit 1 offset ").push_bind(LOOKS - 1);
            q.build_query_scalar().fetch_optional(pool).await?
        });
        let mut most = FEW_CALLS;
        loop {
            let found: Vec<(Vec<u8>, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select call, first from call_part where 1 = 1");
                push_prefix!(q, format_args!("{unindexed}{side}"), begin);
                push_between!(q, first.max(end), last);
                q.push(" order by first desc limit ").push_bind(most as i64);
                q.build_query_as().fetch_all(pool).await?
            });
            let full = (found.len() == most).then(|| found.last().map(|(_, first)| *first)).flatten();
            let to = match full {
                // Others may have begun at that moment.
                Some(first) => Some(first.saturating_add(1)),
                None => end,
            };
            // All of these may have begun after what is asked for.
            if full.is_none() || to < begun || begun.is_none() {
                return Ok((found.into_iter().map(|(call, _)| call).collect(), to.map(Timestamp)));
            }
            most *= 4;
        }
    }
}

/// ` and first lies between`, as far as there are bounds.
macro_rules! push_between {
    ($query:expr, $first:expr, $last:expr) => {{
        if let Some(first) = $first {
            $query.push(" and first >= ").push_bind(first);
        }
        if let Some(last) = $last {
            $query.push(" and first <= ").push_bind(last);
        }
    }};
}
use push_between;
