//! Scenarios that an index finds: few enough to look at each of them. What more of them have is common, and so found soon by
//! whoever looks at the newest first.

use std::collections::HashMap;

use message::user::Sought;
use record::id::{CallKey, ScenarioId};
use record::time::Timestamp;
use rule::verdict::Outcome;
use sqlx::QueryBuilder;

use super::part::Place;
use super::person::Known;
use super::{Filter, Touched, push_prefix};
use crate::backend::with_pool;
use crate::statement::push_list;
use crate::{Error, Store, statement};

/// So many scenarios are few.
const FEW: usize = 5_000;
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

/// When each of them began.
pub(super) type Begun = HashMap<i64, i64>;

/// ` and column begins with text`, of an index of scenarios.
enum Indexed<'a> {
    Prefix(&'static str, &'a str),
    Statuses(u16, u16),
    /// None of them is ok: of those there is no index.
    Outcomes(&'a [Outcome]),
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
        if let Some(outcomes) = filter.judged().filter(|outcomes| !outcomes.contains(&Outcome::Ok)) {
            all.extend(self.indexed(Indexed::Outcomes(outcomes)).await?);
        }
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
                Indexed::Outcomes(outcomes) => {
                    q.push(format_args!(" and outcome is not null and outcome <> {} and outcome in ", Outcome::Ok.code()));
                    push_list!(q, outcomes.iter().map(|outcome| outcome.code()));
                }
            }
            q.push(" limit ").push_bind(FEW as i64 + 1);
            q.build_query_as().fetch_all(pool).await?
        });
        Ok((found.len() <= FEW).then(|| found.into_iter().collect()))
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

    /// Scenarios of the classes of a filter that own these calls.
    pub(super) async fn begun_of_calls(&self, calls: &[Vec<u8>], filter: &Filter) -> Result<Begun, Error> {
        let mut begun = Begun::new();
        let unindexed = self.backend.unindexed();
        for list in calls.chunks(CALLS).flat_map(statement::lists) {
            let found: Vec<(i64, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new(
                    "select s.id, s.first from scenario_call c join scenario s on s.id = c.scenario_id
                     where s.merged_into is null and c.call in ",
                );
                push_list!(q, list);
                q.push(" and ").push(unindexed).push("s.class in ");
                push_list!(q, filter.listed_classes().iter().map(|class| class.code()));
                q.build_query_as().fetch_all(pool).await?
            });
            begun.extend(found);
        }
        Ok(begun)
    }
}
