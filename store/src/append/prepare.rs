//! A stream of a batch made ready for its rows, before any transaction: packed, hashed and counted.

use std::collections::BTreeMap;

use message::event::CallEvent;
use message::id::{CallKey, EndpointId, Offset, StreamId};
use message::span::SpanKind;
use message::time::{Day, Timestamp};
use message::wire::{self, Counters};

use super::{FragmentRow, GapRow, Incoming, Item, MessageRow};
use crate::compress;
use crate::text::{big, capped, clean};

/// One stream of a batch, ready to be stored.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// Without its items and tail.
    pub head: Incoming,
    pub guard: Vec<u8>,
    pub end_counters: Option<Vec<u8>>,
    spans: Vec<Span>,
    pub messages: Vec<PackedMessage>,
    pub fragments: Vec<PackedFragment>,
    pub gaps: Vec<GapRow>,
    pub tail: Vec<PackedMessage>,
    /// Addresses of all its messages, each once, by id.
    pub endpoints: BTreeMap<i64, String>,
    pub sums: Sums,
}

/// What follows from the rows taken together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    pub counters: Counters,
    pub last_event: Option<i64>,
    pub parts: Vec<CallPart>,
    /// Packed call events; none where there are none.
    pub outbox: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: Offset,
    len: u64,
    kind: SpanKind,
    lines: u64,
}

/// A row of `message` or `provisional`.
#[derive(Debug, Clone)]
pub(crate) struct PackedMessage {
    pub time: Timestamp,
    pub day: Day,
    pub start: Offset,
    pub len: u64,
    pub source: i64,
    pub destination: i64,
    pub head: i32,
    pub cseq: Option<i32>,
    pub line_end: i16,
    pub kind: i16,
    pub status: Option<i16>,
    pub flags: i16,
    pub dictionary: i16,
    pub call: CallKey,
    pub method: String,
    pub masked: Option<Vec<u8>>,
    pub raw: Vec<u8>,
    event: CallEvent,
}

#[derive(Debug, Clone)]
pub(crate) struct PackedFragment {
    pub start: Offset,
    pub len: u64,
    pub flags: i16,
    pub of: Option<(StreamId, Offset)>,
    pub dictionary: i16,
    pub raw: Vec<u8>,
}

/// A call as this stream saw it on one day of this batch.
#[derive(Debug, Clone)]
pub(crate) struct CallPart {
    pub call: CallKey,
    pub day: Day,
    pub first: Timestamp,
    pub last: Timestamp,
    pub n: i64,
    pub call_id: String,
    pub from: Option<String>,
    pub to: Option<String>,
    pub first_method: String,
    /// The last final status.
    pub status: Option<(Timestamp, i16)>,
}

impl Prepared {
    pub fn of(mut incoming: Incoming) -> Self {
        let items = std::mem::take(&mut incoming.items);
        let tail = std::mem::take(&mut incoming.tail);
        let mut prepared = Self {
            guard: wire::encode(&incoming.guard).unwrap_or_default(),
            end_counters: incoming.closed.and_then(|end| wire::encode(&end.counters).ok()),
            spans: Vec::with_capacity(items.len()),
            messages: Vec::new(),
            fragments: Vec::new(),
            gaps: Vec::new(),
            tail: Vec::new(),
            endpoints: BTreeMap::new(),
            sums: Sums::default(),
            head: incoming,
        };
        for item in items {
            prepared.add(item);
        }
        prepared.tail = tail.into_iter().map(|row| pack(row, &mut prepared.endpoints)).collect();
        prepared.sum_up();
        prepared
    }

    /// Days of the rows that go into partitions.
    pub fn days(&self) -> impl Iterator<Item = Day> {
        self.messages.iter().map(|row| row.day)
    }

    /// What starts at or after `w`; none where an item lies on both sides of it.
    pub fn behind(&self, w: Offset) -> Option<Self> {
        if self.spans.iter().any(|span| span.start < w && span.start.plus(span.len) > w) {
            return None;
        }
        let mut rest = self.clone();
        rest.head.base = w;
        rest.spans.retain(|span| span.start >= w);
        rest.messages.retain(|row| row.start >= w);
        rest.fragments.retain(|row| row.start >= w);
        rest.gaps.retain(|row| row.start >= w);
        rest.sum_up();
        Some(rest)
    }

    fn add(&mut self, item: Item) {
        let span = match item {
            Item::Record(row) => {
                let span = Span { start: row.start, len: row.len, kind: SpanKind::Record, lines: 0 };
                let row = pack(*row, &mut self.endpoints);
                self.messages.push(row);
                span
            }
            Item::Noise { start, len, lines } => Span { start, len, kind: SpanKind::Noise, lines },
            Item::Fragment(row) => {
                let span = Span { start: row.start, len: row.len, kind: SpanKind::Fragment, lines: 0 };
                self.fragments.push(pack_fragment(row));
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

    fn sum_up(&mut self) {
        let mut sums = Sums::default();
        for span in &self.spans {
            sums.counters.add(span.kind, span.len, span.lines);
        }
        sums.last_event = self.messages.iter().map(|row| row.time.clamped(self.head.received).0).max();
        let mut parts: BTreeMap<(CallKey, Day), CallPart> = BTreeMap::new();
        for row in &self.messages {
            parts.entry((row.call, row.day)).and_modify(|part| part.add(row)).or_insert_with(|| CallPart::of(row));
        }
        sums.parts = parts.into_values().collect();
        if !self.messages.is_empty() {
            let events: Vec<&CallEvent> = self.messages.iter().map(|row| &row.event).collect();
            sums.outbox = rmp_serde::to_vec_named(&events).ok().map(|bytes| compress::pack_quickly(&bytes));
        }
        self.sums = sums;
    }
}

impl CallPart {
    fn of(row: &PackedMessage) -> Self {
        let mut part = Self {
            call: row.call,
            day: row.day,
            first: row.time,
            last: row.time,
            n: 0,
            call_id: capped(&row.event.call_id, 1024),
            from: None,
            to: None,
            first_method: capped(&row.event.method, 64),
            status: None,
        };
        part.add(row);
        part
    }

    fn add(&mut self, row: &PackedMessage) {
        let event = &row.event;
        if row.time < self.first {
            self.first = row.time;
            self.first_method = capped(&event.method, 64);
        }
        if self.from.is_none() {
            self.from = event.from.as_deref().map(searched);
        }
        if self.to.is_none() {
            self.to = event.to.as_deref().or(event.target.as_deref()).map(searched);
        }
        self.last = self.last.max(row.time);
        self.n += 1;
        if let Some(status) = row.status.filter(|status| *status >= 200)
            && self.status.is_none_or(|(at, _)| at <= row.time)
        {
            self.status = Some((row.time, status));
        }
    }
}

/// Text with an index: PostgreSQL refuses index entries of more than 2,700 bytes.
pub(crate) fn searched(text: &str) -> String {
    capped(text, 256)
}

fn pack(row: MessageRow, endpoints: &mut BTreeMap<i64, String>) -> PackedMessage {
    let mut end = |address: &str| {
        let id = EndpointId::of(address).0;
        endpoints.entry(id).or_insert_with(|| clean(address));
        id
    };
    let (source, destination) = (end(&row.source), end(&row.destination));
    let masks = (&row.masked, row.masked_hash);
    let is_masked = !row.masked.is_empty() || row.masked_hash.is_some();
    PackedMessage {
        time: row.time,
        day: row.day,
        start: row.start,
        len: row.len,
        source,
        destination,
        head: i32::try_from(row.head).unwrap_or(i32::MAX),
        cseq: row.cseq.map(|cseq| cseq as i32),
        line_end: i16::from(row.line_end),
        kind: row.kind.code(),
        status: row.status.and_then(|status| i16::try_from(status).ok()),
        flags: row.flags.0 as i16,
        dictionary: row.raw.dictionary,
        call: row.call,
        method: capped(&row.method, 64),
        masked: is_masked.then(|| wire::encode(&masks).unwrap_or_default()),
        raw: row.raw.bytes,
        event: row.event,
    }
}

fn pack_fragment(row: FragmentRow) -> PackedFragment {
    PackedFragment {
        start: row.start,
        len: row.len,
        flags: row.flags.0 as i16,
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
