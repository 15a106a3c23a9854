//! Fork rows: a node sends one INVITE to several targets.

use super::branching::{Branching, Forking};
use super::leg::{Branch, Fork, Leg, PushState};
use super::seating::Seating;
use crate::fold::Fold;
use crate::tree::Tree;
use record::time::Timestamp;

/// What fork rows are read from. `of` is the leg of each row, `states` the push of each leg and when it was sent.
pub struct Ground<'a> {
    pub tree: &'a Tree<'a>,
    pub branching: &'a Branching,
    pub seating: &'a Seating<'a>,
    pub of: &'a [usize],
    pub legs: &'a [Leg],
    pub states: &'a [(PushState, Option<Timestamp>)],
}

pub fn forks(folds: &[Fold], ground: &Ground) -> Vec<Fork> {
    let mut first_row = vec![usize::MAX; ground.legs.len()];
    for (row, &leg) in ground.of.iter().enumerate() {
        first_row[leg] = first_row[leg].min(row);
    }
    let forkings = ground.branching.forks.iter();
    let mut forks: Vec<_> = forkings.filter_map(|forking| fork(forking, ground, &first_row, folds.len())).collect();
    forks.sort_by_key(|fork| fork.before);
    forks
}

fn fork(forking: &Forking, ground: &Ground, first_row: &[usize], rows: usize) -> Option<Fork> {
    let Ground { tree, branching, seating, legs, states, .. } = ground;
    let mut branches = Vec::with_capacity(forking.attempts.len());
    let mut late = Vec::new();
    let mut before = usize::MAX;
    // The latest end of all branches so far; none while one is still open.
    let mut over = Some(Timestamp(i64::MIN));
    for &attempt in &forking.attempts {
        let (Some(leg), Some((_, to))) = (branching.of[attempt], tree.attempts[attempt].ends) else { continue };
        let begun = tree.attempts[attempt].begun;
        let pushed = states[leg].1.filter(|pushed| begun.is_none_or(|begun| *pushed <= begun));
        let first = tree.attempts[attempt].fold.unwrap_or(first_row[leg]);
        before = before.min(if pushed.is_some() { first_row[leg].min(first) } else { first });
        let woke = matches!(states[leg].0, PushState::Woke(woke, _) if begun.is_some_and(|begun| woke <= begun));
        let failed = !branches.is_empty() && over.zip(begun).is_some_and(|(over, begun)| over <= begun);
        let node = seating.far_end[leg].unwrap_or(seating.columns.of[to]);
        let branch = Branch { leg, node, then: failed || woke, by_push: pushed.is_some() };
        if woke { &mut late } else { &mut branches }.push(branch);
        let ended = legs[leg].final_status.filter(|(status, _)| *status >= 300).map(|(_, time)| time);
        over = over.zip(ended).map(|(over, ended)| over.max(ended));
    }
    branches.append(&mut late);
    branches.first_mut()?.then = false;
    let (from, _) = forking.attempts.iter().find_map(|attempt| tree.attempts[*attempt].ends)?;
    (before < rows && branches.len() > 1).then(|| Fork { before, node: seating.columns.of[from], branches })
}
