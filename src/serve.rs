//! A collector in this process: store, ingest, correlation and pages behind one listener.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use axum::Router;
use collector::Ingest;
use collector::book::Shelf;
use collector::report::Desk;
use store::{Location, Store};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::doors;
use crate::outcome::WrongConfig;

/// Where records come from.
pub enum Agents {
    /// From agents of other processes, through doors for them.
    Elsewhere,
    /// From one in this process alone: what it follows.
    Here { following: Vec<String> },
}

/// Running roles; they end when `cancel` does.
pub struct Server {
    pub address: SocketAddr,
    pub store: Store,
    pub ingest: Ingest,
    pages: JoinHandle<()>,
    correlation: JoinHandle<()>,
    settling: JoinHandle<()>,
    partitions: JoinHandle<()>,
    /// What makes and sends mails, and reads the rules for it.
    alerts: Vec<JoinHandle<()>>,
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

/// By what account mails go. Without one they are made all the same, so that they can be looked at.
fn desk(config: &collector::Config, address: SocketAddr) -> Desk {
    match &config.mail {
        Some(settings) => Desk { settings: settings.clone(), can_send: true },
        None => Desk { settings: collector::mail::Settings::nowhere(&format!("http://{address}")), can_send: false },
    }
}

/// The name of this process: in containers on several hosts all else may be alike.
fn process(address: SocketAddr) -> String {
    let host = hostname::get().unwrap_or_default();
    let (host, id, random) = (host.to_string_lossy(), std::process::id(), rand::random::<u32>());
    format!("{host}-{id}-{}-{random:08x}", address.port())
}

/// A role that ends, by a panic or otherwise, ends the others: half a server would look like a whole one.
fn one_ends_all<R: Future<Output = ()>>(role: R, all: &CancellationToken) -> impl Future<Output = ()> + use<R> {
    let all = all.clone().drop_guard();
    async move {
        let _all = all;
        role.await;
    }
}

impl Server {
    pub async fn start(
        listener: TcpListener,
        location: Location,
        config: &collector::Config,
        agents: Agents,
        cancel: CancellationToken,
    ) -> anyhow::Result<Self> {
        // Each connection is a file, too.
        ::agent::limit::raise_file_limit();
        let address = listener.local_addr().context("the listener has no address")?;
        let mut shelf = Shelf::open(config).map_err(|what| anyhow::Error::new(WrongConfig(what)))?;
        if let Some(mail) = &config.mail {
            shelf = shelf.with_mail(mail.server.clone(), mail.pages().to_owned());
        }
        let store = Store::open(&location).await?.with_settings(config.settings());
        shelf.tell(&store);
        let ingest = Ingest::new(store.clone(), config);
        let owner = store.correlator(&process(address));
        let joining = collector::correlate::run(store.clone(), owner.clone(), ingest.stored(), cancel.clone());
        let correlation = tokio::spawn(one_ends_all(joining, &cancel));
        let shelf_book = shelf.book();
        let desk = desk(config, address);
        let reporting = collector::report::run(store.clone(), shelf_book.clone(), desk, cancel.clone());
        let sending = collector::outbox::run(store.clone(), owner.clone(), config.mail.clone(), cancel.clone());
        let alerts = vec![
            tokio::spawn(one_ends_all(reporting, &cancel)),
            tokio::spawn(one_ends_all(sending, &cancel)),
            tokio::spawn(one_ends_all(shelf.run(store.clone(), cancel.clone()), &cancel)),
        ];
        let settling = tokio::spawn(one_ends_all(
            collector::settle::run(store.clone(), owner, shelf_book, cancel.clone()),
            &cancel,
        ));
        let making = collector::partitions::run(store.clone(), cancel.clone());
        let partitions = tokio::spawn(one_ends_all(making, &cancel));
        let mut settings = web::Settings::loopback(env!("CARGO_PKG_VERSION"));
        settings.allowed_hosts.push(match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
        settings.allowed_hosts.extend(config.hosts.iter().cloned());
        settings.stop = cancel.clone();
        let doors = match agents {
            Agents::Elsewhere => {
                let (doors, document) = collector::http::router(ingest.clone());
                settings.doors = Some(document);
                web::guard_others(doors, &settings)
            }
            Agents::Here { following } => {
                settings.following = following;
                Router::new()
            }
        };
        let app = doors.merge(web::router(store.for_readers(), settings));
        let stop = cancel.clone();
        let serving = doors::serve(listener, app, stop);
        let pages = tokio::spawn(one_ends_all(serving, &cancel));
        Ok(Self { address, store, ingest, pages, correlation, settling, partitions, alerts })
    }

    /// Waits for the roles to end, then closes the database.
    pub async fn finish(self) -> anyhow::Result<()> {
        self.pages.await.context("the pages stopped")?;
        self.correlation.await.context("correlation stopped")?;
        self.settling.await.context("settling stopped")?;
        self.partitions.await.context("the making of partitions stopped")?;
        for alerts in self.alerts {
            alerts.await.context("alerts stopped")?;
        }
        self.store.close().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_are_never_called_alike() {
        let address = SocketAddr::from(([127, 0, 0, 1], 8480));
        assert_ne!(process(address), process(address));
    }

    #[tokio::test]
    async fn a_role_that_panics_or_ends_ends_all_others() {
        for panics in [true, false] {
            let cancel = CancellationToken::new();
            let other = tokio::spawn(one_ends_all(cancel.clone().cancelled_owned(), &cancel));
            let role = tokio::spawn(one_ends_all(async move { assert!(!panics, "as a fault would") }, &cancel));
            assert_eq!(role.await.is_err(), panics);
            other.await.unwrap();
        }
    }
}
