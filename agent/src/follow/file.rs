//! One file: its names, what was last seen of it, and what it was judged to be.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use record::id::StreamId;
use record::wire::FileIdentity;

use crate::content::{InodeId, Stat};
use crate::guard::Look;
use crate::source::SourceId;
use crate::stream::Fingerprint;

#[derive(Debug)]
pub(super) struct File {
    pub source: SourceId,
    pub source_name: String,
    pub chain: PathBuf,
    pub path: PathBuf,
    /// Matched by the source, not only a rotation of what is.
    pub named: bool,
    /// Its name has neither date nor number.
    pub plain: bool,
    /// Listed last time.
    pub listed: bool,
    /// There is a newer file of its chain, or it is out of sight.
    pub rotated: bool,
    /// Age within its chain, oldest first.
    pub age: u64,
    pub inode: InodeId,
    pub identity: Option<FileIdentity>,
    /// As it was last seen by anyone, and by whoever read it.
    pub stat: Stat,
    pub read_stat: Stat,
    /// The largest size that was seen since it was last truncated.
    pub most: u64,
    /// Listings up to this number say nothing about that.
    pub most_from: u64,
    /// There is a handle of it.
    pub open: bool,
    /// What is being done with it by a reader; one thing at a time.
    pub busy: Option<Busy>,
    pub role: Role,
    /// The last look while it is not judged yet.
    pub look: Option<Look>,
    /// Its bytes up to there are those of this stream.
    pub equal: Option<(StreamId, u64)>,
    /// Streams that it is not a copy of.
    pub cleared: HashSet<StreamId>,
    /// When it last grew.
    pub grew_at: Duration,
    /// It could not be opened or read.
    pub trouble: Option<Trouble>,
    /// Stood there when the agent first looked.
    pub early: bool,
}

/// What cannot be read is tried again, later and later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Trouble {
    pub tries: u32,
    /// Not to be tried again before.
    pub again: Duration,
}

#[derive(Debug)]
pub(super) enum Busy {
    Open,
    Look,
    Compare {
        stream: StreamId,
        print: Fingerprint,
    },
    Checksum {
        stream: StreamId,
        crc: u32,
    },
    /// With the largest size that was known when it was given: a turn that finds less has found a truncate.
    Read {
        most: u64,
    },
}

/// What a file was judged to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// Not judged yet.
    Fresh,
    /// By its identity it is this stream's file; its content is not tested yet. With the time of the first look that denied it.
    Claimed {
        stream: StreamId,
        doubt: Option<Duration>,
    },
    /// All its bytes equal those of this stream, whose own file lives: not read.
    Held {
        by: StreamId,
    },
    /// A copy that brings nothing, or a rotation from before the agent's time: not read.
    Ignored,
    Following {
        stream: StreamId,
    },
    /// As `Following`, but it looked truncated.
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

    /// May be tried now.
    pub fn is_due(&self, now: Duration) -> bool {
        self.trouble.is_none_or(|trouble| trouble.again <= now)
    }

    /// Whether other files of the source must wait to be judged until this one is.
    pub fn is_in_doubt(&self) -> bool {
        matches!(self.role, Role::Claimed { .. } | Role::Doubtful { .. })
    }

    /// Not opened yet: it may be any stream's file.
    pub fn is_unknown(&self) -> bool {
        self.role == Role::Fresh && self.identity.is_none() && self.listed
    }

    /// Opened and not seen yet.
    pub fn is_looked_at(&self) -> bool {
        self.role == Role::Fresh && matches!(self.busy, Some(Busy::Look))
    }

    /// Still to be judged, and it can be.
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
