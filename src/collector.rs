//! `siptrail collector --config FILE`: the server that agents send to and browsers open.

use std::path::Path;

use ::agent::stop::until_signal;
use anyhow::Context;
use store::Location;

use crate::cli::Configured;
use crate::outcome::WrongConfig;
use crate::serve::{self, Agents, Server};
use crate::{screen, settings};

pub async fn run(asked: Configured) -> anyhow::Result<()> {
    let config: collector::Config = settings::read(&asked.config)?;
    let place = asked.config.display();
    let location = location(&config, &asked.config)?;
    if let Some(mail) = &config.mail {
        collector::mail::Account::open(mail).map_err(|fault| WrongConfig(format!("{place}: {fault}")))?;
    }
    let cancel = until_signal(screen::say).context("cannot wait for signals")?;
    let listener = serve::bind(config.listen, &format!("`listen` in {place}")).await?;
    let server = Server::start(listener, location, &config, Agents::Elsewhere, cancel.clone()).await?;
    screen::say(&format!("Siptrail is at http://{}/", server.address));
    server.finish().await
}

/// Where the rows of a collector with this config are.
pub fn location(config: &collector::Config, place: &Path) -> Result<Location, WrongConfig> {
    let wrong = |what: String| WrongConfig(format!("{}: postgres_url_file: {what}", place.display()));
    match &config.postgres_url_file {
        Some(file) => postgres(file).map_err(wrong),
        None => Ok(Location::Directory(config.data.clone())),
    }
}

fn postgres(file: &Path) -> Result<Location, String> {
    let name = file.display();
    let url = std::fs::read_to_string(file).map_err(|why| format!("cannot read {name}: {why}"))?;
    match url.trim() {
        "" => Err(format!("{name} is empty; it should hold the URL of a database")),
        url => Location::postgres(url).map_err(|why| format!("{name}: {why}")),
    }
}
