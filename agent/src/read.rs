//! The hands: plain threads that list, open, look at and read files, one job after another.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use record::id::StreamId;
use tokio::sync::mpsc::UnboundedSender;

use crate::content::{Content, Handle, InodeId, open};
use crate::cursor::Cursor;
use crate::discover::{Listing, Lived, Logs, Scope, Seen, list};
use crate::follow::Event;
use crate::guard::{Ask, compare, sum};
use crate::place::Place;
use crate::stream::FileKey;
use crate::turn::{Order, Turn, stitch};
use crate::unread::in_words;
use crate::watches::Watches;

const THREADS: usize = 2;

#[derive(Debug)]
pub enum Job {
    List(Box<ListJob>),
    Open {
        key: FileKey,
        path: PathBuf,
    },
    Look {
        key: FileKey,
        file: Handle,
        ask: Ask,
    },
    Compare {
        key: FileKey,
        file: Handle,
        with: Handle,
        ask: Ask,
        from: u64,
    },
    Checksum {
        key: FileKey,
        file: Handle,
        crc: u32,
        from: u64,
        to: u64,
    },
    Stitch {
        key: FileKey,
        file: Handle,
        old_key: FileKey,
        old: Handle,
        stream: StreamId,
        cursor: Box<Cursor>,
        last: bool,
    },
    Read {
        key: FileKey,
        file: Handle,
        stream: StreamId,
        cursor: Box<Cursor>,
        order: Order,
    },
}

/// What is listed, with the open files that are looked at beside it.
#[derive(Debug)]
pub struct ListJob {
    pub scope: Scope,
    pub places: Arc<Vec<Place>>,
    pub logs: Arc<Logs>,
    pub lived: Vec<Lived>,
    pub seen: Arc<Mutex<Seen>>,
    pub watches: Arc<Mutex<Watches>>,
    /// The directories that were watched when this was last reported.
    pub watched: Arc<BTreeSet<PathBuf>>,
    pub held: Vec<(FileKey, InodeId, Handle)>,
}

/// What a job brought; an opened file comes with its event.
#[derive(Debug)]
pub struct Brought {
    /// The directories that are watched from now on, if they are others than before.
    pub watched: Option<Arc<BTreeSet<PathBuf>>>,
    pub event: Event,
    pub opened: Option<(FileKey, InodeId, Handle)>,
}

/// The reader threads. They end when this is dropped.
#[derive(Debug)]
pub struct Readers {
    queue: Arc<Queue>,
}

/// Jobs that wait for a thread. A channel that threads share behind a lock wakes both of them for each job.
#[derive(Debug, Default)]
struct Queue {
    /// None = the threads are to end.
    jobs: Mutex<VecDeque<Option<Job>>>,
    more: Condvar,
}

impl Readers {
    /// Each file has one job at most, so what is in the queue is bounded by the number of files.
    /// A job that panics brings its panic: whatever it carried is lost with it, and nobody may go on as if it would come back.
    pub fn start(done: &UnboundedSender<thread::Result<Brought>>) -> std::io::Result<Self> {
        // Dropped where a thread cannot be started, so that those before it end.
        let readers = Self { queue: Arc::default() };
        for number in 0..THREADS {
            let (queue, done) = (Arc::clone(&readers.queue), done.clone());
            thread::Builder::new().name(format!("reader-{number}")).spawn(move || work(&queue, &done, run))?;
        }
        Ok(readers)
    }

    pub fn give(&self, job: Job) {
        self.queue.add(Some(job));
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        (0..THREADS).for_each(|_| self.queue.add(None));
    }
}

impl Queue {
    fn add(&self, job: Option<Job>) {
        self.lock().push_back(job);
        self.more.notify_one();
    }

    /// Waits for a job; none when the thread is to end.
    fn next(&self) -> Option<Job> {
        let waiting = self.more.wait_while(self.lock(), |jobs| jobs.is_empty());
        waiting.unwrap_or_else(PoisonError::into_inner).pop_front().flatten()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Option<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn work(queue: &Queue, done: &UnboundedSender<thread::Result<Brought>>, run: impl Fn(Job, &mut Vec<u8>) -> Brought) {
    let mut scratch = Vec::new();
    while let Some(job) = queue.next() {
        // What the job used is dropped with it, and `scratch` is cleared before it is used again.
        let brought = catch_unwind(AssertUnwindSafe(|| run(job, &mut scratch)));
        if done.send(brought).is_err() {
            return;
        }
    }
}

fn run(job: Job, scratch: &mut Vec<u8>) -> Brought {
    let text = |error: std::io::Error| in_words(&error);
    let event = match job {
        Job::List(job) => return look_around(*job),
        Job::Open { key, path } => match open(&path) {
            Ok((file, identity, inode, stat)) => {
                let event = Event::Opened { file: key, opened: Ok((identity, inode, stat)) };
                return Brought { watched: None, event, opened: Some((key, inode, file)) };
            }
            Err(error) => Event::Opened { file: key, opened: Err(error) },
        },
        Job::Look { key, file, ask } => Event::Looked { file: key, look: ask.look(&file).map_err(text) },
        Job::Compare { key, file, with, ask, from } => {
            let same = compare(&file, &with, from).and_then(|same| Ok((same, ask.look(&with)?)));
            Event::Compared { file: key, same: same.map_err(text) }
        }
        Job::Checksum { key, file, crc, from, to } => {
            Event::Checksummed { file: key, sum: sum(&file, crc, from, to).map_err(text) }
        }
        Job::Stitch { key, file, old_key, old, stream, mut cursor, last } => {
            let found = stitch(&mut cursor, &old, &file, last, scratch);
            Event::Stitched { file: key, old: old_key, stream, cursor, found }
        }
        Job::Read { key, file, stream, cursor, order } => {
            let turn = Box::new(Turn::take(*cursor, &file, order, scratch));
            Event::Read { file: key, stream, turn }
        }
    };
    Brought { watched: None, event, opened: None }
}

fn look_around(job: ListJob) -> Brought {
    let ListJob { scope, places, logs, lived, seen, watches, watched: before, held } = job;
    let mut watches = watches.lock().unwrap_or_else(PoisonError::into_inner);
    if scope != Scope::All {
        watches.check();
    }
    let listing = if scope.is_empty() {
        Listing { scope, ..Listing::default() }
    } else {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.recall(lived);
        list(&places, &logs, scope, &mut seen)
    };
    if listing.scope == Scope::All {
        watches.want(listing.directories.keys().map(PathBuf::as_path));
    }
    let now = watches.watched();
    let other = (now != *before).then(|| Arc::new(now));
    // After the listing: a file that is gone from it has its last size here.
    let listed: HashSet<InodeId> = listing.entries.iter().map(|entry| entry.inode).collect();
    let unseen = held.into_iter().filter(|(_, inode, _)| !listed.contains(inode));
    let held = unseen.filter_map(|(key, _, file)| Some((key, file.stat().ok()?))).collect();
    Brought { watched: other, event: Event::Listed { listing, held }, opened: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_panics_is_reported_and_the_thread_goes_on() {
        let queue = Queue::default();
        let (done, mut brought) = tokio::sync::mpsc::unbounded_channel();
        for key in [1, 2] {
            queue.add(Some(Job::Open { key, path: PathBuf::from("/nowhere/app.log") }));
        }
        queue.add(None);
        work(&queue, &done, |job, scratch| {
            assert!(!matches!(job, Job::Open { key: 1, .. }), "a fault");
            run(job, scratch)
        });
        assert!(brought.try_recv().unwrap().is_err());
        assert!(matches!(brought.try_recv().unwrap().unwrap().event, Event::Opened { file: 2, opened: Err(_) }));
    }
}
