//! A collector in this process: store, ingest, correlation and pages behind one listener.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use collector::Ingest;
use store::{Location, Store};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::outcome::WrongConfig;

/// Time for requests that are under way when all ends; one that never comes to its end does not hold it up.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// What an agent in the same process follows, and what of it is not read.
pub struct Beside {
    pub following: Vec<String>,
    pub unread: watch::Receiver<Vec<web::Unread>>,
}

impl Beside {
    /// There is no such agent.
    pub fn nobody() -> Self {
        Self { following: Vec::new(), unread: watch::channel(Vec::new()).1 }
    }
}

/// Running roles; they end when `cancel` does.
pub struct Server {
    pub address: SocketAddr,
    pub store: Store,
    pub ingest: Ingest,
    pages: JoinHandle<std::io::Result<()>>,
    correlation: JoinHandle<()>,
}

/// Binds before the database is opened, so that a taken port is told at once. `asked` is where the address was set.
pub async fn bind(listen: SocketAddr, asked: &str) -> anyhow::Result<TcpListener> {
    if !listen.ip().is_loopback() {
        return Err(anyhow::Error::new(WrongConfig(format!(
            "{asked}: cannot listen on {listen}: there are no accounts yet, so only loopback addresses are served; \
             use 127.0.0.1:{} and reach it through ssh -L",
            listen.port()
        ))));
    }
    TcpListener::bind(listen).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "{listen} is in use; is another siptrail running? Choose another address with {asked}, port 0 takes a free one"
        ),
        _ => anyhow::Error::new(error).context(format!("cannot listen on {listen}")),
    })
}

impl Server {
    pub async fn start(
        listener: TcpListener,
        location: Location,
        config: &collector::Config,
        beside: Beside,
        cancel: CancellationToken,
    ) -> anyhow::Result<Self> {
        let address = listener.local_addr().context("the listener has no address")?;
        let store = Store::open(&location).await?.with_settings(config.settings());
        let ingest = Ingest::new(store.clone(), config);
        let owner = store.correlator(&format!("{}-{}", std::process::id(), address.port()));
        let correlation =
            tokio::spawn(collector::correlate::run(store.clone(), owner, ingest.stored(), cancel.clone()));
        let partitions = tokio::spawn(collector::partitions::run(store.clone(), cancel.clone()));
        let mut settings = web::Settings::loopback(env!("CARGO_PKG_VERSION"));
        settings.allowed_hosts.extend(config.hosts.iter().cloned());
        settings.following = beside.following;
        settings.unread = beside.unread;
        settings.stop = cancel.clone();
        let app = collector::http::router(ingest.clone()).merge(web::router(store.clone(), settings));
        let stop = cancel.clone();
        let pages = tokio::spawn(async move {
            let app = app.into_make_service_with_connect_info::<SocketAddr>();
            let serving = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
            let result = tokio::select! {
                result = serving => result,
                () = async { stop.cancelled().await; tokio::time::sleep(LAST_ANSWERS).await } => Ok(()),
            };
            partitions.abort();
            result
        });
        Ok(Self { address, store, ingest, pages, correlation })
    }

    /// Waits for the roles to end, then closes the database.
    pub async fn finish(self) -> anyhow::Result<()> {
        let pages = self.pages.await.context("the pages stopped")?;
        self.correlation.await.context("correlation stopped")?;
        self.store.close().await;
        pages.context("the pages stopped")
    }
}
