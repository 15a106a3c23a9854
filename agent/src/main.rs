//! `siptrail-agent`: the agent alone, for hosts that only write logs.

use std::process::ExitCode;

use agent::{Config, Error, Options, Progress, Transport, http, logging, stop};
use clap::Parser;
use tokio::sync::watch;

/// Follows logs and brings their records to a Siptrail collector
#[derive(Parser)]
#[command(name = "siptrail-agent", version)]
struct Arguments {
    /// Say more (-v: debug, -vv: trace); RUST_LOG is honoured too
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    let asked = Arguments::parse();
    let level = match asked.verbose {
        0 => "info",
        1 => "debug,hyper=info",
        _ => "trace",
    };
    logging::start(level, std::io::stderr);
    let ended = asked.options.load().and_then(start);
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
    let cancel = stop::until_signal(|text| tracing::info!("{text}")).map_err(Error::Signal)?;
    agent::run(config, transport, watch::Sender::new(Progress::default()), cancel).await
}
