//! The collector is elsewhere than the agent thought: its watermark wins.

use record::id::StreamId;
use record::wire::{Guard, Position};
use tracing::info;

use super::answer::HOLD;
use super::file::{File, Role};
use super::recover::path_of;
use super::shipment::Cuts;
use super::{Action, Follow};
use crate::stream::{FileKey, Stream, Why};
use crate::wording::shown;

impl Follow {
    /// What was sent of a stream, and what is queued after it, is void: the collector is asked how far it is.
    pub(super) fn ask_position(&mut self, id: StreamId, cuts: &Cuts) {
        self.scheduler.free_memory(id, cuts.bytes());
        if let Some(stream) = self.streams.get_mut(id) {
            stream.queue.ask();
            self.delivery.no_news(stream);
        }
        self.actions.push(Action::Ask { stream: id });
    }

    /// The file of a stream that was done with has come back, as after a disk was mounted again: the collector knows how far
    /// it was read.
    pub(super) fn recall(&mut self, key: FileKey, id: StreamId) {
        if let Some(file) = self.files.get_mut(key) {
            file.role = Role::Claimed { stream: id, doubt: None };
            self.actions.push(Action::Ask { stream: id });
        }
    }

    /// What the collector knows of a stream that was done with.
    fn recalled(&mut self, id: StreamId, position: Option<&Position>) {
        let claims = |file: &File| matches!(file.role, Role::Claimed { stream, .. } if stream == id);
        let Some((key, file)) = self.files.iter_mut().find(|(_, file)| claims(file)) else { return };
        self.judging.ask();
        let Some((position, lives_in)) = position.cloned().zip(file.identity) else {
            return file.judge_again();
        };
        let path = path_of(&position.path);
        let mut stream = Stream::known_at(position, path);
        stream.state.expect_nothing();
        (stream.identity.lives_in, stream.recalled) = (lives_in, true);
        self.streams.add_known(stream);
        self.claim(key, id);
    }

    /// Goes back, or ahead, to the collector's watermark.
    pub(super) fn positioned(&mut self, id: StreamId, position: Option<&Position>) {
        let Some(stream) = self.streams.get_mut(id) else { return self.recalled(id, position) };
        stream.queue.answered();
        let before = stream.framed.to;
        let (w, guard) = position.map_or((0, Guard::default()), |known| (known.w.0, known.guard.clone()));
        stream.committed.answer_known(position.is_some());
        self.scheduler.free_memory(id, stream.rewind(w, guard));
        self.scheduler.release(id);
        stream.queue.hold(self.now.mono + HOLD / 10);
        info!(stream = %id, from = before, to = w, "reading of {} goes to where the collector is", shown(&stream.identity.path));
        match stream.file() {
            Some(key) if self.files.get(key).is_some_and(|file| file.open) => {
                if let Some(file) = self.files.get_mut(key) {
                    file.role = Role::Claimed { stream: id, doubt: None };
                }
                // A reader may still be busy with it; then its return brings the look.
                self.schedule(key, self.now.mono);
            }
            Some(key) => {
                if let Some(file) = self.files.get_mut(key) {
                    file.judge_again();
                }
                self.seek(id, Why::Down, self.rounds.number() + 2);
                self.rounds.list_soon(self.now.mono);
            }
            None => self.seek(id, Why::Down, self.rounds.number()),
        }
        if let Some(stream) = self.streams.get_mut(id) {
            self.delivery.note_news(stream, self.now.mono);
        }
    }
}
