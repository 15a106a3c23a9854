//! What two collectors took up in one moment, each without knowing of the other: a message that may be of a call and that call, or
//! two calls of which one is named by the other. Whoever stores last finds what the other has stored before; and so does whoever
//! settles the call later, where that one was killed.

use std::collections::{BTreeMap, BTreeSet};

use message::event::CallClass;
use message::keys::Key;
use record::id::{CallKey, Offset};
use record::time::Timestamp;
use sqlx::QueryBuilder;

use super::exchange::Exchanges;
use super::{Brought, OutboxRow, doubt, referred};
use crate::backend::with_pool;
use crate::settle::Due;
use crate::statement::push_list;
use crate::stored::call_key;
use crate::{Error, Store, statement};

/// Calls, and the keys by which others name them.
#[derive(Default)]
struct Calls {
    calls: BTreeSet<CallKey>,
    own: BTreeMap<[u8; 16], Key>,
}

impl Store {
    /// Joins to calls that are to be settled what another collector took up in the same moment as they came. Gives how many messages.
    pub async fn join_missed(&self, due: &[Due], now: Timestamp) -> Result<usize, Error> {
        if !self.is_shared() {
            return Ok(0);
        }
        let ids: Vec<i64> = due.iter().filter(|due| due.class == CallClass::Call).map(|due| due.id.0).collect();
        let mut all = Calls::default();
        for list in statement::lists(&ids) {
            let rows: Vec<(Vec<u8>, String)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select call, call_id from scenario_call where scenario_id in ");
                push_list!(q, list);
                q.build_query_as().fetch_all(pool).await?
            });
            for (call, call_id) in rows {
                all.calls.insert(call_key(&call)?);
                all.own.extend(Key::own(&call_id).map(|key| (key.hash(), key)));
            }
        }
        all.own.extend(referred::named_by(self, &all.calls).await?);
        Box::pin(join(self, all, now)).await
    }
}

/// What came while these rows were applied: to their calls, and calls to them.
pub(super) async fn since(store: &Store, now: Timestamp, brought: &Brought) -> Result<usize, Error> {
    let mut calls = doubt::missing(store, &brought.rows).await?;
    let mut own = brought.referred.missed(store).await?;
    let events = brought.rows.iter().flat_map(|row| &row.events);
    for event in events.filter(|event| event.class == CallClass::Call) {
        calls.insert(event.call);
        own.extend(event.keys.first().map(|key| (key.hash(), key.clone())));
    }
    join(store, Calls { calls, own }, now).await
}

/// Nothing in most cases. What somebody else changes in the same moment is left to him.
async fn join(store: &Store, Calls { calls, own }: Calls, now: Timestamp) -> Result<usize, Error> {
    let (events, doubts) = doubt::missed(store, &calls).await?;
    let referred = referred::waiting(store, &own).await?;
    let Some(first) = events.iter().chain(&referred.again).next() else {
        return referred.forget(store, now).await.map(|()| 0);
    };
    let (stream, none, count) = (first.stream, Offset(0), events.len() + referred.again.len());
    let rows = vec![OutboxRow { stream, from: none, end: none, events, unreadable: false }];
    let mut brought = Brought { rows, doubts, exchanges: Exchanges::default(), referred };
    let done = store.apply(None, now, &mut brought).await?;
    Ok(if done.applied { count } else { 0 })
}

#[cfg(test)]
mod tests {
    use record::time::{HOUR, SECOND};

    use super::*;
    use crate::search::Filter;
    use crate::tests::fixture::{File, NOON, OWNER, Says, correlate, says, scenarios};
    use crate::tests::store_test;

    /// A call, and in logs of their own what may be of it, or names it: as four collectors see them that know of nothing else.
    async fn at_once(store: &Store, nth: i64) -> Vec<Brought> {
        let name = |what: &str| -> &'static str { format!("{what}-{nth}").leak() };
        let of = |at, method, class| says(name("call"), at, method).class(class).by_tag("f").tagged();
        let logs = [
            says(name("call"), 0, "INVITE").by_tag("f"),
            of(1, "NOTIFY", CallClass::Subscription),
            of(2, "OPTIONS", CallClass::Keepalive).status(200),
            Says { cid: Some(name("call")), ..says(name("referred"), 3, "INVITE") },
        ];
        for (at, log) in logs.into_iter().enumerate() {
            File::new(10 * nth + at as i64 + 1).log(store, [log]).await;
        }
        let mut all = Vec::new();
        for row in store.outbox(OWNER, NOON, HOUR, 10).await.unwrap() {
            all.push(Brought::find(store, vec![row]).await.unwrap());
        }
        all
    }

    async fn check_are_one(store: &Store, orders: usize) {
        let names = |nth: usize| vec![format!("call-{nth}"), format!("referred-{nth}")];
        assert_eq!(scenarios(store).await, (0..orders).map(names).collect::<Vec<_>>());
        for row in store.search(&Filter::default(), None, 10).await.unwrap().rows {
            assert_eq!((row.messages, row.class), (4, CallClass::Call));
        }
        assert_eq!(store.totals().await.unwrap().scenarios, orders as i64);
    }

    store_test! {
        async fn whoever_stores_last_finds_what_another_stored_in_the_same_moment(store) {
            for (nth, order) in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]].into_iter().enumerate() {
                let mut all: Vec<_> = at_once(&store, nth as i64).await.into_iter().map(Some).collect();
                for at in order {
                    let mut brought = all[at].take().unwrap();
                    assert!(store.apply(Some(OWNER), NOON, &mut brought).await.unwrap().applied);
                    since(&store, NOON, &brought).await.unwrap();
                }
            }
            check_are_one(&store, 4).await;
        }

        async fn of_two_answers_that_come_at_once_each_goes_to_a_request_of_its_own(store) {
            let asks = |call, at| says(call, at, "GET").exchange(1);
            let answers = |call, at| says(call, at, "").status(200).exchange(1);
            File::new(1).log(&store, [asks("call-a", 0), asks("call-b", 1)]).await;
            correlate(&store, 10).await;
            File::new(2).log(&store, [answers("answer-1", 2)]).await;
            File::new(3).log(&store, [answers("answer-2", 10)]).await;
            let mut both = Vec::new();
            for row in store.outbox(OWNER, NOON, HOUR, 10).await.unwrap() {
                both.push(Brought::find(&store, vec![row]).await.unwrap());
            }
            let mut applied = Vec::new();
            for brought in &mut both {
                let done = store.apply(Some(OWNER), NOON, brought).await.unwrap();
                applied.push((done.applied, done.again));
            }
            assert_eq!(applied, [(true, false), (false, true)]);
            correlate(&store, 10).await;
            assert_eq!(scenarios(&store).await, [vec!["answer-1", "call-a"], vec!["answer-2", "call-b"]]);
        }

        async fn what_a_killed_collector_did_not_look_for_is_found_when_the_call_is_settled(store) {
            for mut brought in at_once(&store, 0).await {
                assert!(store.apply(Some(OWNER), NOON, &mut brought).await.unwrap().applied);
            }
            let all = Filter { classes: CallClass::ALL.to_vec(), ..Filter::default() };
            assert_eq!(store.search(&all, None, 10).await.unwrap().rows.len(), 4, "each alone");
            let later = Timestamp(NOON.0 + 60 * SECOND);
            let due = store.due("settler", later, SECOND, 10).await.unwrap();
            let joined = store.join_missed(&due, later).await.unwrap();
            // A database of one process has no other.
            assert_eq!(joined, if store.is_shared() { 3 } else { 0 });
            if store.is_shared() {
                check_are_one(&store, 1).await;
                assert_eq!(store.join_missed(&due, later).await.unwrap(), 0, "once");
            }
        }

        async fn a_call_that_names_one_finds_it_when_it_is_settled_itself(store) {
            for mut brought in at_once(&store, 0).await {
                assert!(store.apply(Some(OWNER), NOON, &mut brought).await.unwrap().applied);
            }
            let later = Timestamp(NOON.0 + 60 * SECOND);
            for due in store.due("settler", later, SECOND, 10).await.unwrap() {
                let crate::scenario::Found::Here(scenario) = store.scenario(due.id).await.unwrap() else { continue };
                if store.is_shared() && scenario.calls.iter().any(|call| call.call_id == "referred-0") {
                    assert_eq!(store.join_missed(&[due], later).await.unwrap(), 1);
                    assert!(scenarios(&store).await.contains(&vec!["call-0".into(), "referred-0".into()]));
                }
            }
        }
    }
}
