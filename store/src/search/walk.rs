//! Scenarios one after the other, newest first, until a page is full or enough of them were looked at.

use message::event::CallClass;
use message::user::Sought;
use record::id::ScenarioId;
use record::time::Timestamp;
use sqlx::QueryBuilder;

use super::candidates::Candidates;
use super::part::{Part, Place};
use super::{Filter, LONGEST, LOOKS, Text, Touched, held, push_prefix, push_prefixes, push_range};
use crate::backend::with_pool;
use crate::scenario::{self, ScenarioColumns, ScenarioRow};
use crate::statement::push_list;
use crate::{Error, Store, statement};

/// Scenarios whose messages or calls are looked at in one go, and for one page.
const STRIDE: usize = 250;
const READS: usize = 1_500;
/// Messages that these have: looked at in one go, and for one page. A registration of a day may have thousands.
const MESSAGES_AT_ONCE: i64 = 5_000;
const MESSAGES: i64 = 20_000;
/// Scenarios of callers who tried again that are looked at for one page.
const TRIED: usize = 1_024;
/// Statuses that these are looked for by, each in its order.
const STATUSES: usize = 32;

/// ` or id in (…))`: closes a condition that these scenarios meet by a provisional row.
macro_rules! push_or {
    ($query:expr, $ids:expr) => {{
        for ids in statement::lists($ids) {
            $query.push(" or id in ");
            push_list!($query, ids);
        }
        $query.push(")");
    }};
}

/// Where scenarios come from.
enum Source {
    Class {
        class: CallClass,
        before: Option<Place>,
        end: Option<Place>,
    },
    /// `end`: there may be others below.
    Among {
        places: Vec<Place>,
        at: usize,
        end: Option<Place>,
    },
}

/// Of one class, or some of all classes.
enum Of {
    Class(CallClass),
    Ids(Vec<i64>),
}

/// What a list is asked for.
struct Asked<'a> {
    filter: &'a Filter,
    touched: Touched,
    /// Those that ended as is asked for in an earlier attempt.
    tried: Vec<i64>,
    person: Option<Sought>,
    text: Option<Text>,
}

impl Asked<'_> {
    /// More is read of each scenario than its row.
    fn reads(&self) -> bool {
        self.filter.is_of_messages() || self.person.is_some()
    }
}

/// The next of them.
struct Stride {
    rows: Vec<ScenarioRow>,
    /// All down to here were looked at. None: there are no others.
    to: Option<Place>,
    /// It has come as far as it goes for one page.
    ends: bool,
}

impl Store {
    /// Scenarios that are joined; each class has an index in the order of the list.
    pub(super) async fn joined(
        &self,
        filter: &Filter,
        before: Option<Place>,
        limit: usize,
    ) -> Result<Vec<Part>, Error> {
        let mut touched = self.touched(filter).await?;
        let (tried, tried_to) = self.tried_before(filter, before).await?;
        touched.status.extend(&tried);
        let Candidates { mut places, mut end, person } = self.candidates(filter, &touched, before, limit).await?;
        if let (Some(places), true) = (&mut places, tried_to.is_some()) {
            places.retain(|place| Some(*place) >= tried_to);
            end = end.max(tried_to);
        }
        let text = filter.text.as_deref().map(Text::of);
        let asked = Asked { filter, touched, tried, person, text };
        if let Some(places) = places {
            let source = Source::Among { places, at: 0, end };
            return Ok(vec![self.walk(source, &asked, limit).await?]);
        }
        let mut parts = Vec::new();
        for class in filter.listed_classes() {
            let end = if filter.is_sparse() || asked.person.is_some() {
                self.end(class, filter, before).await?
            } else {
                None
            };
            let source = Source::Class { class, before, end: end.max(tried_to) };
            parts.push(self.walk(source, &asked, limit).await?);
        }
        Ok(parts)
    }

    /// Scenarios whose caller got such an answer in an attempt before the last one: the newest; and how far down these are all,
    /// where there are more.
    async fn tried_before(&self, filter: &Filter, before: Option<Place>) -> Result<(Vec<i64>, Option<Place>), Error> {
        let Some((least, most)) = filter.final_status else { return Ok((Vec::new(), None)) };
        let mut found: Vec<(i64, i64)> = Vec::new();
        let mut next = self.least_before(least, most).await?;
        let mut looked = 0;
        while let Some(status) = next {
            // So many different ones are no answers of phones.
            looked += 1;
            let until = if looked < STATUSES { status } else { most };
            found.extend(self.answered_before((status, until), filter, before).await?);
            next = if until < most { self.least_before(until + 1, most).await? } else { None };
        }
        found.sort_unstable_by(|one, other| other.cmp(one));
        found.dedup();
        found.truncate(TRIED);
        let last = found.last().filter(|_| found.len() == TRIED);
        // Of one time there may be others, which the next page begins with; unless this one began with them.
        let to = last.map(|(first, _)| (Timestamp(*first), ScenarioId(i64::MAX)));
        let to = to.map(|to| if before.is_some_and(|before| before <= to) { (to.0, ScenarioId(0)) } else { to });
        Ok((found.into_iter().map(|(_, id)| id).collect(), to))
    }

    /// The least status in this range that any attempt before the last one got.
    async fn least_before(&self, least: u16, most: u16) -> Result<Option<u16>, Error> {
        let status: Option<i16> = with_pool!(self.backend, pool => {
            sqlx::query_scalar("select min(status) from scenario_try where status >= $1 and status <= $2")
                .bind(i32::from(least))
                .bind(i32::from(most))
                .fetch_one(pool)
                .await?
        });
        Ok(status.and_then(|status| u16::try_from(status).ok()))
    }

    /// The newest scenarios with such an attempt. Of one status the index has them in this order.
    async fn answered_before(
        &self,
        (least, most): (u16, u16),
        filter: &Filter,
        before: Option<Place>,
    ) -> Result<Vec<(i64, i64)>, Error> {
        Ok(with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select first, scenario_id from scenario_try where status ");
            if least == most {
                q.push("= ").push_bind(i32::from(least));
            } else {
                q.push("between ").push_bind(i32::from(least)).push(" and ").push_bind(i32::from(most));
            }
            let began = |bound: Option<Place>| bound.map(|(first, _)| first.0);
            let from = filter.from.map(|from| from.0.saturating_sub(LONGEST));
            let bounds = [("<=", began(before)), ("<", filter.to.map(|to| to.0)), (">=", began(filter.since)), (">=", from)];
            for (sign, bound) in bounds {
                if let Some(bound) = bound {
                    q.push(format_args!(" and first {sign} ")).push_bind(bound);
                }
            }
            q.push(" order by first desc limit ").push_bind(TRIED as i64);
            q.build_query_as().fetch_all(pool).await?
        }))
    }

    async fn walk(&self, mut source: Source, asked: &Asked<'_>, limit: usize) -> Result<Part, Error> {
        let Asked { filter, person, text, .. } = asked;
        let (mut part, mut read, mut looked) = (Part::default(), 0, held::Looked::default());
        let mut messages = 0;
        loop {
            let Stride { mut rows, mut to, mut ends } = self.stride(&mut source, asked, limit).await?;
            if asked.reads() {
                read += rows.len();
            }
            if let Some(person) = person {
                let with = self.with_person(person, &rows).await?;
                rows.retain(|row| row.subject.scenario().is_some_and(|id| with.contains(&id)));
            }
            if filter.is_of_messages() {
                let cut = self.keep_matching(filter, &mut rows, &mut messages).await?;
                (to, ends) = cut.map_or((to, ends), |place| (Some(place), true));
            }
            if filter.final_status.is_some() {
                self.add_early(&mut rows).await?;
                let ended_before =
                    |row: &ScenarioRow| row.subject.scenario().is_some_and(|id| asked.tried.contains(&id.0));
                rows.retain(|row| filter.ends_as(row) || ended_before(row));
            }
            rows.retain(|row| filter.is_as(row));
            if let Some(text) = text {
                let mut left = std::mem::take(&mut rows);
                while !left.is_empty() && !looked.is_enough() && part.rows.len() + rows.len() <= limit {
                    let mut some = left;
                    left = some.split_off(held::portion(&some));
                    let last = some.last().map(ScenarioRow::place);
                    let with = self.with_text(text, &some, &mut looked).await?;
                    rows.extend(
                        some.into_iter().filter(|row| row.subject.scenario().is_some_and(|id| with.contains(&id))),
                    );
                    if looked.is_enough() && !left.is_empty() {
                        (to, ends) = (last, true);
                    }
                }
            }
            part.rows.extend(rows);
            if part.rows.len() > limit {
                part.rows.truncate(limit + 1);
                part.to = part.rows.last().map(ScenarioRow::place);
                return Ok(part);
            }
            if to.is_none() || ends || read >= READS || messages >= MESSAGES || looked.is_enough() {
                part.to = to;
                return Ok(part);
            }
        }
    }

    /// Keeps those that have such a message. Gives the last one that was looked at, where that is enough for one page.
    async fn keep_matching(
        &self,
        filter: &Filter,
        rows: &mut Vec<ScenarioRow>,
        messages: &mut i64,
    ) -> Result<Option<Place>, Error> {
        let mut left = std::mem::take(rows);
        while !left.is_empty() {
            let mut some = left;
            left = some.split_off(portion(&some));
            let matching = self.with_messages(filter, &some).await?;
            let last = some.last().map(ScenarioRow::place);
            *messages += some.iter().map(|row| row.messages).sum::<i64>();
            rows.extend(some.into_iter().filter(|row| row.subject.scenario().is_some_and(|id| matching.contains(&id))));
            if *messages >= MESSAGES && !left.is_empty() {
                return Ok(last);
            }
        }
        Ok(None)
    }

    async fn stride(&self, source: &mut Source, asked: &Asked<'_>, limit: usize) -> Result<Stride, Error> {
        let most = match asked {
            _ if asked.text.is_some() => held::STRIDE,
            _ if asked.reads() || asked.filter.ends_in_one() => STRIDE,
            _ => limit + 1,
        };
        match source {
            Source::Class { class, before, end } => {
                let rows = self.list(asked, Of::Class(*class), *before, *end, most).await?;
                let full = rows.len() == most;
                let to = if full { rows.last().map(ScenarioRow::place) } else { *end };
                *before = to;
                Ok(Stride { rows, to, ends: !full })
            }
            Source::Among { places, at, end } => {
                let some =
                    &places[*at..places.len().min(*at + if asked.text.is_some() { most } else { most.max(STRIDE) })];
                *at += some.len();
                let mut rows = Vec::new();
                for ids in statement::lists(&some.iter().map(|(_, id)| id.0).collect::<Vec<_>>()) {
                    rows.extend(self.list(asked, Of::Ids(ids), None, None, some.len()).await?);
                }
                let ends = *at == places.len();
                let to = if ends { *end } else { some.last().copied() };
                Ok(Stride { rows, to, ends })
            }
        }
    }

    /// The last scenario of a class that is looked at for a page: what is rare must not take ever longer to be found.
    async fn end(&self, class: CallClass, filter: &Filter, before: Option<Place>) -> Result<Option<Place>, Error> {
        let ends: Vec<(i64, i64)> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select first, id from scenario where merged_into is null and class = ");
            q.push_bind(class.code());
            push_range!(q, filter, before);
            q.push(" order by first desc, id desc limit 2 offset ").push_bind(LOOKS - 1);
            q.build_query_as().fetch_all(pool).await?
        });
        // One that has none after it is the end anyway.
        Ok((ends.len() > 1).then(|| (Timestamp(ends[0].0), ScenarioId(ends[0].1))))
    }

    /// Scenarios by all filters but those on a person, a Call-ID and single messages; of the last, those that may have one.
    async fn list(
        &self,
        Asked { filter, touched, .. }: &Asked<'_>,
        of: Of,
        before: Option<Place>,
        end: Option<Place>,
        limit: usize,
    ) -> Result<Vec<ScenarioRow>, Error> {
        let unindexed = self.backend.unindexed();
        let rows: Vec<ScenarioColumns> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select ");
            q.push(scenario::COLUMNS).push(" from scenario where merged_into is null");
            match &of {
                Of::Class(class) => {
                    q.push(" and class = ").push_bind(class.code());
                }
                Of::Ids(ids) => {
                    q.push(" and id in ");
                    push_list!(q, ids);
                    q.push(" and ").push(unindexed).push("class in ");
                    push_list!(q, filter.listed_classes().iter().map(|class| class.code()));
                }
            }
            push_range!(q, filter, before);
            if let Some((first, id)) = end {
                q.push(" and first >= ").push_bind(first.0);
                q.push(" and (first, id) >= (").push_bind(first.0).push(", ").push_bind(id.0).push(")");
            }
            if let Some(caller) = &filter.caller {
                push_prefixes!(q, format_args!("{unindexed}caller_key"), &Sought::of(caller).begins);
            }
            if let Some(callee) = &filter.callee {
                push_prefixes!(q, format_args!("{unindexed}callee_key"), &Sought::of(callee).begins);
            }
            if let Some(from) = filter.from {
                q.push(" and (last >= ").push_bind(from.0);
                push_or!(q, &touched.from);
            }
            if let Some((least, most)) = filter.final_status {
                q.push(format_args!(" and ({unindexed}status between ")).push_bind(i32::from(least));
                q.push(" and ").push_bind(i32::from(most));
                push_or!(q, &touched.status);
            }
            if let Some(outcomes) = filter.judged() {
                q.push(format_args!(" and {unindexed}outcome in "));
                push_list!(q, outcomes.iter().map(|outcome| outcome.code()));
            }
            for (column, is) in [("failure", &filter.failure), ("rule", &filter.rule)] {
                if let Some(is) = is {
                    q.push(format_args!(" and {column} = ")).push_bind(is);
                }
            }
            if filter.problems {
                q.push(format_args!(" and {unindexed}problems > 0"));
            }
            if filter.transferred {
                q.push(" and transferred_to is not null");
            }
            if filter.ongoing {
                let goes_on = format!("({unindexed}status is null or {unindexed}status < 300)");
                q.push(format_args!(" and ending is null and ended is null and {goes_on}"));
            }
            let said = filter.said();
            if !said.is_empty() {
                q.push(" and ((1 = 1");
                for said in said {
                    q.push(" and (said & ").push_bind(said.bits()).push(") <> 0");
                }
                q.push(")");
                push_or!(q, &touched.messages);
            }
            q.push(" order by first desc, id desc limit ").push_bind(limit as i64);
            q.build_query_as().fetch_all(pool).await?
        });
        rows.into_iter().map(ScenarioColumns::read).collect()
    }
}

/// How many of these are looked at in one go: one at least.
fn portion(rows: &[ScenarioRow]) -> usize {
    let mut messages = 0;
    let more = |row: &&ScenarioRow| {
        messages += row.messages;
        messages <= MESSAGES_AT_ONCE
    };
    rows.iter().take_while(more).count().max(1)
}
