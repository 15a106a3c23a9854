//! What follows from the messages of a batch taken together: counters, parts of calls, the events for correlation.

use std::collections::HashMap;

use message::event::CallEvent;
use message::user;
use record::id::CallKey;
use record::time::{Day, Timestamp};
use record::wire::Counters;

use super::packed::PackedMessage;
use crate::text::capped;
use crate::{Error, blob, compress};

#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    pub counters: Counters,
    pub last_event: Option<i64>,
    pub parts: Vec<CallPart>,
    /// Packed call events; none where there are none.
    pub outbox: Option<Vec<u8>>,
}

/// A call as this stream saw it on one day of this batch.
#[derive(Debug, Clone)]
pub(crate) struct CallPart {
    pub call: CallKey,
    pub day: Day,
    pub first: Timestamp,
    pub from: Option<String>,
    pub to: Option<String>,
    /// Who sends its requests, as the network says.
    pub identity: Option<String>,
}

impl CallPart {
    /// Those of its users that are numbers, from the last digit to the first.
    pub fn numbers(&self) -> impl Iterator<Item = String> {
        [&self.from, &self.to, &self.identity].into_iter().flatten().filter_map(|user| user::backwards(user))
    }
}

impl Sums {
    /// `events` are those of the messages, in their order.
    pub fn of(counters: Counters, messages: &[PackedMessage], events: &[CallEvent], received: Timestamp) -> Self {
        let mut parts: HashMap<(CallKey, Day), CallPart> = HashMap::new();
        for (row, event) in messages.iter().zip(events) {
            parts.entry((row.call, row.day)).or_insert_with(|| CallPart::of(row)).add(row, event);
        }
        let mut parts: Vec<CallPart> = parts.into_values().collect();
        // In the order of their key, in which every writer takes them.
        parts.sort_unstable_by_key(|part| (part.call, part.day));
        Self {
            counters,
            // As logged, however long ago; but a clock that runs far ahead must not hold it for years.
            last_event: messages.iter().map(|row| row.time.min(row.time.clamped(received)).0).max(),
            parts,
            outbox: (!events.is_empty()).then(|| pack_events(events)),
        }
    }
}

impl CallPart {
    /// To be filled by `add`.
    fn of(row: &PackedMessage) -> Self {
        Self { call: row.call, day: row.day, first: row.time, from: None, to: None, identity: None }
    }

    fn add(&mut self, row: &PackedMessage, event: &CallEvent) {
        self.first = self.first.min(row.time);
        if self.from.is_none() {
            self.from = event.from.as_deref().map(key);
        }
        if self.to.is_none() {
            self.to = event.to.as_deref().or(event.target.as_deref()).map(key);
        }
        if self.identity.is_none() {
            self.identity = event.identity.as_deref().map(key);
        }
    }
}

fn pack_events(events: &[CallEvent]) -> Vec<u8> {
    compress::pack_quickly(&blob::write_bare(events))
}

/// Of an outbox row.
pub(crate) fn unpack_events(packed: &[u8]) -> Result<Vec<CallEvent>, Error> {
    blob::read(&compress::unpack_quick(packed)?, "call events of the outbox")
}

/// A user as it is searched.
pub(crate) fn key(user: &str) -> String {
    searched(&user::normal(user))
}

/// Text with an index: PostgreSQL refuses index entries of more than 2,700 bytes.
pub(crate) fn searched(text: &str) -> String {
    capped(text, 256)
}
