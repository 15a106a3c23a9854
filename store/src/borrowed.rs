//! Registrations that a call shows and does not own: those that are there, and whose call it is that waits for others.

use std::collections::{BTreeMap, BTreeSet};

use message::borrowed::Wanted;
use message::event::{CallClass, CallEvent};
use message::logged::Message;
use record::id::{CallKey, ScenarioId};
use record::time::{DAY, HOUR, MINUTE, Timestamp};
use sqlx::QueryBuilder;

use crate::append::{key, searched};
use crate::backend::{with_pool, with_transaction};
use crate::scope::{Most, Scope};
use crate::statement::push_list;
use crate::stored::call_key;
use crate::{Error, Store, statement};

/// Users whose registrations are looked for, and registrations of them since midnight.
const USERS: usize = 64;
const CALLS: i64 = 500;
/// And of those before a call.
const BEFORE: i64 = 32;
/// What is read of these: hundreds of calls are settled together, and each may borrow.
const READ: Most = Most { rows: 200, bytes: 512 << 10 };
/// Calls that the registrations of a few hundred people make due again.
const AGAIN: i64 = 1_000;
/// Registrations of one person that are looked at as one: that is what a phone sends for one.
const TOGETHER: i64 = MINUTE;

impl Store {
    /// The registrations that a call with these messages borrows; none for one that sent no push. `unfinished`: also what is
    /// not read to its end.
    pub async fn borrowed(&self, messages: &[Message], unfinished: bool) -> Result<Vec<Message>, Error> {
        match Wanted::of(messages) {
            Some(wanted) => self.registrations(&wanted, unfinished).await,
            None => Ok(Vec::new()),
        }
    }

    /// What these users registered within a day before a time, the newest.
    pub async fn registrations_before(&self, users: &BTreeSet<String>, time: Timestamp) -> Result<Vec<Message>, Error> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(Vec<u8>, i64, i32)> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new(
                "select call, stream_id, day from call_part where from_user = to_user and from_user in ",
            );
            push_list!(q, users.iter().map(|user| searched(user)).take(USERS));
            // It began on the day on which it is filed.
            q.push(" and first >= ").push_bind(time.0.saturating_sub(2 * DAY)).push(" and first < ").push_bind(time.0);
            q.push(" order by first desc, call limit ").push_bind(BEFORE);
            q.build_query_as().fetch_all(pool).await?
        });
        let mut calls: BTreeSet<CallKey> = BTreeSet::new();
        for (call, ..) in &rows {
            calls.insert(call_key(call)?);
        }
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        // Of one that is refreshed every minute the last hour says enough.
        let mut found = Vec::new();
        for span in [HOUR, DAY] {
            let scope = Scope {
                calls: Some(calls.iter().copied().collect()),
                streams: rows.iter().map(|(_, stream, _)| *stream).collect::<BTreeSet<_>>().into_iter().collect(),
                days: rows.iter().map(|(.., day)| *day).collect::<BTreeSet<_>>().into_iter().collect(),
                from: Some(Timestamp(time.0.saturating_sub(span))),
                to: Some(time),
                class: Some(CallClass::Registration),
                provisional: Some(false),
                ..Scope::default()
            };
            let read = self.rows_of(&scope, None, READ).await?;
            found = self.messages_of(read.rows).await?.rows;
            if !found.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    /// Those that are wanted, as far as they are there.
    pub(crate) async fn registrations(&self, wanted: &Wanted, unfinished: bool) -> Result<Vec<Message>, Error> {
        if wanted.users.is_empty() {
            return Ok(Vec::new());
        }
        // A registration began on that day at the latest when it was seen on it.
        let (first, last) = (Timestamp(wanted.from.0 - wanted.from.0.rem_euclid(DAY)), wanted.to);
        let rows: Vec<(Vec<u8>, i64, i32)> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new(
                "select call, stream_id, day from call_part where from_user = to_user and from_user in ",
            );
            push_list!(q, wanted.users.iter().map(|user| searched(user)).take(USERS));
            q.push(" and first >= ").push_bind(first.0).push(" and first <= ").push_bind(last.0);
            q.push(" order by first desc, call limit ").push_bind(CALLS);
            q.build_query_as().fetch_all(pool).await?
        });
        let mut calls: BTreeSet<CallKey> = BTreeSet::new();
        for (call, ..) in &rows {
            calls.insert(call_key(call)?);
        }
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let scope = Scope {
            calls: Some(calls.into_iter().collect()),
            streams: rows.iter().map(|(_, stream, _)| *stream).collect::<BTreeSet<_>>().into_iter().collect(),
            days: rows.iter().map(|(.., day)| *day).collect::<BTreeSet<_>>().into_iter().collect(),
            from: Some(wanted.from),
            to: Some(Timestamp(wanted.to.0.saturating_add(1))),
            class: Some(CallClass::Registration),
            provisional: if unfinished { None } else { Some(false) },
            ..Scope::default()
        };
        let read = self.rows_of(&scope, None, READ).await?;
        Ok(wanted.taken(self.messages_of(read.rows).await?.rows))
    }

    /// Keeps what calls want, before they look for it: what is joined from now on makes them due again.
    pub(crate) async fn want(&self, calls: &[(ScenarioId, Wanted)]) -> Result<(), Error> {
        let rows: BTreeMap<(String, i64, i64), i64> = calls
            .iter()
            .flat_map(|(id, wanted)| {
                let users = wanted.users.iter().take(USERS);
                users.map(|user| ((searched(user), wanted.from.0, id.0), wanted.to.0))
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = rows.into_iter().collect();
        let mut tx = self.backend.begin().await?;
        for some in statement::chunks(&rows) {
            with_transaction!(&mut tx, db => {
                let mut q = QueryBuilder::<Db>::new("insert into wanted (first, last, scenario_id, person) ");
                q.push_values(some, |mut row, ((person, first, id), last)| {
                    row.push_bind(*first).push_bind(*last).push_bind(*id).push_bind(person);
                });
                q.push(
                    " on conflict (person, first, scenario_id) do update set last = excluded.last
                      where wanted.last < excluded.last",
                );
                q.build().execute(&mut *db).await?;
            });
        }
        tx.commit().await
    }

    /// Calls that want registrations among these events.
    pub(crate) async fn wanting(&self, events: impl Iterator<Item = &CallEvent>) -> Result<BTreeSet<i64>, Error> {
        let mut registered: BTreeMap<(String, i64), (i64, i64)> = BTreeMap::new();
        for event in events.filter(|event| event.class == CallClass::Registration && event.from == event.to) {
            let Some(person) = event.from.as_deref().map(key) else { continue };
            let time = event.time.0;
            let times = registered.entry((person, time.div_euclid(TOGETHER))).or_insert((time, time));
            *times = (times.0.min(time), times.1.max(time));
        }
        let registered: Vec<_> = registered.into_iter().collect();
        let mut calls = BTreeSet::new();
        for some in statement::chunks(&registered) {
            let found: Vec<i64> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select distinct w.scenario_id from (");
                q.push_values(some, |mut row, ((person, _), (first, last))| {
                    row.push_bind(person).push_bind(first).push_bind(last);
                });
                // No call waits for a day.
                q.push(") as r join wanted w on w.person = r.column1 and w.first <= r.column3 and w.last >= r.column2");
                q.push(" and w.first >= r.column2 - ").push_bind(DAY).push(" limit ").push_bind(AGAIN);
                q.build_query_scalar().fetch_all(pool).await?
            });
            calls.extend(found);
        }
        Ok(calls)
    }
}
