//! Files that wait for a turn: the chains take turns, so that no log waits for as long as others are busy.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use crate::follow::chain::ChainId;
use crate::stream::FileKey;

/// Invariants: a chain stands in `order` once if it has files here, and not otherwise; a file waits in one place.
#[derive(Debug, Default)]
pub(super) struct Ready {
    order: VecDeque<ChainId>,
    files: HashMap<ChainId, BTreeSet<(u64, FileKey)>>,
    waiting: HashSet<FileKey>,
}

impl Ready {
    /// The file waits; a chain that had none waiting goes to the end of the line.
    pub fn add(&mut self, file: FileKey, chain: ChainId, age: u64) {
        if !self.waiting.insert(file) {
            return;
        }
        let files = self.files.entry(chain).or_default();
        if files.is_empty() {
            self.order.push_back(chain);
        }
        files.insert((age, file));
    }

    /// Chains that wait.
    pub fn chains(&self) -> usize {
        self.order.len()
    }

    /// The oldest file of the first chain that may have a turn. If more of its files wait, the chain goes to the end.
    pub fn take(&mut self, may: impl Fn(ChainId) -> bool) -> Option<FileKey> {
        let at = self.order.iter().position(|chain| may(*chain))?;
        let chain = self.order.remove(at)?;
        let files = self.files.get_mut(&chain)?;
        let (_, file) = files.pop_first()?;
        self.waiting.remove(&file);
        if files.is_empty() {
            self.files.remove(&chain);
        } else {
            self.order.push_back(chain);
        }
        Some(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(ready: &mut Ready) -> Vec<FileKey> {
        std::iter::from_fn(|| ready.take(|_| true)).collect()
    }

    #[test]
    fn chains_take_turns_and_in_a_chain_the_oldest_file_goes_first() {
        let mut ready = Ready::default();
        for (file, chain, age) in [(1, 1, 9), (2, 1, 3), (3, 1, 5), (4, 2, 100), (5, 3, 200)] {
            ready.add(file, ChainId::new(chain), age);
        }
        assert_eq!(order(&mut ready), [2, 4, 5, 3, 1]);
    }

    #[test]
    fn a_busy_chain_that_comes_back_at_once_waits_for_the_others() {
        let mut ready = Ready::default();
        (1..=3).for_each(|file| ready.add(file, ChainId::new(file), 0));
        let turns: Vec<FileKey> = (0..6)
            .filter_map(|_| {
                let file = ready.take(|_| true)?;
                ready.add(file, ChainId::new(file), 0);
                Some(file)
            })
            .collect();
        assert_eq!(turns, [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn a_chain_that_may_not_have_a_turn_keeps_its_place() {
        let mut ready = Ready::default();
        (1..=3).for_each(|file| ready.add(file, ChainId::new(file), 0));
        assert_eq!(ready.take(|chain| chain != ChainId::new(1)), Some(2));
        assert_eq!(ready.take(|_| false), None);
        assert_eq!(order(&mut ready), [1, 3]);
    }

    #[test]
    fn a_file_that_lines_up_twice_has_one_turn() {
        let mut ready = Ready::default();
        (0..2).for_each(|age| ready.add(1, ChainId::new(1), age));
        assert_eq!((order(&mut ready), ready.chains()), (vec![1], 0));
    }
}
