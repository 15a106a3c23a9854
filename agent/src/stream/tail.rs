//! The provisional spans of a stream: what is not final yet, and shown all the same.

use std::time::Duration;

use record::id::Offset;
use record::span::Flags;
use record::wire::WireSpan;

use crate::parcel::weight_of;
use crate::turn::Told;

/// Between two tails of a stream.
const TAILS: Duration = Duration::from_secs(1);

/// Invariant: a tail that waits follows right after all that is queued.
#[derive(Debug, Default)]
pub struct Tail {
    /// Not sent yet.
    waiting: Option<Vec<WireSpan>>,
    /// What was read when the last tail was made, and when that was.
    seen: u64,
    made_at: Duration,
    /// Since when the record at the end of what is final is unfinished.
    unfinished_since: Option<Duration>,
    /// Where the last tail was cut, for it was too large: no more counts as read.
    cut_at: Option<u64>,
    shown: Option<Shown>,
}

/// What the collector shows after all that is committed: the last tail that it acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Shown {
    end: Offset,
    /// The rest of one of its records is not there yet.
    unfinished: bool,
}

impl Tail {
    /// When a tail is to be made, `after` a record was found unfinished; none where there is nothing new to tell.
    pub fn due(&self, seen: u64, after: Duration) -> Option<Duration> {
        let since = self.unfinished_since.filter(|_| self.seen != seen)?;
        let last = if self.made_at.is_zero() { Duration::ZERO } else { self.made_at + TAILS };
        Some((since + after).max(last))
    }

    /// A turn left a record unfinished, or none; `moved` says that something became final.
    pub fn note_unfinished(&mut self, unfinished: bool, moved: bool, now: Duration) {
        self.cut_at = self.cut_at.filter(|_| unfinished && !moved);
        self.unfinished_since = match self.unfinished_since {
            _ if !unfinished => None,
            Some(since) if !moved => Some(since),
            _ => Some(now),
        };
    }

    /// A tail was made of all up to `seen`. One that does not fit into memory is made again a little later.
    pub fn put(&mut self, told: Told, fits: bool, seen: u64, now: Duration) {
        self.made_at = now;
        if fits {
            (self.waiting, self.seen, self.cut_at) = (Some(told.spans), seen, told.cut_at);
        }
    }

    /// How far the stream counts as read: to the last record that is shown.
    pub fn read_to(&self, seen: u64) -> u64 {
        self.cut_at.map_or(seen, |at| at.min(seen))
    }

    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// What it takes in memory.
    pub fn bytes(&self) -> usize {
        self.waiting.as_deref().map_or(0, weight_of)
    }

    /// Takes what waits, if it `fits`.
    pub fn send(&mut self, fits: impl FnOnce(&[WireSpan]) -> bool) -> Vec<WireSpan> {
        self.waiting.take_if(|tail| fits(tail)).unwrap_or_default()
    }

    /// What waits is not true any more.
    pub fn withdraw(&mut self) {
        self.waiting = None;
    }

    /// Something became final: what waits does not follow it, and what is shown is replaced with it.
    pub fn overtaken(&mut self) {
        self.waiting = None;
        self.again();
    }

    /// What was sent did not arrive: it is made again.
    pub fn again(&mut self) {
        self.seen = 0;
    }

    /// An append with this tail is acknowledged: it takes the place of the former tail, also where it is empty.
    pub fn acknowledged(&mut self, spans: &[WireSpan]) {
        let unfinished = spans.iter().any(|span| span.flags.contains(Flags::UNFINISHED));
        self.shown = spans.last().map(|last| Shown { end: last.end(), unfinished });
    }

    /// All that was read up to here is shown, as far as it can be.
    pub fn is_told(&self, read_to: u64) -> bool {
        self.seen == read_to && self.waiting.is_none()
    }

    /// The collector shows all up to here, and none of it lacks its rest.
    pub fn shows_all(&self, end: u64) -> bool {
        self.shown.is_some_and(|shown| shown.end.0 >= end && !shown.unfinished)
    }

    /// The collector is elsewhere, and nobody knows what it shows.
    pub fn rewind(&mut self) {
        (self.waiting, self.shown) = (None, None);
    }

    /// Reading begins anew in another file.
    pub fn restart(&mut self) {
        (self.unfinished_since, self.seen) = (None, 0);
    }
}
