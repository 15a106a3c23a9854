//! A writer with a thread of its own and a steady rate.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::world::{World, open, record};

pub struct Load {
    /// Dropped when it is to stop.
    stop: Sender<()>,
    thread: JoinHandle<Vec<Vec<u8>>>,
}

impl World {
    /// Writes records to a log, each with one write, `rate` bytes a second; what was late is made up for.
    pub fn load(&self, name: &str, rate: u32) -> Load {
        let (log, first, (stop, stopped)) = (open(&self.log(name)), self.records.len(), channel());
        let thread = std::thread::spawn(move || write(&log, first, rate, &stopped));
        Load { stop, thread }
    }

    /// Ends the load; what it wrote is part of what was written.
    pub fn unload(&mut self, load: Load) {
        drop(load.stop);
        self.records.extend(load.thread.join().unwrap());
    }
}

fn write(mut log: &File, first: usize, rate: u32, stopped: &Receiver<()>) -> Vec<Vec<u8>> {
    let (begun, mut written, mut records) = (Instant::now(), 0, Vec::new());
    while stopped.try_recv() == Err(TryRecvError::Empty) {
        let record = record(first + records.len(), 2000);
        log.write_all(&record).unwrap();
        written += record.len();
        records.push(record);
        let due = Duration::from_secs_f64(written as f64 / f64::from(rate));
        if let Some(early) = due.checked_sub(begun.elapsed()).filter(|early| *early > Duration::from_millis(1)) {
            let _ = stopped.recv_timeout(early);
        }
    }
    records
}

/// The numbers of the records that stand whole in a file.
pub fn whole_in(path: &Path, records: &[Vec<u8>]) -> Vec<usize> {
    const MARK: &str = "\nINVITE sip:bob-";
    let text = String::from_utf8(fs::read(path).unwrap()).unwrap();
    let ends = text.match_indices(MARK);
    let found = ends.filter_map(|(at, _)| {
        let number: usize = text.get(at + MARK.len()..at + MARK.len() + 6)?.parse().ok()?;
        let head = records.get(number)?.iter().position(|byte| *byte == b'\n')?;
        text.as_bytes()[at - head..].starts_with(&records[number]).then_some(number)
    });
    found.collect()
}
