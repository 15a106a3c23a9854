//! Search: rows are scenarios, never messages. The message list of the API is in `messages.rs`.
//!
//! `candidates` asks indexes for what few scenarios have, and `person` for those of somebody's newest calls; `walk` looks at scenarios in their order, and `part` makes pages of
//! what both find; `held` reads messages for a text. One question looks at a bounded number of scenarios; a page that ends there says how far it came, and where to go on.

mod candidates;
mod held;
mod named;
mod part;
mod person;
mod walk;

use std::collections::{BTreeSet, HashMap, HashSet};

use message::event::CallClass;
use message::kind::Kind;
use message::said::Said;
use message::user::Sought;
use record::id::ScenarioId;
use record::time::{DAY, Timestamp};
use rule::verdict::Outcome;
use sqlx::QueryBuilder;

pub(crate) use self::held::Text;
pub(crate) use self::part::{Part, Place};
use crate::backend::with_pool;
pub use crate::page::Page;
use crate::scenario::ScenarioRow;
use crate::scope::push_matching;
use crate::statement::push_list;
use crate::{Error, Store, append, statement};

/// All that is given must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Scenario classes; empty = call and message (any class where a Call-ID is given).
    pub classes: Vec<CallClass>,
    /// The beginning of the user that calls, in whatever form ([`message::user`]).
    pub caller: Option<String>,
    /// The beginning of the user that is called.
    pub callee: Option<String>,
    /// The beginning of a user on either side of any call part, or the end of a number.
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
    /// The worst that any rule says is one of these. None given, but a class or a rule: what failed, was late, or cannot be told.
    pub outcomes: Vec<Outcome>,
    /// The failure of the worst.
    pub failure: Option<String>,
    /// The rule that says the worst.
    pub rule: Option<String>,
    /// Something went wrong in it, whatever rules say.
    pub problems: bool,
    /// One party left it and another took its place.
    pub transferred: bool,
    /// Nobody refused or ended it, as far as it was logged.
    pub ongoing: bool,
    /// A message that holds this text, in whatever case.
    pub text: Option<String>,
    /// Newer in the list than this.
    pub since: Option<(Timestamp, ScenarioId)>,
}

/// Scenarios that meet a filter by their provisional rows, though what is final does not.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub from: Vec<i64>,
    /// By one row that has the kind, the method and the status.
    pub messages: Vec<i64>,
    pub status: Vec<i64>,
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
        // As long as what is stored may be.
        let prefix = crate::append::searched($prefix);
        $query.push(format_args!(" and {} >= ", $column)).push_bind(prefix.clone());
        if let Some(end) = crate::text::after_prefix(&prefix) {
            $query.push(format_args!(" and {} < ", $column)).push_bind(end);
        }
    }};
}

/// ` and column begins with one of these`, where no index is asked.
macro_rules! push_prefixes {
    ($query:expr, $column:expr, $prefixes:expr) => {{
        $query.push(" and (1 = 0");
        for prefix in $prefixes {
            $query.push(" or (1 = 1");
            push_prefix!($query, $column, prefix);
            $query.push(")");
        }
        $query.push(")");
    }};
}
/// ` and …`: before a place, and what a filter says of when scenarios begin.
macro_rules! push_range {
    ($query:expr, $filter:expr, $before:expr) => {{
        if let Some((first, id)) = $before {
            $query.push(" and first <= ").push_bind(first.0);
            $query.push(" and (first, id) < (").push_bind(first.0).push(", ").push_bind(id.0).push(")");
        }
        if let Some((first, id)) = $filter.since {
            $query.push(" and first >= ").push_bind(first.0);
            $query.push(" and (first, id) > (").push_bind(first.0).push(", ").push_bind(id.0).push(")");
        }
        if let Some(from) = $filter.from {
            $query.push(" and first >= ").push_bind(from.0.saturating_sub(LONGEST));
        }
        if let Some(to) = $filter.to {
            $query.push(" and first < ").push_bind(to.0);
        }
    }};
}
use {push_prefix, push_prefixes, push_range};

/// Scenarios of a class that one question looks at.
pub(crate) const LOOKS: i64 = 5_000;
/// A scenario in a range of time began at most this long before it.
pub(crate) const LONGEST: i64 = 2 * DAY;

impl Store {
    /// Scenarios, never messages; newest first by (first, id), after `before` in the list, at most `limit`. One that was joined
    /// into another is not listed. `from` and `to` want those that were going on in that time.
    ///
    /// Provisional rows count as if they were final: scenarios are shown with what theirs say, and a call that has no
    /// scenario yet stands in the list by itself.
    pub async fn search(
        &self,
        filter: &Filter,
        before: Option<Place>,
        limit: usize,
    ) -> Result<Page<ScenarioRow, ScenarioId>, Error> {
        let mut parts = self.joined(filter, before, limit).await?;
        let (unjoined, cut) = self.unjoined(filter, before, limit).await?;
        parts.push(unjoined);
        let mut page = Part::page(parts, limit);
        if filter.final_status.is_none() {
            self.add_early(&mut page.rows).await?;
        }
        page.waiting_to = cut;
        Ok(page)
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
    /// It may pass over many scenarios before it finds one.
    fn is_sparse(&self) -> bool {
        let people = self.caller.is_some() || self.callee.is_some();
        people || self.chooses()
    }

    /// Of a person's scenarios it leaves some out.
    fn chooses(&self) -> bool {
        let said = self.kind.is_some() || self.is_of_messages() || self.text.is_some();
        let state = self.ends_in_one() || self.problems || self.transferred || self.ongoing;
        said || state || self.to.is_some() || self.from.is_some()
    }

    /// Messages are looked at.
    fn is_of_messages(&self) -> bool {
        self.method.is_some() || self.status.is_some()
    }

    /// One bit of each is set in a scenario that has what is looked for.
    fn said(&self) -> Vec<Said> {
        let kind = self.kind.map(Said::kind);
        let method = self.method.as_deref().map(Said::method);
        let status = self.status.map(|(least, most)| Said::statuses(least, most));
        kind.into_iter().chain(method).chain(status).collect()
    }

    /// Only scenarios that came to some end.
    fn ends_in_one(&self) -> bool {
        self.final_status.is_some() || self.judged().is_some()
    }

    /// What rules are to say of a scenario; none: whatever they say.
    fn judged(&self) -> Option<&[Outcome]> {
        const WRONG: [Outcome; 3] = [Outcome::Failed, Outcome::Late, Outcome::Unknown];
        match (&self.outcomes[..], &self.failure, &self.rule) {
            ([], None, None) => None,
            ([], ..) => Some(&WRONG),
            (outcomes, ..) => Some(outcomes),
        }
    }

    /// Rules say of it what is asked for.
    fn is_judged(&self, row: &ScenarioRow) -> bool {
        let is = |asked: &Option<String>, said: &Option<String>| asked.is_none() || asked == said;
        self.judged().is_none_or(|outcomes| row.outcome.is_some_and(|outcome| outcomes.contains(&outcome)))
            && is(&self.failure, &row.failure)
            && is(&self.rule, &row.rule)
    }

    /// The scenario's final status is in the range asked for.
    fn ends_as(&self, row: &ScenarioRow) -> bool {
        let within = |(least, most): (u16, u16)| row.status.is_some_and(|status| (least..=most).contains(&status));
        self.final_status.is_none_or(within)
    }

    /// Something went wrong in it, it was transferred, or it goes on, where that is asked for.
    fn is_as(&self, row: &ScenarioRow) -> bool {
        let goes_on = row.ending.is_none() && row.ended.is_none() && row.status.is_none_or(|status| status < 300);
        (!self.problems || row.problems.is_some_and(|problems| problems > 0))
            && (!self.transferred || row.transferred_to.is_some())
            && (!self.ongoing || goes_on)
    }

    /// A call without a scenario, of which these users are known, meets the filters on what it says.
    pub(crate) fn takes(&self, row: &ScenarioRow, people: &[String]) -> bool {
        let begins = |sought: &Option<String>, user: Option<&str>| {
            let sought = sought.as_deref().map(Sought::of);
            sought.is_none_or(|sought| user.is_some_and(|user| sought.begins(&append::key(user))))
        };
        let person = self.person.as_deref().map(Sought::of);
        self.listed_classes().contains(&row.class)
            && begins(&self.caller, row.caller.as_deref())
            && begins(&self.callee, row.callee.as_deref())
            && person.is_none_or(|person| people.iter().any(|user| person.is(user)))
            && self.ends_as(row)
            && self.is_as(row)
            && self.is_judged(row)
    }

    /// None given: what people call calls, but a Call-ID, a rule or a failure finds whatever has it.
    fn listed_classes(&self) -> Vec<CallClass> {
        if !self.classes.is_empty() {
            return self.classes.clone();
        }
        let finds_all = self.call_id.is_some() || self.rule.is_some() || self.failure.is_some();
        if finds_all { CallClass::ALL.to_vec() } else { vec![CallClass::Call, CallClass::Message] }
    }
}
