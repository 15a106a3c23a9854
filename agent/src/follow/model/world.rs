//! A disk with a log, its writer, an agent and a collector; and what the agent cannot know of what was destroyed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use record::id::StreamId;
use record::wire::{Append, Position};

use super::collector::Stored;
use super::disk::{Disk, Memory};
use super::setup::{Job, follow};
use super::{OTHER, Op};
use crate::follow::{Event, Follow, Saved, Shipment};
use crate::hints::Hints;
use crate::stream::FileKey;

pub struct World {
    pub disk: Disk,
    pub writer: Memory,
    /// The file that the other log is written to.
    pub other: Memory,
    /// The rest of a record whose first part is written.
    pub torn: Vec<u8>,
    pub records: Vec<Vec<u8>>,
    pub dates: u64,
    pub wall: i64,
    pub mono: Duration,

    pub follow: Follow,
    pub handles: HashMap<FileKey, Memory>,
    /// Files whose handles are gone, which the agent does not know yet.
    pub lost: BTreeSet<FileKey>,
    pub jobs: Vec<Job>,
    /// What was seen and not told yet.
    pub finished: Vec<(Event, Option<(FileKey, Memory)>)>,
    pub shipments: Vec<Shipment>,
    pub saved: Saved,
    pub writing: Option<Saved>,

    pub collector: BTreeMap<StreamId, Stored>,
    /// Sent by an agent that is dead, and not arrived yet.
    pub late: Vec<Arc<Append>>,
    pub lose: u8,
    /// How often the agent has looked at a file that it does not read.
    pub looks: usize,
    /// Inodes, in the order in which they were read.
    pub reads: Vec<u64>,

    pub truncated: u64,
    pub deleted: u64,
    pub crashes: usize,
    /// Records that were in no file any more before they were stored, and those of which no agent could know.
    pub destroyed: BTreeSet<usize>,
    pub silent: BTreeSet<usize>,
    /// The clock was set back: of rotations that were never seen to be written to, only times tell which is older.
    pub set_back: bool,
    /// Records that begin in one file and end in another.
    pub across: BTreeSet<usize>,
    /// Records in copies of which only a checkpoint that is lost could say that they bring nothing.
    pub repeatable: BTreeSet<usize>,
}

impl World {
    pub fn new(all_named: bool) -> Self {
        let mut world = Self::begin(all_named);
        // What was there before the agent is not its concern.
        while world.collector.is_empty() || world.saved == Saved::default() {
            world.work(0);
        }
        world
    }

    /// With an agent that has done nothing yet.
    pub fn begin(all_named: bool) -> Self {
        let mut disk = Disk::new(all_named);
        let writer = disk.make(Vec::new(), 0);
        let other = disk.make(Vec::new(), 0);
        let mut world = Self {
            disk,
            writer,
            other,
            torn: Vec::new(),
            records: Vec::new(),
            dates: 1100,
            wall: 1_800_000_000_000_000,
            mono: Duration::ZERO,
            follow: follow(),
            handles: HashMap::new(),
            lost: BTreeSet::new(),
            jobs: vec![Job::Recover],
            finished: Vec::new(),
            shipments: Vec::new(),
            saved: Saved::default(),
            writing: None,
            collector: BTreeMap::new(),
            late: Vec::new(),
            lose: 0,
            looks: 0,
            reads: Vec::new(),
            truncated: 0,
            deleted: 0,
            crashes: 0,
            destroyed: BTreeSet::new(),
            silent: BTreeSet::new(),
            set_back: false,
            across: BTreeSet::new(),
            repeatable: BTreeSet::new(),
        };
        world.create();
        world
    }

    /// From now on there is another log.
    pub fn add_other(&mut self) {
        self.disk.names.insert(OTHER.into(), self.other.clone());
        self.disk.hint_names();
        while self.collector.len() < 2 {
            self.work(0);
        }
    }

    pub fn take(&mut self, op: &Op) {
        self.pass(Duration::from_millis(1));
        if self.rotate(op) {
            return;
        }
        match op {
            Op::Work { steps, pick } => {
                (0..*steps).for_each(|step| self.work(usize::from(*pick) + usize::from(step) * 7));
            }
            Op::Wait { millis } => {
                // What a reader has seen is told within moments.
                while !self.finished.is_empty() {
                    self.deliver(0);
                }
                self.pass(Duration::from_millis(u64::from(*millis)));
            }
            Op::SetClock { minutes } => {
                self.wall += i64::from(*minutes) * 60_000_000;
                self.set_back |= *minutes < 0;
            }
            Op::LoseHandle { pick } => {
                // Nobody could find what is deleted, or what is away.
                let away = self.disk.away;
                let there =
                    self.handles.iter().filter(|(_, file)| !away && file.0.borrow().links > 0).map(|(key, _)| *key);
                let mut keys: Vec<FileKey> = there.collect();
                keys.sort_unstable();
                if let Some(key) = keys.get(usize::from(*pick) % keys.len().max(1)) {
                    self.handles.remove(key);
                    self.lost.insert(*key);
                    // What the agent knew of the file is forgotten with it.
                    self.crashes += 1;
                    self.forget_told();
                }
            }
            Op::LoseAnswers => self.lose = 2,
            Op::LoseHints => self.disk.hints = Hints::default(),
            Op::Overflow => self.disk.hints = Hints { rescan: self.disk.watched, ..Hints::default() },
            Op::Watch { on } => self.disk.watch(*on),
            Op::Crash { lost } => self.crash(*lost),
            _ => {}
        }
    }

    pub fn pass(&mut self, time: Duration) {
        self.wall += time.as_micros() as i64;
        self.mono += time;
    }

    pub fn crash(&mut self, lost: bool) {
        self.crashes += 1;
        if lost {
            self.saved = Saved::default();
        }
        self.note_repeatable();
        // What only the dead agent held open is gone, and so is what it had in memory.
        let known = |memory: &Memory| {
            let identity = memory.0.borrow().identity;
            self.collector.values().filter_map(Stored::told).any(|position| position.file == identity)
        };
        let told = self.handles.values().filter(|file| file.0.borrow().links == 0).all(known);
        self.handles.clear();
        self.lost.clear();
        self.note_destroyed(told);
        self.forget_told();
        self.jobs = vec![Job::Recover];
        self.finished.clear();
        self.late.extend(self.shipments.drain(..).map(|shipment| shipment.append));
        self.writing = None;
        self.follow = follow();
        self.disk.watch(self.disk.watched);
        // It does not wait for the collector to wake up.
        self.step(Event::Tick);
    }

    /// Whatever had told the agent that records are gone, it may have told nobody.
    fn forget_told(&mut self) {
        let stored = self.stored();
        self.silent.extend(self.destroyed.iter().filter(|nth| !stored.contains(nth)));
    }

    /// Copies of files that are gone or truncated, of which no checkpoint and no stream tells.
    fn note_repeatable(&mut self) {
        // Two files with the same bytes, of which the collector has none, are two logs to the next agent.
        let stored = self.stored();
        for (nth, record) in self.records.iter().enumerate().filter(|(nth, _)| !stored.contains(nth)) {
            if self.disk.names.values().filter(|file| file.holds(record)).count() > 1 {
                self.repeatable.insert(nth);
            }
        }
        if self.truncated + self.deleted == 0 {
            return;
        }
        let positions: Vec<Position> = self.collector.values().filter_map(Stored::told).collect();
        for file in self.disk.names.values() {
            let identity = file.0.borrow().identity;
            let told = positions.iter().any(|position| position.file == identity)
                || self.saved.ignored.iter().any(|ignored| ignored.file == identity)
                || self.saved.streams.iter().any(|stream| stream.lives_in == identity);
            if !told {
                let within = self.records.iter().enumerate().filter(|(_, record)| file.holds(record));
                self.repeatable.extend(within.map(|(nth, _)| nth));
            }
        }
    }
}
