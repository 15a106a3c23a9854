//! One machine under two names: the sender logs `core.example.com`, the receiver its number.

use std::collections::{BTreeMap, BTreeSet};

use crate::exchange::Half;
use crate::fold::Fold;
use crate::number::Sets;
use crate::scene::Scene;
use crate::scene::base::Bases;

/// By base: the base that stands for it. Two are one where the two logs of a message name it so, and neither is
/// named otherwise as well: a name that stands for several machines is none of them.
pub fn aliases(scene: &Scene, folds: &[Fold], bases: &Bases) -> Vec<usize> {
    let mut also: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for fold in folds {
        let (from, to) = scene.ends(fold.first);
        for sighting in &fold.sightings {
            let (other_from, other_to) = match fold.first.half {
                Half::Response => (scene.to[*sighting], scene.from[*sighting]),
                _ => (scene.from[*sighting], scene.to[*sighting]),
            };
            for (one, other) in [(from, other_from), (to, other_to)] {
                let (one, other) = (bases.of[one], bases.of[other]);
                if one != other {
                    also.entry(one).or_default().insert(other);
                    also.entry(other).or_default().insert(one);
                }
            }
        }
    }
    let mut sets = Sets::default();
    for (one, others) in &also {
        if let Some(other) = others.first().filter(|other| others.len() == 1 && also[*other].len() == 1) {
            sets.join(*one, *other);
        }
    }
    (0..bases.count()).map(|base| sets.find(base)).collect()
}
