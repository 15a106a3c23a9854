//! The caller's side, and who was invited from there: each device or target is a leg of its own.

use std::collections::BTreeMap;

use super::dialogs;
use super::push::Push;
use super::target::{Ground, Target, by_sender, ends_here, target_of};
use crate::number::ByNumber;

/// Forks within forks beyond this depth stay on their leg: Vias of a stranger do not decide how long a tag is.
const DEEPEST: usize = 4;

/// The legs of all calls, before it is known what happened on them.
#[derive(Default)]
pub struct Branching {
    pub legs: Vec<Branched>,
    /// By attempt; none in a call without a trunk.
    pub of: Vec<Option<usize>>,
    pub forks: Vec<Forking>,
    /// By leg and target: the leg forked from it.
    forked: ByNumber<(usize, Target), usize>,
    /// By attempt: legs of several dialogs on it.
    sharing: ByNumber<usize, Vec<usize>>,
    /// By device: its leg, the first if there are more.
    pub device: ByNumber<usize, usize>,
    /// Of devices that may be one that was pushed to: the leg of that.
    pub unclear: ByNumber<usize, usize>,
    /// By trunk and device: its first leg below that.
    of_trunk: ByNumber<(usize, usize), usize>,
    /// By call: the trunk that it is, or is below.
    trunk: ByNumber<usize, usize>,
}

pub struct Branched {
    pub tag: String,
    pub parent: Option<usize>,
    pub call: usize,
    pub depth: usize,
    pub attempts: Vec<usize>,
    /// Those of the last try of its caller in which it was invited, and which try that is.
    pub last: Vec<usize>,
    pub tried: Option<usize>,
    /// Those of each earlier try in which it was invited.
    pub earlier: Vec<(usize, Vec<usize>)>,
    /// Of several dialogs on these attempts, the To-tags of those that are its own.
    pub tags: Option<Vec<String>>,
    /// Its attempts, and its rows unless there are several of its kind, are those of the leg above.
    pub is_shared: bool,
    /// Several dialogs of its attempts have legs of their own.
    pub is_split: bool,
    /// An INVITE began it, or what was forked from it.
    pub is_invited: bool,
    children: usize,
}

/// One node, several devices, in one try.
pub struct Forking {
    /// The first and the last attempt of each branch, in leg order.
    pub attempts: Vec<(usize, usize)>,
}

impl Branched {
    /// The tries of its caller in which it was invited, each with its attempts in it.
    pub fn tries(&self) -> impl Iterator<Item = (usize, &[usize])> {
        let earlier = self.earlier.iter().map(|(number, attempts)| (*number, attempts.as_slice()));
        earlier.chain(self.tried.map(|number| (number, self.last.as_slice())))
    }

    /// Its attempts in one try.
    pub fn in_try(&self, number: usize) -> &[usize] {
        if self.tried == Some(number) {
            return &self.last;
        }
        let earlier = self.earlier.binary_search_by_key(&number, |(own, _)| *own);
        earlier.map_or(&[], |at| &self.earlier[at].1)
    }
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
            let roots = roots.remove(&call).unwrap_or_default();
            branching.legs[trunk].is_invited = !roots.is_empty();
            branching.trunk.insert(call, trunk);
            branching.settle(ground, trunk, &roots);
            branching.one_hop(ground, trunk);
        }
        for (attempt, leg) in ground.tree.attempts.iter().zip(&branching.of) {
            let trunk = leg.map(|leg| branching.root(leg));
            if let Some(trunk) = trunk {
                branching.trunk.entry(attempt.call).or_insert(trunk);
            }
        }
        branching.last(ground);
        branching
    }

    /// Which try counts for each leg: of several dialogs on its attempts, the last of its own.
    fn last(&mut self, ground: &Ground) {
        let tries = &ground.tries.of;
        for leg in &mut self.legs {
            let own = |attempt: &usize| leg.tags.as_ref().is_none_or(|tags| ground.heard.0[*attempt].is_of(tags));
            let mut tried: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for &attempt in &leg.attempts {
                tried.entry(tries[attempt]).or_default().push(attempt);
            }
            tried.retain(|_, attempts| attempts.iter().any(own));
            if let Some((number, attempts)) = tried.pop_last() {
                (leg.tried, leg.last) = (Some(number), attempts);
            }
            leg.earlier = tried.into_iter().collect();
        }
    }

    fn leg(&mut self, tag: String, parent: Option<usize>, call: usize) -> usize {
        let depth = parent.map_or(0, |parent| self.legs[parent].depth + 1);
        self.legs.push(Branched {
            tag,
            parent,
            call,
            depth,
            attempts: Vec::new(),
            last: Vec::new(),
            tried: None,
            earlier: Vec::new(),
            tags: None,
            is_shared: false,
            is_split: false,
            is_invited: false,
            children: 0,
        });
        self.legs.len() - 1
    }

    /// Puts attempts of one depth, and what was made of them, on a leg or on legs forked from it.
    fn settle(&mut self, ground: &Ground, leg: usize, attempts: &[usize]) {
        let mut level = attempts.to_vec();
        while !level.is_empty() {
            let mut next = Vec::new();
            for targets in by_sender(ground, &level) {
                let own = targets.len() > 1 || self.legs[leg].depth == 0 && ends_here(ground, &targets);
                if own && self.legs[leg].depth < DEEPEST {
                    self.fork(ground, leg, &targets);
                    continue;
                }
                for &attempt in targets.iter().flatten() {
                    self.of[attempt] = Some(leg);
                    self.legs[leg].attempts.push(attempt);
                    if ground.tree.attempts[attempt].children.is_empty() {
                        let device = ground.identities.attempts[attempt];
                        self.device.entry(device).or_insert(leg);
                        self.of_trunk.entry((self.root(leg), device)).or_insert(leg);
                    }
                    next.extend(&ground.tree.attempts[attempt].children);
                }
            }
            level = next;
        }
    }

    fn fork(&mut self, ground: &Ground, parent: usize, targets: &[Vec<usize>]) {
        let mut tries: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for target in targets {
            let mut own: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
            for &attempt in target {
                own.entry(ground.tries.of[attempt]).or_insert((attempt, attempt)).1 = attempt;
            }
            for (tried, ends) in own {
                tries.entry(tried).or_default().push(ends);
            }
        }
        self.forks.extend(tries.into_values().map(|attempts| Forking { attempts }));
        for target in targets {
            let who = target_of(ground, target[0]);
            let known = self.forked.get(&(parent, who)).copied();
            let leg = known.unwrap_or_else(|| self.child(parent, ground.tree.attempts[target[0]].call));
            self.forked.insert((parent, who), leg);
            self.settle(ground, leg, target);
        }
    }

    fn child(&mut self, parent: usize, call: usize) -> usize {
        self.legs[parent].children += 1;
        let number = self.legs[parent].children;
        let tag = match (self.legs[parent].depth, self.legs[parent].tag.as_str()) {
            (0, "A") => format!("B{number}"),
            (0, trunk) => format!("{trunk}{number}"),
            (_, leg) => format!("{leg}.{number}"),
        };
        self.leg(tag, Some(parent), call)
    }

    /// Of a caller's side that is one hop alone, the devices at its far end; of any other leg, those beyond the first.
    fn one_hop(&mut self, ground: &Ground, trunk: usize) {
        let last = self.legs.len();
        for leg in trunk..last {
            let leaves: Vec<usize> = self.legs[leg].attempts.clone();
            let ends = |attempt: &usize| ground.tree.attempts[*attempt].children.is_empty();
            if leaves.is_empty() || !leaves.iter().all(ends) {
                continue;
            }
            let mut groups = dialogs::apart(ground.heard, ground.tries, &leaves);
            let hop = leaves.iter().find_map(|attempt| ground.tree.attempts[*attempt].ends);
            let ours = hop.is_none_or(|(_, to)| ground.loggers.is_server(ground.bases.of[to]));
            let call = self.legs[leg].call;
            let before = self.legs.len();
            if leg == trunk && (groups.len() > 1 || !ours) {
                self.legs[leg].is_split = groups.len() > 1;
                let count = groups.len();
                // A device that never said anything has no tag.
                groups.resize(count.max(1), Vec::new());
                for tags in groups {
                    let child = self.child(leg, call);
                    self.legs[child].attempts.clone_from(&leaves);
                    self.legs[child].tags = (count > 1).then_some(tags);
                    self.legs[child].is_shared = true;
                }
                for attempt in &leaves {
                    let device = ground.identities.attempts[*attempt];
                    self.device.insert(device, trunk + 1);
                    self.of_trunk.insert((trunk, device), trunk + 1);
                }
            } else if leg != trunk && groups.len() > 1 {
                let parent = self.legs[leg].parent.unwrap_or(trunk);
                self.legs[leg].is_split = true;
                for tags in groups.drain(1..) {
                    let child = self.child(parent, call);
                    self.legs[child].attempts.clone_from(&leaves);
                    self.legs[child].tags = Some(tags);
                    self.legs[child].is_shared = true;
                }
                self.legs[leg].tags = groups.pop();
            }
            let shared: Vec<usize> = std::iter::once(leg).chain(before..self.legs.len()).collect();
            for attempt in leaves.iter().filter(|_| shared.len() > 1) {
                self.sharing.insert(*attempt, shared.clone());
            }
        }
    }

    /// The leg of a dialog that shares its attempts with others.
    pub fn tagged(&self, attempt: usize, tag: &str) -> Option<usize> {
        let all = self.sharing.get(&attempt)?;
        let own = |leg: &&usize| match &self.legs[**leg].tags {
            Some(tags) => tags.iter().any(|own| own == tag),
            None => self.legs[**leg].is_shared,
        };
        all.iter().find(own).copied()
    }

    /// The caller's side that a leg is below, or is.
    pub fn root(&self, leg: usize) -> usize {
        std::iter::successors(Some(leg), |leg| self.legs[*leg].parent).last().unwrap_or(leg)
    }

    /// A push that names a call is to a device of that call's caller.
    fn named(&self, push: &Push) -> Option<usize> {
        self.trunk.get(&push.call).copied().filter(|trunk| self.legs[*trunk].is_invited)
    }

    /// The caller for whom a device is pushed to: the first where nothing says which.
    pub fn caller_of(&self, push: &Push) -> Option<usize> {
        let of_device = || self.device.get(&push.device).map(|leg| self.root(*leg));
        let first = || self.legs.iter().position(|leg| leg.parent.is_none() && leg.is_invited);
        self.named(push).or_else(of_device).or_else(first)
    }

    /// The leg of the device that is pushed to.
    pub fn of_push(&self, push: &Push) -> Option<usize> {
        match self.named(push) {
            Some(trunk) => self.of_trunk.get(&(trunk, push.device)).copied(),
            None => self.device.get(&push.device).copied(),
        }
    }

    /// All legs of devices, by device, with that device.
    pub fn of_devices(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.of_trunk.iter().map(|((_, device), leg)| (*device, *leg))
    }

    /// A device that was pushed to and not invited gets a leg of its own, unless it has one.
    pub fn pushed(&mut self, push: &Push) {
        let Some(trunk) = self.caller_of(push) else { return };
        let leg = self.of_push(push).unwrap_or_else(|| {
            let leg = self.child(trunk, self.legs[trunk].call);
            self.device.entry(push.device).or_insert(leg);
            self.of_trunk.insert((trunk, push.device), leg);
            leg
        });
        if let Some(unclear) = push.unclear {
            self.unclear.entry(unclear).or_insert(leg);
        }
    }
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
