//! What stands at the head of a column: a name, and a second line.

use std::collections::{HashMap, HashSet};

use super::{Draft, Resolver};
use crate::node::NodeKind;
use crate::scene::Scene;
use crate::scene::unknown::Side;

/// Longest name of a product that stands in a column's name.
const PRODUCT: usize = 20;

/// Name and detail of each draft; no two names are the same.
pub fn names(scene: &Scene, drafts: &[Draft], resolver: Resolver) -> Vec<(String, String)> {
    let mut source_names = vec![""; scene.sources];
    let mut hosts = vec![""; scene.sources];
    for (message, source) in scene.messages.iter().zip(&scene.source) {
        (source_names[*source], hosts[*source]) = (&message.place.source, &message.place.host);
    }
    let mut of_person: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        if let Some(person) = &draft.person {
            of_person.entry(person).or_default().push(index);
        }
    }
    let mut names = Vec::with_capacity(drafts.len());
    for (index, draft) in drafts.iter().enumerate() {
        let address = &scene.addresses[draft.address];
        let side = scene.unknown[draft.address];
        let machine = match side {
            Some(side) => no_address(side).to_owned(),
            None if draft.port => address.to_string(),
            None => address.host.clone(),
        };
        let given = resolver(draft.source.map_or("*", |source| source_names[source]), address);
        let detail = match draft.kind {
            NodeKind::Device => draft.user_agent.clone().unwrap_or_else(|| address.to_string()),
            NodeKind::Server if given.is_some() => machine.clone(),
            NodeKind::Server => draft.source.map_or("", |source| hosts[source]).to_owned(),
            _ if side.is_some() => "no address in the log".to_owned(),
            NodeKind::External if draft.network.is_some() => format!("{} addresses", draft.addresses),
            NodeKind::External if draft.sip => "outside".to_owned(),
            NodeKind::External => if draft.push { "push" } else { "REST" }.to_owned(),
        };
        let name = given.unwrap_or_else(|| match (&draft.person, draft.network) {
            (Some(person), _) if of_person[person.as_str()].len() > 1 => {
                format!("{person} {}", mark(scene, drafts, &of_person[person.as_str()], index))
            }
            (Some(person), _) => person.clone(),
            (None, Some(network)) => format!("outside: {network}/24"),
            (None, None) => machine,
        });
        names.push((name, detail));
    }
    let mut taken = HashSet::new();
    for (index, (name, _)) in names.iter_mut().enumerate() {
        let address = drafts[index].address;
        if !taken.insert(name.clone()) {
            *name = match scene.unknown[address] {
                Some(_) => format!("{name} {}", scene.addresses[address].port),
                None => format!("{name} {}", scene.addresses[address]),
            };
            taken.insert(name.clone());
        }
    }
    names
}

/// A peer of which the log says `-`.
fn no_address(side: Side) -> &'static str {
    match side {
        Side::Caller => "unknown caller",
        Side::Called => "unknown callee",
        Side::Beside => "unknown",
    }
}

/// What tells the devices of one person apart: the product, else the host, else the port, else both.
fn mark(scene: &Scene, drafts: &[Draft], devices: &[usize], of: usize) -> String {
    let product = |index: usize| {
        let agent = drafts[index].user_agent.as_deref()?;
        agent.split(['/', ' ']).next().filter(|name| !name.is_empty() && name.len() <= PRODUCT)
    };
    let products: HashSet<_> = devices.iter().filter_map(|index| product(*index)).collect();
    if products.len() == devices.len() {
        return product(of).unwrap_or_default().to_owned();
    }
    let address = |index: usize| &scene.addresses[drafts[index].address];
    let ports: HashSet<_> = devices.iter().map(|index| address(*index).port).collect();
    let hosts: HashSet<_> = devices.iter().map(|index| &address(*index).host).collect();
    if hosts.len() == devices.len() {
        address(of).host.clone()
    } else if ports.len() == devices.len() {
        address(of).port.to_string()
    } else {
        address(of).to_string()
    }
}
