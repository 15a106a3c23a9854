//! A writer with its rotations, an agent whose jobs are done at any moment, and what must hold in the end.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use message::format::Format;
use message::frame::Limits;
use message::id::StreamId;
use message::redact;
use message::span::SpanKind;
use message::time::Timestamp;
use message::wire::{FileIdentity, WireSpan};

use super::collector::{Stored, collect};
use super::disk::{Inode, Memory, spot};
use super::{ACTIVE, Op};
use crate::config::Start;
use crate::content::Content;
use crate::cursor::Reading;
use crate::discover::{Entry, Listing};
use crate::follow::file::File;
use crate::follow::{Action, Event, FileKey, Follow, GROWING, Now, Outcome, Rules, Saved, Shipment, Spec};
use crate::guard::{compare, crc_of};
use crate::logname::log_names;
use crate::place::Place;

pub struct World {
    names: BTreeMap<String, Memory>,
    inodes: u64,
    writer: Memory,
    /// The rest of a record whose first part is written.
    torn: Vec<u8>,
    records: Vec<Vec<u8>>,
    wall: i64,
    mono: Duration,

    follow: Follow,
    handles: HashMap<FileKey, Memory>,
    /// With the files they are about, as they were open when the job was given.
    jobs: Vec<(Action, Option<Memory>, Option<Memory>)>,
    shipments: Vec<Shipment>,
    disk: Saved,
    writing: Option<Saved>,

    collector: BTreeMap<StreamId, Stored>,
    lose: u8,

    truncated: u64,
    deleted: u64,
    destroyed: bool,
    silent: bool,
    twice: bool,
}

impl World {
    pub fn new() -> Self {
        let mut world = Self {
            names: BTreeMap::new(),
            inodes: 0,
            writer: Memory(Rc::new(RefCell::new(Inode {
                identity: FileIdentity::default(),
                data: vec![],
                links: 0,
                mtime: 0,
                ctime: 0,
            }))),
            torn: Vec::new(),
            records: Vec::new(),
            wall: 1_800_000_000_000_000,
            mono: Duration::ZERO,
            follow: follow(),
            handles: HashMap::new(),
            jobs: Vec::new(),
            shipments: Vec::new(),
            disk: Saved::default(),
            writing: None,
            collector: BTreeMap::new(),
            lose: 0,
            truncated: 0,
            deleted: 0,
            destroyed: false,
            silent: false,
            twice: false,
        };
        world.create();
        world.start();
        // What was there before the agent is not its concern.
        (0..60).for_each(|_| world.work(0));
        world
    }

    fn now(&self) -> Now {
        Now { mono: self.mono, wall: Timestamp(self.wall) }
    }

    fn nanos(&self) -> i64 {
        self.wall * 1000
    }

    fn make(&mut self, data: Vec<u8>) -> Memory {
        self.inodes += 1;
        let identity = FileIdentity { device: 1, inode: self.inodes, generation: self.inodes, birth: self.wall };
        Memory(Rc::new(RefCell::new(Inode { identity, data, links: 1, mtime: self.nanos(), ctime: self.nanos() })))
    }

    /// The writer opens the active name, which may be made by that.
    fn create(&mut self) {
        if !self.names.contains_key(ACTIVE) {
            let fresh = self.make(Vec::new());
            self.names.insert(ACTIVE.into(), fresh);
        }
        self.writer = self.names[ACTIVE].clone();
    }

    fn append(&mut self, bytes: &[u8]) {
        let now = self.nanos();
        let mut inode = self.writer.0.borrow_mut();
        inode.data.extend_from_slice(bytes);
        (inode.mtime, inode.ctime) = (now, now);
    }

    fn finish_record(&mut self) {
        let rest = std::mem::take(&mut self.torn);
        self.append(&rest);
    }

    fn write(&mut self, records: u8, tear: bool) {
        self.finish_record();
        for nth in 0..records {
            let record = record(self.records.len());
            self.records.push(record.clone());
            if tear && nth + 1 == records {
                let cut = record.len() / 2;
                self.append(&record[..cut]);
                self.torn = record[cut..].to_vec();
            } else {
                self.append(&record);
            }
        }
    }

    /// Makes room at `.1`.
    fn shift(&mut self) {
        let old: Vec<String> = self.names.keys().filter(|name| *name != ACTIVE).cloned().collect();
        let mut numbers: Vec<u64> = old.iter().filter_map(|name| name.rsplit('.').next()?.parse().ok()).collect();
        numbers.sort_unstable();
        for number in numbers.into_iter().rev() {
            self.rename(&format!("{ACTIVE}.{number}"), &format!("{ACTIVE}.{}", number + 1));
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        if let Some(file) = self.names.remove(from) {
            file.0.borrow_mut().ctime = self.nanos();
            self.names.insert(to.into(), file);
        }
    }

    /// Whether the active file holds bytes the agent has not read, and whether it will know that it may have lost some.
    fn unread(&self) -> (bool, bool) {
        let file = &self.names[ACTIVE];
        let size = file.0.borrow().data.len() as u64;
        let key = self.handles.iter().find(|(_, held)| Rc::ptr_eq(&held.0, &file.0)).map(|(key, _)| key);
        let stream = key.and_then(|key| self.follow.files.get(key)).and_then(File::stream);
        let Some(stream) = stream.and_then(|id| self.follow.streams.get(&id)) else { return (size > 0, false) };
        let known = stream.known.clone();
        let at = known.at;
        let len = 64.min(at);
        let same = size >= at
            && file.0.borrow().data[..]
                .get((at - len) as usize..at as usize)
                .is_some_and(|before| known.before.ends_with(before));
        let told = same && !known.head.is_empty() && (stream.was_growing(GROWING) || stream.size > at);
        (size > 0 && (size > at || !same), told)
    }

    fn truncate(&mut self) {
        let now = self.nanos();
        let file = self.names[ACTIVE].clone();
        let mut inode = file.0.borrow_mut();
        inode.data.clear();
        (inode.mtime, inode.ctime) = (now, now);
        self.truncated += 1;
    }

    pub fn take(&mut self, op: Op) {
        self.wall += 1000;
        self.mono += Duration::from_millis(1);
        let in_active = Rc::ptr_eq(
            &self.writer.0,
            &self.names.get(ACTIVE).map_or_else(|| self.writer.0.clone(), |file| file.0.clone()),
        );
        match op {
            Op::Write { records, tear } => self.write(records, tear),
            Op::Rotate => {
                self.shift();
                self.rename(ACTIVE, &format!("{ACTIVE}.1"));
            }
            Op::Reopen => {
                self.finish_record();
                self.create();
            }
            Op::CopyTruncate { between } if self.names.contains_key(ACTIVE) => {
                self.finish_record();
                self.shift();
                let data = self.names[ACTIVE].0.borrow().data.clone();
                let copy = self.make(data);
                self.names.insert(format!("{ACTIVE}.1"), copy);
                if between && in_active {
                    self.write(1, false);
                    self.destroyed = true;
                    self.silent |= !self.unread().1;
                }
                self.truncate();
            }
            Op::Truncate if self.names.contains_key(ACTIVE) => {
                self.finish_record();
                let (unread, told) = self.unread();
                self.destroyed |= unread;
                self.silent |= unread && !told;
                self.truncate();
            }
            Op::Delete if self.names.contains_key(ACTIVE) && in_active => {
                let file = self.names[ACTIVE].clone();
                let open = self.handles.iter().find(|(_, held)| Rc::ptr_eq(&held.0, &file.0));
                let followed = open.and_then(|(key, _)| self.follow.files.get(key)).and_then(File::stream);
                if followed.is_some() {
                    self.finish_record();
                    self.deleted += 1;
                    self.names.remove(ACTIVE);
                    file.0.borrow_mut().links = 0;
                    self.create();
                }
            }
            Op::CopyTruncate { .. } | Op::Truncate | Op::Delete => {}
            Op::Work { steps, pick } => {
                (0..steps).for_each(|step| self.work(usize::from(pick) + usize::from(step) * 7));
            }
            Op::Wait { millis } => {
                self.wall += i64::from(millis) * 1000;
                self.mono += Duration::from_millis(u64::from(millis));
            }
            Op::LoseAnswers => self.lose = 2,
            Op::Crash { lost } => self.crash(lost),
        }
    }

    fn crash(&mut self, lost: bool) {
        // What only the dead agent held open is gone; what it knew of no copy it cannot know again.
        let unlinked = self.handles.values().any(|file| file.0.borrow().links == 0);
        self.silent |= unlinked || self.truncated > 0;
        self.destroyed |= unlinked || self.truncated > 0;
        self.twice |= self.truncated > 0;
        if lost {
            self.disk = Saved::default();
        }
        self.handles.clear();
        self.jobs.clear();
        self.shipments.clear();
        self.writing = None;
        self.follow = follow();
        self.start();
    }

    fn start(&mut self) {
        let positions = self.collector.values().filter_map(Stored::told).collect();
        let saved = self.disk.clone();
        self.step(Event::Recovered { positions, saved });
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
            self.jobs.push((action, held, with));
        }
        while self.shipments.len() < 4 {
            let Some(shipment) = self.follow.next_shipment(now.mono) else { break };
            self.shipments.push(shipment);
        }
    }

    /// One thing the agent waits for, or the passing of time.
    fn work(&mut self, pick: usize) {
        let choices = self.jobs.len() + self.shipments.len() + usize::from(self.writing.is_some());
        if choices == 0 {
            let due = self.follow.due().min(self.mono + Duration::from_secs(2)).max(self.mono);
            self.wall += due.saturating_sub(self.mono).as_micros() as i64;
            self.mono = due;
            self.step(Event::Tick);
            return;
        }
        let pick = pick % choices;
        if pick < self.jobs.len() {
            let (job, held, with) = self.jobs.remove(pick);
            if let Some(event) = self.job(job, held, with) {
                self.step(event);
            }
        } else if pick < self.jobs.len() + self.shipments.len() {
            let shipment = self.shipments.remove(pick - self.jobs.len());
            let answer = collect(&mut self.collector, &shipment.append);
            if self.lose > 0 {
                self.lose -= 1;
                self.shipments.push(shipment);
            } else {
                self.step(Event::Answered { shipment: Box::new(shipment), outcome: Outcome::Answer(answer) });
            }
        } else if let Some(saved) = self.writing.take() {
            let number = saved.number;
            self.disk = saved;
            self.step(Event::Checkpointed { number });
        }
    }

    fn job(&mut self, job: Action, held: Option<Memory>, with: Option<Memory>) -> Option<Event> {
        let held = || held.clone().unwrap();
        Some(match job {
            Action::List { .. } => Event::Listed {
                listing: self.listing(),
                held: self.handles.iter().map(|(key, file)| (*key, file.stat().unwrap())).collect(),
            },
            Action::Open { file, path } => {
                let there = self.names.get(path.to_str().unwrap().trim_start_matches("/log/")).cloned();
                let opened = there.map(|there| {
                    let identity = there.0.borrow().identity;
                    let stat = there.stat().unwrap();
                    self.handles.insert(file, there);
                    (identity, spot(identity), stat)
                });
                Event::Opened { file, opened: opened.ok_or_else(|| io::ErrorKind::NotFound.into()) }
            }
            Action::Close { .. } => return None,
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
            Action::Quarantine { .. } => return None,
            Action::Checkpoint => {
                self.writing = Some(self.follow.snapshot());
                return None;
            }
        })
    }

    fn listing(&self) -> Listing {
        let names: Vec<Vec<u8>> = self.names.keys().map(|name| name.as_bytes().to_vec()).collect();
        let entries =
            self.names.iter().zip(log_names(&names, &[ACTIVE.as_bytes().to_vec()])).map(|((path, file), name)| Entry {
                path: PathBuf::from(format!("/log/{path}")),
                source: 0,
                source_name: "app".into(),
                named: path == ACTIVE,
                chain: PathBuf::from("/log/app.log"),
                name,
                spot: spot(file.0.borrow().identity),
                stat: file.stat().unwrap(),
            });
        let mut entries: Vec<Entry> = entries.collect();
        entries.sort_by(|a, b| a.name.age(&b.name));
        Listing { entries, missing: Vec::new(), odd: Vec::new() }
    }

    /// Lets the agent finish, and time pass until all that is rotated is closed.
    pub fn settle(&mut self) {
        self.finish_record();
        self.lose = 0;
        let end = self.mono + Duration::from_secs(400);
        for step in 0..200_000 {
            self.work(step * 31);
            if self.mono > end {
                return;
            }
        }
        panic!("the agent never comes to rest");
    }
}

fn follow() -> Follow {
    let rules = Rules {
        poll: Duration::from_secs(1),
        provisional_after: Duration::from_secs(1),
        close_after: Duration::from_mins(1),
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

impl World {
    pub fn check(&self) {
        let mut found: HashMap<usize, u32> = HashMap::new();
        let mut gaps = Vec::new();
        for stored in self.collector.values() {
            let mut spans: Vec<&WireSpan> = stored.spans.iter().collect();
            spans.sort_by_key(|span| (span.start, span.len));
            let mut at = 0;
            for span in &spans {
                assert_eq!(span.start.0, at, "spans tile what is stored: {:?}", self.outline());
                at = span.end().0;
            }
            assert_eq!(at, stored.w, "and all of it");
            for span in spans.into_iter().chain(&stored.tail) {
                match span.kind {
                    SpanKind::Record => {
                        let nth = number_of(&span.bytes);
                        if self.records.get(nth).is_some_and(|record| **record == **span.bytes) {
                            *found.entry(nth).or_default() += 1;
                        } else {
                            assert!(self.destroyed, "record {nth} is not as it was written: {:?}", self.outline());
                        }
                    }
                    SpanKind::Gap => gaps.push(span.cause),
                    SpanKind::Noise | SpanKind::Fragment => {}
                }
            }
        }
        let twice = found.iter().filter(|(_, times)| **times > 1).count();
        assert!(twice == 0 || self.twice, "{twice} records are stored twice: {:?}", self.outline());
        let missing: Vec<usize> = (0..self.records.len()).filter(|nth| !found.contains_key(nth)).collect();
        assert!(missing.is_empty() || self.destroyed, "records {missing:?} are missing: {:?}", self.outline());
        assert!(
            missing.is_empty() || !gaps.is_empty() || self.silent,
            "records {missing:?} are lost without a word: {:?}",
            self.outline()
        );
        // A deleted file and a rotation between two looks: more may have come and gone.
        let allowed = (self.truncated + self.deleted) as usize + usize::from(self.silent) * 100;
        assert!(gaps.len() <= allowed, "{gaps:?} for {} truncates: {:?}", self.truncated, self.outline());
    }

    /// What is stored, for a failed assertion.
    fn outline(&self) -> Vec<String> {
        let files = self.names.iter().map(|(name, file)| {
            format!("{name} inode {} {} bytes", file.0.borrow().identity.inode, file.0.borrow().data.len())
        });
        let streams = self.collector.iter().map(|(id, stored)| {
            let spans: Vec<String> = stored
                .spans
                .iter()
                .chain(&stored.tail)
                .map(|span| match span.kind {
                    SpanKind::Record => format!("record {}", number_of(&span.bytes)),
                    _ => format!("{:?} {}+{} {:?}", span.kind, span.start, span.len, span.cause),
                })
                .collect();
            let inode = stored.position.as_ref().map(|position| (position.file.inode, position.epoch));
            format!("{id} {inode:?} to {}: {}", stored.w, spans.join(", "))
        });
        let follow = self.follow.files.iter().map(|(key, file)| {
            format!("file {key} {} {:?} {:?} {}", file.path.display(), file.state, file.open, file.stat.size)
        });
        files.chain(streams).chain(follow).collect()
    }
}

/// SIP with a length, or text that only the next header ends.
fn record(nth: usize) -> Vec<u8> {
    let header = format!("[2026-11-23 19:53:58.{:03}][INVITE][sip:10.0.0.1][sip:{nth}@example.com]\n", nth % 1000);
    let body = "x".repeat(nth * 37 % 400);
    let sip = format!(
        "{header}INVITE sip:{nth}@example.com SIP/2.0\r\nCall-ID: {nth}\r\nContent-Length: {}\r\n\r\n{body}\n",
        body.len()
    );
    let push = format!("{header}push {nth} {body}\n\n");
    if nth.is_multiple_of(3) { push.replace("[INVITE]", "[PUSH]").into_bytes() } else { sip.into_bytes() }
}

fn number_of(record: &[u8]) -> usize {
    let text = String::from_utf8_lossy(record);
    let digits = text.split("][sip:").last().unwrap_or_default().split('@').next().unwrap_or_default();
    digits.parse().unwrap_or(usize::MAX)
}
