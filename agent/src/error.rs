//! What can go wrong with the agent as a whole; trouble with one file or one answer is waited out, not returned.

use std::path::PathBuf;

/// Each text says its cause already: `source()` would bring it twice to who prints the chain.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Exit code 2.
    #[error("{}:{line}: {key}: {hint}", file.display())]
    Config { file: PathBuf, line: usize, key: String, hint: String },
    /// A flag or a variable, or a key that is not there. Exit code 2.
    #[error("{key} = {value:?}: {hint}")]
    Setting { key: String, value: String, hint: String },
    /// Exit code 2.
    #[error("{}: no [[source]]: name the logs to follow, as etc/agent.toml shows", .0.display())]
    NoSource(PathBuf),
    #[error("cannot read {}: {cause}; name another file with --config", file.display())]
    ConfigFile { file: PathBuf, cause: std::io::Error },
    #[error("cannot use {} for the agent's state: {cause}; it must be a directory this user may write to", dir.display())]
    State { dir: PathBuf, cause: std::io::Error },
    #[error("cannot set up the connection to the collector: {0}")]
    Connection(String),
    #[error("cannot start a reader thread: {0}")]
    Thread(std::io::Error),
    #[error("cannot wait for signals: {0}")]
    Signal(std::io::Error),
}

impl Error {
    /// 2 for a wrong config, 1 for all else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Config { .. } | Error::Setting { .. } | Error::NoSource(_) | Error::ConfigFile { .. } => 2,
            Error::State { .. } | Error::Connection(_) | Error::Thread(_) | Error::Signal(_) => 1,
        }
    }
}
