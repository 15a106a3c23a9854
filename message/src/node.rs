//! Nodes: which column of the ladder an address is.
//!
//! A machine that writes a log is a server. An address that opens dialogs with one Via, or at which INVITEs to a
//! contact end, is a device of a person. All else is a peer outside, named by its host. Ports of one host are columns
//! of their own only when they talk to each other, and where they are devices.

mod alias;
mod column;
mod device;
mod name;

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};

pub(crate) use column::opener;
use device::Devices;
pub(crate) use device::{forwarded, shown, user};
use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::fold::Fold;
use crate::kind::Kind;
use crate::number::{ByNumber, Numbers};
use crate::scene::Scene;
use crate::scene::base::Bases;
use crate::scene::logger::Loggers;
use crate::tree::Tree;

/// Gives a machine the name that the operator chose, by the source that logged it (its name) and its address.
pub type Resolver<'a> = &'a dyn Fn(&str, &Address) -> Option<String>;

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
    /// The log that it writes; of several the first.
    pub log: Option<Log>,
    /// All of them: calls may be logged in one file and look-ups in another.
    pub logs: Vec<Log>,
    /// Microseconds its displayed times were shifted by.
    pub clock_shift: i64,
}

/// A source: the agent that reads it, and its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Log {
    pub agent: String,
    pub source: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NodeKind {
    Server,
    Device,
    External,
}

/// The columns, left to right, and which addresses they are.
pub(crate) struct Columns {
    pub nodes: Vec<Node>,
    /// By address index.
    pub of: Vec<usize>,
}

/// What a column is made of, before it has its place and name.
pub(crate) struct Draft {
    pub kind: NodeKind,
    /// A name rather than a number, else the least of its addresses.
    pub address: usize,
    pub addresses: usize,
    /// One port of a host.
    pub port: bool,
    pub network: Option<Ipv4Addr>,
    pub person: Option<String>,
    /// The first leg whose INVITE went there.
    pub leg: Option<usize>,
    /// The source it writes, the least of several, and all of them.
    pub source: Option<usize>,
    pub sources: BTreeSet<usize>,
    pub user_agent: Option<String>,
    pub spoke: bool,
    /// Takes part in SIP.
    pub sip: bool,
    pub push: bool,
}

/// What columns are told from.
pub(crate) struct Machines<'a> {
    pub bases: &'a Bases,
    pub loggers: &'a Loggers,
    pub tree: &'a Tree<'a>,
    /// By address index: the leg whose INVITE went there.
    pub legs: ByNumber<usize, usize>,
}

/// `shift` is by source: microseconds that its times were moved by.
pub(crate) fn columns(
    scene: &Scene,
    folds: &[Fold],
    machines: &Machines,
    shift: &[i64],
    resolver: Resolver,
) -> Columns {
    let Machines { bases, loggers, tree, legs } = machines;
    let alias = alias::aliases(scene, folds, bases);
    let devices = Devices::of(scene, folds, bases, loggers, tree);
    let networks = networks(scene, folds, bases, loggers, &devices, &alias);
    let mut sources: ByNumber<usize, Vec<usize>> = ByNumber::default();
    for (source, base) in loggers.pairs() {
        sources.entry(base).or_default().push(source);
    }
    let mut numbers = Numbers::default();
    let mut drafts: Vec<Draft> = Vec::new();
    let mut of = Vec::with_capacity(scene.addresses.len());
    for (index, address) in scene.addresses.iter().enumerate() {
        let base = alias[bases.of[index]];
        let network = networks.get(&base).copied();
        let node = match (devices.of[index], network) {
            (Some(device), _) => numbers.of(Which::Device(device)),
            (None, Some(network)) => numbers.of(Which::Network(network)),
            (None, None) => numbers.of(Which::Machine(base)),
        };
        of.push(node);
        if let Some(draft) = drafts.get_mut(node) {
            draft.addresses += 1;
            draft.leg = draft.leg.into_iter().chain(legs.get(&index).copied()).min();
            draft.join(&sources, bases.of[index]);
            let rank = |address: &Address| (address.host.is_empty(), address.ip().is_some(), address.clone());
            if rank(address) < rank(&scene.addresses[draft.address]) {
                draft.address = index;
            }
            continue;
        }
        let device = devices.of[index].map(|device| devices.persons[device].clone());
        drafts.push(Draft {
            kind: if device.is_some() { NodeKind::Device } else { NodeKind::External },
            address: index,
            addresses: 1,
            port: bases.split[base],
            network: network.filter(|_| device.is_none()),
            person: device,
            leg: legs.get(&index).copied(),
            source: None,
            sources: BTreeSet::new(),
            user_agent: None,
            spoke: false,
            sip: false,
            push: false,
        });
        drafts[node].join(&sources, bases.of[index]);
    }
    for fold in folds {
        let (from, to) = scene.ends(fold.first);
        let message = &scene.messages[fold.first.message];
        for node in [of[from], of[to]] {
            drafts[node].sip |= message.kind == Kind::Sip;
            drafts[node].push |= message.kind == Kind::Push;
        }
        let sender = &mut drafts[of[from]];
        sender.spoke = true;
        if sender.user_agent.is_none() {
            sender.user_agent = scene.sip(fold.first.message).and_then(|sip| sip.user_agent.clone());
        }
    }
    let order = column::order(scene, folds, &drafts, &of);
    let mut place = vec![0; drafts.len()];
    for (column, draft) in order.iter().enumerate() {
        place[*draft] = column;
    }
    let names = name::names(scene, &drafts, resolver);
    let mut logs: HashMap<usize, Log> = HashMap::new();
    for (message, source) in scene.messages.iter().zip(&scene.source) {
        let place = &message.place;
        logs.entry(*source).or_insert_with(|| Log { agent: place.agent.clone(), source: place.source.clone() });
    }
    let mut nodes = vec![None; drafts.len()];
    for (index, (draft, (name, detail))) in drafts.iter().zip(names).enumerate() {
        nodes[place[index]] = Some(Node {
            name,
            detail,
            user_agent: draft.user_agent.clone(),
            kind: draft.kind,
            person: draft.person.clone(),
            leg: None,
            spoke: draft.spoke || draft.kind != NodeKind::Device,
            log: draft.source.and_then(|source| logs.get(&source).cloned()),
            logs: draft.sources.iter().filter_map(|source| logs.get(source).cloned()).collect(),
            clock_shift: draft.source.map_or(0, |source| shift[source]),
        });
    }
    Columns { nodes: nodes.into_iter().flatten().collect(), of: of.into_iter().map(|node| place[node]).collect() }
}

impl Draft {
    /// One more machine of the log turns out to be this column.
    fn join(&mut self, sources: &ByNumber<usize, Vec<usize>>, base: usize) {
        self.sources.extend(sources.get(&base).into_iter().flatten());
        self.source = self.sources.first().copied();
        if self.kind == NodeKind::External && self.source.is_some() {
            self.kind = NodeKind::Server;
        }
    }
}

#[derive(PartialEq, Eq, Hash)]
enum Which {
    Device(usize),
    Network(Ipv4Addr),
    Machine(usize),
}

/// Bases that only ever sent requests which nobody answered to them as to a server: scanners and the like. Two or more
/// of one /24 share a column.
fn networks(
    scene: &Scene,
    folds: &[Fold],
    bases: &Bases,
    loggers: &Loggers,
    devices: &Devices,
    alias: &[usize],
) -> HashMap<usize, Ipv4Addr> {
    let mut serves = vec![false; bases.count()];
    for fold in folds {
        let (from, to) = scene.ends(fold.first);
        let server = if fold.first.is_response(scene.messages) { from } else { to };
        serves[bases.of[server]] = true;
    }
    for (address, device) in devices.of.iter().enumerate() {
        serves[bases.of[address]] |= device.is_some();
    }
    // What two logs name in two ways is known to somebody.
    for (base, same) in alias.iter().enumerate().filter(|(base, same)| base != *same) {
        (serves[base], serves[*same]) = (true, true);
    }
    let mut of = HashMap::new();
    let mut members: HashMap<Ipv4Addr, usize> = HashMap::new();
    for (base, &address) in bases.address.iter().enumerate() {
        if let Some(IpAddr::V4(ip)) = scene.addresses[address].ip()
            && !serves[base]
            && !loggers.is_server(base)
        {
            let [a, b, c, _] = ip.octets();
            let network = Ipv4Addr::new(a, b, c, 0);
            of.insert(base, network);
            *members.entry(network).or_default() += 1;
        }
    }
    of.retain(|_, network| members[network] > 1);
    of
}
