//! The files that are there: by number, and by what a path alone tells of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use record::id::StreamId;
use record::wire::FileIdentity;

use super::file::File;
use super::saved::SavedFile;
use crate::content::InodeId;
use crate::stream::FileKey;

/// Invariants: a number is given once; of two files with one inode, which have come after each other, the later is found.
#[derive(Debug, Default)]
pub(super) struct Files {
    by_key: BTreeMap<FileKey, File>,
    by_inode: HashMap<InodeId, FileKey>,
    last: FileKey,
    /// Files that brought nothing, with their size then; true are those that were only too old.
    ignored: HashMap<FileIdentity, (u64, bool)>,
    /// Those of them that bring nothing because this stream holds their bytes up to here.
    copies: HashMap<FileIdentity, (StreamId, u64)>,
}

impl Files {
    pub fn add(&mut self, file: File) -> FileKey {
        self.last += 1;
        self.by_inode.insert(file.inode, self.last);
        self.by_key.insert(self.last, file);
        self.last
    }

    pub fn remove(&mut self, key: FileKey) -> Option<File> {
        let file = self.by_key.remove(&key)?;
        if self.by_inode.get(&file.inode) == Some(&key) {
            self.by_inode.remove(&file.inode);
        }
        Some(file)
    }

    pub fn get(&self, key: FileKey) -> Option<&File> {
        self.by_key.get(&key)
    }

    pub fn get_mut(&mut self, key: FileKey) -> Option<&mut File> {
        self.by_key.get_mut(&key)
    }

    pub fn at(&self, inode: InodeId) -> Option<FileKey> {
        self.by_inode.get(&inode).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (FileKey, &File)> {
        self.by_key.iter().map(|(key, file)| (*key, file))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (FileKey, &mut File)> {
        self.by_key.iter_mut().map(|(key, file)| (*key, file))
    }

    pub fn values(&self) -> impl Iterator<Item = &File> {
        self.by_key.values()
    }

    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// The file brings nothing as long as it has this size; `old` says that it is only a rotation from before.
    pub fn ignore(&mut self, identity: FileIdentity, size: u64, old: bool) {
        let was_old = self.ignored.get(&identity) == Some(&(size, true));
        self.ignored.insert(identity, (size, old || was_old));
    }

    /// The file brings nothing, for this stream holds its bytes.
    pub fn ignore_copy(&mut self, identity: FileIdentity, size: u64, stream: StreamId) {
        self.copies.insert(identity, (stream, size));
    }

    /// What was only too old is read once a source names it.
    pub fn is_ignored(&self, identity: FileIdentity, size: u64, named: bool) -> bool {
        self.ignored.get(&identity).is_some_and(|(then, old)| *then == size && !(*old && named))
    }

    pub fn recover(&mut self, ignored: Vec<SavedFile>) {
        self.ignored.extend(ignored.into_iter().map(|SavedFile { file, size, old }| (file, (size, old))));
    }

    /// What is to be kept of ignored files. As long as a stream is not committed up to the end of its copy, the copy may still
    /// bring something to the next agent.
    pub fn saved(&self, is_committed: impl Fn(StreamId, u64) -> bool) -> Vec<SavedFile> {
        let is_sure = |file: &FileIdentity| self.copies.get(file).is_none_or(|(stream, to)| is_committed(*stream, *to));
        let sure = self.ignored.iter().filter(|(file, _)| is_sure(file));
        sure.map(|(file, (size, old))| SavedFile { file: *file, size: *size, old: *old }).collect()
    }

    /// Forgets ignored files that are gone. A listed file may not be opened yet, and a disk not mounted: gives what tells
    /// whether a file may come again.
    pub fn forget_ignored(&mut self) -> impl Fn(&FileIdentity) -> bool + use<> {
        let inodes: HashSet<u64> = self.values().map(|file| file.inode.number).collect();
        let identities = self.values().filter_map(|file| file.identity);
        let devices: HashSet<u64> = identities.map(|identity| identity.device).collect();
        let may_come = move |file: &FileIdentity| inodes.contains(&file.inode) || !devices.contains(&file.device);
        self.ignored.retain(|file, _| may_come(file));
        self.copies.retain(|file, _| may_come(file));
        may_come
    }
}
