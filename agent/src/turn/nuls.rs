//! A file that begins with a hole or with NULs.

use std::sync::Arc;

use record::id::Offset;
use record::span::{Flags, Span, SpanKind};
use record::wire::WireSpan;

use super::{CHUNK, TurnEnd, Work};
use crate::content::Content;
use crate::cursor::FramedEnd;
use crate::guard::{BEFORE, HEAD};

impl<C: Content> Work<'_, C> {
    /// A file that begins with a hole or with NULs was truncated under a writer that kept its offset: they are noise.
    /// False where there is nothing else yet.
    pub(super) fn skip_nuls(&mut self) -> Result<bool, TurnEnd> {
        if self.turn.cursor.seen == 0 {
            let data = self.content.data_from(0).map_err(TurnEnd::Failed)?.min(self.turn.stat.size);
            if data > 0 {
                let zeros = |most: usize| vec![0; most.min(usize::try_from(data).unwrap_or(most))];
                self.buf.clone_from(&zeros(BEFORE));
                let cursor = &mut self.turn.cursor;
                if cursor.head.is_empty() {
                    cursor.head = Arc::new(zeros(HEAD));
                }
                cursor.seen = data;
                cursor.framed = FramedEnd { at: data, crc_from: data, before: zeros(BEFORE), ..FramedEnd::default() };
                self.open.push(WireSpan::new(Offset(0), data, SpanKind::Noise));
            }
        }
        loop {
            let all_nuls = self.turn.cursor.framed.at == self.turn.cursor.seen;
            if all_nuls && (self.turn.read > 4 * CHUNK as u64 || self.read(self.want())? == 0) {
                self.restart();
                return Ok(false);
            }
            let (framed, seen) = (self.turn.cursor.framed.at, self.turn.cursor.seen);
            let fresh = &self.buf[(framed - self.from()) as usize..];
            let nuls = fresh.iter().position(|byte| *byte != 0).unwrap_or(fresh.len()) as u64;
            if nuls > 0 {
                let span = Span {
                    start: Offset(framed),
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
            if framed + nuls < seen {
                self.turn.cursor.leading = false;
                self.restart();
                self.feed()?;
                return Ok(true);
            }
        }
    }
}
