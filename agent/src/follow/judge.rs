//! What is this file: a known stream, a copy of one, equal to one that lives, or new? A pure function of what is known.

use std::collections::BTreeSet;
use std::time::Duration;

use record::id::StreamId;

use super::Follow;
use super::copy::{begins_like_unreadable, copy_of, equal_to, is_shorter};
use super::file::{File, Role};
use super::files::Files;
use super::streams::Streams;
use crate::guard::Ask;
use crate::source::SourceId;
use crate::stream::{FileKey, Fingerprint};

/// What follows from all that is known of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Another file must be judged or read first.
    Wait,
    /// It must be looked at first, or again.
    Look,
    /// It may be a copy of this stream: then its bytes [`from`, `to`) have this CRC.
    Checksum { stream: StreamId, from: u64, to: u64, crc: u32 },
    /// It may hold the bytes of this stream, which goes on in it then.
    Claim { stream: StreamId },
    /// It may equal the file that this stream is in: they are compared.
    Compare { stream: StreamId, with: FileKey, print: Fingerprint, ask: Ask, from: u64 },
    /// It brings nothing.
    Ignore,
    /// It is a stream of its own.
    Begin,
}

/// When files are judged.
#[derive(Debug, Default)]
pub(super) struct Judging {
    /// Something changed that may decide what a file is, or end a search.
    asked: bool,
    /// Not again before: each time all files are gone through.
    not_before: Duration,
}

impl Follow {
    /// Judges what waits to be judged, oldest first. While a file of the same source is in doubt, none of it can be.
    pub(super) fn judge_all(&mut self) {
        let now = self.now.mono;
        // What cannot be read holds up only what begins like it.
        let in_doubt =
            |file: &&File| file.trouble.is_none() && (file.is_in_doubt() || file.is_unknown() || file.is_looked_at());
        let doubtful: BTreeSet<SourceId> = self.files.values().filter(in_doubt).map(|file| file.source).collect();
        let waits = |file: &File| {
            file.role == Role::Fresh
                && file.open
                && file.busy.is_none()
                && file.is_due(now)
                && !doubtful.contains(&file.source)
        };
        let waiting = self.files.iter().filter(|(_, file)| waits(file));
        let mut keys: Vec<(u64, FileKey)> = waiting.map(|(key, file)| (file.age, key)).collect();
        keys.sort_unstable();
        for (_, key) in keys {
            if let Some(file) = self.files.get(key).filter(|file| file.role == Role::Fresh && file.busy.is_none()) {
                let verdict = judge(key, file, &self.files, &self.streams);
                self.execute(key, verdict);
            }
        }
    }
}

fn judge(key: FileKey, file: &File, files: &Files, streams: &Streams) -> Verdict {
    let Some(look) = file.look.as_ref().filter(|look| look.stat.size >= file.stat.size) else { return Verdict::Look };
    if look.stat.size == 0 {
        // The copy of a copytruncate begins empty; the name that is written to is followed at once.
        return if file.plain && file.named { Verdict::Begin } else { Verdict::Wait };
    }
    if begins_like_unreadable(key, file, look, files, streams) || is_shorter(key, file, look, files) {
        return Verdict::Wait;
    }
    let known = copy_of(file, look, files, streams).or_else(|| equal_to(key, file, look, files, streams));
    known.unwrap_or(Verdict::Begin)
}

impl Judging {
    /// Files are to be judged soon.
    pub fn ask(&mut self) {
        self.asked = true;
    }

    pub fn due(&self) -> Duration {
        if self.asked { self.not_before } else { Duration::MAX }
    }

    pub fn take_due(&mut self, now: Duration) -> bool {
        let due = now >= self.not_before;
        due && std::mem::take(&mut self.asked)
    }

    /// All of so many files were judged: the more there are, the later it is done again.
    pub fn wait(&mut self, now: Duration, files: usize) {
        if files > 100 {
            self.not_before = now + Duration::from_micros(files as u64);
        }
    }
}
