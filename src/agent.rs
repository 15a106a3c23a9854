//! `siptrail agent --config FILE`: the same as the small binary `siptrail-agent`.

use ::agent::stop::until_signal;
use ::agent::{Error, Options, Progress, Transport, http};
use tokio::sync::watch;

use crate::outcome::WrongConfig;
use crate::screen;

pub async fn run(asked: Options) -> anyhow::Result<()> {
    let config = asked.load().map_err(told)?;
    let transport = Transport::Http(http::Client::new(&config).map_err(told)?);
    let cancel = until_signal(screen::say).map_err(|cause| told(Error::Signal(cause)))?;
    ::agent::run(config, transport, watch::Sender::new(Progress::default()), cancel).await.map_err(told)
}

fn told(error: Error) -> anyhow::Error {
    if error.exit_code() == 2 { anyhow::Error::new(WrongConfig(error.to_string())) } else { error.into() }
}
