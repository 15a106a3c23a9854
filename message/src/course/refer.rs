//! REFERs within dialogs: who is asked to call whom, and what came of it.

use std::collections::HashMap;

use super::Ground;
use super::dialog::Dialogs;
use super::winner::MOST;
use crate::facts::SipFacts;
use crate::number::ByNumber;
use crate::scene::from_tag;
use crate::sip::DialogId;
use record::time::Timestamp;

/// A REFER within a dialog, over all its hops.
pub struct Refer {
    /// Its first hop.
    pub row: usize,
    pub time: Timestamp,
    pub dialog: usize,
    /// Who called asks who was called, not the other way round.
    pub by_caller: bool,
    /// The user who is asked to call.
    pub asked: String,
    /// Whom: user and host.
    pub target: (String, String),
    /// The dialog that the new call is to replace.
    pub replaces: Option<usize>,
    /// Whether what it asked for was done, as a refusal or the last NOTIFY says; none: nothing says it.
    pub done: Option<bool>,
    /// Its sender asked for nothing more in this dialog.
    pub is_last: bool,
    /// A NOTIFY names it.
    is_named: bool,
    /// Whoever got it refused it.
    is_refused: bool,
}

impl Refer {
    /// As far as is logged; where nothing says it, who asked hung up afterwards, and had not asked for anything else.
    pub fn is_done(&self, dialogs: &Dialogs) -> bool {
        let ended = dialogs.get(self.dialog).ended.is_some_and(|bye| bye.row > self.row);
        self.done.unwrap_or(self.is_last && ended)
    }
}

/// Dialog, side, and the CSeq number, which is what a NOTIFY names (RFC 3515, 2.4.6).
type Key = (usize, bool, u32);

/// A NOTIFY to the side of a dialog that had sent a REFER.
struct Told {
    row: usize,
    dialog: usize,
    by_caller: bool,
    id: Option<u32>,
    status: Option<u16>,
}

pub struct Refers {
    /// As they were sent.
    pub all: Vec<Refer>,
    /// By dialog: those of each side.
    of: ByNumber<usize, [Vec<usize>; 2]>,
}

impl Refers {
    /// `of_row`: by row its dialog.
    pub fn of(ground: &Ground, dialogs: &Dialogs, of_row: &[Option<usize>]) -> Self {
        let Ground { scene, folds, .. } = ground;
        let mut refers = Self { all: Vec::new(), of: ByNumber::default() };
        let mut by_key: HashMap<Key, usize> = HashMap::new();
        let mut told: Vec<Told> = Vec::new();
        for (row, fold) in folds.iter().enumerate().filter(|(_, fold)| !fold.first.is_response(scene.messages)) {
            let message = fold.first.message;
            let Some((sip, dialog)) = scene.sip(message).zip(of_row[row]) else { continue };
            let by_caller = from_tag(sip) == Some(dialogs.get(dialog).tags.0.as_str());
            match scene.messages[message].facts.method.as_str() {
                "REFER" => {
                    let key = (dialog, by_caller, sip.cseq.unwrap_or_default());
                    let known = by_key.get(&key).copied();
                    let Some(refer) = known.or_else(|| refers.take(ground, dialogs, (row, sip), (dialog, by_caller)))
                    else {
                        continue;
                    };
                    by_key.insert(key, refer);
                    if is_refused(ground, row) {
                        (refers.all[refer].done, refers.all[refer].is_refused) = (Some(false), true);
                    }
                }
                "NOTIFY" => {
                    let (id, status) = (sip.event_id, sip.fragment.filter(|status| *status >= 200));
                    told.push(Told { row, dialog, by_caller: !by_caller, id, status });
                }
                _ => {}
            }
        }
        let named = |told: &Told| by_key.get(&(told.dialog, told.by_caller, told.id?)).copied();
        for refer in told.iter().filter_map(named) {
            refers.all[refer].is_named = true;
        }
        for told in &told {
            let refer = if told.id.is_some() { named(told) } else { refers.meant(told) };
            if let Some((refer, status)) = refer.zip(told.status) {
                refers.all[refer].done = Some(status < 300);
            }
        }
        refers
    }

    fn take(
        &mut self,
        ground: &Ground,
        dialogs: &Dialogs,
        (row, sip): (usize, &SipFacts),
        (dialog, by_caller): (usize, bool),
    ) -> Option<usize> {
        let uri = &sip.refer_to.as_ref()?.uri;
        let own = &mut self.of.entry(dialog).or_default()[usize::from(by_caller)];
        if let Some(before) = own.last() {
            self.all[*before].is_last = false;
        }
        own.push(self.all.len());
        self.all.push(Refer {
            row,
            time: ground.folds[row].first.time,
            dialog,
            by_caller,
            asked: sip.to.as_ref().map(|to| to.uri.user.clone()).unwrap_or_default(),
            target: (uri.user.clone(), uri.host.clone()),
            replaces: replaced(&uri.text).and_then(|id| dialogs.named(&id)),
            done: None,
            is_refused: false,
            is_last: true,
            is_named: false,
        });
        Some(self.all.len() - 1)
    }

    /// The one that a NOTIFY without an id is about: the last before it that no other names, and that was not refused.
    fn meant(&self, told: &Told) -> Option<usize> {
        let own = &self.of.get(&told.dialog)?[usize::from(told.by_caller)];
        let before = own.iter().rev().take(MOST).filter(|refer| self.all[**refer].row < told.row);
        before.copied().find(|refer| !self.all[*refer].is_named && !self.all[*refer].is_refused)
    }

    /// Those in a dialog that one side sent: the caller, or the other.
    pub fn by(&self, dialog: usize, caller: bool) -> impl Iterator<Item = &Refer> {
        let own = self.of.get(&dialog).map_or(&[][..], |sides| &sides[usize::from(caller)]);
        own.iter().take(MOST).map(|refer| &self.all[*refer])
    }
}

fn is_refused(ground: &Ground, row: usize) -> bool {
    let answer = ground.pairs.of[row].map(|answer| ground.folds[answer].first);
    answer.is_some_and(|answer| answer.status(ground.scene.messages).is_some_and(|status| status >= 300))
}

/// The dialog that the headers of a Refer-To ask to replace.
fn replaced(uri: &str) -> Option<DialogId> {
    let (_, headers) = uri.split_once('?')?;
    let mut named = headers.split('&').filter_map(|header| header.split_once('='));
    let value = named.find(|(name, _)| name.eq_ignore_ascii_case("Replaces"))?.1;
    DialogId::read(&percent_encoding::percent_decode_str(value).decode_utf8_lossy())
}
