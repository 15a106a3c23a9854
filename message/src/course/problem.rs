//! What went wrong: one problem for each request of its sender, at the hop farthest along.

use std::collections::HashMap;

use super::device::Outcomes;
use super::dialog::Dialogs;
use super::known::Known;
use super::unanswered::{INVITES, UNANSWERED, unanswered};
use super::{Caller, Ground};
use crate::address::Address;
use crate::fold::Fold;
use crate::kind::Kind;
use crate::legs::{Leg, Outcome};
use crate::number::{ByNumber, NumberSet};
use crate::scene::{Verb, from_tag, to_tag};
use crate::sip::NameAddr;
use record::span::Flags;
use record::time::Timestamp;

/// How many later requests are looked at for one that tries again.
const BACK: usize = 64;

#[derive(Clone, PartialEq, Debug)]
pub struct Problem {
    pub what: Trouble,
    /// Where it shows.
    pub row: usize,
    pub leg: usize,
    pub time: Timestamp,
    /// Once all logs that could show more have been read to this event time, it is one.
    pub due: Timestamp,
}

impl Problem {
    /// What is logged says it; nothing more has to be read.
    pub fn is_seen(&self) -> bool {
        self.due == self.time
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// A request that was sent this many times has no answer.
    Unanswered {
        sent: usize,
    },
    /// A 2xx to INVITE, sent this many times, has no ACK.
    NoAck {
        sent: usize,
    },
    /// A final answer that refuses.
    Refused(u16),
    StillRinging,
    /// A leg was answered, and its caller never got that.
    AnswerLost,
    /// A record that was cut, mixed or damaged.
    Damaged,
}

pub fn problems(
    ground: &Ground,
    known: &Known,
    dialogs: &Dialogs,
    callers: &[Caller],
    (legs, outcomes): (&[Leg], &Outcomes),
) -> Vec<Problem> {
    let mut found = Finder { ground, outcomes, found: Vec::new() };
    for silence in unanswered(ground, known, (legs, outcomes), callers) {
        found.note_after(Trouble::Unanswered { sent: silence.sent }, silence.row, silence.wait);
    }
    found.acks(dialogs);
    found.refused(callers);
    found.legs();
    found.damaged();
    let mut problems = found.found;
    problems.sort_by_key(|problem| (problem.time, problem.row));
    problems
}

struct Finder<'g, 'a, 's> {
    ground: &'g Ground<'a, 's>,
    outcomes: &'g Outcomes,
    found: Vec<Problem>,
}

impl<'s> Finder<'_, '_, 's> {
    fn note(&mut self, what: Trouble, row: usize) {
        self.note_after(what, row, 0);
    }

    /// Something that may still come in this time, in microseconds after the row.
    fn note_after(&mut self, what: Trouble, row: usize, wait: i64) {
        let (leg, time) = (self.ground.of[row], self.ground.folds[row].first.time);
        self.found.push(Problem { what, row, leg, time, due: Timestamp(time.0.saturating_add(wait)) });
    }

    /// A 2xx to INVITE whose ACK nobody logged, where it would be: in a log that holds one to another 2xx of the call, or, as
    /// it holds one to a refusal, in that of a machine which is on the way of this.
    fn acks(&mut self, dialogs: &Dialogs) {
        let Ground { scene, folds, tree, .. } = self.ground;
        let mut acked: NumberSet<usize> = NumberSet::default();
        // A refusal is acknowledged hop by hop, in the transaction of its INVITE.
        let invites = folds.iter().map(|fold| fold.first.message).filter(|m| scene.verb[*m] == Verb::Invite);
        let invites: NumberSet<usize> = invites.map(|message| scene.transaction[message]).collect();
        // Calls and logs.
        let mut any: NumberSet<(usize, usize)> = NumberSet::default();
        let mut to_answers: NumberSet<(usize, usize)> = NumberSet::default();
        for fold in folds.iter().filter(|fold| scene.verb[fold.first.message] == Verb::Ack) {
            let call = tree.call[fold.first.message];
            let dialog = dialogs.of_fold(scene, call, fold);
            acked.extend(dialog);
            let answered = dialog.is_some_and(|dialog| dialogs.get(dialog).answered.is_some());
            let own = !invites.contains(&scene.transaction[fold.first.message]);
            for source in self.sources(fold) {
                any.insert((call, source));
                if own && answered {
                    to_answers.insert((call, source));
                }
            }
        }
        let mut met: NumberSet<usize> = NumberSet::default();
        for (row, fold) in folds.iter().enumerate() {
            if !matches!(scene.invite_status(fold.first), Some(200..=299)) {
                continue;
            }
            let Some(dialog) = dialogs.of_fold(scene, tree.call[fold.first.message], fold) else { continue };
            let of_leg = dialogs.get(dialog).leg.and_then(|leg| self.ground.outcome(self.outcomes, (leg, row)));
            let lost = of_leg == Some(Outcome::AnswerLost);
            if acked.contains(&dialog) || lost {
                continue;
            }
            let sent = 1 + fold.repeats.len();
            let repeated = sent >= INVITES;
            let call = tree.call[fold.first.message];
            let logged = self.sources(fold).any(|source| {
                let of = (call, source);
                to_answers.contains(&of) || any.contains(&of) && self.acknowledged_by_way_of(source, fold)
            });
            if (repeated || logged) && met.insert(dialog) {
                self.note_after(Trouble::NoAck { sent }, row, if repeated { 0 } else { UNANSWERED });
            }
        }
    }

    /// The logs that show it.
    fn sources<'f>(&self, fold: &'f Fold) -> impl Iterator<Item = usize> + use<'_, 'f, 's> {
        let source = &self.ground.scene.source;
        std::iter::once(&fold.first.message).chain(&fold.sightings).map(|message| source[*message])
    }

    /// The machine that writes this log is one to which the ACK to a 2xx goes: it recorded its route, or answered itself.
    fn acknowledged_by_way_of(&self, source: usize, fold: &Fold) -> bool {
        let Ground { scene, machines, .. } = self.ground;
        let (from, to) = scene.ends(fold.first);
        let Some(sip) = scene.sip(fold.first.message) else { return false };
        let is = |name: &NameAddr, end: usize| {
            let host = Address::new(&name.uri.host, name.uri.port).host;
            scene.addresses[end].host == host && machines.loggers.writes(machines.bases.of[end], source)
        };
        sip.record_routes.iter().any(|route| is(route, from) || is(route, to))
            || sip.contacts.first().is_some_and(|contact| is(contact, from))
    }

    /// Final answers that refuse: of REST and push, of requests within a dialog, and of a caller's own INVITE.
    fn refused(&mut self, callers: &[Caller]) {
        let Ground { scene, folds, pairs, tree, .. } = self.ground;
        for caller in callers {
            let Some(got) = caller.result().filter(|got| got.status >= 400 && got.status != 487) else { continue };
            self.note(Trouble::Refused(got.status), got.row);
        }
        let retried = retries(self.ground);
        let passed_on: NumberSet<usize> = folds.iter().filter_map(|fold| scene.below[fold.first.message]).collect();
        for (row, fold) in folds.iter().enumerate() {
            let (first, message) = (fold.first, fold.first.message);
            let Some(status) = first.status(scene.messages).filter(|status| *status >= 400) else { continue };
            if scene.messages[message].kind != Kind::Sip {
                self.note(Trouble::Refused(status), row);
                continue;
            }
            let may_be = matches!(status, 401 | 407 | 422 | 423 | 491);
            // Of a request that is not logged nobody knows whether it was within a dialog, or tried again.
            let logged = pairs.of[row].map(|request| folds[request].first.message);
            let Some(request) = logged.or(Some(message).filter(|_| !may_be)) else { continue };
            let sip = scene.sip(request);
            let within = logged.is_some() && sip.is_some_and(|sip| to_tag(sip).is_some());
            let alone = scene.verb[request] != Verb::Invite && scene.verb[request] != Verb::Cancel;
            let farthest = !passed_on.contains(&scene.transaction[request]);
            if !(within || alone) || !farthest || scene.verb[request] == Verb::Cancel {
                continue;
            }
            let number = sip.and_then(|sip| sip.cseq).unwrap_or_default();
            let tries = retried.get(&(tree.call[request], scene.method(request)));
            let again = tries.into_iter().flatten().rev().take(BACK).any(|(from, cseq, time)| {
                let own = sip.and_then(from_tag).unwrap_or_default() == *from;
                *time >= first.time && (own && *cseq > number || status == 491)
            });
            if !(may_be && again) {
                self.note(Trouble::Refused(status), row);
            }
        }
    }

    /// In each try: who calls again has not mended what went wrong before.
    fn legs(&mut self) {
        let mut shown: ByNumber<(usize, usize), (Trouble, usize)> = ByNumber::default();
        let Ground { scene, folds, of, .. } = self.ground;
        for (row, fold) in folds.iter().enumerate() {
            let Some((status, tried)) = scene.invite_status(fold.first).zip(self.ground.tried(row)) else { continue };
            let of_leg = (of[row], tried);
            match (self.outcomes.get(&of_leg), status) {
                // The last ring, and the first answer.
                (Some(Outcome::StillRinging), 180..=189) => drop(shown.insert(of_leg, (Trouble::StillRinging, row))),
                (Some(Outcome::AnswerLost), 200..=299) => {
                    shown.entry(of_leg).or_insert((Trouble::AnswerLost, row));
                }
                _ => {}
            }
        }
        for (what, row) in shown.into_values() {
            self.note(what, row);
        }
    }

    fn damaged(&mut self) {
        let damage =
            Flags::CUT_BY_ROTATION | Flags::INTERLEAVE_SUSPECT | Flags::LENGTH_MISMATCH | Flags::ORPHAN_FRAGMENT;
        let Ground { scene, folds, .. } = self.ground;
        for row in 0..folds.len() {
            let message = &scene.messages[folds[row].first.message];
            if message.flags.intersects(damage) && !message.provisional {
                self.note(Trouble::Damaged, row);
            }
        }
    }
}

/// By call and method, requests that may try again what was refused: From-tag, CSeq, time.
type Retries<'a> = HashMap<(usize, &'a str), Vec<(&'a str, u32, Timestamp)>>;

fn retries<'a>(ground: &Ground<'_, 'a>) -> Retries<'a> {
    let Ground { scene, folds, tree, .. } = ground;
    let challenged = folds.iter().any(|fold| {
        fold.first.status(scene.messages).is_some_and(|status| matches!(status, 401 | 407 | 422 | 423 | 491))
    });
    if !challenged {
        return Retries::new();
    }
    let requests = folds.iter().filter(|fold| !fold.first.is_response(scene.messages));
    let mut retries = Retries::new();
    for fold in requests {
        let message = fold.first.message;
        let Some(sip) = scene.sip(message) else { continue };
        let tries = retries.entry((tree.call[message], scene.method(message))).or_default();
        tries.push((from_tag(sip).unwrap_or_default(), sip.cseq.unwrap_or_default(), fold.first.time));
    }
    retries
}
