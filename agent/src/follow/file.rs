//! One file: its names, what was last seen of it, and what it was judged to be.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use record::id::StreamId;
use record::time::Timestamp;
use record::wire::FileIdentity;

use super::rounds::Early;
use crate::content::{InodeId, Stat};
use crate::guard::{Ask, Look};
use crate::place::SourceId;
use crate::stream::{FileKey, Fingerprint};
use crate::unread::Obstacle;

#[derive(Debug)]
pub(super) struct File {
    pub source: SourceId,
    pub source_name: String,
    pub chain: PathBuf,
    pub path: PathBuf,
    /// The source itself matches it; else it is only a rotation of a file that the source matches.
    pub named: bool,
    /// Its name has neither date nor number.
    pub plain: bool,
    /// It was in the last listing that covers it.
    pub listed: bool,
    /// A symbolic link leads to it, as far as sources know.
    pub link: bool,
    /// As long as it is listed, what is written to it raises a hint.
    pub watched: bool,
    /// There is a newer file of its chain, or it is out of sight.
    pub rotated: bool,
    /// Age within its chain, oldest first.
    pub age: u64,
    pub inode: InodeId,
    pub identity: Option<FileIdentity>,
    /// It ends in NULs, which may be written over: its data ends here.
    pub data_end: Option<u64>,
    /// As it was last seen by anyone, and as it was when it was last read.
    pub stat: Stat,
    pub read_stat: Stat,
    /// The largest size that was seen since it was last truncated.
    pub most: u64,
    /// Listings up to this number may be older than the truncate: they do not raise `most`.
    pub most_from: u64,
    /// There is a handle of it.
    pub open: bool,
    /// What is being done with it by a reader; one thing at a time.
    pub busy: Option<Busy>,
    /// Its turn came while a reader had it: it comes again.
    pub again: bool,
    pub role: Role,
    /// The last look at it, as long as it is not judged.
    pub look: Option<Look>,
    /// Its bytes up to this offset were compared and are those of this stream.
    pub equal: Option<(StreamId, u64)>,
    /// Streams that it is not a copy of.
    pub cleared: HashSet<StreamId>,
    /// When it last grew.
    pub grew_at: Duration,
    /// It could not be opened or read.
    pub trouble: Option<Trouble>,
    /// What it was when the agent began, if it was there then.
    pub early: Option<Early>,
}

/// What cannot be read is tried again, later and later.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Trouble {
    pub obstacle: Obstacle,
    pub tries: u32,
    /// It is not tried before.
    pub again: Duration,
}

#[derive(Debug)]
pub(super) enum Busy {
    Open,
    Look,
    Compare {
        stream: StreamId,
        with: FileKey,
        print: Fingerprint,
        ask: Ask,
    },
    Checksum {
        stream: StreamId,
        to: u64,
        crc: u32,
    },
    /// The seam between it and another file is looked at.
    Stitch,
    /// A turn, with the largest size that was known when it was given: a turn that finds less has found a truncate.
    Read {
        most: u64,
        /// The clock on the wall as it was given: the turn sees at least what was there then.
        given: Timestamp,
    },
}

/// What a file was judged to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// Not judged yet.
    Fresh,
    /// By its identity it is this stream's file, and its content is not tested yet. `doubt` is when a first look found other
    /// bytes.
    Claimed {
        stream: StreamId,
        doubt: Option<Duration>,
    },
    /// All its bytes equal those of this stream, whose own file lives: it is not read.
    Held {
        by: StreamId,
    },
    /// A copy that brings nothing, or a rotation from before the agent's time: it is not read.
    Ignored,
    Following {
        stream: StreamId,
    },
    /// As `Following`, but at first sight it was truncated: it is looked at once more.
    Doubtful {
        stream: StreamId,
        since: Duration,
    },
}

impl File {
    pub fn stream(&self) -> Option<StreamId> {
        match self.role {
            Role::Claimed { stream, .. } | Role::Following { stream } | Role::Doubtful { stream, .. } => Some(stream),
            Role::Fresh | Role::Held { .. } | Role::Ignored => None,
        }
    }

    /// What is written to it raises no hint: it is looked at each time.
    pub fn is_out_of_sight(&self) -> bool {
        !(self.listed && self.watched)
    }

    /// Bytes that are there, without reserved room at the end.
    pub fn size(&self) -> u64 {
        self.data_end.map_or(self.stat.size, |end| end.min(self.stat.size))
    }

    /// It was rotated before the agent began, and no source names it.
    pub fn is_old_rotation(&self) -> bool {
        !self.named && self.early.is_some_and(|early| early.rotated)
    }

    /// It may be tried now.
    pub fn is_due(&self, now: Duration) -> bool {
        self.trouble.as_ref().is_none_or(|trouble| trouble.again <= now)
    }

    /// Whether other files of the source must wait to be judged until this one is.
    pub fn is_in_doubt(&self) -> bool {
        matches!(self.role, Role::Claimed { .. } | Role::Doubtful { .. })
    }

    /// It is not opened yet, so it may be any stream's file.
    pub fn is_unknown(&self) -> bool {
        self.role == Role::Fresh && self.identity.is_none() && self.listed
    }

    /// It is opened, and its first look is under way.
    pub fn is_looked_at(&self) -> bool {
        self.role == Role::Fresh && matches!(self.busy, Some(Busy::Look))
    }

    /// It is not judged yet, and it can be.
    pub fn is_pending(&self) -> bool {
        self.role == Role::Fresh
            && (self.open || (self.listed && self.trouble.is_none()))
            && (self.stat.size > 0 || self.identity.is_none())
    }

    pub fn is_deleted(&self) -> bool {
        self.open && self.stat.links == 0
    }

    /// What it is must be found out anew.
    pub fn judge_again(&mut self) {
        (self.role, self.look) = (Role::Fresh, None);
    }
}
