//! The agent's hands: what it wants done is done at a moment of the test's choosing, and told at another.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use record::id::StreamId;
use record::time::Timestamp;

use super::Op;
use super::collector::{Stored, collect};
use super::disk::{Memory, inode_of};
use super::setup::Job;
use super::world::World;
use crate::content::Content;
use crate::follow::{Action, Event, Now, Outcome};
use crate::guard::{compare, sum};
use crate::hints::Hints;
use crate::stream::FileKey;
use crate::turn::{Turn, stitch};

impl World {
    pub fn now(&self) -> Now {
        Now { mono: self.mono, wall: Timestamp(self.wall) }
    }

    pub fn step(&mut self, event: Event) {
        let now = self.now();
        let actions = self.follow.step(event, now);
        for action in actions {
            if let Action::Close { file } = action {
                self.handles.remove(&file);
                self.lost.remove(&file);
                continue;
            }
            if let Some(file) = action.files().find(|file| !self.handles.contains_key(file)) {
                self.lost.remove(&file);
                self.step(Event::NotOpen { file, action: Box::new(action) });
                continue;
            }
            let mut held = action.files().map(|file| self.handles[&file].clone());
            let (held, with) = (held.next(), held.next());
            self.jobs.push(Job::Do(action, held, with));
        }
        while self.shipments.len() < 4 {
            let Some(shipment) = self.follow.next_shipment(now.mono) else { break };
            self.shipments.push(shipment);
        }
    }

    /// One thing the agent waits for is done, or told to it; or time passes.
    pub fn work(&mut self, pick: usize) {
        self.work_once(pick);
        self.check_marks();
    }

    fn work_once(&mut self, pick: usize) {
        let counts = [
            self.finished.len(),
            self.jobs.len(),
            self.shipments.len(),
            self.late.len(),
            usize::from(self.writing.is_some()),
            usize::from(self.disk.hints != Hints::default()),
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
            4 => {
                if let Some(saved) = self.writing.take() {
                    let number = saved.number;
                    self.saved = saved;
                    self.finished.push((Event::Checkpointed { number }, None));
                }
            }
            _ => self.hint(),
        }
    }

    /// The agent takes the hints that there are.
    pub fn hint(&mut self) {
        let hints = std::mem::take(&mut self.disk.hints);
        self.step(Event::Hinted(hints));
    }

    pub fn deliver(&mut self, pick: usize) {
        let (event, opened) = self.finished.remove(pick);
        if matches!(event, Event::Listed { .. }) {
            let watched = self.disk.watched.then(|| PathBuf::from("/log"));
            self.step(Event::Watched(Arc::new(watched.into_iter().collect())));
        }
        self.handles.extend(opened);
        self.step(event);
    }

    pub fn job(&mut self, job: Job) -> Option<(Event, Option<(FileKey, Memory)>)> {
        let Job::Do(action, held, with) = job else {
            let saved = self.saved.clone();
            let named: HashSet<StreamId> = saved.streams.iter().map(|stream| stream.stream).collect();
            let asked = self.collector.iter().filter(|(id, stored)| !stored.settled || named.contains(id));
            let positions = asked.filter_map(|(_, stored)| stored.told()).collect();
            let known = self.collector.values().filter_map(|stored| stored.position.as_ref());
            let sources = known.map(|position| position.source.clone()).collect();
            return Some((Event::Recovered { positions, sources, saved }, None));
        };
        let held = || held.clone().unwrap();
        let text = |error: io::Error| error.to_string();
        let event = match action {
            Action::List { scope, held: asked, .. } => {
                let listing = self.disk.listing(scope);
                let listed = |file: &Memory| {
                    let inode = inode_of(file.0.borrow().identity);
                    listing.entries.iter().any(|entry| entry.inode == inode)
                };
                let unseen = self.handles.iter().filter(|(key, file)| asked.contains(key) && !listed(file));
                let held = unseen.map(|(key, file)| (*key, file.stat().unwrap())).collect();
                Event::Listed { listing, held }
            }
            Action::Open { file, path } => {
                let Some(there) = self.disk.at(&path) else {
                    return Some((Event::Opened { file, opened: Err(io::ErrorKind::NotFound.into()) }, None));
                };
                let identity = there.0.borrow().identity;
                let opened = Ok((identity, inode_of(identity), there.stat().unwrap()));
                return Some((Event::Opened { file, opened }, Some((file, there))));
            }
            Action::Look { file, ask } => {
                self.looks += 1;
                Event::Looked { file, look: ask.look(&held()).map_err(text) }
            }
            Action::Compare { file, ask, from, .. } => {
                let other = with.unwrap();
                let same = compare(&held(), &other, from).and_then(|same| Ok((same, ask.look(&other)?)));
                Event::Compared { file, same: same.map_err(text) }
            }
            Action::Checksum { file, crc, from, to } => {
                Event::Checksummed { file, sum: sum(&held(), crc, from, to).map_err(text) }
            }
            Action::Read { file, stream, cursor, order } => {
                self.reads.push(held().0.borrow().identity.inode);
                let turn = Box::new(Turn::take(*cursor, &held(), order, &mut Vec::new()));
                Event::Read { file, stream, turn }
            }
            Action::Stitch { file, old, stream, mut cursor, last } => {
                let found = stitch(&mut cursor, &with.unwrap(), &held(), last, &mut Vec::new());
                Event::Stitched { file, old, stream, cursor, found }
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
            Action::Quarantine { stream, .. } => Event::Quarantined { stream },
            Action::Close { .. } => return None,
        };
        Some((event, None))
    }

    /// Lets the agent finish, and time pass until what is rotated is closed.
    pub fn settle(&mut self) {
        self.take(&Op::Back);
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
