//! Records that the collector cannot accept, kept on disk.

use std::sync::Arc;

use tracing::warn;

use crate::checkpoint::StateDirectory;
use crate::ship::Tries;

/// Keeps a record that the collector cannot accept: until it is on disk, nothing of its stream is sent.
pub(super) async fn quarantine(state: Arc<StateDirectory>, name: String, bytes: Vec<u8>, why: String) {
    let (bytes, mut tries): (Arc<[u8]>, _) = (bytes.into(), Tries::default());
    loop {
        let (state, file, bytes) = (Arc::clone(&state), name.clone(), Arc::clone(&bytes));
        let error = match tokio::task::spawn_blocking(move || state.quarantine(&file, &bytes)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(ended) => ended.to_string(),
        };
        if tries.is_first() {
            warn!(
                name,
                why, error, "a rejected record cannot be kept in quarantine; its log waits, and it is tried again"
            );
        }
        tokio::time::sleep(tries.backoff()).await;
    }
}
