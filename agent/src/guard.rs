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

/// Bytes at the head of a file that its digest covers.
const DIGEST: u64 = 64 << 10;
/// Bytes that are summed or compared at once: a reader has other files to see to.
const SLICE: u64 = 16 << 20;

/// What to look at in a file: its head, the bytes before an offset, and perhaps a digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ask {
    pub head: usize,
    pub at: u64,
    pub digest: bool,
}

/// What a look at a file brought.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Look {
    pub stat: Stat,
    /// The first bytes: [`HEAD`], or as many as were asked for, or all there are.
    pub head: Vec<u8>,
    /// The last [`BEFORE`] bytes before the offset; fewer where it is lower or the file ends before it.
    pub before: Vec<u8>,
    /// Of the file up to the size of this look, if it was asked for: see [`digest`].
    pub digest: Option<u64>,
    /// The last byte is a NUL: room that is reserved, and not written yet.
    pub nul_end: bool,
}

impl Look {
    /// There is nothing but reserved room, as far as a look can tell.
    pub fn is_blank(&self) -> bool {
        self.stat.size == 0 || (self.nul_end && self.head.iter().all(|byte| *byte == 0))
    }
}

impl Ask {
    /// A first look: nothing is known of the file.
    pub const FIRST: Self = Self { head: HEAD, at: 0, digest: true };

    /// The head, and the bytes before `at`.
    pub fn at(at: u64) -> Self {
        Self { head: HEAD, at, digest: false }
    }

    /// What must be seen to test a guard at `w`.
    pub fn of(guard: &Guard, w: u64) -> Self {
        Self { head: HEAD.max(guard.head_len as usize), at: w, digest: false }
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
        let digest = if self.digest { Some(digest(content, stat.size)?) } else { None };
        let mut last = [1];
        let nul_end = stat.size > 0 && content.fill(&mut last, stat.size - 1)? == 1 && last == [0];
        Ok(Look { stat, head, before, digest, nul_end })
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

/// A digest of the first `size` bytes: those at the head and those at the end. Equal contents have equal digests; whether
/// contents with equal digests are equal, only their bytes tell.
fn digest(content: &impl Content, size: u64) -> std::io::Result<u64> {
    let mut bytes = vec![0; size.min(DIGEST) as usize];
    let have = content.fill(&mut bytes, 0)?;
    let head = crc32c::crc32c(&bytes[..have]);
    let len = size.min(BEFORE as u64);
    let mut end = vec![0; len as usize];
    let have = content.fill(&mut end, size - len)?;
    Ok(u64::from(head) << 32 | u64::from(crc32c::crc32c(&end[..have])))
}

/// A CRC-32C under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sum {
    pub crc: u32,
    /// What it covers ends here.
    pub at: u64,
    /// There is more to cover.
    pub more: bool,
}

/// Goes on with a CRC-32C from `from` to `to`, for one slice at most; it covers less where the content ends before.
pub fn sum(content: &impl Content, crc: u32, from: u64, to: u64) -> std::io::Result<Sum> {
    let mut buf = vec![0; 256 << 10];
    let (mut sum, end) = (Sum { crc, at: from, more: false }, to.min(from + SLICE));
    while sum.at < end {
        let want = (buf.len() as u64).min(end - sum.at) as usize;
        let have = content.fill(&mut buf[..want], sum.at)?;
        sum.crc = crc32c::crc32c_append(sum.crc, &buf[..have]);
        sum.at += have as u64;
        if have < want {
            return Ok(sum);
        }
    }
    sum.more = sum.at < to;
    Ok(sum)
}

/// How far two contents are the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Same {
    pub to: u64,
    pub end: SameEnd,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SameEnd {
    /// They differ there.
    Differ,
    /// One of them ends there.
    Ends,
    /// There is more to compare.
    More,
}

/// Compares two contents from `from` on, for one slice at most.
pub fn compare(a: &impl Content, b: &impl Content, from: u64) -> std::io::Result<Same> {
    let mut bufs = (vec![0; 128 << 10], vec![0; 128 << 10]);
    let mut at = from;
    while at - from < SLICE {
        let (have_a, have_b) = (a.fill(&mut bufs.0, at)?, b.fill(&mut bufs.1, at)?);
        let both = have_a.min(have_b);
        if bufs.0[..both] != bufs.1[..both] {
            let first = (0..both).find(|i| bufs.0[*i] != bufs.1[*i]).unwrap_or(both);
            return Ok(Same { to: at + first as u64, end: SameEnd::Differ });
        }
        at += both as u64;
        if both < bufs.0.len() {
            return Ok(Same { to: at, end: SameEnd::Ends });
        }
    }
    Ok(Same { to: at, end: SameEnd::More })
}
