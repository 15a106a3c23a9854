//! Dialogs: a Call-ID with an unordered pair of tags. When one was answered, when it ended and by whom.

use std::collections::HashMap;

use super::Ground;
use super::known::Known;
use super::winner::MOST;
use crate::fold::Fold;
use crate::legs::Leg;
use crate::node::{NodeKind, shown};
use crate::number::{ByNumber, NumberSet};
use crate::scene::{Scene, Verb, from_tag, to_tag};
use crate::sip::{DialogId, NameAddr};
use record::time::{SECOND, Timestamp};

/// A BYE that follows one in another dialog so soon, from whoever got that one, was passed on.
const PASSED_ON: i64 = 2 * SECOND;

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

    /// An answered dialog that was begun in a call with this From-tag, other than one.
    pub fn begun(&self, of: (usize, &str), other: usize) -> Option<usize> {
        let mut begun = self.of_caller.get(&of).into_iter().flatten().copied();
        begun.find(|new| *new != other && self.all[*new].answered.is_some())
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

/// A 2xx that says how long a session lives (RFC 4028, 7 to 9).
fn agrees(status: Option<u16>, method: &str) -> bool {
    matches!(status, Some(200..=299)) && matches!(method, "INVITE" | "UPDATE")
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
