//! A collector in memory: compare-and-set on the watermark, tiles and hashes checked on arrival.

use std::collections::BTreeMap;

use record::id::{Offset, StreamId};
use record::span::SpanKind;
use record::wire::{Answer, Append, Guard, Position, Refused, StreamAnswer, WireSpan};

#[derive(Default)]
pub struct Stored {
    pub w: u64,
    pub guard: Guard,
    pub spans: Vec<WireSpan>,
    pub tail: Vec<WireSpan>,
    pub position: Option<Position>,
    pub settled: bool,
}

impl Stored {
    /// What it tells an agent that asks for this stream.
    pub fn told(&self) -> Option<Position> {
        Some(Position { w: Offset(self.w), guard: self.guard.clone(), ..self.position.clone()? })
    }
}

pub fn collect(streams: &mut BTreeMap<StreamId, Stored>, append: &Append) -> Answer {
    let answers = append.streams.iter().map(|part| {
        let stored = streams.entry(part.stream).or_default();
        let mut at = part.base;
        for span in &part.spans {
            assert_eq!(span.start, at, "spans tile what is sent");
            at = span.end();
            if matches!(span.kind, SpanKind::Record | SpanKind::Fragment) && span.masked.is_empty() && span.of.is_none()
            {
                assert_eq!(span.hash, WireSpan::hash_of(&span.bytes));
                assert_eq!(span.bytes.len() as u64, span.text_len());
            }
        }
        assert_eq!(at, part.end, "spans end where the batch says");
        let unknown = stored.position.is_none() && part.meta.is_none();
        let straddles = part.spans.iter().any(|span| span.start.0 < stored.w && span.end().0 > stored.w);
        let refused = match () {
            () if part.base.0 > stored.w || unknown => Some(Refused::Base),
            () if straddles => Some(Refused::Straddle),
            () => None,
        };
        if refused.is_none() && part.end.0 >= stored.w {
            let w = stored.w;
            let known: Vec<(Offset, _)> =
                stored.spans.iter().filter(|s| s.len == 0).map(|s| (s.start, s.cause)).collect();
            let new = part
                .spans
                .iter()
                .filter(|span| span.start.0 >= w && !(span.len == 0 && known.contains(&(span.start, span.cause))));
            stored.spans.extend(new.cloned());
            (stored.w, stored.guard, stored.tail) = (part.end.0, part.guard.clone(), part.tail.clone());
            stored.settled = part.settled;
            if let Some(meta) = &part.meta {
                let position = Position {
                    stream: part.stream,
                    file: meta.file,
                    epoch: meta.epoch,
                    w: Offset(0),
                    guard: Guard::default(),
                    size: part.size,
                    source: meta.source.clone(),
                    path: meta.path.clone(),
                    closed: false,
                };
                stored.position.get_or_insert(position);
            }
            if let Some(position) = &mut stored.position {
                position.size = part.size;
            }
        }
        StreamAnswer { stream: part.stream, w: Offset(stored.w), part: None, refused }
    });
    Answer { version: 1, batch: append.batch, lease: 0, streams: answers.collect() }
}
