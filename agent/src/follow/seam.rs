//! The seam between two files of a log: the head of the younger one is not read before it is decided whether it belongs to the
//! last record of the older one.
//!
//! ```text
//! app.log.1   … [10:00:01][INVITE][sip:a][sip:b]⏎INVITE sip:b SIP/2.0⏎Call-ID: 7⏎Conte      <- ends within a record
//! app.log     nt-Length: 0⏎⏎[10:00:02][BYE]…                                                <- begins with its rest
//! ```
//!
//! The record is stored whole in the older stream. How far it goes on in the next file stands in the guard there, which moves
//! in the same transaction: whenever an agent dies, the next one knows it. Only after that is committed does the younger
//! stream begin, with a reference in place of those bytes.

use std::collections::HashMap;
use std::time::Duration;

use record::id::StreamId;
use tracing::{info, warn};

use super::chain::Chain;
use super::file::{Busy, File, Role};
use super::{Action, Follow};
use crate::cursor::{After, Cursor};
use crate::stream::{FileKey, State, Stream};
use crate::turn::Stitch;
use crate::wording::shown;

/// Until what a head waits for is looked at again: so long at first, and later the longer it waits.
const SOON: Duration = Duration::from_millis(20);

/// Streams whose heads are held back.
#[derive(Debug, Default)]
pub(super) struct Seams {
    held: HashMap<StreamId, Held>,
}

/// The head of a stream, held back for the end of another.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// None: the older file is not judged yet.
    old: Option<StreamId>,
    since: Duration,
    /// Since when there is something in its file.
    written: Option<Duration>,
}

/// What is to be done with the head of a file.
#[derive(Debug)]
pub(super) enum Head {
    /// It is read.
    Read,
    /// Nothing is in it yet: it is only looked at.
    Peek,
    /// It is held back, and will be looked at again.
    Held,
}

/// What the end of the older file says of a head.
enum Says {
    /// Nothing of the older file goes on here, or this does.
    Read(Option<After>),
    Wait,
    Try(FileKey),
}

impl Seams {
    /// The end of a stream is not made final: the head of the next file may go on with it. Once there is something in that
    /// one, it is decided within that time, and a little later at the latest.
    pub fn awaits(&self, old: StreamId, now: Duration, most: Duration) -> bool {
        let waits = |held: &Held| match held.written {
            Some(written) => now.saturating_sub(written) < most + most / 2,
            None => now.saturating_sub(held.since) < most,
        };
        self.held.values().any(|held| held.old == Some(old) && waits(held))
    }

    /// For how long there has been something in the file of a head.
    fn waited(&self, id: StreamId, now: Duration) -> Duration {
        let written = self.held.get(&id).and_then(|held| held.written);
        written.map_or(Duration::ZERO, |written| now.saturating_sub(written))
    }

    /// The stream is not followed any more.
    pub fn forget(&mut self, id: StreamId) {
        self.held.remove(&id);
    }
}

impl Follow {
    /// Notes that the head of a stream may belong to the end of an older one; that one is not closed then.
    pub(super) fn note_seam(&mut self, key: FileKey, id: StreamId) {
        let undecided = |stream: &&Stream| stream.framed.to == 0 && !stream.headed && stream.seen() == Some(0);
        let Some(stream) = self.streams.get(id).filter(undecided) else { return };
        let before = stream.identity.predecessor.and_then(|old| self.streams.get(old));
        // Where it goes on is found with all files that came between.
        let sought = before.filter(|old| old.state.is_seeking()).map(|old| old.id);
        let older = self.older(key);
        let unknown = older.is_some_and(|file| file.is_pending() || self.may_be_claimed(file, key));
        let known = older.and_then(File::stream).or_else(|| before.map(|old| old.id));
        let old = sought.or_else(|| known.filter(|old| !unknown && *old != id));
        if old.is_some() || unknown {
            let new = Held { old, since: self.now.mono, written: None };
            self.seams.held.entry(id).or_insert(new).old = old;
        } else if !self.is_empty(key) {
            // What begins as an empty file may still turn out to follow a copy of what was in it.
            self.decide(id, None);
        }
    }

    /// After so long nothing more is waited for.
    fn last_look(&self) -> Duration {
        self.rules.close_after + self.rules.close_after / 4
    }

    fn is_empty(&self, key: FileKey) -> bool {
        self.files.get(key).is_none_or(|file| file.size() == 0)
    }

    /// What is to be done with the head of a file that is about to be read.
    pub(super) fn at_head(&mut self, key: FileKey, id: StreamId) -> Head {
        let (now, most) = (self.now.mono, self.rules.close_after);
        if !self.seams.held.contains_key(&id) {
            let decided = self.streams.get(id).is_none_or(|stream| stream.headed || stream.framed.to > 0);
            if decided || self.streams.get(id).and_then(Stream::seen) != Some(0) {
                return Head::Read;
            }
            return if self.is_empty(key) { Head::Peek } else { Head::Read };
        }
        if self.is_empty(key) {
            return Head::Peek;
        }
        let Some(held) = self.seams.held.get_mut(&id) else { return Head::Read };
        let waited = now.saturating_sub(*held.written.get_or_insert(now));
        let old = held.old;
        match old.map_or(Says::Wait, |old| self.ask_older(old)) {
            Says::Read(after) => self.decide(id, after),
            Says::Try(old_key) => {
                self.stitch(key, old_key, waited >= most);
                return Head::Held;
            }
            // A reader may be busy with the older file just now: there is a little time left for a last look.
            Says::Wait if waited >= self.last_look() => {
                let path = self.files.get(key).map(|file| shown(&file.path)).unwrap_or_default();
                info!(stream = %id, "{path} begins amid a record, and nothing shows of which: it is read as it is");
                self.decide(id, None);
            }
            Says::Wait => {
                self.schedule(key, now + (waited / 8).max(SOON));
                return Head::Held;
            }
        }
        Head::Read
    }

    /// The file of the same log that is the next older one, passing over copies that bring nothing.
    fn older(&self, key: FileKey) -> Option<&File> {
        let file = self.files.get(key)?;
        let others = self.chains.get(&file.chain).into_iter().flat_map(Chain::files);
        let older = others.filter_map(|other| self.files.get(other)).filter(|other| other.age < file.age);
        let older = older.filter(|other| !matches!(other.role, Role::Held { .. } | Role::Ignored));
        older.max_by_key(|other| other.age)
    }

    /// It is not judged yet, and may be where a stream goes on that was in it, or in the file `key`, before that was truncated.
    fn may_be_claimed(&self, file: &File, key: FileKey) -> bool {
        let inodes = [Some(file), self.files.get(key)].map(|file| file.map(|file| file.inode.number));
        let lived = |stream: &Stream| inodes.contains(&Some(stream.identity.lives_in.inode));
        file.role == Role::Fresh && file.trouble.is_none() && self.streams.seeking().any(lived)
    }

    fn ask_older(&self, old: StreamId) -> Says {
        let Some(stream) = self.streams.get(old) else { return Says::Read(None) };
        let (note, framed) = (&stream.framed.guard.resume, stream.framed.to);
        if note.beyond.is_some() {
            let stored = stream.committed.w() >= framed && stream.committed.is_known();
            let after = After { stream: old, note: note.clone() };
            return if stored { Says::Read(Some(after)) } else { Says::Wait };
        }
        match &stream.state {
            State::Closed(_) | State::Gone => Says::Read(None),
            State::Reading(key, cursor) => {
                let Some(file) = self.files.get(*key) else { return Says::Wait };
                if stream.sight.read_to < file.size() || file.role != (Role::Following { stream: old }) {
                    Says::Wait
                } else if cursor.seen() == framed {
                    Says::Read(None)
                } else if file.open && file.busy.is_none() {
                    Says::Try(*key)
                } else {
                    Says::Wait
                }
            }
            _ => Says::Wait,
        }
    }

    /// It is decided what the head of a stream is.
    fn decide(&mut self, id: StreamId, after: Option<After>) {
        let held = self.seams.held.remove(&id);
        if let Some(stream) = self.streams.get_mut(id) {
            stream.headed = true;
            if let (Some(after), Some(cursor)) = (after, stream.state.cursor_mut()) {
                cursor.follows(after);
            }
        }
        // The end of the older one waits for nothing any more.
        let old = held.and_then(|held| self.streams.get(held.old?)?.file());
        if let Some(key) = old {
            self.schedule(key, self.now.mono);
        }
    }

    fn stitch(&mut self, key: FileKey, old_key: FileKey, last: bool) {
        let Some(old) = self.files.get(old_key).and_then(File::stream) else { return };
        let Some(cursor) = self.streams.get_mut(old).and_then(|stream| stream.state.lend()) else { return };
        for key in [key, old_key] {
            if let Some(file) = self.files.get_mut(key) {
                file.busy = Some(Busy::Stitch);
            }
        }
        self.scheduler.turn_begins();
        self.actions.push(Action::Stitch { file: key, old: old_key, stream: old, cursor, last });
    }

    /// A reader has looked over the seam.
    pub(super) fn stitched(&mut self, key: FileKey, old_key: FileKey, id: StreamId, mut cursor: Cursor, found: Stitch) {
        let now = self.now.mono;
        self.scheduler.turn_ends();
        for key in [key, old_key] {
            if let Some(file) = self.files.get_mut(key).filter(|file| matches!(file.busy, Some(Busy::Stitch))) {
                file.busy = None;
            }
        }
        self.schedule(old_key, now);
        let role = self.files.get(old_key).map(|file| file.role);
        let Some(stream) = self.streams.get_mut(id) else { return self.schedule(key, now) };
        if stream.queue.is_asking() || role != Some(Role::Following { stream: id }) {
            stream.state.drop_cursor();
            return self.schedule(key, now);
        }
        if !self.scheduler.keep(id, cursor.kept()) {
            cursor.forget();
        }
        stream.state.take_back(old_key, cursor);
        let path = self.files.get(old_key).map(|file| shown(&file.path)).unwrap_or_default();
        let new = self.files.get(key).and_then(File::stream);
        match found {
            Stitch::Joined(parcel) => {
                info!(stream = %id, offset = parcel.end, "the last record of {path} goes on in the next file");
                self.enqueue(id, parcel);
                self.schedule(key, now);
            }
            Stitch::Apart => {
                if let Some(new) = new {
                    self.decide(new, None);
                }
                self.schedule(key, now);
            }
            // What cannot be read keeps no younger file from being read.
            Stitch::Changed | Stitch::Failed(_)
                if new.is_some_and(|new| self.seams.waited(new, now) >= self.last_look()) =>
            {
                if let Some(new) = new {
                    self.decide(new, None);
                }
                self.schedule(key, now);
            }
            Stitch::Open | Stitch::Changed => self.schedule(key, now + self.rules.poll / 2),
            Stitch::Failed(error) => {
                warn!(stream = %id, %error, "the seam after {path} cannot be read; it is tried again");
                self.schedule(key, now + self.rules.poll);
            }
        }
    }
}
