//! Cause before effect among messages of one time: many loggers know no more than the millisecond.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::ops::Range;

use crate::exchange::Sighting;
use crate::scene::{Scene, to_tag};

/// Reorders runs of equal time so that a request stands before its response, 100 before 180 before 200, and what a
/// proxy received before what it passed on. All else keeps the order of the file.
pub fn untie(scene: &Scene, sightings: &mut [Sighting]) {
    let mut start = 0;
    while start < sightings.len() {
        let time = sightings[start].time;
        let end = start + sightings[start..].partition_point(|sighting| sighting.time == time);
        if end - start > 1 {
            untie_run(scene, &mut sightings[start..end]);
        }
        start = end;
    }
}

fn untie_run(scene: &Scene, run: &mut [Sighting]) {
    let edges = edges(scene, run);
    if edges.iter().all(|(cause, effect)| cause < effect) {
        return;
    }
    let mut causes = vec![0; run.len()];
    let mut effects = vec![Vec::new(); run.len()];
    for (cause, effect) in edges {
        causes[effect] += 1;
        effects[cause].push(effect);
    }
    let mut ready: BinaryHeap<_> = (0..run.len()).filter(|i| causes[*i] == 0).map(Reverse).collect();
    let mut sorted = Vec::with_capacity(run.len());
    let mut placed = vec![false; run.len()];
    while let Some(Reverse(next)) = ready.pop() {
        placed[next] = true;
        sorted.push(run[next]);
        for &effect in &effects[next] {
            causes[effect] -= 1;
            if causes[effect] == 0 {
                ready.push(Reverse(effect));
            }
        }
    }
    // Vias that name each other in a circle.
    sorted.extend((0..run.len()).filter(|i| !placed[*i]).map(|i| run[i]));
    run.copy_from_slice(&sorted);
}

fn edges(scene: &Scene, run: &[Sighting]) -> Vec<(usize, usize)> {
    let mut edges = Vec::new();
    let mut of: HashMap<usize, Range<usize>> = HashMap::new();
    let mut by_transaction: Vec<usize> = (0..run.len()).filter(|i| scene.sip(run[*i].message).is_some()).collect();
    by_transaction.sort_by_key(|i| (scene.transaction[run[*i].message], *i));
    for (at, &index) in by_transaction.iter().enumerate() {
        of.entry(scene.transaction[run[index].message]).or_insert(at..at).end = at + 1;
    }
    for range in of.values() {
        within(scene, run, &by_transaction[range.clone()], &mut edges);
    }
    let mut passed_on = HashMap::new();
    for &index in &by_transaction {
        passed_on.entry(what(scene, run[index], scene.transaction[run[index].message])).or_insert(index);
    }
    for &index in &by_transaction {
        let sighting = run[index];
        let Some(below) = scene.below[sighting.message] else { continue };
        match passed_on.get(&what(scene, sighting, below)) {
            Some(&other) if sighting.is_response(scene.messages) => edges.push((index, other)),
            Some(&other) => edges.push((other, index)),
            None => {}
        }
    }
    edges
}

/// What stays the same when a proxy passes a message on.
fn what<'a>(
    scene: &Scene<'a>,
    sighting: Sighting,
    transaction: usize,
) -> (usize, &'a str, Option<u16>, Option<&'a str>) {
    let tag = scene.sip(sighting.message).and_then(to_tag);
    (transaction, scene.method(sighting.message), sighting.status(scene.messages), tag)
}

/// Request, 100, 180, final, ACK; CANCEL after its INVITE and before what answers it.
fn within(scene: &Scene, run: &[Sighting], members: &[usize], edges: &mut Vec<(usize, usize)>) {
    let step = |i: &usize| {
        let sighting = run[*i];
        match (scene.method(sighting.message), sighting.status(scene.messages)) {
            ("ACK", _) => 6,
            ("CANCEL", None) => 2,
            ("CANCEL", Some(_)) => 5,
            (_, None) => 0,
            (_, Some(100)) => 1,
            (_, Some(101..=199)) => 3,
            (_, Some(_)) => 4,
        }
    };
    let cancel = |i: &&usize| scene.method(run[**i].message) == "CANCEL";
    // An ACK to a 2xx is one on all its hops, and has a Via more on each.
    let hops = |i: &usize| scene.sip(run[*i].message).filter(|_| step(i) == 6).map_or(0, |sip| sip.vias.len());
    let mut chain: Vec<usize> = members.iter().filter(|i| !cancel(i)).copied().collect();
    chain.sort_by_key(|i| (step(i), hops(i)));
    edges.extend(chain.windows(2).map(|pair| (pair[0], pair[1])));
    let mut cancels: Vec<usize> = members.iter().filter(cancel).copied().collect();
    cancels.sort_by_key(step);
    edges.extend(cancels.windows(2).map(|pair| (pair[0], pair[1])));
    if let Some(&first) = cancels.first().filter(|i| step(i) == 2) {
        edges.extend(chain.first().filter(|i| step(i) == 0).map(|invite| (*invite, first)));
        let released = |i: &&usize| scene.invite_status(run[**i]) == Some(487);
        edges.extend(chain.iter().find(released).map(|refusal| (first, *refusal)));
    }
}
