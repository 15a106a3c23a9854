//! The process's own log: sentences on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// `quiet_agent`: what the agent finds is told as progress, so only its warnings are logged.
pub fn start(verbose: u8, quiet_agent: bool) {
    let level = match verbose {
        0 if quiet_agent => "info,agent=warn,sqlx=warn,hyper=warn,tower_http=warn",
        0 => "info,sqlx=warn,hyper=warn,tower_http=warn",
        1 => "debug,sqlx=info,hyper=info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
