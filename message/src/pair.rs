//! Which response answers which request, and what a CANCEL cancels.

mod asked;

use asked::Asked;

use crate::exchange::Half;
use crate::fold::Fold;
use crate::kind::Kind;
use crate::number::ByNumber;
use crate::scene::Scene;
use crate::scene::base::Bases;

/// As `Scene::part` says.
const CANCEL: u8 = 1;

/// By fold.
pub struct Pairs {
    /// The request of a response; the final response of a request, else its first.
    pub of: Vec<Option<usize>>,
    /// The INVITE of a CANCEL.
    pub cancels: Vec<Option<usize>>,
    /// How sure it is which of REST and push belong together.
    pub sure: Vec<Certainty>,
    pub remarks: Vec<Option<String>>,
}

/// How sure a pair is, or that there is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Certainty {
    #[default]
    Sure,
    /// Nothing but the order says so.
    Likely,
    /// An answer between the same machines may be its own, and nothing says whose it is.
    CannotTell,
}

pub fn pairs(scene: &Scene, folds: &[Fold], bases: &Bases) -> Pairs {
    let mut pairs = Pairs {
        of: vec![None; folds.len()],
        cancels: vec![None; folds.len()],
        sure: vec![Certainty::Sure; folds.len()],
        remarks: vec![None; folds.len()],
    };
    let mut requests: ByNumber<(usize, u8), usize> = ByNumber::default();
    let mut answers: ByNumber<usize, usize> = ByNumber::default();
    let mut asked: ByNumber<(usize, usize), Asked> = ByNumber::default();
    for (index, fold) in folds.iter().enumerate() {
        let (sighting, message) = (fold.first, fold.first.message);
        let response = sighting.is_response(scene.messages);
        let transaction = scene.transaction[message];
        if scene.messages[message].kind != Kind::Sip {
            let facts = &scene.messages[message].facts;
            let ends = scene.ends(sighting);
            let (from, to) = (bases.of[ends.0], bases.of[ends.1]);
            match (response, sighting.half) {
                (false, Half::Request) => {
                    requests.insert((transaction, 0), index);
                }
                (true, Half::Response) => pairs.join(requests.get(&(transaction, 0)).copied(), index, true),
                (false, _) => asked.entry((from, to)).or_default().ask(index, sighting.time, ends, facts),
                (true, _) => {
                    let waiting = asked.get_mut(&(to, from));
                    let found = waiting.map(|asked| asked.answer(sighting.time, ends, facts)).unwrap_or_default();
                    let interim = sighting.status(scene.messages).is_some_and(|status| status < 200);
                    pairs.join(found.request, index, !interim);
                    for request in found.request.into_iter().chain([index]) {
                        pairs.sure[request] = pairs.sure[request].max(found.sure);
                    }
                }
            }
            continue;
        }
        let part = scene.part(message);
        if response {
            let request = requests.get(&(transaction, part)).copied();
            let is_final = sighting.status(scene.messages).is_some_and(|status| status >= 200);
            pairs.join(request, index, is_final);
            if matches!(scene.invite_status(sighting), Some(200..=299)) {
                answers.entry(transaction).or_insert(index);
                if requests.contains_key(&(transaction, CANCEL)) {
                    pairs.cross(index);
                }
            }
            continue;
        }
        requests.entry((transaction, part)).or_insert(index);
        if part == CANCEL {
            pairs.cancels[index] = requests.get(&(transaction, 0)).copied();
            if answers.contains_key(&transaction) {
                pairs.cross(index);
            }
        }
    }
    for request in asked.values().flat_map(Asked::unclear) {
        if pairs.of[request].is_none() {
            pairs.sure[request] = Certainty::CannotTell;
        }
    }
    pairs
}

impl Pairs {
    fn join(&mut self, request: Option<usize>, response: usize, is_final: bool) {
        let Some(request) = request else { return };
        self.of[response] = Some(request);
        if is_final || self.of[request].is_none() {
            self.of[request] = Some(response);
        }
    }

    /// The note stands on the later of the two, where it shows.
    fn cross(&mut self, index: usize) {
        self.remarks[index] = Some("CANCEL crossed 200".to_owned());
    }
}
