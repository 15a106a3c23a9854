//! Reads a file, and proves with each chunk that it is still the one that was read before.

use std::borrow::Cow;
use std::sync::Arc;

use super::{CHUNK, LOOK_BACK, TurnEnd, Work};
use crate::content::Content;
use crate::guard::{BEFORE, HEAD};

impl<C: Content> Work<'_, C> {
    /// The bytes before the place alone do not tell where many lines are alike.
    pub(super) fn head_is_same(&self) -> Result<bool, TurnEnd> {
        let head = &self.turn.cursor.head;
        let mut now = [0; HEAD];
        let have = self.content.fill(&mut now[..head.len()], 0).map_err(TurnEnd::Failed)?;
        Ok(now[..have] == head[..])
    }

    /// A chunk, or what there is and a little more: most looks find a file as it was.
    pub(super) fn want(&self) -> usize {
        let rest = self.turn.stat.size.saturating_sub(self.turn.cursor.seen).saturating_add(4096);
        rest.min(CHUNK as u64) as usize
    }

    /// Reads a chunk together with the bytes before it: if those changed, so did the file, and nothing of it is taken.
    pub(super) fn read(&mut self, want: usize) -> Result<usize, TurnEnd> {
        let old = self.buf.len();
        let keep = old.min(BEFORE);
        let mut known = [0; BEFORE];
        known[..keep].copy_from_slice(&self.buf[old - keep..]);
        self.buf.resize(old + want, 0);
        let have = self.content.fill(&mut self.buf[old - keep..], self.turn.cursor.seen - keep as u64);
        let seen = self.turn.cursor.seen;
        let looked_at = self.turn.cursor.head.get(usize::try_from(seen).unwrap_or(HEAD)..).unwrap_or_default();
        let same = have.as_ref().is_ok_and(|have| {
            *have >= keep
                && self.buf[old - keep..old] == known[..keep]
                && self.buf[old..old - keep + have].starts_with(&looked_at[..looked_at.len().min(want)])
        });
        if !same {
            self.buf.truncate(old);
            self.buf[old - keep..].copy_from_slice(&known[..keep]);
            return Err(have.map_or_else(TurnEnd::Failed, |_| TurnEnd::Changed));
        }
        let new = have.map_or(0, |have| have - keep);
        self.buf.truncate(old + new);
        let new = self.without_nuls(old)?;
        self.buf.truncate(old + new);
        let cursor = &mut self.turn.cursor;
        let fresh = (cursor.head.len() as u64).saturating_sub(seen) as usize;
        if cursor.head.len() < HEAD && cursor.head.len() as u64 >= seen {
            let more = new.min(fresh + HEAD - cursor.head.len());
            Arc::make_mut(&mut cursor.head).extend_from_slice(&self.buf[old + fresh.min(more)..old + more]);
        }
        cursor.seen += new as u64;
        self.turn.read += new as u64;
        Ok(new)
    }

    /// Where framing goes back to before the bytes in memory, all that is not final is read again, once for all of it.
    pub(super) fn recall(&mut self) -> Result<(), TurnEnd> {
        let (framed, seen) = (self.turn.cursor.framed.at, self.turn.cursor.seen);
        let missing = self.turn.cursor.at < self.from() && framed < seen;
        if missing && seen - framed <= LOOK_BACK as u64 {
            let from = framed.min(seen.saturating_sub(BEFORE as u64));
            *self.buf = self.again(from, (seen - from) as usize)?;
        }
        Ok(())
    }

    /// Bytes that were read before: from memory, or once more from the file.
    pub(super) fn bytes(&self, at: u64, len: usize) -> Result<Cow<'_, [u8]>, TurnEnd> {
        let from = self.from();
        if at >= from {
            let start = (at - from) as usize;
            return self.buf.get(start..start + len).map(Cow::Borrowed).ok_or(TurnEnd::Changed);
        }
        self.again(at, len).map(Cow::Owned)
    }

    /// Reads bytes once more. If the file was truncated since they were first read, these are other bytes: the look
    /// behind the read tells.
    pub(super) fn again(&self, at: u64, len: usize) -> Result<Vec<u8>, TurnEnd> {
        let mut bytes = vec![0; len];
        let have = self.content.fill(&mut bytes, at).map_err(TurnEnd::Failed)?;
        let keep = self.buf.len().min(BEFORE);
        let mut now = [0; BEFORE];
        let there =
            self.content.fill(&mut now[..keep], self.turn.cursor.seen - keep as u64).map_err(TurnEnd::Failed)?;
        let same = there == keep && now[..keep] == self.buf[self.buf.len() - keep..];
        if have == len && same { Ok(bytes) } else { Err(TurnEnd::Changed) }
    }

    /// Keeps what may be needed soon: the unfinished record if it is short, and always the bytes before `seen`.
    pub(super) fn trim(&mut self, most: usize) {
        let cursor = &self.turn.cursor;
        let unfinished = (cursor.seen - cursor.framed.at.min(cursor.seen)) as usize;
        let keep = if unfinished <= most { unfinished.max(BEFORE) } else { BEFORE };
        let drop = self.buf.len().saturating_sub(keep);
        self.buf.drain(..drop);
    }

    /// The offset of the first byte in `buf`.
    pub(super) fn from(&self) -> u64 {
        self.turn.cursor.seen - self.buf.len() as u64
    }
}
