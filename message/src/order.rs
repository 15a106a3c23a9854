//! Order: repaired time, cause before effect, source, stream, offset.

mod cause;
mod clock;
mod step;
mod ties;

use crate::clock::{Clocks, Measured};
use crate::exchange::Sighting;
use crate::scene::Scene;
use crate::scene::base::Bases;
use crate::scene::logger::Loggers;
use crate::scene::same::Sameness;

/// Sightings in display order, and by how much the times of each source were moved.
pub(crate) struct Ordered {
    /// With repaired times.
    pub sightings: Vec<Sighting>,
    /// By source: microseconds added to its times.
    pub shift: Vec<i64>,
    /// By message: microseconds added to its time since the clock of its file was set back before it.
    pub step: Vec<i64>,
    /// By message: microseconds that the clock of its file went back just before it.
    pub back: Vec<i64>,
    pub measured: Measured,
}

/// Repairs the clocks and sorts. Stored times are not touched.
pub(crate) fn order(
    scene: &Scene,
    mut sightings: Vec<Sighting>,
    bases: &Bases,
    loggers: &Loggers,
    same: &Sameness,
    clocks: &Clocks,
) -> Ordered {
    let step::Steps { add: step, back } = step::steps(scene.messages);
    for sighting in &mut sightings {
        sighting.time.0 = sighting.time.0.saturating_add(step[sighting.message]);
    }
    sightings.sort_unstable_by_key(|sighting| position(scene, *sighting));
    let samples = cause::samples(scene, &sightings, bases, loggers, same);
    let measured = clock::measured(scene, loggers, &samples);
    let shift = clock::shifts(scene, loggers, &samples, clocks);
    for sighting in &mut sightings {
        sighting.time.0 = sighting.time.0.saturating_add(shift[scene.source[sighting.message]]);
    }
    if shift.iter().any(|shift| *shift != 0) {
        sightings.sort_unstable_by_key(|sighting| position(scene, *sighting));
    }
    ties::untie(scene, &mut sightings);
    Ordered { sightings, shift, step, back, measured }
}

/// The order that does not depend on arrival.
fn position(scene: &Scene, sighting: Sighting) -> impl Ord + use<> {
    let id = scene.messages[sighting.message].id;
    // A file's number says nothing, and a rotation gives another.
    (sighting.time, scene.source[sighting.message], id, sighting.half, sighting.message)
}
