//! NULs that nobody wrote as such: room that a writer reserved, or a hole that a truncate left under it.
//!
//! One rule for all: NULs at the end of a file are not there yet, and a change among them is growth. NULs with data after
//! them are noise: at the head of a file any number, amid a log a block of them or more, as a power cut leaves it. What stands
//! before such a block ends there.

use std::sync::Arc;

use record::id::Offset;
use record::span::SpanKind;
use record::wire::WireSpan;

use super::{CHUNK, TurnEnd, Work};
use crate::content::Content;
use crate::cursor::FramedEnd;
use crate::guard::{BEFORE, HEAD};

/// NULs that are looked through in one turn.
const SCAN: u64 = 16 << 20;
/// So many NULs amid a log are no part of a message.
const BLOCK: u64 = 4096;

/// What stands after NULs.
pub(super) enum After {
    Data(u64),
    Nothing,
    /// There are more NULs than one turn looks through.
    Unknown,
}

impl<C: Content> Work<'_, C> {
    /// Finds the first data of a file: the NULs before it are noise. False where there is none yet.
    pub(super) fn skip_nuls(&mut self) -> Result<bool, TurnEnd> {
        let mut first = [0];
        if self.content.fill(&mut first, 0).map_err(TurnEnd::Failed)? == 0 {
            return Ok(false);
        }
        if first != [0] {
            self.turn.cursor.leading = false;
            return Ok(true);
        }
        let After::Data(data) = self.after_nuls(0, SCAN)? else { return Ok(false) };
        self.turn.cursor.leading = false;
        if self.turn.cursor.head.is_empty() {
            self.turn.cursor.head = Arc::new(vec![0; HEAD.min(usize::try_from(data).unwrap_or(HEAD))]);
        }
        self.go_on_at(data);
        Ok(true)
    }

    /// The NULs up to `data` are noise, and framing goes on there. All before them is final.
    fn go_on_at(&mut self, data: u64) {
        let cursor = &mut self.turn.cursor;
        let nuls = data - cursor.framed.at;
        self.open.push(WireSpan::new(Offset(cursor.framed.at), nuls, SpanKind::Noise));
        let before = vec![0; BEFORE.min(usize::try_from(nuls).unwrap_or(BEFORE))];
        self.buf.clone_from(&before);
        cursor.seen = data;
        cursor.framed = FramedEnd { at: data, crc_from: data, before, ..FramedEnd::default() };
        self.restart();
    }

    /// How many of the bytes that were just read, from `seen` on, are there: NULs at the end of the file are not, and a
    /// block of NULs comes apart.
    pub(super) fn without_nuls(&mut self, from: usize) -> Result<usize, TurnEnd> {
        let new = self.buf.len() - from;
        if self.is_utf16() {
            return Ok(new);
        }
        let Some((start, end)) = block_of_nuls(&self.buf[from..]) else { return Ok(new) };
        let seen = self.turn.cursor.seen;
        let (nuls_at, last) = (seen + start as u64, end == new);
        let data_at = self.turn.cursor.data_at;
        let data = match () {
            () if !last => seen + end as u64,
            () if data_at >= seen + end as u64 => data_at,
            () => match self.after_nuls(nuls_at, SCAN)? {
                After::Data(at) => at,
                After::Nothing | After::Unknown => return Ok(start),
            },
        };
        self.turn.cursor.data_at = data;
        if data - nuls_at < BLOCK {
            return Ok(new);
        }
        self.block_to = Some(data);
        Ok(start)
    }

    /// Every other byte of UTF-16 may be a NUL.
    fn is_utf16(&self) -> bool {
        let head = &self.turn.cursor.head;
        head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff])
    }

    /// Skips a block of NULs that was just found, once all before it is framed.
    pub(super) fn skip_block(&mut self) -> Result<bool, TurnEnd> {
        let Some(data) = self.block_to else { return Ok(false) };
        self.end_all()?;
        self.block_to = None;
        self.go_on_at(data);
        Ok(true)
    }

    /// Whether NULs at the end of a file that is about to be closed are still that: whatever was said of them before, all of
    /// them are looked at once more.
    pub(super) fn ends_in_data(&mut self) -> Result<bool, TurnEnd> {
        let seen = self.turn.cursor.seen;
        if self.turn.stat.size <= seen {
            return Ok(false);
        }
        self.turn.cursor.nuls_to = seen;
        let after = self.after_nuls(seen, u64::MAX)?;
        if let After::Data(at) = after {
            self.turn.cursor.data_at = at;
        }
        Ok(matches!(after, After::Data(_)))
    }

    /// What stands after the NULs at `from`. Those that were looked through before are not again: whoever reserves room
    /// writes it from its beginning.
    fn after_nuls(&mut self, from: u64, most: u64) -> Result<After, TurnEnd> {
        let size = self.turn.stat.size;
        let begin = from.max(self.turn.cursor.nuls_to);
        let (mut at, mut chunk) = (begin, Vec::new());
        while at < size {
            let data = self.content.data_from(at).map_err(TurnEnd::Failed)?;
            if data > at {
                at = data.min(size);
                continue;
            }
            if at - begin >= most {
                self.turn.cursor.nuls_to = at;
                self.more_nuls = true;
                return Ok(After::Unknown);
            }
            chunk.resize((size - at).min(CHUNK as u64) as usize, 0);
            let have = self.content.fill(&mut chunk, at).map_err(TurnEnd::Failed)?;
            if let Some(first) = chunk[..have].iter().position(|byte| *byte != 0) {
                self.turn.cursor.nuls_to = at + first as u64;
                return Ok(After::Data(at + first as u64));
            }
            if have == 0 {
                break;
            }
            at += have as u64;
        }
        self.turn.cursor.nuls_to = at;
        Ok(After::Nothing)
    }
}

/// The first NULs that are a block, or that stand at the end.
fn block_of_nuls(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    while let Some(start) = memchr::memchr(0, &bytes[at..]).map(|first| at + first) {
        let end = bytes[start..].iter().position(|byte| *byte != 0).map_or(bytes.len(), |len| start + len);
        if end == bytes.len() || (end - start) as u64 >= BLOCK {
            return Some((start, end));
        }
        at = end;
    }
    None
}
