//! Which response answers which request, and what a CANCEL cancels.

use std::collections::{HashMap, VecDeque};

use crate::exchange::Half;
use crate::fold::Fold;
use crate::kind::Kind;
use crate::number::{ByNumber, NumberSet};
use crate::scene::Scene;

/// As `Scene::part` says.
const CANCEL: u8 = 1;

/// By fold.
pub struct Pairs {
    /// The request of a response; the final response of a request, else its first.
    pub of: Vec<Option<usize>>,
    /// The INVITE of a CANCEL.
    pub cancels: Vec<Option<usize>>,
    pub remarks: Vec<Option<String>>,
}

pub fn pairs(scene: &Scene, folds: &[Fold]) -> Pairs {
    let mut pairs =
        Pairs { of: vec![None; folds.len()], cancels: vec![None; folds.len()], remarks: vec![None; folds.len()] };
    let mut requests: ByNumber<(usize, u8), usize> = ByNumber::default();
    let mut answers: ByNumber<usize, usize> = ByNumber::default();
    let mut waiting: ByNumber<(usize, usize), Waiting> = ByNumber::default();
    for (index, fold) in folds.iter().enumerate() {
        let (sighting, message) = (fold.first, fold.first.message);
        let response = sighting.is_response(scene.messages);
        let transaction = scene.transaction[message];
        if scene.messages[message].kind != Kind::Sip {
            let target = scene.messages[message].facts.target.as_deref();
            let (from, to) = scene.ends(sighting);
            let request = match (response, sighting.half) {
                (false, Half::Request) => {
                    requests.insert((transaction, 0), index);
                    None
                }
                (true, Half::Response) => requests.get(&(transaction, 0)).copied(),
                (false, _) => {
                    waiting.entry((from, to)).or_default().ask(index, target);
                    None
                }
                (true, _) => waiting.get_mut(&(to, from)).and_then(|waiting| waiting.answer(target)),
            };
            pairs.join(request, index, false);
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
    pairs
}

/// Requests between two machines that no answer was found for, oldest first.
#[derive(Default)]
struct Waiting<'a> {
    all: VecDeque<usize>,
    of: HashMap<&'a str, VecDeque<usize>>,
    answered: NumberSet<usize>,
}

impl<'a> Waiting<'a> {
    fn ask(&mut self, request: usize, target: Option<&'a str>) {
        self.all.push_back(request);
        if let Some(target) = target {
            self.of.entry(target).or_default().push_back(request);
        }
    }

    /// The oldest request to what the response names, else the oldest. Of whatever kind: a status line alone does not
    /// say that it answers a push.
    fn answer(&mut self, target: Option<&str>) -> Option<usize> {
        let answered = &mut self.answered;
        let mut oldest = |queue: &mut VecDeque<usize>| {
            std::iter::from_fn(|| queue.pop_front()).find(|request| answered.insert(*request))
        };
        let named = target.and_then(|target| self.of.get_mut(target)).and_then(&mut oldest);
        named.or_else(|| oldest(&mut self.all))
    }
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
