//! `siptrail agent --config FILE`: the same as the small binary `siptrail-agent`.

use crate::cli::Configured;
use crate::outcome::WrongConfig;
use crate::watch;

pub async fn run(asked: Configured) -> anyhow::Result<()> {
    let config = ::agent::Config::read(&asked.config).map_err(|error| WrongConfig(error.to_string()))?;
    let transport = ::agent::Transport::http(&config).map_err(|error| WrongConfig(error.to_string()))?;
    let (tell, _told) = tokio::sync::watch::channel(::agent::Progress::default());
    Ok(::agent::run(config, transport, tell, watch::until_signal()).await?)
}
