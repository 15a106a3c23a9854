//! The generation of an inode: what tells a file from an earlier one that had the same inode number.

use std::fs::File;

use rustix::ioctl::{Getter, Opcode, ioctl, opcode};

/// `FS_IOC_GETVERSION`. Its number is made from a `long`, but the kernel writes an `int`.
const GET_VERSION: Opcode = opcode::read::<std::ffi::c_long>(b'v', 1);

/// 0 where the file system has none (tmpfs).
#[allow(unsafe_code)]
pub fn generation(file: &File) -> u64 {
    // The one unsafe call of the house: no safe wrapper of this ioctl exists, and without the generation a file made
    // right after a delete (ext4 gives it the same inode) cannot be told from the deleted one.
    // SAFETY: the request reads no argument and writes exactly four bytes, the size of `u32`; a file system that does
    // not know it writes nothing and answers with an error, and the value is then not looked at.
    let version = unsafe { ioctl(file, Getter::<GET_VERSION, u32>::new()) };
    version.map_or(0, u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_generation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        std::fs::write(&path, "x").unwrap();
        let first = generation(&File::open(&path).unwrap());
        std::fs::rename(&path, dir.path().join("app.log.1")).unwrap();
        assert_eq!(generation(&File::open(dir.path().join("app.log.1")).unwrap()), first);
    }
}
