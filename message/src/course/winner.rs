//! Who answered a caller: the leg whose 2xx led to the caller's.

use super::dialog::Dialogs;
use super::known::Known;
use super::{Caller, Got, Ground};
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
    let answer = chosen(ground, dialogs, caller, got);
    // Where the caller's own hop does not show it, it may be of the call that an agent made.
    let call = ground.tree.call[ground.folds[answer.response.fold].first.message];
    let by_tag = answer.response.tag.and_then(|tag| ground.tags.find(call, Some(tag)));
    // What was tried before says nothing of this answer.
    let number = caller.tries.len().checked_sub(1);
    let below = known.below(caller.leg).iter().copied();
    let below: Vec<usize> = below.filter(|leg| ground.branching.legs[*leg].tried == number).collect();
    let own_target = by_tag.filter(|leg| *leg != caller.leg);
    let leg = match own_target {
        Some(leg) => Some(leg),
        None => before(ground, dialogs, &below, answer.response.time),
    };
    // Of a proxy's branches the only one whose end is not logged.
    let leg = leg.or_else(|| {
        let mut open = below.iter().filter(|leg| legs[**leg].final_status.is_none());
        open.next().filter(|leg| open.next().is_none() && !of_other_call(ground, caller.leg, **leg)).copied()
    });
    let by_agent = leg.is_none() && !below.is_empty();
    let node = match leg {
        Some(leg) => legs[leg].node.or_else(|| sender(ground, leg)),
        // Of one hop alone its far end.
        None => legs[caller.leg]
            .node
            .or(Some(ground.columns.of[ground.scene.ends(ground.folds[answer.response.fold].first).0])),
    };
    let talked_to = by_agent.then(|| after(ground, &below, answer.response.time)).flatten();
    let changed = answer.response.fold != got.row;
    let response = answer.response;
    let dialog = answer.dialog;
    caller.winner =
        Some(Winner { leg: leg.or((!by_agent).then_some(caller.leg)), node, talked_to, picked_up: None, dialog });
    if let Some(got) = caller.tries.last_mut().and_then(|last| last.result.as_mut()).filter(|_| changed) {
        (got.time, got.row) = (response.time, response.fold);
    }
}

/// Of several 2xx at the caller the first, unless it is hung up at once and another stays.
fn chosen<'a>(ground: &Ground<'_, 'a>, dialogs: &Dialogs, caller: &Caller, got: &Got) -> Answer<'a> {
    let first = |response: Response<'a>| {
        let fold = &ground.folds[response.fold];
        let call = ground.tree.call[fold.first.message];
        Answer { response, dialog: dialogs.of_fold(ground.scene, call, fold) }
    };
    // The hop on which the caller got it.
    let hop = ground.tree.of.get(&ground.scene.transaction[ground.folds[got.row].first.message]).copied();
    let mut attempts: Vec<usize> = caller.last().map(|last| last.attempts.clone()).unwrap_or_default();
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

fn answered<'a>(ground: &Ground<'_, 'a>, leg: usize) -> Option<Response<'a>> {
    let (_, finals) = ground.heard.of_leg(ground.branching, leg);
    finals.filter(|last| last.status < 300).min_by_key(|last| last.time).copied()
}

/// The leg whose 2xx came last before the caller's and was not hung up at once.
fn before(ground: &Ground, dialogs: &Dialogs, below: &[usize], time: Timestamp) -> Option<usize> {
    let answers = below.iter().filter_map(|leg| Some((*leg, answered(ground, *leg)?)));
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
fn after(ground: &Ground, below: &[usize], time: Timestamp) -> Option<usize> {
    let answers = below.iter().filter_map(|leg| Some((answered(ground, *leg)?.time, *leg)));
    answers.filter(|(at, _)| *at > time).min().map(|(_, leg)| leg)
}

/// Where the answer of a leg came from.
fn sender(ground: &Ground, leg: usize) -> Option<usize> {
    let response = answered(ground, leg)?;
    Some(ground.columns.of[ground.scene.ends(ground.folds[response.fold].first).0])
}

/// An INVITE whose Replaces names an early dialog of the caller, and which gets a 2xx, answers the call.
fn picked_up(ground: &Ground, known: &Known, dialogs: &Dialogs, caller: &Caller) -> Option<(Got, Winner)> {
    let Ground { scene, folds, tree, .. } = ground;
    let call = ground.branching.legs[caller.leg].call;
    let own = known.roots.get(&call)?.iter().find_map(|root| tree.attempts[*root].fold)?;
    let own_id = scene.messages[folds[own].first.message].facts.call_id.as_deref()?;
    for &index in known.replacing.iter().take(MOST) {
        let attempt = &tree.attempts[index];
        let Some(sip) = attempt.fold.and_then(|fold| scene.sip(folds[fold].first.message)) else { continue };
        let Some(id) = sip.replaces.as_ref().filter(|id| id.call_id == own_id && attempt.call != call) else {
            continue;
        };
        let early =
            caller.result().is_none_or(|got| got.status >= 300 || attempt.begun.is_some_and(|at| at < got.time));
        let answer = ground.heard.0[index].finals.iter().find(|last| last.status < 300);
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
