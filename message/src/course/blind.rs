//! Legs that nothing answered in a log that holds no answer of its own machine: nobody can tell.

use super::Ground;
use crate::legs::{Leg, Outcome};
use crate::number::ByNumber;

/// A log cannot prove the absence of what it never holds. A machine that took the first request of a leg and is seen
/// to send no response at all may have answered it all the same.
pub fn mark(ground: &Ground, legs: &mut [Leg]) {
    let Ground { scene, folds, tree, machines, branching, columns, .. } = ground;
    let (bases, loggers) = (machines.bases, machines.loggers);
    let mut answers = vec![false; bases.count()];
    let mut first: Vec<Option<usize>> = vec![None; legs.len()];
    for fold in *folds {
        let (from, _) = scene.ends(fold.first);
        if fold.first.is_response(scene.messages) && scene.sip(fold.first.message).is_some() {
            answers[bases.of[from]] = true;
        }
    }
    for (leg, branched) in branching.legs.iter().enumerate() {
        // Where the last INVITE of the leg went.
        let last = branched.last.iter().rev().find(|attempt| tree.attempts[**attempt].children.is_empty());
        first[leg] = last.and_then(|attempt| tree.attempts[*attempt].ends).map(|(_, to)| to);
    }
    let plain = branching.legs.iter().enumerate().filter(|(_, leg)| leg.parent.is_none() && leg.attempts.is_empty());
    let trunks: ByNumber<_, _> = plain.map(|(leg, branched)| (branched.call, leg)).collect();
    for fold in folds.iter().filter(|fold| scene.opens(fold.first)) {
        if let Some(trunk) = trunks.get(&tree.call[fold.first.message]) {
            first[*trunk].get_or_insert(scene.ends(fold.first).1);
        }
    }
    for (at, (leg, to)) in legs.iter_mut().zip(first).enumerate() {
        // Who sent it again and again did get no answer.
        let open = !super::unanswered::gave_up(ground, &branching.legs[at].last)
            && matches!(leg.outcome, Outcome::Open | Outcome::Unknown | Outcome::NoResponse | Outcome::Unreachable)
            && leg.final_status.is_none();
        let Some(to) = to.filter(|_| open) else { continue };
        if loggers.is_server(bases.of[to]) && !answers[bases.of[to]] {
            leg.outcome = Outcome::Unknown;
            leg.blind = Some(columns.of[to]);
        }
    }
}
