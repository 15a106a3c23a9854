//! Folding on read: sender's and receiver's sighting of one message, and retransmissions.

use std::net::IpAddr;

use crate::address::Address;
use crate::exchange::Sighting;
use crate::kind::Kind;
use crate::number::{ByNumber, NumberSet};
use crate::scene::Scene;
use crate::scene::base::Bases;
use crate::scene::same::Sameness;
use record::time::{SECOND, Timestamp};

/// Two logs of one sending are no further apart than this, after clock repair.
const APART: i64 = 5 * SECOND;
/// How many sendings and directions of one message are looked back upon.
const BACK: usize = 16;

/// One line of the ladder, still without its place on it.
#[derive(Debug)]
pub(crate) struct Fold {
    pub first: Sighting,
    /// Messages that are other logs of the first sending.
    pub sightings: Vec<usize>,
    /// Messages of later sendings, one each.
    pub repeats: Vec<usize>,
    /// Messages that are other logs of a later sending.
    pub repeat_sightings: Vec<usize>,
}

/// Folds sightings that stand in display order; each ends up in exactly one fold.
///
/// SIP: what comes again from the same source is a retransmission. REST and push know none: asked twice is two rows.
pub(crate) fn fold(scene: &Scene, sightings: &[Sighting], bases: &Bases, same: &Sameness) -> Vec<Fold> {
    let mut folding = Folding {
        scene,
        bases,
        folds: Vec::new(),
        ways: Vec::new(),
        seen: NumberSet::default(),
        sendings: 0,
        stopped: None,
    };
    let mut exact: ByNumber<(usize, usize, usize), usize> = ByNumber::default();
    let mut near: ByNumber<usize, Vec<(Sighting, usize)>> = ByNumber::default();
    for &sighting in sightings {
        let Some(key) = same.of(sighting) else {
            folding.open(sighting);
            continue;
        };
        let (from, to) = scene.ends(sighting);
        let ends = (key, bases.of[from], bases.of[to]);
        let way = exact.get(&ends).copied().or_else(|| {
            let ways = near.get(&key)?;
            ways.iter()
                .rev()
                .take(BACK)
                .find(|(other, _)| folding.may_be_one_hop(sighting, *other))
                .map(|(_, way)| *way)
        });
        let way = way.unwrap_or_else(|| {
            folding.ways.push(Vec::new());
            near.entry(key).or_default().push((sighting, folding.ways.len() - 1));
            folding.ways.len() - 1
        });
        exact.entry(ends).or_insert(way);
        folding.place(sighting, way);
        let stops = matches!(scene.invite_status(sighting), Some(200..=299)) || scene.part(sighting.message) == 1;
        if stops {
            folding.stopped = Some(sighting.time);
        }
    }
    folding.folds
}

/// A sending of a message in one direction.
struct Sending {
    id: usize,
    time: Timestamp,
    fold: usize,
    first: bool,
}

struct Folding<'a> {
    scene: &'a Scene<'a>,
    bases: &'a Bases,
    folds: Vec<Fold>,
    /// Sendings of one message in one direction.
    ways: Vec<Vec<Sending>>,
    /// (sending, source that logged it).
    seen: NumberSet<(usize, usize)>,
    sendings: usize,
    /// The last 2xx to INVITE, or CANCEL.
    stopped: Option<Timestamp>,
}

impl Folding<'_> {
    fn place(&mut self, sighting: Sighting, way: usize) {
        let source = self.scene.source[sighting.message];
        let repeats = self.scene.messages[sighting.message].kind == Kind::Sip;
        let mut unseen = self.ways[way].iter().rev().take(BACK).filter(|sending| {
            sighting.time.micros_since(sending.time).abs() <= APART && !self.seen.contains(&(sending.id, source))
        });
        // A repeat of SIP is near its own sending; of equal REST requests the oldest has waited longest.
        let sighted = if repeats { unseen.next() } else { unseen.next_back() };
        let sighted = sighted.map(|sending| (sending.id, sending.fold, sending.first));
        let (sending, fold, first) = match (sighted, self.ways[way].last()) {
            (Some((id, fold, first)), _) => {
                let fold = &mut self.folds[fold];
                let logs = if first { &mut fold.sightings } else { &mut fold.repeat_sightings };
                logs.push(sighting.message);
                self.seen.insert((id, source));
                return;
            }
            (None, Some(sending)) if repeats && !self.came_after(sending.time, sighting) => {
                self.folds[sending.fold].repeats.push(sighting.message);
                (self.sendings, sending.fold, false)
            }
            _ => (self.sendings, self.open(sighting), true),
        };
        self.sendings += 1;
        self.seen.insert((sending, source));
        self.ways[way].push(Sending { id: sending, time: sighting.time, fold, first });
    }

    /// A phone that rings again after a CANCEL, or after somebody answered, has a row of its own for that.
    fn came_after(&self, last: Timestamp, sighting: Sighting) -> bool {
        let rings = self.scene.invite_status(sighting).is_some_and(|status| status < 200);
        rings && self.stopped.is_some_and(|stopped| stopped > last && sighting.time > stopped)
    }

    fn open(&mut self, first: Sighting) -> usize {
        self.folds.push(Fold { first, sightings: Vec::new(), repeats: Vec::new(), repeat_sightings: Vec::new() });
        self.folds.len() - 1
    }

    /// Two sources may name one machine in two ways: by name and by number, or by the numbers before and behind a NAT.
    /// A message that was passed on has other machines at both ends.
    fn may_be_one_hop(&self, one: Sighting, other: Sighting) -> bool {
        if self.scene.source[one.message] == self.scene.source[other.message] {
            return false;
        }
        let ((from, to), (other_from, other_to)) = (self.scene.ends(one), self.scene.ends(other));
        self.may_be_one(from, other_from) && self.may_be_one(to, other_to)
    }

    fn may_be_one(&self, one: usize, other: usize) -> bool {
        let (a, b) = (&self.scene.addresses[one], &self.scene.addresses[other]);
        if unknown(a) || unknown(b) {
            return true;
        }
        if a.host == b.host {
            let bases = self.bases;
            return !bases.split[bases.of[one]] && !bases.split[bases.of[other]];
        }
        match (a.ip(), b.ip()) {
            (Some(a), Some(b)) => is_private(a) != is_private(b),
            _ => a.ip().is_some() || b.ip().is_some(),
        }
    }
}

fn unknown(address: &Address) -> bool {
    address.host.is_empty()
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64,
        IpAddr::V6(ip) => ip.octets()[0] & 0xfe == 0xfc,
    }
}
