//! Day partitions are made ahead of time: at start by the store itself, then each hour from here. And times of new messages are
//! marked every few seconds, so that lists by time do not read all that is new.

use std::time::{Duration, Instant};

use store::Store;
use store::health::Part;
use tokio_util::sync::CancellationToken;

use crate::ingest::now;

const LOOK: Duration = Duration::from_hours(1);
const MARK: Duration = Duration::from_secs(2);
/// After a failure; three days are in hand.
const AGAIN: Duration = Duration::from_mins(1);

/// Runs until cancelled, whatever it waits for then; on SQLite there is nothing to do.
pub async fn run(store: Store, cancel: CancellationToken) {
    tokio::select! {
        () = cancel.cancelled() => {}
        () = keep(&store) => {}
    }
}

async fn keep(store: &Store) {
    let (mut looked, mut wait) = (Instant::now(), LOOK);
    loop {
        tokio::time::sleep(MARK).await;
        // What is not marked is found all the same, only more slowly.
        let marked = store.health().step_for(Part::Partitions, "times", store.mark_times()).await;
        if let Err(error) = marked {
            tracing::debug!(error = %error, "times of new messages could not be marked; trying again in some seconds");
        }
        if looked.elapsed() < wait {
            continue;
        }
        (looked, wait) = (Instant::now(), LOOK);
        if let Err(error) = store.health().step(Part::Partitions, store.keep_partitions(now())).await {
            tracing::warn!(error = %error, "day partitions could not be made; trying again in a minute, three days are in hand");
            wait = AGAIN;
        }
    }
}
