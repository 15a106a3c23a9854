//! Streams whose file is gone or was truncated: what is not found in time is lost, and a gap says so.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use record::id::StreamId;
use record::span::Cause;
use tracing::{info, warn};

use super::file::{File, Role};
use super::files::{Because, Files};
use super::streams::Streams;
use super::{Follow, GROWING};
use crate::guard::Look;
use crate::parcel::Parcel;
use crate::place::SourceId;
use crate::place::possible_chains;
use crate::stream::{Ending, FileKey, Left, Search, Stream, Why};
use crate::turn::finish;
use crate::wording::shown;

impl Follow {
    /// The file holds other bytes than those that were read (`before` is the largest size it was known to have): its stream
    /// goes on in a copy, or ends.
    pub(super) fn truncated(&mut self, key: FileKey, id: StreamId, look: &Look, before: u64) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let seen = stream.seen().unwrap_or(stream.committed.w());
        let unread = before > seen && look.stat.size < before;
        let growing = stream.was_growing(GROWING) || stream.sight.size > seen || unread;
        info!(stream = %id, seen, growing, "{} was truncated", shown(&stream.identity.path));
        stream.ending = Some(Ending { gap: growing });
        self.seek_copy(id);
        self.begin(key, look, Some(id));
    }

    /// Looks for a copy of what was truncated. It was complete before the truncate: a listing asked for from now on shows it.
    pub(super) fn seek_copy(&mut self, id: StreamId) {
        self.seek(id, Why::Truncated, self.rounds.under_way() + 1);
        self.rounds.list_soon(self.now.mono);
    }

    /// Starts the search for a stream's bytes.
    pub(super) fn seek(&mut self, id: StreamId, why: Why, listing: u64) {
        self.streams.seek(id, Search { why, listing });
        self.judging.ask();
        // What was held as equal to it may be where it goes on; what ends before that brings nothing.
        let to = self.streams.get(id).map_or(0, |stream| stream.framed.to);
        let mut ignored = Vec::new();
        for (key, file) in self.files.iter_mut().filter(|(_, file)| file.role == Role::Held { by: id }) {
            if file.stat.size < to {
                ignored.push(key);
            } else {
                file.role = Role::Fresh;
            }
        }
        for key in ignored {
            self.ignore(key, Because::CopyOf(id));
        }
    }

    /// Ends searches that can find nothing any more.
    pub(super) fn give_up_seeking(&mut self) {
        for (id, why) in in_vain(&self.files, &self.streams, self.rounds.number()) {
            self.streams.sought(id);
            self.give_up(id, why);
        }
    }

    fn give_up(&mut self, id: StreamId, why: Why) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let left = stream.state.end();
        let ending = stream.ending.take();
        self.scheduler.release(id);
        if !stream.committed.is_rewound() && (why == Why::Moved || ending.is_some()) {
            self.end_from_memory(id, left, ending.is_some_and(|ending| ending.gap));
        } else {
            self.end_lost(id, &left, why);
        }
        self.drop_settled(id);
    }

    /// Nothing of the stream can be read any more but what is in memory.
    fn end_from_memory(&mut self, id: StreamId, left: Left, mut gap: bool) {
        let parcels = if let Left::After(cursor) = left { finish(*cursor) } else { Vec::new() };
        let lost = |parcel: &Parcel| parcel.spans.iter().any(|span| span.cause == Some(Cause::Copytruncate));
        gap &= !parcels.iter().any(lost);
        if gap && let Some(stream) = self.streams.get_mut(id) {
            stream.gaps.push(Cause::Copytruncate);
        }
        for parcel in parcels {
            self.enqueue(id, parcel);
        }
        self.make_gaps(id);
    }

    /// The stream was lost while nobody looked, or when the collector's watermark had gone back.
    fn end_lost(&mut self, id: StreamId, left: &Left, why: Why) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let rewound = stream.committed.take_rewound();
        let known = stream.sight.size.max(rewound.unwrap_or(0));
        let lost = known.saturating_sub(stream.framed.to);
        let cause = match (rewound, why) {
            (Some(_), _) => Cause::CollectorRewound,
            (None, Why::Down) => Cause::DeletedWhileDown,
            (None, Why::Truncated | Why::Moved) => Cause::Copytruncate,
        };
        // The last file of its chain may have grown on; of an older one that was read to its end nothing is missing.
        let open_ended = why == Why::Truncated || stream.stopped.latest;
        let complete = matches!(left, Left::Nothing) || (lost == 0 && !open_ended);
        if complete && cause != Cause::CollectorRewound {
            return;
        }
        let parcel = stream.gap(lost, cause, None);
        let (path, offset) = (shown(&stream.identity.path), stream.framed.to);
        warn!(stream = %id, offset, bytes = lost, %cause, "the rest of {path} cannot be found any more; a gap says so");
        self.enqueue(id, parcel);
    }

    /// A copy was read to its end and closed.
    pub(super) fn ended(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.ending.take().is_some_and(|ending| ending.gap) {
            stream.gaps.push(Cause::Copytruncate);
        }
        self.make_gaps(id);
    }
}

/// The searches that can find nothing any more, after so many listings.
fn in_vain(files: &Files, streams: &Streams, listings: u64) -> Vec<(StreamId, Why)> {
    if listings == 0 || streams.seeking().next().is_none() {
        return Vec::new();
    }
    let waits = |file: &&File| file.is_pending() || file.is_in_doubt();
    let waiting: BTreeSet<SourceId> = files.values().filter(waits).map(|file| file.source).collect();
    let fresh = files.values().filter(|file| file.role == Role::Fresh);
    let unknown: HashSet<u64> = fresh.map(|file| file.inode.number).collect();
    let listed: HashSet<&Path> = files.values().filter(|file| file.listed).map(|file| file.chain.as_path()).collect();
    let over = |stream: &Stream| {
        let Search { why, listing } = stream.state.search()?;
        let identity = &stream.identity;
        let may_come = identity.source.map_or(!waiting.is_empty(), |source| waiting.contains(&source));
        let in_vain = listings >= listing && !may_come && !unknown.contains(&identity.origin.inode);
        // A disk that is not mounted, or not any more, has not lost its logs: nothing is given up before the log is seen.
        // And a log that no source names any more is nobody's concern.
        let seen = || possible_chains(&identity.path).iter().any(|chain| listed.contains(chain.as_path()));
        let over = in_vain && (why != Why::Down || identity.source.is_some()) && seen();
        over.then_some((stream.id, why))
    };
    streams.seeking().filter_map(over).collect()
}
