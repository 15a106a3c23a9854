//! What was read goes to the framer, and the spans that are final into pieces.

use record::frame::Next;
use record::span::{Span, SpanKind};

use super::{Found, Work};
use crate::content::Content;
use crate::cursor::Cursor;
use crate::piece::{Piece, SPAN};

impl<C: Content> Work<'_, C> {
    /// Feeds the framer what was read and takes the spans that are final.
    pub(super) fn feed(&mut self) -> Result<(), Found> {
        let mut spans = Vec::new();
        while self.turn.cursor.at < self.turn.cursor.seen && !self.turn.cursor.leading {
            self.feed_slice(&mut spans)?;
            self.take(&mut spans, false)?;
        }
        Ok(())
    }

    /// Feeds a slice, or as much as the framer wants.
    pub(super) fn feed_slice(&mut self, spans: &mut Vec<Span>) -> Result<(), Found> {
        self.recall()?;
        let (at, from) = (self.turn.cursor.at, self.from());
        let wanted = self.slice.max(self.turn.cursor.framer.wants());
        let end = self.turn.cursor.seen.min(at + wanted as u64);
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
    pub(super) fn take(&mut self, spans: &mut Vec<Span>, closing: bool) -> Result<(), Found> {
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

    pub(super) fn take_final(&mut self, spans: &mut Vec<Span>, closing: bool) -> Result<(), Found> {
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
    pub(super) fn cut(&mut self) {
        let cursor = &self.turn.cursor;
        if !self.open.spans.is_empty() {
            let mut piece = std::mem::replace(&mut self.open, Piece::empty());
            piece.end = cursor.done.at;
            piece.guard = cursor.guard();
            self.turn.pieces.push(piece);
        }
    }

    /// Frames again from the end of the last final span.
    pub(super) fn restart(&mut self) {
        let Cursor { reading, done, .. } = &self.turn.cursor;
        (self.turn.cursor.framer, self.turn.cursor.at) = (reading.framer(done.at, &done.note), done.at);
    }
}
