//! REFERs within dialogs: who is asked to call whom, and whether that was in vain.

use super::Ground;
use super::dialog::{Dialog, Dialogs};
use super::winner::MOST;
use crate::sip::DialogId;
use record::time::Timestamp;

/// A REFER within a dialog, on one hop.
pub struct Refer {
    pub time: Timestamp,
    cseq: Option<u32>,
    is_refused: bool,
    /// The user who is asked to call.
    pub user: String,
    /// Whom: a user.
    pub target: String,
    /// The dialog that the new call is to replace.
    pub replaces: Option<usize>,
    pub call_id: String,
}

/// REFERs in a dialog that one side sent: the caller, or the other.
pub fn referred(ground: &Ground, dialogs: &Dialogs, dialog: &Dialog, by_caller: bool) -> Vec<Refer> {
    let Ground { scene, folds, pairs, .. } = ground;
    let refers = dialogs.refers.get(dialog.call_id.as_str());
    let refer = |row: &usize| {
        let fold = &folds[*row];
        let message = fold.first.message;
        let sip = scene.sip(message).filter(|_| !fold.first.is_response(scene.messages))?;
        if !dialog.is_said(sip, by_caller) {
            return None;
        }
        let refer_to = sip.refer_to.as_ref()?;
        let replaces = refer_to.uri.text.split_once('?').and_then(|(_, headers)| {
            let named = headers.split('&').filter_map(|header| header.split_once('='));
            let value = named.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("Replaces"))?.1;
            let decoded = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
            dialogs.named(&DialogId::read(&decoded)?)
        });
        let answer = pairs.of[*row].and_then(|answer| folds[answer].first.status(scene.messages));
        Some(Refer {
            time: fold.first.time,
            cseq: sip.cseq,
            is_refused: answer.is_some_and(|status| status >= 300),
            user: sip.to.as_ref().map(|to| to.uri.user.clone()).unwrap_or_default(),
            target: refer_to.uri.user.clone(),
            replaces,
            call_id: dialog.call_id.clone(),
        })
    };
    refers.into_iter().flatten().take(MOST).filter_map(refer).collect()
}

/// The caller asked the other side to call somebody else, and nothing says that this was in vain.
pub fn transfers(ground: &Ground, dialogs: &Dialogs, dialog: &Dialog) -> bool {
    let Ground { scene, folds, .. } = ground;
    let refers = referred(ground, dialogs, dialog, true);
    let Some(last) = refers.last() else { return false };
    let notified = dialogs.notified.get(dialog.call_id.as_str()).into_iter().flatten().take(MOST);
    let later = notified.map(|row| &folds[*row]).filter(|fold| fold.first.time >= last.time);
    let told = later.filter_map(|fold| scene.sip(fold.first.message)).filter(|sip| dialog.is_said(sip, false));
    let came_to = told.filter_map(|sip| sip.fragment).last();
    let is_refused = refers.iter().any(|refer| refer.cseq == last.cseq && refer.is_refused);
    !is_refused && came_to.is_none_or(|status| status < 300)
}
