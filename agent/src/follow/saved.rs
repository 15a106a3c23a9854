//! What a checkpoint keeps: a cache of what the collector knows, and the little that only the agent can know.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use record::id::StreamId;
use record::wire::{FileIdentity, Guard, Position};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::file::{File, State};
use super::{Chain, Follow, GROWING};
use crate::place::Place;
use crate::stream::{Durable, Home, Seeking, Stream, Why};

/// The content of a checkpoint.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Saved {
    /// Counts up while an agent runs.
    pub number: u64,
    pub streams: Vec<SavedStream>,
    /// Rotation chains by path, with the time (nanoseconds) before which their rotations are known.
    pub chains: Vec<(ByteBuf, i64)>,
    /// Files that bring nothing.
    pub spent: Vec<SavedFile>,
    /// The highest epoch of inodes that were truncated.
    pub epochs: Vec<(FileIdentity, u64)>,
    /// Streams whose file is gone and of which nothing is missing.
    pub settled: BTreeSet<StreamId>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedStream {
    pub stream: StreamId,
    pub origin: FileIdentity,
    pub lives_in: FileIdentity,
    pub epoch: u64,
    pub source: String,
    pub path: ByteBuf,
    pub w: u64,
    pub guard: Guard,
    pub size: u64,
    /// Nothing more was expected of it.
    pub closed: bool,
    /// It was the last of its chain.
    pub latest: bool,
    /// It had grown just before.
    pub growing: bool,
    pub marks_from: u64,
    pub marks: Vec<(u64, u32)>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedFile {
    pub file: FileIdentity,
    pub size: u64,
}

impl Follow {
    /// What is to be kept now. Streams that waited for a checkpoint may be sent once it is on disk.
    pub fn snapshot(&mut self) -> Saved {
        self.checkpoint += 1;
        let number = self.checkpoint;
        for stream in self.streams.values_mut().filter(|stream| stream.durable == Durable::No) {
            stream.durable = Durable::With(number);
        }
        // What is listed and not judged yet is not known.
        let mut fresh: HashMap<&Path, i64> = HashMap::new();
        for file in self.files.values().filter(|file| file.state == State::Fresh) {
            let oldest = fresh.entry(&file.chain).or_insert(i64::MAX);
            *oldest = (*oldest).min(file.stat.mtime);
        }
        let chains = self.chains.iter().map(|(path, chain)| {
            // Before the first listing nothing new is known.
            let listed = if self.listings > 0 { self.listed_wall.saturating_mul(1000) } else { chain.since };
            let since = fresh.get(path.as_path()).map_or(listed, |mtime| listed.min(*mtime));
            (ByteBuf::from(path.as_os_str().as_bytes()), since)
        });
        let chains = chains.collect();
        self.forget_identities();
        Saved {
            number,
            streams: self.streams.values().map(|stream| self.saved_stream(stream)).collect(),
            chains,
            spent: self.spent.iter().map(|(file, size)| SavedFile { file: *file, size: *size }).collect(),
            epochs: self
                .epochs
                .iter()
                .filter(|(file, epoch)| **epoch > 0 || comes_again(file))
                .map(|(file, epoch)| (*file, *epoch))
                .collect(),
            settled: self.settled.clone(),
        }
    }

    /// Forgets what is known of files that are gone. A listed file may not be opened yet, and a disk not mounted.
    fn forget_identities(&mut self) {
        let inodes: HashSet<u64> = self.files.values().map(|file| file.spot.inode).collect();
        let devices: HashSet<u64> =
            self.files.values().filter_map(|file| file.identity).map(|identity| identity.device).collect();
        let may_come = |file: &FileIdentity| inodes.contains(&file.inode) || !devices.contains(&file.device);
        self.spent.retain(|file, _| may_come(file));
        let lived = &self.lived;
        self.epochs.retain(|file, _| may_come(file) || lived.contains_key(file) || comes_again(file));
    }

    fn saved_stream(&self, stream: &Stream) -> SavedStream {
        let file = stream.file().and_then(|key| self.files.get(&key));
        // A deleted file that was read to its end: nobody will miss it.
        let drained = file.is_some_and(File::is_deleted) && stream.w == stream.size && stream.queue.is_empty();
        SavedStream {
            stream: stream.id,
            origin: stream.origin,
            lives_in: stream.lives_in,
            epoch: stream.epoch,
            source: stream.source_name.clone(),
            path: ByteBuf::from(stream.path.as_os_str().as_bytes()),
            w: stream.w,
            guard: stream.guard.clone(),
            size: file.map_or(stream.size, |file| stream.size.max(file.stat.size)),
            closed: (stream.closed && stream.w == stream.done) || drained,
            latest: file.is_some_and(|file| !file.rotated),
            growing: stream.was_growing(GROWING),
            marks_from: stream.marks_from,
            marks: stream.marks.iter().copied().filter(|(at, _)| *at <= stream.w).collect(),
        }
    }

    pub(super) fn recovered(&mut self, positions: Vec<Position>, saved: Saved) {
        self.recovered = true;
        self.unsettled = true;
        self.checkpoint = self.checkpoint.max(saved.number);
        self.checkpoint_written = self.checkpoint;
        for position in positions {
            let path = path_of(&position.path);
            let mut stream = Stream::known_at(position, path);
            if saved.settled.contains(&stream.id) {
                stream.closed = true;
                self.settled.insert(stream.id);
            }
            self.streams.insert(stream.id, stream);
        }
        let mut unsaved: BTreeSet<StreamId> = self.streams.keys().copied().collect();
        saved.streams.iter().for_each(|saved| _ = unsaved.remove(&saved.stream));
        for saved in saved.streams {
            self.merge(saved);
        }
        for (identity, epoch) in saved.epochs {
            let known = self.epochs.entry(identity).or_default();
            *known = (*known).max(epoch);
        }
        self.spent.extend(saved.spent.into_iter().map(|SavedFile { file, size }| (file, size)));
        for (path, since) in saved.chains {
            let since = since.saturating_sub(1_000_000_000);
            self.chains.insert(path_of(&path), Chain { since, ..Chain::default() });
        }
        self.guess_latest(&unsaved);
        for stream in self.streams.values() {
            let epoch = self.epochs.entry(stream.origin).or_default();
            *epoch = (*epoch).max(stream.epoch);
            self.lived.entry(stream.lives_in).or_default().insert(stream.id);
            if stream.told {
                let birth = self.births.entry(stream.source_name.clone()).or_default();
                *birth = (*birth).max(stream.origin.birth);
            }
        }
        let places: Vec<&Place> = self.sources.iter().map(|spec| &spec.place).collect();
        for stream in self.streams.values_mut() {
            stream.source = source_of(&places, stream);
            self.seeking.insert(stream.id);
        }
    }

    /// Where the checkpoint does not know a stream, and its file was born last of its source, it is taken for the last.
    fn guess_latest(&mut self, unsaved: &BTreeSet<StreamId>) {
        let mut last: HashMap<String, (i64, u64, StreamId)> = HashMap::new();
        for stream in self.streams.values() {
            let age = (stream.origin.birth, stream.epoch, stream.id);
            let known = last.entry(stream.source_name.clone()).or_insert(age);
            *known = (*known).max(age);
        }
        for (_, _, id) in last.into_values().filter(|(_, _, id)| unsaved.contains(id)) {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.latest = true;
            }
        }
    }

    /// Adds what only the checkpoint knows; the collector's watermark stands.
    fn merge(&mut self, saved: SavedStream) {
        let SavedStream {
            stream: id,
            origin,
            lives_in,
            epoch,
            source,
            path,
            w,
            guard: _,
            size,
            closed,
            latest,
            growing,
            marks_from,
            marks,
        } = saved;
        let stream = self.streams.entry(id).or_insert_with(|| {
            // Durable here and unknown there: it was never stored, or the collector has lost it.
            let mut stream = Stream::new(id, origin, epoch, source, path_of(&path));
            stream.durable = Durable::Yes;
            stream.home = Home::Seeking(Seeking { why: Why::Down, listing: 0 });
            stream
        });
        stream.lives_in = lives_in;
        stream.size = stream.size.max(size);
        stream.closed |= closed && w >= stream.w && stream.told;
        (stream.latest, stream.growing) = (latest, growing);
        if w > stream.w {
            stream.rewound = Some(w);
        }
        if marks_from == stream.marks_from {
            let own = stream.marks.back().map_or(0, |(at, _)| *at);
            let older: Vec<(u64, u32)> = marks.into_iter().filter(|(at, _)| *at < own).collect();
            older.into_iter().rev().for_each(|mark| stream.marks.push_front(mark));
        }
    }
}

/// Without generation and birth an inode number comes again: then its epochs tell its files apart.
fn comes_again(identity: &FileIdentity) -> bool {
    identity.generation == 0 && identity.birth == 0
}

/// The source that names the stream's path, under whatever name; none where the config names it no more.
fn source_of(places: &[&Place], stream: &Stream) -> Option<usize> {
    let own = |place: &Place| {
        let rest = stream.source_name.strip_prefix(place.name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let naming = places.iter().filter(|place| place.names(&stream.path));
    naming.max_by_key(|place| (own(place), std::cmp::Reverse(place.source))).map(|place| place.source)
}

fn path_of(bytes: &[u8]) -> PathBuf {
    Path::new(&OsString::from_vec(bytes.to_vec())).to_path_buf()
}
