//! The provisional tail: every record from the last final span to the end of what was read, as it seems now.

use record::frame::Next;
use record::span::{Span, SpanKind};
use record::wire::WireSpan;

use super::{Told, TurnEnd, Work};
use crate::content::Content;
use crate::cursor::FramedEnd;
use crate::parcel::SPAN;

/// What the spans of a tail take at most, with their bytes: it is sent again and again while it stands.
const TAIL_MAX: u64 = 2 << 20;
/// Where more than this is not final, it is mostly one long message, which is shown when it is there.
const RANGE_MAX: u64 = 8 << 20;

impl<C: Content> Work<'_, C> {
    /// What the framer would say if this were the end, with bytes: the first spans of it, as many as may be sent. None
    /// where the bytes are not there any more.
    pub(super) fn tail(&mut self) -> Option<Told> {
        if let Some(spans) = self.guess_unwrapped(RANGE_MAX).ok()? {
            return Some(told(spans));
        }
        let spans = self.guess().ok()?;
        let mut scratch = FramedEnd { before: self.turn.cursor.framed.before.clone(), ..FramedEnd::default() };
        let (mut told, mut taken) = (Told::default(), 0);
        for span in spans {
            taken += SPAN as u64 + if span.kind == SpanKind::Noise { 0 } else { span.len };
            if taken > TAIL_MAX {
                told.cut_at = Some(span.start.0);
                break;
            }
            told.spans.push(self.material(&span, &mut scratch, false).ok()?);
        }
        Some(told)
    }

    /// Frames what is not final yet as if no more would come.
    fn guess(&mut self) -> Result<Vec<Span>, TurnEnd> {
        let (from, at, seen) = (self.turn.cursor.framed.at, self.turn.cursor.at, self.turn.cursor.seen);
        let mut spans = Vec::new();
        if self.turn.cursor.leading || at < seen || seen - from > RANGE_MAX {
            return Ok(spans);
        }
        let mut framer = self.turn.cursor.framer.clone();
        while let Next::From(offset) = framer.presume(&mut spans) {
            self.recall()?;
            let mut at = offset.0;
            while at < seen {
                let end = seen.min(at + self.slice.max(framer.wants()) as u64);
                let bytes = self.bytes(at, (end - at) as usize)?;
                at = match framer.feed(&bytes, &mut spans) {
                    Next::More => end,
                    Next::From(offset) => offset.0,
                };
            }
        }
        spans.extend(framer.tail());
        Ok(spans)
    }
}

/// Spans that are made already: the first of them, as many as may be sent.
fn told(spans: Vec<WireSpan>) -> Told {
    let (mut told, mut taken) = (Told::default(), 0);
    for span in spans {
        taken += SPAN + span.bytes.len();
        if taken as u64 > TAIL_MAX {
            told.cut_at = Some(span.start.0);
            break;
        }
        told.spans.push(span);
    }
    told
}
