//! What must have come before what, where two logs tell of it: the measure of their clocks.

use std::collections::HashMap;

use crate::clock::which;
use crate::exchange::Sighting;
use crate::number::ByNumber;
use crate::scene::base::Bases;
use crate::scene::logger::Loggers;
use crate::scene::same::Sameness;
use crate::scene::{Scene, to_tag};

/// More logs of one message than this say nothing new of their clocks.
const LOGS: usize = 4;

/// Between the clocks of two sources: how much later than its cause an effect was logged, in microseconds.
#[derive(Default)]
pub struct Sample {
    /// Of messages that both logged, sender and receiver, by a number that says which two records those are.
    pub by_both: Vec<(u64, i64)>,
    /// The least over what a proxy passed on: its way through the machine is short.
    pub passed_on: Option<i64>,
    /// The least over requests and their responses: that may take as long as somebody thinks.
    pub answered: Option<i64>,
}

/// By (source of the cause, source of the effect).
pub type Samples = HashMap<(usize, usize), Sample>;

/// The first logs of one thing, at most one a source.
type Logs = Vec<usize>;

/// `sightings` are in the order of their logged times.
pub fn samples(scene: &Scene, sightings: &[Sighting], bases: &Bases, loggers: &Loggers, same: &Sameness) -> Samples {
    let mut samples = Samples::new();
    if scene.sources < 2 {
        return samples;
    }
    logged_by_both(scene, sightings, bases, loggers, same, &mut samples);
    let mut requests: ByNumber<(usize, u8), Logs> = ByNumber::default();
    let mut answers: HashMap<(usize, u16, Option<&str>), Logs> = HashMap::new();
    for (index, sighting) in sightings.iter().enumerate() {
        let (message, transaction) = (sighting.message, scene.transaction[sighting.message]);
        let Some(sip) = scene.sip(message) else { continue };
        let logs = match sighting.status(scene.messages) {
            None => requests.entry((transaction, scene.part(message))).or_default(),
            Some(status) => answers.entry((transaction, status, to_tag(sip))).or_default(),
        };
        let seen = |log: &usize| scene.source[sightings[*log].message] == scene.source[message];
        if logs.len() < LOGS && !logs.iter().any(seen) {
            logs.push(index);
        }
    }
    for (effect, sighting) in sightings.iter().enumerate() {
        let message = sighting.message;
        let Some(sip) = scene.sip(message) else { continue };
        let answer = sighting.status(scene.messages);
        let causes = match (answer, scene.below[message]) {
            (Some(_), _) => requests.get(&(scene.transaction[message], scene.part(message))),
            (None, Some(below)) => requests.get(&(below, scene.part(message))),
            (None, None) => None,
        };
        for &cause in causes.into_iter().flatten() {
            note(
                scene,
                sightings,
                cause,
                effect,
                |sample| {
                    if answer.is_some() { &mut sample.answered } else { &mut sample.passed_on }
                },
                &mut samples,
            );
        }
        if let (Some(status), Some(below)) = (answer, scene.below[message]) {
            for &passed_on in answers.get(&(below, status, to_tag(sip))).into_iter().flatten() {
                note(scene, sightings, effect, passed_on, |sample| &mut sample.passed_on, &mut samples);
            }
        }
    }
    samples
}

fn note(
    scene: &Scene,
    sightings: &[Sighting],
    cause: usize,
    effect: usize,
    of: impl Fn(&mut Sample) -> &mut Option<i64>,
    samples: &mut Samples,
) {
    let pair = (scene.source[sightings[cause].message], scene.source[sightings[effect].message]);
    if pair.0 != pair.1 {
        let gap = sightings[effect].time.micros_since(sightings[cause].time);
        let least = of(samples.entry(pair).or_default());
        *least = Some(least.map_or(gap, |old| old.min(gap)));
    }
}

/// The first sending of each message in its sender's and in its receiver's log.
fn logged_by_both(
    scene: &Scene,
    sightings: &[Sighting],
    bases: &Bases,
    loggers: &Loggers,
    same: &Sameness,
    samples: &mut Samples,
) {
    let mut logs: ByNumber<usize, (Logs, Logs)> = ByNumber::default();
    for (index, sighting) in sightings.iter().enumerate() {
        let Some(key) = same.of(*sighting) else { continue };
        let source = scene.source[sighting.message];
        let (from, to) = scene.ends(*sighting);
        let (from, to) = (bases.of[from], bases.of[to]);
        let (sent, received) = logs.entry(key).or_default();
        let fresh =
            |logs: &Logs| logs.len() < LOGS && !logs.iter().any(|log| scene.source[sightings[*log].message] == source);
        match (loggers.writes(from, source), loggers.writes(to, source)) {
            (true, false) if fresh(sent) => sent.push(index),
            (false, true) if fresh(received) => received.push(index),
            _ => {}
        }
    }
    for (sent, received) in logs.values() {
        for (&cause, &effect) in sent.iter().flat_map(|cause| received.iter().map(move |effect| (cause, effect))) {
            let pair = (scene.source[sightings[cause].message], scene.source[sightings[effect].message]);
            if pair.0 != pair.1 {
                let gap = sightings[effect].time.micros_since(sightings[cause].time);
                let ids = [cause, effect].map(|log| scene.messages[sightings[log].message].id);
                samples.entry(pair).or_default().by_both.push((which(ids[0], ids[1]), gap));
            }
        }
    }
}
