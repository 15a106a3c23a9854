//! What is looked up of a flow again and again: what each row says, and where caller and devices are heard.

use std::collections::BTreeSet;

use message::flow::{Flow, Half, Log, Node, PushState};
use message::kind::Kind;
use message::logged::Message;
use record::time::{SECOND, Timestamp};

use crate::evidence::Evidence;
use crate::syntax::CodeNames;

/// A challenge, a too short session, or a glare, after which the same is asked again within this time.
const RETRY: i64 = 32 * SECOND;

pub struct Ground<'a> {
    pub evidence: &'a Evidence<'a>,
    pub codes: &'a CodeNames,
    pub flow: &'a Flow,
    pub messages: &'a [Message],
    pub rows: Vec<Said<'a>>,
    /// By leg: the caller's side that it is below.
    pub trunk: Vec<usize>,
    /// By caller and try: where the caller is heard.
    pub callers: Vec<Vec<Ears>>,
    /// By leg: where its device is heard.
    pub legs: Vec<Ears>,
    /// By row: its leg. A REGISTER that woke a phone which got no INVITE is of the leg that was pushed.
    pub home: Vec<usize>,
    /// Nodes on whose account a dialog comes by: of a proxy, that it is in Record-Route.
    pub stays: BTreeSet<usize>,
}

/// What a row says.
pub struct Said<'a> {
    pub kind: Kind,
    /// Of an answer that of its request; `PUSH` of a push.
    pub method: &'a str,
    pub status: Option<u16>,
    pub response: bool,
    /// The row of its request; of a request itself.
    pub request: Option<usize>,
    /// It refuses, and the same was asked again.
    pub retried: bool,
    /// No log holds it whole.
    pub provisional: bool,
}

/// Where one end of a call is heard: the nearest hops whose sender or receiver logs.
#[derive(Clone, Default)]
pub struct Ears {
    pub hops: Vec<usize>,
    pub places: Vec<Place>,
    /// The columns of the end itself.
    pub ends: Vec<usize>,
}

/// A stretch of the way: the side of the end, and what stands on the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    pub near: usize,
    pub far: usize,
}

impl<'a> Ground<'a> {
    pub fn of(evidence: &'a Evidence<'a>, codes: &'a CodeNames) -> Self {
        let Evidence { flow, messages, .. } = *evidence;
        let top = |leg: usize| std::iter::successors(Some(leg), |leg| flow.legs[*leg].parent).last().unwrap_or(leg);
        let mut ground = Self {
            evidence,
            codes,
            flow,
            messages,
            rows: said(flow, messages),
            trunk: (0..flow.legs.len()).map(top).collect(),
            callers: Vec::new(),
            legs: Vec::new(),
            home: flow.rows.iter().map(|row| row.leg).collect(),
            stays: BTreeSet::new(),
        };
        ground.retries();
        ground.wakes();
        ground.stays = ground.staying();
        ground.callers = ground.callers_heard();
        ground.legs = (0..flow.legs.len()).map(|leg| ground.leg_heard(leg)).collect();
        ground
    }

    pub fn message(&self, row: usize) -> &'a Message {
        &self.messages[self.flow.rows[row].message]
    }

    pub fn time(&self, row: usize) -> Timestamp {
        self.flow.rows[row].time
    }

    /// The logs that a node writes.
    pub fn logs_at(&self, node: usize) -> &'a [Log] {
        &self.flow.nodes[node].logs
    }

    pub fn writes_log(&self, node: usize) -> bool {
        !self.logs_at(node).is_empty()
    }

    /// The machine that writes a log. If the log holds nothing of the scenario: the machine that also writes one that does.
    pub fn writer_of(&self, log: &Log) -> Option<&'a Node> {
        let nodes = &self.flow.nodes;
        let is_beside = |own: &Log| self.evidence.holds.get(own).is_some_and(|own| own.beside().contains(log));
        let writer = nodes.iter().find(|node| node.logs.contains(log));
        writer.or_else(|| nodes.iter().find(|node| node.logs.iter().any(is_beside)))
    }

    /// Whether one of these logs holds the row.
    pub fn is_in_any(&self, row: usize, logs: &[Log]) -> bool {
        logs.iter().any(|log| self.is_in(row, log))
    }

    /// Whether this very log holds the row.
    pub fn is_in(&self, row: usize, log: &Log) -> bool {
        let row = &self.flow.rows[row];
        std::iter::once(&row.message).chain(&row.sightings).any(|message| {
            let place = &self.messages[*message].place;
            place.agent == log.agent && place.source == log.source
        })
    }

    /// All logs that hold something of the scenario, but for registrations that it only shows.
    pub fn logs(&self) -> BTreeSet<Log> {
        let own = |message: &&Message| {
            self.evidence.class == message::event::CallClass::Registration || !message.is_registration()
        };
        let places = self.messages.iter().filter(own).map(|message| &message.place);
        let mut logs: Vec<_> = places.map(|place| (&place.agent, &place.source)).collect();
        logs.dedup();
        logs.into_iter().map(|(agent, source)| Log { agent: agent.clone(), source: source.clone() }).collect()
    }

    /// The caller whose side a leg is below.
    pub fn caller_of(&self, leg: usize) -> Option<usize> {
        let trunk = self.trunk[leg];
        self.flow.course.callers.iter().position(|caller| caller.leg == trunk)
    }

    /// Whose dialog it is; of one whose To-tag no answer shows the caller's of its call.
    pub fn leg_of_dialog(&self, dialog: usize) -> usize {
        let (legs, course) = (&self.flow.legs, &self.flow.course);
        let dialog = &course.dialogs[dialog];
        let calls = |leg: &usize| legs[*leg].call_id == dialog.call_id;
        dialog.leg.or_else(|| course.callers.iter().map(|caller| caller.leg).find(calls)).unwrap_or(0)
    }

    /// The row belongs to the leg, or to one below it.
    pub fn is_of_leg(&self, at: usize, leg: usize) -> bool {
        let row = &self.flow.rows[at];
        let up = |from: usize| std::iter::successors(Some(from), |leg| self.flow.legs[*leg].parent);
        let of_dialog = row.dialog.and_then(|dialog| self.flow.course.dialogs[dialog].leg);
        up(self.home[at]).chain(of_dialog.into_iter().flat_map(up)).any(|own| own == leg)
    }

    /// The hop on which a caller sent the INVITE that led to this one.
    pub fn root(&self, hop: usize) -> usize {
        std::iter::successors(Some(hop), |hop| self.flow.hops[*hop].parent).last().unwrap_or(hop)
    }

    /// A hop that a back-to-back agent made of another call.
    pub fn is_made_by_agent(&self, hop: usize) -> bool {
        let hops = &self.flow.hops;
        hops[hop].parent.is_some_and(|parent| hops[parent].call != hops[hop].call)
    }

    /// Marks challenges and the like after which the same was asked again.
    fn retries(&mut self) {
        let mut again = Vec::new();
        for (at, said) in self.rows.iter().enumerate() {
            let Some(status @ (401 | 407 | 422 | 423 | 491)) = said.status.filter(|_| said.kind == Kind::Sip) else {
                continue;
            };
            let Some(sip) = self.message(at).facts.sip.as_deref() else { continue };
            let tag = |sip: &message::facts::SipFacts| sip.from.as_ref().and_then(|from| from.tag()).map(str::to_owned);
            let (call, from, cseq) = (self.message(at).call, tag(sip), sip.cseq);
            let asked = |later: &usize| {
                let (other, message) = (&self.rows[*later], self.message(*later));
                let same = !other.response && other.method == said.method && message.call == call;
                let Some(sip) = message.facts.sip.as_deref().filter(|_| same) else { return false };
                // Of a glare either side may ask again.
                tag(sip) == from && sip.cseq > cseq || status == 491 && tag(sip) != from
            };
            let soon = |later: &usize| self.time(*later).micros_since(self.time(at)) <= RETRY;
            if (at + 1..self.rows.len()).take_while(soon).any(|later| asked(&later)) {
                again.push(at);
            }
        }
        for at in again {
            self.rows[at].retried = true;
        }
    }

    /// Gives what woke a phone to its leg.
    fn wakes(&mut self) {
        let flow = self.flow;
        for (leg, own) in flow.legs.iter().enumerate().filter(|(_, own)| own.hops.is_empty()) {
            let PushState::Woke(woke, _) = own.push else { continue };
            let registers = |at: &usize| self.rows[*at].kind == Kind::Sip && self.rows[*at].method == "REGISTER";
            let all: Vec<usize> = (0..flow.rows.len()).filter(registers).collect();
            let woken = |at: &&usize| !self.rows[**at].response && flow.rows[**at].time == woke;
            let Some(device) = all.iter().find(woken).map(|at| flow.rows[*at].from) else { continue };
            for at in all {
                let row = &flow.rows[at];
                if device == if self.rows[at].response { row.to } else { row.from } {
                    self.home[at] = leg;
                }
            }
        }
    }

    /// Proxies that are in Record-Route.
    fn staying(&self) -> BTreeSet<usize> {
        let mut hosts: BTreeSet<String> = BTreeSet::new();
        for message in self.messages {
            let routes = message.facts.sip.iter().flat_map(|sip| &sip.record_routes);
            hosts.extend(routes.map(|route| message::address::Address::new(&route.uri.host, None).host));
        }
        let mut stays = BTreeSet::new();
        if hosts.is_empty() {
            return stays;
        }
        for (at, row) in self.flow.rows.iter().enumerate() {
            let message = self.message(at);
            // The second half of an exchange goes back.
            let ends = if row.half == Half::Response { (row.to, row.from) } else { (row.from, row.to) };
            for (node, text) in [(ends.0, &message.source), (ends.1, &message.destination)] {
                if !stays.contains(&node) && hosts.contains(&message::address::Address::read(text).host) {
                    stays.insert(node);
                }
            }
        }
        stays
    }

    fn callers_heard(&self) -> Vec<Vec<Ears>> {
        let heard = |roots: &[usize]| {
            let mut ears = Ears::default();
            ears.ends.extend(roots.iter().filter_map(|hop| self.flow.hops[*hop].ends).map(|(from, _)| from));
            for root in roots {
                let mut level = vec![*root];
                while !level.is_empty() {
                    let near: Vec<usize> = level.iter().copied().filter(|hop| self.is_logged(*hop)).collect();
                    if !near.is_empty() {
                        ears.hops.extend(near);
                        break;
                    }
                    level = level.iter().flat_map(|hop| &self.flow.hops[*hop].children).copied().collect();
                }
            }
            let ends = ears.hops.iter().filter_map(|hop| self.flow.hops[*hop].ends);
            ears.places = ends.map(|(from, to)| Place { near: from, far: to }).collect();
            ears.unique()
        };
        let of = |caller: &message::flow::Caller| caller.tries.iter().map(|one| heard(&one.attempts)).collect();
        self.flow.course.callers.iter().map(of).collect()
    }

    fn leg_heard(&self, leg: usize) -> Ears {
        let own = &self.flow.legs[leg];
        let mut ears = Ears::default();
        ears.ends.extend(own.node);
        let on_leg = |hop: &usize| own.hops.contains(hop);
        let leaves = own.hops.iter().copied().filter(|hop| !self.flow.hops[*hop].children.iter().any(&on_leg));
        for leaf in leaves {
            ears.ends.extend(self.flow.hops[leaf].ends.map(|(_, to)| to));
            let up = std::iter::successors(Some(leaf), |hop| self.flow.hops[*hop].parent);
            ears.hops.extend(up.into_iter().find(|hop| self.is_logged(*hop)));
        }
        let ends = ears.hops.iter().filter_map(|hop| self.flow.hops[*hop].ends);
        ears.places = ends.map(|(from, to)| Place { near: to, far: from }).collect();
        if ears.hops.is_empty() {
            // It takes the way of its device's last REGISTER, reversed.
            let registers = self.flow.rows.iter().enumerate().rev().filter(|(at, row)| {
                self.home[*at] == leg
                    && row.on_first_hop
                    && self.rows[*at].method == "REGISTER"
                    && !self.rows[*at].response
            });
            if let Some((_, row)) = registers.into_iter().next() {
                ears.places.push(Place { near: row.from, far: row.to });
                ears.ends.push(row.from);
            }
        }
        ears.unique()
    }

    /// Its sender or its receiver writes a log.
    fn is_logged(&self, hop: usize) -> bool {
        let ends = self.flow.hops[hop].ends;
        ends.is_some_and(|(from, to)| self.writes_log(from) || self.writes_log(to))
    }
}

impl Ears {
    fn unique(mut self) -> Self {
        self.places.sort_unstable();
        self.places.dedup();
        self.ends.sort_unstable();
        self.ends.dedup();
        self
    }
}

fn said<'a>(flow: &'a Flow, messages: &'a [Message]) -> Vec<Said<'a>> {
    let response = |at: usize| {
        let row = &flow.rows[at];
        row.half == Half::Response || row.half == Half::Whole && messages[row.message].facts.response
    };
    let of = |at: usize| {
        let row = &flow.rows[at];
        let message = &messages[row.message];
        let mut sightings = std::iter::once(&row.message).chain(&row.sightings);
        let answers = response(at);
        let request = if answers { row.pair.filter(|pair| !response(*pair)) } else { Some(at) };
        let told = request.map_or(message, |request| &messages[flow.rows[request].message]);
        let status = match row.half {
            Half::Response => message.facts.result.as_ref().and_then(|result| result.status),
            Half::Whole if answers => message.facts.status,
            _ => None,
        };
        Said {
            kind: row.kind,
            method: match row.kind {
                Kind::Push => "PUSH",
                Kind::Sip => &message.facts.method,
                _ => &told.facts.method,
            },
            status,
            response: answers,
            request,
            retried: false,
            provisional: sightings.all(|at| messages[*at].provisional),
        }
    };
    (0..flow.rows.len()).map(of).collect()
}
