//! How far the clocks of the sources are apart, and which displayed times that moves.

use std::collections::{BTreeMap, BTreeSet};

use super::cause::{Sample, Samples};
use crate::number::NumberSet;
use crate::scene::Scene;
use crate::scene::logger::Loggers;
use record::time::SECOND;

const MILLISECOND: i64 = SECOND / 1000;

/// By source: microseconds to add to its times. 0 for all whose receipts are later than the sendings they tell of.
///
/// Sources are measured against each other over chains of those that saw the same messages. Of all that are connected
/// so, the one nearest to the median keeps its time, whichever call they are looked at for. A second log of one machine
/// has no say in that.
pub fn shifts(scene: &Scene, loggers: &Loggers, samples: &Samples) -> Vec<i64> {
    let mut shift = vec![0_i64; scene.sources];
    let mut near: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for &(cause, effect) in samples.keys() {
        near.entry(cause).or_default().insert(effect);
        near.entry(effect).or_default().insert(cause);
    }
    let ticks = ticks(scene);
    let own: NumberSet<usize> = loggers.source.iter().flatten().copied().collect();
    let mut done = vec![false; scene.sources];
    for start in 0..scene.sources {
        if std::mem::replace(&mut done[start], true) {
            continue;
        }
        let mut connected = vec![start];
        let mut next = 0;
        while let Some(&known) = connected.get(next) {
            next += 1;
            for &other in near.get(&known).into_iter().flatten() {
                if !std::mem::replace(&mut done[other], true) {
                    let tick = ticks[known].max(ticks[other]);
                    let ahead = ahead(samples.get(&(known, other)), samples.get(&(other, known)), tick);
                    shift[other] = shift[known].saturating_sub(ahead);
                    connected.push(other);
                }
            }
        }
        let first: Vec<usize> = connected.iter().copied().filter(|source| own.contains(source)).collect();
        let reference = nearest_to_median(if first.is_empty() { &connected } else { &first }, &shift);
        for source in connected {
            shift[source] = shift[source].saturating_sub(reference);
        }
    }
    shift
}

/// The shift of the source that lies nearest to the median of all; of two alike the first by name.
fn nearest_to_median(connected: &[usize], shift: &[i64]) -> i64 {
    let mut sorted: Vec<i64> = connected.iter().map(|source| shift[*source]).collect();
    sorted.sort_unstable();
    // Of an even number the middle lies between two.
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    let far = |source: &&usize| {
        shift[**source].saturating_sub(low).saturating_add(shift[**source].saturating_sub(high)).saturating_abs()
    };
    connected.iter().min_by_key(|source| (far(source), **source)).map_or(0, |source| shift[*source])
}

/// By how much the other clock is ahead of the known one; 0 while nothing is impossible. What lies less than a tick
/// before its cause is only written coarser.
fn ahead(there: Option<&Sample>, back: Option<&Sample>, tick: i64) -> i64 {
    let of = |measure: fn(&Sample) -> Option<i64>| (there.and_then(measure), back.and_then(measure));
    let least = |sample: &Sample| sample.passed_on.into_iter().chain(sample.answered).min();
    let impossible = |gap: &i64| *gap <= -tick;
    let medians = of(|sample| median(&sample.by_both));
    let seen = medians.0.is_some() || medians.1.is_some();
    let (told, ways) = if seen { (medians, medians) } else { (of(least), of(|sample| sample.passed_on)) };
    let ahead = match (told.0.filter(impossible), told.1.filter(impossible), ways) {
        (None, None, _) => 0,
        // Both hold way and offset, once with either sign.
        (_, _, (Some(there), Some(back))) => (there.saturating_sub(back)) / 2,
        (Some(there), ..) => there,
        (None, Some(back), _) => back.saturating_neg(),
    };
    let (most, least) = of(|sample| sample.by_both.iter().min().copied());
    within(ahead, least.map(i64::saturating_neg), most, tick)
}

/// The nearest that puts no receipt before its sending, if there is one. Else some logs were written late, and the
/// median knows better. Where the ways there and back take no equal time, the middle of what is possible is.
fn within(ahead: i64, least: Option<i64>, most: Option<i64>, tick: i64) -> i64 {
    let below = least.is_some_and(|least| ahead <= least.saturating_sub(tick));
    let above = most.is_some_and(|most| ahead >= most.saturating_add(tick));
    match (least, most) {
        (Some(least), Some(most)) if (below || above) && least <= most => least.midpoint(most),
        (Some(least), None) if below => least,
        (None, Some(most)) if above => most,
        _ => ahead,
    }
}

/// By source: how fine its times are. One second where all that it logged is whole seconds, else a millisecond.
fn ticks(scene: &Scene) -> Vec<i64> {
    let mut counts = vec![0; scene.sources];
    let mut whole = vec![true; scene.sources];
    for (message, source) in scene.messages.iter().zip(&scene.source) {
        counts[*source] += 1;
        whole[*source] &= message.time.0 % SECOND == 0;
    }
    let tick = |(count, whole): (usize, bool)| if whole && count > 1 { SECOND } else { MILLISECOND };
    counts.into_iter().zip(whole).map(tick).collect()
}

fn median(gaps: &[i64]) -> Option<i64> {
    let mut gaps = gaps.to_vec();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied()
}
