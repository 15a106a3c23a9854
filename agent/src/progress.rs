//! How far the agent is, for a line on a terminal.

use std::path::PathBuf;
use std::time::Instant;

use record::miss::NearMiss;
use record::wrapper::Wrapper;

use crate::stream::Stream;
use crate::unread::Unread;

/// Sent through `tokio::sync::watch` whenever something of it changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Files that are followed.
    pub files: usize,
    /// Bytes in the followed files.
    pub bytes_known: u64,
    /// Bytes of them that the collector has for good.
    pub bytes_committed: u64,
    /// Bytes that are not final before more is written, and are shown all the same: the last records of files that were
    /// read to their end, of which nothing is missing.
    pub bytes_shown: u64,
    /// Bytes at the ends of files that were read to their end, and of which the rest is missing or nothing is shown yet...
    pub bytes_unfinished: u64,
    /// ... of so many files.
    pub unfinished: usize,
    /// Places and files that are not read.
    pub unread: Vec<Unread>,
    /// Files that are read through a wrapper that they were recognised by, or converted from UTF-16.
    pub wrapped: Vec<(PathBuf, Wrapper)>,
    /// Logs with lines that are nearly header lines and are not read as such: the first line of each log and reason.
    pub misread: Vec<(PathBuf, NearMiss)>,
    /// Records acknowledged since the start.
    pub records: u64,
    /// Gaps acknowledged since the start.
    pub gaps: u64,
    pub collector: Collector,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Collector {
    /// Not asked yet.
    #[default]
    Unknown,
    Up,
    Lost {
        since: Instant,
    },
}

impl Progress {
    /// Bytes that are still to be read or to be acknowledged.
    pub fn bytes_left(&self) -> u64 {
        self.bytes_known.saturating_sub(self.bytes_committed + self.bytes_shown + self.bytes_unfinished)
    }

    /// Counts a file of this size, and the stream that is read from it.
    pub(crate) fn count(&mut self, size: u64, stream: Option<&Stream>) {
        self.files += 1;
        self.bytes_known += size;
        let Some(stream) = stream else { return };
        let w = stream.committed.w();
        self.bytes_committed += w.min(size);
        if w >= size || !stream.is_caught_up(size) {
            return;
        }
        if stream.tail.shows_all(size) {
            self.bytes_shown += size - w;
        } else if stream.tail.is_told(stream.sight.read_to) {
            self.bytes_unfinished += size - w;
            self.unfinished += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use record::id::{Offset, StreamId};
    use record::span::{Flags, SpanKind};
    use record::wire::{FileIdentity, Guard, WireSpan};

    use super::*;
    use crate::stream::{Committed, Identity, State};
    use crate::turn::Told;

    /// A stream of which 100 bytes are committed and all is read, with spans of these ends and flags in its tail.
    fn stream(read_to: u64, tail: &[(u64, Flags)]) -> Stream {
        let identity = Identity {
            origin: FileIdentity::default(),
            lives_in: FileIdentity::default(),
            epoch: 0,
            source: None,
            source_name: "app".into(),
            path: "/log/app.log".into(),
            predecessor: None,
        };
        let mut stream = Stream::new(StreamId(1), identity, State::Gone);
        stream.committed = Committed::at(100, Guard::default());
        (stream.framed.to, stream.sight.read_to) = (100, read_to);
        let mut start = 100;
        let spans = tail.iter().map(|(end, flags)| {
            let mut span = WireSpan::new(Offset(start), end - start, SpanKind::Record);
            (span.flags, start) = (*flags, *end);
            span
        });
        let told = Told { spans: spans.collect(), cut_at: None };
        stream.tail.put(told, true, read_to, Duration::from_secs(1));
        let sent = stream.tail.send(|_| true);
        stream.tail.acknowledged(&sent);
        stream
    }

    /// Bytes shown, bytes unfinished, files with an unfinished end, and bytes left of a file of 300 bytes.
    fn check(stream: &Stream, expect: (u64, u64, usize, u64)) {
        let mut progress = Progress::default();
        progress.count(300, Some(stream));
        let found = (progress.bytes_shown, progress.bytes_unfinished, progress.unfinished, progress.bytes_left());
        assert_eq!((progress.bytes_committed, found), (100, expect));
    }

    #[test]
    fn only_an_end_whose_rest_is_missing_or_not_shown_counts_as_unfinished() {
        let whole = Flags::AMBIGUOUS_BOUNDARY;
        check(&stream(300, &[(200, whole), (300, Flags::empty())]), (200, 0, 0, 0));
        check(&stream(300, &[(200, whole), (300, Flags::UNFINISHED)]), (0, 200, 1, 0));
        check(&stream(300, &[(200, Flags::UNFINISHED), (300, whole)]), (0, 200, 1, 0));
        let mut waiting = stream(300, &[]);
        waiting.tail.restart();
        check(&waiting, (0, 0, 0, 200));
        // Not all of it can be told.
        check(&stream(300, &[]), (0, 200, 1, 0));
        check(&stream(300, &[(200, whole)]), (0, 200, 1, 0));
        // Not read to its end.
        check(&stream(200, &[(200, whole)]), (0, 0, 0, 200));
    }

    #[test]
    fn what_was_shown_is_forgotten_when_a_tail_is_replaced_or_the_collector_is_elsewhere() {
        let mut replaced = stream(300, &[(300, Flags::empty())]);
        replaced.tail.acknowledged(&[]);
        check(&replaced, (0, 200, 1, 0));
        let mut rewound = stream(300, &[(300, Flags::empty())]);
        rewound.tail.rewind();
        check(&rewound, (0, 200, 1, 0));
    }
}
