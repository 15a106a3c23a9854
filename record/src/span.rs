//! A span: a range of bytes of a stream. Spans tile a stream: every byte is in exactly one.

use std::fmt;

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use crate::id::{Offset, StreamId};

/// What the framer says of a range of bytes. It holds no byte itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    pub start: Offset,
    pub len: u64,
    pub kind: SpanKind,
    /// Bytes of the header line with its line end; 0 for all but records.
    pub head: u32,
    /// Bytes of the logger's line end behind the message: 0, 1 or 2.
    pub line_end: u8,
    pub flags: Flags,
    /// Lines of noise; 0 for all else.
    pub lines: u64,
}

impl Span {
    pub fn end(&self) -> Offset {
        self.start.plus(self.len)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanKind {
    /// Header line, message and the logger's line end.
    Record,
    /// Other log lines.
    Noise,
    /// Bytes without a header of their own.
    Fragment,
    /// Bytes that nobody could read.
    Gap,
}

/// Why bytes could not be read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Copytruncate,
    DeletedWhileDown,
    MissedFiles,
    Unreadable,
    GzDamaged,
    CollectorRewound,
    Rejected,
    StartAtEnd,
}

impl Cause {
    pub const ALL: [Cause; 8] = [
        Cause::Copytruncate,
        Cause::DeletedWhileDown,
        Cause::MissedFiles,
        Cause::Unreadable,
        Cause::GzDamaged,
        Cause::CollectorRewound,
        Cause::Rejected,
        Cause::StartAtEnd,
    ];

    /// The code in the database.
    pub fn code(self) -> i16 {
        Self::ALL.iter().position(|cause| *cause == self).map_or(0, |at| at as i16 + 1)
    }

    pub fn from_code(code: i16) -> Option<Self> {
        usize::try_from(code).ok()?.checked_sub(1).and_then(|at| Self::ALL.get(at)).copied()
    }

    pub fn name(self) -> &'static str {
        match self {
            Cause::Copytruncate => "copytruncate",
            Cause::DeletedWhileDown => "deleted_while_down",
            Cause::MissedFiles => "missed_files",
            Cause::Unreadable => "unreadable",
            Cause::GzDamaged => "gz_damaged",
            Cause::CollectorRewound => "collector_rewound",
            Cause::Rejected => "rejected",
            Cause::StartAtEnd => "start_at_end",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

bitflags! {
    /// What is odd about a span; a bit each. The framer sets the first group, the parser and the agent the rest.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
    pub struct Flags: u16 {
        /// The declared length was not usable; the message ends at the next known line.
        const LENGTH_MISMATCH = 1;
        /// The end rests on a look-alike alone, or the message holds a full header line.
        const AMBIGUOUS_BOUNDARY = 1 << 1;
        /// Two writers mixed their lines: see `docs/log-format.md`.
        const INTERLEAVE_SUSPECT = 1 << 2;
        /// Longer than the record limit, kept in full; or a fragment that reached its cap.
        const OVERSIZE = 1 << 3;
        /// Bytes whose header was not seen.
        const ORPHAN_FRAGMENT = 1 << 4;
        /// The file ended inside this record and no continuation was found in time.
        const CUT_BY_ROTATION = 1 << 5;
        /// The header's local time occurs twice; which of the two was taken is a guess.
        const AMBIGUOUS_TIME = 1 << 6;
        /// No rule decided the kind; REST was assumed.
        const KIND_GUESSED = 1 << 7;
        /// The time is that of receipt (doors without a time of their own).
        const RECEIVED_TIME = 1 << 8;
        /// Of a provisional span alone: the rest of it is not there yet, or nobody can say that it is.
        const UNFINISHED = 1 << 9;
        /// Bits that a later version gives a meaning are kept.
        const _ = !0;
    }
}

impl Flags {
    /// As the API, pages and logs name them: `length_mismatch`.
    pub fn names(self) -> Vec<String> {
        self.iter_names().map(|(name, _)| name.to_ascii_lowercase()).collect()
    }

    /// The flag of this name, in lower case.
    pub fn named(name: &str) -> Option<Self> {
        Self::from_name(&name.to_ascii_uppercase())
    }
}

impl Serialize for Flags {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        if out.is_human_readable() { self.names().serialize(out) } else { out.serialize_u16(self.bits()) }
    }
}

impl<'de> Deserialize<'de> for Flags {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            let names = Vec::<String>::deserialize(from)?;
            Ok(names.iter().filter_map(|name| Flags::named(name)).collect())
        } else {
            u16::deserialize(from).map(Flags::from_bits_retain)
        }
    }
}

/// The start of a record whose continuation a fragment is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Continues {
    pub stream: StreamId,
    pub offset: Offset,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_causes_read_back() {
        for cause in Cause::ALL {
            assert_eq!(Cause::from_code(cause.code()), Some(cause));
        }
        assert_eq!(Cause::from_code(0), None);
    }

    #[test]
    fn flags_are_shown_by_name() {
        let flags = Flags::OVERSIZE.union(Flags::LENGTH_MISMATCH);
        assert_eq!(flags.names(), ["length_mismatch", "oversize"]);
    }
}
