//! Until when a stream is read: the last time of which it is certain that all that was in its file then is stored, or shown.

use record::time::Timestamp;

/// Offsets are those of the file, times are the agent's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reached {
    at: Option<Timestamp>,
    /// The file ended here at this time, and not all before is stored yet. Later ends wait for this one: with a log that never
    /// rests, the newest end is never stored.
    waiting: Option<(u64, Timestamp)>,
}

impl Reached {
    pub fn at(&self) -> Option<Timestamp> {
        self.at
    }

    /// A turn ended at the end of the file.
    pub fn saw_end(&mut self, end: u64, now: Timestamp) {
        self.waiting.get_or_insert((end, now));
    }

    /// Something was acknowledged; `has` says whether all up to an offset is there.
    pub fn advance(&mut self, has: impl FnOnce(u64) -> bool) {
        if let Some((_, at)) = self.waiting.take_if(|(end, _)| has(*end)) {
            self.at = self.at.max(Some(at));
        }
    }

    /// The collector is elsewhere.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_never_rests_is_read_until_the_end_that_was_stored_last() {
        let mut reached = Reached::default();
        reached.saw_end(100, Timestamp(1));
        reached.advance(|end| end <= 99);
        reached.saw_end(200, Timestamp(2));
        assert_eq!(reached.at(), None);
        reached.advance(|end| end <= 150);
        assert_eq!(reached.at(), Some(Timestamp(1)));
        reached.saw_end(300, Timestamp(3));
        reached.advance(|end| end <= 300);
        assert_eq!(reached.at(), Some(Timestamp(3)));
        reached.forget();
        assert_eq!(reached.at(), None);
    }
}
