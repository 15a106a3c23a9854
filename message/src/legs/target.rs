//! Who an INVITE goes to, and which INVITEs of one sender go to the same.

use std::collections::BTreeMap;

use super::heard::Heard;
use super::identity::Identities;
use super::tries::Tries;
use crate::number::ByNumber;
use crate::scene::base::Bases;
use crate::scene::logger::Loggers;
use crate::sip::Uri;
use crate::tree::{Attempt, Tree};
use record::time::Timestamp;

/// How many targets an INVITE that is not logged is compared with.
const NEAR: usize = 16;

/// What is needed to tell legs apart.
pub struct Ground<'a> {
    pub tree: &'a Tree<'a>,
    pub identities: &'a Identities<'a>,
    pub bases: &'a Bases,
    pub loggers: &'a Loggers,
    pub heard: &'a Heard<'a>,
    pub tries: &'a Tries,
    /// By device: when it was first pushed to.
    pub pushed: ByNumber<usize, Timestamp>,
}

/// Who an INVITE goes to: a device; where its URI names none, by way of which machine.
pub type Target = (usize, Option<usize>);

/// Where an INVITE goes.
pub fn target_of(ground: &Ground, attempt: usize) -> Target {
    let Attempt { uri, ends, .. } = &ground.tree.attempts[attempt];
    let uri = uri.or(ground.identities.told[attempt]);
    let by_way_of = ends.filter(|_| !uri.is_some_and(Uri::is_contact)).map(|(_, to)| ground.bases.of[to]);
    (ground.identities.attempts[attempt], by_way_of)
}

/// What was passed on to one target that is no server of ours, and by it to nobody: there the caller's side ends.
pub fn ends_here(ground: &Ground, targets: &[Vec<usize>]) -> bool {
    let logged = |attempt: usize| ground.tree.attempts[attempt].ends.is_some();
    targets.iter().flatten().all(|attempt| {
        let attempt = &ground.tree.attempts[*attempt];
        let target = attempt.ends.is_none_or(|(_, to)| !ground.loggers.is_server(ground.bases.of[to]));
        attempt.children.is_empty() && target && attempt.parent.is_some_and(logged)
    })
}

/// Attempts of each sender, by device, in order of begin. A push to a device begins its leg.
pub fn by_sender(ground: &Ground, level: &[usize]) -> Vec<Vec<Vec<usize>>> {
    let mut senders: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    let mut order: Vec<Option<usize>> = Vec::new();
    for &attempt in level {
        let sender = ground.tree.attempts[attempt].ends.map(|(from, _)| ground.bases.of[from]);
        let sent = senders.entry(sender).or_insert_with(|| {
            order.push(sender);
            Vec::new()
        });
        sent.push(attempt);
    }
    let mut all = Vec::with_capacity(order.len());
    for sent in order.into_iter().filter_map(|sender| senders.remove(&sender)) {
        let mut place: ByNumber<Option<Target>, usize> = ByNumber::default();
        let mut targets: Vec<Vec<usize>> = Vec::new();
        for attempt in sent {
            // Without a message of the hop itself nobody knows whether these were one device.
            let who = ground.tree.attempts[attempt].ends.map(|_| target_of(ground, attempt));
            let mut near = targets.iter().enumerate().rev().take(NEAR);
            let known = near.find(|(_, target)| is_retry(ground, target[target.len() - 1], attempt));
            let known = known.map_or(targets.len(), |(at, _)| at);
            let target = *place.entry(who).or_insert(known);
            if target == targets.len() {
                targets.push(Vec::new());
            }
            targets[target].push(attempt);
        }
        targets.sort_by_key(|target| {
            let begun = ground.tree.attempts[target[0]].begun;
            let pushed = ground.pushed.get(&ground.identities.attempts[target[0]]).copied();
            begun.into_iter().chain(pushed).min()
        });
        all.push(targets);
    }
    all
}

/// Where one of two INVITEs of one sender is not logged, that it went to the same place as the other when that was over says
/// that both were for the same target.
fn is_retry(ground: &Ground, one: usize, other: usize) -> bool {
    let attempt = |attempt: usize| &ground.tree.attempts[attempt];
    let place = |at: usize| attempt(at).ends.map(|(_, to)| to);
    let unlogged = attempt(one).uri.is_none() || attempt(other).uri.is_none();
    let over_before = |first: usize, second: usize| {
        let since = ground.heard.since(ground.tree, second);
        ground.heard.0[first].finals.first().is_some_and(|end| Some(end.time) <= since)
    };
    let same = unlogged && place(one).is_some() && place(one) == place(other);
    // Nobody but a server asks two at once.
    let asks_one = attempt(one).ends.is_some_and(|(from, _)| !ground.loggers.is_server(ground.bases.of[from]));
    same && (asks_one || over_before(one, other) || over_before(other, one))
}
