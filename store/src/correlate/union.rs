//! Keys to scenarios: what shares a key is one scenario, the least id wins, and order does not matter.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use message::keys::Key;
use message::summary::Summary;
use record::id::{CallKey, MessageId, ScenarioId};
use record::time::Timestamp;

use super::components::{CallUse, Component, KeyUse};
use super::keys::{self, KeyRow, NewKey};
use super::pieces::{Groups, Piece, pieces};
use super::rows::{self, Kept, Placed};
use super::{Correlated, HUB, OutboxRow};
use crate::Error;
use crate::backend::Transaction;

/// A key of these components: what is known of it, and what they bring.
#[derive(Debug)]
struct Use<'a> {
    key: &'a KeyUse,
    known: Option<KeyRow>,
    /// Calls that are not in its scenario yet.
    new: BTreeSet<CallKey>,
}

impl Use<'_> {
    /// Where it leads; nowhere if it was refused before it joined anything.
    fn leads_to(&self) -> Option<i64> {
        self.known.map(|row| row.scenario).filter(|scenario| *scenario != keys::NOWHERE)
    }

    fn calls(&self) -> i64 {
        self.known.map_or(0, |row| row.calls)
    }

    fn is_refused(&self) -> bool {
        !self.key.own && !self.new.is_empty() && self.calls() + self.new.len() as i64 > HUB
    }

    /// Another call than this one carries it, too.
    fn joins(&self, call: CallKey) -> bool {
        let before = self.leads_to().map_or(0, |_| self.calls() + i64::from(self.new.contains(&call)));
        !self.is_refused() && (self.key.calls.len() > 1 || before > 1)
    }
}

type Uses<'a> = BTreeMap<[u8; 16], Use<'a>>;

/// Pieces and scenarios that turned out to be one.
#[derive(Debug, Default)]
struct Group {
    pieces: Vec<usize>,
    /// Ids of scenarios: known ones, and at most one new.
    ids: BTreeSet<i64>,
}

pub(super) async fn apply(
    tx: &mut Transaction,
    now: Timestamp,
    outbox: &[OutboxRow],
    components: &[Component],
) -> Result<Correlated, Error> {
    let uses = uses(tx, components).await?;
    let refused: HashSet<[u8; 16]> = uses.iter().filter(|(_, of)| of.is_refused()).map(|(hash, _)| *hash).collect();
    let pieces = pieces(components, &refused, outbox);

    let mut kept: BTreeMap<i64, Kept> = BTreeMap::new();
    let mut groups = first_groups(&pieces, &uses);
    lock(tx, &mut groups, &mut kept).await?;
    number(tx, &mut groups).await?;
    // A correlator beside this one may have brought a key first; then its scenario is one of ours.
    let mut new = new_keys(&pieces, &groups, &uses);
    new.retain(|hash, key| uses[hash].known.is_none_or(|row| key.changes(&row)));
    let found = keys::upsert(tx, now, &new).await?;
    let places: HashMap<i64, usize> =
        groups.iter().enumerate().filter_map(|(at, group)| Some((*group.ids.first()?, at))).collect();
    let mut surprised = false;
    for (hash, scenario) in found {
        if let Some(at) = new.get(&hash).filter(|key| key.joins).and_then(|key| places.get(&key.scenario)) {
            surprised |= groups[*at].ids.insert(scenario);
        }
    }
    if surprised {
        groups = merged(groups);
        lock(tx, &mut groups, &mut kept).await?;
    }
    write(tx, groups, kept, pieces, &uses, refused.len() as u64).await
}

async fn uses<'a>(tx: &mut Transaction, components: &'a [Component]) -> Result<Uses<'a>, Error> {
    let mut uses: Uses<'a> = components
        .iter()
        .flat_map(|component| &component.keys)
        .map(|key| (key.hash, Use { key, known: None, new: key.calls.clone() }))
        .collect();
    let known = keys::read(tx, &uses.keys().copied().collect::<Vec<_>>()).await?;
    // Only calls of a known key can be there.
    let asked: BTreeSet<CallKey> = known.keys().flat_map(|hash| uses[hash].key.calls.iter().copied()).collect();
    let there = rows::scenarios_of_calls(tx, &asked.into_iter().collect::<Vec<_>>()).await?;
    for (hash, row) in known {
        if let Some(of) = uses.get_mut(&hash) {
            of.known = Some(row);
            of.new.retain(|call| !there.contains(&(*call, row.scenario)));
        }
    }
    Ok(uses)
}

/// A group a piece, joined where they meet in a scenario that is known already.
fn first_groups(pieces: &[Piece<'_>], uses: &Uses<'_>) -> Vec<Group> {
    let ids = |piece: &Piece<'_>| -> BTreeSet<i64> {
        piece.keys.iter().filter_map(|key| uses[&key.hash].leads_to()).collect()
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

/// Locks all scenarios of all groups in id order. One that was merged meanwhile brings the one it went into.
async fn lock(tx: &mut Transaction, groups: &mut Vec<Group>, kept: &mut BTreeMap<i64, Kept>) -> Result<(), Error> {
    let mut asked: BTreeSet<i64> = kept.keys().copied().collect();
    loop {
        let wanted: BTreeSet<i64> = groups.iter().flat_map(|group| group.ids.iter().copied()).collect();
        let new: Vec<i64> = wanted.difference(&asked).copied().collect();
        if new.is_empty() {
            break;
        }
        asked.extend(&new);
        kept.extend(rows::lock(tx, &new).await?);
        for group in groups.iter_mut() {
            let into: Vec<i64> = group.ids.iter().filter_map(|id| kept.get(id)?.merged_into).collect();
            group.ids.extend(into);
        }
    }
    *groups = merged(std::mem::take(groups));
    Ok(())
}

/// A group that no scenario is known of begins a new one.
async fn number(tx: &mut Transaction, groups: &mut [Group]) -> Result<(), Error> {
    let new = groups.iter().filter(|group| group.ids.is_empty()).count();
    if new > 0 {
        let numbers = tx.scenario_numbers(new).await?;
        groups.iter_mut().filter(|group| group.ids.is_empty()).zip(numbers).for_each(|(group, number)| {
            group.ids.insert(number);
        });
    }
    Ok(())
}

/// By hash, the order in which every correlator takes them.
fn new_keys<'a>(pieces: &[Piece<'a>], groups: &[Group], uses: &Uses<'a>) -> BTreeMap<[u8; 16], NewKey<'a>> {
    let mut keys = BTreeMap::new();
    for group in groups {
        let scenario = group.ids.first().copied().unwrap_or_default();
        for key in group.pieces.iter().flat_map(|piece| &pieces[*piece].keys) {
            let calls = uses[&key.hash].new.len() as i64;
            keys.insert(key.hash, NewKey { key, scenario, calls, joins: true });
        }
    }
    // A refused key is kept for its count alone: it leads nowhere, until a call comes whose own it is.
    for (hash, of) in uses.iter().filter(|(_, of)| of.is_refused()) {
        let calls = if of.calls() > HUB { 0 } else { of.new.len() as i64 };
        keys.insert(*hash, NewKey { key: of.key, scenario: keys::NOWHERE, calls, joins: false });
    }
    keys
}

/// Why a call is where it is: the first key it carries that another call has, too; else its own, if others named it
/// before it came. None: it began the scenario.
fn joined_by<'a>(call: &CallUse, uses: &Uses<'a>) -> Option<(&'a Key, MessageId)> {
    let by = |(hash, message): ([u8; 16], MessageId)| Some((&uses.get(&hash)?.key.key, message));
    let own = || uses.get(&call.own.0).filter(|own| own.leads_to().is_some() && own.new.contains(&call.call));
    let carried = call.carried.iter().find(|(hash, _)| uses.get(hash).is_some_and(|of| of.joins(call.call)));
    carried.copied().or_else(|| own().map(|_| call.own)).and_then(by)
}

async fn write(
    tx: &mut Transaction,
    groups: Vec<Group>,
    kept: BTreeMap<i64, Kept>,
    mut pieces: Vec<Piece<'_>>,
    uses: &Uses<'_>,
    refused: u64,
) -> Result<Correlated, Error> {
    let mut moves: Vec<(i64, i64)> = Vec::new();
    let mut gone: Vec<(i64, i64)> = Vec::new();
    let mut scenarios: Vec<(i64, Summary)> = Vec::new();
    let mut calls = Vec::new();
    for group in &groups {
        let Some(target) = group.ids.iter().copied().find(|id| kept.get(id).is_none_or(|k| k.merged_into.is_none()))
        else {
            continue;
        };
        let mut summary = Summary::default();
        for id in &group.ids {
            let row = kept.get(id).filter(|row| row.merged_into.is_none());
            if let Some(row) = row {
                summary.join(&row.summary);
            }
            if *id != target {
                moves.push((*id, target));
                gone.extend(row.map(|_| (*id, target)));
            }
        }
        for at in &group.pieces {
            let piece = &mut pieces[*at];
            summary.join(&piece.summary);
            calls.extend(piece.calls.drain(..).map(|call| Placed {
                scenario: target,
                joined_by: joined_by(&call, uses),
                call,
            }));
        }
        scenarios.push((target, summary));
    }
    rows::merge(tx, &moves, &gone).await?;
    rows::scenarios(tx, &scenarios).await?;
    rows::calls(tx, &calls).await?;
    let ids = scenarios.iter().map(|(id, _)| ScenarioId(*id)).collect();
    Ok(Correlated { applied: true, scenarios: ids, merged: gone.len() as u64, refused })
}
