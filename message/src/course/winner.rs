//! Who answered a caller: the leg whose 2xx led to the caller's.

use super::dialog::Dialogs;
use super::known::Known;
use super::{Caller, Got, Ground, Try};
use crate::legs::{Leg, Response};
use crate::number::NumberSet;
use record::time::{SECOND, Timestamp};

/// Who hangs up an answer this soon did not mean to talk there.
pub const AT_ONCE: i64 = 5 * SECOND;

/// Calls that take another's place, of one scenario, that are looked at.
pub const MOST: usize = 256;

/// Who answered a caller.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Winner {
    /// The leg that answered; none where a back-to-back agent answered before any leg of its own had.
    pub leg: Option<usize>,
    /// The node that answered: a device, or the agent.
    pub node: Option<usize>,
    /// The leg whose user the caller was connected to after an agent had answered.
    pub talked_to: Option<usize>,
    /// The call was picked up: this leg had rung for it.
    pub picked_up: Option<usize>,
    /// The caller's dialog.
    pub(crate) dialog: Option<usize>,
}

/// The 2xx of one dialog at the caller.
struct Answer<'a> {
    response: Response<'a>,
    dialog: Option<usize>,
}

pub fn decide(ground: &Ground, known: &Known, dialogs: &Dialogs, legs: &[Leg], caller: &mut Caller) {
    if let Some((got, winner)) = picked_up(ground, known, dialogs, caller) {
        if let Some(last) = caller.tries.last_mut() {
            last.result = Some(got);
        }
        caller.winner = Some(winner);
        return;
    }
    let Some(got) = caller.result().filter(|got| got.status < 300) else { return };
    let Some((number, last)) = caller.tries.iter().enumerate().next_back() else { return };
    let answer = chosen(ground, dialogs, last, got);
    // What was tried before says nothing of this answer.
    let below = known.below(caller.leg).iter().copied();
    let below: Vec<usize> = below.filter(|leg| ground.branching.legs[*leg].tried == Some(number)).collect();
    let leg = led_to(ground, dialogs, caller.leg, (number, &below), &answer);
    // Of a proxy's branches the only one whose end is not logged.
    let leg = leg.or_else(|| {
        let mut open = below.iter().filter(|leg| legs[**leg].final_status.is_none());
        open.next().filter(|leg| open.next().is_none() && !of_other_call(ground, caller.leg, **leg)).copied()
    });
    let by_agent = leg.is_none() && !below.is_empty();
    let node = match leg {
        Some(leg) => legs[leg].node.or_else(|| sender(ground, leg, number)),
        // Of one hop alone its far end.
        None => legs[caller.leg]
            .node
            .or(Some(ground.columns.of[ground.scene.ends(ground.folds[answer.response.fold].first).0])),
    };
    let talked_to = by_agent.then(|| after(ground, (number, &below), answer.response.time)).flatten();
    let changed = answer.response.fold != got.row;
    let response = answer.response;
    let dialog = answer.dialog;
    caller.winner =
        Some(Winner { leg: leg.or((!by_agent).then_some(caller.leg)), node, talked_to, picked_up: None, dialog });
    if let Some(got) = caller.tries.last_mut().and_then(|last| last.result.as_mut()).filter(|_| changed) {
        (got.time, got.row) = (response.time, response.fold);
    }
}

/// By try but the last: the leg that answered it.
pub fn earlier(ground: &Ground, known: &Known, dialogs: &Dialogs, caller: &Caller) -> Vec<Option<usize>> {
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); caller.tries.len().saturating_sub(1)];
    if below.is_empty() {
        return Vec::new();
    }
    for &leg in known.below(caller.leg) {
        for (number, _) in ground.branching.legs[leg].tries() {
            below.get_mut(number).into_iter().for_each(|below| below.push(leg));
        }
    }
    let won = |(number, (tried, below)): (usize, (&Try, &Vec<usize>))| {
        let got = tried.result.as_ref().filter(|got| got.status < 300)?;
        led_to(ground, dialogs, caller.leg, (number, below), &chosen(ground, dialogs, tried, got))
    };
    caller.tries.iter().zip(&below).enumerate().map(won).collect()
}

/// The leg whose 2xx led to a caller's in one try, of those below that were invited in it.
fn led_to(
    ground: &Ground,
    dialogs: &Dialogs,
    caller: usize,
    below: (usize, &[usize]),
    answer: &Answer,
) -> Option<usize> {
    // Where the caller's own hop does not show it, it may be of the call that an agent made.
    let call = ground.tree.call[ground.folds[answer.response.fold].first.message];
    let by_tag = answer.response.tag.and_then(|tag| ground.tags.find(call, Some(tag)));
    by_tag.filter(|leg| *leg != caller).or_else(|| before(ground, dialogs, below, answer.response.time))
}

/// Of several 2xx at the caller the first, unless it is hung up at once and another stays.
fn chosen<'a>(ground: &Ground<'_, 'a>, dialogs: &Dialogs, tried: &Try, got: &Got) -> Answer<'a> {
    let first = |response: Response<'a>| {
        let fold = &ground.folds[response.fold];
        let call = ground.tree.call[fold.first.message];
        Answer { response, dialog: dialogs.of_fold(ground.scene, call, fold) }
    };
    // The hop on which the caller got it.
    let hop = ground.tree.of.get(&ground.scene.transaction[ground.folds[got.row].first.message]).copied();
    let mut attempts: Vec<usize> = tried.attempts.clone();
    if let Some(hop) = hop.filter(|hop| !attempts.contains(hop)) {
        // A proxy passes on the answers of all its branches.
        let above = ground.tree.attempts[hop].parent.filter(|_| got.inferred);
        attempts = above.map_or_else(|| vec![hop], |above| ground.tree.attempts[above].children.clone());
    }
    let mut met = NumberSet::default();
    let mut answers: Vec<Answer> = attempts
        .iter()
        .flat_map(|attempt| &ground.heard.0[*attempt].finals)
        .filter(|response| response.status < 300)
        .map(|response| first(*response))
        .filter(|answer| answer.dialog.is_none_or(|dialog| met.insert(dialog)))
        .collect();
    answers.sort_by_key(|answer| answer.response.time);
    let stays = |answer: &Answer| answer.dialog.is_none_or(|dialog| !dialogs.hung_up_within(dialog, AT_ONCE));
    let at = answers.iter().position(stays).unwrap_or(0);
    if answers.is_empty() {
        let response = Response { status: got.status, time: got.time, tag: None, contact: None, fold: got.row };
        return first(response);
    }
    answers.swap_remove(at)
}

/// A leg that a back-to-back agent made.
pub fn of_other_call(ground: &Ground, caller: usize, leg: usize) -> bool {
    let own = ground.branching.legs[caller].call;
    ground.branching.legs[leg].attempts.iter().any(|attempt| ground.tree.attempts[*attempt].call != own)
}

fn answered<'a>(ground: &Ground<'_, 'a>, leg: usize, number: usize) -> Option<Response<'a>> {
    let branched = &ground.branching.legs[leg];
    let (_, finals) = ground.heard.of_attempts(branched, branched.in_try(number));
    finals.filter(|last| last.status < 300).min_by_key(|last| last.time).copied()
}

/// The leg whose 2xx came last before the caller's and was not hung up at once.
fn before(ground: &Ground, dialogs: &Dialogs, (number, below): (usize, &[usize]), time: Timestamp) -> Option<usize> {
    let answers = below.iter().filter_map(|leg| Some((*leg, answered(ground, *leg, number)?)));
    let earlier: Vec<(usize, Response)> = answers.filter(|(_, response)| response.time <= time).collect();
    let stays = |response: &Response| {
        let fold = &ground.folds[response.fold];
        let dialog = dialogs.of_fold(ground.scene, ground.tree.call[fold.first.message], fold);
        dialog.is_none_or(|dialog| !dialogs.hung_up_within(dialog, AT_ONCE))
    };
    // Where none stays, the call was a short one.
    let some_stay = earlier.iter().any(|(_, response)| stays(response));
    let own = earlier.iter().filter(|(_, response)| !some_stay || stays(response));
    own.max_by_key(|(leg, response)| (response.time, std::cmp::Reverse(*leg))).map(|(leg, _)| *leg)
}

/// The first leg that answered when an agent had done so already.
fn after(ground: &Ground, (number, below): (usize, &[usize]), time: Timestamp) -> Option<usize> {
    let answers = below.iter().filter_map(|leg| Some((answered(ground, *leg, number)?.time, *leg)));
    answers.filter(|(at, _)| *at > time).min().map(|(_, leg)| leg)
}

/// Where the answer of a leg came from.
fn sender(ground: &Ground, leg: usize, number: usize) -> Option<usize> {
    let response = answered(ground, leg, number)?;
    Some(ground.columns.of[ground.scene.ends(ground.folds[response.fold].first).0])
}

/// An INVITE whose Replaces names an early dialog of the caller, and which gets a 2xx, answers the call.
fn picked_up(ground: &Ground, known: &Known, dialogs: &Dialogs, caller: &Caller) -> Option<(Got, Winner)> {
    let Ground { scene, folds, tree, .. } = ground;
    let call = ground.branching.legs[caller.leg].call;
    let own = known.roots.get(&call)?.iter().find_map(|root| tree.opening(*root))?;
    let own_id = scene.messages[folds[own].first.message].facts.call_id.as_deref()?;
    for &index in known.replacing.iter().take(MOST) {
        let attempt = &tree.attempts[index];
        let Some(opening) = tree.opening(index).map(|fold| &folds[fold].first) else { continue };
        let Some(sip) = scene.sip(opening.message) else { continue };
        let Some(id) = sip.replaces.as_ref().filter(|id| id.call_id == own_id && attempt.call != call) else {
            continue;
        };
        // Of an answered dialog it takes the place; the caller may not be known to have got that answer.
        let up = dialogs.named(id).and_then(|dialog| dialogs.get(dialog).answered);
        let got = caller.result().filter(|got| got.status < 300).map(|got| got.time);
        let early = up.into_iter().chain(got).all(|answered| opening.time < answered);
        let answer = tree.way(index).find_map(|at| ground.heard.0[at].finals.iter().find(|last| last.status < 300));
        let (Some(answer), true) = (answer, early) else { continue };
        let replaced = [&id.to_tag, &id.from_tag].into_iter().find_map(|tag| ground.tags.find(call, Some(tag)));
        let message = folds[answer.fold].first.message;
        let leg = ground.branching.of[index];
        let winner = Winner {
            leg,
            node: attempt.ends.map(|(from, _)| ground.columns.of[from]),
            talked_to: None,
            picked_up: replaced,
            dialog: dialogs.of_fold(scene, attempt.call, &folds[answer.fold]),
        };
        let reason = scene.messages[message].facts.reason.clone();
        return Some((
            Got { status: answer.status, reason, time: answer.time, row: answer.fold, inferred: false },
            winner,
        ));
    }
    None
}
