//! Answers that may be of a call or stand for themselves: they go where their request went.

use std::collections::{BTreeMap, BTreeSet};

use message::event::{CallClass, CallEvent};
use record::id::CallKey;
use sqlx::QueryBuilder;

use super::OutboxRow;
use crate::backend::{Transaction, with_pool, with_transaction};
use crate::statement::push_list;
use crate::stored::call_key;
use crate::text::big;
use crate::{Error, Store, statement};

/// Requests that are looked for in the store, for the answers of one round.
const LOOK_UPS: usize = 100;

/// Rows that are of a call though their messages alone do not say so: stream, offset, day.
pub(super) type Moved = Vec<(i64, i64, i32)>;

/// Files such answers with their requests. Gives those whose rows must say so, in the transaction that joins them.
pub(super) async fn settle(store: &Store, rows: &mut [OutboxRow]) -> Result<Moved, Error> {
    let doubtful: BTreeSet<CallKey> =
        events(rows).filter(|event| event.is_in_doubt()).map(|event| event.call).collect();
    let (mut moved, mut asked_store) = (Vec::new(), 0);
    if doubtful.is_empty() {
        return Ok(moved);
    }
    let calls = known_as_calls(store, rows, &doubtful).await?;
    let asked = |event: &CallEvent| (event.call, event.branch.clone(), event.method.clone());
    let requests = events(rows).filter(|event| !event.response && calls.contains(&event.call));
    let requests: BTreeMap<_, CallClass> = requests.map(|event| (asked(event), event.class)).collect();
    for event in rows.iter_mut().flat_map(|row| &mut row.events) {
        if !event.is_in_doubt() || !calls.contains(&event.call) {
            continue;
        }
        let class = match requests.get(&asked(event)) {
            Some(class) => Some(*class),
            None if asked_store < LOOK_UPS => {
                asked_store += 1;
                request_before(store, event).await?
            }
            // A log that holds so many answers without their requests holds none.
            None => None,
        };
        if class.is_none_or(|class| class == CallClass::Call) {
            event.class = CallClass::Call;
            moved.push((event.stream.0, big(event.offset.0), event.day.0));
        }
    }
    Ok(moved)
}

/// Those of these Call-IDs that are known as calls: no other answer is of one.
async fn known_as_calls(
    store: &Store,
    rows: &[OutboxRow],
    doubtful: &BTreeSet<CallKey>,
) -> Result<BTreeSet<CallKey>, Error> {
    let mut calls: BTreeSet<CallKey> =
        events(rows).filter(|event| event.class == CallClass::Call).map(|event| event.call).collect();
    let asked: Vec<CallKey> = doubtful.difference(&calls).copied().collect();
    for list in statement::lists(&asked) {
        let found: Vec<Vec<u8>> = with_pool!(store.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select distinct call from scenario_call where class = ");
            q.push_bind(CallClass::Call.code()).push(" and call in ");
            push_list!(q, list.iter().map(|call| call.0.to_vec()));
            q.build_query_scalar().fetch_all(pool).await?
        });
        for call in found {
            calls.insert(call_key(&call)?);
        }
    }
    Ok(calls)
}

/// The class of the last such request before the answer in its log, if it was stored earlier. An answer comes within the day,
/// or just after midnight.
async fn request_before(store: &Store, event: &CallEvent) -> Result<Option<CallClass>, Error> {
    // By its call: a log has many rows before it.
    let unindexed = store.backend.unindexed();
    let class: Option<i16> = with_pool!(store.backend, pool => {
        let mut q = QueryBuilder::<Db>::new("select class from message where call = ");
        q.push_bind(event.call.0.to_vec()).push(" and day between ").push_bind(event.day.0 - 1);
        q.push(" and ").push_bind(event.day.0);
        q.push(" and ").push(unindexed).push("stream_id = ").push_bind(event.stream.0);
        q.push(" and ").push(unindexed).push("off < ").push_bind(big(event.offset.0));
        q.push(" and status = 0 and method = ").push_bind(&event.method);
        q.push(" order by ").push(unindexed).push("off desc limit 1");
        q.build_query_scalar().fetch_optional(pool).await?
    });
    Ok(class.and_then(CallClass::from_code))
}

/// The rows say from now on that they are of a call: pages read them by their class.
pub(super) async fn file(tx: &mut Transaction, moved: &Moved) -> Result<(), Error> {
    for (stream, offset, day) in moved {
        with_transaction!(tx, db => {
            sqlx::query("update message set class = $1 where stream_id = $2 and off = $3 and day = $4")
                .bind(CallClass::Call.code())
                .bind(stream)
                .bind(offset)
                .bind(day)
                .execute(&mut *db)
                .await?;
        });
    }
    Ok(())
}

fn events(rows: &[OutboxRow]) -> impl Iterator<Item = &CallEvent> {
    rows.iter().flat_map(|row| &row.events)
}
