//! Lines between rows: forks, silence, a new day, a re-INVITE.

use std::collections::{HashMap, HashSet};

use message::flow::{Flow, Fork, NodeKind};
use message::kind::Kind;
use message::logged::Message;
use record::time::{SECOND, Timestamp};

use super::columns::{Columns, colour};
use super::drawing::per_lane;
use super::entry::{Entry, Seen, displayed, is_answer};
use super::talk::{self, Hold};
use super::view::{RowId, View};
use super::words::duration;
use crate::words::counted;

const SILENCE: i64 = 5 * SECOND;
/// How long a back-to-back agent may take to pass a request on.
const PASSED_ON: i64 = 2 * SECOND;
/// Letters that the word and the space around it take.
const FORK: usize = 8;

#[derive(Clone, PartialEq, Debug)]
pub struct Note {
    /// The row it stands before.
    pub before: RowId,
    pub says: Says,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Says {
    /// A node sends one INVITE to several targets: as wide as its lanes, or as its words.
    Fork { from: usize, to: usize, tines: Vec<Tine> },
    /// `10.8 s without messages`
    Silence(String),
    /// `2026-09-15`
    Day(String),
    /// `re-INVITE from bob-web`, `bob-web puts the call on hold`
    Reinvite(String),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tine {
    pub tag: String,
    pub colour: usize,
    pub name: String,
    pub by_push: bool,
    pub then: bool,
}

impl Says {
    /// Without markup: `Fork B1 bob-ios by push, then B2 bob-web`.
    pub fn text(&self) -> String {
        match self {
            Says::Fork { tines, .. } => {
                let tine = |tine: &Tine| {
                    let then = if tine.then { "then " } else { "" };
                    let push = if tine.by_push { " by push" } else { "" };
                    format!("{then}{} {}{push}", tine.tag, tine.name)
                };
                format!("Fork {}", tines.iter().map(tine).collect::<Vec<_>>().join(", "))
            }
            Says::Silence(text) | Says::Day(text) | Says::Reinvite(text) => text.clone(),
        }
    }
}

impl Says {
    /// It is about the time that has passed, rather than about the row that follows.
    pub fn is_of_time(&self) -> bool {
        matches!(self, Says::Silence(_) | Says::Day(_))
    }
}

impl Tine {
    /// With its tag, and the space around them.
    fn letters(&self) -> usize {
        let words = usize::from(self.by_push) * 8 + usize::from(self.then) * 5;
        self.tag.chars().count() + self.name.chars().count() + words + 6
    }
}

impl Note {
    /// The id of its element.
    pub fn id(&self) -> String {
        let word = match self.says {
            Says::Fork { .. } => "fork",
            Says::Silence(_) => "gap",
            Says::Day(_) => "day",
            Says::Reinvite(_) => "re",
        };
        format!("{word}-{}", self.before)
    }
}

/// Walks down the rows in view and says what stands before each.
#[derive(Debug)]
pub struct Notes<'a> {
    flow: &'a Flow,
    messages: &'a [Message],
    columns: &'a Columns,
    view: &'a View,
    /// By row: what it holds or resumes.
    holds: &'a HashMap<usize, Hold>,
    /// What was told of last, and when: a back-to-back agent passes it on as its own.
    held: Option<(Hold, Timestamp)>,
    /// By the row they stand before, next one last.
    forks: Vec<&'a Fork>,
    /// Legs with a row in view.
    legs: HashSet<usize>,
    /// Times of retransmissions, in order.
    repeats: Vec<Timestamp>,
    /// INVITEs within a dialog that were told: Call-ID, tag of the sender, CSeq.
    told: HashSet<(&'a str, &'a str, Option<u32>)>,
}

impl<'a> Notes<'a> {
    pub fn new(
        (flow, messages): (&'a Flow, &'a [Message]),
        columns: &'a Columns,
        view: &'a View,
        holds: &'a HashMap<usize, Hold>,
        shown: &[Entry],
    ) -> Self {
        let mut forks: Vec<&Fork> = flow.forks.iter().collect();
        forks.sort_by_key(|fork| std::cmp::Reverse(fork.before));
        let legs = shown.iter().map(|entry| flow.rows[entry.row].leg).collect();
        let mut repeats: Vec<Timestamp> =
            flow.rows.iter().flat_map(|row| &row.repeats).map(|at| displayed(flow, messages, *at)).collect();
        repeats.sort_unstable();
        Self { flow, messages, columns, view, holds, held: None, forks, legs, repeats, told: HashSet::new() }
    }

    /// The notes before a row; `skipped` rows between it and the one before it are out of view.
    pub fn before(&mut self, entry: &Entry, last: Option<&Entry>, skipped: usize) -> Vec<Note> {
        let mut says = Vec::new();
        if let Some(last) = last {
            says.extend(self.silence(last.time, entry.time, skipped));
            let (day, day_before) = (self.view.zone.date(entry.time), self.view.zone.date(last.time));
            says.extend((day != day_before).then_some(Says::Day(day)));
        }
        if entry.seen == Seen::First {
            while self.forks.last().is_some_and(|fork| fork.before <= entry.row) {
                says.extend(self.forks.pop().and_then(|fork| self.fork(fork)));
            }
            says.extend(self.reinvite(entry));
        }
        if says.is_empty() {
            return Vec::new();
        }
        let before = entry.id(self.flow, self.messages);
        says.into_iter().map(|says| Note { before, says }).collect()
    }

    fn silence(&self, from: Timestamp, to: Timestamp, skipped: usize) -> Option<Says> {
        let gap = to.micros_since(from);
        if gap <= SILENCE {
            return None;
        }
        let gap = duration(gap);
        let first = self.repeats.partition_point(|at| *at <= from);
        let again = self.view.fold && self.repeats.get(first).is_some_and(|at| *at < to);
        Some(Says::Silence(match (skipped, again) {
            (0, false) => format!("{gap} without messages"),
            (0, true) => format!("{gap} with retransmissions only"),
            (hidden, _) => format!("{gap} without messages in view, {} hidden", counted(hidden, "row")),
        }))
    }

    fn fork(&self, fork: &Fork) -> Option<Says> {
        let lane = |node: usize| self.columns.lanes.get(node).copied().flatten();
        let branches = fork.branches.iter().filter(|branch| self.legs.contains(&branch.leg));
        let branches: Vec<_> = branches.filter(|branch| lane(branch.node).is_some()).collect();
        let lanes = || branches.iter().filter_map(|branch| lane(branch.node)).chain(lane(fork.node));
        let tines: Vec<Tine> = branches
            .iter()
            .filter_map(|branch| {
                let leg = self.flow.legs.get(branch.leg)?;
                Some(Tine {
                    tag: leg.tag.clone(),
                    colour: colour(branch.leg),
                    name: self.flow.nodes[branch.node].name.clone(),
                    by_push: branch.by_push,
                    then: branch.then,
                })
            })
            .collect();
        // Its words take two lines at most: over few lanes it takes some beside them.
        let (mut from, mut to, last) = (lanes().min()?, lanes().max()?, self.columns.columns.len() - 1);
        let letters: usize = tines.iter().map(Tine::letters).sum();
        while (to - from) * per_lane(last + 1) < usize::midpoint(letters, FORK) && (from > 0 || to < last) {
            if to < last { to += 1 } else { from -= 1 }
        }
        (!tines.is_empty()).then_some(Says::Fork { from, to, tines })
    }

    fn reinvite(&mut self, entry: &Entry) -> Option<Says> {
        let row = &self.flow.rows[entry.row];
        let facts = &self.messages[entry.message].facts;
        if facts.kind != Kind::Sip
            || !["INVITE", "UPDATE"].contains(&&*facts.method)
            || is_answer(&self.messages[entry.message], row.half)
        {
            return None;
        }
        let sip = facts.sip.as_ref()?;
        sip.to.as_ref()?.tag()?;
        let sender = sip.from.as_ref().and_then(|from| from.tag()).unwrap_or_default();
        if !self.told.insert((facts.call_id.as_deref().unwrap_or_default(), sender, sip.cseq)) {
            return None;
        }
        let Some(hold) = self.holds.get(&entry.row).copied() else {
            let invite = facts.method == "INVITE";
            return invite.then(|| Says::Reinvite(format!("re-INVITE from {}", self.flow.nodes[row.from].name)));
        };
        let before = self.held.replace((hold, entry.time));
        let passed_on = self.flow.nodes[row.from].kind == NodeKind::Server
            && before.is_some_and(|(other, at)| other == hold && entry.time.micros_since(at) < PASSED_ON);
        (!passed_on).then(|| Says::Reinvite(hold.says(&talk::sender(entry.row, self.flow, self.messages))))
    }
}
