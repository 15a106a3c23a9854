//! Streams whose file is gone or was truncated: what was not found in time is lost, and a gap says so.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use record::id::StreamId;
use record::span::Cause;
use tracing::{info, warn};

use super::file::{File, State};
use super::{Follow, GROWING};
use crate::guard::Look;
use crate::piece::Piece;
use crate::place::possible_chains;
use crate::stream::{Ending, FileKey, Home, Seeking, Stream, Why};
use crate::turn::finish;

impl Follow {
    /// The file holds other bytes than those that were read (`before` is the largest size it was known to have): its stream goes on in a copy, or ends.
    pub(super) fn truncated(&mut self, key: FileKey, id: StreamId, look: Look, before: u64) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let seen = stream.cursor.as_ref().map_or(stream.w, crate::cursor::Cursor::seen);
        let unread = before > seen && look.stat.size < before;
        let growing = stream.was_growing(GROWING) || stream.size > seen || unread;
        info!(path = %stream.path.display(), stream = %id, seen, growing, "was truncated");
        stream.ending = Some(Ending { gap: growing });
        self.seek_copy(id);
        self.begin(key, &look, Some(id));
    }

    /// Looks for a copy of what was truncated. It was complete before the truncate: a listing asked for from now on shows it.
    pub(super) fn seek_copy(&mut self, id: StreamId) {
        let listing = self.listings + 1 + u64::from(self.listing_asked);
        self.seek(id, Why::Truncated, listing);
        self.list_now();
    }

    /// Ends searches that can find nothing any more.
    pub(super) fn give_up_seeking(&mut self) {
        if self.seeking.is_empty() || self.listings == 0 {
            return;
        }
        let waits = |file: &&File| file.is_pending() || file.is_in_doubt();
        let waiting: BTreeSet<usize> = self.files.values().filter(waits).map(|file| file.source).collect();
        let fresh = self.files.values().filter(|file| file.state == State::Fresh);
        let unknown: HashSet<u64> = fresh.map(|file| file.spot.inode).collect();
        let listed: HashSet<&Path> =
            self.files.values().filter(|file| file.listed).map(|file| file.chain.as_path()).collect();
        let over = |stream: &&Stream| {
            let Home::Seeking(Seeking { why, listing }) = stream.home else { return true };
            let may_come = stream.source.map_or(!waiting.is_empty(), |source| waiting.contains(&source));
            let in_vain = self.listings >= listing && !may_come && !unknown.contains(&stream.origin.inode);
            // A disk that is not mounted yet has not lost its logs: nothing is given up before the log is seen. And a
            // log that no source names any more is nobody's concern.
            let seen = || possible_chains(&stream.path).iter().any(|chain| listed.contains(chain.as_path()));
            in_vain && (why != Why::Down || (stream.source.is_some() && seen()))
        };
        let ids: Vec<StreamId> =
            self.seeking.iter().filter_map(|id| self.streams.get(id)).filter(over).map(|stream| stream.id).collect();
        for id in ids {
            self.seeking.remove(&id);
            self.give_up(id);
        }
    }

    fn give_up(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let Home::Seeking(Seeking { why, .. }) = stream.home else { return };
        stream.home = Home::Nowhere;
        let ending = stream.ending.take();
        if stream.rewound.is_none() && (why == Why::Moved || ending.is_some()) {
            self.end_from_memory(id, ending.is_some_and(|ending| ending.gap));
        } else {
            self.end_lost(id, why);
        }
        self.drop_settled(id);
    }

    /// Nothing of the stream can be read any more but what is in memory.
    fn end_from_memory(&mut self, id: StreamId, mut gap: bool) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let pieces = stream.cursor.take().map_or_else(Vec::new, finish);
        stream.closed = true;
        self.kept = self.kept.saturating_sub(std::mem::take(&mut stream.kept));
        let lost = |piece: &Piece| piece.spans.iter().any(|span| span.cause == Some(Cause::Copytruncate));
        gap &= !pieces.iter().any(lost);
        if gap {
            stream.gaps.push(Cause::Copytruncate);
        }
        for piece in pieces {
            self.queue(id, piece);
        }
        self.make_gaps(id);
    }

    /// The stream was lost while nobody looked, or when the collector's watermark had gone back.
    fn end_lost(&mut self, id: StreamId, why: Why) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.cursor = None;
        let known = stream.size.max(stream.rewound.unwrap_or(0));
        let lost = known.saturating_sub(stream.done);
        let cause = match (stream.rewound.take(), why) {
            (Some(_), _) => Cause::CollectorRewound,
            (None, Why::Down) => Cause::DeletedWhileDown,
            (None, Why::Truncated | Why::Moved) => Cause::Copytruncate,
        };
        // The last file of its chain may have grown on; of an older one that was read to its end nothing is missing.
        let open_ended = why == Why::Truncated || stream.latest;
        let settled = stream.closed || (lost == 0 && !open_ended);
        stream.closed = true;
        if settled && cause != Cause::CollectorRewound {
            return;
        }
        let piece = stream.gap(lost, cause, None);
        warn!(stream = %id, path = %stream.path.display(), offset = stream.done, bytes = lost, %cause, "cannot be found any more; a gap says so");
        self.queue(id, piece);
    }

    /// A copy was read to its end and closed.
    pub(super) fn ended(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.ending.take().is_some_and(|ending| ending.gap) {
            stream.gaps.push(Cause::Copytruncate);
        }
        self.make_gaps(id);
    }
}
