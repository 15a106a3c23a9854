//! Copies: files that hold the bytes of a stream whose own file is gone, truncated, or still lives. Pure.

use std::cmp::Reverse;

use record::frame::Resume;
use record::id::StreamId;
use record::wire::Guard;

use super::file::{Busy, File, Role};
use super::files::Files;
use super::judge::{All, Verdict};
use super::kin::{are_kin, is_kin};
use crate::cursor::without_nuls;
use crate::guard::{Ask, BEFORE, HEAD, Look, guard, is_same};
use crate::stream::{FileKey, Stream};

/// The file begins as the stream of a file that cannot be read now: what it is to that one cannot be told.
pub(super) fn begins_like_unreadable(key: FileKey, own: &File, look: &Look, all: &All) -> bool {
    let All { files, streams, kin, .. } = all;
    let others = kin.unreadable().filter(|other| *other != key).filter_map(|other| files.get(other));
    let mut unreadable = others.filter(|file| file.source == own.source && file.trouble.is_some());
    unreadable.any(|file| {
        let stream = file.stream().and_then(|id| streams.get(id));
        stream.is_some_and(|stream| has_head(stream, look))
    })
}

/// Another file that is not judged yet begins alike and holds more: of copies the longest is judged first, and what
/// equals it is held.
pub(super) fn is_shorter(key: FileKey, own: &File, look: &Look, all: &All) -> bool {
    let All { files, kin, .. } = all;
    let rank = |key: FileKey, file: &File| (file.stat.size, file.plain && file.named, Reverse(key));
    let few = kin.are_few(own, look);
    kin.fresh(own, look).any(|other| {
        let Some(file) = files.get(other).filter(|file| file.role == Role::Fresh && file.open) else { return false };
        let alike = |there: &Look| begin_alike(&there.head, &look.head) && (few || are_kin(own, look, file, there));
        rank(other, file) > rank(key, own) && file.look.as_ref().is_some_and(alike)
    })
}

/// What the file may be to a stream whose own file is gone or truncated; none where there is no such stream.
pub(super) fn copy_of(file: &File, look: &Look, all: &All) -> Option<Verdict> {
    let All { files, streams, listings, .. } = all;
    let size = look.stat.size;
    let may_be = |stream: &&Stream| {
        let mine = stream.identity.source.is_none_or(|source| source == file.source);
        mine && !file.cleared.contains(&stream.id) && has_head(stream, look)
    };
    for known in streams.seeking().filter(may_be) {
        let (stream, framed, from) = (known.id, &known.framed, known.marks.from());
        // It goes on in one file only. Before the listing after the truncate a longer copy may not be known.
        let too_early = known.state.search().is_some_and(|search| *listings < search.listing);
        if too_early || is_taken(stream, files) {
            return Some(Verdict::Wait);
        }
        let sum = if size >= framed.to {
            Some((framed.to, framed.guard.crc)).filter(|_| framed.to > from)
        } else {
            known.marks.below(size)
        };
        match sum {
            Some((to, crc)) => return Some(Verdict::Checksum { stream, from, to, crc }),
            // Nothing of it is final, or nothing since a gap: the head alone must do.
            None if size >= known.seen().unwrap_or(framed.to) => return Some(Verdict::Claim { stream }),
            None if size <= HEAD as u64 => return Some(Verdict::Ignore),
            None => {}
        }
    }
    None
}

/// What the file may be to a stream whose own file lives; none where there is no such stream.
pub(super) fn equal_to(key: FileKey, file: &File, look: &Look, all: &All) -> Option<Verdict> {
    let All { files, streams, kin, .. } = all;
    let (mut unread, few) = (false, kin.are_few(file, look));
    for stream in kin.streams(file, look).filter_map(|id| streams.get(id)) {
        let Some(with) = stream.file().filter(|with| *with != key) else { continue };
        let Some(there) = files.get(with).filter(|there| there.open && there.source == file.source) else { continue };
        // Of a file that was not read yet nothing is known, not even that it was truncated meanwhile; of one that cannot
        // be read nothing will be.
        unread |=
            stream.print.head.is_empty() && there.stat.size > 0 && there.chain == file.chain && there.trouble.is_none();
        let alike = begin_alike(&look.head, &stream.print.head) && (few || is_kin(file, look, stream, there));
        if alike && !file.cleared.contains(&stream.id) && !there.is_in_doubt() {
            return Some(compare_with(file, look, stream, with));
        }
    }
    unread.then_some(Verdict::Wait)
}

fn compare_with(file: &File, look: &Look, known: &Stream, with: FileKey) -> Verdict {
    let (stream, print) = (known.id, known.print.clone());
    let ask = Ask::at(print.at);
    // A copy that grows is not compared from its beginning each time: its head and its last bytes tell.
    let equal = file.equal.filter(|(equal, to)| *equal == stream && *to <= look.stat.size);
    let from = equal.map_or(0, |(_, to)| to.saturating_sub(BEFORE as u64));
    Verdict::Compare { stream, with, print, ask, from }
}

/// A file is this stream's already, or it is being tested whether it is.
fn is_taken(id: StreamId, files: &Files) -> bool {
    let is_tested = |file: &File| matches!(file.busy, Some(Busy::Checksum { stream, .. }) if stream == id);
    files.values().any(|file| file.stream() == Some(id) || is_tested(file))
}

/// The file begins as the stream did.
fn has_head(stream: &Stream, look: &Look) -> bool {
    if stream.print.head.is_empty() {
        let known = &stream.framed.guard;
        // A guard after a gap that covers all may have no head: it would fit any file.
        stream.framed.to > 0
            && known.head_len > 0
            && look.stat.size >= u64::from(known.head_len)
            && is_same(&only_head(known), 0, look)
    } else {
        begin_alike(&look.head, &stream.print.head)
    }
}

/// Reserved room at the end says nothing.
fn begin_alike(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (without_nuls(a), without_nuls(b));
    let both = a.len().min(b.len());
    both > 0 && a[..both] == b[..both]
}

/// A guard of which only the head counts.
fn only_head(known: &Guard) -> Guard {
    Guard { before_len: 0, before: guard(&[], &[], 0, 0, Resume::default()).before, ..known.clone() }
}
