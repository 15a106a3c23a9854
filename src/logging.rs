//! The process's own log: sentences on standard error.

use crate::screen;

/// `quiet_agent`: what the agent finds is told as progress, so only its warnings are logged.
pub fn start(verbose: u8, quiet_agent: bool) {
    let level = match verbose {
        0 if quiet_agent => {
            "info,agent=warn,agent::follow::misread=error,agent::unread=error,sqlx=warn,hyper=warn,tower_http=warn"
        }
        0 => "info,sqlx=warn,hyper=warn,tower_http=warn",
        1 => "debug,sqlx=info,hyper=info",
        _ => "trace",
    };
    ::agent::logging::start(level, screen::log);
}
