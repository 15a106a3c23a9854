//! What every page needs: the store, the settings, the live view.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use record::time::Timestamp;
use store::Store;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

use crate::answers::Answers;
use crate::clients::Clients;
use crate::live::Groups;
use crate::picture::Pictures;
use crate::reading::Reading;
use crate::watch::Watch;

/// For so long the number of open alerts is good enough.
const FRESH: Duration = Duration::from_secs(2);

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
    /// Live streams of one browser, which has six connections an origin.
    pub streams_per_client: usize,
    /// What the document of the API says of other routes on the same address.
    pub doors: Option<OpenApi>,
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
            doors: None,
            stop: CancellationToken::new(),
        }
    }
}

/// What was read of agents, and when.
type Kept = Option<(Instant, Arc<Reading>)>;

/// The state of the router; cheap to clone.
#[derive(Clone, Debug)]
pub struct Site {
    pub store: Store,
    pub settings: Arc<Settings>,
    pub(crate) watch: Watch,
    pub(crate) clients: Clients,
    pub(crate) pictures: Pictures,
    pub(crate) answers: Answers,
    pub(crate) groups: Groups,
    pub(crate) reading: Arc<Mutex<Kept>>,
    /// Alerts that are open, as they were a moment ago.
    open_alerts: Arc<Mutex<Option<(Instant, i64)>>>,
    /// When this process began.
    pub(crate) began: Timestamp,
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
            answers: Answers::default(),
            groups: Groups::default(),
            reading: Arc::default(),
            open_alerts: Arc::default(),
            began: now(),
        }
    }

    /// Alerts that are open, for the head of each page; as it was less than two seconds ago, and 0 where nobody can tell.
    pub(crate) async fn open_alerts(&self) -> i64 {
        let mut kept = self.open_alerts.lock().await;
        match *kept {
            Some((at, open)) if at.elapsed() < FRESH => open,
            _ => {
                let open = self.store.count_open_alerts().await.unwrap_or(0);
                *kept = Some((Instant::now(), open));
                open
            }
        }
    }

    /// The clock on the wall: for presets and ages, and for who is silent; never for judgement of calls.
    pub fn now(&self) -> Timestamp {
        now()
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
