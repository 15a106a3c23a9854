//! A stream begins in a file, or goes on in it; and files that bring nothing.

use std::sync::Arc;

use record::frame::Resume;
use record::id::StreamId;
use record::span::Cause;
use tracing::info;

use super::chain::Chain;
use super::file::{File, Role};
use super::files::Because;
use super::{Action, Follow};
use crate::cursor::{Cursor, Framing, head_of};
use crate::guard::{HEAD, Look, guard};
use crate::parcel::Parcel;
use crate::source::Start;
use crate::stream::{Ending, FileKey, Fingerprint, Identity, State, Stream, Why};
use crate::wording::shown;

impl Follow {
    /// The file has the stream's bytes: it goes on there.
    pub(super) fn resume(&mut self, key: FileKey, id: StreamId, look: &Look) {
        let (Some(file), Some(stream)) = (self.files.get_mut(key), self.streams.get_mut(id)) else { return };
        let Some(spec) = self.sources.get(file.source) else { return };
        let (to, guard) = (stream.framed.to, stream.framed.guard.clone());
        info!(stream = %id, offset = to, "{} goes on", shown(&file.path));
        let why = stream.state.search().map(|search| search.why);
        let recalled = std::mem::take(&mut stream.recalled);
        if why == Some(Why::Truncated) && stream.ending.is_none() {
            // Truncated while nobody looked: the copy is complete, and whether bytes are missing can only be guessed.
            stream.ending = Some(Ending { gap: stream.stopped.growing });
        }
        if why == Some(Why::Down) && look.stat.size < stream.sight.size {
            // Cut after what was read, while nobody looked.
            stream.gaps.push(Cause::Copytruncate);
        }
        stream.state.resume(key, |former| match former {
            Some(cursor) => cursor.moved(look),
            None => Cursor::resume(&spec.framing, to, &guard, look),
        });
        if stream.identity.source.is_none() {
            // Its path is named no more: the file was moved, or is a copy somewhere else.
            stream.identity.path.clone_from(&file.path);
        }
        stream.identity.source = Some(file.source);
        stream.identity.source_name.clone_from(&file.source_name);
        (stream.sight.size, stream.sight.read_to) = (look.stat.size, to);
        stream.tail.restart();
        stream.print = Fingerprint::of(look, to);
        let lives_in = file.identity.unwrap_or(stream.identity.lives_in);
        if recalled {
            self.streams.unsettle(id);
        }
        self.streams.lives_in(id, lives_in);
        self.streams.sought(id);
        self.checkpoints.note_change();
        self.follow(key, id);
        self.make_gaps(id);
        self.schedule(key, self.now.mono);
    }

    /// Makes a stream of a file. `before` is the stream that was in it until it was truncated.
    pub(super) fn begin(&mut self, key: FileKey, look: &Look, before: Option<StreamId>) {
        let now = self.now.mono;
        let Some(file) = self.files.get(key) else { return };
        let (Some(origin), Some(spec)) = (file.identity, self.sources.get(file.source)) else { return };
        let chain = self.chains.get(&file.chain);
        // Without a checkpoint nobody knows which logs of a source were followed before: all of them count as such.
        let forgotten = self.checkpoints.none_before && self.streams.knew(&file.source_name);
        if before.is_none() && file.is_old_rotation() && !forgotten && !self.chains.is_known(&file.chain) {
            info!(
                "{} was rotated before its log was first followed, and is not read; name it to have it read",
                shown(&file.path)
            );
            self.ignore(key, Because::Old);
            return;
        }
        let epoch = self.streams.next_epoch(origin);
        let others = chain.into_iter().flat_map(Chain::files).filter_map(|other| self.files.get(other));
        let older = others.filter(|other| other.age < file.age).max_by_key(|other| other.age);
        let fresh_log = before.is_none() && epoch == 0 && !self.streams.knew(&file.source_name);
        let early = file.early.filter(|_| spec.start == Start::End && fresh_log);
        let skip = early.map_or(0, |early| early.size.min(look.stat.size));
        let (cursor, skipped) = first_cursor(&spec.framing, look, skip);

        let id =
            StreamId::of(self.delivery.agent(), origin.device, origin.inode, origin.generation, origin.birth, epoch);
        let identity = Identity {
            origin,
            lives_in: origin,
            epoch,
            source: Some(file.source),
            source_name: file.source_name.clone(),
            path: file.path.clone(),
            predecessor: before.or_else(|| older.and_then(File::stream)),
        };
        info!(stream = %id, source = file.source_name, epoch, "{} is followed", shown(&file.path));
        let mut stream = Stream::new(id, identity, State::Reading(key, Box::new(cursor)));
        stream.sight.size = look.stat.size;
        stream.print = Fingerprint { head: head_of(&look.head), ..Fingerprint::default() };
        stream.birth = look.digest.map(|digest| (look.stat.size, digest));
        self.delivery.note_news(&mut stream, now);
        self.streams.add(stream);
        let (chain, plain) = (file.chain.clone(), file.plain);
        if plain {
            self.streams.rank(id);
        }
        self.holds_now(key, look.stat.size);
        if epoch > 0 {
            self.checkpoints.write_at_once(now);
        }
        if let Some(parcel) = skipped {
            self.enqueue(id, parcel);
        }
        let counts = self.rounds.number() > 1;
        self.chains.entry(&chain).rotated(now, counts);
        self.follow(key, id);
        self.schedule(key, now);
    }

    fn follow(&mut self, key: FileKey, stream: StreamId) {
        let Some(file) = self.files.get_mut(key) else { return };
        file.role = Role::Following { stream };
        file.look = None;
        file.cleared.clear();
        self.judging.ask();
        if file.stat.size > self.streams.get(stream).map_or(0, |stream| stream.framed.to) {
            self.chains.entry(&file.chain).catch_up(key);
        }
    }

    /// The file brings nothing: it is not read.
    pub(super) fn ignore(&mut self, key: FileKey, because: Because) {
        let Some(file) = self.files.get_mut(key) else { return };
        file.role = Role::Ignored;
        file.look = None;
        if std::mem::take(&mut file.open) {
            self.actions.push(Action::Close { file: key });
        }
        let (identity, size) = (file.identity, file.stat.size);
        if let Some(identity) = identity {
            self.files.ignore(identity, size, because);
        }
        self.checkpoints.note_change();
        self.judging.ask();
    }

    /// The file was truncated to this: what a listing under way has seen may be older.
    pub(super) fn holds_now(&mut self, key: FileKey, size: u64) {
        if let Some(file) = self.files.get_mut(key) {
            (file.most, file.most_from) = (size, self.rounds.look_under_way());
        }
    }
}

/// A cursor at the head of a file; or after the first `skip` bytes, with a gap for these.
fn first_cursor(framing: &Arc<Framing>, look: &Look, skip: u64) -> (Cursor, Option<Parcel>) {
    if skip == 0 {
        return (Cursor::new(framing, &look.head), None);
    }
    let head = &look.head[..look.head.len().min(usize::try_from(skip).unwrap_or(HEAD))];
    let after = guard(head, &[], 0, skip, Resume::default());
    let cursor = Cursor::resume(framing, skip, &after, &Look { before: Vec::new(), ..look.clone() });
    let skipped = Parcel::gap(0, skip, Cause::StartAtEnd, Some(0), cursor.guard());
    (cursor, Some(skipped))
}
