//! What this process knows to be in the database: bounded, and only ever a saving.

use std::sync::Arc;
use std::time::{Duration, Instant};

use message::logged::Place;
use quick_cache::sync::Cache;
use record::time::Day;

/// Shared by all handles of one store.
#[derive(Debug)]
pub(crate) struct Caches {
    /// Streams whose rows are committed, with a digest of what their agent said of them.
    pub streams: Recent<u64>,
    /// End points whose rows are committed, and the day on which these say that they were met.
    pub endpoints: Cache<i64, Day>,
    /// The same of numbers; those that are too long to be told apart by 64 bits are left out.
    pub numbers: Cache<u64, Day>,
    pub addresses: Cache<i64, Arc<str>>,
    pub places: Recent<Arc<Place>>,
}

/// What another collector may change: this one looks again after a while.
#[derive(Debug)]
pub(crate) struct Recent<V>(Cache<i64, (Instant, V)>);

const MOST: usize = 50_000;
const WHILE: Duration = Duration::from_secs(10);

impl Default for Caches {
    fn default() -> Self {
        Self {
            streams: Recent(Cache::new(MOST)),
            endpoints: Cache::new(MOST),
            numbers: Cache::new(MOST),
            addresses: Cache::new(MOST),
            places: Recent(Cache::new(MOST)),
        }
    }
}

impl<V: Clone> Recent<V> {
    pub fn get(&self, key: i64) -> Option<V> {
        self.at(key, Instant::now())
    }

    fn at(&self, key: i64, now: Instant) -> Option<V> {
        let (since, value) = self.0.get(&key)?;
        (now.saturating_duration_since(since) < WHILE).then_some(value)
    }

    pub fn put(&self, key: i64, value: V) {
        self.0.insert(key, (Instant::now(), value));
    }

    pub fn forget(&self, key: i64) {
        self.0.remove(&key);
    }

    pub fn forget_all(&self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_collector_may_change_is_looked_at_again() {
        let caches = Caches::default();
        caches.streams.put(1, 7);
        assert_eq!((caches.streams.get(1), caches.streams.get(2)), (Some(7), None));
        assert_eq!(caches.streams.at(1, Instant::now() + WHILE), None);
        caches.streams.forget(1);
        assert_eq!(caches.streams.get(1), None);
    }

    #[test]
    fn a_full_cache_goes_on() {
        let caches = Caches::default();
        (0..=2 * MOST as i64).for_each(|key| caches.endpoints.insert(key, Day(0)));
        assert!(caches.endpoints.len() <= MOST && caches.endpoints.get(&(2 * MOST as i64)).is_some());
    }
}
