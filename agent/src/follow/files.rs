//! The files that are there: by number, and by what a path alone tells of them.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use foldhash::HashMap;
use record::id::StreamId;
use record::wire::FileIdentity;

use super::file::File;
use super::saved::SavedFile;
use crate::content::InodeId;
use crate::stream::{FileKey, Stream};

/// Invariants: a number is given once; of two files with one inode or one path, which have come after each other, the later is
/// found.
#[derive(Debug, Default)]
pub(super) struct Files {
    by_key: BTreeMap<FileKey, File>,
    by_inode: HashMap<InodeId, FileKey>,
    by_path: HashMap<PathBuf, FileKey>,
    last: FileKey,
    ignored: HashMap<FileIdentity, Ignored>,
}

/// A file that brings nothing as long as it has this size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ignored {
    size: u64,
    because: Because,
}

/// Why a file brings nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Because {
    /// All its bytes were read.
    Known,
    /// This stream holds its bytes.
    CopyOf(StreamId),
    /// It was rotated before its log was first followed.
    Old,
}

impl Files {
    pub fn add(&mut self, file: File) -> FileKey {
        self.last += 1;
        self.by_inode.insert(file.inode, self.last);
        self.by_path.insert(file.path.clone(), self.last);
        self.by_key.insert(self.last, file);
        self.last
    }

    pub fn remove(&mut self, key: FileKey) -> Option<File> {
        let file = self.by_key.remove(&key)?;
        if self.by_inode.get(&file.inode) == Some(&key) {
            self.by_inode.remove(&file.inode);
        }
        self.no_more_at(key, &file.path);
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

    /// The log that a stream is of: where its file stands now, or where the stream was last seen.
    pub fn log_of<'a>(&'a self, stream: &'a Stream) -> &'a Path {
        let file = stream.file().and_then(|key| self.get(key));
        file.map_or(&stream.identity.path, |file| &file.chain)
    }

    /// The file that was last seen to have this path.
    pub fn by_path(&self, path: &Path) -> Option<FileKey> {
        self.by_path.get(path).copied()
    }

    /// A file has another path than before; gives that.
    pub fn renamed(&mut self, key: FileKey, to: PathBuf) -> Option<PathBuf> {
        let before = std::mem::replace(&mut self.by_key.get_mut(&key)?.path, to.clone());
        self.no_more_at(key, &before);
        self.by_path.insert(to, key);
        Some(before)
    }

    fn no_more_at(&mut self, key: FileKey, path: &Path) {
        if self.by_path.get(path) == Some(&key) {
            self.by_path.remove(path);
        }
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

    /// The file brings nothing as long as it has this size.
    pub fn ignore(&mut self, identity: FileIdentity, size: u64, because: Because) {
        self.ignored.insert(identity, Ignored { size, because });
    }

    /// Whether a file of this size brings nothing, and why. What was only too old is read once a source names it.
    pub fn ignored(&self, identity: FileIdentity, size: u64, named: bool) -> Option<Because> {
        let ignored = self.ignored.get(&identity).filter(|ignored| ignored.size == size)?;
        Some(ignored.because).filter(|because| !(named && *because == Because::Old))
    }

    pub fn recover(&mut self, ignored: Vec<SavedFile>) {
        for SavedFile { file, size, old } in ignored {
            self.ignore(file, size, if old { Because::Old } else { Because::Known });
        }
    }

    /// What is to be kept of ignored files. As long as a stream is not committed up to the end of its copy, the copy may still
    /// bring something to the next agent.
    pub fn saved(&self, is_committed: impl Fn(StreamId, u64) -> bool) -> Vec<SavedFile> {
        let is_sure = |ignored: &Ignored| match ignored.because {
            Because::CopyOf(stream) => is_committed(stream, ignored.size),
            Because::Known | Because::Old => true,
        };
        let sure = self.ignored.iter().filter(|(_, ignored)| is_sure(ignored));
        sure.map(|(file, Ignored { size, because })| SavedFile {
            file: *file,
            size: *size,
            old: *because == Because::Old,
        })
        .collect()
    }

    /// Forgets ignored files that are gone. A listed file may not be opened yet, and a disk not mounted: gives what tells
    /// whether a file may come again.
    pub fn forget_ignored(&mut self) -> impl Fn(&FileIdentity) -> bool + use<> {
        let inodes: HashSet<u64> = self.values().map(|file| file.inode.number).collect();
        let identities = self.values().filter_map(|file| file.identity);
        let devices: HashSet<u64> = identities.map(|identity| identity.device).collect();
        let may_come = move |file: &FileIdentity| inodes.contains(&file.inode) || !devices.contains(&file.device);
        self.ignored.retain(|file, _| may_come(file));
        may_come
    }
}
