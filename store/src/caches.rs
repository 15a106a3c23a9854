//! What this process knows to be in the database: bounded, and only ever a saving.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use message::logged::Place;

/// Shared by all handles of one store.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    /// Streams whose rows are committed, with a digest of what their agent said of them.
    pub streams: Cache<i64, u64>,
    /// End points whose rows are committed.
    pub endpoints: Cache<i64, ()>,
    pub addresses: Cache<i64, Arc<str>>,
    pub places: Cache<i64, Arc<Place>>,
}

/// Emptied when it is full: what is still in use comes back at once.
#[derive(Debug)]
pub(crate) struct Cache<K, V>(Mutex<HashMap<K, V>>);

const MOST: usize = 50_000;

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub fn put(&self, key: K, value: V) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= MOST {
            map.clear();
        }
        map.insert(key, value);
    }
}

impl<K: Hash + Eq, V> Cache<K, V> {
    pub fn forget(&self, key: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl<K: Hash + Eq> Cache<K, ()> {
    pub fn has(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    pub fn add(&self, key: K) {
        self.put(key, ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_cache_is_emptied_and_goes_on() {
        let cache = Cache::default();
        (0..=MOST as i64).for_each(|key| cache.add(key));
        assert!(cache.has(&(MOST as i64)) && !cache.has(&0));
    }
}
