//! The log of a process: sentences on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// `level` counts where `RUST_LOG` says nothing.
pub fn start(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_coloured())
        .with_target(false)
        .init();
}

/// Escapes are for terminals, and not for all who look at one (no-color.org).
fn is_coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}
