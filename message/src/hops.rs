//! The way that each call took: INVITEs hop by hop, for whoever asks what a hop should have shown.

use crate::fold::Fold;
use crate::node::Columns;
use crate::number::NumberSet;
use crate::scene::Scene;
use crate::tree::{Attempt, Tree};

/// One INVITE transaction on one hop that opens a dialog.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hop {
    /// Its INVITE; none where only its answers, or the Via of another message, tell of it.
    pub row: Option<usize>,
    /// The columns that sent and received the INVITE, where a message shows them.
    pub ends: Option<(usize, usize)>,
    /// The hop that was passed on as this one, and those that this one was passed on as.
    pub parent: Option<usize>,
    pub children: Vec<usize>,
    /// Calls (Call-IDs) are numbered: a hop whose parent is of another call was made by a back-to-back agent.
    pub call: usize,
}

pub(crate) fn hops(tree: &Tree, columns: &Columns) -> Vec<Hop> {
    let hop = |attempt: &Attempt| Hop {
        row: attempt.fold,
        ends: attempt.ends.map(|(from, to)| (columns.of[from], columns.of[to])),
        parent: attempt.parent,
        children: attempt.children.clone(),
        call: attempt.call,
    };
    tree.attempts.iter().map(hop).collect()
}

/// Whether a SIP message of a row stands on the first hop of its request that is logged, and on the last.
pub(crate) fn ends_of_way(scene: &Scene, folds: &[Fold]) -> Vec<(bool, bool)> {
    let of_sip = |fold: &&Fold| scene.sip(fold.first.message).is_some();
    let logged: NumberSet<usize> =
        folds.iter().filter(of_sip).map(|fold| scene.transaction[fold.first.message]).collect();
    let passed_on: NumberSet<usize> =
        folds.iter().filter(of_sip).filter_map(|fold| scene.below[fold.first.message]).collect();
    let ends = |fold: &Fold| {
        let message = fold.first.message;
        let first = scene.below[message].is_none_or(|below| !logged.contains(&below));
        (first, !passed_on.contains(&scene.transaction[message]))
    };
    folds.iter().map(ends).collect()
}
