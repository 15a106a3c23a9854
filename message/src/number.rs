//! Small numbers in place of values that are compared again and again, and sets of such numbers.

use std::hash::Hash;

use indexmap::IndexSet;
use rustc_hash::{FxHashMap, FxHashSet};

/// Numbers for values, in the order of their first appearance. The values may be text of a message: what collides here
/// differs from process to process.
pub struct Numbers<K>(IndexSet<K>);

/// A map by our own dense numbers. Never by text of a message: whoever writes it could choose what collides.
pub type ByNumber<K, V> = FxHashMap<K, V>;
pub type NumberSet<K> = FxHashSet<K>;

impl<K: Eq + Hash> Default for Numbers<K> {
    fn default() -> Self {
        Self::with_room(0)
    }
}

impl<K: Eq + Hash> Numbers<K> {
    pub fn with_room(count: usize) -> Self {
        Self(IndexSet::with_capacity(count))
    }

    pub fn of(&mut self, key: K) -> usize {
        self.0.insert_full(key).0
    }

    pub fn find(&self, key: &K) -> Option<usize> {
        self.0.get_index_of(key)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Disjoint sets.
#[derive(Default, Debug)]
pub struct Sets(Vec<usize>);

impl Sets {
    pub fn find(&mut self, mut of: usize) -> usize {
        while self.0.len() <= of {
            self.0.push(self.0.len());
        }
        while self.0[of] != of {
            self.0[of] = self.0[self.0[of]];
            of = self.0[of];
        }
        of
    }

    /// False when both were in one set.
    pub fn join(&mut self, one: usize, other: usize) -> bool {
        let (one, other) = (self.find(one), self.find(other));
        self.0[one.max(other)] = one.min(other);
        one != other
    }
}
