//! What must hold in the end.

use std::collections::{BTreeSet, HashMap};

use record::id::StreamId;
use record::span::{Cause, SpanKind};
use record::wire::WireSpan;

use super::world::World;
use super::writer::number_of;
use crate::follow::{Event, Shipment};

impl World {
    /// All that is stored for good.
    pub fn spans(&self) -> impl Iterator<Item = &WireSpan> {
        self.collector.values().flat_map(|stored| &stored.spans)
    }

    /// Records that the collector has whole and final.
    pub fn stored(&self) -> BTreeSet<usize> {
        let whole = self.spans().filter(|span| span.kind == SpanKind::Record).filter(|span| self.is_whole(span));
        whole.map(|span| number_of(&span.bytes)).collect()
    }

    fn is_whole(&self, span: &WireSpan) -> bool {
        self.records.get(number_of(&span.bytes)).is_some_and(|record| **record == **span.bytes)
    }

    /// What must hold at any moment: checkpoint ≤ watermark ≤ read offset (I4), the memory that is counted is what is
    /// held (I5), what is open has a handle, and what is sought is known to be.
    pub fn check_marks(&self) {
        let committed = |id: &StreamId| self.collector.get(id).map_or(0, |stored| stored.w);
        for saved in &self.saved.streams {
            assert!(saved.w <= committed(&saved.stream), "the checkpoint is ahead: {:#?}", self.outline());
        }
        for stream in self.follow.streams.values() {
            let (w, framed) = (stream.committed.w(), stream.framed.to);
            assert!(w <= committed(&stream.id), "what is not stored counts as committed: {:#?}", self.outline());
            assert!(w <= framed, "committed beyond what is final: {:#?}", self.outline());
            let read = stream.seen().unwrap_or(framed);
            assert!(framed <= read, "final beyond what was read: {:#?}", self.outline());
        }
        for (key, file) in self.follow.files.iter() {
            let has_handle = self.handles.contains_key(&key) || self.lost.contains(&key);
            assert_eq!(file.open, has_handle, "open without a handle: {:#?}", self.outline());
        }
        let sought = self.follow.streams.values().filter(|stream| stream.state.is_seeking()).map(|stream| stream.id);
        assert!(sought.eq(self.follow.streams.seeking().map(|stream| stream.id)), "sought: {:#?}", self.outline());
        let queued = self.follow.streams.values().map(|stream| stream.queue.bytes());
        let answered = self.finished.iter().filter_map(|(event, _)| match event {
            Event::Answered { shipment, .. } => Some(&**shipment),
            _ => None,
        });
        let shipped: usize = self.shipments.iter().chain(answered).map(Shipment::bytes).sum();
        assert_eq!(self.follow.scheduler.memory(), queued.sum::<usize>() + shipped, "memory: {:#?}", self.outline());
        assert_eq!(self.follow.delivery.shipped(), shipped, "on its way: {:#?}", self.outline());
    }

    pub fn check(&self) {
        let mut found: HashMap<usize, u32> = HashMap::new();
        let (mut gaps, mut halves) = (Vec::new(), BTreeSet::new());
        for stored in self.collector.values() {
            let mut spans: Vec<&WireSpan> = stored.spans.iter().collect();
            spans.sort_by_key(|span| (span.start, span.len));
            let mut at = 0;
            for span in &spans {
                assert_eq!(span.start.0, at, "spans tile what is stored: {:?}", self.outline());
                at = span.end().0;
            }
            assert_eq!(at, stored.w, "and all of it");
            let all: Vec<&WireSpan> = spans.into_iter().chain(&stored.tail).collect();
            for (at, span) in all.iter().enumerate() {
                match span.kind {
                    SpanKind::Record if self.is_whole(span) => *found.entry(number_of(&span.bytes)).or_default() += 1,
                    SpanKind::Record => {
                        let nth = number_of(&span.bytes);
                        // Where bytes may be lost between a copy and the truncate, nothing is joined over that.
                        let gap = all.get(at + 1).is_some_and(|next| next.cause == Some(Cause::Copytruncate));
                        let half = self.across.contains(&nth) && (gap || self.set_back);
                        halves.extend(Some(nth).filter(|_| half));
                        let cut = self.destroyed.contains(&nth) || half;
                        assert!(cut, "record {nth} is not as it was written: {:#?}", self.outline());
                    }
                    SpanKind::Gap => gaps.push(span.cause),
                    SpanKind::Noise | SpanKind::Fragment => {}
                }
            }
        }
        let twice = found.iter().filter(|(nth, times)| **times > 1 && !self.repeatable.contains(nth));
        let twice: Vec<&usize> = twice.map(|(nth, _)| nth).collect();
        assert!(twice.is_empty(), "records {twice:?} are stored twice: {:#?}", self.outline());
        let missing: Vec<usize> =
            (0..self.records.len()).filter(|nth| !found.contains_key(nth) && !halves.contains(nth)).collect();
        let spared: Vec<&usize> = missing.iter().filter(|nth| !self.destroyed.contains(nth)).collect();
        assert!(spared.is_empty(), "records {spared:?} are missing: {:#?}", self.outline());
        let loud: Vec<&usize> = missing.iter().filter(|nth| !self.silent.contains(nth)).collect();
        assert!(loud.is_empty() || !gaps.is_empty(), "records {loud:?} are lost without a word: {:#?}", self.outline());
        // A deleted file and a rotation between two looks: more may have come and gone. After a crash nobody knows
        // which gaps were made already.
        let allowed = (self.truncated + 2 * self.deleted) as usize * (1 + self.crashes);
        assert!(gaps.len() <= allowed, "{gaps:?} for {} truncates: {:#?}", self.truncated, self.outline());
    }

    /// What is stored, for a failed assertion.
    pub fn outline(&self) -> Vec<String> {
        let files = self.disk.names.iter().map(|(name, file)| {
            format!("{name} inode {} {} bytes", file.0.borrow().identity.inode, file.0.borrow().data.len())
        });
        let streams = self.collector.iter().map(|(id, stored)| {
            let spans: Vec<String> = stored
                .spans
                .iter()
                .chain(&stored.tail)
                .map(|span| match span.kind {
                    SpanKind::Record => format!("record {}", number_of(&span.bytes)),
                    _ => format!("{:?} {}+{} {:?}", span.kind, span.start, span.len, span.cause),
                })
                .collect();
            let inode = stored.position.as_ref().map(|position| (position.file.inode, position.epoch));
            format!("{id} {inode:?} to {}: {}", stored.w, spans.join(", "))
        });
        let follow = self.follow.files.iter().map(|(key, file)| {
            format!(
                "file {key} {} {:?} {:?} {} busy {:?} age {}",
                file.path.display(),
                file.role,
                file.open,
                file.stat.size,
                file.busy,
                file.age
            )
        });
        files.chain(streams).chain(follow).collect()
    }
}
