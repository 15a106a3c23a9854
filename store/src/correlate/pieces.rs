//! A component without what was refused by keys that have joined as many as they may: it may fall apart into several.

use std::collections::BTreeMap;

use message::event::CallEvent;
use message::summary::Summary;
use record::id::CallKey;

use super::OutboxRow;
use super::components::{CallUse, Component, KeyUse};
use super::groups::Groups;
use super::keys::Use;

/// Keys by their hashes.
pub(super) type Uses<'a> = BTreeMap<[u8; 16], Use<'a>>;

/// Calls that belong together for certain, and the keys they carry.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub keys: Vec<&'a KeyUse>,
    pub calls: Vec<CallUse>,
    pub summary: Summary,
}

/// Component by component; `rows` are what the summaries of a component that falls apart are made of.
pub(super) fn pieces<'a>(components: &'a [Component], uses: &Uses<'a>, rows: &[OutboxRow]) -> Vec<Piece<'a>> {
    components
        .iter()
        .flat_map(|component| {
            if component.keys.iter().any(|key| !uses[&key.hash].refused.is_empty()) {
                fall_apart(component, uses, rows)
            } else {
                vec![Piece {
                    keys: component.keys.iter().collect(),
                    calls: component.calls.clone(),
                    summary: component.summary.clone(),
                }]
            }
        })
        .collect()
}

fn fall_apart<'a>(component: &'a Component, uses: &Uses<'a>, rows: &[OutboxRow]) -> Vec<Piece<'a>> {
    let order: BTreeMap<CallKey, usize> = component
        .calls
        .iter()
        .map(|call| call.call)
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .zip(0..)
        .collect();
    let mut groups = Groups::new(order.len());
    let joined = |key: &'a KeyUse| {
        let refused = &uses[&key.hash].refused;
        key.calls().filter(|call| !refused.contains(call)).filter_map(|call| order.get(&call))
    };
    for key in &component.keys {
        let mut places = joined(key);
        if let Some(first) = places.next() {
            places.for_each(|place| groups.join(*first, *place));
        }
    }
    let mut pieces: BTreeMap<usize, Piece<'a>> = BTreeMap::new();
    for call in &component.calls {
        let piece = pieces.entry(groups.root(order[&call.call])).or_insert_with(|| Piece {
            keys: Vec::new(),
            calls: Vec::new(),
            summary: Summary::default(),
        });
        piece.calls.push(call.clone());
    }
    for key in &component.keys {
        let place = joined(key).next();
        if let Some(piece) = place.and_then(|place| pieces.get_mut(&groups.root(*place))) {
            piece.keys.push(key);
        }
    }
    let owners: BTreeMap<CallKey, usize> = order.iter().map(|(call, place)| (*call, groups.root(*place))).collect();
    let daily = component.calls.iter().any(|call| call.class.is_daily());
    let events = rows.iter().flat_map(|row| &row.events).filter(|event| event.class.is_daily() == daily);
    for event in events {
        add(&mut pieces, &owners, event);
    }
    pieces.into_values().collect()
}

fn add(pieces: &mut BTreeMap<usize, Piece<'_>>, owners: &BTreeMap<CallKey, usize>, event: &CallEvent) {
    if let Some(piece) = owners.get(&event.call).and_then(|root| pieces.get_mut(root)) {
        piece.summary.add(event);
    }
}
