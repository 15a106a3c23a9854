//! A file is opened and looked at: is it still what it was?

use std::io::ErrorKind;
use std::time::Duration;

use record::id::StreamId;
use record::wire::FileIdentity;
use tracing::{info, warn};

use super::file::{Busy, Role, Trouble};
use super::{Action, DOUBT, Follow, GROWING};
use crate::content::{InodeId, Stat};
use crate::guard::{Ask, Look, is_same};
use crate::stream::{FileKey, Stopped, Stream, Why};
use crate::unread::Obstacle;
use crate::wording::shown;

/// A file that cannot be opened or read is tried again after this time, which doubles up to the last.
const TRY_AGAIN: Duration = Duration::from_secs(1);
const TRY_AGAIN_LAST: Duration = Duration::from_secs(15);

impl Follow {
    pub(super) fn opened(&mut self, key: FileKey, opened: std::io::Result<(FileIdentity, InodeId, Stat)>) {
        let Some(file) = self.files.get_mut(key) else {
            self.actions.push(Action::Close { file: key });
            return;
        };
        file.busy = None;
        self.judging.ask();
        match opened {
            // Renamed or removed since it was listed; the next listing says which.
            Err(error) if error.kind() == ErrorKind::NotFound => self.rounds.list_soon(self.now.mono),
            Err(error) => _ = self.failed(key, Obstacle::unreadable(&error)),
            Ok((_, inode, _)) if inode != file.inode => {
                // Another file has taken the name; the next listing says which.
                self.actions.push(Action::Close { file: key });
                self.rounds.list_soon(self.now.mono);
            }
            Ok((identity, _, stat)) => {
                self.succeeded(key);
                let Some(file) = self.files.get_mut(key) else { return };
                file.open = true;
                file.identity = Some(identity);
                file.stat = stat;
                file.most = file.most.max(file.size());
                let named = file.named;
                if let Some(because) = self.files.ignored(identity, stat.size, named) {
                    self.ignore(key, because);
                } else if let Some(stream) = self.streams.last_in(identity) {
                    self.claim(key, stream);
                } else if let Some(stream) = self.streams.settled_in(identity) {
                    self.recall(key, stream);
                } else {
                    self.look(key, Ask::FIRST);
                }
            }
        }
    }

    /// Looks whether the file has this stream's bytes where they were last read.
    pub(super) fn claim(&mut self, key: FileKey, stream: StreamId) {
        let (Some(file), Some(known)) = (self.files.get_mut(key), self.streams.get(stream)) else { return };
        file.role = Role::Claimed { stream, doubt: None };
        let ask = Ask::of(&known.framed.guard, known.framed.to);
        self.look(key, ask);
    }

    pub(super) fn look(&mut self, key: FileKey, ask: Ask) {
        let Some(file) = self.files.get_mut(key).filter(|file| file.busy.is_none() && file.open) else { return };
        file.busy = Some(Busy::Look);
        self.actions.push(Action::Look { file: key, ask });
    }

    pub(super) fn looked(&mut self, key: FileKey, look: Result<Look, String>) {
        let now = self.now.mono;
        let Some(file) = self.files.get_mut(key) else { return };
        file.busy = None;
        self.judging.ask();
        let look = match look {
            Ok(look) => look,
            Err(why) => {
                let again = self.failed(key, Obstacle::Unreadable(why));
                self.schedule(key, again);
                return;
            }
        };
        self.succeeded(key);
        let Some(file) = self.files.get_mut(key) else { return };
        if !matches!(file.role, Role::Doubtful { .. }) {
            file.stat = look.stat;
            file.most = file.most.max(file.size());
        }
        match file.role {
            Role::Claimed { stream, doubt } => self.tested(key, stream, doubt, &look),
            Role::Doubtful { stream, .. } => {
                let cursor = self.streams.get(stream).and_then(|stream| stream.state.cursor());
                if cursor.is_some_and(|cursor| cursor.is_same(&look)) {
                    file.role = Role::Following { stream };
                    self.schedule(key, now);
                } else {
                    file.stat = look.stat;
                    let before = file.most;
                    self.truncated(key, stream, &look, before);
                }
            }
            Role::Fresh => {
                file.data_end = look.nul_end.then_some(0);
                file.look = Some(look);
            }
            Role::Held { .. } | Role::Ignored | Role::Following { .. } => {}
        }
    }

    /// A look at a file that by its identity, or by its bytes, is this stream's.
    fn tested(&mut self, key: FileKey, id: StreamId, doubt: Option<Duration>, look: &Look) {
        let now = self.now.mono;
        let Some(file) = self.files.get_mut(key) else { return };
        let Some(stream) = self.streams.get(id) else {
            file.judge_again();
            self.judging.ask();
            return;
        };
        if is_same(&stream.framed.guard, stream.framed.to, look) {
            self.resume(key, id, look);
            return;
        }
        match doubt {
            None => {
                file.role = Role::Claimed { stream: id, doubt: Some(now) };
                self.schedule(key, now + DOUBT);
            }
            // Another file has the inode now, or the same one other bytes: it is judged like any that is new.
            Some(_) if stream.recalled => {
                file.cleared.insert(id);
                file.judge_again();
                self.judging.ask();
                if let Some(stream) = self.streams.get_mut(id) {
                    stream.state.end();
                    self.streams.sought(id);
                    self.drop_settled(id);
                }
            }
            Some(_) if file.identity == Some(stream.identity.lives_in) => {
                info!(stream = %id, "{} was truncated or written anew while nobody looked", shown(&file.path));
                self.seek_copy(id);
                self.begin(key, look, Some(id));
            }
            Some(_) => {
                file.cleared.insert(id);
                file.judge_again();
                self.judging.ask();
            }
        }
    }

    /// A file looks truncated: the second look decides.
    pub(super) fn doubt(&mut self, key: FileKey, stream: StreamId) {
        let since = self.now.mono;
        let Some(file) = self.files.get_mut(key).filter(|file| file.busy.is_none()) else { return };
        file.role = Role::Doubtful { stream, since };
        self.schedule(key, since + DOUBT);
    }

    /// Something was to be done with a file that is not open. That is a fault of ours; but its log must go on, so it is opened
    /// again. What was read of it stays.
    pub(super) fn not_open(&mut self, key: FileKey, action: Action) {
        let now = self.now.mono;
        // What a file is compared with, or what is copied out of it, keeps no reader from it.
        let beside = match action {
            Action::Compare { with, .. } => Some(with),
            Action::Quarantine { stream, .. } => {
                warn!(stream = %stream, "a rejected record cannot be put in quarantine: its file is not open");
                self.quarantined(stream);
                Some(key)
            }
            _ => None,
        };
        for of in action.files().filter(|of| Some(*of) != beside) {
            if let Some(file) = self.files.get_mut(of) {
                file.busy = None;
            }
            self.schedule(of, now);
        }
        if let Action::Read { file: of, stream: id, cursor, .. } | Action::Stitch { old: of, stream: id, cursor, .. } =
            action
        {
            self.scheduler.turn_ends();
            let role = self.files.get(of).map(|file| file.role);
            match self.streams.get_mut(id) {
                Some(stream) if stream.queue.is_asking() || role != Some(Role::Following { stream: id }) => {
                    stream.state.drop_cursor();
                }
                Some(stream) => stream.state.take_back(of, *cursor),
                None => {}
            }
        }
        let Some(file) = self.files.get_mut(key) else { return };
        warn!("{} was taken for open and is not; it is opened again", shown(&file.path));
        let followed = file.stream().filter(|id| self.streams.get(*id).and_then(Stream::file) == Some(key));
        let latest = !file.rotated;
        // As it was when it was first listed: what is looked for may be in it.
        (file.open, file.identity) = (false, None);
        file.judge_again();
        if !file.listed {
            self.forget_file(key);
        }
        if let Some(id) = followed {
            if let Some(stream) = self.streams.get_mut(id) {
                stream.stopped = Stopped { latest, growing: stream.was_growing(GROWING) };
            }
            self.seek(id, Why::Down, self.rounds.under_way() + 1);
        }
        self.judging.ask();
        self.rounds.list_soon(now);
    }

    /// A file cannot be opened or read, which is reported once. Gives when it is tried again.
    pub(super) fn failed(&mut self, key: FileKey, obstacle: Obstacle) -> Duration {
        let now = self.now.mono;
        let Some(file) = self.files.get_mut(key) else { return now };
        let tries = file.trouble.as_ref().map_or(0, |trouble| trouble.tries);
        if tries == 0 {
            warn!(target: "agent::unread", "{} {obstacle}", shown(&file.path));
        }
        let again = now + TRY_AGAIN.saturating_mul(1 << tries.min(8)).min(TRY_AGAIN_LAST);
        file.trouble = Some(Trouble { obstacle, tries: tries + 1, again });
        again
    }

    /// A file can be read.
    pub(super) fn succeeded(&mut self, key: FileKey) {
        if let Some(file) = self.files.get_mut(key).filter(|file| file.trouble.is_some()) {
            file.trouble = None;
            info!("{} can be read again", shown(&file.path));
            self.judging.ask();
        }
    }
}
