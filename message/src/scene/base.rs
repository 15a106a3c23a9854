//! Which addresses are one machine: a host, or a port of a host whose ports talk to each other.

use std::collections::HashSet;

use super::Scene;
use crate::number::Numbers;

/// Machines, before devices and names are known.
pub struct Bases {
    /// By address index.
    pub of: Vec<usize>,
    /// By base: one port of a host, not the whole host.
    pub split: Vec<bool>,
    /// By base: an address index that stands for it, the least by host and port.
    pub address: Vec<usize>,
}

impl Bases {
    pub fn of(scene: &Scene) -> Self {
        let talking = talking_ports(scene);
        let mut numbers = Numbers::default();
        let mut bases = Self { of: Vec::with_capacity(scene.addresses.len()), split: Vec::new(), address: Vec::new() };
        for (index, address) in scene.addresses.iter().enumerate() {
            let own = talking.contains(&index) || scene.unknown[index].is_some();
            let base = numbers.of((&address.host, own.then_some(address.port)));
            bases.of.push(base);
            if base == bases.split.len() {
                bases.split.push(own);
                bases.address.push(index);
            } else if *address < scene.addresses[bases.address[base]] {
                bases.address[base] = index;
            }
        }
        bases
    }

    pub fn count(&self) -> usize {
        self.split.len()
    }
}

/// Addresses that exchange a message with another port of their own host.
fn talking_ports(scene: &Scene) -> HashSet<usize> {
    let mut talking = HashSet::new();
    for (&from, &to) in scene.from.iter().zip(&scene.to) {
        if from != to && scene.addresses[from].host == scene.addresses[to].host {
            talking.extend([from, to]);
        }
    }
    talking
}
