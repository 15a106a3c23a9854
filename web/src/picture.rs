//! Scenarios as pictures: read, parsed and put in order once for all who look at them, and kept while there is room.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::size_of;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use message::clock::hour;
use message::flow::{Flow, flow_by};
use message::logged::Message;
use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
use record::id::CallKey;
use store::Store;
use store::scenario::{Found, Scenario, Subject};
use tokio::sync::Semaphore;

use crate::Error;
use crate::room::{Room, Taken};
use crate::watch::{self, Seen};

/// Messages and bytes that one picture holds at most; the page says when there are more.
const MOST_MESSAGES: usize = 50_000;
const MOST_BYTES: usize = 128 << 20;
/// Messages asked of the store at a time.
const CHUNK: usize = 2_000;
/// What one of them may take while it is read, about.
const CHUNK_ROOM: usize = 8 << 20;
/// Pictures over this are read one after the other.
const LARGE: usize = 64 << 20;
/// What all pictures take in memory: those that are kept, and those that somebody looks at, reads or draws.
const KEPT: usize = 256 << 20;
const ALL: usize = 384 << 20;
/// Seconds for which a picture is kept that nobody asks for, and between two looks for such.
const IDLE: u64 = 30;
const SWEEP: u64 = 5;
/// Pictures that are kept at most.
const MOST_KEPT: usize = 1_000;

/// A scenario as all its readers see it: what is drawn of it depends on what each of them asked for.
#[derive(Debug)]
pub struct Picture {
    /// How it stood when reading began.
    pub version: i64,
    /// The same for the same messages of the same version, in every process of one build: messages are read before they are joined, which
    /// is what makes the next version.
    pub shown: i64,
    pub scenario: Scenario,
    pub messages: Vec<Message>,
    pub flow: Flow,
    /// No message was left out for its number.
    pub whole: bool,
    /// Messages whose rows are damaged: they are left out.
    pub unreadable: usize,
    /// As long as somebody has it, its room is taken.
    pub(crate) _room: Option<Taken>,
    /// Bytes in memory, about.
    pub(crate) weight: usize,
    /// Seconds since the pictures' beginning when somebody asked for it last.
    pub(crate) asked: AtomicU64,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Of {
    Scenario(i64),
    Call(CallKey),
}

/// All pictures of a process. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Pictures {
    kept: Arc<Cache<(Of, i64), Arc<Picture>, Weight>>,
    /// The version that is kept of each.
    versions: Arc<Mutex<HashMap<Of, i64>>>,
    room: Room,
    /// Threads that draw at once.
    drawing: Arc<Semaphore>,
    /// Held by the large picture that is being read.
    large: Arc<Semaphore>,
    began: Instant,
    /// When those that nobody asked for were let go of last, in seconds.
    swept: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
struct Weight;

impl Weighter<(Of, i64), Arc<Picture>> for Weight {
    fn weight(&self, _: &(Of, i64), picture: &Arc<Picture>) -> u64 {
        picture.weight as u64
    }
}

impl Default for Pictures {
    fn default() -> Self {
        // In one shard: each would take no more than its share.
        let options = quick_cache::OptionsBuilder::new()
            .shards(1)
            .estimated_items_capacity(MOST_KEPT)
            .weight_capacity(KEPT as u64)
            .build();
        let hasher = quick_cache::DefaultHashBuilder::default();
        let kept = options.map_or_else(
            |_| Cache::with(MOST_KEPT, KEPT as u64, Weight, hasher.clone(), DefaultLifecycle::default()),
            |options| Cache::with_options(options, Weight, hasher.clone(), DefaultLifecycle::default()),
        );
        // As many as there are processors: more would only take each other's time, and all their memory.
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            kept: Arc::new(kept),
            versions: Arc::default(),
            room: Room::of(ALL),
            drawing: Arc::new(Semaphore::new(threads)),
            large: Arc::new(Semaphore::new(1)),
            began: Instant::now(),
            swept: Arc::default(),
        }
    }
}

impl Pictures {
    /// The picture of a scenario, or of a call that has none yet, as it stands now.
    pub async fn of(&self, store: &Store, subject: &Subject) -> Result<Found<Arc<Picture>>, Error> {
        // Asked before anything of it is read, so that what comes meanwhile makes another version.
        let version = match watch::version(store, subject).await? {
            Some(Seen::At(version)) => version,
            Some(Seen::Merged(into)) => return Ok(Found::Merged(into)),
            None => return Ok(Found::Nowhere),
        };
        let of = match subject {
            Subject::Scenario(id) => Of::Scenario(id.0),
            Subject::Call(key, _) => Of::Call(*key),
        };
        self.shared(of, version, async {
            let scenario = match subject {
                Subject::Scenario(id) => store.scenario(*id).await?,
                Subject::Call(key, _) => store.call(*key).await?,
            };
            Ok(match scenario {
                Found::Here(scenario) => Found::Here(self.read(store, scenario, version).await?),
                Found::Merged(into) => Found::Merged(into),
                Found::Nowhere => Found::Nowhere,
            })
        })
        .await
    }

    /// What is kept, or what somebody reads now; one of all who ask at once reads it.
    async fn shared(
        &self,
        of: Of,
        version: i64,
        read: impl Future<Output = Result<Found<Picture>, Error>>,
    ) -> Result<Found<Arc<Picture>>, Error> {
        match self.kept.get_value_or_guard_async(&(of.clone(), version)).await {
            Ok(picture) => {
                picture.asked.store(self.seconds(), Ordering::Relaxed);
                Ok(Found::Here(picture))
            }
            Err(guard) => {
                self.forget_others(of, version);
                self.sweep();
                let picture = match read.await? {
                    Found::Here(picture) => Arc::new(picture),
                    Found::Merged(into) => return Ok(Found::Merged(into)),
                    Found::Nowhere => return Ok(Found::Nowhere),
                };
                // One that is too heavy is not kept, and shared by all who wait for it.
                let _ = guard.insert(Arc::clone(&picture));
                Ok(Found::Here(picture))
            }
        }
    }

    fn seconds(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    /// Lets go of what nobody has asked for in a while: most pictures are looked at for some seconds, and never again.
    fn sweep(&self) {
        let now = self.seconds();
        let last = self.swept.load(Ordering::Relaxed);
        let due = now >= last + SWEEP;
        if due && self.swept.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.kept.retain(|_, picture| picture.asked.load(Ordering::Relaxed) + IDLE > now);
        }
    }

    /// Nobody asks for another version any more.
    fn forget_others(&self, of: Of, version: i64) {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        if versions.len() > MOST_KEPT {
            versions.clear();
        }
        if let Some(before) = versions.insert(of.clone(), version).filter(|before| *before != version) {
            self.kept.remove(&(of, before));
        }
    }

    async fn read(&self, store: &Store, scenario: Scenario, version: i64) -> Result<Picture, Error> {
        let (mut messages, mut bytes, mut weight, mut unreadable) = (Vec::<Message>::new(), 0, 0, 0);
        // Taken before there is anything in it: a chunk is in memory while it is weighed.
        let mut room = self.take(CHUNK_ROOM).await?;
        let (mut alone, mut after) = (None, None);
        let whole = loop {
            if weight > LARGE && alone.is_none() {
                // Two of them that each hold a part would wait for each other.
                alone = Some(Arc::clone(&self.large).acquire_owned().await.map_err(|_| Error::Busy)?);
            }
            let chunk = store.scenario_messages(&scenario, after, CHUNK).await?;
            let takes = chunk.rows.iter().map(weight_of).sum::<usize>();
            room.add(self.take(takes).await?);
            weight += takes;
            bytes += chunk.rows.iter().map(|message| message.raw.len()).sum::<usize>();
            unreadable += chunk.unreadable;
            messages.extend(chunk.rows);
            after = chunk.next;
            if after.is_none() || messages.len() >= MOST_MESSAGES || bytes >= MOST_BYTES {
                break after.is_none();
            }
        };
        drop(alone);
        messages.extend(store.waiting_answers(&messages).await?);
        let borrowed = store.borrowed(&messages, true).await?;
        let takes = borrowed.iter().map(weight_of).sum::<usize>();
        room.add(self.take(takes).await?);
        weight += takes;
        messages.extend(borrowed);
        // After its version was asked for: what is learned of clocks makes another one.
        let clocks = store.clocks(hour(&messages)).await?;
        let asked = AtomicU64::new(self.seconds());
        room.give_back(CHUNK_ROOM);
        let room = Some(room);
        self.draw(move || {
            let flow = flow_by(&messages, &clocks);
            let shown = version.wrapping_add(digest(&messages));
            Ok(Picture { version, shown, scenario, messages, flow, whole, unreadable, _room: room, weight, asked })
        })
        .await
    }

    /// What is kept and nobody looks at makes room for what somebody asks for.
    pub async fn take(&self, bytes: usize) -> Result<Taken, Error> {
        if let Some(taken) = self.room.try_take(bytes) {
            return Ok(taken);
        }
        self.kept.clear();
        self.room.take(bytes).await
    }

    /// Runs what takes long on a thread of its own, and not on more of them than there are processors; a panic in it is one of
    /// this request.
    pub async fn draw<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.drawing).acquire_owned().await.map_err(|_| Error::Busy)?;
        let drawn = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        match drawn.await {
            Ok(done) => done,
            Err(failed) if failed.is_panic() => resume_unwind(failed.into_panic()),
            Err(_) => Err(Error::Busy),
        }
    }
}

fn digest(messages: &[Message]) -> i64 {
    let mut hasher = DefaultHasher::new();
    for message in messages {
        (message.id, message.len, message.provisional).hash(&mut hasher);
    }
    hasher.finish() as i64
}

/// A message, what was read in it, and its row: measured over recorded logs, they take about as much as its bytes again.
fn weight_of(message: &Message) -> usize {
    2 * message.raw.len() + size_of::<Message>() + 600
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use message::event::CallClass;
    use record::id::ScenarioId;
    use record::time::Timestamp;
    use store::scenario::ScenarioRow;

    use super::*;

    fn scenario(id: i64) -> Scenario {
        let row = ScenarioRow {
            subject: Subject::Scenario(ScenarioId(id)),
            class: CallClass::Call,
            first: Timestamp(0),
            last: Timestamp(0),
            caller: None,
            callee: None,
            answered_by: None,
            transferred_to: None,
            rang: None,
            answered: None,
            ending: None,
            ended: None,
            status: None,
            begun: None,
            talked: None,
            problems: None,
            outcome: None,
            failure: None,
            rule: None,
            calls: 0,
            legs: 0,
            messages: 0,
            nodes: 0,
            devices: 0,
            kinds: [0; 4],
            provisional: false,
            version: 0,
        };
        Scenario { row, calls: Vec::new() }
    }

    fn picture(id: i64, version: i64, room: Option<Taken>, weight: usize) -> Picture {
        let (scenario, flow) = (scenario(id), Flow::default());
        Picture {
            version,
            shown: version,
            scenario,
            messages: Vec::new(),
            flow,
            whole: true,
            unreadable: 0,
            _room: room,
            weight,
            asked: AtomicU64::new(0),
        }
    }

    #[tokio::test]
    async fn readers_at_once_share_one_picture_and_a_new_version_is_a_new_one() {
        let (pictures, reads) = (Pictures::default(), AtomicUsize::new(0));
        let of = |version| {
            let reads = &reads;
            let read = async move {
                reads.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(Found::Here(picture(1, version, None, 100)))
            };
            let all = pictures.shared(Of::Scenario(1), version, read);
            async {
                let Ok(Found::Here(picture)) = all.await else { panic!("no picture") };
                picture
            }
        };
        let all = futures::future::join_all((0..20).map(|_| of(7))).await;
        assert!(all.iter().all(|other| Arc::ptr_eq(&all[0], other)));
        assert_eq!(reads.load(Ordering::SeqCst), 1);
        assert_eq!((of(8).await.version, reads.load(Ordering::SeqCst)), (8, 2));
        assert_eq!(pictures.kept.len(), 1, "nobody asks for the older one any more");
        let refused = pictures.shared(Of::Scenario(2), 1, async { Err(Error::Busy) }).await;
        assert!(matches!(refused, Err(Error::Busy)), "and the next one tries again");
        assert!(matches!(pictures.shared(Of::Scenario(2), 1, async { Ok(Found::Nowhere) }).await, Ok(Found::Nowhere)));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_finds_no_room_is_asked_to_come_again_and_what_is_only_kept_gives_way() {
        let pictures = Pictures::default();
        let weight = ALL / 3;
        for id in 0..2 {
            let picture = picture(id, 0, pictures.room.try_take(weight), weight);
            pictures.kept.insert((Of::Scenario(id), 0), Arc::new(picture));
        }
        let taken = pictures.take(ALL - ALL / 8).await;
        assert!(taken.is_ok(), "what is kept gives way");
        assert!(matches!(pictures.take(ALL / 4).await, Err(Error::Busy)));
        drop(taken);
        assert!(pictures.take(ALL / 4).await.is_ok());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_more_is_drawn_at_once_than_there_are_processors() {
        let pictures = Pictures::default();
        let most = std::thread::available_parallelism().map_or(2, usize::from);
        let (now, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let draw = || {
            let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
            pictures.draw(move || {
                peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            })
        };
        for done in futures::future::join_all((0..100).map(|_| draw())).await {
            done.unwrap();
        }
        assert!(peak.load(Ordering::SeqCst) <= most);
    }
}
