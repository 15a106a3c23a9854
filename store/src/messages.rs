//! The message list of the API: one by one, in the order of time.

use message::logged::Message;
use record::id::{CallKey, MessageId, Offset, StreamId};
use record::time::{DAY, SECOND, Timestamp};
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::scenario::Found;
use crate::scope::{Most, Read, Scope};
use crate::search::{MessageFilter, Page};
use crate::stored::{Messages, StoredRow};
use crate::text::big;
use crate::{Error, Store, append};

/// The first window of time that is looked at, and one that is too long: then it is asked where calls begin.
const FIRST: i64 = 10 * SECOND;
const LAST: i64 = 30 * DAY;

impl Store {
    /// Ascending by (time, stream, offset), after `after`: at most `limit`, and fewer where messages are large.
    pub async fn messages(
        &self,
        filter: &MessageFilter,
        after: Option<(Timestamp, MessageId)>,
        limit: usize,
    ) -> Result<Page<Message>, Error> {
        let most = Most::rows(limit);
        let Some(scope) = self.scope_of(filter).await? else {
            return Ok(Page { rows: Vec::new(), more: false, searched_to: None, unreadable: 0 });
        };
        let Read { rows, more, .. } = if scope.calls.is_some() {
            self.rows_of(&scope, after, most).await?
        } else {
            self.rows_by_time(scope, after, most).await?
        };
        let Messages { rows, unreadable } = self.messages_of(rows).await?;
        Ok(Page { rows, more, searched_to: None, unreadable })
    }

    /// Final messages of a stream, from one offset up to another, in their order, each that can be read.
    pub(crate) async fn messages_between(
        &self,
        stream: StreamId,
        from: Offset,
        end: Offset,
    ) -> Result<Vec<Result<Message, Error>>, Error> {
        let rows: Vec<StoredRow> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select ");
            q.push(append::COLUMNS).push(", cast(0 as bigint) as provisional from message where stream_id = ");
            q.push_bind(stream.0).push(" and off >= ").push_bind(big(from.0)).push(" and off < ").push_bind(big(end.0));
            q.push(" order by off").build_query_as().fetch_all(pool).await?
        });
        self.each_of(rows).await
    }

    /// None: there can be none.
    async fn scope_of(&self, filter: &MessageFilter) -> Result<Option<Scope>, Error> {
        let mut scope = Scope::default();
        if let Some(mut id) = filter.scenario {
            let scenario = loop {
                match self.scenario(id).await? {
                    Found::Here(scenario) => break scenario,
                    Found::Merged(into) => id = into,
                    Found::Nowhere => return Ok(None),
                }
            };
            scope = Scope::of(&scenario);
        }
        if let Some(call_id) = &filter.call_id {
            let call = CallKey::of(call_id.as_bytes());
            if scope.calls.is_some_and(|calls| !calls.contains(&call)) {
                return Ok(None);
            }
            scope.calls = Some(vec![call]);
        }
        scope.from = scope.from.max(filter.from);
        scope.to = scope.to.into_iter().chain(filter.to).min();
        scope.kind = filter.kind;
        scope.method.clone_from(&filter.method);
        scope.status = filter.status;
        scope.provisional = filter.provisional;
        Ok(Some(scope))
    }

    /// In windows that grow while little is found: no index holds all messages by time.
    async fn rows_by_time(
        &self,
        scope: Scope,
        after: Option<(Timestamp, MessageId)>,
        most: Most,
    ) -> Result<Read, Error> {
        let from = scope.from.max(after.map(|(time, _)| time));
        let mut from = match from {
            Some(from) => from,
            None => self.earliest().await?,
        };
        let mut all = Read::default();
        let mut window = FIRST;
        while !all.more {
            let mut end = Some(Timestamp(from.0.saturating_add(window)));
            window *= 8;
            if window > LAST {
                // On to where the next call begins, which may be decades later: the clock of one message may be wrong.
                (end, window) = (self.next_call(end).await?, FIRST);
            }
            let last = end.is_none() || scope.to.is_some_and(|to| Some(to) <= end);
            let part = Scope { from: Some(from), to: if last { scope.to } else { end }, ..scope.clone() };
            let left = Most { rows: most.rows - all.rows.len(), bytes: most.bytes.saturating_sub(all.bytes) };
            let found = self.rows_of(&part, after, left).await?;
            all.add_all(found, most);
            let Some(end) = end.filter(|_| !last) else { break };
            from = end;
        }
        Ok(all)
    }

    /// When the first call begins, or the first provisional row was logged, at `time` or later.
    async fn next_call(&self, time: Option<Timestamp>) -> Result<Option<Timestamp>, Error> {
        let provisional: Option<i64> = with_pool!(self.backend, pool => {
            sqlx::query_scalar("select min(ts) from provisional where ts >= $1").bind(time.map(|at| at.0)).fetch_one(pool).await?
        });
        let first: Option<i64> = with_pool!(self.backend, pool => {
            sqlx::query_scalar("select min(first) from call_part where first >= $1").bind(time.map(|at| at.0)).fetch_one(pool).await?
        });
        Ok(first.into_iter().chain(provisional).min().map(Timestamp))
    }

    async fn earliest(&self) -> Result<Timestamp, Error> {
        let final_one: Option<i64> = with_pool!(self.backend, pool => {
            sqlx::query_scalar("select min(first) from call_part").fetch_one(pool).await?
        });
        let provisional: Option<i64> = with_pool!(self.backend, pool => {
            sqlx::query_scalar("select min(ts) from provisional").fetch_one(pool).await?
        });
        Ok(Timestamp(final_one.into_iter().chain(provisional).min().unwrap_or(0)))
    }
}
