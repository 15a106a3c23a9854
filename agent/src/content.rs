//! The bytes of a file, its identity and its size: what following needs of the operating system.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use record::wire::FileIdentity;
use rustix::fs::{OFlags, SeekFrom, Statx, StatxFlags, StatxTimestamp, fstatvfs, makedev, seek};

use crate::generation::generation;

/// Bytes of a file. Implemented by open files and by the in-memory file system of the model test.
pub trait Content {
    fn stat(&self) -> io::Result<Stat>;
    /// Like `pread`: may be short.
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize>;
    /// The first byte at or after `at` that is not in a hole; the size where there is none.
    fn data_from(&self, at: u64) -> io::Result<u64>;

    /// Fills `buf` up to the end of the file.
    fn fill(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let mut have = 0;
        while have < buf.len() {
            match self.read_at(&mut buf[have..], at + have as u64) {
                Ok(0) => break,
                Ok(more) => have += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(have)
    }
}

/// What `fstat` says, as far as it matters. Times are nanoseconds since 1970 and only compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stat {
    pub size: u64,
    pub mtime: i64,
    pub ctime: i64,
    pub links: u64,
}

/// What a path alone tells of an inode. While its file is held open, no other file has the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct InodeId {
    pub device: u64,
    pub number: u64,
    pub birth: i64,
}

impl Stat {
    pub fn of(meta: &Metadata) -> Self {
        Self {
            size: meta.size(),
            mtime: meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec()),
            ctime: meta.ctime().saturating_mul(1_000_000_000).saturating_add(meta.ctime_nsec()),
            links: meta.nlink(),
        }
    }

    pub fn of_statx(stat: &Statx) -> Self {
        let (mtime, ctime) = (nanoseconds(stat.stx_mtime), nanoseconds(stat.stx_ctime));
        Self { size: stat.stx_size, mtime, ctime, links: stat.stx_nlink.into() }
    }
}

impl InodeId {
    pub fn of(meta: &Metadata) -> Self {
        Self { device: meta.dev(), number: meta.ino(), birth: birth(meta) }
    }

    pub fn of_statx(stat: &Statx) -> Self {
        let has_birth = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
        // As `birth` has it: none before 1970.
        let birth = Some(nanoseconds(stat.stx_btime)).filter(|birth| has_birth && *birth > 0);
        let device = makedev(stat.stx_dev_major, stat.stx_dev_minor);
        Self { device, number: stat.stx_ino, birth: birth.unwrap_or(0) }
    }
}

impl Content for File {
    fn stat(&self) -> io::Result<Stat> {
        self.metadata().map(|meta| Stat::of(&meta))
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        FileExt::read_at(self, buf, at)
    }

    fn data_from(&self, at: u64) -> io::Result<u64> {
        match seek(self, SeekFrom::Data(at)) {
            Ok(offset) => Ok(offset),
            // No data after `at`, or a file system that does not know holes.
            Err(rustix::io::Errno::NXIO) => Ok(self.metadata()?.size()),
            Err(_) => Ok(at),
        }
    }
}

/// An open file, in whatever form its bytes are stored. Offsets are those of a log's own bytes.
#[derive(Clone, Debug)]
pub enum Handle {
    Plain(Arc<File>),
}

impl Content for Handle {
    fn stat(&self) -> io::Result<Stat> {
        match self {
            Self::Plain(file) => file.stat(),
        }
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        match self {
            Self::Plain(file) => Content::read_at(&**file, buf, at),
        }
    }

    fn data_from(&self, at: u64) -> io::Result<u64> {
        match self {
            Self::Plain(file) => file.data_from(at),
        }
    }
}

/// Opens a regular file for reading; never blocks, not even on a FIFO that took its place.
pub fn open(path: &Path) -> io::Result<(Handle, FileIdentity, InodeId, Stat)> {
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    // `st_dev` may change with a reboot; the id of the file system does not.
    let device = fstatvfs(&file).map(|system| system.f_fsid).ok().filter(|id| *id != 0).unwrap_or(meta.dev());
    let identity =
        FileIdentity { device, inode: meta.ino(), generation: generation(&file), birth: birth(&meta).div_euclid(1000) };
    Ok((Handle::Plain(Arc::new(file)), identity, InodeId::of(&meta), Stat::of(&meta)))
}

fn nanoseconds(time: StatxTimestamp) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec.into())
}

/// Nanoseconds since 1970, or 0 where the file system has no birth time.
fn birth(meta: &Metadata) -> i64 {
    let since = meta.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_skipped_up_to_the_first_data_byte() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let file = File::create(&path).unwrap();
        file.write_all_at(b"data", 1 << 20).unwrap();
        let (open, _, _, stat) = open(&path).unwrap();
        assert_eq!(stat.size, (1 << 20) + 4);
        let first = open.data_from(0).unwrap();
        assert!(first == 1 << 20 || first == 0, "{first}");
    }

    #[test]
    fn a_fifo_is_refused_and_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo.log");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
        assert_eq!(open(&path).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(open(dir.path()).is_err());
    }

    #[test]
    fn a_file_is_another_one_after_delete_and_create() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        std::fs::write(&path, "x").unwrap();
        let (_, first, ..) = open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "x").unwrap();
        let (_, second, ..) = open(&path).unwrap();
        assert_ne!(first, second);
    }
}
