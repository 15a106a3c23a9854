//! Whose turn it is to be read, and when a file is looked at again.

use std::time::Duration;

use record::id::StreamId;

use super::chain::Chain;
use super::file::{Busy, File, Role};
use super::seam::Head;
use super::{Action, Follow};
use crate::guard::Ask;
use crate::stream::{FileKey, Stream};
use crate::turn::{Close, Order};

/// Bytes of a turn.
const TURN: usize = 1 << 20;
/// A busy file is looked at again after this time at the earliest...
const HOT: Duration = Duration::from_millis(2);
/// ... and a file that was quiet for so long only with each listing.
const COLD: Duration = Duration::from_secs(2);

impl Follow {
    /// Looks at files that are due, and gives turns as far as memory and readers allow.
    pub(super) fn give_turns(&mut self) {
        let now = self.now.mono;
        while let Some(key) = self.scheduler.take_due(now) {
            self.file_is_due(key, now);
        }
        while !self.stopping
            && let Some(key) = self.scheduler.next_turn(self.rules.memory)
        {
            self.give_turn(key);
        }
    }

    fn file_is_due(&mut self, key: FileKey, now: Duration) {
        let Some(file) = self.files.get(key) else { return };
        if let Some(again) = file.trouble.as_ref().map(|trouble| trouble.again).filter(|again| *again > now) {
            self.schedule(key, again);
            return;
        }
        match file.role {
            Role::Following { .. } => {
                let (chain, age) = (self.chains.entry(&file.chain).id(), file.age);
                self.scheduler.line_up(key, chain, age);
            }
            Role::Doubtful { stream, .. } => {
                let at = self.streams.get(stream).and_then(Stream::seen).unwrap_or(0);
                self.look(key, Ask::at(at));
            }
            Role::Claimed { stream, .. } => {
                if let Some(known) = self.streams.get(stream) {
                    let ask = Ask::of(&known.framed.guard, known.framed.to);
                    self.look(key, ask);
                }
            }
            Role::Fresh => self.judging.ask(),
            Role::Held { .. } | Role::Ignored => {}
        }
    }

    fn give_turn(&mut self, key: FileKey) {
        let now = self.now.mono;
        let Some(file) = self.files.get_mut(key) else { return };
        file.again = file.busy.is_some();
        let Some(file) = self.files.get(key).filter(|file| !file.again) else { return };
        let Role::Following { stream: id } = file.role else { return };
        self.note_seam(key, id);
        let Some(file) = self.files.get(key) else { return };
        if self.must_wait(key, file) {
            self.chains.entry(&file.chain).wait(key);
            // It is woken when those are caught up with. But which files are older may turn out otherwise meanwhile.
            self.schedule(key, now + self.rules.poll);
            return;
        }
        let (open, most) = (file.open, file.most);
        // The end of a file waits for the head of the next one, which may go on with it.
        let quiet = self.is_quiet(file);
        let awaited = self.seams.awaits(id, now, self.rules.close_after);
        let head = if open { self.at_head(key, id) } else { Head::Read };
        if matches!(head, Head::Held) {
            return;
        }
        let Some(stream) = self.streams.get_mut(id).filter(|stream| !stream.queue.is_asking()) else { return };
        if stream.state.is_closed() || !open {
            self.look_at_closed(key, id);
            return;
        }
        let Some(cursor) = stream.state.lend() else { return };
        let peek = matches!(head, Head::Peek);
        // An empty file that is rotated and quiet is closed like any other.
        let close = if awaited || (peek && !quiet) { Close::No } else { when_final(stream, quiet) };
        let tail = stream.tail.due(cursor.seen(), self.rules.provisional_after).is_some_and(|due| due <= now);
        let order = Order { limit: if peek { 0 } else { TURN }, parcel: stream.queue.parcel(), close, tail };
        self.scheduler.turn_begins();
        self.actions.push(Action::Read { file: key, stream: id, cursor, order });
        if let Some(file) = self.files.get_mut(key) {
            file.busy = Some(Busy::Read { most, given: self.now.wall });
        }
    }

    /// A closed file has changed: late bytes are read, once it is sure that it still is the same.
    fn look_at_closed(&mut self, key: FileKey, id: StreamId) {
        let (Some(file), Some(stream)) = (self.files.get_mut(key), self.streams.get_mut(id)) else { return };
        if file.size() == stream.framed.to {
            return;
        }
        if file.open {
            self.claim(key, id);
        } else {
            file.judge_again();
            stream.state.reopen();
            self.rounds.list_soon(self.now.mono);
        }
    }

    /// Older files of the chain are caught up with first.
    fn must_wait(&self, key: FileKey, file: &File) -> bool {
        let Some(chain) = self.chains.get(&file.chain) else { return false };
        let is_read = |other: &&File| other.open && matches!(other.role, Role::Following { .. });
        let behind = chain.behind().filter(|other| *other != key).filter_map(|other| self.files.get(other));
        behind.filter(is_read).any(|other| other.age < file.age)
    }

    /// A file was read to its end: when it is looked at again. The quieter it was, the later.
    pub(super) fn rest(&mut self, key: FileKey, id: StreamId) {
        let now = self.now.mono;
        let (Some(file), Some(stream)) = (self.files.get_mut(key), self.streams.get(id)) else { return };
        let again = std::mem::take(&mut file.again).then_some(now);
        let Some(file) = self.files.get(key) else { return };
        let quiet = now.saturating_sub(file.grew_at);
        let hot = (quiet < COLD).then(|| now + (quiet / 4).max(HOT));
        let tail = stream.tail.due(stream.seen().unwrap_or(0), self.rules.provisional_after);
        // One that is quiet and could not be closed yet waits for another file.
        let soon = if self.is_quiet(file) { self.rules.poll / 2 } else { HOT };
        let close = file.rotated.then(|| (file.grew_at + self.close_after(file)).max(now + soon));
        // Memory that is mapped is written without a trace in the file's times.
        let nuls = file.data_end.map(|_| now + self.rules.poll);
        if let Some(due) = [again, hot, tail, close, nuls].into_iter().flatten().min() {
            self.schedule(key, due.max(now));
        }
    }

    /// A rotated file to which nothing more is expected to be written.
    fn is_quiet(&self, file: &File) -> bool {
        file.rotated && self.now.mono.saturating_sub(file.grew_at) >= self.close_after(file)
    }

    /// A rotated file counts as closed when it was quiet for so long.
    fn close_after(&self, file: &File) -> Duration {
        let interval = self.chains.get(&file.chain).map_or(Duration::ZERO, Chain::interval);
        self.rules.close_after.max(interval.saturating_mul(2))
    }
}

/// Whether what is left at the end of a file becomes final. To be read to its end is not enough: this alone decides that
/// no more is waited for, such as the rest of a record in another file.
fn when_final(stream: &Stream, quiet: bool) -> Close {
    match stream.ending {
        Some(_) => Close::AtEnd,
        None if quiet => Close::IfQuiet,
        None => Close::No,
    }
}
