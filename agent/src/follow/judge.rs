//! Is this file a known stream, a copy of one, equal to one that lives, or new?

use std::sync::Arc;
use std::time::Duration;

use message::frame::{Limits, Resume};
use message::id::StreamId;
use message::span::Cause;
use message::wire::FileIdentity;
use tracing::{info, warn};

use super::file::{File, Job, Open, State};
use super::{Action, DOUBT, FileKey, Follow};
use crate::config::Start;
use crate::content::{Spot, Stat};
use crate::cursor::{Cursor, Piece};
use crate::guard::{Ask, HEAD, Look, guard, is_same};
use crate::stream::{Ending, Home, Known, Seeking, Stream, Why};

/// A file that cannot be opened is tried again.
const OPEN_AGAIN: Duration = Duration::from_secs(5);

impl Follow {
    pub(super) fn opened(&mut self, key: FileKey, opened: Result<(FileIdentity, Spot, Stat), String>) {
        let now = self.now.mono;
        let Some(file) = self.files.get_mut(&key) else {
            self.actions.push(Action::Close { file: key });
            return;
        };
        file.job = None;
        self.unsettled = true;
        match opened {
            Err(why) => {
                file.open = Open::Failed(now + OPEN_AGAIN);
                if !std::mem::replace(&mut file.told_unreadable, true) {
                    warn!(path = %file.path.display(), why, "cannot be opened; it is tried again");
                }
            }
            Ok((_, spot, _)) if spot != file.spot => {
                // Another file has taken the name; the next listing says which.
                self.actions.push(Action::Close { file: key });
                self.list_now();
            }
            Ok((identity, _, stat)) => {
                file.open = Open::Open;
                file.told_unreadable = false;
                file.identity = Some(identity);
                file.stat = stat;
                if self.spent.get(&identity) == Some(&stat.size) {
                    self.spend(key);
                } else if let Some(stream) = self.stream_of(identity) {
                    self.claim(key, stream);
                } else {
                    self.look(key, Ask { head: HEAD, at: 0 });
                }
            }
        }
    }

    /// The youngest stream that lived in this file.
    fn stream_of(&self, identity: FileIdentity) -> Option<StreamId> {
        let lived = self.streams.values().filter(|stream| stream.lives_in == identity && stream.file().is_none());
        lived
            .filter(|stream| {
                self.epochs.get(&stream.origin).is_none_or(|epoch| stream.epoch >= *epoch || stream.origin != identity)
            })
            .max_by_key(|stream| stream.epoch)
            .map(|stream| stream.id)
    }

    /// Looks whether the file has this stream's bytes where they were last read.
    pub(super) fn claim(&mut self, key: FileKey, stream: StreamId) {
        let (Some(file), Some(known)) = (self.files.get_mut(&key), self.streams.get(&stream)) else { return };
        file.state = State::Claimed { stream, doubt: None };
        let ask = Ask::of(&known.proof, known.done);
        self.look(key, ask);
    }

    pub(super) fn look(&mut self, key: FileKey, ask: Ask) {
        let Some(file) = self.files.get_mut(&key).filter(|file| file.job.is_none() && file.open == Open::Open) else {
            return;
        };
        file.job = Some(Job::Look);
        self.actions.push(Action::Look { file: key, ask });
    }

    pub(super) fn looked(&mut self, key: FileKey, look: Result<Look, String>) {
        let now = self.now.mono;
        let Some(file) = self.files.get_mut(&key) else { return };
        file.job = None;
        self.unsettled = true;
        let look = match look {
            Ok(look) => look,
            Err(why) => {
                warn!(path = %file.path.display(), why, "cannot be read; it is tried again");
                self.put_on_agenda(key, now + Duration::from_secs(1));
                return;
            }
        };
        file.stat = look.stat;
        match file.state {
            State::Claimed { stream, doubt } => self.tested(key, stream, doubt, look),
            State::Doubtful { stream, .. } => {
                let same = self
                    .streams
                    .get(&stream)
                    .and_then(|stream| stream.cursor.as_ref())
                    .is_some_and(|cursor| cursor.is_same(&look));
                if same {
                    file.state = State::Following { stream };
                    self.put_on_agenda(key, now);
                } else {
                    self.truncated(key, stream, look);
                }
            }
            State::Fresh => file.look = Some(look),
            State::Held { .. } | State::Spent | State::Following { .. } => {}
        }
    }

    /// A look at a file that by its identity, or by its bytes, is this stream's.
    fn tested(&mut self, key: FileKey, id: StreamId, doubt: Option<Duration>, look: Look) {
        let now = self.now.mono;
        let Some(stream) = self.streams.get(&id) else {
            self.reconsider(key);
            return;
        };
        if is_same(&stream.proof, stream.done, &look) {
            self.resume(key, id, &look);
            return;
        }
        let Some(file) = self.files.get_mut(&key) else { return };
        match doubt {
            None => {
                file.state = State::Claimed { stream: id, doubt: Some(now) };
                self.put_on_agenda(key, now + DOUBT);
            }
            Some(_) if file.identity == Some(stream.lives_in) => {
                info!(path = %file.path.display(), stream = %id, "was truncated or written anew while nobody looked");
                self.seek(id, Why::Truncated, self.listings);
                self.begin(key, &look, Some(id));
            }
            Some(_) => {
                file.cleared.insert(id);
                self.reconsider(key);
            }
        }
    }

    /// The file has the stream's bytes: goes on there.
    fn resume(&mut self, key: FileKey, id: StreamId, look: &Look) {
        let now = self.now.mono;
        let limits = self.limits();
        let (Some(file), Some(stream)) = (self.files.get_mut(&key), self.streams.get_mut(&id)) else { return };
        let format = Arc::clone(&self.sources[file.source].format);
        let (done, proof) = (stream.done, stream.proof.clone());
        info!(path = %file.path.display(), stream = %id, offset = done, "goes on");
        stream.cursor = Some(match stream.cursor.take() {
            Some(cursor) => cursor.moved(look),
            None => Cursor::resume(format, limits, done, &proof, look),
        });
        if matches!(stream.home, Home::Seeking(Seeking { why: Why::Truncated, .. })) && stream.ending.is_none() {
            // Truncated while nobody looked: the copy is complete, and whether bytes are missing can only be guessed.
            stream.ending = Some(Ending { gap: stream.growing });
        }
        stream.source = Some(file.source);
        stream.home = Home::In(key);
        stream.lives_in = file.identity.unwrap_or(stream.lives_in);
        stream.closed = false;
        stream.size = look.stat.size;
        stream.unfinished_since = None;
        stream.tail_seen = 0;
        stream.known = Known { head: look.head.clone(), at: done, before: look.before.clone() };
        self.seeking.remove(&id);
        self.unsettled = true;
        self.dirty = true;
        self.follow(key, id);
        self.make_gaps(id);
        self.put_on_agenda(key, now);
    }

    /// Judges what waits to be judged, oldest first. While a file of the same source is in doubt, none of it can be.
    pub(super) fn judge_all(&mut self) {
        let doubtful: Vec<usize> = self
            .files
            .values()
            .filter(|file| file.is_in_doubt() || file.is_unknown())
            .map(|file| file.source)
            .collect();
        let waits = |file: &File| {
            file.state == State::Fresh
                && file.open == Open::Open
                && file.job.is_none()
                && !doubtful.contains(&file.source)
        };
        let mut keys: Vec<(u64, FileKey)> =
            self.files.iter().filter(|(_, file)| waits(file)).map(|(key, file)| (file.age, *key)).collect();
        keys.sort_unstable();
        for (_, key) in keys {
            self.judge(key);
        }
    }

    fn judge(&mut self, key: FileKey) {
        let Some(file) = self.files.get(&key).filter(|file| file.state == State::Fresh && file.job.is_none()) else {
            return;
        };
        let Some(look) = file.look.clone().filter(|look| look.stat.size >= file.stat.size) else {
            self.look(key, Ask { head: HEAD, at: 0 });
            return;
        };
        if look.stat.size == 0 {
            // The copy of a copytruncate begins empty; the name that is written to is followed at once.
            if file.plain && file.named {
                self.begin(key, &look, None);
            }
            return;
        }
        if self.is_copy(key, &look) || self.is_equal(key, &look) {
            return;
        }
        self.begin(key, &look, None);
    }

    /// Tests the file against a stream whose own file is gone or truncated; true while there is one to test.
    fn is_copy(&mut self, key: FileKey, look: &Look) -> bool {
        let Some(file) = self.files.get(&key) else { return false };
        let source = file.source;
        let mine = |stream: &&Stream| stream.source.is_none_or(|of| of == source) && !file.cleared.contains(&stream.id);
        let candidates: Vec<StreamId> =
            self.seeking.iter().filter_map(|id| self.streams.get(id)).filter(mine).map(|stream| stream.id).collect();
        for id in candidates {
            let Some(stream) = self.streams.get(&id) else { continue };
            let (done, proof) = (stream.done, stream.proof.clone());
            let size = look.stat.size;
            let same_head = if stream.known.head.is_empty() {
                done > 0 && size >= u64::from(proof.head_len) && is_same(&proof_of_head(&proof), 0, look)
            } else {
                let both = look.head.len().min(stream.known.head.len());
                look.head[..both] == stream.known.head[..both]
            };
            if !same_head {
                continue;
            }
            let seen = stream.cursor.as_ref().map_or(done, Cursor::seen);
            let sum = if size >= done {
                Some((done, proof.crc)).filter(|_| done > stream.marks_from)
            } else {
                stream.mark_below(size)
            };
            let from = stream.marks_from;
            match sum {
                Some((to, crc)) => {
                    let Some(file) = self.files.get_mut(&key) else { return false };
                    file.job = Some(Job::Sum { stream: id, crc });
                    self.actions.push(Action::Sum { file: key, from, to });
                    return true;
                }
                // Nothing of it is final, or nothing since a gap: the head alone must do.
                None if size >= seen => {
                    self.claim(key, id);
                    return true;
                }
                None if size <= HEAD as u64 => {
                    self.spend(key);
                    return true;
                }
                None => {}
            }
        }
        false
    }

    pub(super) fn summed(&mut self, key: FileKey, crc: Result<u32, String>) {
        let Some(file) = self.files.get_mut(&key) else { return };
        self.unsettled = true;
        let Some(Job::Sum { stream: id, crc: expected }) = file.job.take() else { return };
        let Some(stream) = self.streams.get(&id).filter(|stream| stream.is_seeking()) else { return };
        if crc != Ok(expected) {
            file.cleared.insert(id);
            return;
        }
        let size = file.stat.size;
        let seen = stream.cursor.as_ref().map_or(stream.done, Cursor::seen);
        let covered = stream.cursor.as_ref().is_some_and(Cursor::covers);
        if size >= seen || (size >= stream.done && !covered) {
            self.claim(key, id);
        } else {
            info!(path = %file.path.display(), stream = %id, "is a copy of what was read already");
            self.spend(key);
        }
    }

    /// Tests the file against streams whose own files live; true while there is one to test.
    fn is_equal(&mut self, key: FileKey, look: &Look) -> bool {
        let Some(file) = self.files.get(&key) else { return false };
        let other = self.streams.values().find_map(|stream| {
            let home = stream.file().filter(|home| *home != key)?;
            let there =
                self.files.get(&home).filter(|there| there.open == Open::Open && there.source == file.source)?;
            let both = look.head.len().min(stream.known.head.len());
            let equal =
                both > 0 && look.head[..both] == stream.known.head[..both] && !file.cleared.contains(&stream.id);
            (equal && !there.is_in_doubt()).then(|| (stream.id, home, stream.known.clone()))
        });
        let Some((id, home, known)) = other else { return false };
        let ask = Ask { head: HEAD, at: known.at };
        let Some(file) = self.files.get_mut(&key) else { return false };
        file.job = Some(Job::Compare { stream: id, known });
        self.actions.push(Action::Compare { file: key, with: home, ask, from: 0 });
        true
    }

    pub(super) fn compared(&mut self, key: FileKey, same: Result<(u64, bool, Look), String>) {
        let now = self.now.mono;
        let Some(file) = self.files.get_mut(&key) else { return };
        let Some(Job::Compare { stream: id, known }) = file.job.take() else { return };
        self.unsettled = true;
        let (same_to, differs, look) = match same {
            Ok(same) => same,
            Err(why) => {
                warn!(path = %file.path.display(), why, "cannot be compared with another file; it is taken for a log of its own");
                file.cleared.insert(id);
                return;
            }
        };
        let Some(home) = self.streams.get(&id).and_then(Stream::file) else { return };
        if !known.is_same(&look) {
            // The other file was truncated in between: first that is found out, then what this one is.
            self.put_on_agenda(home, now);
            self.doubt(home, id);
            return;
        }
        let gone = self.files.get(&home).is_some_and(File::is_deleted);
        let Some(stream) = self.streams.get(&id) else { return };
        let read_all = stream.cursor.as_ref().is_some_and(|cursor| cursor.seen() == look.stat.size);
        let Some(file) = self.files.get_mut(&key) else { return };
        let longer = file.stat.size > same_to && look.stat.size == same_to;
        if differs || (longer && !gone) {
            file.cleared.insert(id);
        } else if gone && read_all && same_to == look.stat.size {
            info!(path = %file.path.display(), stream = %id, "holds all of a deleted file, which goes on there");
            self.forget_file(home);
            self.seek(id, Why::Moved, self.listings);
            self.claim(key, id);
        } else {
            file.state = State::Held { by: id };
        }
    }

    /// Makes a stream of a file. `before` is the stream that was in it until it was truncated.
    pub(super) fn begin(&mut self, key: FileKey, look: &Look, before: Option<StreamId>) {
        let now = self.now.mono;
        let limits = self.limits();
        let Some((file, identity)) =
            self.files.get(&key).and_then(|file| file.identity.map(|identity| (file, identity)))
        else {
            return;
        };
        let since = self.chains.get(&file.chain).map_or(0, |chain| chain.since);
        if !file.named && before.is_none() && file.stat.mtime < since {
            self.spend(key);
            return;
        }
        let epoch = self.next_epoch(identity);
        let Some(file) = self.files.get(&key) else { return };
        let older = self.files.values().filter(|other| other.chain == file.chain && other.age < file.age);
        let predecessor = before.or_else(|| older.max_by_key(|other| other.age).and_then(File::stream));
        let fresh_log = file.early
            && before.is_none()
            && !self.streams.values().any(|stream| stream.source_name == file.source_name && stream.told);
        let spec = &self.sources[file.source];
        let from_end = spec.start == Start::End && fresh_log && epoch == 0 && look.stat.size > 0;

        let id = StreamId::of(&self.agent, identity.device, identity.inode, identity.generation, identity.birth, epoch);
        let mut stream = Stream::new(id, identity, epoch, file.source_name.clone(), file.path.clone());
        stream.source = Some(file.source);
        stream.predecessor = predecessor;
        stream.home = Home::In(key);
        stream.size = look.stat.size;
        stream.known = Known { head: look.head.clone(), at: 0, before: Vec::new() };
        let format = Arc::clone(&spec.format);
        let mut skipped = None;
        stream.cursor = Some(if from_end {
            let size = look.stat.size;
            let behind = guard(&look.head, &[], 0, size, Resume::default());
            let look = Look { before: Vec::new(), ..look.clone() };
            let cursor = Cursor::resume(format, limits, size, &behind, &look);
            skipped = Some(Piece::gap(0, size, Cause::StartAtEnd, Some(0), cursor.guard()));
            cursor
        } else {
            Cursor::new(format, limits)
        });
        info!(path = %file.path.display(), stream = %id, source = file.source_name, epoch, "is followed");
        let chain = file.chain.clone();
        self.streams.insert(id, stream);
        self.news.entry(id).or_insert(now);
        if epoch > 0 {
            (self.dirty, self.checkpoint_at) = (true, now);
        }
        if let Some(piece) = skipped {
            self.queue(id, piece);
        }
        if let Some(chain) = self.chains.get_mut(&chain) {
            if let Some(began) = chain.began.replace(now).filter(|_| self.listings > 1) {
                chain.interval = now.saturating_sub(began);
            }
        }
        self.follow(key, id);
        self.put_on_agenda(key, now);
    }

    fn follow(&mut self, key: FileKey, stream: StreamId) {
        let Some(file) = self.files.get_mut(&key) else { return };
        file.state = State::Following { stream };
        file.look = None;
        file.cleared.clear();
        self.unsettled = true;
        let done = self.streams.get(&stream).map_or(0, |stream| stream.done);
        if file.stat.size > done {
            let chain = file.chain.clone();
            self.chains.entry(chain).or_default().behind.insert(key);
        }
    }

    /// The file brings nothing: it is not read.
    pub(super) fn spend(&mut self, key: FileKey) {
        let Some(file) = self.files.get_mut(&key) else { return };
        file.state = State::Spent;
        file.look = None;
        if file.open == Open::Open {
            file.open = Open::Closed;
            self.actions.push(Action::Close { file: key });
        }
        if let Some(identity) = file.identity {
            self.spent.insert(identity, file.stat.size);
        }
        (self.dirty, self.unsettled) = (true, true);
    }

    fn reconsider(&mut self, key: FileKey) {
        if let Some(file) = self.files.get_mut(&key) {
            file.state = State::Fresh;
            file.look = None;
        }
        self.unsettled = true;
    }

    /// Starts the search for a stream's bytes.
    pub(super) fn seek(&mut self, id: StreamId, why: Why, listing: u64) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.home = Home::Seeking(Seeking { why, listing });
            self.seeking.insert(id);
            self.unsettled = true;
        }
        // What was held as equal to it may be where it goes on.
        let held = |file: &&mut File| file.state == State::Held { by: id };
        for file in self.files.values_mut().filter(held) {
            file.state = State::Fresh;
        }
    }

    pub(super) fn limits(&self) -> Limits {
        Limits { record: self.rules.record_limit }
    }
}

/// A guard of which only the head counts.
fn proof_of_head(proof: &message::wire::Guard) -> message::wire::Guard {
    message::wire::Guard { before_len: 0, before: guard(&[], &[], 0, 0, Resume::default()).before, ..proof.clone() }
}
