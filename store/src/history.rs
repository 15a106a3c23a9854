//! Calls that are judged again as if they had just been settled: nothing is kept of it.

use message::event::CallClass;
use message::logged::Message;
use record::id::ScenarioId;
use record::time::Timestamp;
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::search::LONGEST;
use crate::settle::{Due, MOST, READ};
use crate::{Error, Store};

#[derive(sqlx::FromRow)]
struct Past {
    id: i64,
    version: i64,
    messages: i64,
    first: i64,
}

impl Store {
    /// Calls with a message since a time, in the order in which they began, from a place on; fewer than `most` where they are
    /// large, and none at the end. Each with when it began: together with its id, that is its place.
    pub async fn calls_since(
        &self,
        from: Timestamp,
        after: Option<(Timestamp, ScenarioId)>,
        most: usize,
    ) -> Result<Vec<(Timestamp, Due)>, Error> {
        let (first, id) = after.unwrap_or((Timestamp(from.0.saturating_sub(LONGEST)), ScenarioId(0)));
        let rows: Vec<Past> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select id, version, messages, first from scenario");
            q.push(" where merged_into is null and class = ").push_bind(CallClass::Call.code());
            q.push(" and first >= ").push_bind(first.0);
            q.push(" and (first, id) > (").push_bind(first.0).push(", ").push_bind(id.0).push(") and last >= ");
            q.push_bind(from.0).push(" and messages <= ").push_bind(MOST);
            q.push(" order by first, id limit ").push_bind(most as i64).build_query_as().fetch_all(pool).await?
        });
        let mut all = 0;
        let fits = |row: &Past| {
            let is_first = all == 0;
            all += row.messages;
            is_first || all <= READ
        };
        let call = |row: Past| {
            (
                Timestamp(row.first),
                Due { id: ScenarioId(row.id), version: row.version, class: CallClass::Call, from: None, again: true },
            )
        };
        Ok(rows.into_iter().take_while(fits).map(call).collect())
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
