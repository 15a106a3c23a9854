//! How a run is asked to end.

use tokio_util::sync::CancellationToken;

use crate::progress;

/// Cancelled by the first SIGINT or SIGTERM; the second ends the process at once.
pub fn until_signal() -> CancellationToken {
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    tokio::spawn(async move {
        stop_asked().await;
        progress::say("stopping: what is read is being stored; press Ctrl-C again to stop at once");
        token.cancel();
        stop_asked().await;
        std::process::exit(1);
    });
    cancel
}

async fn stop_asked() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
