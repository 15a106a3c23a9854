//! The provisional spans of a stream: what is not final yet, and shown all the same.

use std::time::Duration;

use record::wire::WireSpan;

use crate::piece::weight_of;

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
        self.unfinished_since = match self.unfinished_since {
            _ if !unfinished => None,
            Some(since) if !moved => Some(since),
            _ => Some(now),
        };
    }

    /// A tail was made of all up to `seen`. One that does not fit into memory is made again a little later.
    pub fn put(&mut self, spans: Vec<WireSpan>, fits: bool, seen: u64, now: Duration) {
        self.made_at = now;
        if fits {
            (self.waiting, self.seen) = (Some(spans), seen);
        }
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

    /// What was sent did not arrive: it is made again.
    pub fn again(&mut self) {
        self.seen = 0;
    }

    /// The collector is elsewhere.
    pub fn rewind(&mut self) {
        self.withdraw();
    }

    /// Reading begins anew in another file.
    pub fn restart(&mut self) {
        (self.unfinished_since, self.seen) = (None, 0);
    }
}
