//! A record that a rotation has cut: the framer goes on over the seam between two files of one log.

use std::io;

use record::frame::{Beyond, Resume};
use record::id::Offset;
use record::parts::{self, Protocol};
use record::span::{Continues, Flags, SpanKind};
use record::wire::{Unwrapped, WireSpan};

use super::spans::RECORD_MAX;
use super::{CHUNK, Close, Order, Turn, TurnEnd, Work};
use crate::content::{Content, Stat};
use crate::cursor::{After, Cursor, FramedEnd, Head, head_of};
use crate::parcel::{PARCEL, Parcel, weight_of};

/// Bytes of the younger file that are looked at, more and more: most records are short.
const WINDOWS: [u64; 3] = [64 << 10, 1 << 20, RECORD_MAX];
/// A first line of the younger file that is longer is no line of a log.
const LINE: usize = 16 << 10;

/// What became of the end of a file and the head of the next.
#[derive(Debug)]
pub enum Stitch {
    /// The last record goes on in the next file: all that is final now up to the seam, in `Resume::beyond` how far it goes.
    Joined(Parcel),
    /// The one has nothing to do with the other.
    Apart,
    /// What is written so far does not tell.
    Open,
    /// The older file is not as the cursor has left it.
    Changed,
    Failed(io::Error),
}

/// The older file and after it, as if it were one, the younger.
struct Joined<'a, O, N> {
    old: &'a O,
    seam: u64,
    new: &'a N,
}

/// Frames over the seam from the older file, which was read to its end, into the younger one. The cursor is that of the older
/// file; where they are joined it stands at the seam after that.
pub fn stitch(cursor: &mut Cursor, old: &impl Content, new: &impl Content, scratch: &mut Vec<u8>) -> Stitch {
    over_the_seam(cursor, old, new, scratch).unwrap_or_else(Stitch::Failed)
}

fn over_the_seam(
    cursor: &mut Cursor,
    old: &impl Content,
    new: &impl Content,
    scratch: &mut Vec<u8>,
) -> io::Result<Stitch> {
    let (from, seam) = (cursor.framed.at, cursor.seen);
    if old.stat()?.size != seam || !ends_as_read(cursor, old)? {
        return Ok(Stitch::Changed);
    }
    if cursor.unwrapped.is_some() || cursor.leading || from == seam || seam - from > RECORD_MAX {
        return Ok(Stitch::Apart);
    }
    let size = new.stat()?.size;
    let Some(line) = first_line(new)? else {
        return Ok(if size > LINE as u64 { Stitch::Apart } else { Stitch::Open });
    };
    if cursor.framer.knows(line.trim_ascii_end()) {
        return Ok(Stitch::Apart);
    }
    for window in WINDOWS {
        let joined = Joined { old, seam, new };
        let again = Cursor::at(&cursor.framing, cursor.framed.clone(), cursor.head.clone(), false);
        let limit = usize::try_from(seam - from + window.min(size)).unwrap_or(usize::MAX);
        let order = Order { limit, parcel: PARCEL, close: Close::No, tail: false };
        let turn = Turn::take(again, &joined, order, scratch);
        match turn.ended {
            TurnEnd::Failed(error) => return Err(error),
            TurnEnd::Changed => return Ok(Stitch::Changed),
            TurnEnd::More | TurnEnd::End | TurnEnd::Closed => {}
        }
        let spans: Vec<WireSpan> = turn.parcels.into_iter().flat_map(|parcel| parcel.spans).collect();
        if let Some(nth) = spans.iter().position(|span| span.end().0 > seam) {
            return Seam { cursor, old, new, at: seam, line }.join(spans, nth);
        }
        if size <= window {
            break;
        }
    }
    Ok(if size > RECORD_MAX { Stitch::Apart } else { Stitch::Open })
}

/// The bytes before the seam are still those that were read.
fn ends_as_read(cursor: &Cursor, old: &impl Content) -> io::Result<bool> {
    let last = cursor.last();
    let mut now = vec![0; last.len()];
    let have = old.fill(&mut now, cursor.seen - last.len() as u64)?;
    Ok(now[..have] == *last)
}

/// The first line of a file, if it is there as a whole.
fn first_line(content: &impl Content) -> io::Result<Option<Vec<u8>>> {
    let mut head = vec![0; LINE];
    let have = content.fill(&mut head, 0)?;
    head.truncate(have);
    Ok(memchr::memchr(b'\n', &head).map(|end| {
        head.truncate(end + 1);
        head
    }))
}

/// Two files at their seam.
struct Seam<'a, O, N> {
    cursor: &'a mut Cursor,
    old: &'a O,
    new: &'a N,
    /// The size of the older file.
    at: u64,
    /// The first of the younger file, with its line end.
    line: Vec<u8>,
}

impl<O: Content, N: Content> Seam<'_, O, N> {
    /// Of these spans, framed over the seam, that one is the first which ends after it.
    fn join(self, mut spans: Vec<WireSpan>, nth: usize) -> io::Result<Stitch> {
        spans.truncate(nth + 1);
        let Some(mut last) = spans.pop().filter(|span| span.start.0 < self.at) else { return Ok(Stitch::Apart) };
        let (start, here) = (last.start, self.at - last.start.0);
        let in_line = self.cursor.window.last() != Some(&b'\n');
        let mut beyond = last.len - here;
        let note = &self.cursor.framed.note;
        let mut note = match last.kind {
            SpanKind::Record if is_whole(&last, in_line) => {
                let mut framer = self.cursor.framing.framer(start.0, note);
                framer.feed(&last.bytes[..last.head as usize], &mut Vec::new());
                last.unwrapped = Some(Box::new(Unwrapped { len: last.len, places: vec![(here, here)] }));
                Resume { before: Some(SpanKind::Record), shape: framer.resume().shape, ..Resume::default() }
            }
            SpanKind::Noise if in_line => {
                beyond = self.line.len() as u64;
                Resume { before: Some(SpanKind::Noise), shape: note.shape.clone(), ..Resume::default() }
            }
            _ => return Ok(Stitch::Apart),
        };
        let crc = self.crc_beyond(beyond)?;
        let record = (last.kind == SpanKind::Record).then_some(start);
        note.beyond = Some(Beyond { len: beyond, crc, record });
        let (mut framed, mut lines) = (self.cursor.framed.clone(), 1);
        while framed.at < self.at {
            let mut bytes = vec![0; usize::try_from(self.at - framed.at).unwrap_or(CHUNK).min(CHUNK)];
            if self.old.fill(&mut bytes, framed.at)? < bytes.len() {
                return Ok(Stitch::Changed);
            }
            let noise = (start.0.max(framed.at) - framed.at) as usize;
            lines += memchr::memchr_iter(b'\n', bytes.get(noise..).unwrap_or_default()).count() as u64;
            framed.step(&bytes);
        }
        if last.kind == SpanKind::Noise {
            last.lines = lines;
        }
        last.len = here;
        spans.push(last);
        framed.note = note;
        *self.cursor = Cursor::at(&self.cursor.framing, framed, self.cursor.head.clone(), false);
        let (guard, bytes) = (self.cursor.guard(), weight_of(&spans));
        Ok(Stitch::Joined(Parcel { spans, end: self.at, guard, bytes }))
    }

    fn crc_beyond(&self, len: u64) -> io::Result<u32> {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        let have = self.new.fill(&mut bytes, 0)?;
        Ok(crc32c::crc32c(&bytes[..have]))
    }
}

/// Beyond doubt the two halves are one record: by its own grammar it is as long as both together; or the older file ends
/// within a line, and what follows fits.
fn is_whole(record: &WireSpan, in_line: bool) -> bool {
    let doubt = Flags::AMBIGUOUS_BOUNDARY | Flags::LENGTH_MISMATCH;
    let fits = !record.flags.intersects(doubt) || (in_line && !record.flags.contains(Flags::LENGTH_MISMATCH));
    let message = record.bytes.get(record.head as usize..).unwrap_or_default();
    let parts = parts::parts(message);
    // Of several messages in one record, each has a place of its own in its file.
    let several = parts.len() > 1 && parts.iter().all(|part| part.protocol == Some(Protocol::Sip));
    fits && !several
}

impl<C: Content> Work<'_, C> {
    /// The head of the file belongs to the last record, or line, of the one before: it is a reference to that.
    pub(super) fn pass_over(&mut self) -> Result<(), TurnEnd> {
        let Some(After { stream, note }) = self.turn.cursor.after.take().map(|after| *after) else { return Ok(()) };
        let Some(beyond) = note.beyond.filter(|beyond| (1..=RECORD_MAX).contains(&beyond.len)) else { return Ok(()) };
        let cursor = &self.turn.cursor;
        if cursor.framed.at > 0 || cursor.seen > 0 {
            return Ok(());
        }
        let mut bytes = vec![0; usize::try_from(beyond.len).unwrap_or(usize::MAX)];
        let have = self.content.fill(&mut bytes, 0).map_err(TurnEnd::Failed)?;
        if (have as u64) < beyond.len || crc32c::crc32c(&bytes) != beyond.crc {
            return Ok(());
        }
        let kind = if beyond.record.is_some() { SpanKind::Fragment } else { SpanKind::Noise };
        let mut span = WireSpan::new(Offset(0), beyond.len, kind);
        span.of = beyond.record.map(|offset| Continues { stream, offset });
        let mut framed = FramedEnd::default();
        framed.step(&bytes);
        framed.note = Resume { beyond: None, ..note };
        let looked_at = cursor.head.len() > bytes.len();
        let head = if looked_at { Head::clone(&cursor.head) } else { head_of(&bytes) };
        self.turn.read += beyond.len;
        self.turn.cursor = Cursor::at(&cursor.framing, framed, head, false);
        self.buf.clear();
        self.buf.extend_from_slice(&self.turn.cursor.window);
        self.open.push(span);
        self.cut();
        Ok(())
    }
}

impl<O: Content, N: Content> Content for Joined<'_, O, N> {
    fn stat(&self) -> io::Result<Stat> {
        Ok(Stat { size: self.seam + self.new.stat()?.size, ..Stat::default() })
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let Some(before) = self.seam.checked_sub(at).filter(|before| *before > 0) else {
            return self.new.read_at(buf, at - self.seam);
        };
        let most = buf.len().min(usize::try_from(before).unwrap_or(buf.len()));
        self.old.read_at(&mut buf[..most], at)
    }

    fn data_from(&self, at: u64) -> io::Result<u64> {
        Ok(at)
    }
}
