//! How far a scenario reached, counted as its picture draws it: legs, devices, nodes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{CAP, insert, short};
use crate::address::Address;
use crate::event::CallEvent;
use crate::kind::Kind;

/// Values stand as short hashes; sets are capped.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Reach {
    /// Calls with SIP: each has a leg of its own.
    calls: BTreeSet<u64>,
    /// What one INVITE that came in was passed on to: (call, branch and CSeq; target).
    forks: BTreeSet<(u64, u64)>,
    /// Branches of INVITEs to devices: target, and machine.
    ends: BTreeMap<u64, (u64, u64)>,
    /// Branches that were passed on.
    passed_on: BTreeSet<u64>,
    /// Machines that pass INVITEs on, or ask by REST or push: no devices.
    servers: BTreeSet<u64>,
    addresses: BTreeSet<(String, u16)>,
    /// Those that talk to another port of their host: columns of their own.
    talking: BTreeSet<(String, u16)>,
}

impl Reach {
    pub fn add(&mut self, event: &CallEvent) {
        let (from, to) = (Address::read(&event.source), Address::read(&event.destination));
        for (address, other) in [(&from, &to), (&to, &from)] {
            if address.host.is_empty() || address.host == "-" {
                continue;
            }
            insert(&mut self.addresses, (address.host.clone(), address.port));
            if address.host == other.host && address.port != other.port {
                insert(&mut self.talking, (address.host.clone(), address.port));
            }
        }
        if event.kind != Kind::Sip {
            if !event.response {
                insert(&mut self.servers, machine(&from));
            }
            return;
        }
        insert(&mut self.calls, short(&event.call.0));
        let Some(hop) = &event.hop else { return };
        let in_call = |what: &[&[u8]]| short(&[&[&event.call.0[..]], what].concat().join(&0));
        let target = in_call(&[b"target", hop.uri.as_bytes()]);
        if !hop.below.is_empty() {
            let cseq = hop.cseq.unwrap_or_default().to_be_bytes();
            insert(&mut self.forks, (in_call(&[hop.below.as_bytes(), &cseq]), target));
            insert(&mut self.passed_on, in_call(&[b"branch", hop.below.as_bytes()]));
            insert(&mut self.servers, machine(&from));
        }
        if hop.device && !event.branch.is_empty() {
            self.end(in_call(&[b"branch", event.branch.as_bytes()]), (target, machine(&to)));
        }
    }

    pub fn join(&mut self, other: &Self) {
        other.calls.iter().for_each(|call| insert(&mut self.calls, *call));
        other.forks.iter().for_each(|fork| insert(&mut self.forks, *fork));
        other.ends.iter().for_each(|(branch, end)| self.end(*branch, *end));
        other.passed_on.iter().for_each(|branch| insert(&mut self.passed_on, *branch));
        other.servers.iter().for_each(|server| insert(&mut self.servers, *server));
        other.addresses.iter().for_each(|address| insert(&mut self.addresses, address.clone()));
        other.talking.iter().for_each(|address| insert(&mut self.talking, address.clone()));
    }

    fn end(&mut self, branch: u64, end: (u64, u64)) {
        let known = self.ends.entry(branch).or_insert(end);
        *known = end.min(*known);
        if self.ends.len() > CAP {
            self.ends.pop_last();
        }
    }

    /// One a call, and one for each target of a fork.
    pub fn legs(&self) -> usize {
        let mut targets: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (branch, target) in &self.forks {
            targets.entry(*branch).or_default().push(*target);
        }
        let forked: BTreeSet<_> = targets.values().filter(|targets| targets.len() > 1).flatten().collect();
        self.calls.len().max(1) + forked.len()
    }

    /// Targets that no INVITE was passed on from.
    pub fn devices(&self) -> usize {
        let ends = self
            .ends
            .iter()
            .filter(|(branch, (_, machine))| !self.passed_on.contains(branch) && !self.servers.contains(machine));
        ends.map(|(_, (target, _))| target).collect::<BTreeSet<_>>().len()
    }

    /// Hosts; of those whose ports talk to each other, the ports.
    pub fn nodes(&self) -> usize {
        let column =
            |address: &&(String, u16)| (address.0.clone(), self.talking.contains(*address).then_some(address.1));
        self.addresses.iter().map(|address| column(&address)).collect::<BTreeSet<_>>().len()
    }
}

fn machine(address: &Address) -> u64 {
    short(address.to_string().as_bytes())
}
