//! Which leg a push belongs to, and what came of it.

use std::collections::HashMap;

use super::identity::Identities;
use super::leg::PushState;
use crate::fold::Fold;
use crate::kind::Kind;
use crate::number::ByNumber;
use crate::scene::Scene;
use record::time::Timestamp;

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

/// When the devices of legs registered, in display order.
#[derive(Default)]
pub struct Wakes<'a> {
    of_user: HashMap<&'a str, Vec<(Timestamp, usize)>>,
    of_device: ByNumber<usize, Vec<Timestamp>>,
}

impl<'a> Wakes<'a> {
    /// `legs` are by device.
    pub fn of(identities: &Identities<'a>, legs: &ByNumber<usize, usize>) -> Self {
        let mut wakes = Self::default();
        for known in identities.registrations.iter().filter(|known| legs.contains_key(&known.device)) {
            wakes.of_user.entry(known.user).or_default().push((known.time, known.device));
            wakes.of_device.entry(known.device).or_default().push(known.time);
        }
        wakes
    }

    /// The first REGISTER of a device since a push.
    pub fn since(&self, device: usize, push: Timestamp) -> Option<Timestamp> {
        let times = self.of_device.get(&device)?;
        times.get(times.partition_point(|time| *time < push)).copied()
    }
}

impl Push<'_> {
    /// The device that is meant: the named one; else the first of the named user that registers after the push.
    pub fn meant(&self, wakes: &Wakes, legs: &ByNumber<usize, usize>) -> Option<usize> {
        let named = self.device.filter(|device| legs.contains_key(device));
        named.or_else(|| {
            let registered = wakes.of_user.get(self.user?)?;
            registered.get(registered.partition_point(|(time, _)| *time < self.time)).map(|(_, device)| *device)
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
