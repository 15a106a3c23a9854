//! What a turn brought.

use std::sync::Arc;

use record::id::StreamId;
use record::span::Cause;

use super::file::{Busy, Role};
use super::{Action, Follow};
use crate::content::Stat;
use crate::cursor::Cursor;
use crate::parcel::weight_of;
use crate::stream::{FileKey, Fingerprint, Why};
use crate::turn::{Told, Turn, TurnEnd};
use crate::unread::Obstacle;

impl Follow {
    pub(super) fn turned(&mut self, key: FileKey, id: StreamId, turn: Turn) {
        self.scheduler.turn_ends();
        let Some(file) = self.files.get_mut(key) else { return };
        let Some(Busy::Read { most, given }) = file.busy.take() else { return };
        let Some(stream) = self.streams.get_mut(id) else { return self.schedule(key, self.now.mono) };
        if stream.queue.is_asking() || file.role != (Role::Following { stream: id }) {
            // The collector is elsewhere; the stream is framed again from there.
            stream.state.drop_cursor();
            return self.schedule(key, self.now.mono);
        }
        let Turn { cursor, parcels, ended, stat, read, tail } = turn;
        let seen = cursor.seen();
        // A file that shrank keeps the size it had: what was not read of it may be lost.
        let sound = matches!(ended, TurnEnd::More | TurnEnd::End | TurnEnd::Closed);
        let data_end = cursor.ends_in_nuls().then_some(seen);
        let moved = self.note_file(key, stat, read > 0, sound, data_end);
        // What was seen since the turn was given may be younger than what the turn saw: it says nothing here.
        let shrank = sound && stat.size < most;
        if shrank {
            self.holds_now(key, stat.size);
        }
        self.note_cursor(key, id, cursor, read > 0);
        if let Some(stream) = self.streams.get_mut(id).filter(|_| sound) {
            if shrank {
                // Cut after what was read: the bytes between were seen to be there, and are gone.
                stream.gaps.push(Cause::Copytruncate);
            }
            (stream.sight.looked_at, stream.sight.size) = (self.now.mono, data_end.unwrap_or(stat.size));
        }
        for parcel in parcels {
            self.enqueue(id, parcel);
        }
        self.make_gaps(id);
        if let Some(tail) = tail {
            self.put_tail(id, tail, seen);
        }
        if let Some(stream) = self.streams.get_mut(id).filter(|_| matches!(ended, TurnEnd::End | TurnEnd::Closed)) {
            stream.reached.saw_end(seen, given);
            stream.note_reached();
        }
        if moved {
            self.rounds.list_soon(self.now.mono);
        }
        self.after_turn(key, id, ended);
    }

    /// What the turn saw of the file; true where it was renamed or unlinked.
    fn note_file(&mut self, key: FileKey, stat: Stat, grew: bool, sound: bool, data_end: Option<u64>) -> bool {
        let Some(file) = self.files.get_mut(key) else { return false };
        let renamed = stat.ctime != file.stat.ctime && stat.ctime != stat.mtime;
        let unlinked = stat.links < file.stat.links;
        if grew {
            file.grew_at = self.now.mono;
        }
        if sound {
            if stat.size != file.stat.size {
                self.checkpoints.note_change();
            }
            (file.stat, file.read_stat, file.data_end) = (stat, stat, data_end);
            // Reserved room is not lost when it is given back.
            file.most = data_end.unwrap_or(file.most.max(stat.size));
            self.succeeded(key);
        }
        renamed || unlinked
    }

    /// The cursor is back.
    fn note_cursor(&mut self, key: FileKey, id: StreamId, mut cursor: Cursor, grew: bool) {
        let now = self.now.mono;
        let Some(stream) = self.streams.get_mut(id) else { return };
        if grew {
            stream.sight.grew_at = Some(now);
        }
        (stream.sight.read_to, stream.sight.read_at) = (cursor.seen(), self.now.wall);
        if stream.print.head.is_empty() && !cursor.head().is_empty() {
            // Now a copy of it can be known.
            self.judging.ask();
        }
        stream.print =
            Fingerprint { head: Arc::clone(cursor.head()), at: cursor.seen(), before: cursor.last().to_vec() };
        if let Some(wrapper) = cursor.take_wrapper() {
            let spec = stream.identity.source.and_then(|source| self.sources.get(source));
            self.wrapped.note(&stream.identity.path, wrapper, spec);
        }
        if !self.scheduler.keep(id, cursor.kept()) {
            cursor.forget();
        }
        stream.tail.note_unfinished(cursor.seen() > cursor.framed(), cursor.framed() != stream.framed.to, now);
        stream.state.take_back(key, cursor);
    }

    fn put_tail(&mut self, id: StreamId, told: Told, seen: u64) {
        let fits = self.delivery.holds_tail(weight_of(&told.spans), &self.streams);
        if let Some(stream) = self.streams.get_mut(id) {
            self.misread.note(self.files.log_of(stream), &told.spans);
            stream.tail.put(told, fits, seen, self.now.mono);
            if fits {
                self.delivery.note_news(stream, self.now.mono);
            }
        }
    }

    fn after_turn(&mut self, key: FileKey, id: StreamId, ended: TurnEnd) {
        let now = self.now.mono;
        if !matches!(ended, TurnEnd::More)
            && let Some(chain) = self.files.get(key).map(|file| file.chain.clone())
        {
            self.caught_up(&chain, key);
        }
        match ended {
            TurnEnd::More => self.schedule(key, now),
            TurnEnd::End => self.rest(key, id),
            TurnEnd::Closed => self.finalised(id),
            TurnEnd::Changed => self.doubt(key, id),
            TurnEnd::Failed(error) => {
                let again = self.failed(key, Obstacle::unreadable(&error));
                self.schedule(key, again);
            }
        }
    }

    /// A file was read to its end, and all that is in it was made final.
    fn finalised(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.state.close();
        }
        self.scheduler.release(id);
        self.checkpoints.note_change();
        self.ended(id);
        self.release_file(id);
    }

    /// Releases the file of a stream that is closed and acknowledged.
    pub(super) fn release_file(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let acknowledged = stream.queue.is_empty() && !stream.queue.is_in_flight() && stream.committed.is_known();
        let Some(key) = stream.file().filter(|_| stream.state.is_closed() && acknowledged) else { return };
        let Some(file) = self.files.get_mut(key).filter(|file| file.open && file.busy.is_none()) else { return };
        if !file.is_deleted() {
            file.open = false;
            self.actions.push(Action::Close { file: key });
            return;
        }
        let held = self.files.values().any(|file| file.role == Role::Held { by: id });
        self.forget_file(key);
        if held {
            self.seek(id, Why::Moved, self.rounds.number());
        } else if let Some(stream) = self.streams.get_mut(id) {
            stream.state.end();
            self.drop_settled(id);
        }
    }
}
