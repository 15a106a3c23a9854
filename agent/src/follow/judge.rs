//! Is this file a known stream, a copy of one, equal to one that lives, or new?

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use record::frame::Resume;
use record::id::StreamId;
use record::span::Cause;
use record::wire::FileIdentity;
use tracing::{info, warn};

use super::file::{File, Handle, Job, State, Trouble};
use super::{Action, DOUBT, Follow};
use crate::config::Start;
use crate::content::{Spot, Stat};
use crate::cursor::{Cursor, head_of};
use crate::guard::{Ask, HEAD, Look, guard, is_same};
use crate::piece::Piece;
use crate::stream::{Ending, FileKey, Home, Known, Seeking, Stream, Why};

/// A file that cannot be opened or read is tried again after this time, which doubles up to the last.
const TRY_AGAIN: Duration = Duration::from_secs(1);
const TRY_AGAIN_LAST: Duration = Duration::from_secs(15);

impl Follow {
    pub(super) fn opened(&mut self, key: FileKey, opened: std::io::Result<(FileIdentity, Spot, Stat)>) {
        let Some(file) = self.files.get_mut(&key) else {
            self.actions.push(Action::Close { file: key });
            return;
        };
        file.job = None;
        self.unsettled = true;
        match opened {
            // Renamed or removed since it was listed; the next listing says which.
            Err(error) if error.kind() == ErrorKind::NotFound => self.list_now(),
            Err(error) => _ = self.fails(key, &error.to_string()),
            Ok((_, spot, _)) if spot != file.spot => {
                // Another file has taken the name; the next listing says which.
                self.actions.push(Action::Close { file: key });
                self.list_now();
            }
            Ok((identity, _, stat)) => {
                self.succeeds(key);
                let Some(file) = self.files.get_mut(&key) else { return };
                file.open = Handle::Open;
                file.identity = Some(identity);
                file.stat = stat;
                file.most = file.most.max(stat.size);
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

    /// A file cannot be opened or read, which is told once: it is tried again later. Gives when.
    pub(super) fn fails(&mut self, key: FileKey, why: &str) -> Duration {
        let now = self.now.mono;
        let Some(file) = self.files.get_mut(&key) else { return now };
        let tries = file.trouble.map_or(0, |trouble| trouble.tries);
        if tries == 0 {
            warn!(path = %file.path.display(), why, "cannot be read; it is tried again");
        }
        let again = now + TRY_AGAIN.saturating_mul(1 << tries.min(8)).min(TRY_AGAIN_LAST);
        file.trouble = Some(Trouble { tries: tries + 1, again });
        again
    }

    /// A file can be read.
    pub(super) fn succeeds(&mut self, key: FileKey) {
        if let Some(file) = self.files.get_mut(&key).filter(|file| file.trouble.is_some()) {
            file.trouble = None;
            info!(path = %file.path.display(), "can be read again");
            self.unsettled = true;
        }
    }

    /// The youngest stream that lived in this file.
    fn stream_of(&self, identity: FileIdentity) -> Option<StreamId> {
        let ids = self.lived.get(&identity).into_iter().flatten();
        let lived = ids
            .filter_map(|id| self.streams.get(id))
            .filter(|stream| stream.lives_in == identity && stream.file().is_none());
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
        let Some(file) = self.files.get_mut(&key).filter(|file| file.job.is_none() && file.open == Handle::Open) else {
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
                let again = self.fails(key, &why);
                self.put_on_agenda(key, again);
                return;
            }
        };
        self.succeeds(key);
        let Some(file) = self.files.get_mut(&key) else { return };
        if !matches!(file.state, State::Doubtful { .. }) {
            file.stat = look.stat;
            file.most = file.most.max(look.stat.size);
        }
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
                    file.stat = look.stat;
                    let before = file.most;
                    self.truncated(key, stream, look, before);
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
                self.seek_copy(id);
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
        let (Some(file), Some(stream)) = (self.files.get_mut(&key), self.streams.get_mut(&id)) else { return };
        let reading = Arc::clone(&self.sources[file.source].reading);
        let (done, proof) = (stream.done, stream.proof.clone());
        info!(path = %file.path.display(), stream = %id, offset = done, "goes on");
        stream.cursor = Some(match stream.cursor.take() {
            Some(cursor) => cursor.moved(look),
            None => Cursor::resume(&reading, done, &proof, look),
        });
        if matches!(stream.home, Home::Seeking(Seeking { why: Why::Truncated, .. })) && stream.ending.is_none() {
            // Truncated while nobody looked: the copy is complete, and whether bytes are missing can only be guessed.
            stream.ending = Some(Ending { gap: stream.growing });
        }
        if matches!(stream.home, Home::Seeking(Seeking { why: Why::Down, .. })) && look.stat.size < stream.size {
            // Cut behind what was read, while nobody looked.
            stream.gaps.push(Cause::Copytruncate);
        }
        if stream.source.is_none() {
            // Its path is named no more: the file was moved, or is a copy somewhere else.
            stream.path.clone_from(&file.path);
        }
        stream.source = Some(file.source);
        stream.source_name.clone_from(&file.source_name);
        stream.home = Home::In(key);
        stream.lives_in = file.identity.unwrap_or(stream.lives_in);
        self.lived.entry(stream.lives_in).or_default().insert(id);
        stream.closed = false;
        (stream.size, stream.read_to) = (look.stat.size, done);
        stream.unfinished_since = None;
        stream.tail_seen = 0;
        stream.known = Known { head: head_of(&look.head), at: done, before: look.before.clone() };
        self.seeking.remove(&id);
        self.unsettled = true;
        self.dirty = true;
        self.follow(key, id);
        self.make_gaps(id);
        self.put_on_agenda(key, now);
    }

    /// Judges what waits to be judged, oldest first. While a file of the same source is in doubt, none of it can be.
    pub(super) fn judge_all(&mut self) {
        let now = self.now.mono;
        // What cannot be read holds up only what begins like it.
        let in_doubt =
            |file: &&File| file.trouble.is_none() && (file.is_in_doubt() || file.is_unknown() || file.is_looked_at());
        let doubtful: BTreeSet<usize> = self.files.values().filter(in_doubt).map(|file| file.source).collect();
        let waits = |file: &File| {
            file.state == State::Fresh
                && file.open == Handle::Open
                && file.job.is_none()
                && file.is_due(now)
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
        if self.is_like_unreadable(key, &look)
            || self.is_shorter(key, &look)
            || self.is_copy(key, &look)
            || self.is_equal(key, &look)
        {
            return;
        }
        self.begin(key, &look, None);
    }

    /// Makes a stream of a file. `before` is the stream that was in it until it was truncated.
    pub(super) fn begin(&mut self, key: FileKey, look: &Look, before: Option<StreamId>) {
        let now = self.now.mono;
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
        let others = self.chains.get(&file.chain).into_iter().flat_map(|chain| &chain.files);
        let older = others.filter_map(|other| self.files.get(other)).filter(|other| other.age < file.age);
        let predecessor = before.or_else(|| older.max_by_key(|other| other.age).and_then(File::stream));
        let fresh_log = file.early && before.is_none() && !self.births.contains_key(&file.source_name);
        let spec = &self.sources[file.source];
        let from_end = spec.start == Start::End && fresh_log && epoch == 0 && look.stat.size > 0;

        let id = StreamId::of(&self.agent, identity.device, identity.inode, identity.generation, identity.birth, epoch);
        let mut stream = Stream::new(id, identity, epoch, file.source_name.clone(), file.path.clone());
        stream.source = Some(file.source);
        stream.predecessor = predecessor;
        stream.home = Home::In(key);
        stream.size = look.stat.size;
        stream.known = Known { head: head_of(&look.head), at: 0, before: Vec::new() };
        let reading = Arc::clone(&spec.reading);
        let mut skipped = None;
        stream.cursor = Some(if from_end {
            let size = look.stat.size;
            let behind = guard(&look.head, &[], 0, size, Resume::default());
            let look = Look { before: Vec::new(), ..look.clone() };
            let cursor = Cursor::resume(&reading, size, &behind, &look);
            skipped = Some(Piece::gap(0, size, Cause::StartAtEnd, Some(0), cursor.guard()));
            cursor
        } else {
            Cursor::new(&reading, &look.head)
        });
        info!(path = %file.path.display(), stream = %id, source = file.source_name, epoch, "is followed");
        let chain = file.chain.clone();
        self.holds_now(key, look.stat.size);
        self.streams.insert(id, stream);
        self.lived.entry(identity).or_default().insert(id);
        self.has_news(id);
        if epoch > 0 {
            (self.dirty, self.checkpoint_at) = (true, now);
        }
        if let Some(piece) = skipped {
            self.queue(id, piece);
        }
        let chain = self.chains.entry(chain).or_default();
        if let Some(began) = chain.began.replace(now).filter(|_| self.listings > 1) {
            chain.interval = now.saturating_sub(began);
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
        if file.open == Handle::Open {
            file.open = Handle::Closed;
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
        // What was held as equal to it may be where it goes on; what ends before that brings nothing.
        let done = self.streams.get(&id).map_or(0, |stream| stream.done);
        let mut spent = Vec::new();
        for (key, file) in self.files.iter_mut().filter(|(_, file)| file.state == State::Held { by: id }) {
            if file.stat.size < done {
                spent.push(*key);
            } else {
                file.state = State::Fresh;
            }
        }
        for key in spent {
            self.spend(key);
        }
    }
}
