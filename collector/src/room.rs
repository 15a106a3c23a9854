//! How many bytes may be on their way into the database at once: who finds no room waits a little, then asks again later.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a batch waits for room.
const PATIENCE: Duration = Duration::from_secs(2);
/// Permits are KiB: a semaphore counts to 2^29 only on 32 bits.
const KIB: usize = 1024;

/// Room for so many bytes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Room {
    free: Arc<Semaphore>,
    all: u32,
}

/// Given back when it is dropped.
#[derive(Debug)]
pub struct Taken {
    permit: OwnedSemaphorePermit,
}

impl Taken {
    /// Room of the same `Room`.
    pub fn add(&mut self, more: Taken) {
        self.permit.merge(more.permit);
    }
}

impl Room {
    pub fn of(bytes: usize) -> Self {
        let all = kib(bytes);
        Self { free: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// None: there was no room in time.
    pub async fn take(&self, bytes: usize) -> Option<Taken> {
        // What is larger than all there is has it for itself.
        let wanted = self.free.clone().acquire_many_owned(kib(bytes).min(self.all));
        let permit = tokio::time::timeout(PATIENCE, wanted).await.ok()?.ok()?;
        Some(Taken { permit })
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(KIB).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_taken_is_not_there_for_others_until_it_is_given_back() {
        let room = Room::of(10 * KIB);
        let first = room.take(6 * KIB).await.expect("room");
        let mut waits = Box::pin(room.take(4 * KIB + 1));
        assert!(futures::poll!(&mut waits).is_pending());
        drop(first);
        let second = waits.await.expect("room");
        // What is larger than all there is.
        let mut waits = Box::pin(room.take(100 * KIB));
        assert!(futures::poll!(&mut waits).is_pending());
        drop(second);
        assert!(waits.await.is_some());
    }
}
