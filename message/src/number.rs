//! Small numbers in place of values that are compared again and again, and sets of such numbers.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Numbers for values, in the order of their first appearance.
pub struct Numbers<K>(HashMap<K, usize>);

/// A map by our own dense numbers. Never by text of a message: whoever writes it could choose what collides.
pub type ByNumber<K, V> = HashMap<K, V, BuildHasherDefault<Mixer>>;
pub type NumberSet<K> = HashSet<K, BuildHasherDefault<Mixer>>;

/// A hash of few instructions for numbers.
#[derive(Clone, Copy, Default)]
pub struct Mixer(u64);

impl<K: Eq + Hash> Default for Numbers<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Numbers<K> {
    pub fn with_room(count: usize) -> Self {
        Self(HashMap::with_capacity(count))
    }

    pub fn of(&mut self, key: K) -> usize {
        let next = self.0.len();
        *self.0.entry(key).or_insert(next)
    }

    pub fn find(&self, key: &K) -> Option<usize> {
        self.0.get(key).copied()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(u64::from(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
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
