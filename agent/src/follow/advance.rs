//! Whose turn it is to be read, and what a turn brought.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use record::id::StreamId;
use record::span::Cause;
use record::wire::WireSpan;

use super::file::{File, Handle, Job, State};
use super::{Action, DOUBT, Follow, KEPT, READING};
use crate::cursor::Cursor;
use crate::guard::{Ask, HEAD};
use crate::piece::weight;
use crate::stream::{FileKey, Home, Known, Seeking, Stream, Why};
use crate::turn::{Close, Found, Order, Turn};

/// Bytes of a turn.
const TURN: usize = 1 << 20;
/// A busy file is looked at again after this time at the earliest...
const HOT: Duration = Duration::from_millis(2);
/// ... and a file that was quiet for so long only with each listing.
const COLD: Duration = Duration::from_secs(2);
/// Bytes of provisional tails that wait to be sent, over all streams: they are previews, and never stop the reading.
const TAILS_MAX: usize = 4 << 20;
/// Between two provisional tails of a stream.
const TAILS: Duration = Duration::from_secs(1);

impl Follow {
    /// Gives turns: to files that are due, older ones first, as far as memory and readers allow.
    pub(super) fn take_turns(&mut self) {
        let now = self.now.mono;
        while let Some((due, key)) = self.agenda.first().copied().filter(|(due, _)| *due <= now) {
            self.agenda.remove(&(due, key));
            let Some(file) = self.files.get_mut(&key) else { continue };
            file.due = None;
            if let Some(trouble) = file.trouble.filter(|trouble| trouble.again > now) {
                self.put_on_agenda(key, trouble.again);
                continue;
            }
            match file.state {
                State::Following { .. } => {
                    self.ready.insert((file.age, key));
                }
                State::Doubtful { stream, .. } => {
                    let at = self.streams.get(&stream).and_then(|s| s.cursor.as_ref()).map_or(0, Cursor::seen);
                    self.look(key, Ask { head: HEAD, at });
                }
                State::Claimed { stream, .. } => {
                    if let Some(known) = self.streams.get(&stream) {
                        let ask = Ask::of(&known.proof, known.done);
                        self.look(key, ask);
                    }
                }
                State::Fresh | State::Held { .. } | State::Spent => self.unsettled |= file.state == State::Fresh,
            }
        }
        while self.reading < READING && self.memory < self.rules.memory && !self.stopping {
            let Some((_, key)) = self.ready.pop_first() else { break };
            self.give_turn(key);
        }
    }

    fn give_turn(&mut self, key: FileKey) {
        let now = self.now.mono;
        let Some(file) = self.files.get(&key).filter(|file| file.job.is_none()) else { return };
        let State::Following { stream: id } = file.state else { return };
        if self.must_wait(key, file) {
            let chain = file.chain.clone();
            self.chains.entry(chain).or_default().waiting.insert(key);
            return;
        }
        let close_after = self.close_after(file);
        let open = file.open == Handle::Open;
        let quiet = file.rotated && now.saturating_sub(file.grew_at) >= close_after;
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.asking) else { return };
        if stream.closed || !open {
            self.look_at_closed(key, id);
            return;
        }
        let Some(cursor) = stream.cursor.take() else { return };
        let close = match stream.ending {
            Some(_) => Close::AtEnd,
            None if quiet => Close::IfQuiet,
            None => Close::No,
        };
        let tail = tail_due(stream, cursor.seen(), self.rules.provisional_after).is_some_and(|due| due <= now);
        let order = Order { limit: TURN, piece: stream.piece, close, tail };
        self.reading += 1;
        self.actions.push(Action::Read { file: key, stream: id, cursor: Box::new(cursor), order });
        if let Some(file) = self.files.get_mut(&key) {
            file.job = Some(Job::Read { most: file.most });
        }
    }

    /// A closed file has changed: late bytes are read, once it is sure that it still is the same.
    fn look_at_closed(&mut self, key: FileKey, id: StreamId) {
        let Some(file) = self.files.get_mut(&key) else { return };
        let done = self.streams.get(&id).map_or(0, |stream| stream.done);
        if file.stat.size == done {
            return;
        }
        if file.open == Handle::Open {
            self.claim(key, id);
        } else {
            file.state = State::Fresh;
            file.look = None;
            if let Some(stream) = self.streams.get_mut(&id) {
                // Nothing gives this search up: the file is there.
                stream.home = Home::Seeking(Seeking { why: Why::Moved, listing: u64::MAX });
            }
            self.list_now();
        }
    }

    /// Older files of the chain are caught up with first.
    fn must_wait(&self, key: FileKey, file: &File) -> bool {
        let Some(chain) = self.chains.get(&file.chain) else { return false };
        let older = |other: &FileKey| {
            let there = self
                .files
                .get(other)
                .filter(|other| matches!(other.state, State::Following { .. }) && other.open == Handle::Open);
            *other != key && there.is_some_and(|other| other.age < file.age)
        };
        chain.behind.iter().any(older)
    }

    /// A file is caught up with, or gone: those that waited for it go on.
    pub(super) fn caught_up(&mut self, chain: &Path, key: FileKey) {
        let now = self.now.mono;
        let Some(chain) = self.chains.get_mut(chain) else { return };
        chain.waiting.remove(&key);
        if chain.behind.remove(&key) {
            let waiting = std::mem::take(&mut chain.waiting);
            for waiting in waiting {
                self.put_on_agenda(waiting, now);
            }
        }
    }

    pub(super) fn turned(&mut self, key: FileKey, id: StreamId, turn: Turn) {
        self.reading = self.reading.saturating_sub(1);
        let now = self.now.mono;
        let Some(file) = self.files.get_mut(&key) else { return };
        let Some(Job::Read { most }) = file.job.take() else { return };
        let void =
            self.streams.get(&id).is_none_or(|stream| stream.asking) || file.state != State::Following { stream: id };
        if void {
            // The collector stands elsewhere; the stream is framed again from there.
            self.put_on_agenda(key, now);
            return;
        }
        let renamed = turn.stat.ctime != file.stat.ctime && turn.stat.ctime != turn.stat.mtime;
        let unlinked = turn.stat.links < file.stat.links;
        // A file that shrank keeps the size it had: what was not read of it may be lost.
        let sound = matches!(turn.found, Found::More | Found::End | Found::Closed);
        // What was seen since the turn was given may be younger than what the turn saw: it says nothing here.
        let shrank = sound && turn.stat.size < most;
        if sound {
            self.dirty |= turn.stat.size != file.stat.size;
            (file.stat, file.read_stat) = (turn.stat, turn.stat);
            file.most = file.most.max(turn.stat.size);
        }
        if turn.read > 0 {
            file.grew_at = now;
        }
        let chain = file.chain.clone();
        if sound {
            self.succeeds(key);
        }
        if shrank {
            self.holds_now(key, turn.stat.size);
        }
        let Turn { mut cursor, pieces, found, stat, read, tail } = turn;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let before = stream.done;
        if read > 0 {
            stream.grew_at = Some(now);
        }
        if sound {
            if shrank {
                // Cut behind what was read: the bytes between were seen to be there, and are gone.
                stream.gaps.push(Cause::Copytruncate);
            }
            (stream.looked_at, stream.size) = (now, stat.size);
        }
        (stream.read_to, stream.read_at) = (cursor.seen(), self.now.wall);
        stream.near_misses = cursor.near_misses();
        stream.known = Known { head: Arc::clone(cursor.head()), at: cursor.seen(), before: cursor.last().to_vec() };
        self.kept = self.kept.saturating_sub(stream.kept);
        if self.kept + cursor.kept() > KEPT {
            cursor.forget();
        }
        stream.kept = cursor.kept();
        self.kept += stream.kept;
        let (seen, done) = (cursor.seen(), cursor.done());
        stream.unfinished_since = match stream.unfinished_since {
            _ if seen <= done => None,
            Some(since) if done == before => Some(since),
            _ => Some(now),
        };
        stream.cursor = Some(cursor);
        for piece in pieces {
            self.queue(id, piece);
        }
        if let Some(tail) = tail {
            let fits = self.holds_tail(bytes_of(&tail));
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.tail_at = now;
                // One too many is asked for again a little later.
                if fits {
                    (stream.tail, stream.tail_seen) = (Some(tail), seen);
                    self.has_news(id);
                }
            }
        }
        self.make_gaps(id);
        if renamed || unlinked {
            self.list_now();
        }
        match found {
            Found::More => self.put_on_agenda(key, now),
            Found::End => {
                self.caught_up(&chain, key);
                self.rest(key, id);
            }
            Found::Closed => {
                self.caught_up(&chain, key);
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.closed = true;
                    stream.cursor = None;
                    self.kept = self.kept.saturating_sub(std::mem::take(&mut stream.kept));
                }
                self.dirty = true;
                self.ended(id);
                self.let_go(id);
            }
            Found::Changed => {
                self.caught_up(&chain, key);
                self.doubt(key, id);
            }
            Found::Failed(error) => {
                self.caught_up(&chain, key);
                let again = self.fails(key, &error.to_string());
                self.put_on_agenda(key, again);
            }
        }
    }

    /// The file was truncated to this: what a listing under way has seen may be older.
    pub(super) fn holds_now(&mut self, key: FileKey, size: u64) {
        let listing = self.listings + u64::from(self.listing_asked);
        if let Some(file) = self.files.get_mut(&key) {
            (file.most, file.most_from) = (size, listing);
        }
    }

    /// It looks truncated: the second look decides.
    pub(super) fn doubt(&mut self, key: FileKey, stream: StreamId) {
        let since = self.now.mono;
        let Some(file) = self.files.get_mut(&key).filter(|file| file.job.is_none()) else { return };
        file.state = State::Doubtful { stream, since };
        self.put_on_agenda(key, since + DOUBT);
    }

    /// Whether previews may take so much more memory.
    fn holds_tail(&mut self, bytes: usize) -> bool {
        self.tails += bytes;
        if self.tails > TAILS_MAX {
            // Most were sent, or replaced, since this was counted.
            self.tails =
                bytes + self.streams.values().filter_map(|stream| stream.tail.as_deref()).map(bytes_of).sum::<usize>();
        }
        self.tails <= TAILS_MAX
    }

    /// At its end: when to look again. The quieter it was, the later.
    fn rest(&mut self, key: FileKey, id: StreamId) {
        let now = self.now.mono;
        let (Some(file), Some(stream)) = (self.files.get(&key), self.streams.get(&id)) else { return };
        let quiet = now.saturating_sub(file.grew_at);
        let hot = (quiet < COLD).then(|| now + (quiet / 4).max(HOT));
        let seen = stream.cursor.as_ref().map_or(0, Cursor::seen);
        let tail = tail_due(stream, seen, self.rules.provisional_after);
        let close = file.rotated.then(|| (file.grew_at + self.close_after(file)).max(now + HOT));
        if let Some(due) = [hot, tail, close].into_iter().flatten().min() {
            self.put_on_agenda(key, due.max(now));
        }
    }

    /// A rotated file counts as closed when it was quiet for so long.
    fn close_after(&self, file: &File) -> Duration {
        let interval = self.chains.get(&file.chain).map_or(Duration::ZERO, |chain| chain.interval);
        self.rules.close_after.max(interval.saturating_mul(2))
    }

    /// Lets go of a file that is closed and acknowledged.
    pub(super) fn let_go(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(&id) else { return };
        if !stream.closed || !stream.queue.is_empty() || stream.in_flight || !stream.told {
            return;
        }
        let Some(key) = stream.file() else { return };
        let Some(file) = self.files.get_mut(&key).filter(|file| file.open == Handle::Open && file.job.is_none()) else {
            return;
        };
        if file.is_deleted() {
            self.forget_file(key);
            let held = self.files.values().any(|file| file.state == State::Held { by: id });
            if held {
                self.seek(id, Why::Moved, self.listings);
            } else if let Some(stream) = self.streams.get_mut(&id) {
                stream.home = Home::Nowhere;
                self.drop_settled(id);
            }
        } else {
            file.open = Handle::Closed;
            self.actions.push(Action::Close { file: key });
        }
    }
}

/// What spans take, roughly.
pub(super) fn bytes_of(spans: &[WireSpan]) -> usize {
    spans.iter().map(weight).sum()
}

/// When the provisional tail is to be told; none where there is nothing new to tell.
fn tail_due(stream: &Stream, seen: u64, after: Duration) -> Option<Duration> {
    let since = stream.unfinished_since.filter(|_| stream.tail_seen != seen)?;
    let last = if stream.tail_at.is_zero() { Duration::ZERO } else { stream.tail_at + TAILS };
    Some((since + after).max(last))
}
