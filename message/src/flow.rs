//! The flow of one scenario: messages folded and ordered, with their nodes and legs. Pages and judge read this value.

pub use crate::course::{By, Bye, Caller, Course, Dialog, End, Got, Problem, Transfer, Trouble, Try, Winner};
pub use crate::exchange::Half;
pub use crate::legs::{Branch, Fork, Leg, Outcome, PushState};
pub use crate::node::{Log, Node, NodeKind};

use crate::clock::{Clocks, Measured};
use crate::course::{self, Ground};
use crate::fold::{self, Fold};
use crate::hops;
pub use crate::hops::Hop;
use crate::kind::Kind;
use crate::legs::{self, Branches, Heard, Tags, Tries};
use crate::logged::Message;
use crate::node::{self, Machines, Resolver, shown, user};
use crate::number::Numbers;
use crate::pair;
use crate::scene::Scene;
use crate::scene::base::Bases;
use crate::scene::logger::Loggers;
use crate::scene::same::Sameness;
use crate::sip::{Faults, Uri};
use crate::tree::Tree;
use crate::user::is_same;
use crate::{exchange, order};
use record::time::Timestamp;

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
    /// INVITEs hop by hop.
    pub hops: Vec<Hop>,
    /// What happened.
    pub course: Course,
    pub caller: Option<String>,
    pub callee: Option<String>,
    /// By message given: its displayed time, repaired where its source's clock is off. How far sightings and repeats
    /// are apart is told by these.
    pub times: Vec<Timestamp>,
    /// What it says of clocks, for other calls of its hour.
    pub measured: Measured,
}

/// One line of the ladder: a message, with all that folded into it.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// Index into the messages given; the first sighting.
    pub message: usize,
    /// That of the message; of an answer in a record of its own that of its request, so the answer to a push is one.
    pub kind: Kind,
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
    /// Of a request without an answer: one that could be its own, and could be another's, went by. Nobody can tell.
    pub unclear: bool,
    /// Of REST and push with a pair: nothing but the order says that the two belong together.
    pub likely: bool,
    /// Its hop, if it is an INVITE that opens a dialog, an answer to one, its CANCEL, or the ACK to a refusal.
    pub hop: Option<usize>,
    /// Its dialog, in the course.
    pub dialog: Option<usize>,
    /// SIP: no hop of its request before this one is logged, and none after it.
    pub on_first_hop: bool,
    pub on_last_hop: bool,
    /// Row of the INVITE that a CANCEL cancels.
    pub cancels: Option<usize>,
    /// Microseconds that the clock went back in a log just before this; 0: it did not.
    pub set_back: i64,
    /// Remarks such as "CANCEL crossed 200".
    pub remark: Option<String>,
}

/// Draws the flow of a scenario's messages, given in any order.
///
/// Each message stands in exactly one row: as its first sighting, as another sighting, or as a repeat; one that holds
/// request and result stands in two, once for each half. Messages are told apart by their id, not by their place.
///
/// Clocks are repaired by what these messages say of them, and no others.
pub fn flow(messages: &[Message]) -> Flow {
    flow_by(messages, &Clocks::default())
}

/// As `flow`, by what calls measured of clocks in the [hour](crate::clock::hour) of these messages.
pub fn flow_by(messages: &[Message], clocks: &Clocks) -> Flow {
    draw(messages, clocks, &|_, _| None)
}

/// As `flow`, with names for machines.
pub fn flow_named(messages: &[Message], resolver: Resolver) -> Flow {
    draw(messages, &Clocks::default(), resolver)
}

fn draw(messages: &[Message], clocks: &Clocks, resolver: Resolver) -> Flow {
    let scene = Scene::of(messages);
    let bases = Bases::of(&scene);
    let loggers = Loggers::of(&scene, &bases);
    let sightings = exchange::split(messages);
    let same = Sameness::new(&scene, &sightings);
    let ordered = order::order(&scene, sightings, &bases, &loggers, &same, clocks);
    let folds = fold::fold(&scene, &ordered.sightings, &bases, &same);
    let tree = Tree::of(&scene, &folds, &bases);
    let pairs = pair::pairs(&scene, &folds, &bases);
    let heard = Heard::of(&scene, &folds, &tree);
    let tries = Tries::of(&scene, &folds, &tree, &heard);
    let branches = Branches::of(&scene, &folds, &tree, (&bases, &loggers), (&heard, &tries), &pairs.of);
    let machines = Machines { bases: &bases, loggers: &loggers, tree: &tree, legs: branches.to(&tree) };
    let mut columns = node::columns(&scene, &folds, &machines, &ordered.shift, resolver);
    let tags = Tags::of(&scene, &folds, &tree, &branches.branching);
    let mut legs = legs::legs(&scene, &folds, &machines, &branches, (&tags, &heard, &tries), &mut columns);
    let ground = Ground {
        scene: &scene,
        folds: &folds,
        tree: &tree,
        machines: &machines,
        branching: &branches.branching,
        columns: &columns,
        tags: &tags,
        heard: &heard,
        tries: &tries,
        pairs: &pairs,
        of: &legs.of,
    };
    let (course, dialogs) = course::course(&ground, &mut legs.all);
    let hops = hops::hops(&tree, &columns);
    let ends_of_way = hops::ends_of_way(&scene, &folds);
    let (caller, callee) = parties(&scene, &folds);
    let mut transactions = Numbers::default();
    let rows_of: Vec<_> = folds.iter().map(|fold| fold.first.message).collect();
    let mut rows = Vec::with_capacity(folds.len());
    for (index, fold) in folds.into_iter().enumerate() {
        let message = fold.first.message;
        let (from, to) = scene.ends(fold.first);
        // A response in a record of its own is of its request's transaction and kind.
        let all = [&[message][..], &fold.sightings, &fold.repeats, &fold.repeat_sightings];
        let set_back = all.into_iter().flatten().map(|message| ordered.back[*message]).max().unwrap_or_default();
        let asked = pairs.of[index].filter(|request| *request < index && scene.messages[message].kind != Kind::Sip);
        let transaction = asked.map_or(scene.transaction[message], |request| scene.transaction[rows_of[request]]);
        rows.push(Row {
            message,
            kind: scene.messages[asked.map_or(message, |request| rows_of[request])].kind,
            half: fold.first.half,
            from: columns.of[from],
            to: columns.of[to],
            leg: legs.of[index],
            time: fold.first.time,
            repaired: ordered.shift[scene.source[message]] != 0 || ordered.step[message] != 0,
            sightings: fold.sightings,
            repeats: fold.repeats,
            repeat_sightings: fold.repeat_sightings,
            transaction: transactions.of(transaction),
            pair: pairs.of[index],
            unclear: pairs.of[index].is_none() && pairs.sure[index] == pair::Certainty::CannotTell,
            likely: pairs.of[index].is_some() && pairs.sure[index] == pair::Certainty::Likely,
            hop: tree.of.get(&scene.transaction[message]).copied(),
            dialog: dialogs[index],
            on_first_hop: ends_of_way[index].0,
            on_last_hop: ends_of_way[index].1,
            cancels: pairs.cancels[index],
            set_back,
            remark: pairs.remarks[index].clone(),
        });
    }
    let moved = |at: usize| ordered.shift[scene.source[at]].saturating_add(ordered.step[at]);
    let times = (0..messages.len()).map(|at| Timestamp(messages[at].time.0.saturating_add(moved(at)))).collect();
    let (nodes, legs, forks, measured) = (columns.nodes, legs.all, legs.forks, ordered.measured);
    let mut flow = Flow { nodes, legs, rows, forks, hops, course, caller, callee, times, measured };
    flow.shorten();
    flow
}

/// Letters of a name or a remark; what a stranger logs may be a million.
const LONGEST: usize = 200;

impl Flow {
    /// The person that a leg was sent to: of a caller's side whom the caller asked for.
    pub fn reached(&self, leg: usize) -> Option<String> {
        let leg = self.legs.get(leg)?;
        let target = leg.parent.map(|_| Uri::read(&leg.target, &mut Faults::default()).user);
        target.filter(|user| !user.is_empty()).map(|user| shown(&user)).or_else(|| self.callee.clone())
    }

    /// Transfers by the first caller, or of them to somebody else, as they happened.
    pub fn transfers(&self) -> impl Iterator<Item = &Transfer> {
        let first = self.course.first().map(|caller| caller.leg);
        let is_theirs = |user: &str| self.caller.as_deref().is_some_and(|caller| is_same(caller, user));
        let all = self.course.transfers.iter().filter(move |_| first.is_some());
        all.filter(move |of| Some(self.trunk(of.leg)) == first || is_theirs(&of.by) || is_theirs(&of.whom))
    }

    /// The caller's side that a leg was forked from.
    fn trunk(&self, mut leg: usize) -> usize {
        for _ in 0..self.legs.len() {
            match self.legs.get(leg).and_then(|leg| leg.parent) {
                Some(parent) => leg = parent,
                None => break,
            }
        }
        leg
    }

    /// Names stand in every row and are for people: what is longer than any name is cut.
    fn shorten(&mut self) {
        let Self { nodes, legs, rows, caller, callee, course, .. } = self;
        let tries = course.callers.iter_mut().flat_map(|caller| &mut caller.tries);
        let forwarded = tries.flat_map(|tried| &mut tried.forwarded_to);
        let nodes =
            nodes.iter_mut().flat_map(|node| [&mut node.name, &mut node.detail].into_iter().chain(&mut node.person));
        let legs = legs
            .iter_mut()
            .flat_map(|leg| [&mut leg.target].into_iter().chain(&mut leg.platform).chain(&mut leg.user_agent));
        let remarks = rows.iter_mut().filter_map(|row| row.remark.as_mut());
        let transfers = course.transfers.iter_mut().flat_map(|of| [&mut of.by, &mut of.whom, &mut of.to]);
        for text in nodes.chain(legs).chain(remarks).chain(caller).chain(callee).chain(forwarded).chain(transfers) {
            if let Some((end, _)) = text.char_indices().nth(LONGEST) {
                text.truncate(end);
                text.push('…');
            }
        }
    }
}

/// Users of From and To in what opens the flow; of a call known only by its responses, in these.
fn parties(scene: &Scene, folds: &[Fold]) -> (Option<String>, Option<String>) {
    let responses = || folds.iter().find(|fold| scene.sip(fold.first.message).is_some());
    let opener = node::opener(scene, folds).or_else(responses);
    let Some(sip) = opener.and_then(|fold| scene.sip(fold.first.message)) else { return (None, None) };
    let to = user(sip.to.as_ref())
        .or_else(|| sip.request_uri.as_ref().map(|uri| uri.user.as_str()).filter(|u| !u.is_empty()));
    (user(sip.from.as_ref()).map(shown), to.map(shown))
}
