//! A stream of a batch made ready for its rows, before any transaction: packed, hashed and counted.

use std::collections::{BTreeMap, HashMap};

use message::event::CallEvent;
use record::id::{EndpointId, Offset};
use record::span::SpanKind;
use record::time::Day;
use record::wire::Counters;

use super::packed::{PackedFragment, PackedMessage};
use super::sums::{Sums, unpack_events};
use super::{FragmentRow, GapRow, Incoming, Item, MessageRow};
use crate::text::{big, capped, clean};
use crate::{Error, blob, near_miss};

/// One stream of a batch, ready to be stored.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// Without its items and tail.
    pub head: Incoming,
    pub guard: Vec<u8>,
    pub end_counters: Option<Vec<u8>>,
    /// None where there are none.
    pub tail_near_misses: Option<Vec<u8>>,
    spans: Vec<Span>,
    pub messages: Vec<PackedMessage>,
    pub fragments: Vec<PackedFragment>,
    pub gaps: Vec<GapRow>,
    pub tail: Vec<PackedMessage>,
    /// Addresses of all its messages, each once, by id.
    pub endpoints: BTreeMap<i64, String>,
    pub sums: Sums,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: Offset,
    len: u64,
    kind: SpanKind,
    lines: u64,
}

impl Prepared {
    pub fn of(mut incoming: Incoming) -> Self {
        let items = std::mem::take(&mut incoming.items);
        let tail = std::mem::take(&mut incoming.tail);
        let mut prepared = Self {
            guard: blob::write(&incoming.guard),
            end_counters: incoming.closed.map(|end| blob::write(&end.counters)),
            tail_near_misses: near_miss::pack(&incoming.tail_near_misses),
            spans: Vec::with_capacity(items.len()),
            messages: Vec::new(),
            fragments: Vec::new(),
            gaps: Vec::new(),
            tail: Vec::new(),
            endpoints: BTreeMap::new(),
            sums: Sums::default(),
            head: incoming,
        };
        let mut addresses = Addresses::default();
        let mut events = Vec::new();
        for item in items {
            prepared.add(item, &mut addresses, &mut events);
        }
        prepared.tail = tail.into_iter().map(|row| pack(row, &mut addresses).0).collect();
        prepared.endpoints = addresses.0.into_iter().map(|(address, id)| (id, clean(&address))).collect();
        prepared.sum_up(&events);
        prepared
    }

    /// Days of the rows that go into partitions.
    pub fn days(&self) -> impl Iterator<Item = Day> {
        self.messages.iter().map(|row| row.day)
    }

    /// What starts at or after `w`; none where an item lies on both sides of it.
    pub fn behind(&self, w: Offset) -> Result<Option<Self>, Error> {
        if self.spans.iter().any(|span| span.start < w && span.start.plus(span.len) > w) {
            return Ok(None);
        }
        let mut events = self.sums.outbox.as_deref().map_or_else(|| Ok(Vec::new()), unpack_events)?;
        events.retain(|event| event.offset >= w);
        let mut rest = Self {
            head: Incoming {
                base: w,
                near_misses: self.head.near_misses.iter().filter(|miss| miss.at >= w).cloned().collect(),
                ..self.head.clone()
            },
            guard: self.guard.clone(),
            end_counters: self.end_counters.clone(),
            tail_near_misses: self.tail_near_misses.clone(),
            spans: self.spans.iter().filter(|span| span.start >= w).copied().collect(),
            messages: self.messages.iter().filter(|row| row.start >= w).cloned().collect(),
            fragments: self.fragments.iter().filter(|row| row.start >= w).cloned().collect(),
            gaps: self.gaps.iter().filter(|row| row.start >= w).cloned().collect(),
            tail: self.tail.clone(),
            endpoints: BTreeMap::new(),
            sums: Sums::default(),
        };
        rest.sum_up(&events);
        Ok(Some(rest))
    }

    fn add(&mut self, item: Item, addresses: &mut Addresses, events: &mut Vec<CallEvent>) {
        let span = match item {
            Item::Record(first, others) => {
                let len = first.len + others.iter().map(|row| row.len).sum::<u64>();
                let span = Span { start: first.start, len, kind: SpanKind::Record, lines: 0 };
                self.pack(std::iter::once(*first).chain(others), addresses, events);
                span
            }
            Item::Noise { start, len, lines } => Span { start, len, kind: SpanKind::Noise, lines },
            Item::Fragment(row, found) => {
                let span = Span { start: row.start, len: row.len, kind: SpanKind::Fragment, lines: 0 };
                self.fragments.push(pack_fragment(row));
                self.pack(found, addresses, events);
                span
            }
            Item::Gap(row) => {
                let span = Span { start: row.start, len: row.len, kind: SpanKind::Gap, lines: 0 };
                self.gaps.push(row);
                span
            }
        };
        self.spans.push(span);
    }

    fn pack(
        &mut self,
        rows: impl IntoIterator<Item = MessageRow>,
        addresses: &mut Addresses,
        events: &mut Vec<CallEvent>,
    ) {
        for row in rows {
            let (row, event) = pack(row, addresses);
            self.messages.push(row);
            events.push(event);
        }
    }

    /// `events` are those of the messages, in their order.
    fn sum_up(&mut self, events: &[CallEvent]) {
        let mut counters = Counters::default();
        for span in &self.spans {
            counters.add(span.kind, span.len, span.lines);
        }
        self.sums = Sums::of(counters, &self.messages, events, self.head.received);
    }
}

/// Ids of the addresses of one batch: few, and each hashed once.
#[derive(Default)]
struct Addresses(HashMap<String, i64>);

impl Addresses {
    fn id(&mut self, address: String) -> i64 {
        if let Some(id) = self.0.get(&address) {
            return *id;
        }
        let id = EndpointId::of(&address).0;
        self.0.insert(address, id);
        id
    }
}

fn pack(row: MessageRow, addresses: &mut Addresses) -> (PackedMessage, CallEvent) {
    let (source, destination) = (addresses.id(row.source), addresses.id(row.destination));
    let as_it_was = row.text_len.is_none() && row.masked.is_empty() && row.masked_hash.is_none();
    let changed = if as_it_was { Vec::new() } else { blob::write(&(&row.masked, row.masked_hash, row.text_len)) };
    let packed = PackedMessage {
        time: row.time,
        day: row.day,
        start: row.start,
        len: row.len,
        source,
        destination,
        head: i32::try_from(row.head).unwrap_or(i32::MAX),
        line_end: i16::from(row.line_end),
        kind: row.kind.code(),
        class: row.event.class.code(),
        status: row.status.and_then(|status| i16::try_from(status).ok()).unwrap_or(0),
        flags: row.flags.bits() as i16,
        dictionary: row.raw.dictionary,
        call: row.call,
        method: capped(&row.method, 64),
        masked: changed,
        raw: row.raw.bytes,
    };
    (packed, row.event)
}

fn pack_fragment(row: FragmentRow) -> PackedFragment {
    PackedFragment {
        start: row.start,
        len: row.len,
        flags: row.flags.bits() as i16,
        of: row.of.map(|of| (of.stream, of.offset)),
        dictionary: row.raw.dictionary,
        raw: row.raw.bytes,
    }
}

impl PackedMessage {
    pub fn offset(&self) -> i64 {
        big(self.start.0)
    }
}
