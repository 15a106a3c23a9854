//! What a turn makes of a file: spans with their bytes, and the guard behind them.

use message::id::Offset;
use message::span::{Cause, SpanKind};
use message::wire::{Guard, WireSpan};

/// A piece is closed when it holds so many bytes.
pub const PIECE: usize = 32 << 10;

/// Spans that tile [former end, `end`), with the guard at `end`. Appends are cut between pieces only.
#[derive(Clone, PartialEq, Debug)]
pub struct Piece {
    pub spans: Vec<WireSpan>,
    pub end: u64,
    pub guard: Guard,
    /// What it takes in memory and in a batch, roughly.
    pub bytes: usize,
}

impl Piece {
    /// A gap; `guard` is that behind it.
    pub fn gap(at: u64, len: u64, cause: Cause, lost: Option<u64>, guard: Guard) -> Self {
        let mut span = WireSpan::new(Offset(at), len, SpanKind::Gap);
        (span.cause, span.lost) = (Some(cause), lost);
        Self { spans: vec![span], end: at + len, guard, bytes: 64 }
    }

    pub fn empty() -> Self {
        Self { spans: Vec::new(), end: 0, guard: Guard::default(), bytes: 0 }
    }

    /// Puts a span behind the others; noise behind noise is one span.
    pub fn push(&mut self, span: WireSpan) {
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
        for span in next.spans {
            self.push(span);
        }
        (self.end, self.guard) = (next.end, next.guard);
        None
    }
}
