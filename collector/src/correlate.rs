//! The correlation loop: takes committed call events from the outbox and applies them to scenarios.

use std::time::Duration;

use record::time::SECOND;
use store::Store;
use store::health::Part;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::ingest::now;

/// How long a stream is ours without another look.
const LEASE: i64 = 10 * SECOND;
/// Outbox rows applied in one transaction.
const ROWS: usize = 32;
/// The longest wait when nobody rings.
const LOOK: Duration = Duration::from_millis(500);
/// After an error, and then doubling.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(10);

/// Runs until cancelled. Errors of the database are told once, then waited out: the outbox keeps everything.
pub async fn run(store: Store, owner: String, stored: std::sync::Arc<Notify>, cancel: CancellationToken) {
    let mut retry = FIRST_RETRY;
    let mut failing = false;
    while !cancel.is_cancelled() {
        let wait = match store.health().step(Part::Joining, step(&store, &owner)).await {
            Ok(applied) => {
                if std::mem::take(&mut failing) {
                    tracing::info!("correlation goes on");
                }
                retry = FIRST_RETRY;
                if applied > 0 {
                    continue;
                }
                LOOK
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(error = %error, "correlation waits: the database does not answer as it should");
                }
                retry = (retry * 2).min(LAST_RETRY);
                retry
            }
        };
        tokio::select! {
            () = cancel.cancelled() => {}
            () = stored.notified(), if !failing => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    // If it cannot be said, the leases end by themselves.
    if let Err(error) = store.leave_outbox(&owner).await {
        tracing::debug!(error = %error, "the leases of correlation were not given back");
    }
}

/// Applies what waits in the outbox once; gives the number of rows applied, or that are to be looked at again at once.
pub async fn step(store: &Store, owner: &str) -> Result<usize, Error> {
    let rows = store.outbox(owner, now(), LEASE, ROWS).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let count = rows.len();
    let done = store.correlate(owner, now(), rows).await?;
    if done.refused > 0 {
        tracing::warn!(keys = done.refused, "keys that join too many calls were left out of joining");
    }
    Ok(if done.applied || done.again { count } else { 0 })
}
