//! Transfers: who was given somebody else to talk to, by a REFER, or by an INVITE that takes a place.

use super::Ground;
use super::dialog::Dialogs;
use crate::facts::SipFacts;
use crate::node::{shown, user};
use crate::scene::{Verb, from_tag, to_tag};
use crate::sip::DialogId;
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

/// A REFER, and what is known of how it went.
struct Asked {
    transfer: Transfer,
    dialog: usize,
    /// The dialog that is to be replaced.
    replaces: Option<usize>,
    done: Option<bool>,
}

pub fn transfers(ground: &Ground, dialogs: &Dialogs, of_row: &[Option<usize>]) -> Vec<Transfer> {
    let Ground { scene, folds, .. } = ground;
    let mut all: Vec<Asked> = Vec::new();
    for (row, fold) in folds.iter().enumerate().filter(|(_, fold)| !fold.first.is_response(scene.messages)) {
        let message = &scene.messages[fold.first.message];
        let Some(sip) = scene.sip(fold.first.message) else { continue };
        match (message.facts.method.as_str(), of_row[row]) {
            ("REFER", Some(dialog)) if all.len() < MOST => all.extend(asked(ground, dialogs, (row, sip), dialog)),
            ("NOTIFY", Some(dialog)) => {
                let reported = sip.fragment.filter(|status| *status >= 200);
                if let Some((one, status)) = all.iter_mut().rev().find(|one| one.dialog == dialog).zip(reported) {
                    one.done = Some(status < 300);
                }
            }
            _ if scene.verb[fold.first.message] == Verb::Invite && to_tag(sip).is_none() && all.len() < MOST => {
                let Some(dialog) = sip.replaces.as_ref().and_then(|id| dialogs.named(id)) else { continue };
                match all.iter_mut().find(|one| one.replaces == Some(dialog)) {
                    Some(one) if answered(ground, row) == Some(true) => one.done = Some(true),
                    Some(_) => {}
                    None => all.extend(taken(ground, dialogs, (row, sip), dialog)),
                }
            }
            _ => {}
        }
    }
    let mut told: Vec<Transfer> = Vec::new();
    for Asked { transfer, dialog, .. } in &all {
        let ended = dialogs.get(*dialog).ended.is_some_and(|bye| bye.row > transfer.row);
        let same = |other: &Transfer| {
            let names = [(&other.by, &transfer.by), (&other.whom, &transfer.whom), (&other.to, &transfer.to)];
            names.into_iter().all(|(one, other)| is_same(one, other))
        };
        // What is said of it on one hop counts for all of them.
        let done = all.iter().rev().filter(|one| one.dialog == *dialog && same(&one.transfer)).find_map(|one| one.done);
        // A back-to-back agent passes a REFER on in a dialog of its own.
        if done.unwrap_or(ended) && !told.iter().any(same) {
            told.push(transfer.clone());
        }
    }
    told
}

fn asked(ground: &Ground, dialogs: &Dialogs, (row, sip): (usize, &SipFacts), dialog: usize) -> Option<Asked> {
    let of = dialogs.get(dialog);
    let by_caller = from_tag(sip)? == of.tags.0;
    let (by, whom) = (of.user(by_caller)?, of.user(!by_caller)?);
    let refer_to = sip.refer_to.as_ref()?;
    let replaces = replaced(&refer_to.uri.text).and_then(|id| dialogs.named(&id));
    // A Refer-To of an attended transfer may be a Contact, which is nobody's name.
    let other = replaces.and_then(|dialog| {
        let of = dialogs.get(dialog);
        let (one, other) = (of.user(true)?, of.user(false)?);
        if is_same(&one, &by) { Some(other) } else { is_same(&other, &by).then_some(one) }
    });
    let target = Some(shown(&refer_to.uri.user)).filter(|user| !user.is_empty());
    let to = other.or(target).unwrap_or_else(|| refer_to.uri.host.clone());
    let transfer = Transfer { by, whom, to, taken: false, leg: ground.of[row], row };
    let done = Some(false).filter(|_| answered(ground, row) == Some(false));
    Some(Asked { transfer, dialog, replaces, done })
}

/// Of an INVITE that took a place in a dialog that was up, and that no REFER asked for.
fn taken(ground: &Ground, dialogs: &Dialogs, (row, sip): (usize, &SipFacts), dialog: usize) -> Option<Asked> {
    let of = dialogs.get(dialog);
    let up = of.answered.is_some_and(|at| at <= ground.folds[row].first.time);
    if !up || answered(ground, row) != Some(true) {
        return None;
    }
    let (to, stays) = (shown(user(sip.from.as_ref())?), shown(user(sip.to.as_ref())?));
    let (one, other) = (of.user(true)?, of.user(false)?);
    let (by, whom) = if is_same(&stays, &one) { (other, one) } else { (one, other) };
    // Who goes on at another phone leaves nobody.
    let is_new = is_same(&stays, &whom) && !is_same(&to, &by) && !is_same(&to, &whom);
    let transfer = Transfer { by, whom, to, taken: true, leg: ground.of[row], row };
    is_new.then_some(Asked { transfer, dialog, replaces: Some(dialog), done: Some(true) })
}

/// Whether a request was accepted; none where its final answer is not logged.
fn answered(ground: &Ground, row: usize) -> Option<bool> {
    let status = ground.folds[ground.pairs.of[row]?].first.status(ground.scene.messages)?;
    (status >= 200).then_some(status < 300)
}

/// The dialog that the headers of a Refer-To ask to replace.
fn replaced(uri: &str) -> Option<DialogId> {
    let (_, headers) = uri.split_once('?')?;
    let mut named = headers.split('&').filter_map(|header| header.split_once('='));
    let value = named.find(|(name, _)| name.eq_ignore_ascii_case("Replaces"))?.1;
    DialogId::read(&percent_encoding::percent_decode_str(value).decode_utf8_lossy())
}
