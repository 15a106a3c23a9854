//! What a caller got: the final answer on the nearest hop that shows one.

use super::known::Known;
use super::{Ground, Winner};
use crate::legs::{Response, Said, asks_again};
use record::time::Timestamp;

/// The call of one caller.
#[derive(Clone, PartialEq, Debug)]
pub struct Caller {
    /// A, C, D, …
    pub leg: usize,
    /// The last is the one that counts.
    pub tries: Vec<Try>,
    pub winner: Option<Winner>,
    /// From the caller's 2xx until the last dialog that served the caller ended.
    pub connected: Option<(Timestamp, super::End)>,
}

/// One INVITE of a caller with what came of it; a challenge that was met, or a redirection, begins no further one.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Try {
    /// When the caller sent it; none where that is not logged.
    pub begun: Option<Timestamp>,
    /// The first 180 at the caller.
    pub rang: Option<Timestamp>,
    /// The first 18x with a session description.
    pub early_media: Option<Timestamp>,
    /// 181 and 182: where the call was forwarded, and queued.
    pub forwarded: Option<Timestamp>,
    pub queued: Option<Timestamp>,
    /// Whom the call went on to, or was to: users that Diversion, History-Info or a redirection name, in order.
    pub forwarded_to: Vec<String>,
    pub result: Option<Got>,
    /// The caller's CANCEL.
    pub cancelled: Option<Timestamp>,
    /// The hops on which the caller sent it.
    pub attempts: Vec<usize>,
}

/// A final answer that a caller got.
#[derive(Clone, PartialEq, Debug)]
pub struct Got {
    pub status: u16,
    pub reason: String,
    pub time: Timestamp,
    /// Its row.
    pub row: usize,
    /// No hop of the caller shows it: it is what a proxy would have chosen of the branches (RFC 3261, 16.7).
    pub inferred: bool,
}

impl Caller {
    /// The try that counts.
    pub fn last(&self) -> Option<&Try> {
        self.tries.last()
    }

    pub fn result(&self) -> Option<&Got> {
        self.last()?.result.as_ref()
    }

    pub fn is_answered(&self) -> bool {
        self.result().is_some_and(|got| got.status < 300)
    }
}

pub fn callers(ground: &Ground, known: &Known) -> Vec<Caller> {
    let legs = ground.branching.legs.iter().enumerate();
    let invited = legs.filter(|(_, leg)| leg.parent.is_none() && leg.is_invited);
    invited
        .map(|(leg, branched)| Caller {
            leg,
            tries: ground
                .tries
                .of_call(branched.call)
                .iter()
                .map(|attempts| told(ground, known, attempts.clone()))
                .collect(),
            winner: None,
            connected: None,
        })
        .collect()
}

fn told(ground: &Ground, known: &Known, attempts: Vec<usize>) -> Try {
    let heard = |attempt: &usize| &ground.heard.0[*attempt];
    let mut told =
        Try { begun: attempts.iter().filter_map(|a| ground.tree.attempts[*a].begun).min(), ..Try::default() };
    let first = |test: &dyn Fn(&Response) -> bool| {
        nearest(ground, &attempts, &|said| said.provisional.iter().any(test)).and_then(|hop| {
            let all = hop.iter().flat_map(|attempt| &heard(attempt).provisional);
            all.filter(|response| test(response)).map(|response| response.time).min()
        })
    };
    let with_sdp = |response: &Response| {
        let message = ground.folds[response.fold].first.message;
        matches!(response.status, 180..=189) && ground.scene.sip(message).is_some_and(|sip| sip.sdp.is_some())
    };
    told.rang = first(&|response| response.status == 180);
    told.early_media = first(&with_sdp);
    told.forwarded = first(&|response| response.status == 181);
    told.queued = first(&|response| response.status == 182);
    told.cancelled = attempts.iter().flat_map(|attempt| &heard(attempt).cancels).map(|cancel| cancel.time).min();
    told.result = result(ground, known, &attempts);
    told.attempts = attempts;
    told
}

/// The attempts of the hop nearest to the caller of which something holds.
fn nearest(ground: &Ground, attempts: &[usize], holds: &dyn Fn(&Said) -> bool) -> Option<Vec<usize>> {
    let mut level = attempts.to_vec();
    while !level.is_empty() {
        if level.iter().any(|attempt| holds(&ground.heard.0[*attempt])) {
            return Some(level);
        }
        level = level.iter().flat_map(|attempt| &ground.tree.attempts[*attempt].children).copied().collect();
    }
    None
}

fn result(ground: &Ground, known: &Known, attempts: &[usize]) -> Option<Got> {
    let mut level = attempts.to_vec();
    let mut forked = false;
    while !level.is_empty() {
        let begun = |attempt: &usize| ground.heard.since(ground.tree, *attempt);
        let newest = level.iter().filter_map(begun).max();
        // What a later INVITE met is no end.
        let met = |attempt: &usize, last: &Response| asks_again(last.status) && !forked && begun(attempt) < newest;
        let ends = level.iter().filter_map(|attempt| Some((attempt, last_of(&ground.heard.0[*attempt].finals)?)));
        let finals: Vec<Response> = ends.filter(|(attempt, last)| !met(attempt, last)).map(|(_, last)| *last).collect();
        // Of a fork every branch has to be over, unless one was answered.
        let all = finals.len() == level.len() || finals.iter().any(|last| last.status < 300);
        if !finals.is_empty() && (!forked || all) {
            let serial = if forked { choose(&finals) } else { serial(&finals) };
            return serial.map(|last| got(ground, last, forked));
        }
        if decides(ground, known, &level) {
            return None;
        }
        level = level.iter().flat_map(|attempt| &ground.tree.attempts[*attempt].children).copied().collect();
        forked |= level.iter().any(|attempt| {
            ground.branching.of[*attempt].is_some_and(|leg| ground.branching.legs[leg].parent.is_some())
        });
    }
    None
}

/// The machine that answers on this hop shows elsewhere that it logs its final answers: that none is here says that
/// there was none.
fn decides(ground: &Ground, known: &Known, level: &[usize]) -> bool {
    level.iter().any(|attempt| {
        let attempt = &ground.tree.attempts[*attempt];
        let to = attempt.ends.filter(|_| attempt.fold.is_some()).map(|(_, to)| ground.machines.bases.of[to]);
        to.is_some_and(|to| known.deciding.contains(&to))
    })
}

/// Of several final answers on one hop a 2xx counts, else the first.
fn last_of<'r, 'a>(finals: &'r [Response<'a>]) -> Option<&'r Response<'a>> {
    finals.iter().find(|last| last.status < 300).or_else(|| finals.first())
}

/// Of INVITEs that a caller sent one after another: a 2xx, else the last.
fn serial<'a>(finals: &[Response<'a>]) -> Option<Response<'a>> {
    let answered = finals.iter().filter(|last| last.status < 300).min_by_key(|last| last.time);
    answered.or_else(|| finals.iter().max_by_key(|last| last.time)).copied()
}

/// What a proxy passes on of the answers of its branches (RFC 3261, 16.7, step 6).
fn choose<'a>(finals: &[Response<'a>]) -> Option<Response<'a>> {
    let rank = |last: &&Response| match last.status {
        200..300 => (0, 0, last.time),
        600.. => (1, 0, last.time),
        status => (2 + status / 100, u16::from(!matches!(status, 401 | 407 | 415 | 420 | 484)), last.time),
    };
    let mut chosen = finals.iter().min_by_key(rank).copied();
    if let Some(chosen) = chosen.as_mut().filter(|chosen| chosen.status == 503) {
        chosen.status = 500;
    }
    chosen
}

fn got(ground: &Ground, last: Response, inferred: bool) -> Got {
    let reason = ground.scene.messages[ground.folds[last.fold].first.message].facts.reason.clone();
    Got { status: last.status, reason, time: last.time, row: last.fold, inferred }
}
