//! Scenarios that are judged again as if they had just been settled: nothing is kept of it.

use message::event::CallClass;
use message::logged::Message;
use record::id::ScenarioId;
use record::time::Timestamp;
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::search::{LOOKS, Place};
use crate::settle::{Due, MOST, READ};
use crate::{Error, Store};

#[derive(sqlx::FromRow)]
struct Past {
    id: i64,
    version: i64,
    messages: i64,
    first: i64,
}

/// ` from …`: so many calls after a place.
macro_rules! push_next {
    ($query:expr, $class:expr, $first:expr, $id:expr, $most:expr) => {{
        $query.push(" from scenario where merged_into is null and class = ").push_bind($class.code());
        $query.push(" and first >= ").push_bind($first.0).push(" and (first, id) > (").push_bind($first.0);
        $query.push(", ").push_bind($id.0).push(") order by first, id limit ").push_bind($most);
    }};
}

/// Scenarios in the order in which they began, with when that was: together with its id it is its place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PastCalls {
    pub calls: Vec<(Timestamp, Due)>,
    /// From where there may be more.
    pub next: Option<Place>,
}

impl Store {
    /// Scenarios of a class with a message since a time, from a place on; fewer than `most` where they are large, or few among those that
    /// began then.
    pub async fn calls_since(
        &self,
        class: CallClass,
        from: Timestamp,
        after: Place,
        most: usize,
    ) -> Result<PastCalls, Error> {
        let (first, id) = after;
        let rows: Vec<Past> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select id, version, messages, first from (select id, version, messages, first, last");
            push_next!(q, class, first, id, LOOKS);
            q.push(") as looked where last >= ").push_bind(from.0).push(" and messages <= ").push_bind(MOST);
            q.push(" order by first, id limit ").push_bind(most as i64).build_query_as().fetch_all(pool).await?
        });
        let found = rows.len();
        let mut all = 0;
        let fits = |row: &Past| {
            let is_first = all == 0;
            all += row.messages;
            is_first || all <= READ
        };
        let call = |row: Past| {
            let id = ScenarioId(row.id);
            let from = class.is_daily().then_some(Timestamp(row.first));
            (Timestamp(row.first), Due { id, version: row.version, class, from, again: true })
        };
        let calls: Vec<_> = rows.into_iter().take_while(fits).map(call).collect();
        let is_cut = found == most || calls.len() < found;
        let next = match calls.last().filter(|_| is_cut) {
            Some((first, due)) => Some((*first, due.id)),
            None => self.last_looked_at(class, after).await?,
        };
        Ok(PastCalls { calls, next })
    }

    /// The last of the calls that one question looks at, if there are as many.
    async fn last_looked_at(&self, class: CallClass, (first, id): Place) -> Result<Option<Place>, Error> {
        let last: Option<(i64, i64)> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select first, id");
            push_next!(q, class, first, id, 1);
            q.push(" offset ").push_bind(LOOKS - 1).build_query_as().fetch_optional(pool).await?
        });
        Ok(last.map(|(first, id)| (Timestamp(first), ScenarioId(id))))
    }

    /// When the newest call began.
    pub async fn newest_call(&self) -> Result<Option<Timestamp>, Error> {
        let first: Option<i64> = with_pool!(self.backend, pool => {
            sqlx::query_scalar(
                "select first from scenario where merged_into is null and class = $1 order by first desc, id desc limit 1",
            )
            .bind(CallClass::Call.code())
            .fetch_optional(pool)
            .await?
        });
        Ok(first.map(Timestamp))
    }

    /// The messages of calls, as whoever settles them reads these.
    pub async fn past_messages(&self, calls: &[Due]) -> Result<Vec<(Due, Vec<Message>)>, Error> {
        self.messages_to_settle(calls, false).await
    }
}
