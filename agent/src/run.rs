//! The agent at work: gives the decisions of `follow` to readers, collector and disk, and brings back what they say.

mod positions;
mod quarantine;
mod setup;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use record::time::Timestamp;
use record::wire::{Heartbeat, VERSION};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use self::positions::{Known, known, position_of};
use self::quarantine::{Record, quarantine};
use self::setup::{rules, sources};
use crate::checkpoint::StateDirectory;
use crate::content::{Handle, InodeId};
use crate::discover::Seen;
use crate::follow::{Action, Aside, Event, Follow, Now, Report};
use crate::heart::{self, Heart};
use crate::hints::Marks;
use crate::limit::raise_file_limit;
use crate::link::{Link, Said, Word};
use crate::place::Place;
use crate::progress::Progress;
use crate::read::{Brought, Job, ListJob, Readers};
use crate::ship::{Tries, ship};
use crate::stream::FileKey;
use crate::transport::Transport;
use crate::watches::Watches;
use crate::{Config, Error, zone};

/// Appends on their way at once, over disjoint streams.
const IN_FLIGHT: usize = 4;
/// Between two reports of the progress.
const REPORT: Duration = Duration::from_millis(100);

/// Follows the logs of a config until it is cancelled; then sends what is read, for at most `drain`.
pub async fn run(
    config: Config,
    transport: Transport,
    progress: watch::Sender<Progress>,
    cancel: CancellationToken,
) -> Result<(), Error> {
    // As a task of its own it runs on the thread that waits for its timers: another one would have to be woken each time.
    let running = AbortOnDropHandle::new(tokio::spawn(follow(config, transport, progress, cancel)));
    match running.await.map_err(JoinError::try_into_panic) {
        Ok(ended) => ended,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime ends.
        Err(Err(_)) => Ok(()),
    }
}

async fn follow(
    config: Config,
    transport: Transport,
    progress: watch::Sender<Progress>,
    cancel: CancellationToken,
) -> Result<(), Error> {
    let state = Arc::new(StateDirectory::open(&config.state)?);
    let agent = config.id.clone().map_or_else(|| state.agent_id(), Ok)?;
    let host = config.host.clone().unwrap_or_else(zone::host_name);
    let (specs, places) = sources(&config)?;
    raise_file_limit();
    let (done, from_readers) = mpsc::unbounded_channel();
    let (word, words) = mpsc::unbounded_channel();
    let marks = Arc::default();
    let readers = Readers::start(&done).map_err(Error::Thread)?;
    info!(agent, sources = specs.len(), "the agent follows logs");
    let mut running = Running {
        follow: Follow::new(agent.clone(), host.clone(), rules(&config), specs),
        agent,
        host,
        state,
        transport,
        readers,
        from_readers,
        words,
        word,
        link: Link::default(),
        heart: Heart::new(config.heartbeat),
        heartbeats: JoinSet::new(),
        places: Arc::new(places),
        seen: Arc::default(),
        watches: Arc::new(Mutex::new(Watches::start(config.hints, &marks))),
        marks,
        watched: Arc::default(),
        handles: HashMap::new(),
        tasks: JoinSet::new(),
        shipping: 0,
        writing: false,
        write_again: false,
        started: Instant::now(),
        progress,
        unreported: true,
        report_at: Duration::ZERO,
        caught_up: false,
    };
    running.recover();
    // What is there now is not to wait for the collector's answer.
    running.step(Event::Tick);
    running.run(cancel, config.drain).await;
    running.end().await;
    Ok(())
}

struct Running {
    follow: Follow,
    agent: String,
    host: String,
    /// Whatever writes in it shares it: the lock is held until the last of them has ended.
    state: Arc<StateDirectory>,
    transport: Transport,
    readers: Readers,
    from_readers: mpsc::UnboundedReceiver<std::thread::Result<Brought>>,
    words: mpsc::UnboundedReceiver<Word>,
    word: mpsc::UnboundedSender<Word>,
    link: Link,
    heart: Heart,
    /// The one on its way; it gives what the collector said.
    heartbeats: JoinSet<Result<(), String>>,
    places: Arc<Vec<Place>>,
    seen: Arc<Mutex<Seen>>,
    marks: Arc<Marks>,
    watches: Arc<Mutex<Watches>>,
    watched: Arc<BTreeSet<PathBuf>>,
    handles: HashMap<FileKey, (InodeId, Handle)>,
    /// Appends, questions and checkpoints on their way; each ends with an event.
    tasks: JoinSet<Event>,
    shipping: usize,
    writing: bool,
    write_again: bool,
    started: Instant,
    progress: watch::Sender<Progress>,
    /// Something may have changed since the last report.
    unreported: bool,
    report_at: Duration,
    /// All that was there at the start is read.
    caught_up: bool,
}

impl Running {
    async fn run(&mut self, cancel: CancellationToken, drain: Duration) {
        let mut stop_at = None;
        loop {
            let report = if self.unreported { self.report_at } else { Duration::MAX };
            let due = self.follow.due().min(report).min(self.heart.due()).saturating_sub(self.started.elapsed());
            let wait = stop_at.map_or(due, |at: Instant| due.min(at.saturating_duration_since(Instant::now())));
            let event = tokio::select! {
                biased;
                () = cancel.cancelled(), if stop_at.is_none() => {
                    stop_at = Some(Instant::now() + drain);
                    Event::Stop
                }
                Some(done) = self.from_readers.recv() => match done {
                    Ok(brought) => self.take(brought),
                    // A reader that has lost a cursor must not look like a log that is quiet.
                    Err(panic) => std::panic::resume_unwind(panic),
                },
                Some(ended) = self.tasks.join_next() => match ended {
                    Ok(event) => event,
                    // What it carried is lost with it: going on would leave its stream waiting for ever.
                    Err(ended) => match ended.try_into_panic() {
                        Ok(panic) => std::panic::resume_unwind(panic),
                        Err(_) => Event::Tick,
                    },
                },
                Some(word) = self.words.recv() => {
                    self.note(word);
                    Event::Tick
                }
                Some(said) = self.heartbeats.join_next() => {
                    self.heard(said);
                    Event::Tick
                }
                hints = self.marks.take() => Event::Hinted(hints),
                () = tokio::time::sleep(wait) => Event::Tick,
            };
            match &event {
                Event::Answered { .. } => self.shipping -= 1,
                Event::Checkpointed { .. } => self.writing = false,
                _ => {}
            }
            self.step(event);
            self.beat();
            if stop_at.is_some_and(|at| self.follow.is_drained() || Instant::now() >= at) {
                return;
            }
        }
    }

    fn step(&mut self, event: Event) {
        let now = self.now();
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            self.unreported |= tells_news(&event);
            for action in self.follow.step(event, now) {
                let missing = action.files().find(|file| !self.handles.contains_key(file));
                match missing {
                    Some(file) => events.push(Event::NotOpen { file, action: Box::new(action) }),
                    None => self.act(action),
                }
            }
        }
        while self.shipping < IN_FLIGHT {
            let Some(shipment) = self.follow.next_shipment(now.mono) else { break };
            self.shipping += 1;
            let (transport, word) = (self.transport.clone(), self.word.clone());
            self.tasks.spawn(async move {
                let outcome = ship(&transport, &shipment, &word).await;
                Event::Answered { shipment: Box::new(shipment), outcome }
            });
        }
        if self.write_again && !self.writing {
            self.checkpoint();
        }
        if self.unreported && now.mono >= self.report_at {
            let files = self.report();
            self.unreported = false;
            self.report_at = now.mono + REPORT * (1 + files as u32 / 1000);
        }
    }

    /// Tells the collector how the agent is, when it is time to.
    fn beat(&mut self) {
        if !self.heart.has_begun() && self.follow.knows_files() {
            self.heart.soon(self.started.elapsed());
        }
        if self.heart.beats(self.started.elapsed()) {
            let (transport, heartbeat) = (self.transport.clone(), self.heartbeat(false));
            self.heartbeats.spawn(async move { transport.heartbeat(heartbeat).await });
        }
    }

    fn heard(&mut self, said: Result<Result<(), String>, JoinError>) {
        self.heart.beat();
        // As long as batches are on their way, they say whether the collector stores them.
        match said {
            Ok(said) if self.shipping == 0 => self.note(said.map_or_else(Word::Down, |()| Word::Up)),
            Ok(_) => {}
            Err(ended) => warn!(error = %ended, "a heartbeat failed"),
        }
    }

    fn heartbeat(&self, stops: bool) -> Heartbeat {
        let Report { sources, unread, more_unread, places } = self.follow.report();
        Heartbeat {
            version: VERSION,
            agent: self.agent.clone(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            host: self.host.clone(),
            clock: self.now().wall,
            sources,
            unread,
            more_unread,
            places,
            stops,
        }
    }

    /// Reports the progress; gives the number of files, since going through them all is not free.
    fn report(&mut self) -> usize {
        let now = Progress { collector: self.link.collector(), ..self.follow.progress() };
        let files = now.reach.files;
        let (mut unread, mut caught_up) = (false, false);
        self.progress.send_if_modified(|known| {
            let changed = *known != now;
            unread = known.unread != now.unread;
            caught_up = !self.caught_up && now.reach.files > 0 && now.reach.left() == 0;
            *known = now;
            changed
        });
        self.caught_up |= caught_up;
        if (unread || caught_up) && self.follow.knows_files() {
            self.heart.soon(self.started.elapsed());
        }
        files
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono: self.started.elapsed(), wall: Timestamp(i64::try_from(wall.as_micros()).unwrap_or(i64::MAX)) }
    }

    fn take(&mut self, done: Brought) -> Event {
        if let Some(watched) = done.watched {
            self.watched = Arc::clone(&watched);
            self.step(Event::Watched(watched));
        }
        if let Some((key, inode, file)) = done.opened {
            self.handles.insert(key, (inode, file));
        }
        done.event
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::List { scope, logs, lived, held } => {
                let open = |key: FileKey| self.handles.get(&key).map(|(inode, file)| (key, *inode, file.clone()));
                let held = held.into_iter().filter_map(open).collect();
                let (places, seen) = (Arc::clone(&self.places), Arc::clone(&self.seen));
                let (watches, before) = (Arc::clone(&self.watches), Arc::clone(&self.watched));
                let job = ListJob { scope, places, logs, lived, seen, watches, watched: before, held };
                self.readers.give(Job::List(Box::new(job)));
            }
            Action::Open { file, path } => self.readers.give(Job::Open { key: file, path }),
            Action::Close { file } => {
                self.handles.remove(&file);
            }
            Action::Look { file: key, ask } => {
                if let Some(file) = self.handle(key) {
                    self.readers.give(Job::Look { key, file, ask });
                }
            }
            Action::Compare { file: key, with, ask, from } => {
                if let (Some(file), Some(with)) = (self.handle(key), self.handle(with)) {
                    self.readers.give(Job::Compare { key, file, with, ask, from });
                }
            }
            Action::Checksum { file: key, crc, from, to } => {
                if let Some(file) = self.handle(key) {
                    self.readers.give(Job::Checksum { key, file, crc, from, to });
                }
            }
            Action::Read { file: key, stream, cursor, order } => {
                if let Some(file) = self.handle(key) {
                    self.readers.give(Job::Read { key, file, stream, cursor, order });
                }
            }
            Action::Stitch { file: key, old: old_key, stream, cursor, last } => {
                if let (Some(file), Some(old)) = (self.handle(key), self.handle(old_key)) {
                    self.readers.give(Job::Stitch { key, file, old_key, old, stream, cursor, last });
                }
            }
            Action::Ask { stream } => {
                let (transport, agent) = (self.transport.clone(), self.agent.clone());
                self.tasks.spawn(async move {
                    let position = position_of(&transport, &agent, stream).await.map(Box::new);
                    Event::Positioned { stream, position }
                });
            }
            Action::Quarantine { stream, start, record, why } => {
                let state = Arc::clone(&self.state);
                let record = match record {
                    Aside::Bytes(bytes) => Record::Bytes(bytes),
                    Aside::InFile { file, len } => {
                        let Some(file) = self.handle(file) else { return };
                        Record::Range { file, start, len }
                    }
                };
                self.tasks.spawn(async move {
                    quarantine(state, format!("{stream}-{start}"), record, why).await;
                    Event::Quarantined { stream }
                });
            }
            Action::Checkpoint if self.writing => self.write_again = true,
            Action::Checkpoint => self.checkpoint(),
        }
    }

    /// The handle of a file: see `File::open`.
    fn handle(&self, key: FileKey) -> Option<Handle> {
        self.handles.get(&key).map(|(_, file)| file.clone())
    }

    fn checkpoint(&mut self) {
        (self.writing, self.write_again) = (true, false);
        let saved = self.follow.snapshot();
        let state = Arc::clone(&self.state);
        self.tasks.spawn_blocking(move || {
            if let Err(error) = state.write(&saved) {
                warn!(%error, "the checkpoint cannot be written; reading goes on, and it is tried again");
            }
            Event::Checkpointed { number: saved.number }
        });
    }

    /// Asks the collector how far each stream of this agent is; nothing can be read before the answer.
    fn recover(&mut self) {
        let saved = self.state.load();
        let (transport, agent, word) = (self.transport.clone(), self.agent.clone(), self.word.clone());
        self.tasks.spawn(async move {
            let mut tries = Tries::default();
            loop {
                match known(&transport, &agent, &saved).await {
                    Ok(Known { positions, sources }) => {
                        let _ = word.send(Word::Up);
                        return Event::Recovered { positions, sources, saved };
                    }
                    Err(why) => {
                        let _ = word.send(Word::Down(why));
                        tokio::time::sleep(tries.backoff()).await;
                    }
                }
            }
        });
    }

    /// One line when the collector is lost, one when it is back.
    fn note(&mut self, word: Word) {
        self.unreported = true;
        match self.link.hear(word, Instant::now()) {
            Some(Said::Lost(why)) => warn!(why, "the collector is lost; files are the buffer until it is back"),
            Some(Said::Back { after }) => info!(seconds = after.as_secs(), "the collector is back"),
            None => {}
        }
    }

    /// Writes the last checkpoint, and reports the progress for the last time.
    async fn end(mut self) {
        self.tasks.abort_all();
        // A checkpoint that is being written cannot be aborted, and two at once would write over each other.
        while self.tasks.join_next().await.is_some() {}
        if !self.follow.is_recovered() {
            // The checkpoint on disk knows more.
            self.report();
            return;
        }
        let heartbeat = self.heartbeat(true);
        heart::last(&self.transport, heartbeat, &mut self.heartbeats).await;
        let saved = self.follow.snapshot();
        let state = Arc::clone(&self.state);
        let written = tokio::task::spawn_blocking(move || state.write(&saved)).await;
        if let Ok(Err(error)) = written {
            warn!(%error, "the last checkpoint cannot be written; the collector is asked at the next start");
        }
        self.report();
    }
}

/// Whether the progress may be another after this.
fn tells_news(event: &Event) -> bool {
    match event {
        Event::Tick | Event::Hinted(_) | Event::Watched(_) => false,
        Event::Listed { listing, held } => !(listing.scope.is_empty() && held.is_empty()),
        _ => true,
    }
}
