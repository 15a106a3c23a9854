//! What an operator can set (`etc/collector.toml` lists every key with its default).

use std::net::SocketAddr;
use std::path::PathBuf;

use message::facts::{Pointer, Settings};
use message::kind::{KindRule, glob};
use message::settings::KeyRule;
use serde::{Deserialize, Serialize};

use crate::mail;

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
    /// `[[kind]]`: decides before the built-in rules what kind a record is.
    pub kind: Vec<KindRule>,
    /// `[[key]]`: the operator's own key spaces, beside the default ones.
    pub key: Vec<KeyRule>,
    /// Files of rules, in place of the built-in ones of the same name.
    pub rules_dir: Option<PathBuf>,
    /// Who is mailed about failures, and when.
    pub routes: Option<PathBuf>,
    /// `[[env]]`: what the sources of a name belong to, such as prod or lab. The first that matches counts; else it is prod.
    pub env: Vec<EnvRule>,
    /// `[mail]`: by which server mails go, and as whom. None: nothing is mailed.
    pub mail: Option<mail::Settings>,
    /// `[reading]`: where Call-IDs, statuses and devices stand in headers, queries and JSON.
    pub reading: Reading,
}

/// Where to look in messages; the defaults are shipped.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reading {
    /// Trace ids of `traceparent` join calls (likely, not sure).
    pub trace: bool,
    /// Headers, SIP or HTTP, that hold the Call-ID of a call.
    pub call_headers: Vec<String>,
    /// Query parameters that hold one.
    pub call_queries: Vec<String>,
    /// JSON pointers to one.
    pub call_ids: Vec<Pointer>,
    /// JSON pointers to the status of an exchange logged as one record.
    pub statuses: Vec<Pointer>,
    /// JSON pointers to the token, device and user of a push.
    pub tokens: Vec<Pointer>,
    pub devices: Vec<Pointer>,
    pub users: Vec<Pointer>,
}

/// A name for some sources.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvRule {
    pub name: String,
    /// With `*` for any text.
    #[serde(default)]
    pub source: Option<String>,
    #[serde(default)]
    pub agent: Option<String>,
}

impl EnvRule {
    /// What a source belongs to.
    pub fn of<'a>(all: &'a [Self], agent: &str, source: &str) -> &'a str {
        let fits = |pattern: &Option<String>, text: &str| pattern.as_ref().is_none_or(|pattern| glob(pattern, text));
        let found = all.iter().find(|rule| fits(&rule.source, source) && fits(&rule.agent, agent));
        found.map_or("prod", |rule| rule.name.as_str())
    }
}

impl Config {
    /// The settings of parsing that this config comes to.
    pub fn settings(&self) -> Settings {
        let reading = self.reading.clone();
        Settings {
            kind: self.kind.clone(),
            key: self.key.clone(),
            trace: reading.trace,
            call_headers: reading.call_headers,
            call_queries: reading.call_queries,
            call_ids: reading.call_ids,
            statuses: reading.statuses,
            tokens: reading.tokens,
            devices: reading.devices,
            users: reading.users,
        }
    }
}

impl Default for Reading {
    fn default() -> Self {
        let shipped = Settings::default();
        Self {
            trace: shipped.trace,
            call_headers: shipped.call_headers,
            call_queries: shipped.call_queries,
            call_ids: shipped.call_ids,
            statuses: shipped.statuses,
            tokens: shipped.tokens,
            devices: shipped.devices,
            users: shipped.users,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8480)),
            data: PathBuf::from("/var/lib/siptrail"),
            postgres_url_file: None,
            hosts: Vec::new(),
            kind: Vec::new(),
            key: Vec::new(),
            rules_dir: None,
            routes: None,
            env: Vec::new(),
            mail: None,
            reading: Reading::default(),
        }
    }
}
