//! Batches, and what the collector answers: only what it acknowledged counts.

use std::sync::Arc;
use std::time::Duration;

use record::id::{Offset, StreamId};
use record::span::{Cause, SpanKind};
use record::wire::{Answer, Append, Guard, Position, Refused, StreamAppend, StreamMeta, VERSION, WireSpan};
use serde_bytes::ByteBuf;
use tracing::{info, warn};

use super::advance::bytes_of;
use super::file::{Handle, State};
use super::{Action, Follow};
use crate::piece::Piece;
use crate::stream::{Stream, Why};

/// After an answer that helps nobody.
const HOLD: Duration = Duration::from_secs(1);
/// Another agent has this id.
const HOLD_LEASE: Duration = Duration::from_secs(10);
/// Only an operator can help: the collector cannot follow how a stream is to be read, or something takes no large record.
const HOLD_OPERATOR: Duration = Duration::from_secs(30);
/// What a stream and its meta take in a batch, roughly.
const STREAM: usize = 512;
const META: usize = 512;
/// Streams committed in halved batches before larger ones are tried.
const TRY_LARGER: u32 = 256;
/// The least a batch is halved to.
const BATCH_MIN: usize = 1024;

/// A batch on its way, with the places where it may be cut.
#[derive(Debug)]
pub struct Shipment {
    pub append: Arc<Append>,
    /// For each stream its pieces: number of spans, end, guard, bytes.
    cuts: Vec<Vec<Cut>>,
}

impl Shipment {
    /// What it takes in memory, without its tails.
    pub fn bytes(&self) -> usize {
        self.cuts.iter().flatten().map(|cut| cut.bytes).sum()
    }
}

#[derive(Debug)]
struct Cut {
    spans: usize,
    end: u64,
    guard: Guard,
    bytes: usize,
}

/// What became of a shipment.
#[derive(Debug)]
pub enum Outcome {
    /// The collector said how far each stream is, and what it refused.
    Answer(Answer),
    /// 413: from something between, unless no collector takes that much, `never`.
    TooLarge { never: bool },
}

impl Follow {
    /// The next batch, if there is enough for one or it has waited long enough.
    pub fn next_shipment(&mut self, now: Duration) -> Option<Shipment> {
        let oldest = self.sendable(now).next()?.0;
        let queued = self.memory.saturating_sub(self.shipped);
        if queued < self.batch_limit && oldest + self.rules.batch_after > now && !self.stopping {
            return None;
        }
        self.batch += 1;
        let mut append =
            Append { version: VERSION, agent: self.agent.clone(), lease: 0, batch: self.batch, streams: Vec::new() };
        let (mut cuts, mut bytes) = (Vec::new(), 0);
        while bytes < self.batch_limit {
            let Some((since, id)) = self.sendable(now).next() else { break };
            self.news.remove(&(since, id));
            let meta = self.streams.get(&id).filter(|stream| !stream.meta_told).and_then(|stream| self.meta(stream));
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            bytes += STREAM + if meta.is_some() { META } else { 0 };
            let (part, cut) = take(stream, meta, self.batch_limit, &mut bytes);
            stream.news_at = None;
            append.streams.push(part);
            cuts.push(cut);
        }
        let shipment = Shipment { append: Arc::new(append), cuts };
        self.shipped += shipment.bytes();
        Some(shipment)
    }

    /// Streams with news that may be sent, with the time since when; those that waited longest first.
    fn sendable(&self, now: Duration) -> impl Iterator<Item = (Duration, StreamId)> {
        let may = move |id: &StreamId| {
            self.streams.get(id).is_some_and(|stream| {
                stream.hold_until <= now && self.may_be_sent(stream) && (stream.told || stream.source.is_some())
            })
        };
        self.news.iter().filter(move |(_, id)| may(id)).copied()
    }

    pub(super) fn news_due(&self) -> Duration {
        let due = self.news.iter().filter_map(|(since, id)| {
            let stream = self.streams.get(id).filter(|stream| self.may_be_sent(stream))?;
            Some(((*since + self.rules.batch_after).max(stream.hold_until), stream.hold_until > self.now.mono))
        });
        // The first that is not held back is the earliest of all that are not.
        let mut earliest = Duration::MAX;
        for (at, held) in due {
            earliest = earliest.min(at);
            if !held {
                break;
            }
        }
        earliest
    }

    /// What must be on disk before is there: its epoch, and what was rejected of it.
    fn may_be_sent(&self, stream: &Stream) -> bool {
        stream.aside == 0 && self.is_durable(stream)
    }

    /// Notes that a stream has something to send, if it may; what is on its way comes first.
    pub(super) fn has_news(&mut self, id: StreamId) {
        let now = self.now.mono;
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.has_news()) else { return };
        let since = *stream.news_at.get_or_insert(now);
        if !stream.in_flight && !stream.asking {
            self.news.insert((since, id));
        }
    }

    /// Nothing of a stream is to be sent for now.
    pub(super) fn no_news(&mut self, id: StreamId) {
        if let Some(since) = self.streams.get_mut(&id).and_then(|stream| stream.news_at.take()) {
            self.news.remove(&(since, id));
        }
    }

    fn meta(&self, stream: &Stream) -> Option<StreamMeta> {
        use std::os::unix::ffi::OsStrExt;
        let spec = self.sources.get(stream.source?)?;
        Some(StreamMeta {
            source: stream.source_name.clone(),
            format: spec.reading.format.definition().clone(),
            zone: spec.zone.clone(),
            path: stream.path.as_os_str().as_bytes().to_vec(),
            host: self.host.clone(),
            file: stream.origin,
            epoch: stream.epoch,
            predecessor: stream.predecessor,
        })
    }

    pub(super) fn answered(&mut self, shipment: Shipment, outcome: Outcome) {
        match outcome {
            Outcome::TooLarge { never } => self.too_large(shipment, never),
            Outcome::Answer(answer) => {
                let Shipment { append, cuts } = shipment;
                for (part, cuts) in owned(append).streams.into_iter().zip(cuts) {
                    let said = answer.streams.iter().find(|said| said.stream == part.stream);
                    let said = said.map(|said| (said.w.0, said.refused.clone()));
                    self.answered_stream(part, cuts, said);
                }
            }
        }
    }

    fn answered_stream(&mut self, part: StreamAppend, cuts: Vec<Cut>, said: Option<(u64, Option<Refused>)>) {
        let now = self.now.mono;
        let id = part.stream;
        self.shipped = self.shipped.saturating_sub(cuts.iter().map(|cut| cut.bytes).sum());
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.in_flight = false;
        match said {
            Some((w, None)) if w == part.end.0 => self.committed(part, &cuts),
            Some((_, Some(Refused::Span { start, text }))) => {
                warn!(stream = %id, offset = %start, why = text, "the collector cannot accept a span; it is put aside and recorded as a gap");
                self.give_back(part, cuts, Some((start, text)));
            }
            Some((_, Some(Refused::Meta { text }))) => {
                warn!(stream = %id, why = text, "the collector cannot read this stream as it is told to; it is held back and tried again");
                (stream.hold_until, stream.tail_seen) = (now + HOLD_OPERATOR, 0);
                stream.told &= stream.source.is_none();
                self.give_back(part, cuts, None);
            }
            Some((_, Some(Refused::Damaged { .. }))) => {
                (stream.hold_until, stream.tail_seen) = (now + HOLD, 0);
                self.give_back(part, cuts, None);
            }
            Some((_, Some(Refused::Lease { holder }))) => {
                warn!(holder, "another agent has this id; nothing is sent");
                (stream.hold_until, stream.tail_seen) = (now + HOLD_LEASE, 0);
                self.give_back(part, cuts, None);
            }
            other => {
                let refused = matches!(other, Some((_, Some(Refused::Base | Refused::Straddle))));
                info!(stream = %id, base = %part.base, refused, "the collector stands elsewhere; it is asked where");
                self.go_back(id, &cuts);
            }
        }
    }

    fn committed(&mut self, part: StreamAppend, cuts: &[Cut]) {
        let Some(stream) = self.streams.get_mut(&part.stream) else { return };
        stream.w = part.end.0;
        stream.guard = part.guard;
        stream.told = true;
        stream.meta_told |= part.meta.is_some();
        stream.rewound = stream.rewound.filter(|rewound| *rewound > stream.w);
        self.memory = self.memory.saturating_sub(cuts.iter().map(|cut| cut.bytes).sum());
        self.records += part.spans.iter().filter(|span| span.kind == SpanKind::Record).count() as u64;
        self.gaps += part.spans.iter().filter(|span| span.kind == SpanKind::Gap).count() as u64;
        self.dirty = true;
        self.grow_batches();
        self.has_news(part.stream);
        self.let_go(part.stream);
        self.drop_settled(part.stream);
    }

    /// What was too large may have been a passing thing: after many that were taken, larger ones are tried again.
    fn grow_batches(&mut self) {
        if self.batch_limit < self.rules.batch_bytes {
            self.small_batches += 1;
            if self.small_batches >= TRY_LARGER {
                (self.small_batches, self.batch_limit) = (0, (self.batch_limit * 2).min(self.rules.batch_bytes));
            }
        }
    }

    /// Puts what was not stored back in front of the queue; a span that can never be stored becomes a gap.
    fn give_back(&mut self, part: StreamAppend, cuts: Vec<Cut>, poison: Option<(Offset, String)>) {
        let now = self.now.mono;
        let id = part.stream;
        let mut spans = part.spans;
        let mut quarantine = None;
        if let Some((start, why)) = poison {
            if let Some(span) = spans.iter_mut().find(|span| span.start == start && span.kind != SpanKind::Gap) {
                quarantine = Some((start, std::mem::take(&mut span.bytes).into_vec(), why));
                *span = rejected(span);
            } else if start < part.end {
                // Not a span of this batch: nothing can be put aside, and sending it again at once helps nobody.
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.hold_until = now + HOLD;
                }
            }
        }
        let mut spans = spans.into_iter();
        let pieces = cuts.into_iter().map(|Cut { spans: number, end, guard, bytes }| Piece {
            spans: spans.by_ref().take(number).collect(),
            end,
            guard,
            bytes,
        });
        let pieces: Vec<Piece> = pieces.collect();
        if let Some(stream) = self.streams.get_mut(&id) {
            pieces.into_iter().rev().for_each(|piece| stream.queue.push_front(piece));
        }
        self.has_news(id);
        if let Some((start, bytes, why)) = quarantine {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.aside += 1;
            }
            self.actions.push(Action::Quarantine { stream: id, start: start.0, bytes, why });
        }
    }

    pub(super) fn put_aside(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.aside = stream.aside.saturating_sub(1);
        }
    }

    /// Smaller batches from now on, down to one record. A record that is too large alone waits for an operator, unless it
    /// is more than any collector takes: nothing but a limit between here and there keeps it away.
    fn too_large(&mut self, shipment: Shipment, never: bool) {
        let spans = shipment.bytes();
        let Shipment { append, cuts } = shipment;
        let append = owned(append);
        let single = append.streams.len() == 1 && cuts.first().is_some_and(|cuts| cuts.len() <= 1);
        let bytes = spans + append.streams.iter().map(|part| bytes_of(&part.tail)).sum::<usize>();
        if !single {
            self.smaller_batches(bytes);
        }
        for (part, cuts) in append.streams.into_iter().zip(cuts) {
            let id = part.stream;
            self.shipped = self.shipped.saturating_sub(cuts.iter().map(|cut| cut.bytes).sum());
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.in_flight = false;
                // A tail is only a preview: it never makes a batch too large twice.
                stream.tail = None;
            }
            let largest = part.spans.iter().max_by_key(|span| span.bytes.len()).map(|span| span.start);
            match largest {
                _ if !single || !part.tail.is_empty() => self.give_back(part, cuts, None),
                Some(start) if never => {
                    self.give_back(part, cuts, Some((start, "more than a collector takes".to_owned())));
                }
                Some(_) if part.spans.len() > 1 && self.smaller_pieces(id) => self.go_back(id, &cuts),
                _ => {
                    self.hold_large(id, part.base.0, bytes);
                    self.give_back(part, cuts, None);
                }
            }
        }
    }

    fn smaller_batches(&mut self, bytes: usize) {
        let limit = (bytes / 2).min(self.batch_limit).max(BATCH_MIN);
        self.small_batches = 0;
        if std::mem::replace(&mut self.batch_limit, limit) > limit {
            warn!(bytes, limit, "a batch is too large for the collector or a proxy before it; smaller ones are sent");
        }
    }

    /// What of a stream is not committed is to be framed in smaller pieces, if they can be and its file is there: where
    /// spans may be cut apart only the file can say.
    fn smaller_pieces(&mut self, id: StreamId) -> bool {
        let Some(stream) = self.streams.get_mut(&id) else { return false };
        let file = stream.file().and_then(|key| self.files.get(&key));
        let there = file.is_some_and(|file| file.state == State::Following { stream: id } && file.open == Handle::Open);
        let smaller = there && stream.piece > BATCH_MIN;
        if smaller {
            stream.piece /= 2;
        }
        smaller
    }

    fn hold_large(&mut self, id: StreamId, start: u64, bytes: usize) {
        let now = self.now.mono;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.hold_until = now + if bytes == 0 { HOLD } else { HOLD_OPERATOR };
        if bytes > 0 && stream.told_large.replace(start) != Some(start) {
            let path = stream.path.display();
            warn!(
                stream = %id, %path, offset = start, bytes,
                "a record is larger than something before the collector takes (413); raise that limit: until then its log waits"
            );
        }
    }

    /// What was sent of a stream, and what is queued behind it, is void: the collector is asked how far it is.
    fn go_back(&mut self, id: StreamId, cuts: &[Cut]) {
        self.memory = self.memory.saturating_sub(cuts.iter().map(|cut| cut.bytes).sum());
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.asking = true;
        }
        self.no_news(id);
        self.actions.push(Action::Ask { stream: id });
    }

    /// The collector's watermark wins: goes back or ahead to it.
    pub(super) fn positioned(&mut self, id: StreamId, position: Option<Position>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.asking = false;
        let before = stream.done;
        let (w, guard) = position.as_ref().map_or((0, Guard::default()), |known| (known.w.0, known.guard.clone()));
        stream.told = position.is_some();
        stream.meta_told &= stream.told;
        self.memory = self.memory.saturating_sub(stream.go_back(w, guard));
        self.kept = self.kept.saturating_sub(std::mem::take(&mut stream.kept));
        stream.hold_until = self.now.mono + HOLD / 10;
        stream.rewound = (w < before).then_some(before).or(stream.rewound);
        info!(stream = %id, from = before, to = w, "goes to where the collector stands");
        match stream.file() {
            Some(key) if self.files.get(&key).is_some_and(|file| file.open == Handle::Open) => {
                if let Some(file) = self.files.get_mut(&key) {
                    file.state = State::Claimed { stream: id, doubt: None };
                }
                // A reader may still be busy with it; then its return brings the look.
                let due = self.now.mono;
                self.put_on_agenda(key, due);
            }
            Some(key) => {
                if let Some(file) = self.files.get_mut(&key) {
                    file.state = State::Fresh;
                    file.look = None;
                }
                self.seek(id, Why::Down, self.listings + 2);
                self.list_now();
            }
            None => self.seek(id, Why::Down, self.listings),
        }
        self.has_news(id);
    }
}

/// The batch back, once it is answered: a collector in this process has let go of it by then.
fn owned(append: Arc<Append>) -> Append {
    Arc::unwrap_or_clone(append)
}

/// Takes as many pieces of a stream as a batch may hold, at least one.
fn take(stream: &mut Stream, meta: Option<StreamMeta>, limit: usize, bytes: &mut usize) -> (StreamAppend, Vec<Cut>) {
    let base = stream.w;
    let (mut spans, mut cuts, mut end, mut guard) = (Vec::new(), Vec::new(), base, stream.guard.clone());
    while let Some(piece) = stream.queue.pop_front() {
        if !cuts.is_empty() && *bytes + piece.bytes > limit {
            stream.queue.push_front(piece);
            break;
        }
        *bytes += piece.bytes;
        (end, guard) = (piece.end, piece.guard.clone());
        cuts.push(Cut { spans: piece.spans.len(), end: piece.end, guard: piece.guard, bytes: piece.bytes });
        spans.extend(piece.spans);
    }
    // A tail waits for the next batch where it does not fit, unless it is all that this one would hold.
    let fits = |tail: &mut Vec<WireSpan>| cuts.is_empty() || *bytes + bytes_of(tail) <= limit;
    let tail = stream.tail.take_if(|tail| stream.queue.is_empty() && fits(tail)).unwrap_or_default();
    *bytes += bytes_of(&tail);
    stream.in_flight = true;
    let part = StreamAppend {
        stream: stream.id,
        meta,
        base: Offset(base),
        end: Offset(end),
        spans,
        tail,
        guard,
        size: stream.size.max(end),
        read_to: Offset(stream.read_to.max(end)),
        read_at: stream.read_at,
        near_misses: stream.near_misses,
        closed: None,
        tied: None,
    };
    (part, cuts)
}

/// The gap that stands for a span which the collector cannot accept.
fn rejected(span: &WireSpan) -> WireSpan {
    let mut gap = WireSpan::new(span.start, span.len, SpanKind::Gap);
    gap.hash = span.hash;
    (gap.cause, gap.lost) = (Some(Cause::Rejected), Some(0));
    gap.bytes = ByteBuf::new();
    gap
}
