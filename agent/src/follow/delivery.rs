//! Batches: which streams have something to send, and how much of it goes at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use record::id::StreamId;
use record::wire::{Append, StreamMeta, VERSION};
use tracing::warn;

use super::Follow;
use super::shipment::{Shipment, part_of};
use super::streams::Streams;
use crate::source::Sources;
use crate::stream::Stream;

/// What a stream and its meta take in a batch, roughly.
const STREAM: usize = 512;
const META: usize = 512;
/// Streams committed in halved batches before larger ones are tried.
const TRY_LARGER: u32 = 256;
/// The least a batch is halved to.
pub(super) const BATCH_MIN: usize = 1024;
/// Bytes of provisional tails that wait to be sent, over all streams: they are previews, and never stop the reading.
const TAILS_MAX: usize = 4 << 20;

/// Invariants: `news` holds streams that have something to send, of which nothing is on its way, and whose collector is not
/// being asked; `shipped` is what all batches on their way take.
#[derive(Debug)]
pub(super) struct Delivery {
    agent: String,
    host: String,
    /// The config's: what a batch holds at most, and how long it waits for more.
    full: usize,
    after: Duration,
    /// In the order in which they got their news.
    news: BTreeSet<(Duration, StreamId)>,
    shipped: usize,
    /// The number of the last batch.
    batch: u64,
    /// What a batch holds now.
    limit: usize,
    /// Streams committed since the limit was set.
    small: u32,
    /// Bytes of tails that wait, at most.
    tails: usize,
}

impl Follow {
    /// The next batch, if there is enough for one or it has waited long enough.
    pub fn next_shipment(&mut self, now: Duration) -> Option<Shipment> {
        let (memory, written) = (self.scheduler.memory(), self.checkpoints.written());
        let Self { delivery, streams, sources, stopping, .. } = self;
        delivery
            .is_due(streams, written, memory, now, *stopping)
            .then(|| delivery.batch(streams, sources, written, now))
    }
}

impl Delivery {
    pub fn new(agent: String, host: String, full: usize, after: Duration) -> Self {
        Self { agent, host, full, after, news: BTreeSet::new(), shipped: 0, batch: 0, limit: full, small: 0, tails: 0 }
    }

    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Notes that a stream has something to send, if it has; what is on its way comes first.
    pub fn note_news(&mut self, stream: &mut Stream, now: Duration) {
        if stream.has_news() {
            let since = stream.queue.wait_since(now);
            if stream.queue.is_idle() {
                self.news.insert((since, stream.id));
            }
        }
    }

    /// Nothing of a stream is to be sent for now.
    pub fn no_news(&mut self, stream: &mut Stream) {
        if let Some(since) = stream.queue.wait_no_more() {
            self.news.remove(&(since, stream.id));
        }
    }

    fn is_due(&self, streams: &Streams, written: u64, memory: usize, now: Duration, stopping: bool) -> bool {
        let Some((oldest, _)) = self.sendable(streams, written, now).next() else { return false };
        let queued = memory.saturating_sub(self.shipped);
        queued >= self.limit || oldest + self.after <= now || stopping
    }

    fn batch(&mut self, streams: &mut Streams, sources: &Sources, written: u64, now: Duration) -> Shipment {
        self.batch += 1;
        let (agent, batch) = (self.agent.clone(), self.batch);
        let mut append = Append { version: VERSION, agent, lease: 0, batch, streams: Vec::new() };
        let (mut cuts, mut bytes) = (Vec::new(), 0);
        while bytes < self.limit {
            let Some((since, id)) = self.sendable(streams, written, now).next() else { break };
            self.news.remove(&(since, id));
            let Some(stream) = streams.get_mut(id) else { continue };
            let meta = if stream.committed.needs_meta() { self.meta(stream, sources) } else { None };
            bytes += STREAM + if meta.is_some() { META } else { 0 };
            let (part, cut) = part_of(stream, meta, self.limit, &mut bytes);
            append.streams.push(part);
            cuts.push(cut);
        }
        let shipment = Shipment { append: Arc::new(append), cuts };
        self.shipped += shipment.bytes();
        shipment
    }

    /// Streams with news that may be sent, with the time since when; those that waited longest first.
    fn sendable(&self, streams: &Streams, written: u64, now: Duration) -> impl Iterator<Item = (Duration, StreamId)> {
        let may = move |id: StreamId| {
            streams.get(id).is_some_and(|stream| {
                stream.queue.hold_until() <= now
                    && stream.queue.may_be_sent(written)
                    && (stream.committed.is_known() || stream.identity.source.is_some())
            })
        };
        self.news.iter().copied().filter(move |(_, id)| may(*id))
    }

    /// When the next batch is due.
    pub fn due(&self, streams: &Streams, written: u64, now: Duration) -> Duration {
        let due = self.news.iter().filter_map(|(since, id)| {
            let stream = streams.get(*id).filter(|stream| stream.queue.may_be_sent(written))?;
            let hold_until = stream.queue.hold_until();
            Some(((*since + self.after).max(hold_until), hold_until > now))
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

    fn meta(&self, stream: &Stream, sources: &Sources) -> Option<StreamMeta> {
        use std::os::unix::ffi::OsStrExt;
        let identity = &stream.identity;
        let spec = sources.get(identity.source?)?;
        Some(StreamMeta {
            source: identity.source_name.clone(),
            format: spec.framing.format.definition().clone(),
            zone: spec.zone.clone(),
            path: identity.path.as_os_str().as_bytes().to_vec(),
            host: self.host.clone(),
            file: identity.origin,
            epoch: identity.epoch,
            predecessor: identity.predecessor,
        })
    }

    /// Bytes that were on their way are answered.
    pub fn arrived(&mut self, bytes: usize) {
        self.shipped = self.shipped.saturating_sub(bytes);
    }

    /// Smaller batches from now on: one of so many bytes was too large.
    pub fn shrink(&mut self, bytes: usize) {
        let limit = (bytes / 2).min(self.limit).max(BATCH_MIN);
        self.small = 0;
        if std::mem::replace(&mut self.limit, limit) > limit {
            warn!(bytes, limit, "a batch is too large for the collector or a proxy before it; smaller ones are sent");
        }
    }

    /// What was too large may have been a passing thing: after many that were taken, larger ones are tried again.
    pub fn grow(&mut self) {
        if self.limit < self.full {
            self.small += 1;
            if self.small >= TRY_LARGER {
                (self.small, self.limit) = (0, (self.limit * 2).min(self.full));
            }
        }
    }

    /// Whether a preview of so many bytes may take memory, too.
    pub fn holds_tail(&mut self, bytes: usize, streams: &Streams) -> bool {
        self.tails += bytes;
        if self.tails > TAILS_MAX {
            // Most were sent, or replaced, since this was counted.
            self.tails = bytes + streams.values().map(|stream| stream.tail.bytes()).sum::<usize>();
        }
        self.tails <= TAILS_MAX
    }

    #[cfg(test)]
    pub fn shipped(&self) -> usize {
        self.shipped
    }
}
