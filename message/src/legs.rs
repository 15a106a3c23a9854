//! Legs: one dialog or fork branch within a call; one leg for one device.

mod blind;
mod branching;
mod course;
mod fork;
mod identity;
mod leg;
mod plain;
mod platform;
mod push;
mod seating;

use branching::{Branching, Ground};
use course::{Courses, Tags};
use identity::Identities;
use push::{Push, Wakes};
use seating::Seating;

pub use leg::{Branch, Fork, Leg, Outcome, PushState};

use crate::event::{CallClass, class_of};
use crate::fold::Fold;
use crate::kind::Kind;
use crate::node::{Columns, Machines, Node, NodeKind};
use crate::number::{ByNumber, NumberSet};
use crate::scene::Scene;
use crate::scene::base::Bases;
use crate::tree::Tree;

/// Which legs there are, before it is known where their messages are drawn.
pub(crate) struct Branches<'a> {
    identities: Identities<'a>,
    pushes: Vec<Push<'a>>,
    branching: Branching,
}

/// Legs, the leg of each fold, and the forks.
pub(crate) struct Legs {
    pub all: Vec<Leg>,
    pub of: Vec<usize>,
    pub forks: Vec<Fork>,
}

impl<'a> Branches<'a> {
    /// `pairs` are the responses of requests, by fold.
    pub fn of(scene: &Scene<'a>, folds: &[Fold], tree: &Tree<'a>, bases: &Bases, pairs: &[Option<usize>]) -> Self {
        let identities = Identities::of(scene, folds, tree);
        let pushes = push::pushes(scene, folds, &identities, pairs);
        let mut pushed = ByNumber::default();
        for push in &pushes {
            if let Some(device) = push.device {
                pushed.entry(device).or_insert(push.time);
            }
        }
        let trunks = trunks(scene, folds, tree, &identities);
        let branching = Branching::of(&Ground { tree, identities: &identities, bases, pushed }, &trunks);
        Self { identities, pushes, branching }
    }

    /// By address index: the first leg whose INVITE went there.
    pub fn to(&self, tree: &Tree) -> ByNumber<usize, usize> {
        let mut legs = ByNumber::default();
        for (attempt, leg) in tree.attempts.iter().zip(&self.branching.of) {
            if let (Some((_, to)), Some(leg)) = (attempt.ends, *leg) {
                let known = legs.entry(to).or_insert(leg);
                *known = leg.min(*known);
            }
        }
        legs
    }
}

/// Marks the columns of devices with their legs.
pub(crate) fn legs(
    scene: &Scene,
    folds: &[Fold],
    machines: &Machines,
    branches: &Branches,
    columns: &mut Columns,
) -> Legs {
    let tree = machines.tree;
    let Branches { identities, pushes, branching } = branches;
    let seating = Seating::of(scene, folds, tree, branching, identities, columns);
    let tags = Tags::of(scene, folds, tree, branching);
    let mut of: Vec<_> = (0..folds.len()).map(|fold| seating.leg(scene, folds, fold, &tags)).collect();
    let mut states = vec![(PushState::NotNeeded, None); branching.legs.len()];
    let wakes = Wakes::of(identities, &seating.device);
    for push in pushes {
        seating.place_push(push, &wakes, &mut of, &mut states);
    }
    let courses = Courses::of(scene, folds, tree, branching, &of, &tags);
    let mut legs = Vec::with_capacity(branching.legs.len());
    for (index, branched) in branching.legs.iter().enumerate() {
        let mut leg = Leg {
            tag: branched.tag.clone(),
            parent: branched.parent,
            call_id: String::new(),
            class: CallClass::Other,
            target: String::new(),
            node: seating.far_end[index],
            platform: None,
            user_agent: None,
            push: states[index].0,
            begun: None,
            rang: courses.legs[index].rang,
            final_status: courses.legs[index].ended,
            outcome: courses.outcome(
                branching,
                index,
                matches!(states[index].0, PushState::Sent(_) | PushState::Accepted(..)),
            ),
            blind: None,
            rows: 0,
        };
        describe(&mut leg, scene, folds, tree, &branching.legs[index].attempts, &columns.nodes);
        legs.push(leg);
    }
    for (fold, &leg) in folds.iter().zip(&of) {
        let facts = &scene.messages[fold.first.message].facts;
        let leg = &mut legs[leg];
        leg.rows += 1;
        leg.begun.get_or_insert(fold.first.time);
        let own = facts.kind == Kind::Sip || leg.rows == 1;
        if own && (leg.call_id.is_empty() || class_of(facts) < leg.class) {
            leg.call_id = facts.call_id.clone().unwrap_or_default();
            leg.class = class_of(facts);
        }
        if let Some(to) = facts.sip.as_ref().and_then(|sip| sip.to.as_ref()).filter(|_| leg.target.is_empty()) {
            leg.target.clone_from(&to.uri.text);
        }
    }
    plain::end(scene, folds, branching, &of, &mut legs);
    blind::mark(scene, folds, machines, branching, columns, &mut legs);
    let forks =
        fork::forks(folds, &fork::Ground { tree, branching, seating: &seating, of: &of, legs: &legs, states: &states });
    mark_nodes(scene, folds, &legs, columns);
    Legs { all: legs, of, forks }
}

/// Calls with a letter of their own, in order: those with an INVITE first, then as they begin. REST and push without
/// SIP stand on the first; so does a REGISTER of a device that has a leg.
fn trunks(scene: &Scene, folds: &[Fold], tree: &Tree, identities: &Identities) -> Vec<usize> {
    let invited: NumberSet<usize> = tree.attempts.iter().map(|attempt| attempt.call).collect();
    let devices: NumberSet<usize> = identities.attempts.iter().copied().collect();
    let known = identities.registrations.iter().filter(|known| devices.contains(&known.device));
    let borrowed: NumberSet<usize> = known.map(|known| tree.call[folds[known.fold].first.message]).collect();
    let mut met = NumberSet::default();
    let mut calls: Vec<usize> = folds
        .iter()
        .filter(|fold| scene.sip(fold.first.message).is_some())
        .map(|fold| tree.call[fold.first.message])
        .filter(|call| invited.contains(call) || !borrowed.contains(call))
        .filter(|call| met.insert(*call))
        .collect();
    calls.sort_by_key(|call| !invited.contains(call));
    if calls.is_empty() && !folds.is_empty() {
        calls.push(tree.call[folds[0].first.message]);
    }
    calls
}

/// Who is at the far end.
fn describe(leg: &mut Leg, scene: &Scene, folds: &[Fold], tree: &Tree, attempts: &[usize], nodes: &[Node]) {
    let told = attempts.iter().filter_map(|attempt| tree.attempts[*attempt].fold);
    let opening = told.clone().next().map(|fold| folds[fold].first.message);
    let last = attempts.iter().filter_map(|attempt| tree.attempts[*attempt].uri).next_back();
    let device = leg.node.map(|node| &nodes[node]).filter(|node| node.kind == NodeKind::Device);
    leg.target = match (device, last) {
        (Some(device), _) => device.name.clone(),
        (None, Some(uri)) => uri.text.clone(),
        (None, None) => leg.node.map(|node| nodes[node].name.clone()).unwrap_or_default(),
    };
    let facts = opening.map(|message| &scene.messages[message].facts);
    leg.call_id = facts.and_then(|facts| facts.call_id.clone()).unwrap_or_default();
    if let Some(facts) = facts {
        leg.class = class_of(facts);
    }
    leg.user_agent = device.and_then(|device| device.user_agent.clone());
    leg.platform = leg.user_agent.as_deref().and_then(platform::of).map(str::to_owned);
}

fn mark_nodes(scene: &Scene, folds: &[Fold], legs: &[Leg], columns: &mut Columns) {
    for (index, leg) in legs.iter().enumerate() {
        if let Some(node) = leg.node {
            columns.nodes[node].leg.get_or_insert(index);
        }
    }
    if let Some(opener) = crate::node::opener(scene, folds) {
        let node = &mut columns.nodes[columns.of[scene.ends(opener.first).0]];
        if node.kind == NodeKind::Device {
            node.leg.get_or_insert(0);
        }
    }
}
