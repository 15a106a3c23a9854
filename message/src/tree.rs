//! Which INVITE came from which: the tree that the Via stacks tell.

use std::collections::{HashMap, HashSet};

use crate::fold::Fold;
use crate::number::{ByNumber, NumberSet, Numbers, Sets};
use crate::scene::base::Bases;
use crate::scene::related::Related;
use crate::scene::{Scene, Verb, from_tag, to_tag};
use crate::sip::Uri;
use record::id::CallKey;
use record::time::Timestamp;

/// One INVITE transaction on one hop that opens a dialog.
#[derive(Debug)]
pub struct Attempt<'a> {
    pub call: usize,
    /// The attempt that was passed on as this one.
    pub parent: Option<usize>,
    pub children: Vec<usize>,
    /// Its first request; none where only the Via of another message, or a response, tells of it.
    pub fold: Option<usize>,
    /// Address indices of its hop, where a message shows them.
    pub ends: Option<(usize, usize)>,
    pub uri: Option<&'a Uri>,
    pub begun: Option<Timestamp>,
}

#[derive(Default, Debug)]
pub struct Tree<'a> {
    /// In display order of what first tells of them.
    pub attempts: Vec<Attempt<'a>>,
    /// By transaction.
    pub of: ByNumber<usize, usize>,
    /// By message: its call, counted in display order.
    pub call: Vec<usize>,
}

/// INVITEs that came in at each machine, for those that it sends on under another Call-ID.
#[derive(Default)]
struct Arrived<'a> {
    at: ByNumber<usize, Vec<usize>>,
    /// Refused, or hung up.
    over: NumberSet<usize>,
    /// By call: those of which no 2xx was seen when they came.
    unanswered: ByNumber<usize, Vec<usize>>,
    /// By call and To-tag of a 2xx: the INVITEs that it answers, hop by hop.
    dialogs: HashMap<(usize, &'a str), Vec<usize>>,
    /// By INVITE: how many dialogs of it are up.
    up: ByNumber<usize, usize>,
    hung_up: HashSet<(usize, &'a str)>,
}

/// How many INVITEs that came in at one machine are looked back upon.
const BACK: usize = 64;

impl<'a> Arrived<'a> {
    /// The latest that may have been passed on as this: of the same call, else of a related one that is open or up.
    fn at(&self, base: usize, tree: &Tree, related: &Related, of: (usize, usize)) -> Option<usize> {
        let all = self.at.get(&base)?;
        let latest = || all.iter().rev().take(BACK).copied();
        let same = latest().find(|attempt| tree.attempts[*attempt].call == of.1);
        same.or_else(|| {
            latest().find(|attempt| !self.over.contains(attempt) && related.by_cause(of, tree.attempts[*attempt].call))
        })
    }

    fn ends(&mut self, attempt: usize, call: usize, status: u16, tag: Option<&'a str>) {
        if status >= 300 {
            self.over.insert(attempt);
            return;
        }
        let dialog = self.dialogs.entry((call, tag.unwrap_or_default())).or_default();
        if !dialog.contains(&attempt) {
            dialog.push(attempt);
            *self.up.entry(attempt).or_default() += 1;
        }
    }

    /// A BYE ends its own dialog. One whose 2xx is not logged may be of any INVITE that came before and has none.
    fn hangs_up(&mut self, call: usize, tags: [Option<&'a str>; 2]) {
        let named = tags.into_iter().flatten().map(|tag| (call, tag)).find(|dialog| self.dialogs.contains_key(dialog));
        let Some(dialog) = named else {
            let all = self.unanswered.remove(&call).unwrap_or_default();
            self.over.extend(all.into_iter().filter(|attempt| !self.up.contains_key(attempt)));
            return;
        };
        if !self.hung_up.insert(dialog) {
            return;
        }
        for attempt in &self.dialogs[&dialog] {
            let up = self.up.entry(*attempt).or_default();
            *up = up.saturating_sub(1);
            if *up == 0 {
                self.over.insert(*attempt);
            }
        }
    }
}

impl<'a> Tree<'a> {
    pub fn of(scene: &Scene<'a>, folds: &[Fold], bases: &Bases) -> Self {
        let mut calls: Numbers<CallKey> = Numbers::default();
        for fold in folds {
            calls.of(scene.messages[fold.first.message].call);
        }
        let call: Vec<_> = scene.messages.iter().map(|message| calls.of(message.call)).collect();
        let mut tree = Self { attempts: Vec::new(), of: ByNumber::default(), call };
        let mut forest = Sets::default();
        let mut inside = NumberSet::default();
        let mut numbers = HashSet::new();
        let mut opened = NumberSet::default();
        // By call and From-tag: the least number of an INVITE that opens it.
        let mut least: HashMap<(usize, Option<&str>), Option<u32>> = HashMap::new();
        let related = Related::of(scene, &tree.call);
        let mut arrived = Arrived::default();
        for (index, fold) in folds.iter().enumerate() {
            let message = fold.first.message;
            let (verb, response) = (scene.verb[message], fold.first.is_response(scene.messages));
            if verb == Verb::Bye && !response {
                let tags = scene.sip(message).map_or([None; 2], |sip| [to_tag(sip), from_tag(sip)]);
                arrived.hangs_up(tree.call[message], tags);
            }
            let end = scene.invite_status(fold.first).filter(|status| *status >= 200);
            if let Some((status, attempt)) = end.zip(tree.of.get(&scene.transaction[message])) {
                arrived.ends(*attempt, tree.call[message], status, scene.sip(message).and_then(to_tag));
            }
            if verb != Verb::Invite || response {
                continue;
            }
            let Some(sip) = scene.sip(message) else { continue };
            if !scene.opens(fold.first) {
                inside.insert(scene.transaction[message]);
                continue;
            }
            numbers.insert((tree.call[message], sip.cseq));
            opened.insert(tree.call[message]);
            let first = least.entry((tree.call[message], from_tag(sip))).or_insert(sip.cseq);
            *first = sip.cseq.min(*first);
            let attempt = tree.attempt(message, scene.transaction[message]);
            if tree.attempts[attempt].fold.is_some() {
                continue;
            }
            let ends = scene.ends(fold.first);
            let told = &mut tree.attempts[attempt];
            (told.fold, told.ends, told.begun) = (Some(index), Some(ends), Some(fold.first.time));
            told.uri = sip.request_uri.as_ref();
            let parent = match scene.below[message] {
                Some(below) => Some(tree.attempt(message, below)),
                // A back-to-back agent hides the Vias; it keeps the Call-ID, or names it.
                None => arrived.at(bases.of[ends.0], &tree, &related, (message, tree.call[message])),
            };
            tree.link(&mut forest, attempt, parent);
            arrived.at.entry(bases.of[ends.1]).or_default().push(attempt);
            arrived.unanswered.entry(tree.call[message]).or_default().push(attempt);
        }
        for fold in folds {
            let message = fold.first.message;
            let (call, transaction) = (tree.call[message], scene.transaction[message]);
            let Some(sip) = scene.sip(message).filter(|_| scene.invite_status(fold.first).is_some()) else { continue };
            let before = least.get(&(call, from_tag(sip))).is_some_and(|first| sip.cseq < *first);
            // What answers a request within a dialog has a To-tag from the first.
            let outside = before || to_tag(sip).is_none() || tree.of.contains_key(&transaction);
            let opening = numbers.contains(&(call, sip.cseq)) || !opened.contains(&call) || outside;
            if inside.contains(&transaction) || !opening {
                continue;
            }
            let attempt = tree.attempt(message, transaction);
            if tree.attempts[attempt].ends.is_none() {
                let (from, to) = scene.ends(fold.first);
                tree.attempts[attempt].ends = Some((to, from));
                let parent = scene.below[message].map(|below| tree.attempt(message, below));
                tree.link(&mut forest, attempt, parent);
            }
        }
        tree
    }

    /// An attempt and what it was passed on as, hop by hop; of a fork the first branch.
    pub fn way(&self, attempt: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(attempt), |at| self.attempts[*at].children.first().copied())
    }

    /// Its first INVITE that is logged, on whichever hop.
    pub fn opening(&self, attempt: usize) -> Option<usize> {
        self.way(attempt).find_map(|at| self.attempts[at].fold)
    }

    fn attempt(&mut self, message: usize, transaction: usize) -> usize {
        let call = self.call[message];
        let next = self.attempts.len();
        let index = *self.of.entry(transaction).or_insert(next);
        if index == next {
            self.attempts.push(Attempt {
                call,
                parent: None,
                children: Vec::new(),
                fold: None,
                ends: None,
                uri: None,
                begun: None,
            });
        }
        index
    }

    /// Vias of a stranger may name each other in a circle: a link that would close one is left out.
    fn link(&mut self, forest: &mut Sets, child: usize, parent: Option<usize>) {
        let Some(parent) = parent.filter(|_| self.attempts[child].parent.is_none()) else { return };
        if forest.join(child, parent) {
            self.attempts[child].parent = Some(parent);
            self.attempts[parent].children.push(child);
        }
    }
}
