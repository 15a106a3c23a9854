//! Registrations that a call shows and does not own.

use std::collections::BTreeSet;

use message::borrowed::Wanted;
use message::event::CallClass;
use message::logged::Message;
use record::id::CallKey;
use record::time::{DAY, Timestamp};
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::scope::{Most, Scope};
use crate::statement::push_list;
use crate::stored::call_key;
use crate::{Error, Store};

/// Users whose registrations are looked for, and registrations of them since midnight.
const USERS: usize = 64;
const CALLS: i64 = 500;
/// What is read of these: hundreds of calls are settled together, and each may borrow.
const READ: Most = Most { rows: 200, bytes: 512 << 10 };

impl Store {
    /// The registrations that a call with these messages borrows; none for one that sent no push. `unfinished`: also what is
    /// not read to its end.
    pub async fn borrowed(&self, messages: &[Message], unfinished: bool) -> Result<Vec<Message>, Error> {
        let Some(wanted) = Wanted::of(messages).filter(|wanted| !wanted.users.is_empty()) else {
            return Ok(Vec::new());
        };
        // A registration began on that day at the latest when it was seen on it.
        let (first, last) = (Timestamp(wanted.from.0 - wanted.from.0.rem_euclid(DAY)), wanted.to);
        let rows: Vec<(Vec<u8>, i64, i32)> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new(
                "select call, stream_id, day from call_part where from_user = to_user and from_user in ",
            );
            push_list!(q, wanted.users.iter().take(USERS));
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
}
