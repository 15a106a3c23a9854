//! What went wrong: one problem for each request of its sender, at the hop farthest along.

use std::collections::{HashMap, HashSet};

use super::device::Outcomes;
use super::dialog::Dialogs;
use super::known::Known;
use super::{Caller, End, Ground};
use crate::address::Address;
use crate::fold::Fold;
use crate::kind::Kind;
use crate::legs::{Leg, Outcome};
use crate::number::{ByNumber, NumberSet};
use crate::pair::Certainty;
use crate::scene::{Verb, from_tag, to_tag};
use crate::sip::NameAddr;
use record::span::Flags;
use record::time::{SECOND, Timestamp};

/// Timers B and F of RFC 3261, 17: 64 times T1.
const UNANSWERED: i64 = 32 * SECOND;
/// How long REST and push may take.
const REST: i64 = 30 * SECOND;
/// Who sends an INVITE, or another request, so many times has waited for 64 times T1.
const INVITES: usize = 7;
const REQUESTS: usize = 11;
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
    let mut found = Finder { ground, known, outcomes, found: Vec::new() };
    found.requests(callers, legs);
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
    known: &'g Known,
    outcomes: &'g Outcomes,
    found: Vec<Problem>,
}

/// A request on all its hops: call, method, From-tag, CSeq.
type Request<'s> = (usize, &'s str, &'s str, u32);

impl<'s> Finder<'_, '_, 's> {
    fn note(&mut self, what: Trouble, row: usize) {
        self.note_after(what, row, 0);
    }

    /// Something that may still come in this time, in microseconds after the row.
    fn note_after(&mut self, what: Trouble, row: usize, wait: i64) {
        let (leg, time) = (self.ground.of[row], self.ground.folds[row].first.time);
        self.found.push(Problem { what, row, leg, time, due: Timestamp(time.0.saturating_add(wait)) });
    }

    /// Requests without a final answer, at the hop farthest along.
    fn requests(&mut self, callers: &[Caller], legs: &[Leg]) {
        let Ground { scene, folds, pairs, .. } = self.ground;
        let mut passed_on: NumberSet<usize> = NumberSet::default();
        let requests: Vec<usize> = (0..folds.len())
            .filter(|row| {
                !folds[*row].first.is_response(scene.messages) && scene.verb[folds[*row].first.message] != Verb::Ack
            })
            .collect();
        for &row in &requests {
            let message = folds[row].first.message;
            if scene.messages[message].kind == Kind::Sip {
                passed_on.extend(scene.below[message]);
            }
        }
        let mut answered_somewhere: HashSet<Request> = HashSet::new();
        for (row, fold) in folds.iter().enumerate() {
            let answer = fold.first.status(scene.messages).filter(|_| scene.sip(fold.first.message).is_some());
            // Others are what a proxy says of its own when nobody answers.
            if answer.is_some_and(|status| status >= 200 && !matches!(status, 408 | 480 | 487 | 500 | 503 | 504)) {
                answered_somewhere.extend(self.request(row));
            }
        }
        let ends = callers.iter().map(|caller| (caller.leg, ends(caller).collect()));
        let ends: ByNumber<usize, Vec<Timestamp>> = ends.collect();
        let trunk = |leg: usize| std::iter::successors(Some(leg), |up| legs[*up].parent).last().unwrap_or(leg);
        for row in requests {
            let (first, message) = (folds[row].first, folds[row].first.message);
            let sent = 1 + folds[row].repeats.len();
            if scene.messages[message].kind != Kind::Sip {
                let no_answer =
                    pairs.of[row].is_none() && pairs.sure[row] != Certainty::CannotTell && self.logs_answers(row);
                let told = scene.messages[message].facts.result.as_ref().is_some_and(|result| result.status.is_none());
                if no_answer && (told || (self.logs_exchanges(message) && !self.never_logged(row))) {
                    self.note_after(Trouble::Unanswered { sent }, row, if told { 0 } else { REST });
                }
                continue;
            }
            // What was passed on is asked for where it went last.
            if scene.verb[message] != Verb::Cancel && passed_on.contains(&scene.transaction[message]) {
                continue;
            }
            let answered = pairs.of[row].and_then(|answer| folds[answer].first.status(scene.messages));
            // Never by time alone after a 1xx: a phone may ring on, unless its call is over.
            let wait = match (scene.verb[message], answered) {
                (_, Some(200..)) => continue,
                (Verb::Invite, None) if sent >= INVITES => 0,
                (Verb::Invite, provisional) => {
                    let over = ends.get(&trunk(self.ground.of[row])).into_iter().flatten();
                    let over = over.map(|at| at.micros_since(first.time)).filter(|after| *after > 0).min();
                    let rings_on = self.outcome(self.ground.of[row], row) == Some(Outcome::StillRinging);
                    match (over, provisional) {
                        (Some(over), _) if !rings_on => over.saturating_add(UNANSWERED),
                        (None, None) => UNANSWERED,
                        _ => continue,
                    }
                }
                _ if sent >= REQUESTS => 0,
                _ => UNANSWERED,
            };
            let forked = scene.verb[message] == Verb::Invite && self.forked(message);
            let elsewhere = !forked && self.request(row).is_some_and(|request| answered_somewhere.contains(&request));
            if !elsewhere && (sent >= INVITES || (self.logs_answers(row) && !self.never_logged(row))) {
                self.note_after(Trouble::Unanswered { sent }, row, wait);
            }
        }
    }

    /// What the device of a leg did in the try that a row is of.
    fn outcome(&self, leg: usize, row: usize) -> Option<Outcome> {
        self.outcomes.get(&(leg, self.tried(row)?)).copied()
    }

    fn tried(&self, row: usize) -> Option<usize> {
        let Ground { scene, folds, tree, tries, .. } = self.ground;
        let attempt = tree.of.get(&scene.transaction[folds[row].first.message])?;
        Some(tries.of[*attempt])
    }

    /// One of several branches: what is answered above may be another's answer.
    fn forked(&self, message: usize) -> bool {
        let tree = self.ground.tree;
        let attempt = tree.of.get(&self.ground.scene.transaction[message]).map(|attempt| &tree.attempts[*attempt]);
        let parent = attempt.and_then(|attempt| attempt.parent);
        parent.is_some_and(|parent| tree.attempts[parent].children.len() > 1)
    }

    /// What is the same on every hop, of a request and of its answers; none for CANCEL, which each hop answers by itself.
    fn request(&self, row: usize) -> Option<Request<'s>> {
        let Ground { scene, folds, tree, .. } = self.ground;
        let message = folds[row].first.message;
        let sip = scene.sip(message).filter(|_| scene.verb[message] != Verb::Cancel)?;
        Some((tree.call[message], scene.method(message), from_tag(sip).unwrap_or_default(), sip.cseq?))
    }

    /// Answers of REST and push stand in the log of this request, as far as it shows: many a program logs what it asks and
    /// no more. What carries an id, or stands beside answers, is of one that logs both.
    fn logs_exchanges(&self, message: usize) -> bool {
        let scene = self.ground.scene;
        let logged = &scene.messages[message];
        !logged.facts.ids.is_empty()
            || self.known.answering.contains(&scene.source[message])
            || logged.place.learned.answers(logged.kind, "") == Some(true)
    }

    /// Every log that shows this request is known never to hold an answer to one.
    fn never_logged(&self, row: usize) -> bool {
        let Ground { scene, folds, .. } = self.ground;
        let fold = &folds[row];
        std::iter::once(&fold.first.message).chain(&fold.sightings).all(|message| {
            let logged = &scene.messages[*message];
            logged.place.learned.answers(logged.kind, scene.method(*message)) == Some(false)
        })
    }

    /// Some log tells of an answer on this way: else that there is none says nothing.
    fn logs_answers(&self, row: usize) -> bool {
        let Ground { scene, folds, machines, .. } = self.ground;
        let (_, to) = scene.ends(folds[row].first);
        let base = machines.bases.of[to];
        // Another machine's answer to the one that writes this log stands in it. A machine's own need not.
        !machines.loggers.is_server(base) || self.known.responding.contains(&base)
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
            let of_leg = dialogs.get(dialog).leg.and_then(|leg| self.outcome(leg, row));
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
            let Some((status, tried)) = scene.invite_status(fold.first).zip(self.tried(row)) else { continue };
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

/// When each try of a caller was over: with the final answer; for what is sent after a 2xx, as by a queue, with the end of
/// the caller's connection.
fn ends(caller: &Caller) -> impl Iterator<Item = Timestamp> {
    let hung_up = caller.connected.and_then(|(_, end)| match end {
        End::Bye { time, .. } | End::Transferred { time, .. } => Some(time),
        End::Open { .. } => None,
    });
    let tries = caller.tries.iter().rev().take(BACK);
    tries.filter_map(|tried| tried.result.as_ref()).map(|got| got.time).chain(hung_up)
}

/// Nobody responded to these INVITEs at all, however often they were sent.
pub fn gave_up(ground: &Ground, attempts: &[usize]) -> bool {
    let silent = |attempt: &usize| {
        let said = &ground.heard.0[*attempt];
        let sent = ground.tree.attempts[*attempt].fold.map_or(0, |fold| 1 + ground.folds[fold].repeats.len());
        said.provisional.is_empty() && said.finals.is_empty() && sent >= INVITES
    };
    !attempts.is_empty() && attempts.iter().all(silent)
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
