//! Copies: files that hold the bytes of a stream whose own file is gone, truncated, or still lives.

use record::frame::Resume;
use record::id::StreamId;
use record::wire::Guard;
use tracing::info;

use super::file::{File, Handle, Job, State};
use super::{Action, Follow};
use crate::cursor::Cursor;
use crate::guard::{Ask, BEFORE, HEAD, Look, guard, is_same};
use crate::stream::{FileKey, Stream, Why};

impl Follow {
    /// Tests the file against a stream whose own file is gone or truncated; true while there is one to test.
    pub(super) fn is_copy(&mut self, key: FileKey, look: &Look) -> bool {
        let Some(file) = self.files.get(&key) else { return false };
        let source = file.source;
        let mine = |stream: &&Stream| stream.source.is_none_or(|of| of == source) && !file.cleared.contains(&stream.id);
        let candidates: Vec<StreamId> =
            self.seeking.iter().filter_map(|id| self.streams.get(id)).filter(mine).map(|stream| stream.id).collect();
        for id in candidates {
            let Some(stream) = self.streams.get(&id) else { continue };
            let (done, proof) = (stream.done, stream.proof.clone());
            let size = look.stat.size;
            if !has_head(stream, look) {
                continue;
            }
            if self.is_taken(id) {
                // It goes on in one file only.
                return true;
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
        if let Err(why) = &crc {
            let again = self.fails(key, why);
            self.put_on_agenda(key, again);
            return;
        }
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

    /// It begins as the stream of a file that cannot be read now: what it is to that one cannot be told.
    pub(super) fn is_like_unreadable(&self, key: FileKey, look: &Look) -> bool {
        let Some(own) = self.files.get(&key) else { return false };
        let unreadable = |(other, file): (&FileKey, &File)| {
            let stream = file.stream().filter(|_| *other != key && file.source == own.source && file.trouble.is_some());
            stream.and_then(|id| self.streams.get(&id)).is_some_and(|stream| has_head(stream, look))
        };
        self.files.iter().any(unreadable)
    }

    /// Another file that is not judged yet begins alike and holds more: of copies the longest is judged first, and what
    /// equals it is held.
    pub(super) fn is_shorter(&self, key: FileKey, look: &Look) -> bool {
        let rank = |key: FileKey, file: &File| (file.stat.size, file.plain && file.named, std::cmp::Reverse(key));
        let Some(own) = self.files.get(&key) else { return false };
        self.files.iter().any(|(other, file)| {
            file.state == State::Fresh
                && file.open == Handle::Open
                && file.source == own.source
                && rank(*other, file) > rank(key, own)
                && file.look.as_ref().is_some_and(|other| begin_alike(&other.head, &look.head))
        })
    }

    /// A file is this stream's already, or it is being tested whether it is.
    fn is_taken(&self, id: StreamId) -> bool {
        let summed = |file: &File| matches!(file.job, Some(Job::Sum { stream, .. }) if stream == id);
        self.files.values().any(|file| file.stream() == Some(id) || summed(file))
    }

    /// Tests the file against streams whose own files live; true while there is one to test.
    pub(super) fn is_equal(&mut self, key: FileKey, look: &Look) -> bool {
        let Some(file) = self.files.get(&key) else { return false };
        let other = self.streams.values().find_map(|stream| {
            let home = stream.file().filter(|home| *home != key)?;
            let there =
                self.files.get(&home).filter(|there| there.open == Handle::Open && there.source == file.source)?;
            // Of a file that was not read yet nothing is known; of one that cannot be read nothing will be.
            let unread = stream.known.head.is_empty() && there.chain == file.chain && there.trouble.is_none();
            let alike = unread || begin_alike(&look.head, &stream.known.head);
            let equal = alike && !file.cleared.contains(&stream.id);
            (equal && !there.is_in_doubt()).then(|| (stream.id, home, stream.known.clone()))
        });
        let Some((id, home, known)) = other else { return false };
        let ask = Ask { head: HEAD, at: known.at };
        let Some(file) = self.files.get_mut(&key) else { return false };
        // A copy that grows is not compared from its beginning each time: its head and its last bytes tell.
        let equal = file.equal.filter(|(stream, to)| *stream == id && *to <= look.stat.size);
        let from = equal.map_or(0, |(_, to)| to.saturating_sub(BEFORE as u64));
        file.job = Some(Job::Compare { stream: id, known });
        self.actions.push(Action::Compare { file: key, with: home, ask, from });
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
                let again = self.fails(key, &why);
                self.put_on_agenda(key, again);
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
        if differs || same_to == 0 || (longer && !gone) {
            file.cleared.insert(id);
        } else if gone && read_all && same_to == look.stat.size {
            info!(path = %file.path.display(), stream = %id, "holds all of a deleted file, which goes on there");
            self.forget_file(home);
            self.seek(id, Why::Moved, self.listings);
            self.claim(key, id);
        } else {
            (file.state, file.equal) = (State::Held { by: id }, Some((id, same_to)));
        }
    }
}

/// The file begins as the stream did.
fn has_head(stream: &Stream, look: &Look) -> bool {
    if stream.known.head.is_empty() {
        let proof = &stream.proof;
        // A guard behind a gap that covers all may have no head: it would fit any file.
        stream.done > 0
            && proof.head_len > 0
            && look.stat.size >= u64::from(proof.head_len)
            && is_same(&proof_of_head(proof), 0, look)
    } else {
        begin_alike(&look.head, &stream.known.head)
    }
}

fn begin_alike(a: &[u8], b: &[u8]) -> bool {
    let both = a.len().min(b.len());
    both > 0 && a[..both] == b[..both]
}

/// A guard of which only the head counts.
fn proof_of_head(proof: &Guard) -> Guard {
    Guard { before_len: 0, before: guard(&[], &[], 0, 0, Resume::default()).before, ..proof.clone() }
}
