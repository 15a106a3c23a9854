//! Folding on read: sender's and receiver's sighting of one message, and retransmissions.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use crate::exchange::Piece;
use crate::flow::Half;
use crate::flow::number::{ByNumber, NumberSet, Numbers};
use crate::flow::scene::{Scene, to_tag};
use crate::kind::Kind;
use crate::node::address::Address;
use crate::node::base::Bases;
use crate::record::Message;
use crate::time::{SECOND, Timestamp};

/// Two logs of one sending are no further apart than this, after clock repair.
const APART: i64 = 5 * SECOND;
/// How many sendings and directions of one message are looked back upon.
const BACK: usize = 16;

/// One line of the ladder, still without its place on it.
#[derive(Debug)]
pub(crate) struct Fold {
    pub first: Piece,
    /// Messages that are other logs of the first sending.
    pub sightings: Vec<usize>,
    /// Messages of later sendings, one each.
    pub repeats: Vec<usize>,
    /// Messages that are other logs of a later sending.
    pub repeat_sightings: Vec<usize>,
}

/// Folds pieces that stand in display order; each ends up in exactly one fold.
///
/// SIP: what comes again from the same source is a retransmission. REST and push know none: asked twice is two rows.
pub(crate) fn fold(scene: &Scene, pieces: &[Piece], bases: &Bases, same: &Sameness) -> Vec<Fold> {
    let mut folding =
        Folding { scene, bases, folds: Vec::new(), ways: Vec::new(), seen: NumberSet::default(), sendings: 0 };
    let mut exact: ByNumber<(usize, usize, usize), usize> = ByNumber::default();
    let mut near: ByNumber<usize, Vec<(Piece, usize)>> = ByNumber::default();
    for &piece in pieces {
        let Some(key) = same.of(piece) else {
            folding.open(piece);
            continue;
        };
        let (from, to) = scene.ends(piece);
        let ends = (key, bases.of[from], bases.of[to]);
        let way = exact.get(&ends).copied().or_else(|| {
            let ways = near.get(&key)?;
            ways.iter().rev().take(BACK).find(|(other, _)| folding.may_be_one_hop(piece, *other)).map(|(_, way)| *way)
        });
        let way = way.unwrap_or_else(|| {
            folding.ways.push(Vec::new());
            near.entry(key).or_default().push((piece, folding.ways.len() - 1));
            folding.ways.len() - 1
        });
        exact.entry(ends).or_insert(way);
        folding.place(piece, way);
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
}

impl Folding<'_> {
    fn place(&mut self, piece: Piece, way: usize) {
        let source = self.scene.source[piece.message];
        let repeats = self.scene.messages[piece.message].kind == Kind::Sip;
        let mut unseen = self.ways[way].iter().rev().take(BACK).filter(|sending| {
            piece.time.micros_since(sending.time).abs() <= APART && !self.seen.contains(&(sending.id, source))
        });
        // A repeat of SIP is near its own sending; of equal REST requests the oldest has waited longest.
        let sighted = if repeats { unseen.next() } else { unseen.next_back() };
        let sighted = sighted.map(|sending| (sending.id, sending.fold, sending.first));
        let (sending, fold, first) = match (sighted, self.ways[way].first()) {
            (Some((id, fold, first)), _) => {
                let fold = &mut self.folds[fold];
                let logs = if first { &mut fold.sightings } else { &mut fold.repeat_sightings };
                logs.push(piece.message);
                self.seen.insert((id, source));
                return;
            }
            (None, Some(sending)) if repeats => {
                self.folds[sending.fold].repeats.push(piece.message);
                (self.sendings, sending.fold, false)
            }
            _ => (self.sendings, self.open(piece), true),
        };
        self.sendings += 1;
        self.seen.insert((sending, source));
        self.ways[way].push(Sending { id: sending, time: piece.time, fold, first });
    }

    fn open(&mut self, first: Piece) -> usize {
        self.folds.push(Fold { first, sightings: Vec::new(), repeats: Vec::new(), repeat_sightings: Vec::new() });
        self.folds.len() - 1
    }

    /// Two sources may name one machine in two ways: by name and by number, or by the numbers before and behind a NAT.
    /// A message that was passed on has other machines at both ends.
    fn may_be_one_hop(&self, one: Piece, other: Piece) -> bool {
        if self.scene.source[one.message] == self.scene.source[other.message] {
            return false;
        }
        let ((from, to), (other_from, other_to)) = (self.scene.ends(one), self.scene.ends(other));
        self.may_be_one(from, other_from) && self.may_be_one(to, other_to)
    }

    fn may_be_one(&self, one: usize, other: usize) -> bool {
        let (a, b) = (&self.scene.addresses[one], &self.scene.addresses[other]);
        if a.host == b.host {
            let bases = self.bases;
            return !bases.split[bases.of[one]] && !bases.split[bases.of[other]];
        }
        match (a.ip(), b.ip()) {
            (Some(a), Some(b)) => is_private(a) != is_private(b),
            _ => a.ip().is_some() || b.ip().is_some() || unknown(a) || unknown(b),
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

/// What does not change between the sender's and the receiver's log of a message; its direction is compared apart.
#[derive(PartialEq, Eq, Hash)]
enum Identity<'a> {
    Sip {
        transaction: usize,
        branch: &'a str,
        method: &'a str,
        status: Option<u16>,
        tag: Option<&'a str>,
        content: u64,
    },
    Other {
        kind: Kind,
        response: bool,
        method: &'a str,
        status: Option<u16>,
        target: Option<&'a str>,
        content: u64,
    },
}

/// By message: a number for all that are one message but for their hop's marks; none for what is never the same as
/// another (MEDIA, and what could not be read).
pub(crate) struct Sameness {
    whole: Vec<Option<usize>>,
    response: Vec<Option<usize>>,
}

impl Sameness {
    pub fn new(scene: &Scene, pieces: &[Piece]) -> Self {
        let mut numbers = Numbers::with_room(pieces.len());
        let mut content = Content::default();
        let mut same = Self { whole: vec![None; scene.messages.len()], response: vec![None; scene.messages.len()] };
        for piece in pieces {
            let number = identity(scene, *piece, &mut content).map(|identity| numbers.of(identity));
            same.half(*piece)[piece.message] = number;
        }
        same
    }

    pub fn of(&self, piece: Piece) -> Option<usize> {
        if piece.half == Half::Response { self.response[piece.message] } else { self.whole[piece.message] }
    }

    fn half(&mut self, piece: Piece) -> &mut Vec<Option<usize>> {
        if piece.half == Half::Response { &mut self.response } else { &mut self.whole }
    }
}

fn identity<'a>(scene: &Scene<'a>, piece: Piece, content: &mut Content) -> Option<Identity<'a>> {
    let message = &scene.messages[piece.message];
    let facts = &message.facts;
    let status = piece.status(scene.messages);
    match (facts.kind, &facts.sip) {
        (Kind::Sip, Some(sip)) => Some(Identity::Sip {
            transaction: scene.transaction[piece.message],
            branch: sip.vias.first().map_or("", |via| via.branch.as_str()),
            method: &facts.method,
            status,
            tag: to_tag(sip),
            content: content.of_sip(message, status),
        }),
        (Kind::Rest | Kind::Push, _) => Some(Identity::Other {
            kind: facts.kind,
            response: piece.is_response(scene.messages),
            method: &facts.method,
            status,
            target: facts.target.as_deref(),
            content: content.of(message.body()),
        }),
        _ => None,
    }
}

/// Hashes of text without line ends: one logger keeps CRLF, another writes LF and adds one of its own.
#[derive(Default)]
struct Content {
    lines: Vec<u8>,
}

impl Content {
    /// The body, and RSeq of a reliable provisional response (RFC 3262): a second 183 with other SDP is no repeat.
    fn of_sip(&mut self, message: &Message, status: Option<u16>) -> u64 {
        let text = message.body();
        let end = head_end(text);
        let mut rseq: &[u8] = &[];
        if matches!(status, Some(101..=199)) {
            let of_rseq = |line: &&[u8]| line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"rseq:"));
            rseq = text[..end].split(|byte| *byte == b'\n').find(of_rseq).unwrap_or_default();
        }
        self.of(&text[end..]) ^ self.of(rseq).rotate_left(1)
    }

    fn of(&mut self, text: &[u8]) -> u64 {
        let text = text.trim_ascii();
        if text.is_empty() {
            return 0;
        }
        self.lines.clear();
        for line in text.split(|byte| *byte == b'\n') {
            self.lines.extend_from_slice(line.trim_ascii_end());
            self.lines.push(b'\n');
        }
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.lines);
        hasher.finish()
    }
}

fn head_end(text: &[u8]) -> usize {
    let breaks = memchr::memchr_iter(b'\n', text);
    let mut ends =
        breaks.map(|at| at + 1).filter(|at| text[*at..].starts_with(b"\n") || text[*at..].starts_with(b"\r\n"));
    ends.next().unwrap_or(text.len())
}
