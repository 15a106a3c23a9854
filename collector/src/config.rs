//! What an operator can set (`etc/collector.toml` lists every key with its default).

use std::net::SocketAddr;
use std::path::PathBuf;

use message::{facts, kind};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Loopback only, until there are accounts and tokens.
    pub listen: SocketAddr,
    /// SQLite in this directory, unless `postgres_url_file` is set.
    pub data: PathBuf,
    /// A file that holds the PostgreSQL URL, so that no password stands in the config.
    pub postgres_url_file: Option<PathBuf>,
    /// Names under which browsers may ask for the pages, beside the address itself.
    pub hosts: Vec<String>,
    /// Keys beyond the default ones, and where Call-IDs stand in JSON.
    pub facts: facts::Settings,
    /// `[[kind]]`: decides before the built-in rules what kind a record is.
    #[serde(rename = "kind")]
    pub kinds: Vec<kind::Rule>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8480)),
            data: PathBuf::from("/var/lib/siptrail"),
            postgres_url_file: None,
            hosts: Vec::new(),
            facts: facts::Settings::default(),
            kinds: Vec::new(),
        }
    }
}
