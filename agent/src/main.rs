//! `siptrail-agent`: the agent alone, for hosts that only write logs.

use std::process::ExitCode;

use agent::{Config, Error, Options, Progress, Transport, http};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Follows logs and brings their records to a Siptrail collector
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let ended = Arguments::parse().options.load().and_then(start);
    ended.map_or_else(
        |error| {
            tracing::error!("{error}");
            ExitCode::from(error.exit_code())
        },
        |()| ExitCode::SUCCESS,
    )
}

#[tokio::main]
async fn start(config: Config) -> Result<(), Error> {
    // Fails only where a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let transport = Transport::Http(http::Client::new(&config)?);
    let cancel = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signal)?;
    let stop = cancel.clone();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {} _ = tokio::signal::ctrl_c() => {} }
        stop.cancel();
    });
    agent::run(config, transport, watch::Sender::new(Progress::default()), cancel).await
}
