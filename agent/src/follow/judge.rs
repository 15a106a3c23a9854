//! What is this file: a known stream, a copy of one, equal to one that lives, or new? A pure function of what is known.

use std::collections::BTreeSet;
use std::time::Duration;

use record::id::StreamId;

use super::Follow;
use super::copy::{begins_like_unreadable, copy_of, equal_to, is_shorter};
use super::file::{File, Role};
use super::files::Files;
use super::kin::Kin;
use super::streams::Streams;
use crate::guard::Ask;
use crate::place::SourceId;
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
        // Nor does one of which the collector is to say first how far it was read.
        let asked = |file: &File| file.stream().is_some_and(|id| self.streams.get(id).is_none());
        let in_doubt = |file: &&File| {
            let doubtful = file.is_in_doubt() && !asked(file);
            file.trouble.is_none() && (doubtful || file.is_unknown() || file.is_looked_at())
        };
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
        if keys.is_empty() {
            return;
        }
        keys.sort_unstable();
        let mut kin = Kin::new(&self.files, &self.streams);
        for (_, key) in keys {
            if let Some(file) = self.files.get(key).filter(|file| file.role == Role::Fresh && file.busy.is_none()) {
                let all = All { files: &self.files, streams: &self.streams, kin: &kin, listings: self.rounds.number() };
                let verdict = judge(key, file, &all);
                self.execute(key, verdict);
                let judged = self.files.get(key).and_then(|file| Some((file, self.streams.get(file.stream()?)?)));
                if let Some((file, stream)) = judged {
                    kin.add(file, stream);
                }
            }
        }
    }
}

/// All that is known when a file is judged.
pub(super) struct All<'a> {
    pub files: &'a Files,
    pub streams: &'a Streams,
    pub kin: &'a Kin,
    /// Listings that were taken in.
    pub listings: u64,
}

fn judge(key: FileKey, file: &File, all: &All) -> Verdict {
    let Some(look) = file.look.as_ref().filter(|look| look.stat.size >= file.stat.size) else { return Verdict::Look };
    if look.is_blank() {
        // The copy of a copytruncate begins empty; the name that is written to is followed at once.
        return if file.plain && file.named { Verdict::Begin } else { Verdict::Wait };
    }
    if begins_like_unreadable(key, file, look, all) || is_shorter(key, file, look, all) {
        return Verdict::Wait;
    }
    let known = copy_of(file, look, all).or_else(|| equal_to(key, file, look, all));
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
            self.not_before = now + Duration::from_micros(4 * files as u64);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use record::id::Offset;
    use record::wire::{FileIdentity, Guard};

    use super::*;
    use crate::content::{InodeId, Stat};
    use crate::cursor::head_of;
    use crate::guard::Look;
    use crate::stream::{Framed, Identity, Left, Search, State, Stream, Why};

    /// A file of this size that is open and was looked at.
    pub fn file(inode: u64, size: u64, head: &[u8]) -> File {
        let stat = Stat { size, links: 1, ..Stat::default() };
        File {
            source: SourceId(0),
            source_name: "app".into(),
            chain: "/log/app.log".into(),
            path: "/log/app.log".into(),
            named: true,
            plain: true,
            listed: true,
            link: false,
            watched: false,
            rotated: false,
            age: inode,
            inode: InodeId { number: inode, ..InodeId::default() },
            data_end: None,
            identity: Some(FileIdentity { inode, ..FileIdentity::default() }),
            stat,
            read_stat: stat,
            most: size,
            most_from: 0,
            open: true,
            busy: None,
            again: false,
            role: Role::Fresh,
            look: Some(Look { stat, head: head.to_vec(), ..Look::default() }),
            equal: None,
            cleared: HashSet::new(),
            grew_at: Duration::ZERO,
            trouble: None,
            early: None,
        }
    }

    /// A stream of which 100 bytes are final, with a CRC of 7.
    pub fn stream(state: State, head: &[u8]) -> Stream {
        let origin = FileIdentity { inode: 99, ..FileIdentity::default() };
        let (source, source_name, path) = (Some(SourceId(0)), "app".into(), "/log/app.log".into());
        let identity = Identity { origin, lives_in: origin, epoch: 0, source, source_name, path, predecessor: None };
        let mut stream = Stream::new(StreamId(5), identity, state);
        let guard = Guard { crc: 7, crc_from: Offset(0), ..Guard::default() };
        stream.marks.add(40, &Guard { crc: 4, ..guard.clone() });
        stream.marks.add(100, &guard);
        stream.framed = Framed { to: 100, guard };
        stream.print = Fingerprint { head: head_of(head), at: 100, before: Vec::new() };
        stream
    }

    fn sought(left: Left) -> State {
        State::Seeking(Search { why: Why::Truncated, listing: 1 }, left)
    }

    fn check(files: Vec<File>, stream: Option<Stream>, expect: &[Verdict]) {
        let (mut there, mut streams) = (Files::default(), Streams::default());
        for file in files {
            there.add(file);
        }
        if let Some(stream) = stream {
            streams.add(stream);
        }
        let verdicts = there.iter().filter(|(_, file)| file.role == Role::Fresh);
        let kin = Kin::new(&there, &streams);
        let all = All { files: &there, streams: &streams, kin: &kin, listings: 1 };
        let verdicts: Vec<Verdict> = verdicts.map(|(key, file)| judge(key, file, &all)).collect();
        assert_eq!(verdicts, expect);
    }

    #[test]
    fn a_file_is_looked_at_before_it_is_judged_and_again_when_it_grew() {
        let grew = File { stat: Stat { size: 20, ..Stat::default() }, ..file(1, 10, b"head") };
        check(vec![File { look: None, ..file(1, 10, b"") }, grew], None, &[Verdict::Look, Verdict::Look]);
    }

    #[test]
    fn an_empty_file_begins_only_under_the_name_that_is_written_to() {
        let copy = File { plain: false, ..file(2, 0, b"") };
        check(vec![file(1, 0, b""), copy], None, &[Verdict::Begin, Verdict::Wait]);
    }

    #[test]
    fn of_files_that_begin_alike_the_longest_is_judged_first() {
        let files = vec![file(1, 10, b"head"), file(2, 20, b"head and more"), file(3, 30, b"other")];
        check(files, None, &[Verdict::Wait, Verdict::Begin, Verdict::Begin]);
    }

    #[test]
    fn a_copy_of_what_was_truncated_is_known_by_its_crc_in_one_file_only() {
        let stream_id = StreamId(5);
        let sum = |to, crc| Verdict::Checksum { stream: stream_id, from: 0, to, crc };
        let stream = || Some(stream(sought(Left::Unknown), b"head"));
        check(vec![file(1, 120, b"head")], stream(), &[sum(100, 7)]);
        check(vec![file(1, 60, b"head")], stream(), &[sum(40, 4)]);
        check(vec![file(1, 30, b"head")], stream(), &[Verdict::Ignore]);
        check(vec![file(1, 120, b"tail")], stream(), &[Verdict::Begin]);
        let cleared = File { cleared: HashSet::from([stream_id]), ..file(1, 120, b"head") };
        check(vec![cleared], stream(), &[Verdict::Begin]);
        let tested = File { role: Role::Claimed { stream: stream_id, doubt: None }, ..file(2, 120, b"head") };
        check(vec![file(1, 120, b"head"), tested], stream(), &[Verdict::Wait]);
    }

    #[test]
    fn what_begins_like_a_file_that_is_followed_is_compared_with_it() {
        let followed = File { role: Role::Following { stream: StreamId(5) }, ..file(1, 100, b"head") };
        let copy = File { plain: false, equal: Some((StreamId(5), 90)), ..file(2, 95, b"head") };
        let stream = stream(State::Away(1), b"head");
        let (print, ask) = (stream.print.clone(), Ask::at(100));
        let compare = Verdict::Compare { stream: StreamId(5), with: 1, print, ask, from: 90 - 64 };
        check(vec![followed, copy], Some(stream), &[compare]);
    }
}
