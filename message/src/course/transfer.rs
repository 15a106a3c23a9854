//! Transfers: who was given somebody else to talk to, by a REFER, or by an INVITE that takes a place.

use super::Ground;
use super::dialog::Dialogs;
use super::refer::{Refer, Refers};
use crate::facts::SipFacts;
use crate::node::{shown, user};
use crate::scene::{Verb, to_tag};
use crate::user::is_same;

/// Transfers of one scenario that are told.
const MOST: usize = 64;

/// One party of a call left, and another took its place. All three are users, as From, To and Refer-To name them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// Who left.
    pub by: String,
    /// Who stayed.
    pub whom: String,
    /// Who came.
    pub to: String,
    /// Nobody asked for it: who came took the place by an INVITE that replaces a dialog (RFC 3891).
    pub taken: bool,
    /// The leg and the row of the REFER or INVITE.
    pub leg: usize,
    pub row: usize,
}

/// A transfer, and whether it came about.
struct Asked {
    transfer: Transfer,
    /// The dialog that is to be replaced.
    replaces: Option<usize>,
    done: bool,
}

pub fn transfers(ground: &Ground, dialogs: &Dialogs, refers: &Refers) -> Vec<Transfer> {
    let Ground { scene, folds, .. } = ground;
    let mut all: Vec<Asked> = refers.all.iter().filter_map(|refer| asked(ground, dialogs, refer)).take(MOST).collect();
    for (row, fold) in folds.iter().enumerate().filter(|(_, fold)| !fold.first.is_response(scene.messages)) {
        let Some(sip) = scene.sip(fold.first.message).filter(|sip| to_tag(sip).is_none()) else { continue };
        if scene.verb[fold.first.message] != Verb::Invite || all.len() >= 2 * MOST {
            continue;
        }
        let Some(dialog) = sip.replaces.as_ref().and_then(|id| dialogs.named(id)) else { continue };
        match all.iter_mut().find(|one| one.replaces == Some(dialog) && one.transfer.row < row) {
            Some(one) => one.done |= is_accepted(ground, row),
            None => all.extend(taken(ground, dialogs, (row, sip), dialog)),
        }
    }
    all.sort_by_key(|one| one.transfer.row);
    let mut told: Vec<Transfer> = Vec::new();
    for Asked { transfer, .. } in all.into_iter().filter(|one| one.done) {
        let same = |other: &Transfer| {
            let names = [(&other.by, &transfer.by), (&other.whom, &transfer.whom), (&other.to, &transfer.to)];
            names.into_iter().all(|(one, other)| is_same(one, other))
        };
        // A back-to-back agent passes a REFER on in a dialog of its own.
        if !told.iter().any(same) {
            told.push(transfer);
        }
    }
    told
}

fn asked(ground: &Ground, dialogs: &Dialogs, refer: &Refer) -> Option<Asked> {
    let of = dialogs.get(refer.dialog);
    let (by, whom) = (of.user(refer.by_caller)?, of.user(!refer.by_caller)?);
    // A Refer-To of an attended transfer may be a Contact, which is nobody's name.
    let other = refer.replaces.and_then(|dialog| {
        let of = dialogs.get(dialog);
        let (one, other) = (of.user(true)?, of.user(false)?);
        if is_same(&one, &by) { Some(other) } else { is_same(&other, &by).then_some(one) }
    });
    let (user, host) = &refer.target;
    let target = Some(shown(user)).filter(|user| !user.is_empty());
    let to = other.or(target).unwrap_or_else(|| host.clone());
    let transfer = Transfer { by, whom, to, taken: false, leg: ground.of[refer.row], row: refer.row };
    Some(Asked { transfer, replaces: refer.replaces, done: refer.is_done(dialogs) })
}

/// Of an INVITE that took a place in a dialog that was up, and that no REFER asked for.
fn taken(ground: &Ground, dialogs: &Dialogs, (row, sip): (usize, &SipFacts), dialog: usize) -> Option<Asked> {
    let of = dialogs.get(dialog);
    let up = of.answered.is_some_and(|at| at <= ground.folds[row].first.time);
    if !up || !is_accepted(ground, row) {
        return None;
    }
    let (to, stays) = (shown(user(sip.from.as_ref())?), shown(user(sip.to.as_ref())?));
    let (one, other) = (of.user(true)?, of.user(false)?);
    let (by, whom) = if is_same(&stays, &one) { (other, one) } else { (one, other) };
    // Who goes on at another phone leaves nobody.
    let is_new = is_same(&stays, &whom) && !is_same(&to, &by) && !is_same(&to, &whom);
    let transfer = Transfer { by, whom, to, taken: true, leg: ground.of[row], row };
    is_new.then_some(Asked { transfer, replaces: Some(dialog), done: true })
}

/// Its final answer is logged, and is a 2xx.
fn is_accepted(ground: &Ground, row: usize) -> bool {
    let answer = ground.pairs.of[row].map(|answer| ground.folds[answer].first);
    answer.is_some_and(|answer| matches!(answer.status(ground.scene.messages), Some(200..=299)))
}
