//! Legs: one dialog or fork branch within a call; one leg for one device.

mod branching;
mod dialogs;
mod fork;
mod heard;
mod identity;
mod leg;
mod plain;
mod platform;
mod push;
mod seating;
mod tags;
mod target;
mod tries;

pub(crate) use branching::Branching;
pub(crate) use heard::{Heard, Response, Said};
use identity::Identities;
use push::{Push, Waking};
use seating::Seating;
pub(crate) use tags::Tags;
use target::Ground;
pub(crate) use tries::{Tries, asks_again};

pub use platform::of as platform;

pub use leg::{Branch, Fork, Leg, Outcome, PushState};

use crate::event::{CallClass, class_of};
use crate::fold::Fold;
use crate::kind::Kind;
use crate::node::{Columns, Machines, Node, NodeKind};
use crate::number::{ByNumber, NumberSet};
use crate::scene::Scene;
use crate::scene::base::Bases;
use crate::scene::logger::Loggers;
use crate::tree::Tree;
use record::time::Timestamp;

/// Callers of one device that are looked at for whom it registered.
const MOST: usize = 64;

/// Which legs there are, before it is known where their messages are drawn.
pub(crate) struct Branches<'a> {
    identities: Identities<'a>,
    pushes: Vec<Push>,
    pub branching: Branching,
    /// By the leg of a caller.
    decided: ByNumber<usize, Decided>,
}

/// Legs, the leg of each fold, and the forks.
pub(crate) struct Legs {
    pub all: Vec<Leg>,
    pub of: Vec<usize>,
    pub forks: Vec<Fork>,
}

impl<'a> Branches<'a> {
    /// `pairs` are the responses of requests, by fold.
    pub fn of(
        scene: &Scene<'a>,
        folds: &[Fold],
        tree: &Tree<'a>,
        (bases, loggers): (&Bases, &Loggers),
        (heard, tries): (&Heard, &Tries),
        pairs: &[Option<usize>],
    ) -> Self {
        let identities = Identities::of(scene, folds, tree);
        let pushes = push::pushes(scene, folds, tree, &identities, pairs);
        let mut pushed = ByNumber::default();
        for push in &pushes {
            pushed.entry(push.device).or_insert(push.time);
        }
        let server = |address: usize| loggers.is_server(bases.of[address]);
        let trunks = trunks(scene, folds, tree, (&identities, &pushes), &server);
        let mut branching =
            Branching::of(&Ground { tree, identities: &identities, bases, loggers, heard, tries, pushed }, &trunks);
        // Who is pushed to when all is over learns of a missed call.
        let callers = branching.legs.iter().enumerate().filter(|(_, leg)| leg.parent.is_none());
        let decided: ByNumber<usize, Decided> =
            callers.map(|(leg, caller)| (leg, Decided::of(tree, heard, tries.of_call(caller.call)))).collect();
        for push in &pushes {
            let end = branching.caller_of(push).and_then(|caller| decided.get(&caller)?.at(push.time));
            if end.is_none_or(|end| push.time <= end) {
                branching.pushed(push);
            }
        }
        Self { identities, pushes, branching, decided }
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

/// The tries of a caller: when each was begun, and when it got a final answer that is no challenge.
#[derive(Default)]
struct Decided(Vec<(Timestamp, Option<Timestamp>)>);

impl Decided {
    fn of(tree: &Tree, heard: &Heard, tries: &[Vec<usize>]) -> Self {
        let tried = |roots: &Vec<usize>| {
            let begun = roots.iter().find_map(|root| heard.since(tree, *root))?;
            // Whoever is challenged sends it again.
            let ends = roots.iter().map(|root| {
                let finals = &heard.0[*root].finals;
                let end = finals.iter().find(|last| !matches!(last.status, 401 | 407 | 422));
                (finals.is_empty() || end.is_some()).then(|| end.map(|last| last.time))
            });
            Some((begun, ends.flatten().next_back().flatten()))
        };
        Self(tries.iter().filter_map(tried).collect())
    }

    /// The try that was begun last before a time: a caller may call again under one Call-ID.
    fn tried(&self, time: Timestamp) -> Option<(Timestamp, Option<Timestamp>)> {
        let later = self.0.partition_point(|(begun, _)| *begun <= time);
        self.0.get(later.saturating_sub(1)).copied()
    }

    /// When that was decided which was asked for last before a time.
    fn at(&self, time: Timestamp) -> Option<Timestamp> {
        self.tried(time)?.1
    }
}

/// Marks the columns of devices with their legs.
pub(crate) fn legs(
    scene: &Scene,
    folds: &[Fold],
    machines: &Machines,
    branches: &Branches,
    (tags, heard, tries): (&Tags, &Heard, &Tries),
    columns: &mut Columns,
) -> Legs {
    let tree = machines.tree;
    let Branches { identities, pushes, branching, .. } = branches;
    let seating = Seating::of(scene, folds, tree, branching, identities, columns);
    let mut of: Vec<_> = (0..folds.len()).map(|fold| seating.leg(scene, folds, fold, tags)).collect();
    for push in pushes {
        seating.place_push(push, &mut of);
    }
    let pushed = pushed(branches, tree, heard, &seating);
    let mut first_push: ByNumber<usize, &Push> = ByNumber::default();
    for push in pushes {
        if let Some(leg) = branching.of_push(push) {
            first_push.entry(leg).or_insert(push);
        }
    }
    let mut legs = Vec::with_capacity(branching.legs.len());
    for (index, branched) in branching.legs.iter().enumerate() {
        let asked = asked(branching, tries, index, branching.legs[index].tried).or(pushed[index].asked);
        let first_pushed = pushed[index].times.first().copied();
        let mut leg = Leg {
            tag: branched.tag.clone(),
            parent: branched.parent,
            call_id: String::new(),
            class: CallClass::Other,
            target: String::new(),
            node: seating.far_end[index],
            platform: None,
            user_agent: None,
            push: pushed[index].state,
            pushed: first_pushed,
            asked,
            begun: begun(tree, &branched.last).into_iter().chain(first_pushed.filter(|at| Some(*at) >= asked)).min(),
            rang: heard.rang(branching, index),
            final_status: heard.last(tree, branching, index).map(|last| (last.status, last.time)),
            outcome: Outcome::Unknown,
            blind: None,
            hops: branched.attempts.clone(),
            by_tag: branched.tags.is_some(),
            rows: 0,
        };
        describe(&mut leg, scene, folds, tree, &branched.last, &columns.nodes);
        if let Some(push) = first_push.get(&index).filter(|_| leg.target.is_empty()) {
            leg.target = push.names(scene, folds);
        }
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
    let forks =
        fork::forks(folds, &fork::Ground { tree, branching, tries, seating: &seating, of: &of, pushed: &pushed });
    mark_nodes(scene, folds, &legs, columns);
    Legs { all: legs, of, forks }
}

/// What came of the pushes to the device of a leg in the last try in which it was pushed to.
pub(crate) struct Pushed {
    pub state: PushState,
    /// When each of all was sent.
    all: Vec<Timestamp>,
    /// Those of that try.
    times: Vec<Timestamp>,
    /// When the caller began that try.
    asked: Option<Timestamp>,
}

/// By leg.
fn pushed(branches: &Branches, tree: &Tree, heard: &Heard, seating: &Seating) -> Vec<Pushed> {
    let Branches { identities, pushes, branching, decided } = branches;
    let mut waking: Vec<Waking> = branching.legs.iter().map(|_| Waking::default()).collect();
    for push in pushes {
        if let Some(leg) = branching.of_push(push) {
            waking[leg].pushes.push((push.time, push.answer));
            waking[leg].unclear |= push.unclear.is_some();
        }
    }
    let mut own: ByNumber<usize, Vec<usize>> = ByNumber::default();
    for (device, leg) in branching.of_devices() {
        own.entry(device).or_default().push(leg);
    }
    for known in &identities.registrations {
        let legs = own.get(&known.device).map_or(&[][..], Vec::as_slice);
        // Of several callers it is that of the last push before it.
        let pushed = |leg: &usize| {
            let before = waking[*leg].pushes.partition_point(|(sent, _)| *sent <= known.time);
            before.checked_sub(1).map(|last| waking[*leg].pushes[last].0)
        };
        let last = legs.iter().copied().take(MOST).max_by_key(|leg| (pushed(leg), std::cmp::Reverse(*leg)));
        if let Some(leg) = last.or_else(|| seating.device.get(&known.device).copied()) {
            waking[leg].awake.push(known.time);
            waking[leg].without_token |= !known.token;
        }
    }
    for (leg, waking) in waking.iter_mut().enumerate() {
        waking.awake.extend(heard.responded(branching, leg));
        let attempts = branching.legs[leg].attempts.iter();
        waking.invited = attempts.filter_map(|attempt| tree.attempts[*attempt].begun).collect();
    }
    let told = |(leg, waking): (usize, &mut Waking)| {
        let decided = decided.get(&branching.root(leg));
        let all: Vec<Timestamp> = waking.pushes.iter().map(|(sent, _)| *sent).collect();
        let tried = all.last().and_then(|sent| decided?.tried(*sent));
        let asked = tried.map(|(begun, _)| begun).filter(|begun| all.last() >= Some(begun));
        waking.pushes.retain(|(sent, _)| asked.is_none_or(|begun| *sent >= begun));
        let times = waking.pushes.iter().map(|(sent, _)| *sent).collect();
        Pushed { state: waking.state(tried.and_then(|(_, over)| over)), all, times, asked }
    };
    waking.iter_mut().enumerate().map(told).collect()
}

/// When the caller of a leg began a try.
fn asked(branching: &Branching, tries: &Tries, leg: usize, tried: Option<usize>) -> Option<Timestamp> {
    tries.begun(branching.legs[branching.root(leg)].call, tried?)
}

/// Calls with a letter of their own: those with an INVITE first. Of these the first is that of a caller, not one that a
/// server makes of its own or that takes the place of another call; then as they begin. Calls that were made of
/// another are below it. REST and push without SIP stand on the first; so does a REGISTER of a device that has a leg.
fn trunks(
    scene: &Scene,
    folds: &[Fold],
    tree: &Tree,
    (identities, pushes): (&Identities, &[Push]),
    server: &dyn Fn(usize) -> bool,
) -> Vec<usize> {
    let mut rank: ByNumber<usize, (bool, bool)> = ByNumber::default();
    let mut invited: NumberSet<usize> = NumberSet::default();
    for attempt in &tree.attempts {
        invited.insert(attempt.call);
        if attempt.parent.is_none() {
            let sip = attempt.fold.and_then(|fold| scene.sip(folds[fold].first.message));
            let replaces = sip.is_some_and(|sip| sip.replaces.is_some());
            let by_server = attempt.fold.is_some() && attempt.ends.is_some_and(|(from, _)| server(from));
            rank.entry(attempt.call).or_insert((replaces, by_server));
        }
    }
    let pushed = identities.pushes.values().copied().chain(pushes.iter().filter_map(|push| push.unclear));
    let devices: NumberSet<usize> = identities.attempts.iter().copied().chain(pushed).collect();
    let known = identities.registrations.iter().filter(|known| devices.contains(&known.device));
    let borrowed: NumberSet<usize> = known.map(|known| tree.call[folds[known.fold].first.message]).collect();
    let mut met = NumberSet::default();
    let mut calls: Vec<usize> = folds
        .iter()
        .filter(|fold| scene.sip(fold.first.message).is_some())
        .map(|fold| tree.call[fold.first.message])
        .filter(|call| if invited.contains(call) { rank.contains_key(call) } else { !borrowed.contains(call) })
        .filter(|call| met.insert(*call))
        .collect();
    calls.sort_by_key(|call| (!invited.contains(call), rank.get(call).copied().unwrap_or_default()));
    if calls.is_empty() && !folds.is_empty() {
        calls.push(tree.call[folds[0].first.message]);
    }
    calls
}

fn begun(tree: &Tree, attempts: &[usize]) -> Option<Timestamp> {
    attempts.iter().filter_map(|attempt| tree.attempts[*attempt].begun).min()
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
