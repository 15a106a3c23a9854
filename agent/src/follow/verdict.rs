//! What follows from a verdict on a file, and from the CRC or the comparison that it asked for.

use tracing::info;

use super::file::{Busy, File, Role};
use super::files::Because;
use super::judge::Verdict;
use super::{Action, Follow};
use crate::cursor::Cursor;
use crate::guard::{Ask, Look, Same, SameEnd, Sum};
use crate::stream::{FileKey, Why};
use crate::unread::Obstacle;
use crate::wording::shown;

impl Follow {
    pub(super) fn execute(&mut self, key: FileKey, verdict: Verdict) {
        let Some(file) = self.files.get_mut(key) else { return };
        match verdict {
            Verdict::Wait => {}
            Verdict::Look => {
                // What was compared before needs no digest.
                let digest = file.equal.is_none();
                self.look(key, Ask { digest, ..Ask::FIRST });
            }
            Verdict::Checksum { stream, from, to, crc } => {
                file.busy = Some(Busy::Checksum { stream, to, crc });
                self.actions.push(Action::Checksum { file: key, crc: 0, from, to });
            }
            Verdict::Claim { stream } => self.claim(key, stream),
            Verdict::Compare { stream, with, print, ask, from } => {
                file.busy = Some(Busy::Compare { stream, with, print, ask });
                self.actions.push(Action::Compare { file: key, with, ask, from });
            }
            Verdict::Ignore => self.ignore(key, Because::Known),
            Verdict::Begin => {
                if let Some(look) = file.look.clone() {
                    self.begin(key, &look, None);
                }
            }
        }
    }

    pub(super) fn checksummed(&mut self, key: FileKey, sum: Result<Sum, String>) {
        let Some(file) = self.files.get_mut(key) else { return };
        if let (Ok(Sum { crc, at, more: true }), Some(Busy::Checksum { to, .. })) = (&sum, &file.busy) {
            self.actions.push(Action::Checksum { file: key, crc: *crc, from: *at, to: *to });
            return;
        }
        self.judging.ask();
        let Some(Busy::Checksum { stream: id, crc: expected, .. }) = file.busy.take() else { return };
        let crc = match sum {
            Ok(sum) => sum.crc,
            Err(why) => {
                let again = self.failed(key, Obstacle::Unreadable(why));
                self.schedule(key, again);
                return;
            }
        };
        let Some(stream) = self.streams.get(id).filter(|stream| stream.state.is_seeking()) else { return };
        if crc != expected {
            file.cleared.insert(id);
            return;
        }
        let size = file.stat.size;
        let covered = stream.state.cursor().is_some_and(Cursor::covers);
        if size >= stream.seen().unwrap_or(stream.framed.to) || (size >= stream.framed.to && !covered) {
            self.claim(key, id);
        } else {
            info!(stream = %id, "{} is a copy of what was read already", shown(&file.path));
            self.ignore(key, Because::CopyOf(id));
        }
    }

    pub(super) fn compared(&mut self, key: FileKey, same: Result<(Same, Look), String>) {
        let now = self.now.mono;
        let Some(file) = self.files.get_mut(key) else { return };
        let Some(Busy::Compare { stream: id, with, print, ask }) = file.busy.take() else { return };
        self.judging.ask();
        let (Same { to: same_to, end }, look) = match same {
            Ok(same) => same,
            Err(why) => {
                let again = self.failed(key, Obstacle::Unreadable(why));
                self.schedule(key, again);
                return;
            }
        };
        let Some((stream, home)) = self.streams.get(id).and_then(|stream| Some((stream, stream.file()?))) else {
            return;
        };
        if !print.is_same(&look) {
            // The other file was truncated in between: first that is found out, then what this one is.
            self.schedule(home, now);
            self.doubt(home, id);
            return;
        }
        let gone = self.files.get(home).is_some_and(File::is_deleted);
        let read_all = stream.seen() == Some(look.stat.size);
        let there = self.files.get(with).is_some_and(|with| with.open);
        let Some(file) = self.files.get_mut(key) else { return };
        if end == SameEnd::More {
            if there {
                file.busy = Some(Busy::Compare { stream: id, with, print, ask });
                self.actions.push(Action::Compare { file: key, with, ask, from: same_to });
            }
            return;
        }
        let differs = end == SameEnd::Differ;
        let longer = file.stat.size > same_to && look.stat.size == same_to;
        if differs || same_to == 0 || (longer && !gone) {
            file.cleared.insert(id);
        } else if gone && read_all && same_to == look.stat.size {
            info!(stream = %id, "{} holds all of a deleted file, which goes on there", shown(&file.path));
            self.forget_file(home);
            self.seek(id, Why::Moved, self.rounds.number());
            self.claim(key, id);
        } else {
            (file.role, file.equal) = (Role::Held { by: id }, Some((id, same_to)));
        }
    }
}
