//! Order: repaired time, cause before effect, stream, offset.

mod cause;
mod clock;
mod ties;

use crate::exchange::Piece;
use crate::scene::Scene;
use crate::scene::base::Bases;
use crate::scene::logger::Loggers;
use crate::scene::same::Sameness;

/// Pieces in display order, and by how much the times of each source were moved.
pub(crate) struct Ordered {
    /// With repaired times.
    pub pieces: Vec<Piece>,
    /// By source: microseconds added to its times.
    pub shift: Vec<i64>,
}

/// Repairs the clocks and sorts. Stored times are not touched.
pub(crate) fn order(
    scene: &Scene,
    mut pieces: Vec<Piece>,
    bases: &Bases,
    loggers: &Loggers,
    same: &Sameness,
) -> Ordered {
    pieces.sort_unstable_by_key(|piece| position(scene, *piece));
    let shift = clock::shifts(scene, &cause::samples(scene, &pieces, bases, loggers, same));
    for piece in &mut pieces {
        piece.time.0 = piece.time.0.saturating_add(shift[scene.source[piece.message]]);
    }
    if shift.iter().any(|shift| *shift != 0) {
        pieces.sort_unstable_by_key(|piece| position(scene, *piece));
    }
    ties::untie(scene, &mut pieces);
    Ordered { pieces, shift }
}

/// The order that does not depend on arrival.
fn position(scene: &Scene, piece: Piece) -> impl Ord + use<> {
    (piece.time, scene.messages[piece.message].id, piece.half, piece.message)
}
