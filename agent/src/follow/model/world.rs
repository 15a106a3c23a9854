//! An agent whose jobs are done, and their answers delivered, at any moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use message::format::Format;
use message::frame::Limits;
use message::id::StreamId;
use message::redact;
use message::time::Timestamp;
use message::wire::{Append, Position};

use super::Op;
use super::collector::{Stored, collect};
use super::disk::{Disk, Memory, spot};
use crate::config::Start;
use crate::content::Content;
use crate::cursor::Reading;
use crate::follow::{Action, Event, FileKey, Follow, Now, Outcome, Rules, Saved, Shipment, Spec};
use crate::guard::{compare, crc_of};
use crate::place::Place;

pub struct World {
    pub disk: Disk,
    pub writer: Memory,
    /// The rest of a record whose first part is written.
    pub torn: Vec<u8>,
    pub records: Vec<Vec<u8>>,
    pub dates: u64,
    pub wall: i64,
    mono: Duration,

    pub follow: Follow,
    pub handles: HashMap<FileKey, Memory>,
    jobs: Vec<Job>,
    /// What was seen and not told yet.
    pub finished: Vec<(Event, Option<(FileKey, Memory)>)>,
    shipments: Vec<Shipment>,
    saved: Saved,
    writing: Option<Saved>,

    pub collector: BTreeMap<StreamId, Stored>,
    /// Sent by an agent that is dead, and not arrived yet.
    late: Vec<Arc<Append>>,
    lose: u8,

    pub truncated: u64,
    pub deleted: u64,
    pub crashes: usize,
    /// Records that were in no file any more before they were stored, and those of which no agent could know.
    pub destroyed: BTreeSet<usize>,
    pub silent: BTreeSet<usize>,
    /// Records in copies of which only a checkpoint that is lost could say that they bring nothing.
    pub repeatable: BTreeSet<usize>,
}

enum Job {
    /// With the files it is about, as they were open when it was given.
    Do(Action, Option<Memory>, Option<Memory>),
    /// The collector is asked how far each stream is.
    Recover,
}

impl World {
    pub fn new(all_named: bool) -> Self {
        let mut disk = Disk::new(all_named);
        let writer = disk.make(Vec::new(), 0);
        let mut world = Self {
            disk,
            writer,
            torn: Vec::new(),
            records: Vec::new(),
            dates: 1100,
            wall: 1_800_000_000_000_000,
            mono: Duration::ZERO,
            follow: follow(),
            handles: HashMap::new(),
            jobs: vec![Job::Recover],
            finished: Vec::new(),
            shipments: Vec::new(),
            saved: Saved::default(),
            writing: None,
            collector: BTreeMap::new(),
            late: Vec::new(),
            lose: 0,
            truncated: 0,
            deleted: 0,
            crashes: 0,
            destroyed: BTreeSet::new(),
            silent: BTreeSet::new(),
            repeatable: BTreeSet::new(),
        };
        world.create();
        // What was there before the agent is not its concern.
        while world.collector.is_empty() || world.saved == Saved::default() {
            world.work(0);
        }
        world
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
            Op::LoseAnswers => self.lose = 2,
            Op::Crash { lost } => self.crash(*lost),
            _ => {}
        }
    }

    fn pass(&mut self, time: Duration) {
        self.wall += time.as_micros() as i64;
        self.mono += time;
    }

    fn crash(&mut self, lost: bool) {
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
        self.note_destroyed(told);
        // Whatever had told the dead agent that they are gone, it may have told nobody.
        let stored = self.stored();
        self.silent.extend(self.destroyed.iter().filter(|nth| !stored.contains(nth)));
        self.jobs = vec![Job::Recover];
        self.finished.clear();
        self.late.extend(self.shipments.drain(..).map(|shipment| shipment.append));
        self.writing = None;
        self.follow = follow();
        // It does not wait for the collector to wake up.
        self.step(Event::Tick);
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
                || self.saved.spent.iter().any(|spent| spent.file == identity)
                || self.saved.streams.iter().any(|stream| stream.lives_in == identity);
            if !told {
                let within = self.records.iter().enumerate().filter(|(_, record)| file.holds(record));
                self.repeatable.extend(within.map(|(nth, _)| nth));
            }
        }
    }

    fn now(&self) -> Now {
        Now { mono: self.mono, wall: Timestamp(self.wall) }
    }

    fn step(&mut self, event: Event) {
        let now = self.now();
        let actions = self.follow.step(event, now);
        for action in actions {
            let key = match &action {
                Action::Close { file } => {
                    self.handles.remove(file);
                    continue;
                }
                Action::Look { file, .. } | Action::Sum { file, .. } | Action::Read { file, .. } => Some((*file, None)),
                Action::Compare { file, with, .. } => Some((*file, Some(*with))),
                _ => None,
            };
            let held = key.map(|(file, _)| self.handles[&file].clone());
            let with = key.and_then(|(_, with)| with).map(|with| self.handles[&with].clone());
            self.jobs.push(Job::Do(action, held, with));
        }
        while self.shipments.len() < 4 {
            let Some(shipment) = self.follow.next_shipment(now.mono) else { break };
            self.shipments.push(shipment);
        }
    }

    /// One thing the agent waits for is done, or told to it; or time passes.
    pub fn work(&mut self, pick: usize) {
        let counts = [
            self.finished.len(),
            self.jobs.len(),
            self.shipments.len(),
            self.late.len(),
            usize::from(self.writing.is_some()),
        ];
        let choices: usize = counts.iter().sum();
        if choices == 0 {
            let due = self.follow.due().min(self.mono + Duration::from_secs(2)).max(self.mono);
            self.pass(due.saturating_sub(self.mono));
            self.step(Event::Tick);
            return;
        }
        let mut pick = pick % choices;
        let mut of = 0;
        while pick >= counts[of] {
            pick -= counts[of];
            of += 1;
        }
        match of {
            0 => self.deliver(pick),
            1 => {
                let job = self.jobs.remove(pick);
                let done = self.job(job);
                self.finished.extend(done);
            }
            2 => {
                let shipment = self.shipments.remove(pick);
                let answer = collect(&mut self.collector, &shipment.append);
                if self.lose > 0 {
                    self.lose -= 1;
                    self.shipments.push(shipment);
                } else {
                    let outcome = Outcome::Answer(answer);
                    self.finished.push((Event::Answered { shipment: Box::new(shipment), outcome }, None));
                }
            }
            3 => {
                let append = self.late.remove(pick);
                collect(&mut self.collector, &append);
            }
            _ => {
                if let Some(saved) = self.writing.take() {
                    let number = saved.number;
                    self.saved = saved;
                    self.finished.push((Event::Checkpointed { number }, None));
                }
            }
        }
    }

    fn deliver(&mut self, pick: usize) {
        let (event, opened) = self.finished.remove(pick);
        self.handles.extend(opened);
        self.step(event);
    }

    fn job(&mut self, job: Job) -> Option<(Event, Option<(FileKey, Memory)>)> {
        let Job::Do(action, held, with) = job else {
            let positions = self.collector.values().filter_map(Stored::told).collect();
            return Some((Event::Recovered { positions, saved: self.saved.clone() }, None));
        };
        let held = || held.clone().unwrap();
        let event = match action {
            Action::List { .. } => Event::Listed {
                listing: self.disk.listing(),
                held: self.handles.iter().map(|(key, file)| (*key, file.stat().unwrap())).collect(),
            },
            Action::Open { file, path } => {
                let Some(there) = self.disk.at(&path) else {
                    return Some((Event::Opened { file, opened: Err(io::ErrorKind::NotFound.into()) }, None));
                };
                let identity = there.0.borrow().identity;
                let opened = Ok((identity, spot(identity), there.stat().unwrap()));
                return Some((Event::Opened { file, opened }, Some((file, there))));
            }
            Action::Look { file, ask } => Event::Looked { file, look: Ok(ask.look(&held()).unwrap()) },
            Action::Compare { file, ask, from, .. } => {
                let other = with.unwrap();
                let (to, differs) = compare(&held(), &other, from).unwrap();
                Event::Compared { file, same: Ok((to, differs, ask.look(&other).unwrap())) }
            }
            Action::Sum { file, from, to } => Event::Summed { file, crc: Ok(crc_of(&held(), from, to).unwrap()) },
            Action::Read { file, stream, cursor, order } => {
                let turn = Box::new(cursor.turn(&held(), order, &mut Vec::new()));
                Event::Read { file, stream, turn }
            }
            Action::Ask { stream } => {
                let position = self.collector.get(&stream).and_then(Stored::told);
                Event::Positioned { stream, position: position.map(Box::new) }
            }
            Action::Checkpoint => {
                assert!(self.follow.is_recovered(), "a checkpoint that knows nothing takes the place of a good one");
                self.writing = Some(self.follow.snapshot());
                return None;
            }
            Action::Close { .. } | Action::Quarantine { .. } => return None,
        };
        Some((event, None))
    }

    /// Lets the agent finish, and time pass until what is rotated is closed.
    pub fn settle(&mut self) {
        self.finish_record();
        self.lose = 0;
        let end = self.mono + Duration::from_secs(40);
        // Anything but a pattern: nothing that waits may be passed over for ever.
        let mut pick = 1_usize;
        for _ in 0..200_000 {
            pick = pick.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.work(pick >> 33);
            if self.mono > end {
                return;
            }
        }
        panic!("the agent never comes to rest: {:#?}", self.outline());
    }
}

fn follow() -> Follow {
    let rules = Rules {
        poll: Duration::from_millis(100),
        provisional_after: Duration::from_secs(1),
        close_after: Duration::from_secs(10),
        memory: 1 << 20,
        batch_bytes: 64 << 10,
        batch_after: Duration::from_millis(200),
    };
    let format = Arc::new(Format::siptrail());
    let reading = Arc::new(Reading { format, limits: Limits::default(), masks: redact::Rules::default() });
    let place = Place::new(0, "app", &["/log/app.log".to_owned()]);
    let spec = Spec { place, reading, zone: "UTC".into(), start: Start::Beginning };
    Follow::new("agent".into(), "host".into(), rules, vec![spec])
}
