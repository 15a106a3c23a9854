//! What a turn makes of a file: spans with their bytes, and the guard at their end.

use record::id::Offset;
use record::miss::NearMiss;
use record::span::{Cause, SpanKind};
use record::wire::{Guard, WireSpan};

/// A parcel is closed when it holds so many bytes, unless a turn asks for smaller ones.
pub const PARCEL: usize = 32 << 10;
/// What a span takes beside its bytes: in memory, and with the names of its fields in a batch.
pub const SPAN: usize = size_of::<WireSpan>();

/// Spans that tile [former end, `end`), with the guard at `end`. Appends are cut between parcels only.
#[derive(Clone, PartialEq, Debug)]
pub struct Parcel {
    pub spans: Vec<WireSpan>,
    pub end: u64,
    pub guard: Guard,
    /// What its spans take in memory and, roughly, in a batch.
    pub bytes: usize,
}

impl Parcel {
    /// A gap; `guard` is the guard at its end.
    pub fn gap(at: u64, len: u64, cause: Cause, lost: Option<u64>, guard: Guard) -> Self {
        let mut span = WireSpan::new(Offset(at), len, SpanKind::Gap);
        (span.cause, span.lost) = (Some(cause), lost);
        Self { spans: vec![span], end: at + len, guard, bytes: SPAN }
    }

    pub fn empty() -> Self {
        Self { spans: Vec::new(), end: 0, guard: Guard::default(), bytes: 0 }
    }

    /// Puts a span after the others; noise after noise is one span.
    pub fn push(&mut self, span: WireSpan) {
        match self.spans.last_mut() {
            Some(last) if last.kind == SpanKind::Noise && span.kind == SpanKind::Noise => {
                last.len += span.len;
                last.lines += span.lines;
                let before = weight(last);
                span.near_misses.into_iter().for_each(|miss| miss.add_to(&mut last.near_misses));
                self.bytes += weight(last).saturating_sub(before);
            }
            _ => {
                self.bytes += weight(&span);
                self.spans.push(span);
            }
        }
    }

    /// Joins the parcel that follows to this one, if together they hold `most` bytes at most; else gives it back.
    pub fn join(&mut self, next: Parcel, most: usize) -> Option<Parcel> {
        if self.bytes + next.bytes > most {
            return Some(next);
        }
        for span in next.spans {
            self.push(span);
        }
        (self.end, self.guard) = (next.end, next.guard);
        None
    }
}

fn weight_of_miss(miss: &NearMiss) -> usize {
    size_of::<NearMiss>() + miss.example.len()
}

/// What spans take, roughly.
pub fn weight_of(spans: &[WireSpan]) -> usize {
    spans.iter().map(weight).sum()
}

/// What a span takes, roughly.
pub fn weight(span: &WireSpan) -> usize {
    let near_misses: usize = span.near_misses.iter().map(weight_of_miss).sum();
    SPAN + span.bytes.len() + size_of_val(span.masked.as_slice()) + near_misses
}
