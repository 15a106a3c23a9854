//! Keys to scenarios: what shares a key is one scenario, the least id wins, and order does not matter.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use message::id::{CallKey, ScenarioId};
use message::summary::Summary;
use message::time::Timestamp;

use super::pieces::{Groups, Piece, pieces};
use super::rows::{self, Kept, KeyRow, NewKey};
use super::{Component, Correlated, HUB, KeyUse, OutboxRow};
use crate::Error;
use crate::backend::Transaction;

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
    let uses: BTreeMap<[u8; 16], &KeyUse> =
        components.iter().flat_map(|component| &component.keys).map(|key| (key.hash, key)).collect();
    let known = rows::keys(tx, &uses.keys().copied().collect::<Vec<_>>()).await?;
    let joining = joining(tx, &uses, &known).await?;
    let refused: HashSet<[u8; 16]> = uses
        .values()
        .filter(|key| !key.own && joining[&key.hash] > 0)
        .filter(|key| known.get(&key.hash).map_or(0, |row| row.calls) + joining[&key.hash] > HUB)
        .map(|key| key.hash)
        .collect();
    let pieces = pieces(components, &refused, outbox);

    let mut kept: BTreeMap<i64, Kept> = BTreeMap::new();
    let mut groups = first_groups(&pieces, &known);
    lock(tx, &mut groups, &mut kept).await?;
    number(tx, &mut groups).await?;
    // A correlator beside this one may have brought a key first; then its scenario is one of ours.
    let mut keys = new_keys(&pieces, &groups, &refused, &uses, &joining);
    keys.retain(|hash, new| known.get(hash).is_none_or(|row| new.changes(row)));
    let found = rows::upsert_keys(tx, now, &keys).await?;
    let places: HashMap<i64, usize> =
        groups.iter().enumerate().filter_map(|(at, group)| Some((*group.ids.first()?, at))).collect();
    let mut surprised = false;
    for (hash, scenario) in found {
        if let Some(at) = keys.get(&hash).filter(|key| key.joins).and_then(|key| places.get(&key.scenario)) {
            surprised |= groups[*at].ids.insert(scenario);
        }
    }
    if surprised {
        groups = merged(groups);
        lock(tx, &mut groups, &mut kept).await?;
    }
    write(tx, groups, kept, pieces, refused.len() as u64).await
}

/// How many calls each key would bring to its scenario that are not there yet.
async fn joining(
    tx: &mut Transaction,
    uses: &BTreeMap<[u8; 16], &KeyUse>,
    known: &HashMap<[u8; 16], KeyRow>,
) -> Result<HashMap<[u8; 16], i64>, Error> {
    // Only calls of a known key can be there.
    let asked: BTreeSet<CallKey> =
        uses.values().filter(|key| known.contains_key(&key.hash)).flat_map(|key| key.calls.iter().copied()).collect();
    let there = rows::scenarios_of_calls(tx, &asked.into_iter().collect::<Vec<_>>()).await?;
    let new = |key: &KeyUse| {
        let Some(row) = known.get(&key.hash) else { return key.calls.len() as i64 };
        let is_there = |call: &CallKey| there.contains(&(*call, row.scenario));
        key.calls.iter().filter(|call| !is_there(call)).count() as i64
    };
    Ok(uses.iter().map(|(hash, key)| (*hash, new(key))).collect())
}

/// A group a piece, joined where they meet in a scenario that is known already.
fn first_groups(pieces: &[Piece<'_>], known: &HashMap<[u8; 16], KeyRow>) -> Vec<Group> {
    let ids = |piece: &Piece<'_>| -> BTreeSet<i64> {
        piece.keys.iter().filter_map(|key| known.get(&key.hash)).map(|row| row.scenario).collect()
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
fn new_keys<'a>(
    pieces: &[Piece<'a>],
    groups: &[Group],
    refused: &HashSet<[u8; 16]>,
    uses: &BTreeMap<[u8; 16], &'a KeyUse>,
    joining: &HashMap<[u8; 16], i64>,
) -> BTreeMap<[u8; 16], NewKey<'a>> {
    let mut keys = BTreeMap::new();
    let mut somewhere = 0;
    for group in groups {
        let scenario = group.ids.first().copied().unwrap_or_default();
        somewhere = scenario;
        for key in group.pieces.iter().flat_map(|piece| &pieces[*piece].keys) {
            keys.insert(key.hash, NewKey { key, scenario, calls: joining[&key.hash], joins: true });
        }
    }
    // A refused key is kept for its count alone, wherever it points.
    for hash in refused {
        let new = NewKey { key: uses[hash], scenario: somewhere, calls: joining[hash], joins: false };
        keys.insert(*hash, new);
    }
    keys
}

async fn write(
    tx: &mut Transaction,
    groups: Vec<Group>,
    kept: BTreeMap<i64, Kept>,
    mut pieces: Vec<Piece<'_>>,
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
            calls.extend(piece.calls.drain(..).map(|call| (target, call)));
        }
        scenarios.push((target, summary));
    }
    rows::merge(tx, &moves, &gone).await?;
    rows::scenarios(tx, &scenarios).await?;
    rows::calls(tx, &calls).await?;
    let ids = scenarios.iter().map(|(id, _)| ScenarioId(*id)).collect();
    Ok(Correlated { applied: true, scenarios: ids, merged: gone.len() as u64, refused })
}
