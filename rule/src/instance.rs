//! One instance of a rule: what it is about, and which messages are its own.

use std::collections::BTreeSet;

use message::flow::Log;
use message::kind::Kind;

use crate::ground::{Ears, Ground};
use crate::syntax::{Per, Term, Who};

/// What one instance is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Of {
    Scenario,
    /// A caller, and which of its tries.
    Attempt(usize, usize),
    Leg(usize),
    /// A device that registers, by its column.
    Registrant(usize),
    Dialog(usize),
    Transaction(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instance {
    pub of: Of,
    /// The row that opened it.
    pub start: usize,
}

/// Somebody that a pattern names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Party {
    /// Which caller; of which try, if only one is meant.
    Caller(usize, Option<usize>),
    Leg(usize),
    /// A column; in the call of one caller's side alone, if one is meant.
    Node(usize, Option<usize>),
}

/// Which way a message goes, seen from somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    From,
    To,
}

impl Of {
    /// All that a rule may have an instance of.
    pub fn all(ground: &Ground, per: Per) -> Vec<Self> {
        let flow = ground.flow;
        match per {
            Per::Scenario => vec![Self::Scenario],
            Per::Attempt => {
                let callers = flow.course.callers.iter().enumerate();
                callers
                    .flat_map(|(at, caller)| (0..caller.tries.len()).map(move |one| Self::Attempt(at, one)))
                    .collect()
            }
            Per::Leg | Per::Device => {
                let devices = (0..flow.legs.len()).filter(|leg| flow.legs[*leg].parent.is_some()).map(Self::Leg);
                let of_calls: Vec<Self> = devices.collect();
                if !of_calls.is_empty() || per == Per::Leg {
                    return of_calls;
                }
                let registering = flow.rows.iter().enumerate().filter(|(at, row)| {
                    row.on_first_hop && ground.rows[*at].method == "REGISTER" && !ground.rows[*at].response
                });
                let nodes: BTreeSet<usize> = registering.map(|(_, row)| row.from).collect();
                nodes.into_iter().map(Self::Registrant).collect()
            }
            Per::Dialog => (0..flow.course.dialogs.len()).map(Self::Dialog).collect(),
            Per::Transaction => {
                let requests = flow.rows.iter().enumerate().filter(|(at, _)| !ground.rows[*at].response);
                let all: BTreeSet<usize> = requests.map(|(_, row)| row.transaction).collect();
                all.into_iter().map(Self::Transaction).collect()
            }
        }
    }

    /// The leg that it is about; the caller's where it is about none.
    pub fn leg(self, ground: &Ground) -> usize {
        let of_row = |test: &dyn Fn(&message::flow::Row) -> bool| {
            ground.flow.rows.iter().find(|row| test(row)).map_or(0, |row| row.leg)
        };
        match self {
            Self::Scenario => 0,
            Self::Attempt(caller, _) => ground.flow.course.callers[caller].leg,
            Self::Leg(leg) => leg,
            Self::Registrant(node) => of_row(&|row| row.from == node),
            Self::Dialog(dialog) => ground.leg_of_dialog(dialog),
            Self::Transaction(transaction) => of_row(&|row| row.transaction == transaction),
        }
    }

    /// What opens it is its own, whatever else is asked of it.
    pub fn opens_with(self, ground: &Ground, row: usize, term: &Term) -> bool {
        match self {
            Self::Transaction(transaction) => ground.flow.rows[row].transaction == transaction,
            _ => self.owns(ground, row, term),
        }
    }

    /// A message of which nothing but its method and status is asked is the instance's own.
    pub fn owns(self, ground: &Ground, row: usize, term: &Term) -> bool {
        let (flow, said) = (ground.flow, &ground.rows[row]);
        match self {
            Self::Scenario => true,
            Self::Attempt(caller, one) => said.kind != Kind::Sip || is_of_try(ground, row, caller, Some(one)),
            Self::Leg(leg) => !matches!(said.kind, Kind::Sip | Kind::Push) || ground.is_of_leg(row, leg),
            Self::Registrant(node) => flow.rows[row].from == node || flow.rows[row].to == node,
            Self::Dialog(dialog) => flow.rows[row].dialog == Some(dialog),
            Self::Transaction(transaction) => {
                let of = |row: usize| flow.rows[row].transaction == transaction;
                let asks = flow.rows.iter().position(|row| row.transaction == transaction);
                // Of another method it may be anywhere.
                let other = asks.is_some_and(|asks| !term.methods.iter().any(|m| m == ground.rows[asks].method));
                other || of(row) || said.request.is_some_and(of)
            }
        }
    }
}

/// It is of what came of one INVITE of a caller.
fn is_of_try(ground: &Ground, row: usize, caller: usize, one: Option<usize>) -> bool {
    let told = &ground.flow.course.callers[caller];
    if ground.trunk[ground.flow.rows[row].leg] != told.leg {
        return false;
    }
    let Some(one) = one.map(|one| &told.tries[one]) else { return true };
    match ground.flow.rows[row].hop {
        Some(hop) => one.attempts.contains(&ground.root(hop)),
        None => {
            let begun = one.begun.is_none_or(|begun| ground.time(row) >= begun);
            let next = told.tries.iter().filter_map(|other| other.begun).filter(|at| Some(*at) > one.begun).min();
            begun && next.is_none_or(|next| ground.time(row) < next)
        }
    }
}

impl Instance {
    /// Who is meant.
    pub fn parties(&self, ground: &Ground, who: &Who) -> Vec<Party> {
        let course = &ground.flow.course;
        match who {
            Who::Caller => match self.of {
                Of::Attempt(caller, one) => vec![Party::Caller(caller, Some(one))],
                Of::Leg(leg) => caller_of(ground, leg).collect(),
                Of::Dialog(dialog) => caller_of(ground, ground.leg_of_dialog(dialog)).collect(),
                Of::Registrant(_) => Vec::new(),
                Of::Scenario | Of::Transaction(_) => {
                    (0..course.callers.len()).map(|at| Party::Caller(at, None)).collect()
                }
            },
            Who::Callee => self.callee(ground).into_iter().collect(),
            Who::Device | Who::Such { .. } => match self.of {
                Of::Leg(leg) => vec![Party::Leg(leg)],
                Of::Registrant(node) => vec![Party::Node(node, None)],
                _ => Vec::new(),
            },
            Who::OtherLeg => match self.of {
                Of::Leg(leg) => {
                    let same = |other: &usize| {
                        *other != leg
                            && ground.flow.legs[*other].parent.is_some()
                            && ground.trunk[*other] == ground.trunk[leg]
                            && !is_below(ground, *other, leg)
                            && !is_below(ground, leg, *other)
                    };
                    (0..ground.flow.legs.len()).filter(same).map(Party::Leg).collect()
                }
                _ => Vec::new(),
            },
            Who::OtherParty => {
                let caller = self.parties(ground, &Who::Caller);
                let by_caller = caller.iter().any(|party| party.is_end(ground, self.start, Way::From));
                if by_caller { self.callee(ground).into_iter().collect() } else { caller }
            }
            Who::Node(name) => {
                let nodes = ground.flow.nodes.iter().enumerate();
                let named = nodes.filter(|(_, node)| node.name.eq_ignore_ascii_case(name));
                named.map(|(node, _)| Party::Node(node, None)).collect()
            }
        }
    }

    /// Per dialog its other end, across a back-to-back agent the leg that is up at that moment; else who answered.
    fn callee(&self, ground: &Ground) -> Option<Party> {
        let (flow, course) = (ground.flow, &ground.flow.course);
        let mut trunk = 0;
        if let Of::Dialog(dialog) = self.of {
            let leg = ground.leg_of_dialog(dialog);
            if flow.legs[leg].parent.is_some() {
                return Some(Party::Leg(leg));
            }
            trunk = leg;
            let at = ground.time(self.start);
            let up = course.dialogs.iter().filter(|other| {
                let below = other.leg.is_some_and(|leg| flow.legs[leg].parent.is_some() && ground.trunk[leg] == trunk);
                let answered = other.answered.is_some_and(|answered| answered <= at);
                below && answered && other.ended.is_none_or(|ended| ended.time >= at)
            });
            if let Some(up) = up.max_by_key(|other| other.answered) {
                return up.leg.map(Party::Leg);
            }
        } else if let Of::Attempt(caller, _) = self.of {
            trunk = course.callers[caller].leg;
        } else if let Of::Leg(leg) = self.of {
            trunk = ground.trunk[leg];
        }
        let caller = course.callers.iter().find(|caller| caller.leg == trunk)?;
        let winner = caller.winner.as_ref()?;
        let leg = winner.leg.filter(|leg| flow.legs[*leg].parent.is_some());
        leg.map(Party::Leg).or(winner.node.map(|node| Party::Node(node, Some(trunk))))
    }
}

fn caller_of(ground: &Ground, leg: usize) -> impl Iterator<Item = Party> {
    ground.caller_of(leg).map(|caller| Party::Caller(caller, None)).into_iter()
}

fn is_below(ground: &Ground, leg: usize, above: usize) -> bool {
    std::iter::successors(Some(leg), |leg| ground.flow.legs[*leg].parent).any(|up| up == above)
}

impl Party {
    /// Where it is heard.
    pub fn ears<'g>(&self, ground: &'g Ground) -> Vec<&'g Ears> {
        match self {
            Self::Caller(caller, Some(one)) => vec![&ground.callers[*caller][*one]],
            Self::Caller(caller, None) => ground.callers[*caller].iter().collect(),
            Self::Leg(leg) => vec![&ground.legs[*leg]],
            Self::Node(..) => Vec::new(),
        }
    }

    /// A message comes from it, or goes to it, as near to it as it is logged.
    pub fn is_end(&self, ground: &Ground, at: usize, way: Way) -> bool {
        let row = &ground.flow.rows[at];
        let (said, sent) = (&ground.rows[at], way == Way::From);
        match self {
            Self::Node(node, trunk) => {
                let own = trunk.is_none_or(|trunk| ground.trunk[row.leg] == trunk);
                // What its own log does not hold has not come to it.
                let shown = !ground.writes_log(*node) || ground.is_in_any(at, ground.logs_at(*node));
                own && (if sent { row.from } else { row.to }) == *node && shown
            }
            Self::Caller(caller, one) => {
                if said.kind != Kind::Sip || !is_of_try(ground, at, *caller, *one) {
                    return false;
                }
                self.ears(ground).iter().any(|ears| is_heard(ground, ears, at, sent))
            }
            Self::Leg(leg) => {
                if !ground.is_of_leg(at, *leg) && !shares_hop(ground, at, *leg) {
                    return false;
                }
                match said.method {
                    "PUSH" => !said.response && !sent,
                    // What a call borrows, or what wakes a device that has no INVITE yet.
                    "REGISTER" => row.on_first_hop && said.response != sent,
                    _ if said.kind != Kind::Sip => false,
                    _ => is_heard(ground, &ground.legs[*leg], at, sent),
                }
            }
        }
    }
}

/// An INVITE to several devices that only their To-tags tell apart is to each of them.
fn shares_hop(ground: &Ground, at: usize, leg: usize) -> bool {
    let hop = ground.flow.rows[at].hop;
    !ground.rows[at].response && hop.is_some_and(|hop| ground.flow.legs[leg].hops.contains(&hop))
}

/// On a hop of the INVITE near this end; within a dialog also straight from or to it.
fn is_heard(ground: &Ground, ears: &Ears, at: usize, sent: bool) -> bool {
    let row = &ground.flow.rows[at];
    let (near, far) = if sent { (row.from, row.to) } else { (row.to, row.from) };
    let placed = ears.places.iter().any(|place| (place.near, place.far) == (near, far));
    if let Some(hop) = row.hop {
        return ears.hops.contains(&hop) && placed && shows(ground, ears, at, (near, far));
    }
    (placed || ears.ends.contains(&near)) && shows(ground, ears, at, (near, far))
}

/// If the end itself logs, its log must show it; else its neighbour's is enough.
fn shows(ground: &Ground, ears: &Ears, at: usize, (near, far): (usize, usize)) -> bool {
    if !ground.writes_log(near) || !ears.ends.contains(&near) {
        return true;
    }
    let (own, other) = (ground.logs_at(near), ground.logs_at(far));
    let row = &ground.flow.rows[at];
    std::iter::once(&row.message).chain(&row.sightings).any(|message| {
        let place = &ground.messages[*message].place;
        let is = |log: &Log| log.agent == place.agent && log.source == place.source;
        own.iter().any(is) || !other.iter().any(is)
    })
}
