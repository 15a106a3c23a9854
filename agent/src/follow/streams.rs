//! The streams: by id, by the files they were in, and by the epochs of those.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use indexmap::IndexMap;
use record::id::StreamId;
use record::wire::FileIdentity;

use crate::discover::Lived;
use crate::stream::{Search, Stream};

/// Settled streams that are remembered, for files that come back.
pub(super) const SETTLED: usize = if cfg!(test) { 3 } else { 1000 };

/// Invariants: `seeking` are those whose state is `Seeking`; each stream is among those that lived in its file; no epoch of
/// an inode is given twice.
#[derive(Debug, Default)]
pub(super) struct Streams {
    by_id: BTreeMap<StreamId, Stream>,
    seeking: BTreeSet<StreamId>,
    /// Streams by the files they were ever in.
    lived: HashMap<FileIdentity, BTreeSet<StreamId>>,
    /// The highest epoch of each inode.
    epochs: HashMap<FileIdentity, u64>,
    /// The last rank that was given.
    last_rank: u64,
    /// Sources the collector knew at the start.
    knew: HashSet<String>,
    /// Streams whose file is gone and of which nothing is missing, with that file and the stream's epoch. The collector
    /// knows. In the order in which they were settled; the first are forgotten where there are many.
    settled: IndexMap<StreamId, (FileIdentity, u64)>,
    /// The youngest of these for each file: it may come back.
    settled_in: HashMap<FileIdentity, StreamId>,
}

impl Streams {
    pub fn get(&self, id: StreamId) -> Option<&Stream> {
        self.by_id.get(&id)
    }

    pub fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.by_id.get_mut(&id)
    }

    pub fn values(&self) -> impl Iterator<Item = &Stream> {
        self.by_id.values()
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.by_id.values_mut()
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn add(&mut self, stream: Stream) {
        if stream.state.is_seeking() {
            self.seeking.insert(stream.id);
        }
        self.lived.entry(stream.identity.lives_in).or_default().insert(stream.id);
        self.by_id.insert(stream.id, stream);
    }

    /// A stream that the checkpoint or the collector knows: its epoch is used, and what it was born of is not new.
    pub fn add_known(&mut self, stream: Stream) {
        let identity = &stream.identity;
        self.raise_epoch(identity.origin, identity.epoch);
        self.last_rank = self.last_rank.max(stream.rank.unwrap_or(0));
        if stream.committed.is_known() {
            self.knew.insert(identity.source_name.clone());
        }
        self.add(stream);
    }

    /// A stream is written to, under its log's own name: the others of the log were before it.
    pub fn rank(&mut self, id: StreamId) {
        if let Some(stream) = self.by_id.get_mut(&id).filter(|stream| stream.rank.is_none()) {
            self.last_rank += 1;
            stream.rank = Some(self.last_rank);
        }
    }

    pub fn seek(&mut self, id: StreamId, search: Search) {
        if let Some(stream) = self.by_id.get_mut(&id) {
            stream.state.seek(search);
            self.seeking.insert(id);
        }
    }

    pub fn seeking(&self) -> impl Iterator<Item = &Stream> {
        self.seeking.iter().filter_map(|id| self.by_id.get(id))
    }

    /// The search for a stream is over: its state is another now.
    pub fn sought(&mut self, id: StreamId) {
        self.seeking.remove(&id);
    }

    /// A stream goes on in this file.
    pub fn lives_in(&mut self, id: StreamId, file: FileIdentity) {
        if let Some(stream) = self.by_id.get_mut(&id) {
            stream.identity.lives_in = file;
            self.lived.entry(file).or_default().insert(id);
        }
    }

    /// The youngest stream that lived in this file, and is in no file now.
    pub fn last_in(&self, file: FileIdentity) -> Option<StreamId> {
        let ids = self.lived.get(&file).into_iter().flatten();
        let lived = ids.filter_map(|id| self.by_id.get(id));
        let lived = lived.filter(|stream| stream.identity.lives_in == file && stream.file().is_none());
        let youngest = lived.filter(|stream| {
            let (origin, epoch) = (stream.identity.origin, stream.identity.epoch);
            self.epochs.get(&origin).is_none_or(|last| epoch >= *last || origin != file)
        });
        youngest.max_by_key(|stream| stream.identity.epoch).map(|stream| stream.id)
    }

    /// Where the streams are, for names that leave open of which log a file is.
    pub fn lived(&self) -> Vec<Lived> {
        let identities = self.by_id.values().map(|stream| &stream.identity);
        let lived = identities.map(|identity| {
            let FileIdentity { inode, birth, .. } = identity.lives_in;
            Lived { inode, birth, path: identity.path.clone() }
        });
        lived.collect()
    }

    pub fn next_epoch(&mut self, file: FileIdentity) -> u64 {
        let next = self.epochs.get(&file).map_or(0, |epoch| epoch + 1);
        self.epochs.insert(file, next);
        next
    }

    /// This epoch of the file was used.
    pub fn raise_epoch(&mut self, file: FileIdentity, epoch: u64) {
        let known = self.epochs.entry(file).or_default();
        *known = (*known).max(epoch);
    }

    /// The epochs that must be known after a restart.
    pub fn epochs(&self) -> Vec<(FileIdentity, u64)> {
        let counts = |(file, epoch): &(&FileIdentity, &u64)| **epoch > 0 || comes_again(file);
        self.epochs.iter().filter(counts).map(|(file, epoch)| (*file, *epoch)).collect()
    }

    /// Forgets the epochs of files that are gone.
    pub fn forget_epochs(&mut self, may_come: impl Fn(&FileIdentity) -> bool) {
        let lived = &self.lived;
        self.epochs.retain(|file, _| may_come(file) || lived.contains_key(file) || comes_again(file));
    }

    /// The collector knows this source at the start.
    pub fn note_source(&mut self, source_name: String) {
        self.knew.insert(source_name);
    }

    /// The collector knew this source at the start.
    pub fn knew(&self, source_name: &str) -> bool {
        self.knew.contains(source_name)
    }

    /// The last streams that were settled: what a checkpoint keeps of them.
    pub fn settled(&self) -> Vec<(StreamId, FileIdentity, u64)> {
        self.settled.iter().map(|(id, (file, epoch))| (*id, *file, *epoch)).collect()
    }

    pub fn note_settled(&mut self, id: StreamId, file: FileIdentity, epoch: u64) {
        let epoch_of = |id: &StreamId| self.settled.get(id).map_or(0, |(_, epoch)| *epoch);
        if self.settled_in.get(&file).is_none_or(|known| epoch_of(known) <= epoch) {
            self.settled_in.insert(file, id);
        }
        self.settled.insert(id, (file, epoch));
        if self.settled.len() > SETTLED
            && let Some((oldest, (file, _))) = self.settled.get_index(0).map(|(id, file)| (*id, *file))
        {
            self.unsettle(oldest);
            // A file that comes back all the same begins anew, as the stream it was: then the collector says how far it was read.
            if !self.lived.contains_key(&file) && !comes_again(&file) {
                self.epochs.remove(&file);
            }
        }
    }

    /// A stream that was done with is followed again: what is missing of it from now on counts.
    pub fn unsettle(&mut self, id: StreamId) {
        if let Some((file, _)) = self.settled.shift_remove(&id)
            && self.settled_in.get(&file) == Some(&id)
        {
            self.settled_in.remove(&file);
        }
    }

    /// The stream that was in this file to its end, when the file was last there.
    pub fn settled_in(&self, file: FileIdentity) -> Option<StreamId> {
        self.settled_in.get(&file).copied().filter(|id| !self.by_id.contains_key(id))
    }

    /// Removes a stream of which nothing is missing.
    pub fn settle(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.by_id.remove(&id)?;
        for file in [stream.identity.origin, stream.identity.lives_in] {
            if let Some(lived) = self.lived.get_mut(&file) {
                lived.remove(&id);
                if lived.is_empty() {
                    self.lived.remove(&file);
                }
            }
        }
        self.note_settled(id, stream.identity.lives_in, stream.identity.epoch);
        Some(stream)
    }
}

/// Without generation and birth an inode number comes again: then its epochs tell its files apart.
fn comes_again(identity: &FileIdentity) -> bool {
    identity.generation == 0 && identity.birth == 0
}
