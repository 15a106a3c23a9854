//! The sources of an agent by number, and what was counted of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use record::span::SpanKind;
use record::wire::WireSpan;

use crate::cursor::Framing;
use serde::{Deserialize, Serialize};

use crate::place::{Place, SourceId};

/// Where a log is read from that was never followed before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    #[default]
    Beginning,
    /// What stands there already is recorded as a gap.
    End,
}

/// A source as following needs it.
#[derive(Clone, Debug)]
pub struct Spec {
    pub place: Place,
    pub framing: Arc<Framing>,
    pub zone: String,
    pub start: Start,
}

/// What the collector has acknowledged since the agent started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub records: u64,
    pub gaps: u64,
    pub noise_bytes: u64,
    pub near_misses: u64,
}

#[derive(Debug)]
pub struct Sources {
    specs: BTreeMap<SourceId, Spec>,
    /// None stands for all streams whose path the config names no more.
    counts: BTreeMap<Option<SourceId>, Counts>,
}

impl Sources {
    pub fn new(specs: Vec<Spec>) -> Self {
        let specs = specs.into_iter().map(|spec| (spec.place.source, spec)).collect();
        Self { specs, counts: BTreeMap::new() }
    }

    pub fn get(&self, id: SourceId) -> Option<&Spec> {
        self.specs.get(&id)
    }

    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.specs.values().map(|spec| &spec.place)
    }

    /// Counts spans that are acknowledged.
    pub fn count(&mut self, source: Option<SourceId>, spans: &[WireSpan]) {
        let counts = self.counts.entry(source).or_default();
        for span in spans {
            match span.kind {
                SpanKind::Record => counts.records += 1,
                SpanKind::Gap => counts.gaps += 1,
                SpanKind::Noise => counts.noise_bytes += span.len,
                SpanKind::Fragment => {}
            }
            counts.near_misses += span.near_misses.iter().map(|miss| miss.lines).sum::<u64>();
        }
    }

    /// The counts of all sources together.
    pub fn total(&self) -> Counts {
        self.counts.values().fold(Counts::default(), |sum, counts| Counts {
            records: sum.records + counts.records,
            gaps: sum.gaps + counts.gaps,
            noise_bytes: sum.noise_bytes + counts.noise_bytes,
            near_misses: sum.near_misses + counts.near_misses,
        })
    }
}

#[cfg(test)]
mod tests {
    use record::id::Offset;
    use record::miss::{NearMiss, Reason};

    use super::*;

    #[test]
    fn what_is_acknowledged_is_counted_for_its_source() {
        let span = |kind| WireSpan::new(Offset(0), 10, kind);
        let mut spans =
            [SpanKind::Record, SpanKind::Noise, SpanKind::Gap, SpanKind::Fragment, SpanKind::Record].map(span);
        let mut sources = Sources::new(Vec::new());
        spans[1].near_misses.push(NearMiss::new(Reason::Time, 3, Offset(0), b"[x][BYE][a][b]"));
        sources.count(Some(SourceId(1)), &spans);
        sources.count(None, &spans[..1]);
        let counts = Counts { records: 2, gaps: 1, noise_bytes: 10, near_misses: 3 };
        assert_eq!(sources.counts.get(&Some(SourceId(1))), Some(&counts));
        assert_eq!(sources.total(), Counts { records: 3, ..counts });
    }
}
