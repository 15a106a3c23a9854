//! Fork rows: a node sends one INVITE to several targets.

use super::branching::{Branching, Forking};
use super::leg::{Branch, Fork, PushState};
use super::seating::Seating;
use super::tries::Tries;
use super::{Pushed, asked};
use crate::fold::Fold;
use crate::tree::Tree;
use record::time::Timestamp;

/// What fork rows are read from. `of` is the leg of each row, `pushed` what came of the pushes of each leg.
pub struct Ground<'a> {
    pub tree: &'a Tree<'a>,
    pub branching: &'a Branching,
    pub tries: &'a Tries,
    pub seating: &'a Seating<'a>,
    pub of: &'a [usize],
    pub pushed: &'a [Pushed],
}

pub fn forks(folds: &[Fold], ground: &Ground) -> Vec<Fork> {
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); ground.pushed.len()];
    for (row, &leg) in ground.of.iter().enumerate() {
        rows[leg].push(row);
    }
    let forkings = ground.branching.forks.iter();
    let mut forks: Vec<_> = forkings.filter_map(|forking| fork(forking, ground, folds, &rows)).collect();
    forks.sort_by_key(|fork| fork.before);
    forks
}

/// `rows` are those of each leg.
fn fork(forking: &Forking, ground: &Ground, folds: &[Fold], rows: &[Vec<usize>]) -> Option<Fork> {
    let Ground { tree, branching, tries, seating, pushed, .. } = ground;
    let tried = tries.of[forking.attempts.first()?.0];
    let mut branches = Vec::with_capacity(forking.attempts.len());
    let mut late = Vec::new();
    let mut before = usize::MAX;
    // The latest end of all branches so far; none while one is still open.
    let mut over = Some(Timestamp(i64::MIN));
    for &(attempt, last) in &forking.attempts {
        let (Some(leg), Some((_, to))) = (branching.of[attempt], tree.attempts[attempt].ends) else { continue };
        let begun = tree.attempts[attempt].begun;
        let asked = asked(branching, tries, leg, Some(tried));
        let within = |at: Timestamp| Some(at) >= asked && begun.is_none_or(|begun| at <= begun);
        let pushed_at = pushed[leg].all.iter().copied().find(|at| within(*at));
        // The first row since then.
        let since = pushed_at.or(asked).unwrap_or(Timestamp(i64::MIN));
        let first = rows[leg][rows[leg].partition_point(|row| folds[*row].first.time < since)..].first().copied();
        let first = first.unwrap_or(usize::MAX);
        let invited = tree.attempts[attempt].fold.unwrap_or(first);
        before = before.min(if pushed_at.is_some() { first.min(invited) } else { invited });
        let woke = matches!(pushed[leg].state, PushState::Woke(woke, _) if begun.is_some() && within(woke));
        let failed = !branches.is_empty() && over.zip(begun).is_some_and(|(over, begun)| over <= begun);
        let node = seating.far_end[leg].unwrap_or(seating.columns.of[to]);
        let branch = Branch { leg, node, then: failed || woke, by_push: pushed_at.is_some() };
        if woke { &mut late } else { &mut branches }.push(branch);
        let ended = tries.over[last].filter(|(_, status)| *status >= 300).map(|(at, _)| at);
        over = over.zip(ended).map(|(over, ended)| over.max(ended));
    }
    branches.append(&mut late);
    branches.first_mut()?.then = false;
    let (from, _) = forking.attempts.iter().find_map(|(attempt, _)| tree.attempts[*attempt].ends)?;
    (before < folds.len() && branches.len() > 1).then(|| Fork { before, node: seating.columns.of[from], branches })
}
