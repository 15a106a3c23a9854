//! What is known when the agent starts: what the collector has, and what the checkpoint adds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use record::id::StreamId;
use record::wire::{FileIdentity, Position};

use super::Follow;
use super::saved::{Saved, SavedStream};
use crate::place::SourceId;
use crate::place::{Place, possible_chains};
use crate::stream::{Identity, Stream};

type Known = BTreeMap<StreamId, Stream>;

impl Follow {
    pub(super) fn recovered(&mut self, positions: Vec<Position>, sources: Vec<String>, saved: Saved) {
        self.recovered = true;
        self.judging.ask();
        self.checkpoints.start_at(saved.number);
        self.checkpoints.none_before = saved == Saved::default();
        for source in sources {
            self.streams.note_source(source);
        }
        let mut settled: HashMap<StreamId, (FileIdentity, u64)> = HashMap::new();
        for (id, file, epoch) in saved.settled {
            self.streams.note_settled(id, file, epoch);
            settled.insert(id, (file, epoch));
        }
        let mut known = Known::new();
        for position in positions {
            let path = path_of(&position.path);
            let mut stream = Stream::known_at(position, path);
            // The collector was set back to before it heard that.
            if let Some((file, _)) = settled.get(&stream.id) {
                stream.state.expect_nothing();
                stream.identity.lives_in = *file;
            }
            known.insert(stream.id, stream);
        }
        let mut unsaved: BTreeSet<StreamId> = known.keys().copied().collect();
        for saved in saved.streams {
            unsaved.remove(&saved.stream);
            merge(&mut known, saved);
        }
        for (file, epoch) in saved.epochs {
            self.streams.raise_epoch(file, epoch);
        }
        self.files.recover(saved.ignored);
        for path in saved.chains {
            self.chains.note_known(path_of(&path));
        }
        guess_latest(&mut known, &unsaved);
        let places: Vec<&Place> = self.sources.places().collect();
        for mut stream in known.into_values() {
            stream.identity.source = source_of(&places, &stream.identity);
            for chain in possible_chains(&stream.identity.path) {
                self.chains.note_known(chain);
            }
            self.streams.add_known(stream);
        }
    }
}

/// Adds what only the checkpoint knows; the collector's watermark stands.
fn merge(known: &mut Known, saved: SavedStream) {
    let stream = known.entry(saved.stream).or_insert_with(|| {
        // Durable here and unknown there: it was never stored, or the collector has lost it.
        let identity = Identity {
            origin: saved.origin,
            lives_in: saved.lives_in,
            epoch: saved.epoch,
            source: None,
            source_name: saved.source,
            path: path_of(&saved.path),
            predecessor: None,
        };
        Stream::of_earlier_run(saved.stream, identity)
    });
    (stream.identity.lives_in, stream.rank) = (saved.lives_in, saved.rank);
    stream.sight.size = stream.sight.size.max(saved.size);
    if saved.closed && saved.w >= stream.committed.w() && stream.committed.is_known() {
        stream.state.expect_nothing();
    }
    (stream.stopped.latest, stream.stopped.growing) = (saved.latest, saved.growing);
    stream.committed.was_at(saved.w);
    stream.marks.add_older(saved.marks_from, saved.marks);
}

/// Where the checkpoint does not know a stream, and its file was born last of its source, it is taken for the last.
fn guess_latest(known: &mut Known, unsaved: &BTreeSet<StreamId>) {
    let mut last: HashMap<String, (i64, u64, StreamId)> = HashMap::new();
    for stream in known.values() {
        let age = (stream.identity.origin.birth, stream.identity.epoch, stream.id);
        let youngest = last.entry(stream.identity.source_name.clone()).or_insert(age);
        *youngest = (*youngest).max(age);
    }
    for (_, _, id) in last.into_values().filter(|(_, _, id)| unsaved.contains(id)) {
        if let Some(stream) = known.get_mut(&id) {
            stream.stopped.latest = true;
        }
    }
}

/// The source that names the stream's path, under whatever name; none where the config names it no more.
fn source_of(places: &[&Place], stream: &Identity) -> Option<SourceId> {
    let own = |place: &Place| {
        let rest = stream.source_name.strip_prefix(place.name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let naming = places.iter().filter(|place| place.names(&stream.path));
    naming.max_by_key(|place| (own(place), Reverse(place.source))).map(|place| place.source)
}

pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}
