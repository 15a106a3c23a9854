//! A writer of records with all its rotations, and what they destroy.

use std::rc::Rc;

use record::span::SpanKind;

use super::disk::Memory;
use super::world::World;
use super::{ACTIVE, OTHER, Op};
use crate::follow::GROWING;
use crate::stream::Stream;

impl World {
    /// What a writer or a rotation does; false for what the agent does.
    pub fn rotate(&mut self, op: &Op) -> bool {
        let there = self.disk.names.contains_key(ACTIVE);
        match op {
            Op::Away | Op::Back => {
                self.disk.away = matches!(op, Op::Away);
                self.disk.hint_names();
            }
            Op::WriteOther { records } => (0..*records).for_each(|_| self.write_other()),
            Op::Rotate
            | Op::RotateOther
            | Op::RotateDated
            | Op::Reopen { .. }
            | Op::Copy
            | Op::CopyTruncate { .. }
            | Op::Truncate
            | Op::Delete
                if self.disk.away => {}
            Op::Write { records, tear } => self.write(*records, *tear),
            Op::RotateOther => {
                self.disk.shift(OTHER, self.wall);
                self.disk.rename(OTHER, &format!("{OTHER}.1"), self.wall);
                self.other = self.disk.make(Vec::new(), self.wall);
                self.disk.names.insert(OTHER.into(), self.other.clone());
                self.disk.hint_names();
            }
            Op::Rotate => {
                self.disk.shift(ACTIVE, self.wall);
                self.disk.rename(ACTIVE, &format!("{ACTIVE}.1"), self.wall);
            }
            Op::RotateDated => {
                self.dates += 1;
                let to = format!("{ACTIVE}-2026{:04}", self.dates);
                self.disk.rename(ACTIVE, &to, self.wall);
            }
            Op::Reopen { torn } => {
                if !torn {
                    self.finish_record();
                }
                self.note_halves();
                self.create();
                self.finish_record();
            }
            Op::Copy => {
                if there {
                    self.finish_record();
                    self.copy();
                    self.note_copies(0);
                }
            }
            Op::CopyTruncate { between, torn } => {
                if there {
                    let torn = *torn && self.writes_to_active() && !self.torn.is_empty();
                    if !torn {
                        self.finish_record();
                    }
                    self.copy();
                    if *between && !torn && self.writes_to_active() {
                        self.write(1, false);
                    }
                    self.note_halves();
                    self.truncate();
                    self.finish_record();
                }
            }
            Op::Truncate => {
                if there {
                    self.finish_record();
                    self.truncate();
                }
            }
            Op::Delete => self.delete(),
            _ => return false,
        }
        true
    }

    /// The writer opens the active name, which may be made by that.
    pub fn create(&mut self) {
        if !self.disk.names.contains_key(ACTIVE) {
            let fresh = self.disk.make(Vec::new(), self.wall);
            self.disk.names.insert(ACTIVE.into(), fresh);
            self.disk.hint_names();
        }
        self.writer = self.disk.names[ACTIVE].clone();
    }

    /// Without a length only the next header shows that both halves of a record are there; and of a file that was never read
    /// nobody knows what followed in it. Then they may stay halves, and say so themselves.
    fn note_halves(&mut self) {
        if !self.torn.is_empty() {
            self.across.extend(self.records.len().checked_sub(1));
        }
        let unread = self.stream_of(&self.writer).is_none_or(|stream| stream.print.at == 0);
        let torn = self.records.len().checked_sub(1).filter(|nth| unread || nth.is_multiple_of(3));
        let torn = torn.filter(|_| !self.torn.is_empty());
        self.destroyed.extend(torn);
        self.silent.extend(torn);
    }

    fn writes_to_active(&self) -> bool {
        self.disk.names.get(ACTIVE).is_some_and(|file| Rc::ptr_eq(&self.writer.0, &file.0))
    }

    fn append(&mut self, bytes: &[u8]) {
        self.append_to(&self.writer.clone(), bytes);
    }

    pub fn append_to(&mut self, file: &Memory, bytes: &[u8]) {
        let now = self.wall * 1000;
        let mut inode = file.0.borrow_mut();
        inode.data.extend_from_slice(bytes);
        (inode.mtime, inode.ctime) = (now, now);
        drop(inode);
        self.disk.hint_written(file);
    }

    fn write_other(&mut self) {
        self.finish_record();
        let record = record(self.records.len());
        self.append_to(&self.other.clone(), &record);
        self.records.push(record);
    }

    pub fn finish_record(&mut self) {
        let rest = std::mem::take(&mut self.torn);
        if !rest.is_empty() {
            self.append(&rest);
        }
    }

    pub fn write(&mut self, records: u8, tear: bool) {
        self.finish_record();
        for nth in 0..records {
            let record = record(self.records.len());
            if self.records.len() % 3 == 1 {
                self.append(b"2026-11-23 19:53:58.132 INFO  [main] a line of no interest\n");
            }
            self.records.push(record.clone());
            if tear && nth + 1 == records {
                let cut = record.len() / 2;
                self.append(&record[..cut]);
                self.torn = record[cut..].to_vec();
            } else {
                self.append(&record);
            }
        }
    }

    fn copy(&mut self) {
        // What a dead agent has sent may arrive after the next one has asked how far its streams are: no lease keeps it away
        // yet, and a copy of that is a log of its own then.
        let late = self.late.iter().flat_map(|append| &append.streams).flat_map(|part| &part.spans);
        let records = late.filter(|span| span.kind == SpanKind::Record);
        self.repeatable.extend(records.map(|span| number_of(&span.bytes)));
        self.disk.shift(ACTIVE, self.wall);
        let data = self.disk.names[ACTIVE].0.borrow().data.clone();
        let copy = self.disk.make(data, self.wall);
        self.disk.hint_names();
        self.disk.names.insert(format!("{ACTIVE}.1"), copy);
    }

    pub fn truncate(&mut self) {
        let told = self.will_tell();
        self.note_copies(1);
        let now = self.wall * 1000;
        let file = self.disk.names[ACTIVE].clone();
        {
            let mut inode = file.0.borrow_mut();
            inode.data.clear();
            (inode.mtime, inode.ctime) = (now, now);
        }
        self.disk.hint_written(&file);
        self.truncated += 1;
        self.note_destroyed(told);
    }

    /// Deletes what the agent has open, and starts anew.
    fn delete(&mut self) {
        let Some(file) = self.disk.names.get(ACTIVE).cloned().filter(|_| self.writes_to_active()) else { return };
        if self.stream_of(&file).is_some() {
            self.finish_record();
            self.deleted += 1;
            // A deleted file has no place in its log any more: what ends it, or begins it, may stay half.
            let stored = self.stored();
            let halves: Vec<usize> = self.across.difference(&stored).copied().collect();
            self.destroyed.extend(&halves);
            self.silent.extend(&halves);
            self.disk.names.remove(ACTIVE);
            self.disk.hint_names();
            file.0.borrow_mut().links = 0;
            self.create();
        }
    }

    /// Two files with the same bytes, of which none was read yet, may be two logs to an agent: what both hold may come
    /// twice. With one copy before a truncate there is only one.
    fn note_copies(&mut self, one: usize) {
        let active = &self.disk.names[ACTIVE];
        let inode = active.0.borrow();
        // What was read of the file before it was truncated is not in it any more.
        let same = |stream: &&Stream| {
            let at = stream.print.at as usize;
            inode.data.get(..at).is_some_and(|read| read.ends_with(&stream.print.before))
        };
        let read = self.stream_of(active).filter(same).map_or(0, |stream| stream.print.at as usize);
        let read = &inode.data[..read];
        for (nth, record) in self.records.iter().enumerate() {
            let copies = self.disk.names.iter().filter(|(name, file)| *name != ACTIVE && file.holds(record)).count();
            if copies > one && !read.windows(record.len()).any(|window| window == record) {
                self.repeatable.insert(nth);
            }
        }
    }

    fn stream_of(&self, file: &Memory) -> Option<&Stream> {
        let key = self.handles.iter().find(|(_, held)| Rc::ptr_eq(&held.0, &file.0)).map(|(key, _)| key)?;
        self.follow.streams.get(self.follow.files.get(*key)?.stream()?)
    }

    /// Whether the agent can know that it may lose bytes when the active file is truncated now: it has seen the file
    /// grow just before, or to hold more than it has read.
    fn will_tell(&self) -> bool {
        let file = &self.disk.names[ACTIVE];
        let Some(stream) = self.stream_of(file) else { return false };
        // A look that is not told yet is older than what it will be taken for.
        if !self.finished.is_empty() {
            return false;
        }
        let inode = file.0.borrow();
        let known = &stream.print;
        let at = known.at as usize;
        let before = inode.data.get(at.saturating_sub(64)..at);
        let same = before.is_some_and(|before| known.before.ends_with(before)) && !known.head.is_empty();
        same && (stream.was_growing(GROWING) || stream.sight.size > known.at)
    }

    /// Records that are in no file any more, and not stored, may be missing in the end; if nobody could know, silently.
    pub fn note_destroyed(&mut self, told: bool) {
        let stored = self.stored();
        let files: Vec<Memory> = self.disk.names.values().chain(self.handles.values()).cloned().collect();
        let whole = self.records.len() - usize::from(!self.torn.is_empty());
        for (nth, record) in self.records.iter().enumerate().take(whole) {
            let gone = !stored.contains(&nth) && !self.destroyed.contains(&nth);
            if gone && !files.iter().any(|file| file.holds(record)) && !self.writer.holds(record) {
                self.destroyed.insert(nth);
                if !told {
                    self.silent.insert(nth);
                }
            }
        }
    }
}

/// SIP with a length, or text that only the next header ends.
pub fn record(nth: usize) -> Vec<u8> {
    let header = format!("[2026-11-23 19:53:58.{:03}][INVITE][sip:10.0.0.1][sip:{nth}@example.com]\n", nth % 1000);
    let body = "x".repeat(nth * 37 % 400);
    let sip = format!(
        "{header}INVITE sip:{nth}@example.com SIP/2.0\r\nCall-ID: {nth}\r\nContent-Length: {}\r\n\r\n{body}\n",
        body.len()
    );
    let push = format!("{header}push {nth} {body}\n\n");
    if nth.is_multiple_of(3) { push.replace("[INVITE]", "[PUSH]").into_bytes() } else { sip.into_bytes() }
}

pub fn number_of(record: &[u8]) -> usize {
    let text = String::from_utf8_lossy(record);
    let digits = text.split("][sip:").last().unwrap_or_default().split('@').next().unwrap_or_default();
    digits.parse().unwrap_or(usize::MAX)
}
