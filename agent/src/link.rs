//! Whether the collector answers: one line when it is lost, one when it is back, and none for a stumble.

use std::time::{Duration, Instant};

use crate::progress::Collector;

/// Without a success for so long it counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// A busy collector is there, and asks for time itself.
const PATIENCE_BUSY: Duration = Duration::from_secs(30);

/// What a request says of the collector.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Word {
    Up,
    /// With the reason.
    Down(String),
    Busy(String),
    /// Nobody but an operator can help.
    Refused(String),
}

/// What is worth a line in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    Lost(String),
    Back { after: Duration },
}

/// What all requests together say of the collector.
#[derive(Debug, Default)]
pub struct Link {
    collector: Collector,
    /// When the first request failed after the last success.
    failing: Option<Instant>,
}

impl Link {
    pub fn collector(&self) -> Collector {
        self.collector
    }

    pub fn hear(&mut self, word: Word, now: Instant) -> Option<Said> {
        let (why, patience) = match word {
            Word::Up => {
                self.failing = None;
                let before = std::mem::replace(&mut self.collector, Collector::Up);
                let Collector::Lost { since } = before else { return None };
                return Some(Said::Back { after: now.saturating_duration_since(since) });
            }
            Word::Down(why) => (why, PATIENCE),
            Word::Busy(why) => (why, PATIENCE_BUSY),
            Word::Refused(why) => (why, Duration::ZERO),
        };
        let since = *self.failing.get_or_insert(now);
        // One that never answered was asked for the first time just now, and whoever started the agent is watching.
        let patience = if self.collector == Collector::Unknown { Duration::ZERO } else { patience };
        let lost = now.saturating_duration_since(since) >= patience;
        if matches!(self.collector, Collector::Lost { .. }) || !lost {
            return None;
        }
        self.collector = Collector::Lost { since };
        Some(Said::Lost(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down() -> Word {
        Word::Down("connection refused".into())
    }

    fn lost() -> Said {
        Said::Lost("connection refused".into())
    }

    #[test]
    fn a_stumble_is_not_reported() {
        let (mut link, start) = (Link::default(), Instant::now());
        assert_eq!(link.hear(Word::Up, start), None);
        for tenth in 0..300 {
            let now = start + Duration::from_millis(100 * tenth);
            let word = if tenth % 10 == 0 { down() } else { Word::Up };
            assert_eq!(link.hear(word, now), None);
        }
    }

    #[test]
    fn a_collector_that_stays_away_is_reported_once_and_its_return_once() {
        let (mut link, start) = (Link::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        link.hear(Word::Up, start);
        assert_eq!(link.hear(down(), at(100)), None);
        assert_eq!(link.hear(down(), at(104)), None);
        assert_eq!(link.hear(down(), at(105)), Some(lost()));
        assert_eq!(link.hear(down(), at(200)), None);
        assert_eq!(link.hear(Word::Up, at(220)), Some(Said::Back { after: Duration::from_mins(2) }));
        assert_eq!(link.hear(Word::Up, at(221)), None);
    }

    #[test]
    fn one_that_never_answered_or_refuses_is_reported_at_once() {
        let start = Instant::now();
        assert_eq!(Link::default().hear(down(), start), Some(lost()));
        let mut link = Link::default();
        link.hear(Word::Up, start);
        assert_eq!(link.hear(Word::Refused("401".into()), start), Some(Said::Lost("401".into())));
    }

    #[test]
    fn a_busy_collector_is_lost_only_after_long() {
        let (mut link, start) = (Link::default(), Instant::now());
        link.hear(Word::Up, start);
        let busy = || Word::Busy("busy".into());
        assert_eq!(link.hear(busy(), start), None);
        assert_eq!(link.hear(busy(), start + Duration::from_secs(29)), None);
        assert_eq!(link.hear(busy(), start + Duration::from_secs(30)), Some(Said::Lost("busy".into())));
    }
}
