//! `siptrail collector --config FILE`: the server that agents send to and browsers open.

use anyhow::Context;
use store::Location;

use crate::cli::Configured;
use crate::serve::{self, Server};
use crate::{progress, settings, watch};

pub async fn run(asked: Configured) -> anyhow::Result<()> {
    let config: collector::Config = settings::read(&asked.config)?;
    let location = match &config.postgres_url_file {
        Some(file) => {
            let url = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the PostgreSQL URL from {}", file.display()))?;
            Location::Postgres(url.trim().to_owned())
        }
        None => Location::Directory(config.data.clone()),
    };
    let cancel = watch::until_signal();
    let listener = serve::bind(config.listen).await?;
    let server = Server::start(listener, location, &config, Vec::new(), cancel.clone()).await?;
    progress::say(&format!("Siptrail is at http://{}/", server.address));
    server.finish().await
}
