//! Where a node sends one INVITE to several devices: each of them is a leg of its own.

use std::collections::BTreeMap;

use super::identity::Identities;
use crate::number::ByNumber;
use crate::scene::base::Bases;
use crate::tree::Tree;
use record::time::Timestamp;

/// Forks within forks beyond this depth stay on their leg: Vias of a stranger do not decide how long a tag is.
const DEEPEST: usize = 4;

/// The legs of all calls, before it is known what happened on them.
#[derive(Default)]
pub struct Branching {
    pub legs: Vec<Branched>,
    /// By attempt; none in a call without a trunk.
    pub of: Vec<Option<usize>>,
    pub forks: Vec<Forking>,
    /// By leg and device: the leg forked from it.
    forked: ByNumber<(usize, usize), usize>,
}

pub struct Branched {
    pub tag: String,
    pub parent: Option<usize>,
    pub call: usize,
    pub depth: usize,
    pub attempts: Vec<usize>,
    children: usize,
}

/// One node, several devices.
pub struct Forking {
    /// The first attempt of each branch, in leg order.
    pub attempts: Vec<usize>,
}

/// What is needed to tell legs apart.
pub struct Ground<'a> {
    pub tree: &'a Tree<'a>,
    pub identities: &'a Identities<'a>,
    pub bases: &'a Bases,
    /// By device: when it was first pushed to.
    pub pushed: ByNumber<usize, Timestamp>,
}

impl Branching {
    /// `trunks` are calls in leg order: `A`, `C`, `D`, …
    pub fn of(ground: &Ground, trunks: &[usize]) -> Self {
        let mut branching = Self { of: vec![None; ground.tree.attempts.len()], ..Self::default() };
        let mut roots: ByNumber<usize, Vec<usize>> = ByNumber::default();
        for (index, attempt) in ground.tree.attempts.iter().enumerate() {
            if attempt.parent.is_none() {
                roots.entry(attempt.call).or_default().push(index);
            }
        }
        for (number, &call) in trunks.iter().enumerate() {
            let trunk = branching.leg(letters(number), None, call);
            branching.settle(ground, trunk, &roots.remove(&call).unwrap_or_default());
        }
        branching
    }

    fn leg(&mut self, tag: String, parent: Option<usize>, call: usize) -> usize {
        let depth = parent.map_or(0, |parent| self.legs[parent].depth + 1);
        self.legs.push(Branched { tag, parent, call, depth, attempts: Vec::new(), children: 0 });
        self.legs.len() - 1
    }

    /// Puts attempts of one depth, and what was made of them, on a leg or on legs forked from it.
    fn settle(&mut self, ground: &Ground, leg: usize, attempts: &[usize]) {
        let mut level = attempts.to_vec();
        while !level.is_empty() {
            let mut next = Vec::new();
            for targets in by_sender(ground, &level) {
                if targets.len() > 1 && self.legs[leg].depth < DEEPEST {
                    self.fork(ground, leg, &targets);
                    continue;
                }
                for &attempt in targets.iter().flatten() {
                    self.of[attempt] = Some(leg);
                    self.legs[leg].attempts.push(attempt);
                    next.extend(&ground.tree.attempts[attempt].children);
                }
            }
            level = next;
        }
    }

    fn fork(&mut self, ground: &Ground, parent: usize, targets: &[Vec<usize>]) {
        self.forks.push(Forking { attempts: targets.iter().map(|target| target[0]).collect() });
        for target in targets {
            let device = ground.identities.attempts[target[0]];
            let known = self.forked.get(&(parent, device)).copied();
            let leg = known.unwrap_or_else(|| {
                self.legs[parent].children += 1;
                let number = self.legs[parent].children;
                let tag = match (self.legs[parent].depth, self.legs[parent].tag.as_str()) {
                    (0, "A") => format!("B{number}"),
                    (0, trunk) => format!("{trunk}{number}"),
                    (_, leg) => format!("{leg}.{number}"),
                };
                self.leg(tag, Some(parent), self.legs[parent].call)
            });
            self.forked.insert((parent, device), leg);
            self.settle(ground, leg, target);
        }
    }
}

/// Attempts of each sender, by device, in order of begin. A push to a device begins its leg.
fn by_sender(ground: &Ground, level: &[usize]) -> Vec<Vec<Vec<usize>>> {
    let mut senders: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    let mut order: Vec<Option<usize>> = Vec::new();
    for &attempt in level {
        let sender = ground.tree.attempts[attempt].ends.map(|(from, _)| ground.bases.of[from]);
        let sent = senders.entry(sender).or_insert_with(|| {
            order.push(sender);
            Vec::new()
        });
        sent.push(attempt);
    }
    let mut all = Vec::with_capacity(order.len());
    for sent in order.into_iter().filter_map(|sender| senders.remove(&sender)) {
        let mut place: ByNumber<Option<usize>, usize> = ByNumber::default();
        let mut targets: Vec<Vec<usize>> = Vec::new();
        for attempt in sent {
            // Without a message of the hop itself nobody knows whether these were one device.
            let device = ground.tree.attempts[attempt].ends.map(|_| ground.identities.attempts[attempt]);
            let target = *place.entry(device).or_insert(targets.len());
            if target == targets.len() {
                targets.push(Vec::new());
            }
            targets[target].push(attempt);
        }
        targets.sort_by_key(|target| {
            let begun = ground.tree.attempts[target[0]].begun;
            let pushed = ground.pushed.get(&ground.identities.attempts[target[0]]).copied();
            begun.into_iter().chain(pushed).min()
        });
        all.push(targets);
    }
    all
}

/// `A`, `C`, `D`, …, `Z`, `AA`, `AC`, …: `B` is for the forks of `A`.
fn letters(number: usize) -> String {
    const LETTERS: &[u8] = b"ACDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut rest = number;
    let mut text = Vec::new();
    loop {
        text.push(LETTERS[rest % LETTERS.len()]);
        rest /= LETTERS.len();
        if rest == 0 {
            break;
        }
        rest -= 1;
    }
    text.iter().rev().map(|letter| char::from(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::letters;

    #[test]
    fn the_letter_of_a_trunk_is_never_that_of_the_forks_of_the_first() {
        let all: Vec<_> = (0..700).map(letters).collect();
        assert_eq!((&*all[0], &*all[1], &*all[24], &*all[25], &*all[26]), ("A", "C", "Z", "AA", "AC"));
        assert!(all.iter().all(|tag| !tag.contains('B')));
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), 700);
    }
}
