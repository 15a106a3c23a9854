//! Scenarios whose messages hold a text: a branch, a User-Agent, an address, a push token, whatever stands in them. No index
//! has it, so messages are read, the newest scenarios first.

use std::collections::{BTreeSet, HashMap, HashSet};

use message::logged::Message;
use record::id::{CallKey, ScenarioId};
use record::time::{Day, Timestamp};
use regex::bytes::{Regex, RegexBuilder};

use crate::backend::with_pool;
use crate::scenario::ScenarioRow;
use crate::scope::{Most, Scope};
use crate::statement::push_list;
use crate::{Error, Store, statement, stored};

/// Scenarios that are looked at in one go.
pub(super) const STRIDE: usize = 250;
/// Messages and bytes that are read for one page, and messages at once; and of a scenario that alone has more than all these.
const READS: usize = 10_000;
const BYTES: usize = 32 << 20;
const AT_ONCE: usize = 2_000;
const MOST: usize = 60_000;
/// A longer one is cut.
const LONGEST: usize = 512;

/// A text that is looked for, in whatever case. Where it begins or ends with a digit no other digit stands beside it:
/// `192.0.2.1` is not in `192.0.2.10`.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    literal: Option<Regex>,
    /// Digits at its two ends.
    digits: (bool, bool),
}

impl Text {
    pub fn of(text: &str) -> Self {
        let text = &text[..text.floor_char_boundary(LONGEST)];
        let pattern = regex::escape(text);
        let literal = RegexBuilder::new(&pattern).case_insensitive(true).unicode(false).build().ok();
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        Self { literal, digits: (is_digit(text.chars().next()), is_digit(text.chars().next_back())) }
    }

    pub fn is_in(&self, bytes: &[u8]) -> bool {
        let Some(literal) = &self.literal else { return false };
        let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        let mut from = 0;
        while let Some(found) = literal.find_at(bytes, from) {
            let before = self.digits.0 && is_digit(found.start().checked_sub(1).and_then(|at| bytes.get(at)));
            let after = self.digits.1 && is_digit(bytes.get(found.end()));
            if !before && !after {
                return true;
            }
            from = found.start() + 1;
        }
        false
    }

    /// One of the messages holds it.
    pub fn is_in_one(&self, messages: &[Message]) -> bool {
        messages.iter().any(|message| self.is_in(&message.raw))
    }
}

/// What was read for one page.
#[derive(Debug, Default)]
pub(super) struct Looked {
    messages: usize,
    bytes: usize,
}

impl Looked {
    pub fn is_enough(&self) -> bool {
        self.messages >= READS || self.bytes >= BYTES
    }
}

/// As many of these scenarios as have together no more messages than are read at once; at least one.
pub(super) fn portion(rows: &[ScenarioRow]) -> usize {
    let mut messages = 0;
    let fits = |row: &&ScenarioRow| {
        messages += usize::try_from(row.messages).unwrap_or(0);
        messages <= AT_ONCE
    };
    rows.iter().take_while(fits).count().max(1)
}

impl Store {
    /// Those of the scenarios with a message that holds a text, a provisional one too.
    pub(super) async fn with_text(
        &self,
        text: &Text,
        rows: &[ScenarioRow],
        looked: &mut Looked,
    ) -> Result<HashSet<ScenarioId>, Error> {
        type Part = (i64, Vec<u8>, i64, i32);
        let ids: Vec<i64> = rows.iter().filter_map(|row| row.subject.scenario()).map(|id| id.0).collect();
        let mut parts: Vec<Part> = Vec::new();
        for list in statement::lists(&ids) {
            parts.extend::<Vec<Part>>(with_pool!(self.backend, pool => {
                let mut q = sqlx::QueryBuilder::<Db>::new(
                    "select scenario_id, call, stream_id, day from scenario_call where scenario_id in ",
                );
                push_list!(q, list);
                q.build_query_as().fetch_all(pool).await?
            }));
        }
        let calls: BTreeSet<&Vec<u8>> = parts.iter().map(|(_, call, ..)| call).collect();
        let scope = Scope {
            calls: Some(calls.into_iter().filter_map(|call| call.as_slice().try_into().ok().map(CallKey)).collect()),
            streams: parts.iter().map(|(.., stream, _)| *stream).collect::<BTreeSet<_>>().into_iter().collect(),
            days: parts.iter().map(|(.., day)| *day).collect::<BTreeSet<_>>().into_iter().collect(),
            ..Scope::default()
        };
        let held = self.holding(text, &scope, looked).await?;
        let daily: HashMap<i64, Day> = rows
            .iter()
            .filter(|row| row.class.is_daily())
            .map(|row| (row.subject.place().0, row.first.day()))
            .collect();
        let holds = |(id, call, ..): &Part| match daily.get(id) {
            Some(day) => held.contains(&(call.clone(), *day)),
            None => held.iter().any(|(of, _)| of == call),
        };
        Ok(parts.iter().filter(|part| holds(part)).map(|(id, ..)| ScenarioId(*id)).collect())
    }

    /// Calls with a message that holds the text, and the day of it.
    async fn holding(&self, text: &Text, scope: &Scope, looked: &mut Looked) -> Result<HashSet<(Vec<u8>, Day)>, Error> {
        let (mut held, mut after, mut read) = (HashSet::new(), None, 0);
        loop {
            let page = self.rows_of(scope, after, Most::rows(READS)).await?;
            read += page.rows.len();
            looked.messages += page.rows.len();
            looked.bytes += page.bytes;
            after = page.rows.last().map(stored::StoredRow::place);
            let (text, more) = (text.clone(), page.more);
            // Unpacking takes longer than those may wait whose thread this is.
            let look = move || {
                let rows = page.rows.into_iter().filter_map(|row| {
                    let (call, day) = (row.call.clone(), Timestamp(row.ts).day());
                    text.is_in(&stored::bytes(row).ok()?).then_some((call, day))
                });
                rows.collect::<Vec<_>>()
            };
            held.extend(tokio::task::spawn_blocking(look).await.map_err(|_| Error::Panicked)?);
            if !more || read >= MOST {
                return Ok(held);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_whatever_case_and_numbers_only_whole() {
        let check = |text: &str, bytes: &str, expect: bool| {
            assert_eq!(Text::of(text).is_in(bytes.as_bytes()), expect, "{text} in {bytes}");
        };
        check("linphone", "User-Agent: Linphone/4.2", true);
        check("z9hG4bK-a.b", "branch=z9hG4bK-a.b;rport", true);
        check("z9hG4bK-a.b", "branch=z9hG4bK-axb", false);
        check("192.0.2.1", "sip:192.0.2.10:5060, sip:192.0.2.1:5060", true);
        check("192.0.2.1", "sip:192.0.2.10:5060, sip:1192.0.2.1", false);
        check(":5060", "192.0.2.1:50600", false);
        check("é", "\u{e9}t\u{e9}", true);
        assert!(Text::of("ab").is_in(b"\xff\x00ab"));
    }
}
