//! A batch on its way, with the places where it may be cut.

use std::sync::Arc;

use record::id::Offset;
use record::wire::{Answer, Append, Guard, StreamAppend, StreamMeta, WireSpan};

use crate::parcel::{Parcel, weight_of};
use crate::stream::Stream;

#[derive(Debug)]
pub struct Shipment {
    pub append: Arc<Append>,
    /// The parcels of each stream.
    pub(super) cuts: Vec<Cuts>,
}

/// What became of a shipment.
#[derive(Debug)]
pub enum Outcome {
    /// The collector said how far each stream is, and what it refused.
    Answer(Answer),
    /// 413: from something between, unless no collector takes that much, `never`.
    TooLarge { never: bool },
}

impl Shipment {
    /// What it takes in memory, without its tails.
    pub fn bytes(&self) -> usize {
        self.cuts.iter().map(Cuts::bytes).sum()
    }

    /// The parts of the batch, once it is answered: a collector in this process has let go of it by then.
    pub(super) fn into_parts(self) -> impl Iterator<Item = (StreamAppend, Cuts)> {
        Arc::unwrap_or_clone(self.append).streams.into_iter().zip(self.cuts)
    }

    /// Holds one parcel of one stream at most.
    pub(super) fn is_single(&self) -> bool {
        self.append.streams.len() == 1 && self.cuts.first().is_some_and(|cuts| cuts.0.len() <= 1)
    }
}

/// Where the spans of one stream may be cut.
#[derive(Debug)]
pub(super) struct Cuts(Vec<Cut>);

#[derive(Debug)]
struct Cut {
    spans: usize,
    end: u64,
    guard: Guard,
    bytes: usize,
}

impl Cuts {
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|cut| cut.bytes).sum()
    }

    /// Spans as the parcels they were.
    pub fn parcels(self, spans: Vec<WireSpan>) -> Vec<Parcel> {
        let mut spans = spans.into_iter();
        let parcel = |Cut { spans: number, end, guard, bytes }| Parcel {
            spans: spans.by_ref().take(number).collect(),
            end,
            guard,
            bytes,
        };
        self.0.into_iter().map(parcel).collect()
    }
}

/// Takes of a stream as much as a batch may hold, at least one parcel.
pub(super) fn part_of(
    stream: &mut Stream,
    meta: Option<StreamMeta>,
    limit: usize,
    bytes: &mut usize,
) -> (StreamAppend, Cuts) {
    let base = stream.committed.w();
    let (mut spans, mut cuts, mut end, mut guard) = (Vec::new(), Vec::new(), base, stream.committed.guard().clone());
    for parcel in stream.queue.send(limit, bytes) {
        (end, guard) = (parcel.end, parcel.guard.clone());
        cuts.push(Cut { spans: parcel.spans.len(), end: parcel.end, guard: parcel.guard, bytes: parcel.bytes });
        spans.extend(parcel.spans);
    }
    // A tail waits for the next batch where it does not fit, unless it is all that this one would hold.
    let all = stream.queue.is_empty();
    let tail = stream.tail.send(|tail| all && (cuts.is_empty() || *bytes + weight_of(tail) <= limit));
    *bytes += weight_of(&tail);
    let sight = &stream.sight;
    let part = StreamAppend {
        stream: stream.id,
        meta,
        base: Offset(base),
        end: Offset(end),
        spans,
        tail,
        guard,
        size: sight.size.max(end),
        read_to: Offset(stream.tail.read_to(sight.read_to).max(end)),
        read_at: sight.read_at,
        closed: None,
        settled: all && stream.is_settled(),
    };
    (part, Cuts(cuts))
}
