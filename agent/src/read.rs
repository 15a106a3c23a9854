//! The hands: plain threads that list, open, look at and read files, one job after the other.

use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use record::id::StreamId;
use tokio::sync::mpsc::UnboundedSender;

use crate::content::{Content, Spot, open};
use crate::cursor::Cursor;
use crate::discover::{Log, list};
use crate::follow::Event;
use crate::guard::{Ask, compare, crc_of};
use crate::place::Place;
use crate::stream::FileKey;
use crate::turn::{Order, Turn};

const THREADS: usize = 2;

#[derive(Debug)]
pub enum Job {
    List { places: Arc<Vec<Place>>, logs: Vec<Log>, held: Vec<(FileKey, Spot, Arc<File>)> },
    Open { key: FileKey, path: PathBuf },
    Look { key: FileKey, file: Arc<File>, ask: Ask },
    Compare { key: FileKey, file: Arc<File>, with: Arc<File>, ask: Ask, from: u64 },
    Sum { key: FileKey, file: Arc<File>, from: u64, to: u64 },
    Read { key: FileKey, file: Arc<File>, stream: StreamId, cursor: Box<Cursor>, order: Order },
}

/// What a job brought; an opened file comes with its event.
#[derive(Debug)]
pub struct Done {
    pub event: Event,
    pub opened: Option<(FileKey, Spot, Arc<File>)>,
}

/// The reader threads. They end when this is dropped.
#[derive(Debug)]
pub struct Readers {
    jobs: Sender<Job>,
}

impl Readers {
    /// Each file has one job at most, so what is in the channels is bounded by the number of files.
    pub fn start(done: &UnboundedSender<Done>) -> std::io::Result<Self> {
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..THREADS {
            let (waiting, done) = (Arc::clone(&waiting), done.clone());
            thread::Builder::new().name(format!("reader-{number}")).spawn(move || work(&waiting, &done))?;
        }
        Ok(Self { jobs })
    }

    pub fn give(&self, job: Job) {
        // Fails only when all threads have ended, and they end when this is dropped.
        let _ = self.jobs.send(job);
    }
}

fn work(waiting: &Mutex<Receiver<Job>>, done: &UnboundedSender<Done>) {
    let mut scratch = Vec::new();
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if done.send(run(job, &mut scratch)).is_err() {
            return;
        }
    }
}

fn run(job: Job, scratch: &mut Vec<u8>) -> Done {
    let text = |error: std::io::Error| error.to_string();
    let event = match job {
        Job::List { places, logs, held } => {
            let listing = list(&places, &logs);
            // After the listing: a file that is gone from it has its last size here.
            let listed: HashSet<Spot> = listing.entries.iter().map(|entry| entry.spot).collect();
            let unseen = held.into_iter().filter(|(_, spot, _)| !listed.contains(spot));
            let held = unseen.filter_map(|(key, _, file)| Some((key, file.stat().ok()?))).collect();
            Event::Listed { listing, held }
        }
        Job::Open { key, path } => match open(&path) {
            Ok((file, identity, spot, stat)) => {
                let event = Event::Opened { file: key, opened: Ok((identity, spot, stat)) };
                return Done { event, opened: Some((key, spot, Arc::new(file))) };
            }
            Err(error) => Event::Opened { file: key, opened: Err(error) },
        },
        Job::Look { key, file, ask } => Event::Looked { file: key, look: ask.look(&*file).map_err(text) },
        Job::Compare { key, file, with, ask, from } => {
            let same = compare(&*file, &*with, from).and_then(|(to, differs)| Ok((to, differs, ask.look(&*with)?)));
            Event::Compared { file: key, same: same.map_err(text) }
        }
        Job::Sum { key, file, from, to } => Event::Summed { file: key, crc: crc_of(&*file, from, to).map_err(text) },
        Job::Read { key, file, stream, cursor, order } => {
            let turn = Box::new(Turn::take(*cursor, &*file, order, scratch));
            Event::Read { file: key, stream, turn }
        }
    };
    Done { event, opened: None }
}
