//! How long a caller was connected, and how that ended: over all dialogs that served the caller, one after another.

use super::dialog::{By, Dialogs};
use super::known::Known;
use super::refer::{Refer, Refers};
use super::winner::MOST;
use super::{Caller, Ground};
use crate::facts::SipFacts;
use crate::number::NumberSet;
use crate::scene::from_tag;
use crate::user::is_same;
use record::time::{SECOND, Timestamp};

/// A session that names no time to live is over after this.
const LONGEST: i64 = 12 * 3600 * SECOND;

/// How the connection of a caller ended.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum End {
    Bye {
        time: Timestamp,
        by: By,
        row: usize,
    },
    /// The caller handed the other side over and left.
    Transferred {
        time: Timestamp,
        by: By,
        row: usize,
    },
    /// No BYE is logged. It may be going on until this time; beyond it a BYE is missing.
    Open {
        until: Timestamp,
    },
}

/// From the caller's 2xx to the end of the last dialog that served the caller.
pub fn measure(ground: &Ground, known: &Known, (dialogs, refers): (&Dialogs, &Refers), caller: &mut Caller) {
    let Some(got) = caller.result().filter(|got| got.status < 300) else { return };
    let (answered, row) = (got.time, got.row);
    let call = ground.branching.legs[caller.leg].call;
    let of_winner = caller.winner.as_ref().and_then(|winner| winner.dialog);
    let of_row = dialogs.of_fold(ground.scene, ground.tree.call[ground.folds[row].first.message], &ground.folds[row]);
    let Some(mut dialog) = of_winner.or(of_row) else {
        caller.connected = Some((answered, going_on(None, answered)));
        return;
    };
    let mut seen = NumberSet::default();
    while seen.insert(dialog) {
        match successor(ground, known, (dialogs, refers), dialog, call) {
            Some(next) => dialog = next,
            None => break,
        }
    }
    let last = dialogs.get(dialog);
    let end = match last.ended {
        Some(bye)
            if refers.by(dialog, true).any(|refer| refer.is_done(dialogs))
                || taken_over(ground, known, dialogs, dialog) =>
        {
            End::Transferred { time: bye.time, by: dialogs.sender(dialog, bye), row: bye.row }
        }
        Some(bye) => End::Bye { time: bye.time, by: dialogs.sender(dialog, bye), row: bye.row },
        None => going_on(last.session, last.last.max(answered)),
    };
    caller.connected = Some((answered, end));
}

fn going_on(session: Option<u32>, since: Timestamp) -> End {
    let longest = session.map_or(LONGEST, |seconds| i64::from(seconds) * SECOND);
    End::Open { until: Timestamp(since.0.saturating_add(longest)) }
}

/// The dialog that took the place of one: by an INVITE that replaces it, or by one that its REFER asked for.
fn successor(
    ground: &Ground,
    known: &Known,
    (dialogs, refers): (&Dialogs, &Refers),
    dialog: usize,
    call: usize,
) -> Option<usize> {
    let Ground { scene, folds, tree, .. } = ground;
    let old = dialogs.get(dialog);
    let refers: Vec<&Refer> = refers.by(dialog, false).collect();
    // Without a REFER only what says so can take its place.
    let candidates = match refers.first() {
        Some(refer) => {
            let from = known.all_roots.partition_point(|root| ground.heard.since(tree, *root) < Some(refer.time));
            &known.all_roots[from..]
        }
        None => &known.replacing,
    };
    for &root in candidates.iter().chain(&known.replacing).take(MOST) {
        let attempt = &tree.attempts[root];
        let Some(opening) = tree.opening(root).map(|fold| &folds[fold].first) else { continue };
        let Some(sip) = scene.sip(opening.message) else { continue };
        let replaced = sip.replaces.as_ref().and_then(|id| dialogs.named(id));
        let takes_over = replaced == Some(dialog) && concerns(sip, &old.users.0);
        let before = |refer: &&&Refer| {
            let of_referred = sip.from.as_ref().is_some_and(|from| is_same(&from.uri.user, &refer.asked));
            opening.time >= refer.time && of_referred && attempt.call != call
        };
        let meant =
            |refer: &&&Refer| replaced.is_some_and(|r| Some(r) == refer.replaces) || asks_for(sip, &refer.target.0);
        let named = sip.named.contains(&old.call_id) || sip.referred_cid.as_ref() == Some(&old.call_id);
        let mut meant = refers.iter().filter(before).filter(meant).peekable();
        // What comes after a REFER that was in vain was not asked for.
        let asked = match meant.peek() {
            Some(_) => meant.any(|refer| refer.done != Some(false)),
            None => named && refers.iter().filter(before).any(|refer| refer.done != Some(false)),
        };
        if !takes_over && !asked {
            continue;
        }
        if let Some(new) = dialogs.begun((attempt.call, from_tag(sip).unwrap_or_default()), dialog) {
            return Some(new);
        }
    }
    None
}

/// An INVITE of this user or to them.
fn concerns(sip: &SipFacts, of: &str) -> bool {
    [&sip.from, &sip.to].into_iter().any(|name| is_same(name.as_ref().map_or("", |name| &name.uri.user), of))
}

/// Somebody took the caller's place in it.
fn taken_over(ground: &Ground, known: &Known, dialogs: &Dialogs, dialog: usize) -> bool {
    let old = dialogs.get(dialog);
    let replacing = known.replacing.iter().take(MOST).filter_map(|root| ground.tree.opening(*root));
    let mut opening = replacing.filter_map(|fold| ground.scene.sip(ground.folds[fold].first.message));
    opening.any(|sip| {
        let named = sip.replaces.as_ref().and_then(|id| dialogs.named(id));
        named == Some(dialog) && !concerns(sip, &old.users.0)
    })
}

fn asks_for(sip: &SipFacts, target: &str) -> bool {
    !target.is_empty() && sip.request_uri.as_ref().is_some_and(|uri| is_same(&uri.user, target))
}
