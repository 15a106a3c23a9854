//! Every decision about files: which is which, what was rotated, truncated or copied, what to read next and what is lost.
//!
//! Pure: [`Follow::step`] takes what was seen and gives what to do; it reads no file, no clock and no socket. `Follow` wires
//! these together, each of which owns its fields:
//!
//! - `file`, `files`, `chain`: the files that are there, and which of them are rotations of one log
//! - `streams`: the streams by id, by file and by epoch
//! - `scheduler`: which file is read when, and how much memory that takes
//! - `delivery`, `shipment`: batches, and how large they may be
//! - `rounds`: when places are listed; `hinted`: where hints come from, and what they ask for; `saved`: what a checkpoint keeps
//!
//! and takes what happens, one file each:
//!
//! - `listing`: files come, are renamed and go
//! - `look`: a file is opened and looked at; `judge`, `copy`, `kin`: what it is, as a pure function; `verdict`: what follows
//!   from that
//! - `begin`: a stream begins in a file, or goes on in it; `seek`: its file is gone or was truncated
//! - `turns`, `turned`: whose turn it is to be read, and what a turn brought
//! - `answer`, `large`, `rewind`: what the collector answers
//! - `wrapped`: files that turn out to be wrapped
//! - `misread`: logs with lines that are nearly header lines
//! - `report`: what the agent reports of its sources
//! - `recover`: what is known when the agent starts

mod answer;
mod begin;
mod chain;
mod copy;
mod delivery;
mod event;
mod file;
mod files;
mod hinted;
mod judge;
mod kin;
mod large;
mod listing;
mod look;
mod misread;
#[cfg(test)]
mod model;
mod recover;
mod report;
mod rewind;
mod rounds;
mod saved;
mod scheduler;
mod seam;
mod seek;
mod shipment;
mod streams;
mod turned;
mod turns;
mod verdict;
mod wrapped;

use std::sync::Arc;
use std::time::Duration;

use record::id::StreamId;
use record::span::Cause;
use record::time::Timestamp;
use record::wire::{SourceReport, Unread};
use tracing::warn;

use self::chain::{Chain, Chains};
use self::delivery::Delivery;
use self::files::Files;
use self::hinted::Sight;
use self::judge::Judging;
use self::misread::Misread;
use self::rounds::{Round, Rounds};
use self::saved::Checkpoints;
use self::scheduler::Scheduler;
use self::seam::Seams;
use self::streams::Streams;
use self::wrapped::Wrapped;
use crate::discover::Scope;
use crate::parcel::Parcel;
use crate::progress::{self, Progress};
use crate::source::{Sources, Spec};
use crate::stream::FileKey;
use crate::wording::shown;

pub use event::{Action, Aside, Event};
pub use saved::Saved;
pub use shipment::{Outcome, Shipment};

/// Between two looks before a file counts as truncated: sizes on network file systems lag.
const DOUBT: Duration = Duration::from_millis(50);
/// A stream that grew within this time before it was truncated may have lost bytes.
const GROWING: Duration = Duration::from_secs(1);

/// The clocks: monotonic since the start for decisions, wall time only to be reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    pub mono: Duration,
    pub wall: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Rules {
    pub poll: Duration,
    pub provisional_after: Duration,
    pub close_after: Duration,
    pub memory: usize,
    pub batch_bytes: usize,
    pub batch_after: Duration,
}

/// What the agent reports of its sources.
#[derive(Debug)]
pub struct Report {
    pub sources: Vec<SourceReport>,
    pub unread: Vec<Unread>,
    /// Beyond those in `unread`.
    pub more_unread: u64,
    /// The names of all sources; none where there are too many to be reported.
    pub places: Option<Vec<String>>,
}

/// The files and streams of an agent.
#[derive(Debug)]
pub struct Follow {
    rules: Rules,
    sources: Sources,
    now: Now,
    actions: Vec<Action>,

    files: Files,
    chains: Chains,
    streams: Streams,
    rounds: Rounds,
    sight: Sight,
    judging: Judging,
    scheduler: Scheduler,
    delivery: Delivery,
    checkpoints: Checkpoints,
    wrapped: Wrapped,
    misread: Misread,
    seams: Seams,

    /// What the collector and the checkpoint know was taken in.
    recovered: bool,
    stopping: bool,
}

impl Follow {
    pub fn new(agent: String, host: String, rules: Rules, specs: Vec<Spec>) -> Self {
        let delivery = Delivery::new(agent, host, rules.batch_bytes, rules.batch_after);
        Self {
            rules,
            sources: Sources::new(specs),
            now: Now::default(),
            actions: Vec::new(),
            files: Files::default(),
            chains: Chains::default(),
            streams: Streams::default(),
            rounds: Rounds::default(),
            sight: Sight::default(),
            judging: Judging::default(),
            scheduler: Scheduler::default(),
            delivery,
            wrapped: Wrapped::default(),
            misread: Misread::default(),
            seams: Seams::default(),
            checkpoints: Checkpoints::default(),
            recovered: false,
            stopping: false,
        }
    }

    /// Takes what was seen and gives what to do.
    pub fn step(&mut self, event: Event, now: Now) -> Vec<Action> {
        self.now = now;
        match event {
            Event::Recovered { positions, sources, saved } => self.recovered(positions, sources, saved),
            Event::Hinted(hints) => self.hinted(hints),
            Event::Watched(directories) => self.watched(directories),
            Event::Listed { listing, held } => self.listed(listing, held),
            Event::Opened { file, opened } => self.opened(file, opened),
            Event::Looked { file, look } => self.looked(file, look),
            Event::NotOpen { file, action } => self.not_open(file, *action),
            Event::Compared { file, same } => self.compared(file, same),
            Event::Checksummed { file, sum } => self.checksummed(file, sum),
            Event::Read { file, stream, turn } => self.turned(file, stream, *turn),
            Event::Stitched { file, old, stream, cursor, found } => self.stitched(file, old, stream, *cursor, found),
            Event::Answered { shipment, outcome } => self.answered(*shipment, outcome),
            Event::Positioned { stream, position } => self.positioned(stream, position.as_deref()),
            Event::Checkpointed { number } => self.checkpoints.is_written(number),
            Event::Quarantined { stream } => self.quarantined(stream),
            Event::Tick => {}
            Event::Stop => self.stopping = true,
        }
        self.proceed();
        std::mem::take(&mut self.actions)
    }

    /// When `step` must be called again if nothing happens before.
    pub fn due(&self) -> Duration {
        if !self.recovered {
            return Duration::MAX;
        }
        let news = self.delivery.due(&self.streams, self.checkpoints.written(), self.now.mono);
        let rounds = if self.stopping { Duration::MAX } else { self.rounds.due() };
        let others = [self.scheduler.due(), rounds, self.checkpoints.due(), self.judging.due()];
        others.into_iter().fold(news, Duration::min)
    }

    /// What the collector and the checkpoint know was taken in: before that there is nothing worth a checkpoint.
    pub fn is_recovered(&self) -> bool {
        self.recovered
    }

    /// Which files there are is known: before that, none of them is followed, and none is missing.
    pub fn knows_files(&self) -> bool {
        self.recovered && self.rounds.number() > 0
    }

    /// Nothing is queued or on its way, and no turn is under way.
    pub fn is_drained(&self) -> bool {
        self.scheduler.is_drained() && self.streams.values().all(|stream| !stream.queue.is_in_flight())
    }

    pub fn progress(&self) -> Progress {
        let counts = self.sources.total();
        let mut progress = Progress {
            unread: self.unread(),
            records: counts.records,
            gaps: counts.gaps,
            wrapped: self.wrapped.files().to_vec(),
            misread: self.misread.logs().to_vec(),
            collector: progress::Collector::Unknown,
            ..Progress::default()
        };
        for file in self.files.values().filter(|file| report::is_followed(file)) {
            progress.reach.count(file.size(), file.stream().and_then(|id| self.streams.get(id)));
        }
        progress
    }

    /// Does what is due now: listing, checkpoint, judging, and turns as far as memory allows.
    fn proceed(&mut self) {
        // What a file is cannot be told before it is known which streams there are; but what is there at the beginning can.
        if !self.recovered {
            if self.rounds.ask_first() {
                let (logs, lived, held) = (Arc::default(), Vec::new(), Vec::new());
                self.actions.push(Action::List { scope: Scope::All, logs, lived, held });
            }
            return;
        }
        if !self.stopping
            && let Some(Round { scope, files, polls }) = self.rounds.ask(self.now.mono, || self.sight.polled())
        {
            let lived = if self.rounds.number() == 0 { self.streams.lived() } else { Vec::new() };
            let logs = if scope.is_empty() { Arc::default() } else { self.chains.logs() };
            let held = self.held(&scope, &files, polls);
            self.rounds.note_asked(self.now.wall);
            self.actions.push(Action::List { scope, logs, lived, held });
        }
        if self.checkpoints.take_due(self.now.mono, self.streams.len()) {
            self.actions.push(Action::Checkpoint);
        }
        self.judge_what_is_due();
        self.give_turns();
        self.judge_what_is_due();
    }

    /// Judges what can be judged now, and ends searches that are over.
    fn judge_what_is_due(&mut self) {
        while self.judging.take_due(self.now.mono) {
            self.judge_all();
            self.give_up_seeking();
            self.judging.wait(self.now.mono, self.files.len());
        }
    }

    /// Looks at a file again, or reads it, at this time.
    fn schedule(&mut self, file: FileKey, due: Duration) {
        if self.files.get(file).is_some() {
            self.scheduler.schedule(file, due);
        }
    }

    /// Enqueues a parcel of a stream.
    fn enqueue(&mut self, id: StreamId, parcel: Parcel) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        for span in parcel.spans.iter().filter(|span| matches!(span.cause, Some(Cause::Rejected | Cause::StartAtEnd))) {
            let (path, cause) = (shown(&stream.identity.path), span.cause.map(Cause::name));
            warn!(stream = %id, offset = %span.start, bytes = span.len, cause, "bytes of {path} are not sent; a gap says so");
            if let (Some(Cause::Rejected), Some(file)) = (span.cause, stream.file()) {
                stream.queue.quarantine();
                let record = Aside::InFile { file, len: span.len };
                let why = "it is larger than any collector takes".to_owned();
                self.actions.push(Action::Quarantine { stream: id, start: span.start.0, record, why });
            }
        }
        self.misread.note(self.files.log_of(stream), &parcel.spans);
        let file = stream.file().and_then(|key| self.files.get(key));
        let chain = file.and_then(|file| self.chains.get(&file.chain)).map(Chain::id);
        self.scheduler.take_memory(id, chain, stream.enqueue(parcel));
        self.delivery.note_news(stream, self.now.mono);
    }

    /// Makes the gaps of a stream that waited for its cursor.
    fn make_gaps(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let causes: Vec<Cause> = stream.gaps.drain(..).collect();
        for cause in &causes {
            let (path, offset) = (shown(&stream.identity.path), stream.framed.to);
            warn!(stream = %id, offset, %cause, "bytes of {path} may be lost, and a gap says so");
        }
        let parcels: Vec<Parcel> = causes.into_iter().map(|cause| stream.gap(0, cause, None)).collect();
        let file = stream.file().filter(|_| !parcels.is_empty());
        for parcel in parcels {
            self.enqueue(id, parcel);
        }
        if let Some(key) = file {
            // What is shown after it must be shown again.
            self.schedule(key, self.now.mono);
        }
    }

    /// Removes a stream that is nowhere any more, once all of it is acknowledged and the collector knows that it is settled.
    fn drop_settled(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let over = stream.is_settled() && stream.queue.is_idle();
        if over && !stream.committed.is_settled() {
            self.delivery.note_news(stream, self.now.mono);
        } else if over && let Some(mut stream) = self.streams.settle(id) {
            self.delivery.no_news(&mut stream);
            self.seams.forget(id);
            self.scheduler.release(id);
            self.checkpoints.note_change();
        }
    }
}
