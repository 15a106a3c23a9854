//! How each leg went: when it rang, how it ended, who won; from what the logs show only.

use std::collections::HashMap;

use super::branching::Branching;
use super::leg::Outcome;
use crate::exchange::Sighting;
use crate::fold::Fold;
use crate::number::{ByNumber, NumberSet};
use crate::scene::{Scene, Verb, to_tag};
use crate::tree::Tree;
use record::time::{SECOND, Timestamp};

/// A device that says 180 this long after the answer has not heard of it.
const STILL: i64 = SECOND;

/// What was seen of one attempt or leg.
#[derive(Clone, Default, Debug)]
pub struct Course {
    pub rang: Option<Timestamp>,
    last_rang: Option<Timestamp>,
    pub ended: Option<(u16, Timestamp)>,
    cancelled: bool,
    elsewhere: bool,
    hung_up: bool,
    /// Something responded to its INVITE.
    heard: bool,
}

/// By leg.
pub struct Courses {
    pub legs: Vec<Course>,
    /// By call: the leg whose 2xx reached the caller first, and when.
    winner: ByNumber<usize, (usize, Timestamp)>,
    over: NumberSet<usize>,
}

impl Courses {
    /// `leg_of` is by fold; `tags` are those of dialogs with the leg at their far end.
    pub fn of(
        scene: &Scene,
        folds: &[Fold],
        tree: &Tree,
        branching: &Branching,
        leg_of: &[usize],
        tags: &Tags,
    ) -> Self {
        let mut attempts = vec![Course::default(); tree.attempts.len()];
        let mut courses = Self {
            legs: vec![Course::default(); branching.legs.len()],
            winner: ByNumber::default(),
            over: NumberSet::default(),
        };
        let mut inner: ByNumber<usize, (usize, Timestamp)> = ByNumber::default();
        for (fold, &leg) in folds.iter().zip(leg_of) {
            let (sighting, call) = (fold.first, tree.call[fold.first.message]);
            let attempt = tree.of.get(&scene.transaction[sighting.message]).copied();
            if let Some(attempt) = attempt {
                note(scene, fold, &mut attempts[attempt], &mut courses.legs[leg]);
                if matches!(scene.invite_status(sighting), Some(200..=299)) {
                    let leg = tags.leg(scene, tree, sighting).or(branching.of[attempt]).unwrap_or(leg);
                    let at_caller = tree.attempts[attempt].parent.is_none() && tree.attempts[attempt].fold.is_some();
                    let first = if at_caller { &mut courses.winner } else { &mut inner };
                    first.entry(call).or_insert((leg, sighting.time));
                }
            }
            if scene.verb[sighting.message] == Verb::Bye {
                courses.legs[leg].hung_up = true;
                courses.over.insert(call);
            }
        }
        for (call, first) in inner {
            courses.winner.entry(call).or_insert(first);
        }
        for (leg, branched) in branching.legs.iter().enumerate() {
            courses.legs[leg].ended = last_end(tree, branching, leg, &attempts);
            if branched.parent.is_none() && courses.legs[leg].ended.is_some_and(|(status, _)| status >= 300) {
                courses.over.insert(branched.call);
            }
        }
        courses
    }

    /// `never_woke`: a push to its device was sent, and no REGISTER came since.
    pub fn outcome(&self, branching: &Branching, leg: usize, never_woke: bool) -> Outcome {
        let (course, branched) = (&self.legs[leg], &branching.legs[leg]);
        let winner = self.winner.get(&branched.call);
        if let Some((winner, _)) = winner {
            let mut above = Some(*winner);
            while let Some(up) = above {
                if up == leg {
                    return Outcome::Answered;
                }
                above = branching.legs[up].parent;
            }
        }
        match course.ended {
            Some((200..=299, _)) if course.hung_up => Outcome::AnsweredTooHungUp,
            Some((200..=299, _)) => Outcome::Unknown,
            // A refusal that crossed the CANCEL is the device's own word.
            None | Some((408 | 487, _)) if course.elsewhere => Outcome::AnsweredElsewhere,
            Some((487, _)) if branched.parent.is_none() && course.cancelled => Outcome::Cancelled,
            Some((487, _)) => Outcome::Released,
            Some((408, _)) => Outcome::Unreachable,
            Some((status, _)) => Outcome::Refused(status),
            None if never_woke && !course.heard && self.over.contains(&branched.call) => Outcome::NeverWoke,
            None if course.cancelled => Outcome::Cancelled,
            None if still_rings(course, winner) => Outcome::StillRinging,
            None if branched.attempts.is_empty() || self.over.contains(&branched.call) => Outcome::Unknown,
            None => Outcome::Open,
        }
    }
}

fn still_rings(course: &Course, winner: Option<&(usize, Timestamp)>) -> bool {
    winner.zip(course.last_rang).is_some_and(|((_, answered), rang)| rang.micros_since(*answered) > STILL)
}

fn note(scene: &Scene, fold: &Fold, attempt: &mut Course, leg: &mut Course) {
    let (message, time) = (fold.first.message, fold.first.time);
    leg.heard |= scene.invite_status(fold.first).is_some();
    match (scene.invite_status(fold.first), scene.verb[message]) {
        (Some(180 | 183), _) => {
            leg.rang.get_or_insert(time);
            let logged = scene.messages[message].time;
            let later = |repeat: &usize| {
                let own = scene.source[*repeat] == scene.source[message];
                own.then(|| Timestamp(time.0.saturating_add(scene.messages[*repeat].time.micros_since(logged))))
            };
            leg.last_rang = leg.last_rang.max(Some(time)).max(fold.repeats.iter().filter_map(later).max());
        }
        (Some(status), _) if status >= 200 => {
            let better = |old: (u16, Timestamp)| old.0 >= 300 && status < 300;
            if attempt.ended.is_none_or(better) {
                attempt.ended = Some((status, time));
            }
        }
        (None, Verb::Cancel) if !fold.first.is_response(scene.messages) => {
            leg.cancelled = true;
            let reason = scene.sip(message).and_then(|sip| sip.reason_header.as_deref()).unwrap_or_default();
            leg.elsewhere |= answered_elsewhere(reason);
        }
        _ => {}
    }
}

/// RFC 3326: `Reason: SIP;cause=200;text="Call completed elsewhere"`.
fn answered_elsewhere(reason: &str) -> bool {
    reason.split(',').any(|value| {
        let mut parts = value.split(';').map(str::trim);
        let sip = parts.next().is_some_and(|protocol| protocol.eq_ignore_ascii_case("SIP"));
        sip && parts.any(|param| {
            param
                .split_once('=')
                .is_some_and(|(name, cause)| name.trim().eq_ignore_ascii_case("cause") && cause.trim() == "200")
        })
    })
}

/// A 2xx if there is one; else the end of the last attempt, as near to the far end as it is logged.
fn last_end(tree: &Tree, branching: &Branching, leg: usize, attempts: &[Course]) -> Option<(u16, Timestamp)> {
    let members = &branching.legs[leg].attempts;
    let answers = members.iter().filter_map(|attempt| attempts[*attempt].ended).filter(|(status, _)| *status < 300);
    if let Some(answer) = answers.min_by_key(|(_, time)| *time) {
        return Some(answer);
    }
    let on_leg = |attempt: usize| branching.of[attempt] == Some(leg);
    let is_last = |attempt: &usize| !tree.attempts[*attempt].children.iter().any(|child| on_leg(*child));
    let mut above = members.iter().copied().filter(is_last).max_by_key(|a| (tree.attempts[*a].begun, *a));
    while let Some(attempt) = above {
        if attempts[attempt].ended.is_some() {
            return attempts[attempt].ended;
        }
        above = tree.attempts[attempt].parent.filter(|parent| on_leg(*parent));
    }
    None
}

/// Which leg a To-tag belongs to, learned from responses to INVITE.
#[derive(Default)]
pub struct Tags<'a>(HashMap<(usize, &'a str), usize>);

impl<'a> Tags<'a> {
    pub fn of(scene: &Scene<'a>, folds: &[Fold], tree: &Tree, branching: &Branching) -> Self {
        let mut tags = Self::default();
        for fold in folds {
            let message = fold.first.message;
            let (Some(sip), Some(_)) = (scene.sip(message), scene.invite_status(fold.first)) else { continue };
            let attempt = tree.of.get(&scene.transaction[message]);
            let (Some(leg), Some(tag)) = (attempt.and_then(|a| branching.of[*a]), to_tag(sip)) else { continue };
            let known = tags.0.entry((tree.call[message], tag)).or_insert(leg);
            if branching.legs[leg].depth > branching.legs[*known].depth {
                *known = leg;
            }
        }
        tags
    }

    pub fn find(&self, call: usize, tag: Option<&'a str>) -> Option<usize> {
        self.0.get(&(call, tag?)).copied()
    }

    fn leg(&self, scene: &Scene<'a>, tree: &Tree, sighting: Sighting) -> Option<usize> {
        self.find(tree.call[sighting.message], scene.sip(sighting.message).and_then(to_tag))
    }
}
