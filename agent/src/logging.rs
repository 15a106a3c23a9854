//! The log of a process: sentences on standard error.

use std::io::{IsTerminal, Write};

use tracing_subscriber::EnvFilter;

/// `writer` gives standard error; `level` counts where `RUST_LOG` says nothing.
pub fn start<W: Write + Send + 'static>(level: &str, writer: fn() -> W) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(is_coloured())
        .with_target(false)
        .init();
}

/// Escapes are for terminals, and not for all who look at one (no-color.org).
fn is_coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}
