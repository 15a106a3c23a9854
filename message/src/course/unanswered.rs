//! Requests without a final answer, each at the hop farthest along.

use std::collections::HashSet;

use super::device::Outcomes;
use super::known::Known;
use super::{Caller, End, Ground};
use crate::kind::Kind;
use crate::legs::{Leg, Outcome};
use crate::number::{ByNumber, NumberSet};
use crate::pair::Certainty;
use crate::scene::{Verb, from_tag};
use record::time::{SECOND, Timestamp};

/// Timers B and F of RFC 3261, 17: 64 times T1.
pub const UNANSWERED: i64 = 32 * SECOND;
/// How long REST and push may take.
const REST: i64 = 30 * SECOND;
/// Who sends an INVITE, or another request, so many times has waited for 64 times T1.
pub const INVITES: usize = 7;
const REQUESTS: usize = 11;
/// How many tries of a caller are looked back upon.
const BACK: usize = 64;

/// A request that has no answer.
pub struct Unanswered {
    pub row: usize,
    /// How often it was sent.
    pub sent: usize,
    /// How long an answer may still come, in microseconds after the row.
    pub wait: i64,
}

pub fn unanswered(
    ground: &Ground,
    known: &Known,
    (legs, outcomes): (&[Leg], &Outcomes),
    callers: &[Caller],
) -> Vec<Unanswered> {
    Silences { ground, known, outcomes }.all(callers, legs)
}

struct Silences<'g, 'a, 's> {
    ground: &'g Ground<'a, 's>,
    known: &'g Known,
    outcomes: &'g Outcomes,
}

/// A request on all its hops: call, method, From-tag, CSeq.
type Request<'s> = (usize, &'s str, &'s str, u32);

impl<'s> Silences<'_, '_, 's> {
    /// Requests without a final answer, at the hop farthest along.
    fn all(&self, callers: &[Caller], legs: &[Leg]) -> Vec<Unanswered> {
        let mut found = Vec::new();
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
                    found.push(Unanswered { row, sent, wait: if told { 0 } else { REST } });
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
                    let rings_on =
                        self.ground.outcome(self.outcomes, (self.ground.of[row], row)) == Some(Outcome::StillRinging);
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
                found.push(Unanswered { row, sent, wait });
            }
        }
        found
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
