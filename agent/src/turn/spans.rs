//! A span with its bytes, as it is sent: hashed and masked.

use record::format::NearMisses;
use record::id::first_16;
use record::redact;
use record::span::{Cause, Flags, Span, SpanKind};
use record::wire::WireSpan;
use serde_bytes::{ByteArray, ByteBuf};
use sha2::{Digest, Sha256};

use super::close::is_cut;
use super::{CHUNK, TurnEnd, Work};
use crate::content::Content;
use crate::cursor::FramedEnd;
use crate::guard::BEFORE;

/// The largest record that is sent; a larger one is a gap `rejected`.
pub(super) const RECORD_MAX: u64 = 16 << 20;

impl<C: Content> Work<'_, C> {
    /// A span with its bytes, as it is sent.
    pub(super) fn material(&self, span: &Span, framed: &mut FramedEnd, closing: bool) -> Result<WireSpan, TurnEnd> {
        let mut out = WireSpan::new(span.start, span.len, span.kind);
        out.flags = span.flags;
        out.lines = span.lines;
        let format = &self.turn.cursor.framing.format;
        let whole = span.kind != SpanKind::Noise && span.len <= RECORD_MAX;
        if whole {
            let bytes = self.bytes(span.start.0, span.len as usize)?;
            let cut = span.kind == SpanKind::Fragment && framed.before.last() != Some(&b'\n');
            framed.step(&bytes);
            if closing && self.block_to.is_none() && span.end().0 == self.turn.cursor.seen && is_cut(span, &bytes) {
                out.flags = out.flags.union(Flags::CUT_BY_ROTATION);
            }
            fill(&mut out, span, &bytes, cut, &self.turn.cursor.framing.masks);
            if may_hide_headers(span) {
                let mut search = NearMisses::new(format, span.start.plus(span.head.into()));
                search.take(&bytes[span.head as usize..]);
                out.near_misses = search.end();
            }
        } else {
            let mut search = NearMisses::new(format, span.start);
            let mut hash = (span.kind != SpanKind::Noise).then(Sha256::new);
            let mut at = span.start.0;
            while at < span.end().0 {
                let len = (span.end().0 - at).min(CHUNK as u64);
                let bytes = self.bytes(at, len as usize)?;
                framed.step(&bytes);
                match &mut hash {
                    Some(hash) => hash.update(&bytes),
                    None => search.take(&bytes),
                }
                at += len;
            }
            out.near_misses = search.end();
            if let Some(hash) = hash {
                out.kind = SpanKind::Gap;
                out.flags = Flags::empty();
                out.cause = Some(Cause::Rejected);
                out.lost = Some(0);
                out.hash = ByteArray::new(first_16(&hash.finalize()));
            }
        }
        framed.at = span.end().0;
        Ok(out)
    }
}

/// A header line that was not understood may stand in it: where a message ends by its own grammar, its lines are its own.
pub(super) fn may_hide_headers(span: &Span) -> bool {
    let doubtful = Flags::LENGTH_MISMATCH | Flags::AMBIGUOUS_BOUNDARY | Flags::UNFINISHED;
    span.kind != SpanKind::Record || span.flags.intersects(doubtful)
}

/// Hash, masks and bytes of a record or fragment; `cut`: it begins inside a line.
pub(super) fn fill(out: &mut WireSpan, span: &Span, bytes: &[u8], cut: bool, rules: &redact::Rules) {
    out.head = span.head;
    out.line_end = span.line_end;
    match redact::mask(bytes, span.head, cut, rules) {
        // A hash of the file's bytes would let the masked values be guessed; a keyed one comes with `verify`.
        Some((shown, masked)) => (out.bytes, out.masked) = (ByteBuf::from(shown), masked),
        None => (out.bytes, out.hash) = (ByteBuf::from(bytes.to_vec()), WireSpan::hash_of(bytes)),
    }
}

impl FramedEnd {
    pub(super) fn step(&mut self, bytes: &[u8]) {
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
