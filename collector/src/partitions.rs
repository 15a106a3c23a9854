//! Day partitions are made ahead of time: at start by the store itself, then each hour from here.

use std::time::Duration;

use store::Store;
use store::health::Part;
use tokio_util::sync::CancellationToken;

use crate::ingest::now;

const LOOK: Duration = Duration::from_hours(1);

/// Runs until cancelled; on SQLite there is nothing to do.
pub async fn run(store: Store, cancel: CancellationToken) {
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        if let Err(error) = store.health().step(Part::Partitions, store.keep_partitions(now())).await {
            tracing::warn!(error = %error, "day partitions could not be made; trying again in an hour, three days are in hand");
        }
    }
}
