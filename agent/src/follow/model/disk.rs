//! Files in memory, and the directory they are in.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use record::wire::FileIdentity;

use super::{ACTIVE, OTHER};
use crate::content::{Content, InodeId, Stat};
use crate::discover::{Entry, Holds, Listing, Scope};
use crate::hints::Hints;
use crate::logname::log_names;
use crate::place::SourceId;

#[derive(Debug)]
pub struct Inode {
    pub identity: FileIdentity,
    pub data: Vec<u8>,
    pub links: u64,
    pub mtime: i64,
    pub ctime: i64,
    /// Reads fail.
    pub broken: bool,
    /// Bytes that were ever read of it.
    pub read: Cell<usize>,
}

#[derive(Clone)]
pub struct Memory(pub Rc<RefCell<Inode>>);

/// One directory.
pub struct Disk {
    pub names: BTreeMap<String, Memory>,
    /// Nobody sees the directory now, but for those who have files of it open.
    pub away: bool,
    inodes: u64,
    /// The source names rotations too, as a directory or a pattern does.
    all_named: bool,
    /// The directory is watched: what happens raises hints, which the agent has not taken yet.
    pub watched: bool,
    pub hints: Hints,
}

impl Disk {
    pub fn new(all_named: bool) -> Self {
        Self { names: BTreeMap::new(), away: false, inodes: 0, all_named, watched: false, hints: Hints::default() }
    }

    pub fn make(&mut self, data: Vec<u8>, wall: i64) -> Memory {
        self.inodes += 1;
        let identity = FileIdentity { device: 1, inode: self.inodes, generation: self.inodes, birth: wall };
        let now = wall * 1000;
        Memory(Rc::new(RefCell::new(Inode {
            identity,
            data,
            links: 1,
            mtime: now,
            ctime: now,
            broken: false,
            read: Cell::new(0),
        })))
    }

    pub fn rename(&mut self, from: &str, to: &str, wall: i64) {
        if let Some(file) = self.names.remove(from) {
            file.0.borrow_mut().ctime = wall * 1000;
            self.names.insert(to.into(), file);
            self.hint_names();
        }
    }

    /// A name came, went or changed.
    pub fn hint_names(&mut self) {
        if self.watched {
            self.hints.directories.insert("/log".into());
        }
    }

    /// A watch begins: what came before it raised no hint.
    pub fn watch(&mut self, on: bool) {
        (self.watched, self.hints) = (on, Hints::default());
        self.hint_names();
    }

    /// A file was written to, or truncated: a hint comes by the name it has now, if it has one.
    pub fn hint_written(&mut self, file: &Memory) {
        let names = self.names.iter().filter(|_| self.watched && !self.away);
        let name = names.into_iter().find(|(_, named)| Rc::ptr_eq(&named.0, &file.0)).map(|(name, _)| name);
        self.hints.files.extend(name.map(|name| PathBuf::from(format!("/log/{name}"))));
    }

    /// Makes room at `.1` of a log.
    pub fn shift(&mut self, log: &str, wall: i64) {
        let old = self.names.keys().filter_map(|name| name.strip_prefix(log)?.strip_prefix('.')?.parse().ok());
        let mut numbers: Vec<u64> = old.collect();
        numbers.sort_unstable();
        for number in numbers.into_iter().rev() {
            self.rename(&format!("{log}.{number}"), &format!("{log}.{}", number + 1), wall);
        }
    }

    pub fn at(&self, path: &Path) -> Option<Memory> {
        self.names.get(path.to_str()?.trim_start_matches("/log/")).filter(|_| !self.away).cloned()
    }

    /// What a look at the directory brings, if it is in the scope.
    pub fn listing(&self, scope: Scope) -> Listing {
        if self.away || !scope.covers(Path::new("/log/app.log")) {
            return Listing { scope, ..Listing::default() };
        }
        let names: Vec<Vec<u8>> = self.names.keys().map(|name| name.as_bytes().to_vec()).collect();
        let entries = self
            .names
            .iter()
            .zip(log_names(&names, &[ACTIVE, OTHER].map(|log| log.as_bytes().to_vec())))
            .map(|((path, file), read)| {
                let (source, source_name, log) =
                    if path.starts_with(OTHER) { (SourceId(1), "web", OTHER) } else { (SourceId(0), "app", ACTIVE) };
                Entry {
                    path: PathBuf::from(format!("/log/{path}")),
                    source,
                    source_name: source_name.into(),
                    named: self.all_named || path == log,
                    chain: PathBuf::from(format!("/log/{log}")),
                    name: read.name,
                    inode: inode_of(file.0.borrow().identity),
                    stat: file.stat().unwrap(),
                    link: false,
                }
            });
        let mut entries: Vec<Entry> = entries.collect();
        entries.sort_by(|a, b| {
            let key = |entry: &Entry| (entry.chain.clone(), entry.name.is_plain(), entry.stat.mtime);
            key(a).cmp(&key(b)).then_with(|| a.name.age(&b.name))
        });
        let directories = BTreeMap::from([(PathBuf::from("/log"), Holds::Files)]);
        Listing { scope, entries, directories, ..Listing::default() }
    }
}

impl Memory {
    pub fn holds(&self, bytes: &[u8]) -> bool {
        self.0.borrow().data.windows(bytes.len()).any(|window| window == bytes)
    }
}

impl Content for Memory {
    fn stat(&self) -> io::Result<Stat> {
        let inode = self.0.borrow();
        Ok(Stat { size: inode.data.len() as u64, mtime: inode.mtime, ctime: inode.ctime, links: inode.links })
    }
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let inode = self.0.borrow();
        if inode.broken {
            return Err(io::Error::from_raw_os_error(5));
        }
        let from = inode.data.get(at as usize..).unwrap_or_default();
        let have = from.len().min(buf.len());
        inode.read.set(inode.read.get() + have);
        buf[..have].copy_from_slice(&from[..have]);
        Ok(have)
    }
    fn data_from(&self, at: u64) -> io::Result<u64> {
        Ok(at)
    }
}

pub fn inode_of(identity: FileIdentity) -> InodeId {
    InodeId { device: identity.device, number: identity.inode, birth: identity.birth }
}
