//! Which device a push is for, and what came of it.

use super::identity::{Identities, Registration};
use super::leg::PushState;
use crate::fold::Fold;
use crate::kind::Kind;
use crate::number::{ByNumber, NumberSet};
use crate::scene::Scene;
use crate::tree::Tree;
use crate::user::is_same;
use record::time::{SECOND, Timestamp};

/// A request to a push gateway.
pub struct Push {
    pub fold: usize,
    pub time: Timestamp,
    /// The call that it names.
    pub call: usize,
    /// The device it is for, as it is named or as is likely.
    pub device: usize,
    pub answer: Option<(u16, Timestamp)>,
    /// Fold of its response.
    pub answered: Option<usize>,
    /// A device that registered after it for its person, was never invited, and may be the one it is for: nothing says.
    pub unclear: Option<usize>,
}

/// `pairs` gives the response of each request.
pub fn pushes(
    scene: &Scene,
    folds: &[Fold],
    tree: &Tree,
    identities: &Identities,
    pairs: &[Option<usize>],
) -> Vec<Push> {
    let mut pushes = Vec::new();
    for (index, fold) in folds.iter().enumerate() {
        let Some(&device) = identities.pushes.get(&index) else { continue };
        if scene.messages[fold.first.message].kind != Kind::Push || fold.first.is_response(scene.messages) {
            continue;
        }
        let answer = pairs[index].map(|answer| folds[answer].first);
        let answer = answer.and_then(|answer| Some((answer.status(scene.messages)?, answer.time)));
        let call = tree.call[fold.first.message];
        let (time, answered) = (fold.first.time, pairs[index]);
        pushes.push(Push { fold: index, time, call, device, answer, answered, unclear: None });
    }
    let likely = Likely::of(scene, folds, tree, identities, &pushes);
    for push in &mut pushes {
        push.unclear = likely.unclear.get(&push.fold).copied();
        push.device = likely.device.get(&push.device).copied().unwrap_or(push.device);
    }
    pushes
}

impl Push {
    /// What a person calls the device that was pushed to: its own name, else whose it is, else the end of its token.
    pub fn names(&self, scene: &Scene, folds: &[Fold]) -> String {
        let Some(push) = &scene.messages[folds[self.fold].first.message].facts.push else { return String::new() };
        let provider = push.provider.as_deref().unwrap_or("push");
        if let Some(device) = &push.device {
            return device.clone();
        }
        if let Some(user) = push.user.as_deref().filter(|user| !user.is_empty()) {
            return format!("{user} ({provider})");
        }
        match &push.token {
            Some(token) => {
                let from = token.char_indices().rev().nth(END - 1).map_or(0, |(at, _)| at);
                format!("{provider} …{}", &token[from..])
            }
            None => provider.to_owned(),
        }
    }
}

/// No telephone wakes so soon.
const SOON: i64 = SECOND;
/// Registrations after a push that are looked at for that of its device.
const MOST: usize = 256;
/// Letters of a token that tell devices apart.
const END: usize = 6;

/// Devices that pushes name in a way SIP does not, and the device that is likely meant: the one that registered a new
/// contact after the push was accepted, for the person who was pushed to.
#[derive(Default)]
struct Likely {
    device: ByNumber<usize, usize>,
    /// By fold of a push: one that was never invited.
    unclear: ByNumber<usize, usize>,
}

impl Likely {
    fn of(scene: &Scene, folds: &[Fold], tree: &Tree, identities: &Identities, pushes: &[Push]) -> Self {
        let invited: NumberSet<usize> = identities.attempts.iter().copied().collect();
        let mut bound: ByNumber<usize, Timestamp> = ByNumber::default();
        let tried = tree.attempts.iter().zip(&identities.attempts).filter_map(|(a, d)| Some((*d, a.begun?)));
        for (device, at) in identities.registrations.iter().map(|known| (known.device, known.time)).chain(tried) {
            let first = bound.entry(device).or_insert(at);
            *first = at.min(*first);
        }
        let callee = callee(scene, folds);
        let mut likely = Self::default();
        let mut taken: NumberSet<usize> = pushes.iter().map(|push| push.device).collect();
        for push in pushes.iter().filter(|push| !invited.contains(&push.device)) {
            if likely.device.contains_key(&push.device) || push.answer.is_some_and(|(status, _)| status >= 300) {
                continue;
            }
            let since = push.answer.map_or(push.time, |(_, time)| time);
            let named = scene.messages[folds[push.fold].first.message].facts.push.as_ref();
            let person = named.and_then(|push| push.user.as_deref()).filter(|user| !user.is_empty()).or(callee);
            let bound_before = |device: usize| bound.get(&device).is_some_and(|first| *first < since);
            let later = identities.registrations.partition_point(|known| known.time < since);
            let mut new = identities.registrations[later..].iter().take(MOST).filter(|known| {
                let asked = person.is_none_or(|person| is_same(known.user, person));
                asked && known.time >= since && !taken.contains(&known.device) && !bound_before(known.device)
            });
            let fits = new.clone().find(|known| invited.contains(&known.device));
            let apart = |known: &Registration| named.is_some_and(|named| named.tells_apart(known.contact));
            if let Some(known) = fits {
                taken.insert(known.device);
                likely.device.insert(push.device, known.device);
            } else if let Some(known) = new.find(|known| !apart(known)) {
                likely.unclear.insert(push.fold, known.device);
            }
        }
        likely
    }
}

/// Whom the first INVITE asks for.
fn callee<'a>(scene: &Scene<'a>, folds: &[Fold]) -> Option<&'a str> {
    crate::node::user(scene.sip(crate::node::opener(scene, folds)?.first.message)?.to.as_ref())
}

/// What was seen of the device of one leg, as far as pushes go.
#[derive(Default)]
pub struct Waking {
    /// In display order: when it was sent, and its answer.
    pub pushes: Vec<(Timestamp, Option<(u16, Timestamp)>)>,
    /// When it registered, or responded to an INVITE.
    pub awake: Vec<Timestamp>,
    /// When INVITEs were sent to it.
    pub invited: Vec<Timestamp>,
    /// A REGISTER of it was seen that holds no token.
    pub without_token: bool,
    /// Another that may be it registered.
    pub unclear: bool,
}

impl Waking {
    /// `over`: when the call was decided.
    pub fn state(&self, over: Option<Timestamp>) -> PushState {
        let Some(&(sent, answer)) = self.pushes.last() else {
            return if self.without_token { PushState::NotNeeded } else { PushState::NotLogged };
        };
        let accepted = self.pushes.iter().filter(|(_, answer)| answer.is_none_or(|(status, _)| status < 300));
        let accepted: Vec<Timestamp> = accepted.map(|(sent, _)| *sent).collect();
        let Some(&first) = accepted.first() else {
            let (status, time) = answer.unwrap_or((0, sent));
            return PushState::Refused(status, time);
        };
        if let Some(woke) = self.awake.iter().filter(|at| **at >= first).min() {
            let pushed = accepted.iter().filter(|at| *at <= woke).max().unwrap_or(&first);
            return PushState::Woke(*woke, woke.micros_since(*pushed));
        }
        if over.is_some_and(|over| over.micros_since(sent) > SOON) {
            let late = self.invited.iter().any(|at| at.micros_since(first) > SOON);
            return if late || self.unclear { PushState::CannotTell(sent) } else { PushState::NeverWoke(sent) };
        }
        match answer {
            Some((_, time)) => PushState::Accepted(time, time.micros_since(sent)),
            None => PushState::Sent(sent),
        }
    }
}
