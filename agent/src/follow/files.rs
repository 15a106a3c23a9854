//! The files that are there: by number, and by what a path alone tells of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use record::wire::FileIdentity;

use super::file::File;
use super::saved::SavedFile;
use crate::content::Spot;
use crate::stream::FileKey;

/// Invariants: a number is given once; of two files with one spot, which have come after each other, the later is found.
#[derive(Debug, Default)]
pub(super) struct Files {
    files: BTreeMap<FileKey, File>,
    spots: HashMap<Spot, FileKey>,
    last: FileKey,
    /// Files that brought nothing, with their size then.
    ignored: HashMap<FileIdentity, u64>,
}

impl Files {
    pub fn add(&mut self, file: File) -> FileKey {
        self.last += 1;
        self.spots.insert(file.spot, self.last);
        self.files.insert(self.last, file);
        self.last
    }

    pub fn remove(&mut self, key: FileKey) -> Option<File> {
        let file = self.files.remove(&key)?;
        if self.spots.get(&file.spot) == Some(&key) {
            self.spots.remove(&file.spot);
        }
        Some(file)
    }

    pub fn get(&self, key: FileKey) -> Option<&File> {
        self.files.get(&key)
    }

    pub fn get_mut(&mut self, key: FileKey) -> Option<&mut File> {
        self.files.get_mut(&key)
    }

    pub fn at(&self, spot: Spot) -> Option<FileKey> {
        self.spots.get(&spot).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (FileKey, &File)> {
        self.files.iter().map(|(key, file)| (*key, file))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (FileKey, &mut File)> {
        self.files.iter_mut().map(|(key, file)| (*key, file))
    }

    pub fn values(&self) -> impl Iterator<Item = &File> {
        self.files.values()
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// The file brings nothing as long as it has this size.
    pub fn ignore(&mut self, identity: FileIdentity, size: u64) {
        self.ignored.insert(identity, size);
    }

    pub fn is_ignored(&self, identity: FileIdentity, size: u64) -> bool {
        self.ignored.get(&identity) == Some(&size)
    }

    pub fn recover(&mut self, ignored: Vec<SavedFile>) {
        self.ignored.extend(ignored.into_iter().map(|SavedFile { file, size }| (file, size)));
    }

    pub fn saved(&self) -> Vec<SavedFile> {
        self.ignored.iter().map(|(file, size)| SavedFile { file: *file, size: *size }).collect()
    }

    /// Forgets ignored files that are gone. A listed file may not be opened yet, and a disk not mounted: gives what tells
    /// whether a file may come again.
    pub fn forget_ignored(&mut self) -> impl Fn(&FileIdentity) -> bool + use<> {
        let inodes: HashSet<u64> = self.values().map(|file| file.spot.inode).collect();
        let identities = self.values().filter_map(|file| file.identity);
        let devices: HashSet<u64> = identities.map(|identity| identity.device).collect();
        let may_come = move |file: &FileIdentity| inodes.contains(&file.inode) || !devices.contains(&file.device);
        self.ignored.retain(|file, _| may_come(file));
        may_come
    }
}
