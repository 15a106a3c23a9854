//! How much memory pages take together: whoever finds no room waits a little, and is then asked to come again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Error;

const PATIENCE: Duration = Duration::from_secs(5);
/// Permits are KiB.
const KIB: usize = 1024;

/// Room for so many bytes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Semaphore>);

/// Given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Taken(OwnedSemaphorePermit);

impl Room {
    pub fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / KIB)))
    }

    /// None: there is no room now.
    pub fn try_take(&self, bytes: usize) -> Option<Taken> {
        Arc::clone(&self.0).try_acquire_many_owned(kib(bytes)).ok().map(Taken)
    }

    /// As soon as there is room, however long that takes.
    pub async fn wait(&self, bytes: usize) -> Result<Taken, Error> {
        Arc::clone(&self.0).acquire_many_owned(kib(bytes)).await.map(Taken).map_err(|_| Error::Busy)
    }

    /// As soon as there is room, or not within a few seconds.
    pub async fn take(&self, bytes: usize) -> Result<Taken, Error> {
        let wanted = Arc::clone(&self.0).acquire_many_owned(kib(bytes));
        match tokio::time::timeout(PATIENCE, wanted).await {
            Ok(Ok(permit)) => Ok(Taken(permit)),
            _ => Err(Error::Busy),
        }
    }
}

impl Taken {
    /// Room of the same `Room`.
    pub fn add(&mut self, more: Taken) {
        self.0.merge(more.0);
    }

    /// Gives a part of it back.
    pub fn give_back(&mut self, bytes: usize) {
        drop(self.0.split(kib(bytes) as usize));
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX)
}
