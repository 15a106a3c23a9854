//! A turn: reads what is new, feeds the framer, and makes pieces of the spans that are final.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use record::frame::Next;
use record::id::{Offset, first_16};
use record::redact;
use record::span::{Cause, Flags, Span, SpanKind};
use record::wire::WireSpan;
use serde_bytes::{ByteArray, ByteBuf};
use sha2::{Digest, Sha256};

use crate::content::{Content, Stat};
use crate::cursor::{Cursor, Done};
use crate::guard::{BEFORE, HEAD};
use crate::piece::{PIECE, Piece, SPAN};

/// One `pread`.
const CHUNK: usize = 256 << 10;
/// What a closing framer is fed at once where lines are so long.
const CLOSING: usize = 1 << 20;
/// Bytes of an unfinished record that stay in memory between two turns.
const KEPT: usize = 64 << 10;
/// The largest record that is sent; a larger one is a gap `rejected`.
const RECORD_MAX: u64 = 16 << 20;
/// The largest provisional tail that is sent.
const TAIL_MAX: u64 = 1 << 20;

/// What a turn is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order {
    /// Bytes to read at most; several chunks.
    pub limit: usize,
    /// Bytes of a piece, as far as spans can be told apart.
    pub piece: usize,
    pub close: Close,
    /// Say what stands unfinished at the end.
    pub tail: bool,
}

/// Whether what is left at the end of the file becomes final.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Close {
    No,
    /// If there was nothing new.
    IfQuiet,
    AtEnd,
}

/// What became of a turn.
#[derive(Debug)]
pub struct Turn {
    pub cursor: Cursor,
    pub pieces: Vec<Piece>,
    pub found: Found,
    pub stat: Stat,
    /// New bytes that were read.
    pub read: u64,
    pub tail: Option<Vec<WireSpan>>,
}

#[derive(Debug)]
pub enum Found {
    /// There is more to read.
    More,
    /// Read to the end.
    End,
    /// Read to the end, and closed.
    Closed,
    /// Smaller than what was read, or other bytes stand there: probably truncated.
    Changed,
    Failed(io::Error),
}

impl Turn {
    /// Reads and frames what is new in a file, as far as the order allows. `scratch` only saves allocations.
    pub fn take(cursor: Cursor, content: &impl Content, order: Order, scratch: &mut Vec<u8>) -> Self {
        scratch.clear();
        scratch.extend_from_slice(&cursor.window);
        let stat = Stat { size: cursor.seen, ..Stat::default() };
        let turn = Self { cursor, pieces: Vec::new(), found: Found::More, stat, read: 0, tail: None };
        let mut work = Work {
            content,
            buf: scratch,
            turn,
            open: Piece::empty(),
            piece: order.piece,
            slice: slice_of(order.piece),
        };
        work.turn.found = work.run(order).unwrap_or_else(|stop| stop);
        work.into_turn()
    }
}

/// Where pieces must be small, no two records may end in one slice.
fn slice_of(piece: usize) -> usize {
    if piece < PIECE { (piece / 8).max(1) } else { piece }
}

/// The file is gone or was truncated, and what is not final yet will never be read again: closes with what is in memory, or
/// with a gap.
pub fn finish(cursor: Cursor) -> Vec<Piece> {
    let seen = cursor.seen;
    let size = seen.max(cursor.head.len() as u64);
    let order = Order { limit: 0, piece: PIECE, close: Close::AtEnd, tail: false };
    let mut turn = Turn::take(cursor, &Gone { size }, order, &mut Vec::new());
    if turn.cursor.done.at < seen {
        let len = seen - turn.cursor.done.at;
        turn.pieces.push(turn.cursor.gap(len, Cause::Copytruncate, None));
    }
    turn.pieces
}

/// A turn under way. `buf` holds the bytes up to `seen`.
struct Work<'a, C> {
    content: &'a C,
    buf: &'a mut Vec<u8>,
    turn: Turn,
    open: Piece,
    /// What a piece holds.
    piece: usize,
    /// What the framer is fed at once: a piece ends at the end of one.
    slice: usize,
}

impl<C: Content> Work<'_, C> {
    fn run(&mut self, order: Order) -> Result<Found, Found> {
        self.turn.stat = self.content.stat().map_err(Found::Failed)?;
        if self.turn.stat.size < self.turn.cursor.seen.max(self.turn.cursor.head.len() as u64) {
            return Err(Found::Changed);
        }
        if order.limit > 0 && !self.head_is_same()? {
            return Err(Found::Changed);
        }
        self.feed()?;
        let mut found = Found::More;
        while self.turn.read < order.limit as u64 {
            if self.turn.cursor.leading && !self.skip_nuls()? {
                found = Found::End;
                break;
            }
            let want = self.want();
            let new = self.read(want)?;
            self.feed()?;
            self.trim(2 * CHUNK);
            if new < want {
                found = Found::End;
                break;
            }
        }
        let close = match order.close {
            Close::No => false,
            Close::IfQuiet => self.turn.read == 0,
            Close::AtEnd => true,
        };
        if close && (matches!(found, Found::End) || order.limit == 0) {
            self.close()?;
            found = Found::Closed;
        }
        self.cut();
        if order.tail {
            self.turn.tail = self.tail();
        }
        Ok(found)
    }

    fn into_turn(mut self) -> Turn {
        self.cut();
        self.trim(KEPT);
        self.turn.cursor.window = self.buf.clone();
        self.turn
    }

    /// The offset of the first byte in `buf`.
    fn from(&self) -> u64 {
        self.turn.cursor.seen - self.buf.len() as u64
    }

    /// The bytes before the place alone do not tell where many lines are alike.
    fn head_is_same(&self) -> Result<bool, Found> {
        let head = &self.turn.cursor.head;
        let mut now = [0; HEAD];
        let have = self.content.fill(&mut now[..head.len()], 0).map_err(Found::Failed)?;
        Ok(now[..have] == head[..])
    }

    /// A chunk, or what there is and a little more: most looks find a file as it was.
    fn want(&self) -> usize {
        let rest = self.turn.stat.size.saturating_sub(self.turn.cursor.seen).saturating_add(4096);
        rest.min(CHUNK as u64) as usize
    }

    /// Reads a chunk together with the bytes before it: if those changed, so did the file, and nothing of it is taken.
    fn read(&mut self, want: usize) -> Result<usize, Found> {
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
            return Err(have.map_or_else(Found::Failed, |_| Found::Changed));
        }
        let new = have.map_or(0, |have| have - keep);
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

    /// A file that begins with a hole or with NULs was truncated under a writer that kept its offset: they are noise.
    /// False where there is nothing else yet.
    fn skip_nuls(&mut self) -> Result<bool, Found> {
        if self.turn.cursor.seen == 0 {
            let data = self.content.data_from(0).map_err(Found::Failed)?.min(self.turn.stat.size);
            if data > 0 {
                let zeros = |most: usize| vec![0; most.min(usize::try_from(data).unwrap_or(most))];
                self.buf.clone_from(&zeros(BEFORE));
                let cursor = &mut self.turn.cursor;
                if cursor.head.is_empty() {
                    cursor.head = Arc::new(zeros(HEAD));
                }
                cursor.seen = data;
                cursor.done = Done { at: data, crc_from: data, before: zeros(BEFORE), ..Done::default() };
                self.open.push(WireSpan::new(Offset(0), data, SpanKind::Noise));
            }
        }
        loop {
            let all_nuls = self.turn.cursor.done.at == self.turn.cursor.seen;
            if all_nuls && (self.turn.read > 4 * CHUNK as u64 || self.read(self.want())? == 0) {
                self.restart();
                return Ok(false);
            }
            let (done, seen) = (self.turn.cursor.done.at, self.turn.cursor.seen);
            let fresh = &self.buf[(done - self.from()) as usize..];
            let nuls = fresh.iter().position(|byte| *byte != 0).unwrap_or(fresh.len()) as u64;
            if nuls > 0 {
                let span = Span {
                    start: Offset(done),
                    len: nuls,
                    kind: SpanKind::Noise,
                    head: 0,
                    line_end: 0,
                    flags: Flags::empty(),
                    lines: 0,
                };
                self.take_final(&mut vec![span], false)?;
            }
            self.trim(CHUNK);
            if done + nuls < seen {
                self.turn.cursor.leading = false;
                self.restart();
                self.feed()?;
                return Ok(true);
            }
        }
    }

    /// Frames again from the end of the last final span.
    fn restart(&mut self) {
        let Cursor { reading, done, .. } = &self.turn.cursor;
        (self.turn.cursor.framer, self.turn.cursor.at) = (reading.framer(done.at, &done.note), done.at);
    }

    /// Feeds the framer what was read and takes the spans that are final.
    fn feed(&mut self) -> Result<(), Found> {
        let mut spans = Vec::new();
        while self.turn.cursor.at < self.turn.cursor.seen && !self.turn.cursor.leading {
            let (at, seen) = (self.turn.cursor.at, self.turn.cursor.seen);
            self.feed_slice(seen.min(at + self.slice as u64), &mut spans)?;
            self.take(&mut spans, false)?;
        }
        Ok(())
    }

    /// The file ends here: all that is left becomes final.
    fn close(&mut self) -> Result<(), Found> {
        let mut spans = Vec::new();
        loop {
            let next = self.turn.cursor.framer.close(&mut spans);
            self.take(&mut spans, true)?;
            let Next::From(offset) = next else { return Ok(()) };
            self.turn.cursor.at = offset.0;
            while self.turn.cursor.at < self.turn.cursor.seen {
                let end = self.whole_lines()?;
                self.feed_slice(end, &mut spans)?;
                self.take(&mut spans, true)?;
            }
        }
    }

    /// The end of a slice that cuts no line, unless the line is very long: a closing framer takes the end of a chunk
    /// for the end of a line.
    fn whole_lines(&self) -> Result<u64, Found> {
        let (at, seen) = (self.turn.cursor.at, self.turn.cursor.seen);
        let mut end = at;
        for most in [self.slice, CLOSING] {
            end = seen.min(at + most as u64);
            if end == seen {
                break;
            }
            let bytes = self.bytes(at, (end - at) as usize)?;
            if let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') {
                return Ok(at + last as u64 + 1);
            }
        }
        Ok(end)
    }

    fn feed_slice(&mut self, end: u64, spans: &mut Vec<Span>) -> Result<(), Found> {
        let (at, from) = (self.turn.cursor.at, self.from());
        let next = if at >= from {
            self.turn.cursor.framer.feed(&self.buf[(at - from) as usize..(end - from) as usize], spans)
        } else {
            let again = self.again(at, (end - at) as usize)?;
            self.turn.cursor.framer.feed(&again, spans)
        };
        self.turn.cursor.at = match next {
            Next::More => end,
            Next::From(offset) => offset.0,
        };
        Ok(())
    }

    /// Takes spans that are final now. Where their bytes cannot be read again, framing goes back to before them.
    fn take(&mut self, spans: &mut Vec<Span>, closing: bool) -> Result<(), Found> {
        if spans.is_empty() {
            return Ok(());
        }
        let more = spans.iter().map(|span| SPAN + if span.kind == SpanKind::Noise { 0 } else { span.len as usize });
        if self.open.bytes + more.sum::<usize>() > self.piece {
            self.cut();
        }
        self.take_final(spans, closing).inspect_err(|_| self.restart())?;
        self.turn.cursor.done.note = self.turn.cursor.framer.resume();
        if self.open.bytes >= self.piece {
            self.cut();
        }
        Ok(())
    }

    fn take_final(&mut self, spans: &mut Vec<Span>, closing: bool) -> Result<(), Found> {
        let mut done = self.turn.cursor.done.clone();
        let mut taken = Vec::with_capacity(spans.len());
        for span in spans.drain(..) {
            taken.push(self.material(&span, &mut done, closing)?);
        }
        self.turn.cursor.done = done;
        for span in taken {
            self.open.push(span);
        }
        Ok(())
    }

    /// Ends the open piece, if all that is final is in it.
    fn cut(&mut self) {
        let cursor = &self.turn.cursor;
        if !self.open.spans.is_empty() {
            let mut piece = std::mem::replace(&mut self.open, Piece::empty());
            piece.end = cursor.done.at;
            piece.guard = cursor.guard();
            self.turn.pieces.push(piece);
        }
    }

    /// A span with its bytes, as it is sent.
    fn material(&self, span: &Span, done: &mut Done, closing: bool) -> Result<WireSpan, Found> {
        let mut out = WireSpan::new(span.start, span.len, span.kind);
        out.flags = span.flags;
        out.lines = span.lines;
        let whole = span.kind != SpanKind::Noise && span.len <= RECORD_MAX;
        if whole {
            let bytes = self.bytes(span.start.0, span.len as usize)?;
            let cut = span.kind == SpanKind::Fragment && done.before.last() != Some(&b'\n');
            done.step(&bytes);
            if closing && is_cut(span, &bytes) {
                out.flags = out.flags.union(Flags::CUT_BY_ROTATION);
            }
            fill(&mut out, span, &bytes, cut, &self.turn.cursor.reading.masks);
        } else {
            let mut hash = (span.kind != SpanKind::Noise).then(Sha256::new);
            let mut at = span.start.0;
            while at < span.end().0 {
                let len = (span.end().0 - at).min(CHUNK as u64);
                let bytes = self.bytes(at, len as usize)?;
                done.step(&bytes);
                if let Some(hash) = &mut hash {
                    hash.update(&bytes);
                }
                at += len;
            }
            if let Some(hash) = hash {
                out.kind = SpanKind::Gap;
                out.flags = Flags::empty();
                out.cause = Some(Cause::Rejected);
                out.lost = Some(0);
                out.hash = ByteArray::new(first_16(&hash.finalize()));
            }
        }
        done.at = span.end().0;
        Ok(out)
    }

    /// Bytes that were read before: from memory, or once more from the file.
    fn bytes(&self, at: u64, len: usize) -> Result<Cow<'_, [u8]>, Found> {
        let from = self.from();
        if at >= from {
            let start = (at - from) as usize;
            return self.buf.get(start..start + len).map(Cow::Borrowed).ok_or(Found::Changed);
        }
        self.again(at, len).map(Cow::Owned)
    }

    /// Reads bytes once more. If the file was truncated since they were first read, these are other bytes: the look
    /// behind the read tells.
    fn again(&self, at: u64, len: usize) -> Result<Vec<u8>, Found> {
        let mut bytes = vec![0; len];
        let have = self.content.fill(&mut bytes, at).map_err(Found::Failed)?;
        let keep = self.buf.len().min(BEFORE);
        let mut now = [0; BEFORE];
        let there = self.content.fill(&mut now[..keep], self.turn.cursor.seen - keep as u64).map_err(Found::Failed)?;
        let same = there == keep && now[..keep] == self.buf[self.buf.len() - keep..];
        if have == len && same { Ok(bytes) } else { Err(Found::Changed) }
    }

    /// What the framer would say if this were the end, with bytes; none where it is too much.
    fn tail(&self) -> Option<Vec<WireSpan>> {
        let cursor = &self.turn.cursor;
        let small = cursor.seen - cursor.done.at <= TAIL_MAX && cursor.at >= cursor.seen;
        let spans = if small && !cursor.leading { cursor.framer.tail() } else { Vec::new() };
        let mut scratch = Done { before: cursor.done.before.clone(), ..Done::default() };
        spans.iter().map(|span| self.material(span, &mut scratch, false).ok()).collect::<Option<Vec<_>>>()
    }

    /// Keeps what may be needed soon: the unfinished record if it is short, and always the bytes before `seen`.
    fn trim(&mut self, most: usize) {
        let cursor = &self.turn.cursor;
        let unfinished = (cursor.seen - cursor.done.at.min(cursor.seen)) as usize;
        let keep = if unfinished <= most { unfinished.max(BEFORE) } else { BEFORE };
        let drop = self.buf.len().saturating_sub(keep);
        self.buf.drain(..drop);
    }
}

impl Done {
    fn step(&mut self, bytes: &[u8]) {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.at += bytes.len() as u64;
        if bytes.len() >= BEFORE {
            self.before.clear();
        } else {
            let drop = (self.before.len() + bytes.len()).saturating_sub(BEFORE);
            self.before.drain(..drop);
        }
        self.before.extend_from_slice(&bytes[bytes.len().saturating_sub(BEFORE)..]);
    }
}

/// Hash, masks and bytes of a record or fragment; `cut`: it begins inside a line.
fn fill(out: &mut WireSpan, span: &Span, bytes: &[u8], cut: bool, rules: &redact::Rules) {
    out.head = span.head;
    out.line_end = span.line_end;
    match redact::mask(bytes, span.head, cut, rules) {
        // A hash of the file's bytes would let the masked values be guessed; a keyed one comes with `verify`.
        Some((shown, masked)) => (out.bytes, out.masked) = (ByteBuf::from(shown), masked),
        None => (out.bytes, out.hash) = (ByteBuf::from(bytes.to_vec()), WireSpan::hash_of(bytes)),
    }
}

/// The closed file ended inside this record: its declared length is not there, or its last line has no end and no length
/// says that it is whole.
fn is_cut(span: &Span, bytes: &[u8]) -> bool {
    let open = bytes.last().is_some_and(|byte| *byte != b'\n');
    span.kind == SpanKind::Record
        && (span.flags.contains(Flags::LENGTH_MISMATCH) || (open && span.flags.contains(Flags::AMBIGUOUS_BOUNDARY)))
}

/// A file of which nothing can be read any more.
struct Gone {
    size: u64,
}

impl Content for Gone {
    fn stat(&self) -> io::Result<Stat> {
        Ok(Stat { size: self.size, ..Stat::default() })
    }
    fn read_at(&self, _buf: &mut [u8], _at: u64) -> io::Result<usize> {
        Ok(0)
    }
    fn data_from(&self, at: u64) -> io::Result<u64> {
        Ok(at)
    }
}
