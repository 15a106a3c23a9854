//! How far files are read: what of their bytes is stored, shown, or still to come.

use crate::stream::Stream;

/// Files of a source, or of all of them, and their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reach {
    /// Files that are followed.
    pub files: usize,
    /// Bytes in them.
    pub known: u64,
    /// Bytes of them that the collector has for good.
    pub committed: u64,
    /// Bytes that are not final before more is written, and are shown all the same: the last records of files that were
    /// read to their end, of which nothing is missing.
    pub shown: u64,
    /// Bytes at the ends of files that were read to their end, and of which the rest is missing or nothing is shown yet...
    pub unfinished: u64,
    /// ... of so many files.
    pub unfinished_files: usize,
}

impl Reach {
    /// Bytes that are still to be read or to be acknowledged.
    pub fn left(&self) -> u64 {
        self.known.saturating_sub(self.committed + self.shown + self.unfinished)
    }

    /// Counts a file of this size, and the stream that is read from it.
    pub(crate) fn count(&mut self, size: u64, stream: Option<&Stream>) {
        self.files += 1;
        self.known += size;
        let Some(stream) = stream else { return };
        let w = stream.committed.w();
        self.committed += w.min(size);
        if w >= size || !stream.is_caught_up(size) {
            return;
        }
        if stream.tail.shows_all(size) {
            self.shown += size - w;
        } else if stream.tail.is_told(stream.sight.read_to) {
            self.unfinished += size - w;
            self.unfinished_files += 1;
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
        let mut reach = Reach::default();
        reach.count(300, Some(stream));
        let found = (reach.shown, reach.unfinished, reach.unfinished_files, reach.left());
        assert_eq!((reach.committed, found), (100, expect));
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
