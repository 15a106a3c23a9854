//! Which messages are wanted, and the one statement that reads them.

use std::collections::BTreeSet;

use message::kind::Kind;
use record::id::{CallKey, MessageId};
use record::span::Flags;
use record::time::Timestamp;
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::scenario::{Scenario, Subject};
use crate::statement::push_list;
use crate::stored::StoredRow;
use crate::text::big;
use crate::{Error, Store, append, statement};

/// ` and …` for the kind, method and status that messages of this filter have.
macro_rules! push_matching {
    ($query:expr, $filter:expr) => {{
        if let Some(kind) = $filter.kind {
            $query.push(" and kind = ").push_bind(kind.code());
        }
        if let Some(method) = &$filter.method {
            $query.push(" and method = ").push_bind(method);
        }
        if let Some((least, most)) = $filter.status {
            $query.push(" and status between ").push_bind(i32::from(least)).push(" and ").push_bind(i32::from(most));
        }
    }};
}

pub(crate) use push_matching;

/// A list longer than this is no help to the database.
const LIST: usize = 1024;

/// All that is given must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// None: of any call.
    pub calls: Option<Vec<CallKey>>,
    /// Where the calls lie; empty: anywhere. Provisional rows are found by their call alone.
    pub streams: Vec<i64>,
    pub days: Vec<i32>,
    pub from: Option<Timestamp>,
    /// Exclusive.
    pub to: Option<Timestamp>,
    pub kind: Option<Kind>,
    pub method: Option<String>,
    pub status: Option<(u16, u16)>,
    /// Unfinished rows alone, or all but these.
    pub provisional: Option<bool>,
    /// Rows of `provisional` alone.
    pub early: bool,
}

impl Scope {
    /// The messages of a scenario, or of a call that has none yet. A call that is filed by day has a scenario a day.
    pub fn of(scenario: &Scenario) -> Self {
        let parts = || scenario.calls.iter().flat_map(|call| &call.streams);
        let day = scenario.row.first.day();
        let daily = scenario.row.class.is_daily();
        let last = match scenario.row.subject {
            Subject::Scenario(_) => day,
            Subject::Call(..) => scenario.row.last.day(),
        };
        Self {
            calls: Some(scenario.calls.iter().map(|call| call.call).collect()),
            streams: parts().map(|(stream, _)| stream.0).collect::<BTreeSet<_>>().into_iter().collect(),
            days: parts().map(|(_, day)| day.0).collect::<BTreeSet<_>>().into_iter().collect(),
            from: daily.then(|| day.start()),
            to: daily.then(|| last.end()),
            ..Self::default()
        }
    }
}

impl Store {
    /// Final and provisional rows by (time, stream, offset), behind `after`, at most `limit`; all as of one moment, so
    /// that a message that becomes final is seen once.
    pub(crate) async fn rows_of(
        &self,
        scope: &Scope,
        after: Option<(Timestamp, MessageId)>,
        limit: usize,
    ) -> Result<Vec<StoredRow>, Error> {
        let Some(calls) = &scope.calls else { return self.rows(scope, None, after, limit).await };
        let mut rows = Vec::new();
        for calls in statement::lists(calls) {
            rows.extend(self.rows(scope, Some(calls), after, limit).await?);
        }
        rows.sort_by_key(StoredRow::place);
        rows.truncate(limit);
        Ok(rows)
    }

    async fn rows(
        &self,
        scope: &Scope,
        calls: Option<Vec<CallKey>>,
        after: Option<(Timestamp, MessageId)>,
        limit: usize,
    ) -> Result<Vec<StoredRow>, Error> {
        let calls: Option<Vec<Vec<u8>>> = calls.map(|calls| calls.iter().map(|call| call.0.to_vec()).collect());
        let early = scope.early || scope.provisional == Some(true);
        let halves: &[(&str, i16)] = if early { &[("provisional", 1)] } else { &[("message", 0), ("provisional", 1)] };
        let unindexed = self.backend.unindexed();
        Ok(with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("");
            for (table, sign) in halves {
                if *sign == 1 && halves.len() > 1 {
                    q.push(" union all ");
                }
                q.push("select ").push(append::COLUMNS);
                let by_time = scope.from.filter(|_| *sign == 0 && calls.is_none());
                let (from, marked) = if by_time.is_some() { self.backend.messages_by_time() } else { (*table, false) };
                q.push(format_args!(", cast({sign} as bigint) as provisional from {from} where 1 = 1"));
                if let Some(from) = by_time.filter(|_| marked) {
                    q.push(" and max_ts >= ").push_bind(from.0);
                    if let Some(to) = scope.to {
                        q.push(" and min_ts < ").push_bind(to.0);
                    }
                }
                if let Some(calls) = &calls {
                    q.push(" and call in ");
                    push_list!(q, calls);
                }
                if *sign == 0 && !scope.streams.is_empty() && scope.streams.len() <= LIST {
                    q.push(" and ").push(unindexed).push("stream_id in ");
                    push_list!(q, &scope.streams);
                }
                if *sign == 0 && !scope.days.is_empty() && scope.days.len() <= LIST {
                    q.push(" and ").push(unindexed).push("day in ");
                    push_list!(q, &scope.days);
                }
                if let Some(from) = scope.from {
                    q.push(" and ts >= ").push_bind(from.0);
                }
                if let Some(to) = scope.to {
                    q.push(" and ts < ").push_bind(to.0);
                }
                if let Some(unfinished) = scope.provisional.filter(|_| *sign == 1) {
                    let sign = if unfinished { "<>" } else { "=" };
                    q.push(format_args!(" and (flags & {}) {sign} 0", Flags::UNFINISHED.bits()));
                }
                push_matching!(q, scope);
                if let Some((time, id)) = after {
                    q.push(" and ts >= ").push_bind(time.0);
                    q.push(" and (ts, stream_id, off) > (").push_bind(time.0).push(", ").push_bind(id.stream.0);
                    q.push(", ").push_bind(big(id.offset.0)).push(")");
                }
            }
            q.push(" order by ts, stream_id, off limit ").push_bind(limit as i64);
            q.build_query_as().fetch_all(pool).await?
        }))
    }
}
