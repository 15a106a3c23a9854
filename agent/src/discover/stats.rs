//! What stands under the names of one directory.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, StatxFlags, openat, statx};

use crate::content::{InodeId, Stat};
use crate::place::beside;

/// From so many files on it pays to open their directory.
const MANY: usize = 4;

/// What stands under a name; links are followed.
#[derive(Debug)]
pub(super) enum There {
    File(InodeId, Stat),
    /// What else it is, in words.
    Other(&'static str),
    Gone,
    Fault(io::Error),
}

/// Looks at files of one directory. From an opened one the path to it is walked once, and not for each file.
pub(super) struct Stats<'a> {
    directory: &'a Path,
    opened: Option<OwnedFd>,
}

impl<'a> Stats<'a> {
    pub fn new(directory: &'a Path, files: usize) -> Self {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = (files >= MANY).then(|| openat(CWD, directory, flags, Mode::empty()).ok()).flatten();
        Self { directory, opened }
    }

    pub fn of(&self, name: &[u8]) -> There {
        self.at_opened(name).unwrap_or_else(|| self.at_path(name))
    }

    /// None where that does not go: then the path tells why.
    fn at_opened(&self, name: &[u8]) -> Option<There> {
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        let stat = statx(self.opened.as_ref()?, OsStr::from_bytes(name), AtFlags::empty(), wanted).ok()?;
        if !StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BASIC_STATS) {
            return None;
        }
        let kind = FileType::from_raw_mode(stat.stx_mode.into());
        Some(if kind.is_file() { There::File(InodeId::of_statx(&stat), Stat::of_statx(&stat)) } else { other(kind) })
    }

    fn at_path(&self, name: &[u8]) -> There {
        match fs::metadata(beside(self.directory, name)) {
            Ok(meta) if meta.is_file() => There::File(InodeId::of(&meta), Stat::of(&meta)),
            Ok(meta) => {
                use std::os::unix::fs::MetadataExt;
                other(FileType::from_raw_mode(meta.mode()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => There::Gone,
            Err(error) => There::Fault(error),
        }
    }
}

fn other(kind: FileType) -> There {
    There::Other(match kind {
        FileType::Directory => "it is a directory",
        FileType::Fifo => "it is a FIFO",
        FileType::Socket => "it is a socket",
        _ => "it is a device",
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn an_opened_directory_tells_of_its_files_what_their_paths_tell() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("app.log"), "three").unwrap();
        symlink("app.log", at("link.log")).unwrap();
        fs::hard_link(at("app.log"), at("second.log")).unwrap();
        symlink("nowhere", at("none.log")).unwrap();
        symlink("loop.log", at("loop.log")).unwrap();
        fs::create_dir(at("dir.log")).unwrap();
        rustix::fs::mkfifoat(CWD, at("fifo.log"), Mode::RUSR).unwrap();
        let (opened, by_path) = (Stats::new(dir.path(), MANY), Stats::new(dir.path(), 0));
        assert!(opened.opened.is_some() && by_path.opened.is_none());
        for name in ["app.log", "link.log", "second.log", "none.log", "loop.log", "dir.log", "fifo.log", "no.log"] {
            let (opened, by_path) = (opened.of(name.as_bytes()), by_path.of(name.as_bytes()));
            assert_eq!(format!("{opened:?}"), format!("{by_path:?}"), "{name}");
        }
        let There::File(inode, stat) = opened.of(b"link.log") else { panic!("a file") };
        let meta = fs::metadata(at("app.log")).unwrap();
        assert_eq!((inode, stat), (InodeId::of(&meta), Stat::of(&meta)));
    }
}
