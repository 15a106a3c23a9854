//! What was read goes to the framer, and the spans that are final into parcels.

use record::frame::Next;
use record::span::{Span, SpanKind};

use super::{TurnEnd, Work};
use crate::content::Content;
use crate::cursor::Cursor;
use crate::parcel::{Parcel, SPAN};

impl<C: Content> Work<'_, C> {
    /// Feeds the framer what was read and takes the spans that are final.
    pub(super) fn feed(&mut self) -> Result<(), TurnEnd> {
        if self.wrap() {
            return self.feed_unwrapped(false);
        }
        let mut spans = Vec::new();
        while self.turn.cursor.at < self.turn.cursor.seen && !self.turn.cursor.leading {
            self.feed_slice(&mut spans)?;
            self.take(&mut spans, false)?;
        }
        Ok(())
    }

    /// Feeds a slice, or as much as the framer wants.
    pub(super) fn feed_slice(&mut self, spans: &mut Vec<Span>) -> Result<(), TurnEnd> {
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
    pub(super) fn take(&mut self, spans: &mut Vec<Span>, closing: bool) -> Result<(), TurnEnd> {
        if spans.is_empty() {
            return Ok(());
        }
        let more = spans.iter().map(|span| SPAN + if span.kind == SpanKind::Noise { 0 } else { span.len as usize });
        if self.open.bytes + more.sum::<usize>() > self.parcel {
            self.cut();
        }
        if spans.iter().any(|span| span.kind == SpanKind::Record) {
            self.turn.cursor.look.seen.understood();
        }
        self.take_final(spans, closing).inspect_err(|_| self.restart())?;
        self.turn.cursor.framed.note = self.turn.cursor.framer.resume();
        if self.open.bytes >= self.parcel {
            self.cut();
        }
        Ok(())
    }

    pub(super) fn take_final(&mut self, spans: &mut Vec<Span>, closing: bool) -> Result<(), TurnEnd> {
        let mut framed = self.turn.cursor.framed.clone();
        let mut taken = Vec::with_capacity(spans.len());
        for span in spans.drain(..) {
            taken.push(self.material(&span, &mut framed, closing)?);
        }
        self.turn.cursor.framed = framed;
        for span in taken {
            self.open.push(span);
        }
        Ok(())
    }

    /// Ends the open parcel, if all that is final is in it.
    pub(super) fn cut(&mut self) {
        let cursor = &self.turn.cursor;
        if !self.open.spans.is_empty() {
            let mut parcel = std::mem::replace(&mut self.open, Parcel::empty());
            parcel.end = cursor.framed.at;
            parcel.guard = cursor.guard();
            self.turn.parcels.push(parcel);
        }
    }

    /// Frames again from the end of the last final span.
    pub(super) fn restart(&mut self) {
        let Cursor { framing, framed, .. } = &self.turn.cursor;
        (self.turn.cursor.framer, self.turn.cursor.at) = (framing.framer(framed.at, &framed.note), framed.at);
    }
}
