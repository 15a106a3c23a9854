//! The message list of the API: one by one, in the order of time.

use message::logged::Message;
use record::id::{CallKey, MessageId, Offset, StreamId};
use record::time::Timestamp;
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::page::Page;
use crate::scenario::Found;
use crate::scope::{Most, Read, Scope};
use crate::search::MessageFilter;
use crate::stored::{Messages, StoredRow};
use crate::text::big;
use crate::{Error, Store, append};

/// Messages are looked at from where one call begins to where another one does: as many calls at first, and as many for one
/// page. No index holds all messages by time, and what is rare must not take ever longer to be found.
const FIRST: i64 = 100;
const LOOKS: i64 = 3_000;
/// Of these, about so many messages: phones that refresh all day begin once.
const MESSAGES: i64 = 30_000;

impl Store {
    /// Ascending by (time, stream, offset), after `after`: at most `limit`, and fewer where messages are large.
    pub async fn messages(
        &self,
        filter: &MessageFilter,
        after: Option<(Timestamp, MessageId)>,
        limit: usize,
    ) -> Result<Page<Message, MessageId>, Error> {
        let most = Most::rows(limit);
        let Some(scope) = self.scope_of(filter).await? else { return Ok(Page::default()) };
        if scope.calls.is_some() {
            let read = self.rows_of(&scope, after, most).await?;
            return self.page_of(read).await;
        }
        let (read, end) = self.rows_by_time(scope, after, most).await?;
        let page = self.page_of(read).await?;
        Ok(match end.filter(|_| page.next.is_none()) {
            // After all that was logged before the end.
            Some(end) => {
                let last = MessageId::new(StreamId(i64::MAX), Offset(i64::MAX as u64));
                Page { next: Some((Timestamp(end.0 - 1), last)), searched_to: Some(end), ..page }
            }
            None => page,
        })
    }

    pub(crate) async fn page_of(&self, read: Read) -> Result<Page<Message, MessageId>, Error> {
        let next = read.rows.last().filter(|_| read.more).map(|last| (Timestamp(last.ts), last.id()));
        let Messages { rows, unreadable } = self.messages_of(read.rows).await?;
        Ok(Page { rows, next, unreadable, ..Page::default() })
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
            scope = scenario.scope();
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

    /// And up to when was looked, where more may follow.
    async fn rows_by_time(
        &self,
        scope: Scope,
        after: Option<(Timestamp, MessageId)>,
        most: Most,
    ) -> Result<(Read, Option<Timestamp>), Error> {
        let from = scope.from.max(after.map(|(time, _)| time));
        let mut from = match from {
            Some(from) => from,
            None => self.earliest().await?,
        };
        let mut all = Read::default();
        let (mut looked, mut calls) = (0, FIRST);
        loop {
            let end = self.call_after(from, calls).await?;
            if end == Some(from) {
                // They all begin at one moment.
                calls *= 4;
                continue;
            }
            looked += calls;
            // Where so many messages come before that, it is enough for one page.
            let soon = self.backend.after_messages(from, MESSAGES).await?;
            let end = match soon.filter(|soon| soon.0 > from.0 + 1 && end.is_none_or(|end| *soon < end)) {
                Some(soon) => {
                    looked = LOOKS;
                    Some(soon)
                }
                None => end,
            };
            let last = end.is_none() || scope.to.is_some_and(|to| Some(to) <= end);
            let part = Scope { from: Some(from), to: if last { scope.to } else { end }, ..scope.clone() };
            let left = Most { rows: most.rows - all.rows.len(), bytes: most.bytes.saturating_sub(all.bytes) };
            let found = self.rows_of(&part, after, left).await?;
            all.add_all(found, most);
            let end = end.filter(|_| !last && !all.more);
            match end {
                Some(end) if looked < LOOKS => from = end,
                end => return Ok((all, end)),
            }
            calls = (calls * 4).min(LOOKS - looked).max(FIRST);
        }
    }

    /// When the call begins that so many others begin before, at `time` or later.
    async fn call_after(&self, time: Timestamp, calls: i64) -> Result<Option<Timestamp>, Error> {
        let first: Option<i64> = with_pool!(self.backend, pool => {
            sqlx::query_scalar("select first from call_part where first >= $1 order by first limit 1 offset $2")
                .bind(time.0)
                .bind(calls)
                .fetch_optional(pool)
                .await?
        });
        Ok(first.map(Timestamp))
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
