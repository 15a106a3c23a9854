//! What is too large for the collector, or for something before it.

use record::id::StreamId;
use tracing::warn;

use super::answer::{HOLD, HOLD_OPERATOR};
use super::delivery::BATCH_MIN;
use super::file::Role;
use super::{Follow, Shipment};
use crate::parcel::weight_of;
use crate::wording::shown;

impl Follow {
    /// Smaller batches from now on, down to one record. A record that is too large alone waits for an operator, unless it
    /// is more than any collector takes: nothing but a limit between here and there keeps it away.
    pub(super) fn too_large(&mut self, shipment: Shipment, never: bool) {
        let tails: usize = shipment.append.streams.iter().map(|part| weight_of(&part.tail)).sum();
        let (bytes, single) = (shipment.bytes() + tails, shipment.is_single());
        if !single {
            self.delivery.shrink(bytes);
        }
        for (part, cuts) in shipment.into_parts() {
            let id = part.stream;
            self.delivery.arrived(cuts.bytes());
            if let Some(stream) = self.streams.get_mut(id) {
                stream.queue.answered();
                // A tail is only a preview: it never makes a batch too large twice.
                stream.tail.withdraw();
            }
            let largest = part.spans.iter().max_by_key(|span| span.bytes.len()).map(|span| span.start);
            match largest {
                _ if !single || !part.tail.is_empty() => self.requeue(id, part.spans, cuts),
                Some(start) if never => {
                    self.requeue_without(part, cuts, start, "more than a collector takes".to_owned());
                }
                Some(_) if part.spans.len() > 1 && self.frame_smaller(id) => self.ask_position(id, &cuts),
                _ => {
                    self.hold_large(id, part.base.0, bytes);
                    self.requeue(id, part.spans, cuts);
                }
            }
        }
    }

    /// What of a stream is not committed is to be framed in smaller parcels, if they can be and its file is there: where
    /// spans may be cut apart only the file can say.
    fn frame_smaller(&mut self, id: StreamId) -> bool {
        let Some(stream) = self.streams.get_mut(id) else { return false };
        let file = stream.file().and_then(|key| self.files.get(key));
        let there = file.is_some_and(|file| file.open && file.role == Role::Following { stream: id });
        there && stream.queue.halve_parcels(BATCH_MIN)
    }

    fn hold_large(&mut self, id: StreamId, start: u64, bytes: usize) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.queue.hold(self.now.mono + if bytes == 0 { HOLD } else { HOLD_OPERATOR });
        if bytes > 0 && stream.queue.is_first_large(start) {
            warn!(
                stream = %id, path = shown(&stream.identity.path), offset = start, bytes,
                "a record is larger than something before the collector takes (413); raise that limit: until then its log waits"
            );
        }
    }
}
