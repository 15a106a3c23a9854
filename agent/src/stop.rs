//! How a process is asked to end.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancelled by the first SIGINT or SIGTERM; the second ends the process at once. Both say so.
pub fn until_signal(say: fn(&str)) -> io::Result<CancellationToken> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    tokio::spawn(async move {
        let mut asked = async || tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} };
        asked().await;
        say("stopping: what is read is being stored; press Ctrl-C again to stop at once");
        token.cancel();
        asked().await;
        say("stopped at once: what was not stored yet is read again at the next start");
        std::process::exit(1);
    });
    Ok(cancel)
}
