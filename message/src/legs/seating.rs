//! Which leg a message sits on.

use super::branching::Branching;
use super::identity::Identities;
use super::push::Push;
use super::tags::Tags;
use crate::fold::Fold;
use crate::node::Columns;
use crate::node::NodeKind;
use crate::number::{ByNumber, NumberSet};
use crate::scene::{Scene, from_tag, to_tag};
use crate::tree::Tree;

/// Where a message sits, also when its branch does not say it.
pub struct Seating<'a> {
    tree: &'a Tree<'a>,
    branching: &'a Branching,
    pub columns: &'a Columns,
    /// By call: its trunk, or the leg that its first INVITE is on.
    trunk: ByNumber<usize, usize>,
    /// Hops that the INVITEs of a leg took: (leg, node, node).
    hops: NumberSet<(usize, usize, usize)>,
    /// By leg.
    pub far_end: Vec<Option<usize>>,
    /// Leg of a device's number, and of a registration's fold.
    pub device: ByNumber<usize, usize>,
    registered: ByNumber<usize, usize>,
    /// The leg of the device in a column, by call.
    column: ByNumber<(usize, usize), usize>,
}

impl<'a> Seating<'a> {
    pub fn of(
        scene: &Scene,
        folds: &[Fold],
        tree: &'a Tree<'a>,
        branching: &'a Branching,
        identities: &Identities,
        columns: &'a Columns,
    ) -> Self {
        let mut seating = Self {
            tree,
            branching,
            columns,
            trunk: ByNumber::default(),
            hops: NumberSet::default(),
            far_end: vec![None; branching.legs.len()],
            device: ByNumber::default(),
            registered: ByNumber::default(),
            column: ByNumber::default(),
        };
        let shared = branching.legs.iter().filter(|leg| leg.is_shared);
        let one_hops: NumberSet<usize> = shared.filter_map(|leg| leg.parent).collect();
        for (leg, branched) in branching.legs.iter().enumerate() {
            if branched.parent.is_none() {
                seating.trunk.insert(branched.call, leg);
            }
            let one_hop = one_hops.contains(&leg);
            for &attempt in &branched.attempts {
                seating.trunk.entry(tree.attempts[attempt].call).or_insert(leg);
                seating.device.entry(identities.attempts[attempt]).or_insert(leg);
                let Some((from, to)) = tree.attempts[attempt].ends else { continue };
                if !branched.is_shared || branched.tags.is_some() {
                    seating.hops.insert(hop(leg, columns.of[from], columns.of[to]));
                }
                if !one_hop
                    && tree.attempts[attempt].children.is_empty()
                    && columns.nodes[columns.of[to]].kind != NodeKind::Server
                {
                    seating.far_end[leg] = Some(columns.of[to]);
                    let call = tree.attempts[attempt].call;
                    seating.column.entry((call, columns.of[to])).or_insert(leg);
                }
            }
        }
        for known in &identities.registrations {
            let invited = seating.device.get(&known.device);
            // Who was pushed to and not invited yet has a leg, too.
            let pushed = || branching.device.get(&known.device).or_else(|| branching.unclear.get(&known.device));
            if let Some(&leg) = invited.or_else(pushed) {
                seating.registered.insert(scene.transaction[folds[known.fold].first.message], leg);
            }
        }
        seating
    }

    /// Its INVITE branch; else the tag of its dialog; else its device; else the trunk.
    pub fn leg(&self, scene: &Scene, folds: &[Fold], fold: usize, tags: &Tags) -> usize {
        let sighting = folds[fold].first;
        let call = self.tree.call[sighting.message];
        let transaction = scene.transaction[sighting.message];
        if let Some(leg) = self.tree.of.get(&transaction).and_then(|attempt| self.branching.of[*attempt]) {
            let split = Some(leg).filter(|leg| self.branching.legs[*leg].is_split);
            let tag = split.and_then(|_| scene.sip(sighting.message)).and_then(to_tag);
            return tags.find(call, tag).unwrap_or(leg);
        }
        if let Some(leg) = self.registered.get(&transaction) {
            return *leg;
        }
        let Some(&trunk) = self.trunk.get(&call) else { return 0 };
        let (from, to) = scene.ends(sighting);
        let (from, to) = (self.columns.of[from], self.columns.of[to]);
        let Some(sip) = scene.sip(sighting.message) else { return trunk };
        let tagged = tags.find(call, to_tag(sip)).or_else(|| tags.find(call, from_tag(sip)));
        let Some(tagged) = tagged else {
            let at = |node| self.column.get(&(call, node)).copied();
            return at(to).or_else(|| at(from)).unwrap_or(trunk);
        };
        let up = || std::iter::successors(Some(tagged), |leg| self.branching.legs[*leg].parent);
        let on_hop = up().find(|leg| self.hops.contains(&hop(*leg, from, to)));
        let touched = || up().find(|leg| self.far_end[*leg].is_some_and(|node| node == from || node == to));
        on_hop.or_else(touched).unwrap_or(trunk)
    }

    /// A push sits on the leg of its device, with its answer; else where it is, on the trunk.
    pub fn place_push(&self, push: &Push, of: &mut [usize]) {
        let Some(leg) = self.branching.of_push(push) else { return };
        of[push.fold] = leg;
        if let Some(answer) = push.answered {
            of[answer] = leg;
        }
    }
}

fn hop(leg: usize, one: usize, other: usize) -> (usize, usize, usize) {
    (leg, one.min(other), one.max(other))
}
