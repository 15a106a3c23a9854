//! How a file is known again: the bytes at its head, those before an offset, and the CRC of all before it.

use record::frame::Resume;
use record::id::{Offset, first_16};
use record::wire::Guard;
use serde_bytes::ByteArray;
use sha2::{Digest, Sha256};

use crate::content::{Content, Stat};

/// Bytes at the head of a file that are hashed.
pub const HEAD: usize = 1024;
/// Bytes before an offset that are hashed.
pub const BEFORE: usize = 64;

/// What to look at in a file: its head, and the bytes before an offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ask {
    pub head: usize,
    pub at: u64,
}

/// What a look at a file brought.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Look {
    pub stat: Stat,
    /// The first bytes: [`HEAD`], or as many as were asked for, or all there are.
    pub head: Vec<u8>,
    /// The last [`BEFORE`] bytes before the offset; fewer where it is lower or the file ends before it.
    pub before: Vec<u8>,
}

impl Ask {
    /// What must be seen to test a guard at `w`.
    pub fn of(guard: &Guard, w: u64) -> Self {
        Self { head: HEAD.max(guard.head_len as usize), at: w }
    }

    pub fn look(self, content: &impl Content) -> std::io::Result<Look> {
        let stat = content.stat()?;
        let mut head = vec![0; self.head];
        let have = content.fill(&mut head, 0)?;
        head.truncate(have);
        let len = (BEFORE as u64).min(self.at);
        let mut before = vec![0; len as usize];
        let have = content.fill(&mut before, self.at - len)?;
        before.truncate(have);
        Ok(Look { stat, head, before })
    }
}

/// A file that was looked at is the one of this guard at `w`, as far as size, head and the bytes before `w` can tell.
pub fn is_same(guard: &Guard, w: u64, look: &Look) -> bool {
    let head_len = guard.head_len as usize;
    let before_len = guard.before_len as usize;
    look.stat.size >= w
        && look.head.len() >= head_len
        && (head_len == 0 || hash(&look.head[..head_len]) == guard.head)
        && look.before.len() >= before_len
        && (before_len == 0 || hash(&look.before[look.before.len() - before_len..]) == guard.before)
}

/// The guard at `at`: `head` are the first bytes of the file, `before` those before `at`.
pub fn guard(head: &[u8], before: &[u8], crc: u32, crc_from: u64, resume: Resume) -> Guard {
    let head = &head[..head.len().min(HEAD)];
    let before = &before[before.len().saturating_sub(BEFORE)..];
    Guard {
        head: hash(head),
        head_len: head.len() as u16,
        before: hash(before),
        before_len: before.len() as u8,
        crc,
        crc_from: Offset(crc_from),
        resume,
    }
}

fn hash(bytes: &[u8]) -> ByteArray<16> {
    ByteArray::new(first_16(&Sha256::digest(bytes)))
}

/// CRC-32C of [from, to), or of less where the content ends before.
pub fn crc_of(content: &impl Content, from: u64, to: u64) -> std::io::Result<u32> {
    let mut buf = vec![0; 256 << 10];
    let (mut crc, mut at) = (0, from);
    while at < to {
        let want = (buf.len() as u64).min(to - at) as usize;
        let have = content.fill(&mut buf[..want], at)?;
        crc = crc32c::crc32c_append(crc, &buf[..have]);
        at += have as u64;
        if have < want {
            break;
        }
    }
    Ok(crc)
}

/// How far two contents are the same from `from` on: the offset, and whether they differ there. If they do not differ
/// there, one of them ends there.
pub fn compare(a: &impl Content, b: &impl Content, from: u64) -> std::io::Result<(u64, bool)> {
    let mut bufs = (vec![0; 128 << 10], vec![0; 128 << 10]);
    let mut at = from;
    loop {
        let (have_a, have_b) = (a.fill(&mut bufs.0, at)?, b.fill(&mut bufs.1, at)?);
        let both = have_a.min(have_b);
        if bufs.0[..both] != bufs.1[..both] {
            let first = (0..both).find(|i| bufs.0[*i] != bufs.1[*i]).unwrap_or(both);
            return Ok((at + first as u64, true));
        }
        at += both as u64;
        if both < bufs.0.len() {
            return Ok((at, false));
        }
    }
}
