//! What the collector has of a stream, as far as its answers say.

use record::wire::{Guard, StreamAppend};

/// Invariant: only an answer of the collector changes it.
#[derive(Debug, Default)]
pub struct Committed {
    w: u64,
    /// The guard at `w`.
    guard: Guard,
    meta: Meta,
    /// The watermark went back, from here.
    rewound: Option<u64>,
    /// It knows that nothing more will come of it.
    settled: bool,
}

/// What the collector knows of a stream beside its spans: source, format, path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Meta {
    /// It does not know the stream.
    #[default]
    Unknown,
    /// As an earlier run sent it: what a config says may change with each start of the agent.
    Former,
    Current,
}

impl Committed {
    /// As the collector tells of a stream of an earlier run.
    pub fn at(w: u64, guard: Guard) -> Self {
        Self { w, guard, meta: Meta::Former, rewound: None, settled: false }
    }

    /// The watermark: all before is stored.
    pub fn w(&self) -> u64 {
        self.w
    }

    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The collector knows the stream.
    pub fn is_known(&self) -> bool {
        self.meta != Meta::Unknown
    }

    pub fn needs_meta(&self) -> bool {
        self.meta != Meta::Current
    }

    /// The collector knows that nothing more will come of it.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// An append is acknowledged.
    pub fn advance(&mut self, part: StreamAppend) {
        let end = part.end.0;
        (self.w, self.guard, self.settled) = (end, part.guard, part.settled);
        self.meta = match self.meta {
            _ if part.meta.is_some() => Meta::Current,
            Meta::Unknown => Meta::Former,
            known => known,
        };
        self.rewound = self.rewound.filter(|rewound| *rewound > end);
    }

    /// The collector refuses the meta.
    pub fn forget_meta(&mut self) {
        self.meta = Meta::Unknown;
    }

    /// The collector was asked whether it knows the stream.
    pub fn answer_known(&mut self, known: bool) {
        self.meta = match self.meta {
            _ if !known => Meta::Unknown,
            Meta::Unknown => Meta::Former,
            meta => meta,
        };
    }

    /// The collector is at `w`, while all up to `framed` was final.
    pub fn rewind(&mut self, w: u64, guard: Guard, framed: u64) {
        (self.w, self.guard, self.settled) = (w, guard, false);
        if w < framed {
            self.rewound = Some(framed);
        }
    }

    /// The checkpoint knows of a higher watermark.
    pub fn was_at(&mut self, w: u64) {
        if w > self.w {
            self.rewound = Some(w);
        }
    }

    /// The watermark went back, and has not come up to there again.
    pub fn is_rewound(&self) -> bool {
        self.rewound.is_some()
    }

    /// From where it went back; asked once.
    pub fn take_rewound(&mut self) -> Option<u64> {
        self.rewound.take()
    }
}
