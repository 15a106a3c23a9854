//! A collector in memory: compare-and-set on the watermark, tiles and hashes checked on arrival, and faults on demand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent::{Call, Reply};
use record::id::{Offset, StreamId};
use record::span::{Cause, SpanKind};
use record::wire::{
    Answer, Append, Asked, Guard, Heartbeat, Position, Positions, Refused, StreamAnswer, StreamAppend, StreamMeta,
    WireSpan,
};
use tokio::sync::mpsc;

#[derive(Clone, Default)]
pub struct Collector {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    streams: BTreeMap<StreamId, Stored>,
    faults: VecDeque<Fault>,
    down: bool,
    /// Positions are told so late.
    slow_positions: Duration,
    /// Refuses every batch with more bytes.
    most: Option<usize>,
    /// Refuses spans that contain this.
    poison: Option<Vec<u8>>,
    appends: usize,
    metas: usize,
    in_flight: usize,
    most_in_flight: usize,
    /// Batches, in the order in which they were answered.
    answered: Vec<u64>,
    /// Streams of all that came, be it stored or not.
    asked: BTreeSet<StreamId>,
    /// What was stored, in that order.
    arrived: Vec<(StreamId, Offset)>,
    /// Bytes that came though they were stored.
    repeated: u64,
    refused: Vec<Refused>,
    /// Came, and is still on its way to the store.
    withheld: Vec<Append>,
    /// Every stream is said to be another agent's.
    owned: bool,
    broken: Vec<String>,
    heartbeats: Vec<Heartbeat>,
}

/// What happens to the next append.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Stored, but the answer is lost.
    LoseAnswer,
    /// Stored by two requests at once.
    Twice,
    /// Not stored.
    LoseRequest,
    /// Stored late.
    Slow(Duration),
    /// Stored at once and answered late.
    Late(Duration),
    /// Never answered, and stored only when it overtakes another one.
    Withhold,
    /// Stored behind all that was withheld.
    Overtaken,
    Status(u16),
    Busy,
    None,
}

#[derive(Clone, Debug, Default)]
pub struct Stored {
    pub meta: Option<StreamMeta>,
    pub w: u64,
    pub guard: Guard,
    pub size: u64,
    pub read_to: u64,
    pub spans: Vec<WireSpan>,
    pub tail: Vec<WireSpan>,
    pub settled: bool,
}

impl Stored {
    /// How far it is known what stands in the file: the watermark, and what is provisional behind it.
    pub fn covered(&self) -> u64 {
        self.tail.last().map_or(self.w, |last| last.end().0)
    }
}

impl Collector {
    /// What the agent said of itself last.
    pub fn heartbeat(&self) -> Option<Heartbeat> {
        self.inner().heartbeats.last().cloned()
    }

    /// Answers calls of an agent in this process until it is dropped.
    pub fn serve(&self) -> mpsc::Sender<Call> {
        let (calls, mut waiting) = mpsc::channel(16);
        let collector = self.clone();
        tokio::spawn(async move {
            while let Some(call) = waiting.recv().await {
                let collector = collector.clone();
                tokio::spawn(async move {
                    match call {
                        Call::Append(append, answer) => {
                            if let Some(reply) = collector.reply(&append).await {
                                let _ = answer.send(reply);
                            }
                        }
                        Call::Heartbeat(heartbeat, heard) => {
                            let up = !collector.inner().down;
                            if up {
                                collector.inner().heartbeats.push(heartbeat);
                            }
                            let _ = heard.send(if up { Ok(()) } else { Err("down".into()) });
                        }
                        Call::Positions { asked, answer, .. } => {
                            let slow = collector.inner().slow_positions;
                            tokio::time::sleep(slow).await;
                            let up = !collector.inner().down;
                            let _ =
                                answer.send(if up { Ok(collector.positions(asked, 3)) } else { Err("down".into()) });
                        }
                    }
                });
            }
        });
        calls
    }

    async fn reply(&self, append: &Append) -> Option<Reply> {
        let fault = {
            let mut inner = self.inner();
            inner.appends += 1;
            inner.asked.extend(append.streams.iter().map(|part| part.stream));
            inner.in_flight += 1;
            inner.most_in_flight = inner.most_in_flight.max(inner.in_flight);
            // What is only about a stream's name holds nothing that could overtake or be overtaken.
            let empty = append.streams.iter().all(|part| part.spans.is_empty());
            let spared = empty && matches!(inner.faults.front(), Some(Fault::Withhold | Fault::Overtaken));
            match () {
                () if inner.down => Fault::LoseRequest,
                () if spared => Fault::None,
                () => inner.faults.pop_front().unwrap_or(Fault::None),
            }
        };
        if let Fault::Slow(delay) = fault {
            tokio::time::sleep(delay).await;
        }
        let reply = self.answer(append, fault);
        if let Fault::Late(delay) = fault {
            tokio::time::sleep(delay).await;
        }
        let mut inner = self.inner();
        inner.in_flight -= 1;
        inner.answered.push(append.batch);
        reply
    }

    /// What HTTP would answer, with its status.
    pub fn answer(&self, append: &Append, fault: Fault) -> Option<Reply> {
        let refused =
            |status, answer| Some(Reply::Refused { status, text: format!("the collector answered {status}"), answer });
        let bytes: usize = append.streams.iter().flat_map(|part| &part.spans).map(|span| span.bytes.len()).sum();
        if self.inner().most.is_some_and(|most| bytes > most) {
            return refused(413, None);
        }
        match fault {
            Fault::LoseRequest => return None,
            Fault::Status(status) => return refused(status, None),
            Fault::Busy => return Some(Reply::Busy { status: 503, retry_after: Some(Duration::ZERO) }),
            Fault::Twice => {
                self.store(append);
            }
            Fault::Withhold => {
                self.inner().withheld.push(append.clone());
                return None;
            }
            Fault::Overtaken => {
                let withheld = std::mem::take(&mut self.inner().withheld);
                for append in &withheld {
                    self.store(append);
                }
            }
            _ => {}
        }
        let answer = self.store(append);
        if fault == Fault::LoseAnswer {
            return None;
        }
        let poisoned = |said: &StreamAnswer| matches!(said.refused, Some(Refused::Span { .. }));
        if answer.streams.iter().any(poisoned) {
            refused(400, Some(answer))
        } else if answer.streams.iter().any(|said| said.refused.is_some()) {
            refused(409, Some(answer))
        } else {
            Some(Reply::Answer(answer))
        }
    }

    /// Stores each stream whole or not at all.
    pub fn store(&self, append: &Append) -> Answer {
        let mut inner = self.inner();
        let streams = append.streams.iter().map(|part| inner.store(part)).collect();
        Answer { version: 1, batch: append.batch, lease: append.lease, streams }
    }

    pub fn positions(&self, asked: Asked, limit: usize) -> Positions {
        let inner = self.inner();
        let known = inner.streams.iter().filter(|(id, stored)| match asked {
            Asked::After(after) => !stored.settled && after.is_none_or(|after| **id > after),
            Asked::One(stream) => **id == stream,
        });
        let mut positions: Vec<Position> = known
            .filter_map(|(id, stored)| {
                let meta = stored.meta.as_ref()?;
                Some(Position {
                    stream: *id,
                    file: meta.file,
                    epoch: meta.epoch,
                    w: Offset(stored.w),
                    guard: stored.guard.clone(),
                    size: stored.size,
                    source: meta.source.clone(),
                    path: meta.path.clone(),
                    closed: false,
                })
            })
            .collect();
        let more = positions.len() > limit;
        positions.truncate(limit);
        let metas = inner.streams.values().filter_map(|stored| stored.meta.as_ref());
        let sources: BTreeSet<String> = metas.map(|meta| meta.source.clone()).collect();
        let sources = if asked == Asked::After(None) { sources.into_iter().collect() } else { Vec::new() };
        Positions { positions, sources, more }
    }

    /// What happens to the next appends; whatever else was to happen does not.
    pub fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.inner().faults = faults.into_iter().collect();
    }

    pub fn set_down(&self, down: bool) {
        self.inner().down = down;
    }

    /// A collector that takes its time to say how far each stream is.
    pub fn set_slow_positions(&self, slow: Duration) {
        self.inner().slow_positions = slow;
    }

    pub fn set_most(&self, most: usize) {
        self.inner().most = Some(most);
    }

    pub fn refuse_owner(&self, owned: bool) {
        self.inner().owned = owned;
    }

    pub fn set_poison(&self, poison: &[u8]) {
        self.inner().poison = Some(poison.to_vec());
    }

    pub fn appends(&self) -> usize {
        self.inner().appends
    }

    /// How often a stream's meta was told.
    pub fn metas(&self) -> usize {
        self.inner().metas
    }

    pub fn most_in_flight(&self) -> usize {
        self.inner().most_in_flight
    }

    pub fn streams(&self) -> Vec<(StreamId, Stored)> {
        self.inner().streams.iter().map(|(id, stored)| (*id, stored.clone())).collect()
    }

    /// Number of streams, and the bytes that are committed of all of them.
    /// Bytes of all streams that are stored or shown.
    pub fn covered(&self) -> u64 {
        self.inner().streams.values().map(Stored::covered).sum()
    }

    pub fn totals(&self) -> (usize, u64) {
        let inner = self.inner();
        (inner.streams.len(), inner.streams.values().map(|stored| stored.w).sum())
    }

    /// Requests that were answered before one that came earlier.
    pub fn overtook(&self) -> usize {
        self.inner().answered.windows(2).filter(|pair| pair[0] > pair[1]).count()
    }

    /// Every stream that was ever sent, stored or not.
    pub fn asked(&self) -> Vec<StreamId> {
        self.inner().asked.iter().copied().collect()
    }

    /// The records, in the order in which they were stored.
    pub fn arrived(&self) -> Vec<Vec<u8>> {
        let inner = self.inner();
        let found = inner.arrived.iter().filter_map(|(id, start)| {
            let spans = &inner.streams[id].spans;
            let at = spans.partition_point(|span| span.start < *start);
            spans[at..].iter().find(|span| span.start == *start && span.kind == SpanKind::Record)
        });
        found.map(|span| span.bytes.to_vec()).collect()
    }

    /// Bytes that were sent though they were stored already.
    pub fn repeated(&self) -> u64 {
        self.inner().repeated
    }

    pub fn refused(&self) -> Vec<Refused> {
        self.inner().refused.clone()
    }

    /// Requests that are still on their way.
    pub fn withheld(&self) -> usize {
        self.inner().withheld.len()
    }

    /// What was sent against the rules.
    pub fn broken(&self) -> Vec<String> {
        self.inner().broken.clone()
    }

    /// The final records.
    pub fn records(&self) -> Vec<Vec<u8>> {
        let inner = self.inner();
        let spans = inner.streams.values().flat_map(|stored| &stored.spans);
        spans.filter(|span| span.kind == SpanKind::Record).map(|span| span.bytes.to_vec()).collect()
    }

    pub fn gaps(&self) -> Vec<(Cause, u64, u64, Option<u64>)> {
        let inner = self.inner();
        let spans = inner.streams.values().flat_map(|stored| &stored.spans);
        spans.filter_map(|span| span.cause.map(|cause| (cause, span.start.0, span.len, span.lost))).collect()
    }

    /// As if restored from a backup: the stream goes back to the end of its first spans.
    pub fn rewind(&self, spans: usize) {
        let mut inner = self.inner();
        for stored in inner.streams.values_mut() {
            stored.spans.truncate(spans);
            stored.tail.clear();
            stored.w = stored.spans.last().map_or(0, |span| span.end().0);
            stored.guard = Guard::default();
        }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

impl Inner {
    fn store(&mut self, part: &StreamAppend) -> StreamAnswer {
        self.look_for_faults(part);
        let stored = self.streams.entry(part.stream).or_default();
        let refused = refusal(stored, part, self.poison.as_deref());
        let refused = if self.owned { Some(Refused::Owner) } else { refused };
        self.refused.extend(refused.clone());
        self.repeated += stored.w.min(part.end.0).saturating_sub(part.base.0);
        if refused.is_none() && part.end.0 >= stored.w {
            let w = stored.w;
            let made = |span: &WireSpan| {
                span.len == 0
                    && stored.spans.iter().any(|s| s.len == 0 && s.start == span.start && s.cause == span.cause)
            };
            let new: Vec<WireSpan> =
                part.spans.iter().filter(|span| span.start.0 >= w && !made(span)).cloned().collect();
            self.arrived.extend(new.iter().map(|span| (part.stream, span.start)));
            stored.spans.extend(new);
            (stored.w, stored.read_to) = (part.end.0, part.read_to.0);
            (stored.guard, stored.size, stored.tail) = (part.guard.clone(), part.size, part.tail.clone());
            stored.settled = part.settled;
            if let Some(meta) = &part.meta {
                self.metas += 1;
                stored.meta = Some(meta.clone());
            }
        }
        StreamAnswer { stream: part.stream, w: Offset(stored.w), part: None, refused }
    }

    fn look_for_faults(&mut self, part: &StreamAppend) {
        let mut at = part.base;
        for span in &part.spans {
            if span.start != at {
                self.broken.push(format!("{} at {at}: a span starts at {}", part.stream, span.start));
            }
            at = span.end();
        }
        if at != part.end {
            self.broken.push(format!("{}: spans end at {at}, not {}", part.stream, part.end));
        }
        if part.read_to < part.end {
            self.broken.push(format!("{}: spans end at {at}, and it was read to {}", part.stream, part.read_to));
        }
        let mut at = part.end;
        for span in &part.tail {
            if span.start != at {
                self.broken.push(format!("{}: the tail starts at {}, not {at}", part.stream, span.start));
            }
            at = span.end();
        }
        for span in part.spans.iter().chain(&part.tail) {
            let whole = matches!(span.kind, SpanKind::Record | SpanKind::Fragment) && span.of.is_none();
            if whole && span.masked.is_empty() && span.hash != WireSpan::hash_of(&span.bytes) {
                self.broken.push(format!("{} at {}: another hash", part.stream, span.start));
            }
            if whole && span.masked.is_empty() && span.bytes.len() as u64 != span.text_len() {
                self.broken.push(format!(
                    "{} at {}: {} bytes for {}",
                    part.stream,
                    span.start,
                    span.bytes.len(),
                    span.len
                ));
            }
        }
    }
}

fn refusal(stored: &Stored, part: &StreamAppend, poison: Option<&[u8]>) -> Option<Refused> {
    let unknown = stored.meta.is_none() && part.meta.is_none();
    if part.base.0 > stored.w || unknown {
        return Some(Refused::Base);
    }
    if part.spans.iter().any(|span| span.start.0 < stored.w && span.end().0 > stored.w) {
        return Some(Refused::Straddle);
    }
    let poison = poison?;
    let poisoned = part.spans.iter().find(|span| span.bytes.windows(poison.len()).any(|window| window == poison));
    poisoned.map(|span| Refused::Span { start: span.start, text: "poison".into() })
}
