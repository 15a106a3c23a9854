//! A reader's place in one file: reads, frames, hashes and masks one turn's worth of bytes into pieces that can be sent.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use message::format::Format;
use message::frame::{Framer, Limits, Next, Resume};
use message::id::{Offset, first_16};
use message::span::{Cause, Flags, Span, SpanKind};
use message::wire::{Guard, WireSpan};
use serde_bytes::{ByteArray, ByteBuf};
use sha2::{Digest, Sha256};

use crate::content::{Content, Stat};
use crate::guard::{BEFORE, HEAD, Look, guard};

/// One `pread`.
const CHUNK: usize = 256 << 10;
/// What the framer is fed at once: a piece ends at the end of one.
const SLICE: usize = 32 << 10;
/// A piece is closed when it holds so many bytes.
const PIECE: usize = 32 << 10;
/// Bytes of an unfinished record that stay in memory between two turns.
const KEPT: usize = 64 << 10;
/// The largest record that is sent; a larger one is a gap `rejected`.
pub const RECORD_MAX: u64 = 16 << 20;
/// The largest provisional tail that is sent.
const TAIL_MAX: u64 = 1 << 20;

/// Spans that tile [former end, `end`), with the guard at `end`. Appends are cut between pieces only.
#[derive(Clone, PartialEq, Debug)]
pub struct Piece {
    pub spans: Vec<WireSpan>,
    pub end: u64,
    pub guard: Guard,
    /// What it takes in memory and in a batch, roughly.
    pub bytes: usize,
}

/// What a turn is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order {
    /// Bytes to read at most; several chunks.
    pub limit: usize,
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

/// Where a stream is read and framed. Goes with each turn to a reader thread and comes back.
#[derive(Debug)]
pub struct Cursor {
    format: Arc<Format>,
    limits: Limits,
    framer: Framer,
    /// The next byte the framer wants.
    at: u64,
    /// All before was read once; what follows is new.
    seen: u64,
    /// Bytes up to `seen`: at least those by which the file is known again; all from `done` on where they are few.
    window: Vec<u8>,
    /// The first bytes of the file, as far as they were seen.
    head: Vec<u8>,
    /// End of the last final span, and what is known there.
    done: Done,
    /// So far there was nothing but NULs.
    leading: bool,
}

#[derive(Clone, Debug, Default)]
struct Done {
    at: u64,
    note: Resume,
    crc: u32,
    crc_from: u64,
    before: Vec<u8>,
}

impl Cursor {
    /// At the head of a file.
    pub fn new(format: Arc<Format>, limits: Limits) -> Self {
        let framer = Framer::new(Arc::clone(&format), Offset(0), &Resume::default(), limits);
        let (window, head) = (Vec::new(), Vec::new());
        Self { format, limits, framer, at: 0, seen: 0, window, head, done: Done::default(), leading: true }
    }

    /// At a committed offset of a file that was looked at there.
    pub fn resume(format: Arc<Format>, limits: Limits, w: u64, guard: &Guard, look: &Look) -> Self {
        if w == 0 {
            return Self::new(format, limits);
        }
        let (note, crc, crc_from) = (guard.resume.clone(), guard.crc, guard.crc_from.0);
        let framer = Framer::new(Arc::clone(&format), Offset(w), &note, limits);
        let head = look.head[..look.head.len().min(HEAD).min(usize::try_from(w).unwrap_or(HEAD))].to_vec();
        let done = Done { at: w, note, crc, crc_from, before: look.before.clone() };
        Self { format, limits, framer, at: w, seen: w, window: look.before.clone(), head, done, leading: false }
    }

    /// All bytes before were read.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// End of the last final span.
    pub fn done(&self) -> u64 {
        self.done.at
    }

    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The last bytes that were seen.
    pub fn last(&self) -> &[u8] {
        &self.window[self.window.len().saturating_sub(BEFORE)..]
    }

    pub fn near_misses(&self) -> u64 {
        self.framer.near_misses()
    }

    /// All that is not final yet is in memory.
    pub fn covers(&self) -> bool {
        self.seen - self.done.at.min(self.seen) <= self.window.len() as u64
    }

    /// Bytes of the unfinished record that are held.
    pub fn kept(&self) -> usize {
        self.window.len().saturating_sub(BEFORE)
    }

    /// Lets go of the bytes of the unfinished record; they are read again from the file.
    pub fn forget(&mut self) {
        let from = self.window.len().saturating_sub(BEFORE);
        self.window = self.window.split_off(from);
    }

    /// The guard at the end of the last final span.
    pub fn guard(&self) -> Guard {
        let head = &self.head[..self.head.len().min(usize::try_from(self.done.at).unwrap_or(HEAD))];
        guard(head, &self.done.before, self.done.crc, self.done.crc_from, self.done.note.clone())
    }

    /// A file that was looked at, at `seen`, is still the one that was read.
    pub fn is_same(&self, look: &Look) -> bool {
        look.stat.size >= self.seen && look.head.starts_with(&self.head) && look.before.ends_with(self.last())
    }

    /// Another file holds the same bytes up to `done`: goes on there.
    pub fn moved(self, look: &Look) -> Self {
        let guard = self.guard();
        Self::resume(self.format, self.limits, self.done.at, &guard, look)
    }

    /// Reads and frames what is new, as far as the order allows. `scratch` is only kept to save allocations.
    pub fn turn(self, content: &impl Content, order: Order, scratch: &mut Vec<u8>) -> Turn {
        scratch.clear();
        scratch.extend_from_slice(&self.window);
        let stat = Stat { size: self.seen, ..Stat::default() };
        let turn = Turn { cursor: self, pieces: Vec::new(), found: Found::More, stat, read: 0, tail: None };
        let mut work = Work { content, buf: scratch, turn, open: Piece::empty() };
        work.turn.found = work.run(order).unwrap_or_else(|stop| stop);
        work.into_turn()
    }

    /// The file is gone or was truncated, and what is not final yet will never be read again: closes with what is in
    /// memory, or with a gap.
    pub fn finish(self) -> Vec<Piece> {
        let seen = self.seen;
        let mut scratch = Vec::new();
        let order = Order { limit: 0, close: Close::AtEnd, tail: false };
        let mut turn = self.turn(&Gone { size: seen }, order, &mut scratch);
        if turn.cursor.done.at < seen {
            let len = seen - turn.cursor.done.at;
            turn.pieces.push(turn.cursor.gap(len, Cause::Copytruncate, None));
        }
        turn.pieces
    }

    /// Takes the place behind a gap: what is proved of the file begins there.
    fn skip(&mut self, end: u64) {
        self.done = Done { at: end, note: Resume::default(), crc: 0, crc_from: end, before: Vec::new() };
    }

    /// A gap behind the last final span; reading goes on behind it.
    pub fn gap(&mut self, len: u64, cause: Cause, lost: Option<u64>) -> Piece {
        let at = self.done.at;
        if len > 0 {
            self.skip(at + len);
        }
        Piece::gap(at, len, cause, lost, self.guard())
    }
}

impl Piece {
    /// A gap; `guard` is that behind it.
    pub fn gap(at: u64, len: u64, cause: Cause, lost: Option<u64>, guard: Guard) -> Self {
        let mut span = WireSpan::new(Offset(at), len, SpanKind::Gap);
        (span.cause, span.lost) = (Some(cause), lost);
        Self { spans: vec![span], end: at + len, guard, bytes: 64 }
    }

    fn empty() -> Self {
        Self { spans: Vec::new(), end: 0, guard: Guard::default(), bytes: 0 }
    }

    /// Puts a span behind the others; noise behind noise is one span.
    fn push(&mut self, span: WireSpan) {
        match self.spans.last_mut() {
            Some(last) if last.kind == SpanKind::Noise && span.kind == SpanKind::Noise => {
                last.len += span.len;
                last.lines += span.lines;
            }
            _ => {
                self.bytes += span.bytes.len() + 64;
                self.spans.push(span);
            }
        }
    }

    /// Takes a piece that follows into this one, if both are small.
    pub fn join(&mut self, next: Piece) -> Option<Piece> {
        if self.bytes + next.bytes > PIECE {
            return Some(next);
        }
        next.spans.into_iter().for_each(|span| self.push(span));
        (self.end, self.guard) = (next.end, next.guard);
        None
    }
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

/// A turn under way. `buf` holds the bytes up to `seen`.
struct Work<'a, C> {
    content: &'a C,
    buf: &'a mut Vec<u8>,
    turn: Turn,
    open: Piece,
}

impl<C: Content> Work<'_, C> {
    fn run(&mut self, order: Order) -> Result<Found, Found> {
        self.turn.stat = self.content.stat().map_err(Found::Failed)?;
        if self.turn.stat.size < self.turn.cursor.seen {
            return Err(Found::Changed);
        }
        self.feed()?;
        let mut found = Found::More;
        while self.turn.read < order.limit as u64 {
            if self.turn.cursor.leading && !self.skip_nuls()? {
                found = Found::End;
                break;
            }
            let new = self.read()?;
            self.feed()?;
            self.trim(2 * CHUNK);
            if new < CHUNK {
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
            let mut spans = Vec::new();
            self.turn.cursor.framer.close(&mut spans);
            self.take(&mut spans, true)?;
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
        self.turn.cursor.window = self.buf.to_vec();
        self.turn
    }

    /// The offset of the first byte in `buf`.
    fn from(&self) -> u64 {
        self.turn.cursor.seen - self.buf.len() as u64
    }

    /// Reads a chunk together with the bytes before it: if those changed, so did the file, and nothing of it is taken.
    fn read(&mut self) -> Result<usize, Found> {
        let old = self.buf.len();
        let keep = old.min(BEFORE);
        let mut known = [0; BEFORE];
        known[..keep].copy_from_slice(&self.buf[old - keep..]);
        self.buf.resize(old + CHUNK, 0);
        let have = self.content.fill(&mut self.buf[old - keep..], self.turn.cursor.seen - keep as u64);
        let same = have.as_ref().is_ok_and(|have| *have >= keep && self.buf[old - keep..old] == known[..keep]);
        if !same {
            self.buf.truncate(old);
            self.buf[old - keep..].copy_from_slice(&known[..keep]);
            return Err(have.map_or_else(Found::Failed, |_| Found::Changed));
        }
        let new = have.map_or(0, |have| have - keep);
        self.buf.truncate(old + new);
        let cursor = &mut self.turn.cursor;
        if cursor.head.len() < HEAD && cursor.head.len() as u64 == cursor.seen {
            let more = new.min(HEAD - cursor.head.len());
            cursor.head.extend_from_slice(&self.buf[old..old + more]);
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
                cursor.head = zeros(HEAD);
                cursor.seen = data;
                cursor.done = Done { at: data, crc_from: data, before: zeros(BEFORE), ..Done::default() };
                self.open.push(WireSpan::new(Offset(0), data, SpanKind::Noise));
            }
        }
        loop {
            if self.turn.cursor.done.at == self.turn.cursor.seen {
                if self.turn.read > 4 * CHUNK as u64 || self.read()? == 0 {
                    self.restart();
                    return Ok(false);
                }
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
                    flags: Flags::NONE,
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
        let Cursor { format, limits, done, .. } = &self.turn.cursor;
        let framer = Framer::new(Arc::clone(format), Offset(done.at), &done.note, *limits);
        self.turn.cursor.at = done.at;
        self.turn.cursor.framer = framer;
    }

    /// Feeds the framer what was read and takes the spans that are final.
    fn feed(&mut self) -> Result<(), Found> {
        let mut spans = Vec::new();
        let mut again = Vec::new();
        while self.turn.cursor.at < self.turn.cursor.seen && !self.turn.cursor.leading {
            let (at, from) = (self.turn.cursor.at, self.from());
            let end = self.turn.cursor.seen.min(at + SLICE as u64);
            let slice = if at >= from {
                &self.buf[(at - from) as usize..(end - from) as usize]
            } else {
                again = self.again(at, (end - at) as usize)?;
                &again
            };
            let next = self.turn.cursor.framer.feed(slice, &mut spans);
            self.turn.cursor.at = match next {
                Next::More => end,
                Next::From(offset) => offset.0,
            };
            self.take(&mut spans, false)?;
        }
        drop(again);
        Ok(())
    }

    /// Takes spans that are final now. Where their bytes cannot be read again, framing goes back to before them.
    fn take(&mut self, spans: &mut Vec<Span>, closing: bool) -> Result<(), Found> {
        if spans.is_empty() {
            return Ok(());
        }
        self.take_final(spans, closing).inspect_err(|_| self.restart())?;
        self.turn.cursor.done.note = self.turn.cursor.framer.resume();
        if self.open.bytes >= PIECE {
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
        taken.into_iter().for_each(|span| self.open.push(span));
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
            done.step(&bytes);
            if closing && is_cut(span, &bytes) {
                out.flags = out.flags.with(Flags::CUT_BY_ROTATION);
            }
            fill(&mut out, span, &bytes);
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
                out.flags = Flags::NONE;
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
        let mut scratch = Done::default();
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

/// Hash and bytes of a record or fragment.
fn fill(out: &mut WireSpan, span: &Span, bytes: &[u8]) {
    out.head = span.head;
    out.line_end = span.line_end;
    out.hash = WireSpan::hash_of(bytes);
    out.bytes = ByteBuf::from(bytes.to_vec());
}

/// The closed file ended inside this record: its declared length is not there, or its last line has no end and no length
/// says that it is whole.
fn is_cut(span: &Span, bytes: &[u8]) -> bool {
    let open = bytes.last().is_some_and(|byte| *byte != b'\n');
    span.kind == SpanKind::Record
        && (span.flags.has(Flags::LENGTH_MISMATCH) || (open && span.flags.has(Flags::AMBIGUOUS_BOUNDARY)))
}
