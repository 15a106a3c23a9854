//! How often a caller tried under one Call-ID: INVITEs that begin a call, those of one try together.

use super::heard::{Heard, Said};
use crate::fold::Fold;
use crate::number::ByNumber;
use crate::scene::{Scene, from_tag};
use crate::tree::Tree;
use record::time::Timestamp;

/// How many INVITEs of one try are looked back upon.
const BACK: usize = 64;

#[derive(Default)]
pub struct Tries {
    /// By call: its tries in order, each with the attempts that were passed on from nowhere.
    roots: ByNumber<usize, Vec<Vec<usize>>>,
    /// By call: when each of its tries was begun.
    begun: ByNumber<usize, Vec<Option<Timestamp>>>,
    /// By attempt: which try of its caller it is of, counted from 0.
    pub of: Vec<usize>,
    /// By attempt: when it was over, and how. Where its own hop shows no final answer, a CANCEL says it, else all that was
    /// made of it.
    pub over: Vec<Option<(Timestamp, u16)>>,
}

impl Tries {
    pub fn of(scene: &Scene, folds: &[Fold], tree: &Tree, heard: &Heard) -> Self {
        let order = downwards(tree);
        let over = over(tree, heard, &order);
        let mut tries = Self { of: vec![0; tree.attempts.len()], ..Self::default() };
        let mut roots: Vec<usize> = order.iter().copied().filter(|at| tree.attempts[*at].parent.is_none()).collect();
        roots.sort_by_cached_key(|root| (heard.since(tree, *root), *root));
        // The caller's own hop need not be logged, nor any request.
        let first = |root: usize| {
            let answers =
                || heard.0[root].provisional.iter().chain(&heard.0[root].finals).map(|answer| answer.fold).min();
            Some(&folds[tree.opening(root).or_else(answers)?].first)
        };
        let begun = |root: usize| first(root).map(|first| first.time);
        let sent = |root: usize| {
            let sip = scene.sip(first(root)?.message)?;
            Some((from_tag(sip), sip.cseq?))
        };
        for root in roots {
            let own = tries.roots.entry(tree.attempts[root].call).or_default();
            // A proxy may send one INVITE twice, here as there.
            let again = |before: &usize| {
                let (before, own) = (sent(*before), sent(root));
                before.zip(own).is_some_and(|(before, own)| before.0 == own.0 && before.1 >= own.1)
            };
            let further = own.last().zip(begun(root)).is_some_and(|(before, begun)| {
                // What was sent anew was over by then.
                let last = before.last().map(|last| sent(*last));
                let open = before.iter().rev().take(BACK).copied().filter(|before| Some(sent(*before)) == last);
                is_further(open, begun, &over) && !before.iter().rev().take(BACK).any(again)
            });
            match own.last_mut() {
                Some(last) if !further => last.push(root),
                _ => own.push(vec![root]),
            }
            tries.of[root] = own.len() - 1;
        }
        for attempt in order {
            if let Some(above) = tree.attempts[attempt].parent {
                tries.of[attempt] = tries.of[above];
            }
        }
        let begun = |roots: &Vec<usize>| roots.iter().filter_map(|root| begun(*root)).min();
        tries.begun = tries.roots.iter().map(|(call, all)| (*call, all.iter().map(begun).collect())).collect();
        tries.over = over;
        tries
    }

    /// When a try of a call was begun.
    pub fn begun(&self, call: usize, number: usize) -> Option<Timestamp> {
        *self.begun.get(&call)?.get(number)?
    }

    pub fn of_call(&self, call: usize) -> &[Vec<usize>] {
        self.roots.get(&call).map_or(&[], Vec::as_slice)
    }
}

/// A challenge or a redirection: whoever gets it may send the INVITE again.
pub fn asks_again(status: u16) -> bool {
    matches!(status, 300..=399 | 401 | 407 | 422 | 494)
}

/// Sent after the tries before had ended, other than by a challenge or a redirection that was followed.
fn is_further(before: impl Iterator<Item = usize>, begun: Timestamp, over: &[Option<(Timestamp, u16)>]) -> bool {
    // Of many INVITEs at once the last say whether they were over.
    let ended = |attempt: usize| over[attempt].filter(|(at, _)| *at <= begun).map(|(_, status)| status);
    let mut ends = before.map(ended);
    ends.next().flatten().is_some_and(|status| !asks_again(status)) && ends.all(|ended| ended.is_some())
}

fn over(tree: &Tree, heard: &Heard, order: &[usize]) -> Vec<Option<(Timestamp, u16)>> {
    let mut over: Vec<Option<(Timestamp, u16)>> = vec![None; tree.attempts.len()];
    for &attempt in order.iter().rev() {
        let Said { finals, cancels, .. } = &heard.0[attempt];
        let below = tree.attempts[attempt].children.iter().map(|child| over[*child]);
        let last = below.collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().max());
        let answered = finals.iter().map(|last| (last.time, last.status)).min();
        over[attempt] = answered.or_else(|| cancels.iter().map(|cancel| (cancel.time, 487)).min()).or(last);
    }
    over
}

/// All attempts, what was passed on before what it was passed on as.
fn downwards(tree: &Tree) -> Vec<usize> {
    let mut order: Vec<usize> = (0..tree.attempts.len()).filter(|at| tree.attempts[*at].parent.is_none()).collect();
    let mut next = 0;
    while let Some(attempt) = order.get(next) {
        order.extend(&tree.attempts[*attempt].children);
        next += 1;
    }
    order
}
