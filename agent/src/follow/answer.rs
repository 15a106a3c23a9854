//! What the collector answers: only what it acknowledged counts.

use std::time::Duration;

use record::id::{Offset, StreamId};
use record::span::{Cause, SpanKind};
use record::wire::{Refused, StreamAppend, WireSpan};
use serde_bytes::ByteBuf;
use tracing::{info, warn};

use super::event::Aside;
use super::shipment::Cuts;
use super::{Action, Follow, Outcome, Shipment};

/// After an answer that helps nobody.
pub(super) const HOLD: Duration = Duration::from_secs(1);
/// Another agent has this id.
const HOLD_LEASE: Duration = Duration::from_secs(10);
/// Only an operator can help: the collector cannot follow how a stream is to be read, or something takes no large record.
pub(super) const HOLD_OPERATOR: Duration = Duration::from_secs(30);

impl Follow {
    pub(super) fn answered(&mut self, shipment: Shipment, outcome: Outcome) {
        match outcome {
            Outcome::TooLarge { never } => self.too_large(shipment, never),
            Outcome::Answer(answer) => {
                for (part, cuts) in shipment.into_parts() {
                    let said = answer.streams.iter().find(|said| said.stream == part.stream);
                    let said = said.map(|said| (said.w.0, said.refused.clone()));
                    self.answered_stream(part, cuts, said);
                }
            }
        }
    }

    fn answered_stream(&mut self, part: StreamAppend, cuts: Cuts, said: Option<(u64, Option<Refused>)>) {
        let id = part.stream;
        self.delivery.arrived(cuts.bytes());
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.queue.answered();
        match said {
            Some((w, None)) if w == part.end.0 => self.committed(part, &cuts),
            Some((_, Some(Refused::Span { start, text }))) => {
                warn!(stream = %id, offset = %start, why = text, "the collector cannot accept a span; it goes to quarantine and is recorded as a gap");
                self.requeue_without(part, cuts, start, text);
            }
            Some((_, Some(Refused::Meta { text }))) => {
                warn!(stream = %id, why = text, "the collector cannot read this stream in the way its config asks for; it is held back and tried again");
                stream.refused = Some(format!("the collector cannot read it as its config asks: {text}"));
                if stream.identity.source.is_some() {
                    stream.committed.forget_meta();
                }
                self.requeue_later(part, cuts, HOLD_OPERATOR);
            }
            Some((_, Some(Refused::Damaged { .. }))) => self.requeue_later(part, cuts, HOLD),
            Some((_, Some(Refused::Lease { holder }))) => {
                warn!(holder, "another agent has this id; nothing is sent");
                stream.refused = Some("another agent has this id".to_owned());
                self.requeue_later(part, cuts, HOLD_LEASE);
            }
            Some((_, Some(Refused::Owner))) => {
                warn!(stream = %id, "the collector has this stream from another agent; it is held back and tried again");
                stream.refused = Some("the collector has it from another agent".to_owned());
                self.requeue_later(part, cuts, HOLD_OPERATOR);
            }
            other => {
                let refused = matches!(other, Some((_, Some(Refused::Base | Refused::Straddle))));
                info!(stream = %id, base = %part.base, refused, "the collector has another watermark than the agent, and is asked for it");
                self.ask_position(id, &cuts);
            }
        }
    }

    fn committed(&mut self, part: StreamAppend, cuts: &Cuts) {
        let id = part.stream;
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.tail.acknowledged(&part.tail);
        self.sources.count(stream.identity.source, &part.spans);
        stream.committed.advance(part);
        stream.refused = None;
        stream.note_reached();
        self.scheduler.free_memory(id, cuts.bytes());
        self.checkpoints.note_change();
        self.delivery.grow();
        self.delivery.note_news(stream, self.now.mono);
        self.release_file(id);
        self.drop_settled(id);
    }

    /// Puts what was not stored back before the rest of the queue.
    pub(super) fn requeue(&mut self, id: StreamId, spans: Vec<WireSpan>, cuts: Cuts) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.queue.requeue(cuts.parcels(spans));
            self.delivery.note_news(stream, self.now.mono);
        }
    }

    /// The same, and sends nothing of the stream for so long. Its tail is made again.
    fn requeue_later(&mut self, part: StreamAppend, cuts: Cuts, hold: Duration) {
        if let Some(stream) = self.streams.get_mut(part.stream) {
            stream.queue.hold(self.now.mono + hold);
            stream.tail.again();
        }
        self.requeue(part.stream, part.spans, cuts);
    }

    /// The same, with a gap in place of the span that can never be stored, which is put in quarantine.
    pub(super) fn requeue_without(&mut self, part: StreamAppend, cuts: Cuts, start: Offset, why: String) {
        let (id, mut spans) = (part.stream, part.spans);
        let mut quarantine = None;
        if let Some(span) = spans.iter_mut().find(|span| span.start == start && span.kind != SpanKind::Gap) {
            quarantine = Some(std::mem::take(&mut span.bytes).into_vec());
            *span = rejected(span);
        } else if start < part.end
            && let Some(stream) = self.streams.get_mut(id)
        {
            // Not a span of this batch: nothing goes to quarantine, and sending it again at once helps nobody.
            stream.queue.hold(self.now.mono + HOLD);
        }
        self.requeue(id, spans, cuts);
        if let Some(bytes) = quarantine {
            if let Some(stream) = self.streams.get_mut(id) {
                stream.queue.quarantine();
            }
            let record = Aside::Bytes(bytes);
            self.actions.push(Action::Quarantine { stream: id, start: start.0, record, why });
        }
    }

    pub(super) fn quarantined(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.queue.quarantined();
        }
    }
}

/// The gap that stands for a span which the collector cannot accept.
fn rejected(span: &WireSpan) -> WireSpan {
    let mut gap = WireSpan::new(span.start, span.len, SpanKind::Gap);
    gap.hash = span.hash;
    (gap.cause, gap.lost) = (Some(Cause::Rejected), Some(0));
    gap.bytes = ByteBuf::new();
    gap
}
