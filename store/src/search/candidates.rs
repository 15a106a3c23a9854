//! Scenarios that an index finds: few enough to look at each of them. What more of them have is common, and so found soon by
//! whoever looks at the newest first.

use std::collections::{BTreeSet, HashMap};

use message::user::Sought;
use record::id::{CallKey, ScenarioId};
use record::time::Timestamp;
use rule::verdict::Outcome;
use sqlx::QueryBuilder;

use super::part::Place;
use super::person::{Begun, Known};
use super::{Filter, LONGEST, Touched, push_prefix, push_range};
use crate::backend::with_pool;
use crate::statement::push_list;
use crate::{Error, Store, statement};

/// So many scenarios are few; and of those that did not go well so many are looked at for one page.
const FEW: usize = 5_000;
const NEWEST: usize = 1_250;
/// Calls that are asked for at once: of many more PostgreSQL reads all there are instead.
const CALLS: usize = 128;
/// Final statuses from here on have an index: they are those of calls that failed.
const FAILED: u16 = 300;

/// What is left to be looked at.
#[derive(Debug)]
pub(super) struct Candidates {
    /// Newest first. None: no filter leaves few.
    pub places: Option<Vec<Place>>,
    /// These are all of them from here on up; others may lie below.
    pub end: Option<Place>,
    /// Of whom there are so many calls that each scenario is to be asked for them.
    pub person: Option<Sought>,
}

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
        limit: usize,
    ) -> Result<Candidates, Error> {
        let mut all: Vec<Begun> = Vec::new();
        if let Some(call_id) = &filter.call_id {
            all.push(self.begun_of_calls(&[CallKey::of(call_id.as_bytes()).0.to_vec()], filter).await?);
        }
        for (column, user) in [("caller_key", &filter.caller), ("callee_key", &filter.callee)] {
            if let Some(user) = user {
                all.extend(self.begin_with(column, &Sought::of(user).begins).await?);
            }
        }
        if let Some((least, most)) = filter.final_status.filter(|(least, _)| *least >= FAILED)
            && let Some(mut begun) = self.indexed(Indexed::Statuses(least, most)).await?
        {
            begun.extend(self.begun(&touched.status).await?);
            all.push(begun);
        }
        let judged = match filter.judged().filter(|outcomes| !outcomes.contains(&Outcome::Ok)) {
            Some(outcomes) => Some(self.judged(outcomes, filter, before).await?),
            None => None,
        };
        all.extend(judged.iter().filter(|(_, to)| to.is_none()).map(|(begun, _)| begun.clone()));
        let (mut end, mut many) = (None, None);
        if let Some(person) = &filter.person {
            let sought = Sought::of(person);
            match self.known_of(&sought, filter, before, limit).await? {
                Known::All(begun) => all.push(begun),
                // Others leave few, or it is as far as one page goes.
                Known::Newest(begun, to) if all.is_empty() => {
                    all.push(begun);
                    end = Some(to);
                }
                Known::Newest(..) | Known::Many => many = Some(sought),
            }
        }
        // Of what did not go well the newest are better than the newest of all.
        if let Some((begun, to)) = judged
            && all.is_empty()
        {
            all.push(begun);
            end = to;
        }
        all.sort_by_key(HashMap::len);
        let Some((least, others)) = all.split_first() else {
            return Ok(Candidates { places: None, end, person: many });
        };
        let within = |place: &Place| {
            before.is_none_or(|before| *place < before)
                && filter.since.is_none_or(|since| *place > since)
                && end.is_none_or(|end| *place >= end)
        };
        let mut places: Vec<Place> = least
            .iter()
            .filter(|(id, _)| others.iter().all(|other| other.contains_key(id)))
            .map(|(id, first)| (Timestamp(*first), ScenarioId(*id)))
            .filter(within)
            .collect();
        places.sort_unstable_by_key(|place| std::cmp::Reverse(*place));
        Ok(Candidates { places: Some(places), end, person: many })
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

    /// The newest scenarios with each of these outcomes, and down to where these are all. None of them is ok: of those there is
    /// no index.
    async fn judged(
        &self,
        outcomes: &[Outcome],
        filter: &Filter,
        before: Option<Place>,
    ) -> Result<(Begun, Option<Place>), Error> {
        let (mut places, mut end): (Vec<Place>, Option<Place>) = Default::default();
        for outcome in outcomes {
            let found: Vec<(i64, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select id, first from scenario where merged_into is null");
                q.push(format_args!(" and outcome is not null and outcome <> {} and outcome = ", Outcome::Ok.code()));
                q.push_bind(outcome.code());
                push_range!(q, filter, before);
                q.push(" order by first desc, id desc limit ").push_bind(NEWEST as i64 + 1);
                q.build_query_as().fetch_all(pool).await?
            });
            let found: Vec<Place> = found.into_iter().map(|(id, first)| (Timestamp(first), ScenarioId(id))).collect();
            end = end.max(found.last().copied().filter(|_| found.len() > NEWEST));
            places.extend(found);
        }
        places.sort_unstable_by_key(|place| std::cmp::Reverse(*place));
        places.retain(|place| end.is_none_or(|end| *place >= end));
        if places.len() > NEWEST {
            places.truncate(NEWEST);
            end = places.last().copied();
        }
        Ok((places.into_iter().map(|(first, id)| (id.0, first.0)).collect(), end))
    }

    async fn begun(&self, ids: &[i64]) -> Result<Begun, Error> {
        let mut begun = Begun::new();
        for list in statement::lists(ids) {
            let found: Vec<(i64, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select id, first from scenario where merged_into is null and id in ");
                push_list!(q, list);
                q.build_query_as().fetch_all(pool).await?
            });
            begun.extend(found);
        }
        Ok(begun)
    }

    /// Scenarios of the classes of a filter that own these calls. Each is read once, however many of the calls are its own.
    pub(super) async fn begun_of_calls(&self, calls: &[Vec<u8>], filter: &Filter) -> Result<Begun, Error> {
        let mut ids: BTreeSet<i64> = BTreeSet::new();
        for list in calls.chunks(CALLS).flat_map(statement::lists) {
            let found: Vec<i64> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select scenario_id from scenario_call where call in ");
                push_list!(q, list);
                q.build_query_scalar().fetch_all(pool).await?
            });
            ids.extend(found);
        }
        let mut begun = Begun::new();
        let unindexed = self.backend.unindexed();
        for list in ids.into_iter().collect::<Vec<_>>().chunks(CALLS).flat_map(statement::lists) {
            let found: Vec<(i64, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select id, first from scenario where merged_into is null and id in ");
                push_list!(q, list);
                q.push(" and ").push(unindexed).push("class in ");
                push_list!(q, filter.listed_classes().iter().map(|class| class.code()));
                q.build_query_as().fetch_all(pool).await?
            });
            begun.extend(found);
        }
        Ok(begun)
    }
}
