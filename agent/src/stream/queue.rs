//! What of a stream is final and not committed, and whether it may be sent.

use std::collections::VecDeque;
use std::time::Duration;

use crate::parcel::{PARCEL, Parcel};

/// Invariant: one append of a stream is on its way at most, and none while the collector is asked how far it is.
#[derive(Debug)]
pub struct Queue {
    /// What is neither committed nor on its way.
    parcels: VecDeque<Parcel>,
    way: Way,
    durable: Durable,
    /// Nothing is sent before.
    hold_until: Duration,
    /// The bytes of a parcel: appends are cut between parcels only, so these get smaller where one is too large.
    parcel: usize,
    /// The offset of a record that waits because of its size, and was reported.
    large: Option<u64>,
    /// Rejected records that are not on disk yet: before they are, nothing is sent.
    quarantining: usize,
    /// Since when there is something to send.
    since: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Idle,
    /// An append is on its way.
    InFlight,
    /// The collector is asked how far it is; what is queued is void.
    Asking,
}

/// A checkpoint that names the stream's epoch must be on disk before the first send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durable {
    Yes,
    No,
    /// When the checkpoint of this number is written.
    With(u64),
}

impl Queue {
    pub fn new(durable: Durable) -> Self {
        Self {
            parcels: VecDeque::new(),
            way: Way::Idle,
            durable,
            hold_until: Duration::ZERO,
            parcel: PARCEL,
            large: None,
            quarantining: 0,
            since: None,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.parcels.iter().map(|parcel| parcel.bytes).sum()
    }

    /// Puts a parcel after the others, joined to the last where both are small; gives the bytes by which the memory in use
    /// grows.
    pub fn push(&mut self, parcel: Parcel) -> usize {
        let Some(last) = self.parcels.back_mut() else {
            let bytes = parcel.bytes;
            self.parcels.push_back(parcel);
            return bytes;
        };
        let before = last.bytes;
        match last.join(parcel, self.parcel) {
            None => last.bytes - before,
            Some(parcel) => {
                let bytes = parcel.bytes;
                self.parcels.push_back(parcel);
                bytes
            }
        }
    }

    /// As many parcels as fit beside `bytes` into `limit`, at least one if there is one. They are on their way now.
    pub fn send(&mut self, limit: usize, bytes: &mut usize) -> Vec<Parcel> {
        (self.way, self.since) = (Way::InFlight, None);
        let mut parcels: Vec<Parcel> = Vec::new();
        while let Some(parcel) =
            self.parcels.pop_front_if(|parcel| parcels.is_empty() || *bytes + parcel.bytes <= limit)
        {
            *bytes += parcel.bytes;
            parcels.push(parcel);
        }
        parcels
    }

    /// Puts back what was sent and not stored.
    pub fn requeue(&mut self, parcels: Vec<Parcel>) {
        parcels.into_iter().rev().for_each(|parcel| self.parcels.push_front(parcel));
    }

    /// What is queued is void; gives its bytes.
    pub fn clear(&mut self) -> usize {
        self.parcels.drain(..).map(|parcel| parcel.bytes).sum()
    }

    /// Nothing is on its way, and the collector is not asked.
    pub fn is_idle(&self) -> bool {
        self.way == Way::Idle
    }

    pub fn is_in_flight(&self) -> bool {
        self.way == Way::InFlight
    }

    pub fn is_asking(&self) -> bool {
        self.way == Way::Asking
    }

    pub fn ask(&mut self) {
        self.way = Way::Asking;
    }

    /// The append, or the question, is answered.
    pub fn answered(&mut self) {
        self.way = Way::Idle;
    }

    /// Notes that there is something to send; gives since when.
    pub fn wait_since(&mut self, now: Duration) -> Duration {
        *self.since.get_or_insert(now)
    }

    /// Nothing is to be sent; gives since when something was.
    pub fn wait_no_more(&mut self) -> Option<Duration> {
        self.since.take()
    }

    pub fn hold_until(&self) -> Duration {
        self.hold_until
    }

    pub fn hold(&mut self, until: Duration) {
        self.hold_until = until;
    }

    /// What must be on disk before the next send is there, when checkpoint `written` is.
    pub fn may_be_sent(&self, written: u64) -> bool {
        let durable = match self.durable {
            Durable::Yes => true,
            Durable::No => false,
            Durable::With(number) => written >= number,
        };
        durable && self.quarantining == 0
    }

    /// A checkpoint of this number is made, which names the stream's epoch.
    pub fn is_in_checkpoint(&mut self, number: u64) {
        if self.durable == Durable::No {
            self.durable = Durable::With(number);
        }
    }

    #[cfg(test)]
    pub fn durable(&self) -> Durable {
        self.durable
    }

    pub fn quarantine(&mut self) {
        self.quarantining += 1;
    }

    pub fn quarantined(&mut self) {
        self.quarantining = self.quarantining.saturating_sub(1);
    }

    pub fn parcel(&self) -> usize {
        self.parcel
    }

    /// Parcels are framed smaller from now on, but not below `least`; false where they cannot be.
    pub fn halve_parcels(&mut self, least: usize) -> bool {
        let smaller = self.parcel > least;
        if smaller {
            self.parcel /= 2;
        }
        smaller
    }

    /// A record at this offset is too large for what lies before the collector; true the first time.
    pub fn is_first_large(&mut self, at: u64) -> bool {
        self.large.replace(at) != Some(at)
    }
}

#[cfg(test)]
mod tests {
    use record::span::Cause;
    use record::wire::Guard;

    use super::*;

    fn parcel(at: u64) -> Parcel {
        Parcel { bytes: 100, ..Parcel::gap(at, 1, Cause::Copytruncate, None, Guard::default()) }
    }

    #[test]
    fn a_batch_takes_whole_pieces_at_least_one_and_gives_them_back_in_order() {
        let mut queue = Queue::new(Durable::Yes);
        queue.halve_parcels(1);
        queue.requeue(vec![parcel(0), parcel(1), parcel(2)]);
        let (mut bytes, ends) = (0, |parcels: &[Parcel]| parcels.iter().map(|parcel| parcel.end).collect::<Vec<_>>());
        let sent = queue.send(250, &mut bytes);
        assert_eq!((ends(&sent), bytes, queue.is_in_flight()), (vec![1, 2], 200, true));
        queue.answered();
        queue.requeue(sent);
        assert_eq!(ends(&queue.send(1, &mut 0)), [1]);
        assert_eq!((queue.clear(), queue.is_empty()), (200, true));
    }

    #[test]
    fn nothing_is_sent_before_its_epoch_and_its_rejected_records_are_on_disk() {
        let mut queue = Queue::new(Durable::No);
        assert!(!queue.may_be_sent(9));
        queue.is_in_checkpoint(3);
        queue.is_in_checkpoint(4);
        assert!(!queue.may_be_sent(2) && queue.may_be_sent(3));
        queue.quarantine();
        assert!(!queue.may_be_sent(3));
        queue.quarantined();
        assert!(queue.may_be_sent(3));
    }
}
