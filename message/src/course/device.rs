//! What became of each leg, in the words of the device that it belongs to.

use super::dialog::Dialogs;
use super::known::{Earliest, Known};
use super::winner::{self, AT_ONCE, of_other_call};
use super::{Caller, Ground, Try, unanswered};
use crate::legs::{Leg, Outcome, Response};
use crate::number::ByNumber;
use crate::sip::causes;
use record::time::Timestamp;

/// A device that rings this long after it was cancelled, or after an answer, has not heard of it.
const STILL: i64 = 500_000;

/// What each device did in each try in which it was invited, by its leg and the number of the try.
pub type Outcomes = ByNumber<(usize, usize), Outcome>;

/// Of several tries, the last in which a device was invited says how its leg ended.
pub fn outcomes(ground: &Ground, known: &Known, dialogs: &Dialogs, callers: &[Caller], legs: &mut [Leg]) -> Outcomes {
    let mut all = Outcomes::default();
    for caller in callers {
        let below = known.below(caller.leg);
        let others = Others::of(ground, below, caller.tries.len());
        let mut won = winner::earlier(ground, known, dialogs, caller);
        won.push(caller.winner.as_ref().and_then(|winner| winner.leg));
        legs[caller.leg].outcome = of_caller(ground, caller);
        legs[caller.leg].rang = caller.last().and_then(|last| last.rang);
        legs[caller.leg].final_status = caller.result().map(|got| (got.status, got.time));
        for &leg in below {
            legs[leg].outcome = Outcome::NotInvited;
            for (number, attempts) in ground.branching.legs[leg].tries() {
                let Some((tried, others)) = caller.tries.get(number).zip(others.get(number)) else { continue };
                let is_last = number + 1 == caller.tries.len();
                let asked = Asked { tried, others, attempts, won: won.get(number).copied().flatten(), is_last };
                legs[leg].outcome = of_device(ground, dialogs, (caller, &asked), legs, leg);
                all.insert((leg, number), legs[leg].outcome);
            }
        }
        let picked_up = caller.winner.as_ref().and_then(|winner| winner.picked_up.zip(winner.leg));
        if let Some((leg, by)) = picked_up.filter(|(leg, by)| leg != by && *leg != caller.leg) {
            legs[leg].outcome = Outcome::PickedUp(by);
            all.extend(ground.branching.legs[leg].tried.map(|number| ((leg, number), Outcome::PickedUp(by))));
        }
    }
    all
}

/// What a device was asked in one try of its caller.
struct Asked<'a> {
    tried: &'a Try,
    others: &'a Others,
    attempts: &'a [usize],
    /// The leg that answered it.
    won: Option<usize>,
    is_last: bool,
}

fn of_caller(ground: &Ground, caller: &Caller) -> Outcome {
    let Some(last) = caller.last() else { return Outcome::Unknown };
    let said = || last.attempts.iter().map(|attempt| &ground.heard.0[*attempt]);
    let elsewhere = said().flat_map(|said| &said.cancels).any(|cancel| cancel.elsewhere);
    match &last.result {
        Some(got) => match got.status {
            200..300 => Outcome::Answered,
            300..400 => Outcome::Redirected(got.status),
            // Where the log begins within a fork, its first hop is that of a device.
            487 if elsewhere => Outcome::AnsweredElsewhere,
            487 if last.cancelled.is_some() => Outcome::Cancelled,
            status => Outcome::Refused(status),
        },
        None if last.begun.is_none() => Outcome::Unknown,
        None if unanswered::gave_up(ground, &last.attempts) => Outcome::Unreachable,
        None => Outcome::Open,
    }
}

/// What was seen of the device of a leg, and of what was asked of it.
struct Seen<'a> {
    last: Option<Response<'a>>,
    rang: bool,
    last_rang: Option<Timestamp>,
    /// When it was asked.
    begun: Option<Timestamp>,
    /// Its early dialogs were said to be over (RFC 6228): when, and as what if that was said.
    over: Option<(Timestamp, Option<u16>)>,
    heard: bool,
    cancelled: Option<Timestamp>,
    elsewhere: bool,
    cancel_answered: bool,
}

fn of_device(
    ground: &Ground,
    dialogs: &Dialogs,
    (caller, asked): (&Caller, &Asked),
    legs: &[Leg],
    leg: usize,
) -> Outcome {
    let Asked { tried, others, attempts, won, is_last } = *asked;
    // The only branch that can have answered, though its log holds no answers.
    if won == Some(leg) {
        return Outcome::Answered;
    }
    let seen = seen(ground, leg, attempts);
    // Whoever calls again has ended what was before.
    let call_over = tried.result.is_some() || !is_last;
    if let Some(last) = seen.last.filter(|last| last.status < 300) {
        return answered(ground, dialogs, (caller, asked), legs, leg, last);
    }
    let said = seen.over.and_then(|(at, status)| Some((status?, at)));
    match seen.last.map(|last| (last.status, last.time)).or(said) {
        Some((487, at)) => return released(tried, others, leg, &seen, at),
        Some((408, _)) => return Outcome::Unreachable,
        Some((status @ ..400, _)) => return Outcome::Redirected(status),
        Some((status, _)) => return Outcome::Refused(status),
        None if seen.over.is_some() => return Outcome::RangEndNotLogged,
        None => {}
    }
    // Who is asked after an answer rings for something else.
    let of_caller = tried.result.as_ref().filter(|got| got.status < 300).map(|got| got.time);
    let somebody = of_caller.into_iter().chain(others.answered.of_others(leg)).filter(|at| seen.begun <= Some(*at));
    let asked_to_stop = seen.cancelled.into_iter().chain(somebody).min();
    let still = asked_to_stop.zip(seen.last_rang).is_some_and(|(stop, rang)| rang.micros_since(stop) > STILL);
    if still {
        Outcome::StillRinging
    } else if seen.cancelled.is_some() {
        if seen.cancel_answered { Outcome::CancelledWithoutEnd } else { Outcome::CancelUnanswered }
    } else if seen.rang {
        if call_over { Outcome::RangEndNotLogged } else { Outcome::Open }
    } else if !call_over {
        Outcome::Open
    } else if seen.heard {
        Outcome::NoResponse
    } else {
        Outcome::Unreachable
    }
}

/// By the INVITEs of one try.
fn seen<'a>(ground: &Ground<'_, 'a>, leg: usize, attempts: &[usize]) -> Seen<'a> {
    let branched = &ground.branching.legs[leg];
    let (provisional, _) = ground.heard.of_attempts(branched, attempts);
    let ringing = provisional.clone().filter(|response| rings(response.status));
    // Who is asked anew rings for that, whatever became of the INVITE before.
    let way = ground.heard.last_way(ground.tree, ground.branching, leg, attempts);
    let (rings_last, _) = ground.heard.of_attempts(branched, &way);
    let cancels = || way.iter().flat_map(|attempt| &ground.heard.0[*attempt].cancels);
    Seen {
        last: ground.heard.end(ground.tree, ground.branching, leg, attempts),
        rang: ringing.clone().next().is_some(),
        last_rang: rings_last.filter(|response| rings(response.status)).map(|response| response.time).max(),
        begun: way.iter().filter_map(|attempt| ground.heard.since(ground.tree, *attempt)).min(),
        over: over(ground, provisional.clone()),
        heard: provisional.clone().next().is_some(),
        cancelled: cancels().map(|cancel| cancel.time).min(),
        elsewhere: cancels().any(|cancel| cancel.elsewhere),
        cancel_answered: cancels().any(|cancel| cancel.answered),
    }
}

/// A 199 for each early dialog that rang, and no ring after it.
fn over<'r, 'a: 'r>(
    ground: &Ground,
    provisional: impl Iterator<Item = &'r Response<'a>> + Clone,
) -> Option<(Timestamp, Option<u16>)> {
    let ends = provisional.clone().filter(|response| response.status == 199);
    let last = ends.clone().max_by_key(|response| response.time)?;
    let mut ringing = provisional.filter(|response| rings(response.status));
    let all = ringing.all(|ring| ends.clone().any(|end| end.tag == ring.tag && end.time >= ring.time));
    let sip = ground.scene.sip(ground.folds[last.fold].first.message).filter(|_| all)?;
    let status = sip.reasons.iter().flat_map(|reason| causes(reason)).find(|status| (300..700).contains(status));
    Some((last.time, status))
}

fn rings(status: u16) -> bool {
    matches!(status, 180..=189)
}

fn answered(
    ground: &Ground,
    dialogs: &Dialogs,
    (caller, Asked { tried, won, .. }): (&Caller, &Asked),
    legs: &[Leg],
    leg: usize,
    last: Response,
) -> Outcome {
    let up = won.iter().flat_map(|won| std::iter::successors(Some(*won), |up| legs[*up].parent));
    if up.into_iter().any(|up| up == leg) {
        return Outcome::Answered;
    }
    let fold = &ground.folds[last.fold];
    let dialog = dialogs.of_fold(ground.scene, ground.tree.call[fold.first.message], fold);
    let at_once = dialog.is_some_and(|dialog| dialogs.hung_up_within(dialog, AT_ONCE));
    match tried.result.as_ref().filter(|got| got.status < 300) {
        Some(got) if last.time > got.time && !at_once && of_other_call(ground, caller.leg, leg) => {
            Outcome::ConnectedAfter(last.time.micros_since(got.time))
        }
        Some(_) => Outcome::AnsweredTooHungUp,
        None => {
            let late = tried.cancelled.is_some_and(|cancelled| cancelled <= last.time);
            if late && at_once { Outcome::AnsweredTooHungUp } else { Outcome::AnswerLost }
        }
    }
}

/// When legs of one caller were first answered in one try, and first refused for all.
#[derive(Default)]
struct Others {
    answered: Earliest,
    refused: Earliest,
}

impl Others {
    /// By try.
    fn of(ground: &Ground, legs: &[usize], tries: usize) -> Vec<Self> {
        let mut others: Vec<Self> = std::iter::repeat_with(Self::default).take(tries).collect();
        for &leg in legs {
            let branched = &ground.branching.legs[leg];
            for attempt in &branched.attempts {
                let Some(others) = others.get_mut(ground.tries.of[*attempt]) else { continue };
                for last in ground.heard.of_attempts(branched, &[*attempt]).1 {
                    match last.status {
                        200..300 => others.answered.note(last.time, leg),
                        600.. => others.refused.note(last.time, leg),
                        _ => {}
                    }
                }
            }
        }
        others
    }
}

/// 487, and why.
fn released(tried: &Try, others: &Others, leg: usize, seen: &Seen, ended: Timestamp) -> Outcome {
    let asked = seen.cancelled.unwrap_or(ended);
    let answer = others.answered.of_others(leg).filter(|at| *at <= ended);
    let refusal = others.refused.of_others(leg).filter(|at| *at <= ended);
    let of_caller = tried.result.as_ref().filter(|got| got.status < 300 && got.time <= ended).map(|got| got.time);
    let cancelled = tried.cancelled.filter(|at| *at <= asked.max(ended));
    if answer.or(of_caller).is_some() {
        if seen.elsewhere { Outcome::AnsweredElsewhere } else { Outcome::Released }
    } else if seen.elsewhere {
        Outcome::AnsweredElsewhere
    } else if cancelled.is_some() {
        Outcome::Cancelled
    } else if refusal.is_some() {
        Outcome::ReleasedByRefusal
    } else {
        Outcome::RangOut
    }
}
