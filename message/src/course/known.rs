//! What several steps look up, found once: so that a scenario of many calls and legs takes no more than its share.

use super::Ground;
use crate::exchange::Half;
use crate::kind::Kind;
use crate::number::{ByNumber, NumberSet};
use record::time::Timestamp;

/// Found once for a scenario.
pub struct Known {
    /// By call: the INVITEs that began it, as they were sent.
    pub roots: ByNumber<usize, Vec<usize>>,
    /// All of these, as they were sent.
    pub all_roots: Vec<usize>,
    /// By leg: those forked from it, and from these.
    pub below: ByNumber<usize, Vec<usize>>,
    /// INVITEs that are to take the place of a dialog.
    pub replacing: Vec<usize>,
    /// Machines that are seen to answer an INVITE for good.
    pub deciding: NumberSet<usize>,
    /// Machines that are seen to respond at all.
    pub responding: NumberSet<usize>,
    /// Sources that hold answers of REST or push as records of their own.
    pub answering: NumberSet<usize>,
}

impl Known {
    pub fn of(ground: &Ground) -> Self {
        let (scene, folds, tree, bases) = (ground.scene, ground.folds, ground.tree, ground.machines.bases);
        let mut known = Self {
            roots: ByNumber::default(),
            all_roots: Vec::new(),
            below: ByNumber::default(),
            replacing: Vec::new(),
            deciding: NumberSet::default(),
            responding: NumberSet::default(),
            answering: NumberSet::default(),
        };
        for (index, attempt) in tree.attempts.iter().enumerate() {
            let own = |to: usize| {
                let rows = ground.heard.0[index].finals.iter().map(|last| &folds[last.fold]);
                let mut logs =
                    rows.flat_map(|fold| std::iter::once(fold.first.message).chain(fold.sightings.iter().copied()));
                logs.any(|message| ground.machines.loggers.writes(bases.of[to], scene.source[message]))
            };
            if let Some((_, to)) = attempt.ends.filter(|(_, to)| own(*to)) {
                known.deciding.insert(bases.of[to]);
            }
            if attempt.parent.is_some() {
                continue;
            }
            known.roots.entry(attempt.call).or_default().push(index);
            known.all_roots.push(index);
            let sip = tree.opening(index).and_then(|fold| scene.sip(folds[fold].first.message));
            if sip.is_some_and(|sip| sip.replaces.is_some()) {
                known.replacing.push(index);
            }
        }
        for roots in known.roots.values_mut().chain([&mut known.all_roots]) {
            roots.sort_by_cached_key(|root| (ground.heard.since(tree, *root), *root));
        }
        let legs = &ground.branching.legs;
        for leg in 0..legs.len() {
            for up in std::iter::successors(legs[leg].parent, |up| legs[*up].parent) {
                known.below.entry(up).or_default().push(leg);
            }
        }
        for fold in folds.iter().filter(|fold| fold.first.is_response(scene.messages)) {
            known.responding.insert(bases.of[scene.ends(fold.first).0]);
            let message = fold.first.message;
            if scene.messages[message].kind != Kind::Sip && fold.first.half == Half::Whole {
                known.answering.insert(scene.source[message]);
            }
        }
        known
    }

    pub fn below(&self, leg: usize) -> &[usize] {
        self.below.get(&leg).map_or(&[], Vec::as_slice)
    }
}

/// The two earliest of several legs, so that each leg knows the earliest of the others.
#[derive(Clone, Copy, Default)]
pub struct Earliest([Option<(Timestamp, usize)>; 2]);

impl Earliest {
    pub fn note(&mut self, time: Timestamp, leg: usize) {
        if let Some(own) = self.0.iter_mut().flatten().find(|(_, known)| *known == leg) {
            own.0 = own.0.min(time);
        } else if let Some(free) = self.0.iter_mut().find(|known| known.is_none()) {
            *free = Some((time, leg));
        } else if let Some(latest) = self.0.iter_mut().flatten().max().filter(|latest| latest.0 > time) {
            *latest = (time, leg);
        }
    }

    pub fn of_others(&self, leg: usize) -> Option<Timestamp> {
        self.0.iter().flatten().filter(|(_, other)| *other != leg).map(|(time, _)| *time).min()
    }
}
