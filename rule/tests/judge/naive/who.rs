//! Where somebody is heard: the hop nearest to them that is logged.

use message::flow::Log;
use message::kind::Kind;
use rule::syntax::Who;

use super::instances::Instance;
use super::{Case, Sentence};

/// Somebody in a call, as a rule may name them.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// Their columns.
    pub nodes: Vec<usize>,
    /// Their leg, if they are called; else they call.
    pub leg: Option<usize>,
    /// The leg of who calls, if it is they.
    pub caller: Option<usize>,
    /// Nothing but the node is known of who answered this caller.
    pub within: Option<usize>,
    /// By each INVITE that they got or sent: its hops, beginning with them.
    pub ways: Vec<Vec<usize>>,
}

impl Person {
    /// Of whom nothing but the machine is known.
    pub fn is_node(&self) -> bool {
        self.leg.is_none() && self.caller.is_none() && !self.nodes.is_empty()
    }
}

impl Case<'_> {
    /// Who is meant; of `other-leg` there may be several.
    pub fn persons(&self, instance: &Instance, who: &Who) -> Vec<Person> {
        let flow = self.evidence.flow;
        match who {
            Who::Caller => self.caller(instance).into_iter().collect(),
            Who::Device | Who::Such { .. } => vec![self.device(instance.leg)],
            Who::OtherLeg => {
                let root = self.root(instance.leg);
                let others =
                    (0..flow.legs.len()).filter(|leg| *leg != instance.leg && flow.legs[*leg].parent.is_some());
                let apart =
                    |other: &usize| !self.is_below(*other, instance.leg) && !self.is_below(instance.leg, *other);
                let others = others.filter(|leg| self.root(*leg) == root).filter(apart);
                others.map(|leg| self.device(leg)).collect()
            }
            Who::Callee => self.callee(instance).into_iter().collect(),
            Who::OtherParty => {
                let Some(start) = instance.start else { return Vec::new() };
                let by_caller = self.caller(instance).is_some_and(|caller| self.is_end(instance, start, &caller, true));
                if by_caller { self.callee(instance) } else { self.caller(instance) }.into_iter().collect()
            }
            Who::Node(name) => {
                let named = (0..flow.nodes.len()).filter(|node| flow.nodes[*node].name.eq_ignore_ascii_case(name));
                named.map(|node| Person { nodes: vec![node], ..Person::default() }).collect()
            }
        }
    }

    /// The leg of the caller above a leg.
    pub fn root(&self, leg: usize) -> usize {
        let mut leg = leg;
        while let Some(parent) = self.evidence.flow.legs[leg].parent {
            leg = parent;
        }
        leg
    }

    pub fn device(&self, leg: usize) -> Person {
        let flow = self.evidence.flow;
        let hops = &flow.legs[leg].hops;
        let last = hops.iter().filter(|hop| !flow.hops[**hop].children.iter().any(|child| hops.contains(child)));
        let ways = last.map(|hop| {
            let mut way = vec![*hop];
            while let Some(parent) = flow.hops[*way.last().unwrap()].parent {
                way.push(parent);
            }
            way
        });
        let ways: Vec<Vec<usize>> = ways.collect();
        let reached = ways.iter().filter_map(|way| Some(flow.hops[way[0]].ends?.1));
        let nodes = flow.legs[leg].node.into_iter().chain(reached).collect();
        Person { nodes, leg: Some(leg), ways, ..Person::default() }
    }

    /// The caller of that leg's own way.
    fn caller(&self, instance: &Instance) -> Option<Person> {
        let flow = self.evidence.flow;
        let root = self.root(instance.leg);
        let caller = flow.course.callers.iter().find(|caller| caller.leg == root)?;
        let tries = caller.tries.iter().enumerate();
        let tries = tries.filter(|(nth, _)| instance.nth_try.is_none_or(|own| own == *nth));
        let roots: Vec<usize> = tries.flat_map(|(_, tried)| tried.attempts.iter().copied()).collect();
        // Where the first hop is not logged, it is the next.
        let ways = roots.iter().map(|root| {
            let mut way = vec![*root];
            while let Some(child) = flow.hops[*way.last().unwrap()].children.first() {
                way.push(*child);
            }
            way
        });
        let ways: Vec<Vec<usize>> = ways.collect();
        let nodes = roots.iter().filter_map(|root| flow.hops[*root].ends).map(|(from, _)| from).collect();
        Some(Person { nodes, caller: Some(root), ways, ..Person::default() })
    }

    /// In a rule per dialog the other end of this dialog; across a B2BUA the leg that is up at that moment; otherwise who
    /// answered.
    fn callee(&self, instance: &Instance) -> Option<Person> {
        let flow = self.evidence.flow;
        if let Some(dialog) = instance.dialog {
            let leg = flow.course.dialogs[dialog].leg.filter(|leg| flow.legs[*leg].parent.is_some());
            if let Some(leg) = leg {
                return Some(self.device(leg));
            }
            let root = self.root(instance.leg);
            let begun = instance.start.map_or(i64::MAX, |start| self.rows[start].time);
            let up = flow.course.dialogs.iter().filter(|dialog| {
                let below = dialog.leg.is_some_and(|leg| flow.legs[leg].parent.is_some() && self.root(leg) == root);
                below
                    && dialog.answered.is_some_and(|time| time.0 <= begun)
                    && dialog.ended.is_none_or(|bye| bye.time.0 >= begun)
            });
            if let Some(leg) = up.max_by_key(|dialog| dialog.answered).and_then(|dialog| dialog.leg) {
                return Some(self.device(leg));
            }
        }
        let root = self.root(instance.leg);
        let caller = flow.course.callers.iter().find(|caller| caller.leg == root)?;
        let winner = caller.winner.as_ref()?;
        let leg = winner.leg.filter(|leg| flow.legs[*leg].parent.is_some());
        let node = winner.node.map(|node| Person { nodes: vec![node], within: Some(root), ..Person::default() });
        leg.map(|leg| self.device(leg)).or(node)
    }

    /// The hops nearest to somebody whose sender or receiver logs: one of each way.
    pub fn nearest(&self, person: &Person) -> Vec<usize> {
        person.ways.iter().filter_map(|way| way.iter().copied().find(|hop| self.is_logged(*hop))).collect()
    }

    fn is_logged(&self, hop: usize) -> bool {
        let ends = self.evidence.flow.hops[hop].ends;
        ends.is_some_and(|(from, to)| self.is_server(from) || self.is_server(to))
    }

    /// All that a machine logs, whatever the files.
    pub fn logs(&self, node: usize) -> &[Log] {
        &self.evidence.flow.nodes[node].logs
    }

    pub fn is_server(&self, node: usize) -> bool {
        !self.logs(node).is_empty()
    }

    /// Whether a row is from somebody, or to them.
    pub fn is_end(&self, instance: &Instance, at: usize, person: &Person, from: bool) -> bool {
        let flow = self.evidence.flow;
        let said = &self.rows[at];
        let row = &flow.rows[at];
        let end = if from { said.from } else { said.to };
        let itself = person.nodes.contains(&end);
        // If they log, their log must show it.
        if itself && self.is_server(end) && !self.logs(end).iter().any(|log| said.logs.contains(log)) {
            return false;
        }
        if person.leg.is_none() && person.caller.is_none() {
            return itself && person.within.is_none_or(|root| self.root(self.rows[at].leg) == root);
        }
        if let Some(hop) = row.hop {
            // Requests go away from who calls.
            let away = person.caller.is_some() == from;
            if said.request != away || !self.nearest(person).contains(&hop) {
                return false;
            }
            return person.leg.is_none_or(|leg| said.request || self.is_of_leg(at, leg));
        }
        if said.kind == Kind::Sip && row.dialog.is_some() {
            let theirs = match (person.leg, person.caller) {
                (Some(leg), _) => self.is_of_leg(at, leg),
                (_, Some(caller)) => self.root(self.rows[at].leg) == caller,
                _ => true,
            };
            let along = self.nearest(person).iter().filter_map(|hop| flow.hops[*hop].ends).any(|(one, other)| {
                let outward = person.caller.is_some() == from;
                if outward { (said.from, said.to) == (one, other) } else { (said.from, said.to) == (other, one) }
            });
            return theirs && (along || (itself && self.knows(Sentence::StraightInDialog)));
        }
        // Outside of a call: the way of the message itself.
        let theirs = self.rows[at].leg == person.leg.unwrap_or(instance.leg);
        let near = match said.kind {
            Kind::Sip => row.on_first_hop,
            _ => true,
        };
        // Who registers sends requests and gets answers; who is pushed to gets requests.
        let way = if said.kind == Kind::Sip { said.request == from } else { said.request != from };
        theirs && near && way
    }

    /// It is of a leg by the To-tag, where that alone tells; else by its hop.
    pub fn is_of_leg(&self, at: usize, leg: usize) -> bool {
        let flow = self.evidence.flow;
        let row = &flow.rows[at];
        let by_dialog = row.dialog.and_then(|dialog| flow.course.dialogs[dialog].leg);
        self.is_below(self.rows[at].leg, leg) || by_dialog.is_some_and(|own| self.is_below(own, leg))
    }

    fn is_below(&self, below: usize, leg: usize) -> bool {
        below == leg || self.evidence.flow.legs[below].parent.is_some_and(|parent| self.is_below(parent, leg))
    }
}
