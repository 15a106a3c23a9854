//! Every decision about files: which is which, what was rotated, truncated or copied, what to read next and what is lost.
//!
//! Pure: [`Follow::step`] takes what was seen and gives what to do; it reads no file, no clock and no socket.
//!
//! - `listing`: files come, are renamed and go
//! - `judge`, `copy`: is this file a known stream, a copy of one, or new?
//! - `seek`: streams whose file is gone or was truncated
//! - `advance`: whose turn it is to be read, and what a turn brought
//! - `commit`: batches, and what the collector answers
//! - `saved`: what a checkpoint keeps of all this

mod advance;
mod commit;
mod copy;
mod event;
mod file;
mod judge;
mod listing;
#[cfg(test)]
mod model;
mod saved;
mod seek;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use record::id::StreamId;
use record::span::Cause;
use record::time::Timestamp;
use record::wire::FileIdentity;
use tracing::warn;

use crate::config::Start;
use crate::content::Spot;
use crate::cursor::Reading;
use crate::discover::Log;
use crate::piece::Piece;
use crate::place::Place;
use crate::progress::Progress;
use crate::stream::{Durable, FileKey, Home, Stream};

pub use commit::{Outcome, Shipment};
pub use event::{Action, Event};
use file::{File, State};
pub use saved::Saved;

/// Files that are read at once at most; the reader threads are fewer, so neither of them waits.
const READING: usize = 4;
/// Between two looks before a file counts as truncated: sizes on network file systems lag.
const DOUBT: Duration = Duration::from_millis(50);
/// A stream that grew within this time before it was truncated may have lost bytes.
const GROWING: Duration = Duration::from_secs(1);
/// Bytes of unfinished records that stay in memory, over all streams.
const KEPT: usize = 4 << 20;

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

/// A source as following needs it.
#[derive(Clone, Debug)]
pub struct Spec {
    pub place: Place,
    pub reading: Arc<Reading>,
    pub zone: String,
    pub start: Start,
}

/// The files and streams of an agent.
#[derive(Debug)]
pub struct Follow {
    agent: String,
    host: String,
    rules: Rules,
    sources: Vec<Spec>,
    now: Now,
    actions: Vec<Action>,

    files: BTreeMap<FileKey, File>,
    spots: HashMap<Spot, FileKey>,
    next_file: FileKey,
    streams: BTreeMap<StreamId, Stream>,
    chains: HashMap<PathBuf, Chain>,
    /// The highest epoch of each inode.
    epochs: HashMap<FileIdentity, u64>,
    /// Streams by the files they were ever in.
    lived: HashMap<FileIdentity, BTreeSet<StreamId>>,
    /// Sources the collector knew at the start, with the birth of their youngest file (microseconds).
    births: HashMap<String, i64>,
    /// Files that brought nothing, with their size then.
    spent: HashMap<FileIdentity, u64>,
    /// Streams whose file is gone and of which nothing is missing.
    settled: BTreeSet<StreamId>,

    /// When which file is looked at again.
    agenda: BTreeSet<(Duration, FileKey)>,
    /// Files whose turn it is, older ones of a chain first.
    ready: BTreeSet<(u64, FileKey)>,
    reading: usize,
    /// Bytes that are read and not acknowledged.
    memory: usize,
    kept: usize,

    /// Something changed that may decide what an unjudged file is, or end a search.
    unsettled: bool,
    /// Not again before: each time all files are gone through.
    settle_at: Duration,
    seeking: BTreeSet<StreamId>,
    recovered: bool,
    listings: u64,
    listing_asked: bool,
    /// When the agent began, when the last listing was asked for, and when the one before that came back was.
    began_wall: Option<i64>,
    asked_wall: i64,
    listed_wall: i64,
    list_at: Duration,
    missing: Vec<PathBuf>,
    odd: HashSet<(PathBuf, String)>,

    /// Streams with news that are not on their way, in the order they got them.
    news: BTreeSet<(Duration, StreamId)>,
    /// Bytes on their way.
    shipped: usize,
    batch: u64,
    batch_limit: usize,
    /// Streams committed since the limit was set.
    small_batches: u32,
    /// Bytes of tails that wait, at most.
    tails: usize,
    /// Patterns and directories without a file.
    empty: Vec<PathBuf>,
    records: u64,
    gaps: u64,

    checkpoint: u64,
    checkpoint_written: u64,
    checkpoint_at: Duration,
    dirty: bool,
    stopping: bool,
}

/// The rotations of one log.
#[derive(Clone, Debug, Default)]
struct Chain {
    /// Its source, once one of its files was seen.
    of: Option<(usize, String)>,
    seen_at: Duration,
    /// The newest file at the last listing.
    newest: Option<FileKey>,
    began: Option<Duration>,
    /// Between its last two rotations.
    interval: Duration,
    /// Rotations that were last written before (nanoseconds of wall time) are of no interest.
    since: i64,
    /// Files that are still being caught up with.
    behind: BTreeSet<FileKey>,
    files: BTreeSet<FileKey>,
    /// Files that wait for older ones.
    waiting: BTreeSet<FileKey>,
}

impl Follow {
    pub fn new(agent: String, host: String, rules: Rules, sources: Vec<Spec>) -> Self {
        let batch_limit = rules.batch_bytes;
        Self {
            agent,
            host,
            rules,
            sources,
            now: Now::default(),
            actions: Vec::new(),
            files: BTreeMap::new(),
            spots: HashMap::new(),
            next_file: 1,
            streams: BTreeMap::new(),
            chains: HashMap::new(),
            epochs: HashMap::new(),
            lived: HashMap::new(),
            births: HashMap::new(),
            spent: HashMap::new(),
            settled: BTreeSet::new(),
            agenda: BTreeSet::new(),
            ready: BTreeSet::new(),
            reading: 0,
            memory: 0,
            kept: 0,
            unsettled: false,
            settle_at: Duration::ZERO,
            seeking: BTreeSet::new(),
            recovered: false,
            listings: 0,
            listing_asked: false,
            began_wall: None,
            asked_wall: 0,
            listed_wall: 0,
            list_at: Duration::ZERO,
            missing: Vec::new(),
            odd: HashSet::new(),
            news: BTreeSet::new(),
            shipped: 0,
            batch: 0,
            batch_limit,
            small_batches: 0,
            tails: 0,
            empty: Vec::new(),
            records: 0,
            gaps: 0,
            checkpoint: 0,
            checkpoint_written: 0,
            checkpoint_at: Duration::ZERO,
            dirty: false,
            stopping: false,
        }
    }

    /// Takes what was seen and gives what to do.
    pub fn step(&mut self, event: Event, now: Now) -> Vec<Action> {
        self.now = now;
        self.began_wall.get_or_insert(now.wall.0);
        match event {
            Event::Recovered { positions, saved } => self.recovered(positions, saved),
            Event::Listed { listing, held } => self.listed(listing, held),
            Event::Opened { file, opened } => self.opened(file, opened),
            Event::Looked { file, look } => self.looked(file, look),
            Event::Compared { file, same } => self.compared(file, same),
            Event::Summed { file, crc } => self.summed(file, crc),
            Event::Read { file, stream, turn } => self.turned(file, stream, *turn),
            Event::Answered { shipment, outcome } => self.answered(*shipment, outcome),
            Event::Positioned { stream, position } => self.positioned(stream, position.map(|boxed| *boxed)),
            Event::Checkpointed { number } => self.checkpoint_written = self.checkpoint_written.max(number),
            Event::PutAside { stream } => self.put_aside(stream),
            Event::Tick => {}
            Event::Stop => self.stopping = true,
        }
        self.go_on();
        std::mem::take(&mut self.actions)
    }

    /// When `step` must be called again if nothing happens before.
    pub fn due(&self) -> Duration {
        if !self.recovered {
            return Duration::MAX;
        }
        let agenda = self.agenda.first().map_or(Duration::MAX, |(due, _)| *due);
        let list = if self.listing_asked { Duration::MAX } else { self.list_at };
        let news = self.news_due();
        let checkpoint = if self.dirty { self.checkpoint_at } else { Duration::MAX };
        let settle = if self.unsettled { self.settle_at } else { Duration::MAX };
        agenda.min(list).min(news).min(checkpoint).min(settle)
    }

    /// What the collector and the checkpoint know was taken in: before that there is nothing worth a checkpoint.
    pub fn is_recovered(&self) -> bool {
        self.recovered
    }

    /// Nothing is queued or on its way, and no turn is under way.
    pub fn is_drained(&self) -> bool {
        self.memory == 0 && self.reading == 0 && self.streams.values().all(|stream| !stream.in_flight)
    }

    pub fn progress(&self) -> Progress {
        let followed = self.files.values().filter(|file| !matches!(file.state, State::Spent | State::Held { .. }));
        let (mut files, mut bytes_known, mut bytes_committed, mut bytes_unfinished, mut unfinished) = (0, 0, 0, 0, 0);
        for file in followed {
            let size = file.stat.size;
            files += 1;
            bytes_known += size;
            let Some(stream) = file.stream().and_then(|id| self.streams.get(&id)) else { continue };
            bytes_committed += stream.w.min(size);
            if stream.w < size && stream.is_caught_up(size) {
                bytes_unfinished += size - stream.w;
                unfinished += 1;
            }
        }
        let unreadable =
            self.files.values().filter(|file| file.trouble.is_some()).map(|file| file.path.clone()).collect();
        Progress {
            files,
            bytes_known,
            bytes_committed,
            bytes_unfinished,
            unfinished,
            waiting_for: self.missing.clone(),
            empty: self.empty.clone(),
            unreadable,
            records: self.records,
            gaps: self.gaps,
            collector: crate::progress::Collector::Unknown,
        }
    }

    /// What is due now: listing, checkpoint, and turns as far as memory allows.
    fn go_on(&mut self) {
        // What a file is cannot be told before it is known which streams there are.
        if !self.recovered {
            return;
        }
        if !self.listing_asked && self.now.mono >= self.list_at && !self.stopping {
            self.listing_asked = true;
            self.asked_wall = self.now.wall.0;
            let log = |(chain, known): (&PathBuf, &Chain)| {
                let (source, source_name) = known.of.clone()?;
                Some(Log { chain: chain.clone(), source, source_name })
            };
            let logs = self.chains.iter().filter_map(log).collect();
            self.actions.push(Action::List { logs });
        }
        if self.dirty && self.now.mono >= self.checkpoint_at {
            self.dirty = false;
            // It is a cache: the more it holds, the rarer it is worth its bytes.
            let seconds = 1 + self.streams.len() as u64 / 1000;
            self.checkpoint_at = self.now.mono + Duration::from_secs(seconds);
            self.actions.push(Action::Checkpoint);
        }
        self.settle();
        self.take_turns();
        self.settle();
    }

    /// Judges what can be judged now, and ends searches that are over.
    fn settle(&mut self) {
        while self.unsettled && self.now.mono >= self.settle_at {
            self.unsettled = false;
            self.judge_all();
            self.give_up_seeking();
            if self.files.len() > 100 {
                self.settle_at = self.now.mono + Duration::from_micros(self.files.len() as u64);
            }
        }
    }

    /// Lists soon: something was renamed, truncated or removed.
    fn list_now(&mut self) {
        self.list_at = self.now.mono;
    }

    fn put_on_agenda(&mut self, file: FileKey, due: Duration) {
        if let Some(entry) = self.files.get_mut(&file) {
            if let Some(before) = entry.due.replace(due) {
                self.agenda.remove(&(before, file));
            }
            self.agenda.insert((due, file));
        }
    }

    /// Puts a piece into a stream's queue.
    fn queue(&mut self, stream: StreamId, piece: Piece) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            for span in
                piece.spans.iter().filter(|span| matches!(span.cause, Some(Cause::Rejected | Cause::StartAtEnd)))
            {
                let (path, cause) = (stream.path.display(), span.cause.map(Cause::name));
                warn!(stream = %stream.id, %path, offset = %span.start, bytes = span.len, cause, "bytes of this log are not sent; a gap says so");
            }
            self.memory += stream.push(piece);
            let id = stream.id;
            self.has_news(id);
        }
    }

    /// Makes the gaps of a stream that waited for its cursor.
    fn make_gaps(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let causes: Vec<Cause> = stream.gaps.drain(..).collect();
        for cause in &causes {
            let (path, offset) = (stream.path.display(), stream.done);
            warn!(stream = %id, %path, offset, %cause, "bytes may be lost here, and a gap says so");
        }
        let pieces: Vec<Piece> = causes.into_iter().map(|cause| stream.gap(0, cause, None)).collect();
        for piece in pieces {
            self.queue(id, piece);
        }
    }

    fn next_epoch(&mut self, identity: FileIdentity) -> u64 {
        let next = self.epochs.get(&identity).map_or(0, |epoch| epoch + 1);
        self.epochs.insert(identity, next);
        next
    }

    /// Removes streams that are nowhere any more, once all of them is acknowledged.
    fn drop_settled(&mut self, id: StreamId) {
        let settled = self.streams.get(&id).is_some_and(|stream| {
            let silent = stream.queue.is_empty() && !stream.in_flight && !stream.asking;
            stream.home == Home::Nowhere && silent && stream.gaps.is_empty() && stream.told
        });
        if settled {
            self.no_news(id);
            if let Some(stream) = self.streams.remove(&id)
                && let Some(lived) = self.lived.get_mut(&stream.lives_in)
            {
                lived.remove(&id);
                if lived.is_empty() {
                    self.lived.remove(&stream.lives_in);
                }
            }
            self.settled.insert(id);
            self.dirty = true;
        }
    }

    fn is_durable(&self, stream: &Stream) -> bool {
        match stream.durable {
            Durable::Yes => true,
            Durable::No => false,
            Durable::With(number) => self.checkpoint_written >= number,
        }
    }
}
