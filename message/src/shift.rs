//! By how much the clocks of several logs are off.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use crate::gap::{Ahead, Gaps, MILLISECOND};

/// Logs in one chain, at most; no call has more.
const ROUNDS: usize = 32;

/// One log; its number is that in the order of names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// How fine its times are, in microseconds.
    pub tick: i64,
    /// A second log of one machine has no say in which clock is right.
    pub votes: bool,
    /// By how much it is off as many calls show it.
    pub known: Option<i64>,
}

/// By log: microseconds to add to its times, given the gaps by (log of the cause, log of the effect).
///
/// Logs are measured against each other over chains of those that saw the same messages in both directions. Of all that are
/// connected so, the one nearest to the median keeps its time. Each other keeps its time, or the shift that is known of it,
/// unless that puts an effect before its cause; those are asked first that are off by least. So no clock is off because its
/// neighbour's is. What is connected by messages in one direction alone is moved by the least that is possible.
pub fn shifts(clocks: &[Clock], gaps: &BTreeMap<(usize, usize), Gaps>) -> Vec<i64> {
    let near = near(clocks, gaps);
    let known: Vec<Option<i64>> = clocks.iter().map(|clock| clock.known).collect();
    let told = placed(clocks, &near, &known, true);
    if is_possible(&near, &told) {
        return told;
    }
    // What others measured does not hold here; or a clock that may be right is not, as its other neighbours show.
    let unknown = vec![None; clocks.len()];
    let own = |spare: bool| placed(clocks, &near, &unknown, spare);
    let possible = [true, false].into_iter().map(own).find(|own| is_possible(&near, own));
    possible.or_else(|| brought_forward(&near, own(false))).unwrap_or(told)
}

fn is_possible(near: &Near, shift: &[i64]) -> bool {
    let fits = |log: usize| near[log].iter().all(|(other, ahead)| ahead.fits(shift[*other].saturating_sub(shift[log])));
    (0..near.len()).all(fits)
}

/// Over chains in one direction each pair may be possible, and all of them together not: then causes are moved before their
/// effects, one after the other (Bellman and Ford). None where logs were written so late that nothing is possible.
fn brought_forward(near: &Near, mut shift: Vec<i64>) -> Option<Vec<i64>> {
    for _ in 0..near.len().min(ROUNDS) {
        for log in 0..near.len() {
            for (other, ahead) in &near[log] {
                if let Some(least) = ahead.least
                    && !ahead.fits(shift[*other].saturating_sub(shift[log]))
                {
                    shift[log] = shift[log].min(shift[*other].saturating_sub(least));
                }
            }
        }
        if is_possible(near, &shift) {
            return Some(shift);
        }
    }
    None
}

/// `spare`: a clock that may be right is.
fn placed(clocks: &[Clock], near: &Near, known: &[Option<i64>], spare: bool) -> Vec<i64> {
    let mut placed = Placed { near, spare, shift: vec![None; clocks.len()] };
    let mut known: Vec<(usize, i64)> =
        known.iter().enumerate().filter_map(|(log, shift)| Some((log, (*shift)?))).collect();
    // The more a clock is off, the sooner it is off by something else now.
    known.sort_by_key(|(log, shift)| (shift.saturating_abs(), *log));
    for &(log, shift) in &known {
        placed.shift[log] = Some(shift.saturating_add(placed.offset(&[(log, shift)])));
    }
    placed.spread(known.into_iter().map(|(log, _)| log).collect());
    let mut inner = Placed { near, spare, shift: vec![None; clocks.len()] };
    for Block { logs, reference } in blocks(clocks, near, &placed.shift) {
        inner.shift[reference] = Some(0);
        inner.spread(vec![reference]);
        let block: Vec<(usize, i64)> = logs.iter().map(|log| (*log, inner.shift[*log].take().unwrap_or(0))).collect();
        let offset = placed.offset(&block);
        for (log, shift) in block {
            placed.shift[log] = Some(shift.saturating_add(offset));
        }
    }
    placed.shift.into_iter().map(|shift| shift.unwrap_or(0)).collect()
}

/// By log: those of which it has gaps, and by how much its own clock is ahead of theirs.
type Near = Vec<Vec<(usize, Ahead)>>;

fn near(clocks: &[Clock], gaps: &BTreeMap<(usize, usize), Gaps>) -> Near {
    let mut near: Near = vec![Vec::new(); clocks.len()];
    for (&(cause, effect), there) in gaps {
        let back = gaps.get(&(effect, cause));
        if cause < effect || back.is_none() {
            let ahead =
                Ahead::of(*there, back.copied().unwrap_or_default(), clocks[cause].tick.max(clocks[effect].tick));
            near[effect].push((cause, ahead));
            near[cause].push((effect, ahead.turned()));
        }
    }
    for near in &mut near {
        near.sort_unstable_by_key(|(other, _)| *other);
    }
    near
}

/// Logs whose shift is settled, one after the other.
struct Placed<'a> {
    near: &'a Near,
    spare: bool,
    shift: Vec<Option<i64>>,
}

impl Placed<'_> {
    /// By how much these logs must be moved together, beside those that are placed: not at all if that is possible, else as was
    /// measured, else by the least.
    fn offset(&self, logs: &[(usize, i64)]) -> i64 {
        let links: Vec<(i64, &Ahead)> = logs
            .iter()
            .flat_map(|(log, shift)| self.near[*log].iter().map(move |(other, ahead)| (other, shift, ahead)))
            .filter_map(|(other, shift, ahead)| Some((self.shift[*other]?.saturating_sub(*shift), ahead)))
            .collect();
        let fits = |offset: i64| links.iter().all(|(apart, ahead)| ahead.fits(apart.saturating_sub(offset)));
        if fits(0) {
            return 0;
        }
        let mut wrong = links.iter().filter(|(apart, ahead)| !ahead.fits(*apart));
        let measured = wrong.find_map(|(apart, ahead)| Some(apart.saturating_sub(ahead.measured?)));
        let offset = measured.unwrap_or(0);
        if measured.is_some() && fits(offset) {
            return offset;
        }
        let least = links.iter().filter_map(|(apart, ahead)| Some(apart.saturating_sub(ahead.most?))).max();
        let most = links.iter().filter_map(|(apart, ahead)| Some(apart.saturating_sub(ahead.least?))).min();
        match (least, most) {
            (Some(least), Some(most)) if least > most => measured.unwrap_or(least.midpoint(most)),
            _ => offset.max(least.unwrap_or(i64::MIN)).min(most.unwrap_or(i64::MAX)),
        }
    }

    /// Places what is measured against those, and so on: the least that is off first, and as right wherever it may be.
    fn spread(&mut self, from: Vec<usize>) {
        let near = self.near;
        let mut expected: BTreeMap<usize, Expected> = BTreeMap::new();
        let mut next: VecDeque<(usize, Expected)> =
            from.into_iter().map(|log| (log, Expected::at(self.shift[log].unwrap_or(0)))).collect();
        while let Some((log, at)) = next.pop_front() {
            for (other, ahead) in &near[log] {
                if self.shift[*other].is_none()
                    && !expected.contains_key(other)
                    && let Some(at) = at.beside(ahead)
                {
                    expected.insert(*other, at);
                    next.push_back((*other, at));
                }
            }
        }
        let mut sorted: Vec<(usize, Expected)> = expected.into_iter().collect();
        sorted.sort_by_key(|(log, expected)| (expected.shift.saturating_abs(), *log));
        for (log, expected) in sorted {
            let right = expected.shift.saturating_abs() < MILLISECOND;
            let spare = right || (self.spare && expected.low < 0 && expected.high > 0);
            let wanted = if spare { 0 } else { expected.shift };
            self.shift[log] = Some(wanted.saturating_add(self.offset(&[(log, wanted)])));
        }
    }
}

/// The shift of a log as it was measured over others, and between which it must lie.
#[derive(Clone, Copy)]
struct Expected {
    shift: i64,
    low: i64,
    high: i64,
}

impl Expected {
    fn at(shift: i64) -> Self {
        Self { shift, low: shift, high: shift }
    }

    /// That of a log whose clock is so far behind: `ahead` is how far this one is ahead of it.
    fn beside(self, ahead: &Ahead) -> Option<Self> {
        let Ahead { measured: Some(measured), least: Some(least), most: Some(most), tick } = *ahead else {
            return None;
        };
        Some(Self {
            shift: self.shift.saturating_add(measured),
            low: self.low.saturating_add(least).saturating_sub(tick),
            high: self.high.saturating_add(most).saturating_add(tick),
        })
    }
}

/// Logs that are connected by measured pairs.
struct Block {
    logs: Vec<usize>,
    reference: usize,
}

/// Of those that are not placed; the largest first, of two alike the first by name.
fn blocks(clocks: &[Clock], near: &Near, placed: &[Option<i64>]) -> Vec<Block> {
    let mut rough: Vec<Option<i64>> = placed.to_vec();
    let mut blocks = Vec::new();
    for start in 0..clocks.len() {
        if rough[start].is_some() {
            continue;
        }
        rough[start] = Some(0);
        let mut logs = vec![start];
        let mut next = 0;
        while let Some(&log) = logs.get(next) {
            next += 1;
            let own = rough[log].unwrap_or(0);
            for &(other, ahead) in &near[log] {
                if let (None, Some(measured)) = (rough[other], ahead.measured) {
                    rough[other] = Some(own.saturating_add(measured));
                    logs.push(other);
                }
            }
        }
        let voters: Vec<usize> = logs.iter().copied().filter(|log| clocks[*log].votes).collect();
        let reference = nearest_to_median(clocks, if voters.is_empty() { &logs } else { &voters }, &rough);
        blocks.push((Reverse(voters.len()), start, Block { logs, reference }));
    }
    blocks.sort_by_key(|(voters, start, _)| (*voters, *start));
    blocks.into_iter().map(|(.., block)| block).collect()
}

/// The log whose shift lies nearest to the median of all; of those that are alike but for their ticks the first by name.
fn nearest_to_median(clocks: &[Clock], logs: &[usize], shift: &[Option<i64>]) -> usize {
    let of = |log: &usize| shift[*log].unwrap_or(0);
    let mut sorted: Vec<i64> = logs.iter().map(of).collect();
    sorted.sort_unstable();
    // Of an even number the middle lies between two.
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    let far = |log: &usize| {
        of(log).saturating_sub(low).saturating_abs().saturating_add(of(log).saturating_sub(high).saturating_abs())
    };
    let tick = logs.iter().map(|log| clocks[*log].tick).max().unwrap_or(0);
    let least = logs.iter().map(far).min().unwrap_or(0).saturating_add(tick);
    logs.iter().copied().filter(|log| far(log) <= least).min().unwrap_or(logs[0])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Between which two logs, how long it takes, and whether an answer takes as long.
    type Way = (usize, usize, i64, bool);

    /// Logs with their true shifts, and messages between them.
    fn world() -> impl Strategy<Value = (Vec<i64>, Vec<Way>)> {
        prop::collection::vec(prop_oneof![Just(0), -900_000..900_000_i64], 2..7).prop_flat_map(|off| {
            let log = 0..off.len();
            (Just(off), prop::collection::vec((log.clone(), log, 100..40_000_i64, any::<bool>()), 1..12))
        })
    }

    fn gaps(off: &[i64], messages: &[Way]) -> BTreeMap<(usize, usize), Gaps> {
        let mut gaps: BTreeMap<(usize, usize), Gaps> = BTreeMap::new();
        let mut note = |cause: usize, effect: usize, way: i64| {
            if cause != effect {
                let gap = way - off[effect] + off[cause];
                let known = &mut gaps.entry((cause, effect)).or_default().by_both;
                *known = Some(known.map_or((gap, gap), |(least, median)| (least.min(gap), median)));
            }
        };
        for &(from, to, way, both) in messages {
            note(from, to, way);
            if both {
                note(to, from, way);
            }
        }
        gaps
    }

    proptest! {
        #[test]
        fn no_effect_comes_before_its_cause(
            (off, messages) in world(),
            told in prop::collection::vec(prop::option::of(-900_000..900_000_i64), 7)
        ) {
            let gaps = gaps(&off, &messages);
            let clock = |log: usize| Clock { tick: 1000, votes: true, known: told[log] };
            let shift = shifts(&(0..off.len()).map(clock).collect::<Vec<_>>(), &gaps);
            for ((cause, effect), gap) in gaps {
                let least = gap.by_both.map_or(0, |(least, _)| least);
                prop_assert!(least + shift[effect] - shift[cause] > -1000, "{} to {}: {:?}", cause, effect, shift);
            }
        }

        #[test]
        fn a_clock_that_most_others_agree_with_is_right(
            (mut off, mut messages) in world(),
            ways in prop::collection::vec(100..40_000_i64, 14)
        ) {
            // More than half are right, and all are measured.
            off.extend(vec![0; off.len() + 1]);
            for (.., both) in &mut messages {
                *both = true;
            }
            let chain = ways.iter().enumerate().take(off.len() - 1).map(|(log, way)| (log, log + 1, *way, true));
            messages.extend(chain);
            let clocks = vec![Clock { tick: 1000, votes: true, known: None }; off.len()];
            let shift = shifts(&clocks, &gaps(&off, &messages));
            for (off, shift) in off.iter().zip(&shift) {
                prop_assert!(*off != 0 || *shift == 0, "{:?}", shift);
            }
        }
    }
}
