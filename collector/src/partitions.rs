//! Day partitions are made ahead of time: at start by the store itself, then each hour from here.

use std::time::Duration;

use store::Store;
use store::health::Part;
use tokio_util::sync::CancellationToken;

use crate::ingest::now;

const LOOK: Duration = Duration::from_hours(1);
/// After a failure; three days are in hand.
const AGAIN: Duration = Duration::from_mins(1);

/// Runs until cancelled; on SQLite there is nothing to do.
pub async fn run(store: Store, cancel: CancellationToken) {
    let mut wait = LOOK;
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = LOOK;
        if let Err(error) = store.health().step(Part::Partitions, store.keep_partitions(now())).await {
            tracing::warn!(error = %error, "day partitions could not be made; trying again in a minute, three days are in hand");
            wait = AGAIN;
        }
    }
}
