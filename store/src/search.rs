//! Search: rows are scenarios, never messages. The message list of the API is in `messages.rs`.

use std::collections::{BTreeSet, HashMap, HashSet};

use message::event::CallClass;
use message::kind::Kind;
use record::id::{CallKey, ScenarioId};
use record::time::{DAY, HOUR, Timestamp};
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::early::Touched;
use crate::scenario::{self, ScenarioColumns, ScenarioRow};
use crate::scope::push_matching;
use crate::statement::push_list;
use crate::text::after_prefix;
use crate::{Error, Store, append, statement};

/// All that is given must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Scenario classes; empty = call and other (any class where a Call-ID is given).
    pub classes: Vec<CallClass>,
    /// Prefix of the user that calls.
    pub caller: Option<String>,
    /// Prefix of the user that is called.
    pub callee: Option<String>,
    /// Prefix of a user on either side of any call part.
    pub person: Option<String>,
    /// Exact Call-ID of any call.
    pub call_id: Option<String>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// A message of this kind.
    pub kind: Option<Kind>,
    /// A message with this method (as logged).
    pub method: Option<String>,
    /// A message with a status in this closed range.
    pub status: Option<(u16, u16)>,
    /// The scenario's final status in this closed range.
    pub final_status: Option<(u16, u16)>,
}

/// Newest first, behind `before`.
#[derive(Clone, PartialEq, Debug)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub more: bool,
    /// A filter on messages looked at the newest scenarios only, back to this time.
    pub searched_to: Option<Timestamp>,
    /// Rows that are damaged: they are left out, and the log says why.
    pub unreadable: usize,
}

/// Messages in stored order within time; the API's list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessageFilter {
    pub call_id: Option<String>,
    pub scenario: Option<ScenarioId>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub kind: Option<Kind>,
    pub method: Option<String>,
    pub status: Option<(u16, u16)>,
    pub provisional: Option<bool>,
}

/// ` and column begins with text`, as a range, which every index can use.
macro_rules! push_prefix {
    ($query:expr, $column:expr, $prefix:expr) => {{
        let prefix = append::searched($prefix);
        $query.push(format_args!(" and {} >= ", $column)).push_bind(prefix.clone());
        if let Some(end) = after_prefix(&prefix) {
            $query.push(format_args!(" and {} < ", $column)).push_bind(end);
        }
    }};
}

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

/// A filter on messages, or on a person, looks at this many.
const NEWEST: usize = 10_000;
/// Scenarios whose messages are looked at in one go.
const STRIDE: usize = 500;
/// A scenario in a range of time began at most this long before it.
pub(crate) const LONGEST: i64 = 2 * DAY;
/// A person's call part begins at most this long behind its scenario's range.
const BEHIND: i64 = HOUR;

impl Store {
    /// Scenarios, never messages; newest first by (first, id), behind `before`, at most `limit`. One that was joined
    /// into another is not listed. `from` and `to` want those that were going on in that time.
    ///
    /// Provisional rows count as if they were final: scenarios are shown with what theirs say, and a call that has no
    /// scenario yet stands in the list by itself.
    pub async fn search(
        &self,
        filter: &Filter,
        before: Option<(Timestamp, ScenarioId)>,
        limit: usize,
    ) -> Result<Page<ScenarioRow>, Error> {
        let mut page = self.joined(filter, before, limit).await?;
        let unjoined = self.unjoined(filter, before, limit).await?;
        page.rows.extend(unjoined.rows);
        page.rows.sort_by_key(|row| std::cmp::Reverse(row.place()));
        page.more |= unjoined.more || page.rows.len() > limit;
        page.rows.truncate(limit);
        page.searched_to = page.searched_to.max(unjoined.searched_to);
        Ok(page)
    }

    /// The scenarios of a list.
    async fn joined(
        &self,
        filter: &Filter,
        before: Option<(Timestamp, ScenarioId)>,
        limit: usize,
    ) -> Result<Page<ScenarioRow>, Error> {
        let (among, mut searched_to) = self.candidates(filter).await?;
        let touched = self.touched(filter).await?;
        let by_message = filter.method.is_some() || filter.status.is_some();
        let mut rows = Vec::new();
        if !by_message && filter.final_status.is_none() {
            rows = self.listed(filter, &touched, among.as_deref(), before, limit + 1).await?;
        } else {
            let (mut before, mut looked_at) = (before, 0);
            while rows.len() <= limit {
                let mut stride = self.listed(filter, &touched, among.as_deref(), before, STRIDE).await?;
                let last = stride.last().map(ScenarioRow::place);
                let full = stride.len() == STRIDE;
                looked_at += stride.len();
                if by_message {
                    let matching = self.with_messages(filter, &stride).await?;
                    stride.retain(|row| row.subject.scenario().is_some_and(|id| matching.contains(&id)));
                }
                if filter.final_status.is_some() {
                    self.add_early(&mut stride).await?;
                    stride.retain(|row| filter.ends_as(row));
                }
                rows.extend(stride);
                if !full {
                    break;
                }
                if looked_at >= NEWEST && rows.len() <= limit {
                    searched_to = searched_to.max(last.map(|(first, _)| first));
                    break;
                }
                before = last;
            }
        }
        let more = rows.len() > limit;
        rows.truncate(limit);
        if filter.final_status.is_none() {
            self.add_early(&mut rows).await?;
        }
        Ok(Page { rows, more, searched_to, unreadable: 0 })
    }

    /// The scenarios that a Call-ID or a person leaves, and back to when a person was looked for. None: all.
    async fn candidates(&self, filter: &Filter) -> Result<(Option<Vec<i64>>, Option<Timestamp>), Error> {
        let mut among: Option<BTreeSet<i64>> = None;
        let mut searched_to = None;
        if let Some(call_id) = &filter.call_id {
            among = Some(self.scenarios_with(&[CallKey::of(call_id.as_bytes()).0.to_vec()]).await?);
        }
        if let Some(person) = &filter.person {
            let (mut calls, to) = self.calls_of_person(person, filter).await?;
            searched_to = to;
            calls.sort_unstable();
            calls.dedup();
            let found = self.scenarios_with(&calls).await?;
            among = Some(match among {
                Some(among) => among.intersection(&found).copied().collect(),
                None => found,
            });
        }
        Ok((among.map(|ids| ids.into_iter().collect()), searched_to))
    }

    async fn scenarios_with(&self, calls: &[Vec<u8>]) -> Result<BTreeSet<i64>, Error> {
        let mut ids = BTreeSet::new();
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

    /// The newest calls of a person, and back to when there may be more.
    async fn calls_of_person(&self, person: &str, filter: &Filter) -> Result<(Vec<Vec<u8>>, Option<Timestamp>), Error> {
        let mut calls = Vec::new();
        let mut searched_to = None;
        for side in ["from_user", "to_user"] {
            let found: Vec<(Vec<u8>, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select call, first from call_part where 1 = 1");
                push_prefix!(q, side, person);
                if let Some(from) = filter.from {
                    q.push(" and first >= ").push_bind(from.0.saturating_sub(LONGEST));
                }
                if let Some(to) = filter.to {
                    q.push(" and first <= ").push_bind(to.0.saturating_add(BEHIND));
                }
                q.push(" order by first desc limit ").push_bind(NEWEST as i64);
                q.build_query_as().fetch_all(pool).await?
            });
            if found.len() == NEWEST {
                searched_to = searched_to.max(found.last().map(|(_, first)| Timestamp(*first)));
            }
            calls.extend(found.into_iter().map(|(call, _)| call));
        }
        Ok((calls, searched_to))
    }

    /// Scenarios by all filters but those on a person, a Call-ID and single messages.
    async fn listed(
        &self,
        filter: &Filter,
        touched: &Touched,
        among: Option<&[i64]>,
        before: Option<(Timestamp, ScenarioId)>,
        limit: usize,
    ) -> Result<Vec<ScenarioRow>, Error> {
        let Some(among) = among else {
            return self.list(filter, touched, None, before, limit).await;
        };
        let mut rows = Vec::new();
        for ids in statement::lists(among) {
            rows.extend(self.list(filter, touched, Some(ids), before, limit).await?);
        }
        rows.sort_by_key(|row| std::cmp::Reverse(row.place()));
        rows.truncate(limit);
        Ok(rows)
    }

    async fn list(
        &self,
        filter: &Filter,
        touched: &Touched,
        ids: Option<Vec<i64>>,
        before: Option<(Timestamp, ScenarioId)>,
        limit: usize,
    ) -> Result<Vec<ScenarioRow>, Error> {
        let classes = filter.listed_classes();
        let unindexed = self.backend.unindexed();
        let rows: Vec<ScenarioColumns> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select ");
            q.push(scenario::COLUMNS).push(" from scenario where merged_into is null");
            if classes.len() < CallClass::ALL.len() {
                // One class alone has an index in the order of the list.
                q.push(" and ").push(if classes.len() == 1 { "" } else { unindexed }).push("kind in ");
                push_list!(q, classes.iter().map(|class| class.code()));
            }
            if let Some(ids) = &ids {
                q.push(" and id in ");
                push_list!(q, ids);
            }
            if let Some(caller) = &filter.caller {
                push_prefix!(q, "caller", caller);
            }
            if let Some(callee) = &filter.callee {
                push_prefix!(q, "callee", callee);
            }
            if let Some(from) = filter.from {
                q.push(" and (last >= ").push_bind(from.0);
                push_or!(q, &touched.from);
                q.push(" and first >= ").push_bind(from.0.saturating_sub(LONGEST));
            }
            if let Some(to) = filter.to {
                q.push(" and first < ").push_bind(to.0);
            }
            if let Some((least, most)) = filter.final_status {
                q.push(" and (status between ").push_bind(i32::from(least)).push(" and ").push_bind(i32::from(most));
                push_or!(q, &touched.status);
            }
            if let Some(kind) = filter.kind {
                q.push(format_args!(" and ({} > 0", kind.name().to_ascii_lowercase()));
                push_or!(q, &touched.kind);
            }
            if let Some((first, id)) = before {
                q.push(" and (first, id) < (").push_bind(first.0).push(", ").push_bind(id.0).push(")");
            }
            q.push(" order by first desc, id desc limit ").push_bind(limit as i64);
            q.build_query_as().fetch_all(pool).await?
        });
        rows.into_iter().map(ScenarioColumns::read).collect()
    }

    /// Those of the scenarios that have a message which meets the filter.
    async fn with_messages(&self, filter: &Filter, rows: &[ScenarioRow]) -> Result<HashSet<ScenarioId>, Error> {
        let ids: Vec<i64> = rows.iter().filter_map(|row| row.subject.scenario()).map(|id| id.0).collect();
        let mut parts: Vec<(i64, Vec<u8>, i32)> = Vec::new();
        for list in statement::lists(&ids) {
            parts.extend::<Vec<_>>(with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new(
                    "select distinct scenario_id, call, day from scenario_call where scenario_id in ",
                );
                push_list!(q, list);
                q.build_query_as().fetch_all(pool).await?
            }));
        }
        let calls: BTreeSet<&Vec<u8>> = parts.iter().map(|(_, call, _)| call).collect();
        let days: Vec<i32> = parts.iter().map(|(_, _, day)| *day).collect::<BTreeSet<_>>().into_iter().collect();
        let mut meet: HashSet<(Vec<u8>, i64)> = HashSet::new();
        for list in statement::lists(&calls.into_iter().cloned().collect::<Vec<_>>()) {
            for days in statement::lists(&days) {
                let found: Vec<(Vec<u8>, i64)> = with_pool!(self.backend, pool => {
                    let mut q = QueryBuilder::<Db>::new("select distinct call, ts / ");
                    q.push(DAY).push(" from message where call in ");
                    push_list!(q, &list);
                    q.push(" and day in ");
                    push_list!(q, &days);
                    push_matching!(q, filter);
                    q.build_query_as().fetch_all(pool).await?
                });
                meet.extend(found);
            }
            let early: Vec<(Vec<u8>, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select distinct call, ts / ");
                q.push(DAY).push(" from provisional where call in ");
                push_list!(q, &list);
                push_matching!(q, filter);
                q.build_query_as().fetch_all(pool).await?
            });
            meet.extend(early);
        }
        let any_day: HashSet<&Vec<u8>> = meet.iter().map(|(call, _)| call).collect();
        let daily: HashMap<i64, i64> = rows
            .iter()
            .filter(|row| row.class.is_daily())
            .map(|row| (row.subject.place().0, row.first.0 / DAY))
            .collect();
        let meets = |id: &i64, call: &Vec<u8>| match daily.get(id) {
            Some(day) => meet.contains(&(call.clone(), *day)),
            None => any_day.contains(call),
        };
        Ok(parts.iter().filter(|(id, call, _)| meets(id, call)).map(|(id, ..)| ScenarioId(*id)).collect())
    }
}

impl Filter {
    /// The scenario's final status is in the range asked for.
    fn ends_as(&self, row: &ScenarioRow) -> bool {
        let within = |(least, most): (u16, u16)| row.status.is_some_and(|status| (least..=most).contains(&status));
        self.final_status.is_none_or(within)
    }

    /// A call without a scenario, of which these users are known, meets the filters on what it says.
    pub(crate) fn takes(&self, row: &ScenarioRow, people: &[String]) -> bool {
        let begins = |prefix: &Option<String>, text: Option<&str>| {
            let prefix = prefix.as_deref().map(append::searched);
            prefix.is_none_or(|prefix| text.is_some_and(|text| append::searched(text).starts_with(&prefix)))
        };
        self.listed_classes().contains(&row.class)
            && begins(&self.caller, row.caller.as_deref())
            && begins(&self.callee, row.callee.as_deref())
            && (self.person.is_none() || people.iter().any(|user| begins(&self.person, Some(user))))
            && self.ends_as(row)
    }

    /// None given: what people call calls, but a Call-ID finds whatever has it.
    fn listed_classes(&self) -> Vec<CallClass> {
        if !self.classes.is_empty() {
            return self.classes.clone();
        }
        if self.call_id.is_some() { CallClass::ALL.to_vec() } else { vec![CallClass::Call, CallClass::Other] }
    }
}
