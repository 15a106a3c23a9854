//! The flow of one scenario: messages folded and ordered, with their nodes and legs. Pages and judge read this value.

pub(crate) mod number;
mod pair;
pub(crate) mod scene;

#[cfg(test)]
mod clocks;
#[cfg(test)]
mod draw;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod story;

use number::Numbers;
use scene::Scene;

use crate::event::CallClass;
use crate::fold::{self, Fold, Sameness};
use crate::kind::Kind;
use crate::legs::tree::Tree;
use crate::legs::{self, Branches};
use crate::node::base::Bases;
use crate::node::logger::Loggers;
use crate::node::{self, Machines, Resolver, user};
use crate::record::Message;
use crate::time::Timestamp;
use crate::{exchange, order};

/// Everything of one scenario as one picture. Indices point into the vectors beside them.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// In column order, left to right.
    pub nodes: Vec<Node>,
    /// In leg order: A, B1, B2, …, C, …
    pub legs: Vec<Leg>,
    /// In display order.
    pub rows: Vec<Row>,
    pub forks: Vec<Fork>,
    pub caller: Option<String>,
    pub callee: Option<String>,
    /// By message given: its displayed time, repaired where its source's clock is off. How far sightings and repeats
    /// are apart is told by these.
    pub times: Vec<Timestamp>,
}

/// A column: a server that logs, a device of a person, or a peer outside.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    pub name: String,
    /// Second line: address or platform.
    pub detail: String,
    /// What it calls itself: the first User-Agent (Server in responses) it sent.
    pub user_agent: Option<String>,
    pub kind: NodeKind,
    /// The person a device belongs to (user part of its AOR).
    pub person: Option<String>,
    /// The leg whose device this is.
    pub leg: Option<usize>,
    /// False: a device that was addressed and never sent anything (dashed lane).
    pub spoke: bool,
    /// Microseconds its displayed times were shifted by.
    pub clock_shift: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NodeKind {
    Server,
    Device,
    External,
}

/// One dialog or fork branch; a device has one leg.
#[derive(Clone, PartialEq, Debug)]
pub struct Leg {
    /// `A`, `B1`, `B2`, `C`, …
    pub tag: String,
    /// The leg it was forked from.
    pub parent: Option<usize>,
    /// The call it belongs to (Call-ID text).
    pub call_id: String,
    pub class: CallClass,
    /// Who is at its far end: device or target URI.
    pub target: String,
    pub node: Option<usize>,
    pub platform: Option<String>,
    pub user_agent: Option<String>,
    pub push: PushState,
    /// When it was begun (INVITE or PUSH), first rang, and ended (status, time).
    pub begun: Option<Timestamp>,
    pub rang: Option<Timestamp>,
    pub final_status: Option<(u16, Timestamp)>,
    pub outcome: Outcome,
    /// Where the outcome is `Unknown` since nothing answers: the node that had to, whose log holds none of its own
    /// answers here. Then their absence says nothing.
    pub blind: Option<usize>,
    /// Rows on it.
    pub rows: usize,
}

#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum PushState {
    #[default]
    NotNeeded,
    Sent(Timestamp),
    /// Accepted at a time by the push gateway with this delay in microseconds.
    Accepted(Timestamp, i64),
    Refused(u16, Timestamp),
    /// The device registered this many microseconds after the push.
    Woke(Timestamp, i64),
}

/// How a leg ended, in words on the page. What no log shows is `Unknown`, never invented.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Outcome {
    /// Its 2xx reached the caller first.
    Answered,
    /// 487.
    Released,
    /// CANCEL with `Reason: SIP;cause=200`.
    AnsweredElsewhere,
    /// Any other final refusal.
    Refused(u16),
    Unreachable,
    /// A push was sent, and until the call was over its device neither registered nor responded.
    NeverWoke,
    /// A second 2xx, then its BYE.
    AnsweredTooHungUp,
    StillRinging,
    Cancelled,
    Open,
    #[default]
    Unknown,
}

/// One line of the ladder: a message, with all that folded into it.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// Index into the messages given; the first sighting.
    pub message: usize,
    pub half: Half,
    pub from: usize,
    pub to: usize,
    pub leg: usize,
    /// Displayed time: as logged, or repaired.
    pub time: Timestamp,
    pub repaired: bool,
    /// Messages (indices) that are other logs of this same sending.
    pub sightings: Vec<usize>,
    /// Messages (indices) of later sendings of the same message.
    pub repeats: Vec<usize>,
    /// Messages (indices) that are other logs of the repeats.
    pub repeat_sightings: Vec<usize>,
    /// Rows of one transaction share a number.
    pub transaction: usize,
    /// Row of the request that a response answers; or the response row of a request.
    pub pair: Option<usize>,
    /// Row of the INVITE that a CANCEL cancels.
    pub cancels: Option<usize>,
    /// Remarks such as "CANCEL crossed 200".
    pub remark: Option<String>,
}

/// Which half of an exchange logged as one record a row is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Half {
    #[default]
    Whole,
    Request,
    /// Its id ends in `r`.
    Response,
}

/// A node sends one INVITE to several targets.
#[derive(Clone, PartialEq, Debug)]
pub struct Fork {
    /// It stands before this row.
    pub before: usize,
    pub node: usize,
    pub branches: Vec<Branch>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Branch {
    pub leg: usize,
    pub node: usize,
    /// Tried after the one before it had failed, or woke late: "then".
    pub then: bool,
    pub by_push: bool,
}

/// Draws the flow of a scenario's messages, given in any order.
///
/// Each message stands in exactly one row: as its first sighting, as another sighting, or as a repeat; one that holds
/// request and result stands in two, once for each half. Messages are told apart by their id, not by their place.
pub fn flow(messages: &[Message]) -> Flow {
    flow_named(messages, &|_, _| None)
}

/// As `flow`, with names for machines.
pub fn flow_named(messages: &[Message], resolver: Resolver) -> Flow {
    let scene = Scene::of(messages);
    let bases = Bases::of(&scene);
    let loggers = Loggers::of(&scene, &bases);
    let pieces = exchange::split(messages);
    let same = Sameness::new(&scene, &pieces);
    let ordered = order::order(&scene, pieces, &bases, &loggers, &same);
    let folds = fold::fold(&scene, &ordered.pieces, &bases, &same);
    let tree = Tree::of(&scene, &folds, &bases);
    let pairs = pair::pairs(&scene, &folds);
    let branches = Branches::of(&scene, &folds, &tree, &bases, &pairs.of);
    let machines = Machines { bases: &bases, loggers: &loggers, tree: &tree, legs: branches.to(&tree) };
    let mut columns = node::columns(&scene, &folds, &machines, &ordered.shift, resolver);
    let legs = legs::legs(&scene, &folds, &machines, &branches, &mut columns);
    let (caller, callee) = parties(&scene, &folds);
    let mut transactions = Numbers::default();
    let rows_of: Vec<_> = folds.iter().map(|fold| fold.first.message).collect();
    let mut rows = Vec::with_capacity(folds.len());
    for (index, fold) in folds.into_iter().enumerate() {
        let message = fold.first.message;
        let (from, to) = scene.ends(fold.first);
        // A response in a record of its own is of its request's transaction.
        let asked = pairs.of[index].filter(|request| *request < index && scene.messages[message].kind != Kind::Sip);
        let transaction = asked.map_or(scene.transaction[message], |request| scene.transaction[rows_of[request]]);
        rows.push(Row {
            message,
            half: fold.first.half,
            from: columns.of[from],
            to: columns.of[to],
            leg: legs.of[index],
            time: fold.first.time,
            repaired: ordered.shift[scene.source[message]] != 0,
            sightings: fold.sightings,
            repeats: fold.repeats,
            repeat_sightings: fold.repeat_sightings,
            transaction: transactions.of(transaction),
            pair: pairs.of[index],
            cancels: pairs.cancels[index],
            remark: pairs.remarks[index].clone(),
        });
    }
    let shifted =
        |(message, source): (&Message, &usize)| Timestamp(message.time.0.saturating_add(ordered.shift[*source]));
    let times = messages.iter().zip(&scene.source).map(shifted).collect();
    Flow { nodes: columns.nodes, legs: legs.all, rows, forks: legs.forks, caller, callee, times }
}

/// Users of From and To in what opens the flow.
fn parties(scene: &Scene, folds: &[Fold]) -> (Option<String>, Option<String>) {
    let Some(sip) = node::opener(scene, folds).and_then(|fold| scene.sip(fold.first.message)) else {
        return (None, None);
    };
    let to = user(sip.to.as_ref())
        .or_else(|| sip.request_uri.as_ref().map(|uri| uri.user.as_str()).filter(|u| !u.is_empty()));
    (user(sip.from.as_ref()).map(str::to_owned), to.map(str::to_owned))
}
