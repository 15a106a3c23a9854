//! What every page needs: the store, the settings, the live view.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use record::time::Timestamp;
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::live::{Clients, Groups, Watch};
use crate::picture::Pictures;

/// How the router behaves; made by whoever mounts it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names that the Host header may have, without port; empty = any. Guards a server on loopback against DNS
    /// rebinding: a page of a stranger cannot read what only this machine may read.
    pub allowed_hosts: Vec<String>,
    /// Shown at the foot of each page.
    pub version: String,
    /// What is being followed (paths or patterns), for a page that has nothing to show yet.
    pub following: Vec<String>,
    /// Live streams of one client over HTTP/1.1; twice as many over HTTP/2. A browser has six connections an origin.
    pub streams_per_client: usize,
    /// Ends live streams, so that a shutdown need not wait for readers.
    pub stop: CancellationToken,
}

impl Settings {
    /// For a server that listens on loopback only.
    pub fn loopback(version: impl Into<String>) -> Self {
        Self {
            allowed_hosts: ["localhost", "127.0.0.1", "[::1]"].map(String::from).to_vec(),
            version: version.into(),
            following: Vec::new(),
            streams_per_client: 4,
            stop: CancellationToken::new(),
        }
    }
}

/// The state of the router; cheap to clone.
#[derive(Clone, Debug)]
pub struct Site {
    pub store: Store,
    pub settings: Arc<Settings>,
    pub(crate) watch: Watch,
    pub(crate) clients: Clients,
    pub(crate) pictures: Pictures,
    pub(crate) groups: Groups,
}

impl Site {
    pub(crate) fn new(store: Store, settings: Settings) -> Self {
        let watch = Watch::start(store.clone(), settings.stop.clone());
        Self {
            store,
            settings: Arc::new(settings),
            watch,
            clients: Clients::default(),
            pictures: Pictures::default(),
            groups: Groups::default(),
        }
    }

    /// The clock on the wall: for presets and ages, never for judgement.
    pub fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}
