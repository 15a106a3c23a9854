//! Responses that may be of a call or stand for themselves: they are of the call, if their Call-ID is known as one.

use std::collections::BTreeSet;

use message::event::{CallClass, CallEvent};
use record::id::CallKey;
use sqlx::QueryBuilder;

use super::OutboxRow;
use crate::backend::with_pool;
use crate::statement::push_list;
use crate::stored::call_key;
use crate::{Error, Store, statement};

pub(super) async fn settle(store: &Store, rows: &mut [OutboxRow]) -> Result<(), Error> {
    let doubtful: BTreeSet<CallKey> =
        events(rows).filter(|event| event.is_in_doubt()).map(|event| event.call).collect();
    if doubtful.is_empty() {
        return Ok(());
    }
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
    let of_calls = rows.iter_mut().flat_map(|row| &mut row.events);
    for event in of_calls.filter(|event| event.is_in_doubt() && calls.contains(&event.call)) {
        event.class = CallClass::Call;
    }
    Ok(())
}

fn events(rows: &[OutboxRow]) -> impl Iterator<Item = &CallEvent> {
    rows.iter().flat_map(|row| &row.events)
}
