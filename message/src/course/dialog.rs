//! Dialogs: a Call-ID with an unordered pair of tags. How long one was up, who ended it, and what took its place.

use std::collections::HashMap;

use super::known::Known;
use super::winner::MOST;
use super::{Caller, Ground};
use crate::facts::SipFacts;
use crate::fold::Fold;
use crate::legs::Leg;
use crate::node::{NodeKind, shown};
use crate::number::{ByNumber, NumberSet};
use crate::scene::{Scene, Verb, from_tag, to_tag};
use crate::sip::{DialogId, NameAddr};
use crate::user::is_same;
use record::time::{SECOND, Timestamp};

/// A BYE that follows one in another dialog so soon, from whoever got that one, was passed on.
const PASSED_ON: i64 = 2 * SECOND;
/// A session that names no time to live is over after this.
const LONGEST: i64 = 12 * 3600 * SECOND;

#[derive(Clone, PartialEq, Debug)]
pub struct Dialog {
    /// Its leg, as its To-tag says.
    pub leg: Option<usize>,
    pub call_id: String,
    /// Tags of who called and of who was called.
    pub tags: (String, String),
    pub(crate) users: (String, String),
    /// The first 2xx to INVITE that is logged of it.
    pub answered: Option<Timestamp>,
    pub ended: Option<Bye>,
    /// Its last message: a refresh keeps it alive (RFC 4028).
    pub(crate) last: Timestamp,
    /// How many seconds it lives without one, as its last 2xx to INVITE or UPDATE says; none: that names no time.
    pub(crate) session: Option<u32>,
}

impl Dialog {
    /// A request in it that its caller sent, or the other side.
    fn is_said(&self, sip: &SipFacts, by_caller: bool) -> bool {
        let way = if by_caller { (&self.tags.0, &self.tags.1) } else { (&self.tags.1, &self.tags.0) };
        (from_tag(sip), to_tag(sip)) == (Some(way.0.as_str()), Some(way.1.as_str()))
    }

    /// Who called, or who was called, as From and To name them.
    pub fn user(&self, caller: bool) -> Option<String> {
        let user = if caller { &self.users.0 } else { &self.users.1 };
        Some(shown(user)).filter(|user| !user.is_empty())
    }
}

/// The first BYE of a dialog.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bye {
    pub time: Timestamp,
    pub row: usize,
    pub by: By,
}

/// Who hung up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    Node(usize),
    /// Somebody on this side of a dialog, of whom no hop is logged: what is logged of the BYE was passed on by a proxy.
    Side {
        dialog: usize,
        caller: bool,
    },
}

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

type Key<'a> = (usize, &'a str, &'a str);

pub struct Dialogs<'a> {
    all: Vec<Dialog>,
    of: HashMap<Key<'a>, usize>,
    /// By call and the tag of who called.
    of_caller: HashMap<(usize, &'a str), Vec<usize>>,
    of_call_id: HashMap<&'a str, Vec<usize>>,
    /// By the node, other than a device, that received it on any hop: when a BYE came, and its dialog.
    byes: ByNumber<usize, Vec<(Timestamp, usize)>>,
    /// Those whose first BYE that is logged came through a proxy.
    by_proxy: NumberSet<usize>,
    /// By Call-ID: rows of REFERs, and of NOTIFYs that say how one goes on.
    refers: HashMap<&'a str, Vec<usize>>,
    notified: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Dialogs<'a> {
    pub fn of(ground: &Ground<'_, 'a>, known: &Known, legs: &[Leg]) -> Self {
        let Ground { scene, folds, tree, .. } = ground;
        let mut dialogs = Self {
            all: Vec::new(),
            of: HashMap::new(),
            of_caller: HashMap::new(),
            of_call_id: HashMap::new(),
            byes: ByNumber::default(),
            by_proxy: NumberSet::default(),
            refers: HashMap::new(),
            notified: HashMap::new(),
        };
        // By dialog: what its last 2xx answers.
        let mut refreshed: ByNumber<usize, (&str, Option<u32>)> = ByNumber::default();
        for (index, fold) in folds.iter().enumerate() {
            let message = fold.first.message;
            let Some(sip) = scene.sip(message) else { continue };
            let (Some(from), Some(to)) = (from_tag(sip), to_tag(sip)) else { continue };
            let call = tree.call[message];
            let facts = &scene.messages[message].facts;
            let call_id = facts.call_id.as_deref().unwrap_or_default();
            if facts.method == "REFER" && !facts.response {
                dialogs.refers.entry(call_id).or_default().push(index);
            }
            if facts.method == "NOTIFY" && sip.fragment.is_some() {
                dialogs.notified.entry(call_id).or_default().push(index);
            }
            let answers = matches!(scene.invite_status(fold.first), Some(200..=299));
            let opens = matches!(scene.invite_status(fold.first), Some(101..=198 | 200..=299));
            let number = match dialogs.find(call, from, to) {
                Some(dialog) => dialog,
                // A refusal makes no dialog, and its ACK neither.
                None if opens || scene.verb[message] == Verb::Bye => {
                    dialogs.all.push(Dialog {
                        leg: ground.tags.find(call, Some(to)).or_else(|| ground.tags.find(call, Some(from))),
                        call_id: call_id.to_owned(),
                        tags: (from.to_owned(), to.to_owned()),
                        users: (user(sip.from.as_ref()), user(sip.to.as_ref())),
                        answered: None,
                        ended: None,
                        last: fold.first.time,
                        session: None,
                    });
                    let new = dialogs.all.len() - 1;
                    dialogs.of.insert((call, from, to), new);
                    dialogs.of_caller.entry((call, from)).or_default().push(new);
                    dialogs.of_call_id.entry(call_id).or_default().push(new);
                    new
                }
                None => continue,
            };
            let dialog = &mut dialogs.all[number];
            dialog.last = dialog.last.max(fold.first.time);
            if answers {
                dialog.answered.get_or_insert(fold.first.time);
            }
            if agrees(fold.first.status(scene.messages), scene.method(message)) {
                let request = (from, sip.cseq);
                // A proxy may keep the time for a phone that knows of none: one hop of an answer that names it is enough.
                let same = refreshed.insert(number, request) == Some(request);
                dialog.session = sip.session_expires.or(dialog.session.filter(|_| same));
            }
            if scene.verb[message] == Verb::Bye && !fold.first.is_response(scene.messages) {
                let (by, to) = scene.ends(fold.first);
                let (by, to) = (ground.columns.of[by], ground.columns.of[to]);
                if dialog.ended.is_none() {
                    let by = if sip.vias.len() > 1 {
                        dialogs.by_proxy.insert(number);
                        let side = By::Side { dialog: number, caller: dialog.tags.0 == from };
                        device(ground, known, legs, (call, from)).map_or(side, By::Node)
                    } else {
                        By::Node(by)
                    };
                    dialog.ended = Some(Bye { time: fold.first.time, row: index, by });
                }
                // A phone that is hung up, and hangs up another, passes nothing on.
                if ground.columns.nodes[to].kind != NodeKind::Device {
                    dialogs.byes.entry(to).or_default().push((fold.first.time, number));
                }
            }
        }
        dialogs
    }

    pub fn find(&self, call: usize, one: &str, other: &str) -> Option<usize> {
        self.of.get(&(call, one, other)).or_else(|| self.of.get(&(call, other, one))).copied()
    }

    /// The dialog of a 2xx or of another response.
    pub fn of_fold(&self, scene: &Scene, call: usize, fold: &Fold) -> Option<usize> {
        let sip = scene.sip(fold.first.message)?;
        self.find(call, from_tag(sip)?, to_tag(sip)?)
    }

    /// By row.
    pub fn of_rows(&self, ground: &Ground) -> Vec<Option<usize>> {
        let of_row = |fold: &Fold| self.of_fold(ground.scene, ground.tree.call[fold.first.message], fold);
        ground.folds.iter().map(of_row).collect()
    }

    pub fn get(&self, dialog: usize) -> &Dialog {
        &self.all[dialog]
    }

    /// Whether it was hung up within a time after its answer.
    pub fn hung_up_within(&self, dialog: usize, span: i64) -> bool {
        let dialog = &self.all[dialog];
        let ended = dialog.ended.zip(dialog.answered);
        ended.is_some_and(|(ended, answered)| ended.time.micros_since(answered) <= span)
    }

    /// The dialog that a Replaces names; one of its tags may be missing.
    pub fn named(&self, id: &DialogId) -> Option<usize> {
        let all = self.of_call_id.get(id.call_id.as_str())?;
        all.iter().copied().take(MOST).find(|dialog| {
            let dialog = &self.all[*dialog];
            let (from, to) = (dialog.tags.0.as_str(), dialog.tags.1.as_str());
            let fits = |one: &str, other: &str| {
                (id.to_tag.is_empty() || id.to_tag == one) && (id.from_tag.is_empty() || id.from_tag == other)
            };
            fits(from, to) || fits(to, from)
        })
    }

    /// Who sent the BYE of a dialog, or that of another dialog which it passes on.
    pub fn sender(&self, mut dialog: usize, mut bye: Bye) -> By {
        let mut seen = NumberSet::default();
        while seen.insert(dialog) && !self.by_proxy.contains(&dialog) {
            let By::Node(by) = bye.by else { break };
            let received = self.byes.get(&by).map_or(&[][..], Vec::as_slice);
            let from = received.partition_point(|(came, _)| bye.time.micros_since(*came) > PASSED_ON);
            let mut earlier = received[from..].iter().take_while(|(came, _)| *came <= bye.time).take(MOST);
            let passed_on = earlier.find(|(_, other)| !seen.contains(other));
            let Some((other, ended)) = passed_on.and_then(|(_, other)| Some((*other, self.all[*other].ended?))) else {
                break;
            };
            (dialog, bye) = (other, ended);
        }
        bye.by
    }

    pub fn told(self) -> Vec<Dialog> {
        self.all
    }
}

/// From the caller's 2xx to the end of the last dialog that served the caller.
pub fn measure(ground: &Ground, known: &Known, dialogs: &Dialogs, caller: &mut Caller) {
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
        match successor(ground, known, dialogs, dialog, call) {
            Some(next) => dialog = next,
            None => break,
        }
    }
    let last = dialogs.get(dialog);
    let end = match last.ended {
        Some(bye) if transfers(ground, dialogs, last) || taken_over(ground, known, dialogs, dialog) => {
            End::Transferred { time: bye.time, by: dialogs.sender(dialog, bye), row: bye.row }
        }
        Some(bye) => End::Bye { time: bye.time, by: dialogs.sender(dialog, bye), row: bye.row },
        None => going_on(last.session, last.last.max(answered)),
    };
    caller.connected = Some((answered, end));
}

/// A 2xx that says how long a session lives (RFC 4028, 7 to 9).
fn agrees(status: Option<u16>, method: &str) -> bool {
    matches!(status, Some(200..=299)) && matches!(method, "INVITE" | "UPDATE")
}

fn going_on(session: Option<u32>, since: Timestamp) -> End {
    let longest = session.map_or(LONGEST, |seconds| i64::from(seconds) * SECOND);
    End::Open { until: Timestamp(since.0.saturating_add(longest)) }
}

/// The dialog that took the place of one: by an INVITE that replaces it, or by one that its REFER asked for.
fn successor(ground: &Ground, known: &Known, dialogs: &Dialogs, dialog: usize, call: usize) -> Option<usize> {
    let Ground { scene, folds, tree, .. } = ground;
    let old = dialogs.get(dialog);
    let refers = referred(ground, dialogs, old, false);
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
        let asked = refers.iter().any(|refer| {
            let after = opening.time >= refer.time;
            let of_referred = sip.from.as_ref().is_some_and(|from| is_same(&from.uri.user, &refer.user));
            after
                && of_referred
                && attempt.call != call
                && (replaced.is_some_and(|r| Some(r) == refer.replaces)
                    || sip.named.contains(&refer.call_id)
                    || asks_for(sip, &refer.target))
        });
        if !takes_over && !asked {
            continue;
        }
        let begun = dialogs.of_caller.get(&(attempt.call, from_tag(sip).unwrap_or_default()));
        let new = begun.into_iter().flatten().find(|new| **new != dialog && dialogs.all[**new].answered.is_some());
        if let Some(new) = new {
            return Some(*new);
        }
    }
    None
}

/// The device of the side of a dialog that has this tag, where some other message shows it.
fn device(ground: &Ground, known: &Known, legs: &[Leg], (call, tag): (usize, &str)) -> Option<usize> {
    let Ground { scene, folds, tree, columns, .. } = ground;
    let node = match ground.tags.find(call, Some(tag)) {
        Some(leg) => legs[leg].node,
        None => known.roots.get(&call).into_iter().flatten().take(MOST).find_map(|root| {
            let attempt = &tree.attempts[*root];
            let sip = scene.sip(folds[attempt.fold?].first.message)?;
            let own = from_tag(sip) == Some(tag) && sip.vias.len() == 1;
            attempt.ends.filter(|_| own).map(|(from, _)| columns.of[from])
        }),
    };
    node.filter(|node| columns.nodes[*node].kind == NodeKind::Device)
}

fn user(address: Option<&NameAddr>) -> String {
    address.map(|address| address.uri.user.clone()).unwrap_or_default()
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

/// A REFER within a dialog, on one hop.
struct Refer {
    time: Timestamp,
    cseq: Option<u32>,
    is_refused: bool,
    /// The user who is asked to call.
    user: String,
    /// Whom: a user.
    target: String,
    /// The dialog that the new call is to replace.
    replaces: Option<usize>,
    call_id: String,
}

/// REFERs in a dialog that one side sent: the caller, or the other.
fn referred(ground: &Ground, dialogs: &Dialogs, dialog: &Dialog, by_caller: bool) -> Vec<Refer> {
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
fn transfers(ground: &Ground, dialogs: &Dialogs, dialog: &Dialog) -> bool {
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
