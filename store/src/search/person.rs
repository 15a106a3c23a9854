//! Scenarios of a person: of the newest of their calls, as many as one page looks at.

use std::collections::{BTreeSet, HashMap, HashSet};

use message::user::{Sought, backwards};
use record::id::ScenarioId;
use record::time::Timestamp;
use sqlx::QueryBuilder;

use super::part::Place;
use super::{Filter, LONGEST, push_prefix};
use crate::append::searched;
use crate::backend::with_pool;
use crate::scenario::ScenarioRow;
use crate::statement::push_list;
use crate::{Error, Store, statement};

/// Entries of an index that are counted of each side; who has more is met by looking at the newest scenarios.
const COUNTED: i64 = 10_000;
/// Calls of which the scenarios are read for one page, beside those that begin after it: their scenarios may have begun before.
/// So many at first, twice as many each time that is not enough, and in all; and at most, with those.
const FIRST: usize = 250;
const CALLS: usize = 1_000;
const MOST_CALLS: usize = 3_000;
/// Whole numbers that one end may stand for.
const NUMBERS: usize = 500;

/// When each of them began.
pub(super) type Begun = HashMap<i64, i64>;

/// What is known of a person's scenarios.
pub(super) enum Known {
    All(Begun),
    /// All from this place on up.
    Newest(Begun, Place),
    /// It is not worth while to look for them.
    Many,
}

/// Calls where a column of `call_part` begins with a text, or is one of some numbers.
enum Side {
    Begins(&'static str, String),
    Is(&'static str, Vec<String>),
}

/// A side with the number of its calls, and of those that begin after the page.
struct Counted {
    side: Side,
    all: usize,
    above: usize,
}

const SIDES: [&str; 3] = ["from_user", "to_user", "identity"];

/// ` and …`: calls of a side that begin from a time on, and before another.
macro_rules! push_side {
    ($query:expr, $side:expr, $first:expr, $unindexed:expr) => {{
        match $side {
            Side::Begins(column, text) => push_prefix!($query, *column, text),
            Side::Is(column, numbers) => {
                $query.push(format_args!(" and {column} in "));
                push_list!($query, numbers);
            }
        }
        let (from, before) = $first;
        if let Some(from) = from {
            $query.push(format_args!(" and {}first >= ", $unindexed)).push_bind(from);
        }
        if let Some(before) = before {
            $query.push(format_args!(" and {}first < ", $unindexed)).push_bind(before);
        }
    }};
}

impl Store {
    /// A call begins no earlier than its scenario. So once all calls from a time on are known, all scenarios are that began
    /// since then, however late the person's call came to them.
    pub(super) async fn known_of(
        &self,
        sought: &Sought,
        filter: &Filter,
        before: Option<Place>,
        limit: usize,
    ) -> Result<Known, Error> {
        let Some(sides) = self.sides(sought).await? else { return Ok(Known::Many) };
        // No scenario that is asked for has a call that begins before.
        let since = filter.since.map(|(first, _)| first.0);
        let first = filter.from.map(|from| from.0.saturating_sub(LONGEST)).max(since);
        let mut counted = Vec::new();
        for side in sides {
            let all = self.count(&side, first).await?;
            if all > COUNTED {
                return Ok(Known::Many);
            }
            if all > 0 {
                counted.push(Counted { side, all: all as usize, above: 0 });
            }
        }
        if let Some((at, _)) = before {
            for of in counted.iter_mut().filter(|of| of.all > 0) {
                of.above = self.count(&of.side, first.max(Some(at.0))).await? as usize;
            }
        }
        let all: usize = counted.iter().map(|of| of.all).sum();
        let above: usize = counted.iter().map(|of| of.above).sum();
        if all > MOST_CALLS && above + FIRST > MOST_CALLS {
            return Ok(Known::Many);
        }
        let (mut begun, mut known) = (Begun::new(), None);
        // Whoever leaves some out looks at as many as may be.
        let mut most = if filter.chooses() { CALLS } else { FIRST };
        loop {
            let cost = above + most;
            // All of them, where it is about as much work.
            let is_all = all <= cost || (all <= 2 * cost && all <= CALLS);
            let from = if is_all { first } else { self.since(&counted, first, most).await? };
            begun.extend(self.begun_between(&counted, from, known, filter).await?);
            let Some(from) = from.filter(|from| Some(*from) != first) else { return Ok(Known::All(begun)) };
            let end = (Timestamp(from), ScenarioId(0));
            let goes_on = |at: i64, id: i64| {
                let place = (Timestamp(at), ScenarioId(id));
                place >= end && before.is_none_or(|before| place < before)
            };
            let enough = begun.iter().filter(|(id, at)| goes_on(**at, **id)).count() > limit;
            let lower = before.is_none_or(|before| end < before);
            if (enough && !filter.chooses()) || (lower && (most >= CALLS || cost >= MOST_CALLS)) {
                return Ok(Known::Newest(begun, end));
            }
            if cost >= MOST_CALLS {
                return Ok(Known::Many);
            }
            known = Some(from);
            most *= 2;
        }
    }

    /// None: there are too many numbers with such an end.
    async fn sides(&self, sought: &Sought) -> Result<Option<Vec<Side>>, Error> {
        let mut numbers = BTreeSet::new();
        for end in &sought.ends {
            let found: Vec<String> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select back from number where 1 = 1");
                push_prefix!(q, "back", end);
                q.push(" limit ").push_bind(NUMBERS as i64 + 1);
                q.build_query_scalar().fetch_all(pool).await?
            });
            if found.len() > NUMBERS {
                return Ok(None);
            }
            let whole = found.iter().map(|back| back.chars().rev().collect::<String>());
            numbers.extend(whole.filter(|number| !sought.begins(number)));
        }
        let numbers: Vec<String> = numbers.into_iter().collect();
        let begins = sought.begins.iter().flat_map(|begin| SIDES.map(|column| Side::Begins(column, begin.clone())));
        let ends = statement::lists(&numbers).flat_map(|list| SIDES.map(|column| Side::Is(column, list.clone())));
        Ok(Some(begins.chain(ends).collect()))
    }

    /// How many calls of a side there are, as far as they are counted.
    async fn count(&self, side: &Side, first: Option<i64>) -> Result<i64, Error> {
        let unindexed = self.backend.unindexed();
        Ok(with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select count(*) from (select 1 as one from call_part where 1 = 1");
            push_side!(q, side, (first, None::<i64>), unindexed);
            q.push(" limit ").push_bind(COUNTED + 1).push(") counted");
            q.build_query_scalar().fetch_one(pool).await?
        }))
    }

    /// Since when there are, of all sides together, about so many calls beside those above the page.
    async fn since(&self, sides: &[Counted], first: Option<i64>, most: usize) -> Result<Option<i64>, Error> {
        let unindexed = self.backend.unindexed();
        let mut since = first;
        let share = most / sides.len().max(1);
        for Counted { side, above, .. } in sides.iter().filter(|of| of.all > of.above + share) {
            let at: Option<i64> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select first from (select first from call_part where 1 = 1");
                push_side!(q, side, (first, None::<i64>), unindexed);
                q.push(" limit ").push_bind(COUNTED + 1).push(") counted order by first desc limit 1 offset ");
                q.push_bind((above + share) as i64);
                q.build_query_scalar().fetch_optional(pool).await?
            });
            since = since.max(at);
        }
        Ok(since)
    }

    /// Scenarios of the calls that begin from a time on, and before another.
    async fn begun_between(
        &self,
        sides: &[Counted],
        from: Option<i64>,
        before: Option<i64>,
        filter: &Filter,
    ) -> Result<Begun, Error> {
        let unindexed = self.backend.unindexed();
        let mut calls: HashSet<Vec<u8>> = HashSet::new();
        for Counted { side, .. } in sides.iter().filter(|of| of.all > 0) {
            let found: Vec<Vec<u8>> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select call from call_part where 1 = 1");
                push_side!(q, side, (from, before), unindexed);
                q.build_query_scalar().fetch_all(pool).await?
            });
            calls.extend(found);
        }
        self.begun_of_calls(&calls.into_iter().collect::<Vec<_>>(), filter).await
    }

    /// Those of the scenarios that have a call with such a user, as From, To or the network name them.
    pub(super) async fn with_person(
        &self,
        sought: &Sought,
        rows: &[ScenarioRow],
    ) -> Result<HashSet<ScenarioId>, Error> {
        type Users = (i64, Option<String>, Option<String>, Option<String>);
        let ids: Vec<i64> = rows.iter().filter_map(|row| row.subject.scenario()).map(|id| id.0).collect();
        let stored = Sought { begins: sought.begins.iter().map(|begin| searched(begin)).collect(), ..sought.clone() };
        let mut with: HashMap<i64, bool> = HashMap::new();
        for list in statement::lists(&ids) {
            let found: Vec<Users> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new(
                    "select c.scenario_id, p.from_user, p.to_user, p.identity from scenario_call c
                     join call_part p on p.call = c.call and p.day = c.day and p.stream_id = c.stream_id
                     where c.scenario_id in ",
                );
                push_list!(q, list);
                q.build_query_as().fetch_all(pool).await?
            });
            for (id, from, to, identity) in found {
                let is = with.entry(id).or_default();
                *is = *is || [from, to, identity].into_iter().flatten().any(|user| is_one(&stored, &user));
            }
        }
        Ok(with.into_iter().filter(|(_, is)| *is).map(|(id, _)| ScenarioId(id)).collect())
    }
}

/// Whether a user is sought, who is in their normal form already.
fn is_one(sought: &Sought, user: &str) -> bool {
    let ends = || backwards(user).is_some_and(|back| sought.ends.iter().any(|end| back.starts_with(end)));
    sought.begins(user) || (!sought.ends.is_empty() && ends())
}
