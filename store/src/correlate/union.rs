//! Keys to scenarios: what shares a key is one scenario, the least id wins, and order does not matter.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use message::keys::Key;
use message::kind::Kind;
use message::summary::Summary;
use record::id::{CallKey, MessageId, ScenarioId};
use record::time::Timestamp;

use super::components::{CallUse, Component};
use super::doubt::Left;
use super::groups::Groups;
use super::keys::{self, KeyRow, Use};
use super::pieces::{Piece, Uses, pieces};
use super::rows::{self, News, Placed};
use super::{Correlated, OutboxRow, outbox};
use crate::Error;
use crate::backend::Transaction;
use crate::settle;

/// What is stored of these keys.
type Stored = HashMap<[u8; 16], KeyRow>;

/// Where a key leads that has been taken and not been written yet.
const NOWHERE: i64 = 0;

/// Pieces and scenarios that turned out to be one.
#[derive(Debug, Default)]
struct Group {
    pieces: Vec<usize>,
    /// Ids of scenarios: known ones, and at most one new.
    ids: BTreeSet<i64>,
}

impl Group {
    /// The one that stays.
    fn scenario(&self) -> i64 {
        self.ids.first().copied().unwrap_or_default()
    }
}

/// What becomes of scenarios beside those of the components.
pub(super) struct Beside<'a> {
    /// Calls that are to be settled again for what others have brought.
    pub wanting: &'a BTreeSet<i64>,
    /// Scenarios that answers leave.
    pub left: &'a BTreeMap<i64, Left>,
    /// By the call of their request: how many answers were counted as REST and are of a push.
    pub pushed: &'a BTreeMap<CallKey, u64>,
    /// Which classes are settled.
    pub settled: &'a settle::Classes,
}

/// What becomes of the components, as far as their keys are known.
struct Plan<'a> {
    uses: Uses<'a>,
    pieces: Vec<Piece<'a>>,
    groups: Vec<Group>,
    /// Scenarios that begin with it.
    new: BTreeSet<i64>,
}

impl<'a> Plan<'a> {
    async fn make(
        tx: &mut Transaction,
        components: &'a [Component],
        applied: &[OutboxRow],
        stored: &Stored,
    ) -> Result<Self, Error> {
        let living = rows::living(tx, stored.values().map(|row| row.scenario).collect()).await?;
        // A key that leads to a scenario that was deleted is as good as none.
        let known = |hash| {
            let row = stored.get(hash)?;
            let scenario = *living.get(&row.scenario)?;
            Some(KeyRow { scenario, ..row.clone() })
        };
        let keys = components.iter().flat_map(|component| &component.keys);
        let uses: Uses<'a> = keys.map(|key| (key.hash, Use::of(key, known(&key.hash)))).collect();
        let pieces = pieces(components, &uses, applied);
        let mut groups = groups(&pieces, &uses);
        let new = number(tx, &mut groups).await?;
        Ok(Self { uses, pieces, groups, new })
    }

    /// What is taken of these: whoever gets one back sees whether it was there before. Nobody else knows the number of a new
    /// scenario, and nobody leaves a key that leads nowhere.
    fn asked(&self, changed: &BTreeMap<[u8; 16], KeyRow>) -> BTreeMap<[u8; 16], KeyRow> {
        let scenario = |row: &KeyRow| if self.new.contains(&row.scenario) { row.scenario } else { NOWHERE };
        changed.iter().map(|(hash, row)| (*hash, KeyRow { scenario: scenario(row), ..row.clone() })).collect()
    }

    fn is_ours(&self, scenario: i64) -> bool {
        scenario == NOWHERE || self.new.contains(&scenario)
    }

    /// The keys to which something comes, as they are to be stored.
    fn changed(&self, now: Timestamp) -> BTreeMap<[u8; 16], KeyRow> {
        let row = |hash, scenario| {
            let of = &self.uses[&hash];
            let row = of.row(scenario, now);
            (!of.known.as_ref().is_some_and(|stored| row.brings_nothing_to(stored))).then_some((hash, row))
        };
        let mut scenarios: BTreeMap<_, _> =
            self.uses.iter().filter_map(|(hash, of)| Some((*hash, of.known.as_ref()?.scenario))).collect();
        for group in &self.groups {
            let keys = group.pieces.iter().flat_map(|piece| &self.pieces[*piece].keys);
            scenarios.extend(keys.map(|key| (key.hash, group.scenario())));
        }
        scenarios.into_iter().filter_map(|(hash, scenario)| row(hash, scenario)).collect()
    }
}

/// Keys are taken first and scenarios after them, each in one order: so correlators that meet wait for each other, and never
/// in a circle. Which calls a key has joined is decided while it is taken. None: a scenario was merged into another one, or
/// deleted, meanwhile, and all is to be done anew.
pub(super) async fn apply(
    tx: &mut Transaction,
    now: Timestamp,
    applied: &[OutboxRow],
    components: &[Component],
    beside: &Beside<'_>,
) -> Result<Option<Correlated>, Error> {
    let hashes: BTreeSet<[u8; 16]> =
        components.iter().flat_map(|component| &component.keys).map(|key| key.hash).collect();
    let mut stored = keys::read(tx, &hashes.into_iter().collect::<Vec<_>>()).await?;
    let mut plan = Plan::make(tx, components, applied, &stored).await?;
    let mut changed = plan.changed(now);
    let taken = keys::take(tx, &plan.asked(&changed)).await?;
    let (mut ours, others): (Stored, Stored) = taken.into_iter().partition(|(_, row)| plan.is_ours(row.scenario));
    let surprised = others.iter().any(|(hash, row)| stored.get(hash) != Some(row));
    stored.extend(others);
    if surprised {
        // Another correlator was there first. What it has brought is known now, and stays as it is.
        plan = Plan::make(tx, components, applied, &stored).await?;
        changed = plan.changed(now);
    }
    let wanted: BTreeSet<i64> = plan.groups.iter().flat_map(|group| group.ids.iter().copied()).collect();
    let all: BTreeSet<i64> = wanted.iter().chain(beside.wanting).chain(beside.left.keys()).copied().collect();
    let mut kept = rows::lock(tx, &all.into_iter().collect::<Vec<_>>()).await?;
    for (id, left) in beside.left {
        match kept.get_mut(id).filter(|row| row.merged_into.is_none() && row.summary == left.seen) {
            Some(row) => row.summary = left.rest.clone(),
            None => return Ok(None),
        }
    }
    let is_gone = |id: &i64| match kept.get(id) {
        Some(row) => row.merged_into.is_some(),
        None => !plan.new.contains(id),
    };
    if wanted.iter().any(is_gone) {
        return Ok(None);
    }
    let is_there = |id: &&i64| !wanted.contains(id) && kept.get(id).is_some_and(|row| row.merged_into.is_none());
    let again: Vec<i64> = beside.wanting.iter().filter(is_there).copied().collect();
    rows::settle_again(tx, &again, settle::again(now)).await?;
    // What nothing comes to, and all leave, is gone.
    let (empty, shrunk): (Vec<_>, Vec<_>) =
        beside.left.iter().filter(|(id, _)| !wanted.contains(id)).partition(|(_, left)| left.rest.messages == 0);
    rows::delete(tx, &empty.iter().map(|(id, _)| **id).collect::<Vec<_>>()).await?;
    let left = |left: &Left| News { due: settle::due(beside.settled, &left.rest, false, now), first: None };
    let shrunk: Vec<_> = shrunk.into_iter().map(|(id, of)| (*id, of.rest.clone(), left(of))).collect();
    rows::scenarios(tx, &shrunk).await?;
    outbox::count(tx, applied, -(empty.len() as i64)).await?;
    kept.retain(|id, _| wanted.contains(id));
    ours.extend(stored);
    let differ: Vec<_> = changed.iter().filter(|(hash, row)| ours.get(*hash) != Some(row)).collect();
    keys::write(tx, &differ).await?;
    let summaries = kept.into_iter().map(|(id, row)| (id, row.summary)).collect();
    write(tx, now, plan, applied, (summaries, beside)).await.map(Some)
}

/// A group a piece, joined where they meet in a scenario that is known already.
fn groups(pieces: &[Piece<'_>], uses: &Uses<'_>) -> Vec<Group> {
    let ids = |piece: &Piece<'_>| -> BTreeSet<i64> {
        piece.keys.iter().filter_map(|key| Some(uses[&key.hash].known.as_ref()?.scenario)).collect()
    };
    merged(pieces.iter().enumerate().map(|(at, piece)| Group { pieces: vec![at], ids: ids(piece) }).collect())
}

/// Groups that share an id become one.
fn merged(groups: Vec<Group>) -> Vec<Group> {
    let mut places: HashMap<i64, usize> = HashMap::new();
    let mut union = Groups::new(groups.len());
    for (at, group) in groups.iter().enumerate() {
        for id in &group.ids {
            union.join(at, *places.entry(*id).or_insert(at));
        }
    }
    let mut out: BTreeMap<usize, Group> = BTreeMap::new();
    for (at, group) in groups.into_iter().enumerate() {
        let into = out.entry(union.root(at)).or_default();
        into.pieces.extend(group.pieces);
        into.ids.extend(group.ids);
    }
    out.into_values().collect()
}

/// A group that no scenario is known of begins a new one.
async fn number(tx: &mut Transaction, groups: &mut [Group]) -> Result<BTreeSet<i64>, Error> {
    let new = groups.iter().filter(|group| group.ids.is_empty()).count();
    if new == 0 {
        return Ok(BTreeSet::new());
    }
    let numbers = tx.scenario_numbers(new).await?;
    groups.iter_mut().filter(|group| group.ids.is_empty()).zip(&numbers).for_each(|(group, number)| {
        group.ids.insert(*number);
    });
    Ok(numbers.into_iter().collect())
}

/// Why a call is where it is: the first key it carries that another call has, too; else its own, if others named it
/// before it came. None: it began the scenario.
fn joined_by<'a>(call: &CallUse, uses: &Uses<'a>) -> Option<(&'a Key, MessageId)> {
    let by = |(hash, message): ([u8; 16], MessageId)| Some((&uses.get(&hash)?.key.key, message));
    let own = || uses.get(&call.own.0).filter(|own| own.waited_for_its_own());
    let carried = call.carried.iter().find(|(hash, _)| uses.get(hash).is_some_and(|of| of.joins(call.call)));
    carried.copied().or_else(|| own().map(|_| call.own)).and_then(by)
}

/// `kept`: summaries of the scenarios that are there, all of which are locked.
async fn write(
    tx: &mut Transaction,
    now: Timestamp,
    plan: Plan<'_>,
    applied: &[OutboxRow],
    (kept, beside): (BTreeMap<i64, Summary>, &Beside<'_>),
) -> Result<Correlated, Error> {
    let Plan { uses, mut pieces, groups, .. } = plan;
    let (mut gone, mut scenarios, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for group in &groups {
        let target = group.scenario();
        let (mut summary, mut answers) = (Summary::default(), 0);
        let first = group.pieces.iter().filter_map(|at| pieces[*at].summary.first).min();
        let ends = group.pieces.iter().any(|at| pieces[*at].summary.ends());
        for (id, row) in group.ids.iter().filter_map(|id| kept.get_key_value(id)) {
            summary.join(row);
            gone.extend((*id != target).then_some((*id, target)));
        }
        for at in &group.pieces {
            let piece = &mut pieces[*at];
            summary.join(&piece.summary);
            let named: BTreeSet<CallKey> = if beside.pushed.is_empty() {
                BTreeSet::new()
            } else {
                piece.calls.iter().map(|call| call.call).collect()
            };
            answers += named.iter().filter_map(|call| beside.pushed.get(call)).sum::<u64>();
            calls.extend(piece.calls.drain(..).map(|call| Placed {
                scenario: target,
                joined_by: joined_by(&call, &uses),
                call,
            }));
        }
        summary.count_as(Kind::Rest, Kind::Push, answers);
        let due = settle::due(beside.settled, &summary, ends, now);
        scenarios.push((target, summary, News { due, first }));
    }
    rows::merge(tx, &gone).await?;
    rows::scenarios(tx, &scenarios).await?;
    rows::calls(tx, &calls).await?;
    let begun = scenarios.iter().filter(|(id, ..)| !kept.contains_key(id)).count() as i64;
    outbox::count(tx, applied, begun - gone.len() as i64).await?;
    let ids = scenarios.iter().map(|(id, ..)| ScenarioId(*id)).collect();
    let refused = uses.values().filter(|of| !of.refused.is_empty()).count() as u64;
    Ok(Correlated { applied: true, again: false, scenarios: ids, merged: gone.len() as u64, refused })
}
