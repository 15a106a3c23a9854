//! Which leg a push belongs to, and what came of it.

use super::identity::Identities;
use crate::flow::PushState;
use crate::flow::number::ByNumber;
use crate::flow::scene::Scene;
use crate::fold::Fold;
use crate::kind::Kind;
use crate::time::Timestamp;

/// A request to a push gateway.
pub struct Push<'a> {
    pub fold: usize,
    pub time: Timestamp,
    /// The device it names, and the user.
    pub device: Option<usize>,
    pub user: Option<&'a str>,
    pub answer: Option<(u16, Timestamp)>,
    /// Fold of its response.
    pub answered: Option<usize>,
}

/// `pairs` gives the response of each request.
pub fn pushes<'a>(
    scene: &Scene<'a>,
    folds: &[Fold],
    identities: &Identities,
    pairs: &[Option<usize>],
) -> Vec<Push<'a>> {
    let requests = folds.iter().enumerate().filter(|(_, fold)| {
        scene.messages[fold.first.message].kind == Kind::Push && !fold.first.is_response(scene.messages)
    });
    let push = |(index, fold): (usize, &Fold)| {
        let answer = pairs[index].and_then(|answer| {
            let answer = folds[answer].first;
            Some((answer.status(scene.messages)?, answer.time))
        });
        let facts = scene.messages[fold.first.message].facts.push.as_ref();
        Push {
            fold: index,
            time: fold.first.time,
            device: identities.pushes.get(&index).copied(),
            user: facts.and_then(|push| push.user.as_deref()).filter(|user| !user.is_empty()),
            answer,
            answered: pairs[index],
        }
    };
    requests.map(push).collect()
}

impl Push<'_> {
    /// The device that is meant: the named one; else the first of the named user that registers after the push.
    pub fn meant(&self, identities: &Identities, legs: &ByNumber<usize, usize>) -> Option<usize> {
        let named = self.device.filter(|device| legs.contains_key(device));
        named.or_else(|| {
            let user = self.user?;
            let after = identities.registrations.iter().filter(|known| known.time >= self.time && known.user == user);
            after.map(|known| known.device).find(|device| legs.contains_key(device))
        })
    }

    /// What is known of it, with the first REGISTER of the device that was meant.
    pub fn state(&self, woke: Option<Timestamp>) -> PushState {
        match (self.answer, woke) {
            (Some((status, time)), _) if status >= 300 => PushState::Refused(status, time),
            (_, Some(time)) => PushState::Woke(time, time.micros_since(self.time)),
            (Some((_, time)), None) => PushState::Accepted(time, time.micros_since(self.time)),
            (None, None) => PushState::Sent(self.time),
        }
    }
}
