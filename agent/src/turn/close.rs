//! The end of a file that is closed, gone or truncated: all that is left becomes final.

use std::io;

use record::frame::Next;
use record::span::{Cause, Flags, Span, SpanKind};

use super::{Close, Order, Turn, TurnEnd, Work};
use crate::content::{Content, Stat};
use crate::cursor::Cursor;
use crate::parcel::{PARCEL, Parcel};

/// The file is gone or was truncated, and what is not final yet will never be read again: closes with what is in memory, or
/// with a gap.
pub fn finish(cursor: Cursor) -> Vec<Parcel> {
    let seen = cursor.seen;
    let size = seen.max(cursor.head.len() as u64);
    let order = Order { limit: 0, parcel: PARCEL, close: Close::AtEnd, tail: false };
    let mut turn = Turn::take(cursor, &Gone { size }, order, &mut Vec::new());
    if turn.cursor.framed.at < seen {
        let len = seen - turn.cursor.framed.at;
        turn.parcels.push(turn.cursor.gap(len, Cause::Copytruncate, None));
    }
    turn.parcels
}

impl<C: Content> Work<'_, C> {
    /// All that was read and is not final becomes so: the file ends here, or a block of NULs follows.
    pub(super) fn end_all(&mut self) -> Result<(), TurnEnd> {
        if self.turn.cursor.unwrapped.is_some() {
            return self.feed_unwrapped(true);
        }
        let mut spans = Vec::new();
        loop {
            let next = self.turn.cursor.framer.close(&mut spans);
            self.take(&mut spans, true)?;
            let Next::From(offset) = next else { return Ok(()) };
            self.turn.cursor.at = offset.0;
            while self.turn.cursor.at < self.turn.cursor.seen {
                self.feed_slice(&mut spans)?;
                self.take(&mut spans, true)?;
            }
        }
    }
}

/// The closed file ended inside this record: its declared length is not there, or its last line has no end and no length
/// says that it is whole.
pub(super) fn is_cut(span: &Span, bytes: &[u8]) -> bool {
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
