//! Which messages are wanted, and the one statement that reads them.

use futures::TryStreamExt;
use message::event::CallClass;
use message::kind::Kind;
use record::id::{CallKey, MessageId};
use record::span::Flags;
use record::time::Timestamp;
use sqlx::QueryBuilder;

use crate::backend::with_pool;
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

/// A provisional message that may be of a call is shown with it: nobody has looked for what made its dialog yet. `of` is the
/// table.
pub(crate) fn doubtful(of: &str) -> String {
    let (keepalive, subscription) = (CallClass::Keepalive.code(), CallClass::Subscription.code());
    format!("({of}class = {subscription} or {of}class = {keepalive} and {of}status > 0)")
}

/// The codes of classes that are filed by day, for a list in SQL.
pub(crate) fn daily() -> String {
    let codes = CallClass::ALL.into_iter().filter(|class| class.is_daily()).map(|class| class.code().to_string());
    codes.collect::<Vec<_>>().join(", ")
}

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
    /// Where messages are numbered: none before this one is wanted.
    pub since_id: Option<i64>,
    /// Exclusive.
    pub to: Option<Timestamp>,
    pub kind: Option<Kind>,
    pub method: Option<String>,
    pub status: Option<(u16, u16)>,
    /// Of scenarios of this class: one Call-ID may have a registration and a call.
    pub class: Option<CallClass>,
    /// Unfinished rows alone, or all but these.
    pub provisional: Option<bool>,
    /// Rows of `provisional` alone.
    pub early: bool,
}

/// How much is read at once. A row counts with what its message takes in memory, at least one row is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Most {
    pub rows: usize,
    pub bytes: usize,
}

/// Bytes of messages that are read at once, unless one alone has more.
const BYTES: usize = 16 << 20;

impl Most {
    /// So many rows, as far as they are not large.
    pub fn rows(rows: usize) -> Self {
        Self { rows, bytes: BYTES }
    }
}

/// Read in their order.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub rows: Vec<StoredRow>,
    /// What their messages take in memory.
    pub bytes: usize,
    /// There may be others after them.
    pub more: bool,
}

impl Read {
    /// Of several lists, those before anything that was left out of one of them, and no more than is wanted.
    fn merged(lists: Vec<Self>, most: Most) -> Self {
        let last = |list: &Self| list.rows.last().filter(|_| list.more).map(StoredRow::place);
        let end = lists.iter().filter_map(last).min();
        let all = lists.len();
        let mut merged = Self { more: end.is_some(), ..Self::default() };
        let mut rows: Vec<StoredRow> = lists.into_iter().flat_map(|list| list.rows).collect();
        if all > 1 {
            rows.sort_by_key(StoredRow::place);
        }
        for row in rows {
            if end.is_some_and(|end| row.place() > end) || !merged.add(row, most) {
                merged.more = true;
                break;
            }
        }
        merged
    }

    /// Those that come after all of these.
    pub fn add_all(&mut self, later: Self, most: Most) {
        for row in later.rows {
            if !self.add(row, most) {
                self.more = true;
                return;
            }
        }
        self.more |= later.more;
    }

    /// False: there is no room for it.
    fn add(&mut self, row: StoredRow, most: Most) -> bool {
        let bytes = row.size();
        let full = self.rows.len() >= most.rows || self.bytes.saturating_add(bytes) > most.bytes;
        if full && !(self.rows.is_empty() && most.rows > 0) {
            return false;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.rows.push(row);
        true
    }
}

impl Store {
    /// Final and provisional rows by (time, stream, offset), after `after`; all as of one moment, so that a message that
    /// becomes final is seen once.
    pub(crate) async fn rows_of(
        &self,
        scope: &Scope,
        after: Option<(Timestamp, MessageId)>,
        most: Most,
    ) -> Result<Read, Error> {
        let Some(calls) = &scope.calls else { return self.rows(scope, None, after, most).await };
        let mut all = Read::default();
        for calls in statement::lists(calls) {
            let list = self.rows(scope, Some(calls), after, most).await?;
            all = Read::merged(vec![all, list], most);
        }
        Ok(all)
    }

    async fn rows(
        &self,
        scope: &Scope,
        calls: Option<Vec<CallKey>>,
        after: Option<(Timestamp, MessageId)>,
        most: Most,
    ) -> Result<Read, Error> {
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
                if let Some(id) = scope.since_id.filter(|_| *sign == 0) {
                    q.push(" and id >= ").push_bind(id);
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
                match scope.class {
                    Some(class) if class.is_daily() => {
                        q.push(" and class = ").push_bind(class.code());
                    }
                    Some(_) => {
                        let doubtful = if *sign == 1 { format!(" or {}", doubtful("")) } else { String::new() };
                        q.push(format_args!(" and (class not in ({}){doubtful})", daily()));
                    }
                    None => {}
                }
                if let Some((time, id)) = after {
                    q.push(" and ts >= ").push_bind(time.0);
                    q.push(" and (ts, stream_id, off) > (").push_bind(time.0).push(", ").push_bind(id.stream.0);
                    q.push(", ").push_bind(big(id.offset.0)).push(")");
                }
            }
            q.push(" order by ts, stream_id, off limit ").push_bind(i64::try_from(most.rows).unwrap_or(i64::MAX - 1) + 1);
            let mut found = Read::default();
            // One by one: a limit of rows is none of bytes.
            let mut read = q.build_query_as().fetch(pool);
            while let Some(row) = read.try_next().await? {
                if !found.add(row, most) {
                    found.more = true;
                    break;
                }
            }
            found
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ts: i64, len: usize) -> StoredRow {
        StoredRow {
            ts,
            stream_id: 1,
            off: ts,
            len: len as i64,
            src: 0,
            dst: 0,
            head: 0,
            line_end: 0,
            kind: 0,
            status: 0,
            flags: 0,
            dictionary: 0,
            call: Vec::new(),
            method: String::new(),
            masked: Vec::new(),
            raw: Vec::new(),
            provisional: 0,
        }
    }

    fn read(rows: &[StoredRow], most: Most) -> Read {
        let mut found = Read::default();
        found.more = rows.iter().any(|row| !found.add(self::row(row.ts, row.len as usize), most));
        found
    }

    fn times(rows: &Read) -> Vec<i64> {
        rows.rows.iter().map(|row| row.ts).collect()
    }

    #[test]
    fn large_rows_end_a_page_and_one_that_is_larger_than_a_page_is_a_page() {
        let most = Most { rows: 3, bytes: 10_000 };
        let small: Vec<StoredRow> = (0..4).map(|at| row(at, 10)).collect();
        assert_eq!((times(&read(&small, most)), read(&small, most).more), (vec![0, 1, 2], true));
        let large = [row(0, 5_000), row(1, 5_000), row(2, 10)];
        assert_eq!((times(&read(&large, most)), read(&large, most).more), (vec![0], true));
        let huge = [row(0, 1 << 40), row(1, 10)];
        assert_eq!((times(&read(&huge, most)), read(&huge, most).more), (vec![0], true));
        assert_eq!((times(&read(&huge[1..], most)), read(&huge[1..], most).more), (vec![1], false));
    }

    #[test]
    fn nothing_stands_in_a_page_that_comes_after_what_was_left_out_of_one_of_its_lists() {
        let most = Most { rows: 10, bytes: 10_000 };
        let one: Vec<StoredRow> = [1, 4, 7].map(|at| row(at, 6_000)).into();
        let other: Vec<StoredRow> = [2, 3, 5].map(|at| row(at, 10)).into();
        let lists = || vec![read(&one, most), read(&other, most)];
        assert_eq!(
            lists().iter().map(|list| (times(list), list.more)).collect::<Vec<_>>(),
            [(vec![1], true), (vec![2, 3, 5], false)]
        );
        let merged = Read::merged(lists(), most);
        assert_eq!((times(&merged), merged.more), (vec![1], true));
        let few = Most { rows: 2, ..most };
        let merged = Read::merged(vec![read(&other, few), read(&[], few)], few);
        assert_eq!((times(&merged), merged.more), (vec![2, 3], true));
    }
}
