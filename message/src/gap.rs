//! Between two logs: how much later than its cause an effect was logged, and what that says of their clocks.

use record::time::SECOND;

/// Finer than this no clock is told to be wrong.
pub const MILLISECOND: i64 = SECOND / 1000;

/// How much later than its cause an effect was logged, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Gaps {
    /// Of messages that both logged, sender and receiver: the least, and the median.
    pub by_both: Option<(i64, i64)>,
    /// The least over what a proxy passed on: its way through the machine is short.
    pub passed_on: Option<i64>,
    /// The least over requests and their responses: that may take as long as somebody thinks.
    pub answered: Option<i64>,
}

/// By how much one clock is ahead of another.
#[derive(Clone, Copy)]
pub struct Ahead {
    pub least: Option<i64>,
    pub most: Option<i64>,
    /// Where messages went both ways: both hold way and offset, once with either sign.
    pub measured: Option<i64>,
    pub tick: i64,
}

impl Ahead {
    pub fn of(there: Gaps, back: Gaps, tick: i64) -> Self {
        let seen = there.by_both.or(back.by_both).is_some();
        let least = |gaps: Gaps| match gaps.by_both {
            Some((least, _)) => Some(least),
            None if seen => None,
            None => gaps.passed_on.into_iter().chain(gaps.answered).min(),
        };
        let way = |gaps: Gaps| if seen { gaps.by_both.map(|(_, median)| median) } else { gaps.passed_on };
        let measured = way(there).zip(way(back)).map(|(there, back)| there.saturating_sub(back) / 2);
        let bounds = |of: &dyn Fn(Gaps) -> Option<i64>| (of(back).map(i64::saturating_neg), of(there));
        let possible =
            |(least, most): &(Option<i64>, Option<i64>)| least.zip(*most).is_none_or(|(least, most)| least <= most);
        // Some logs were written late: then the medians know better.
        let (least, most) = [bounds(&least), bounds(&way)].into_iter().find(possible).unwrap_or((measured, measured));
        let mut ahead = Self { least, most, measured, tick };
        // The ways there and back take no equal time.
        if let (Some(at), Some(least), Some(most)) = (measured, least, most)
            && !ahead.fits(at)
        {
            ahead.measured = Some(least.midpoint(most));
        }
        ahead
    }

    pub fn turned(self) -> Self {
        let turn = |bound: Option<i64>| bound.map(i64::saturating_neg);
        Self { least: turn(self.most), most: turn(self.least), measured: turn(self.measured), tick: self.tick }
    }

    /// What lies less than a tick before its cause is only written coarser.
    pub fn fits(&self, ahead: i64) -> bool {
        self.least.is_none_or(|least| ahead > least.saturating_sub(self.tick))
            && self.most.is_none_or(|most| ahead < most.saturating_add(self.tick))
    }
}
