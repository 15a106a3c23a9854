//! `siptrail demo`: calls of two servers, played into a fresh directory and watched. Some break, and rules say so.
//!
//! [`network`] has the phones and servers, [`story`] their messages, [`register`], [`call`] and [`ending`] what can happen to
//! them; [`script`] puts calls into three minutes, and [`player`] plays them.

mod call;
mod ending;
mod network;
mod player;
mod register;
mod script;
mod story;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use ::agent::stop::until_signal;
use anyhow::Context;

use crate::cli::{Demo, Following};
use crate::outcome::WrongConfig;
use crate::screen;
use crate::watch::Watch;
use crate::words::counted;

use player::Logs;

pub async fn run(asked: Demo) -> anyhow::Result<()> {
    let fresh = Fresh::make(asked.data.as_deref())?;
    let logs = fresh.path.join("logs");
    let written = Logs::make(&logs)?;
    let cancel = until_signal(screen::say).context("cannot wait for signals")?;
    let follow = Following { logs: vec![logs], ..Following::default() };
    let watch = Watch::start(asked.pages.listen, fresh.path.join("data"), follow).await?;
    let pages = format!("http://{}", watch.address());
    let player = tokio::spawn(play(written, pages, asked.speed));
    let result = watch.follow(cancel).await;
    player.abort();
    result
}

async fn play(mut logs: Logs, pages: String, speed: Option<u32>) {
    if let Err(error) = rounds(&mut logs, &pages, speed).await {
        tracing::warn!(error = format!("{error:#}"), "the demo cannot go on");
    }
}

/// One after another, until the program ends; at another speed, one.
async fn rounds(logs: &mut Logs, pages: &str, speed: Option<u32>) -> anyhow::Result<()> {
    screen::say("three minutes of calls are played, over and over, until you press Ctrl-C");
    screen::say(&format!(
        "what breaks is at {pages}/alerts within a minute of its deadline, and the mails that would be sent are at {pages}/outbox"
    ));
    loop {
        let now = collector::ingest::now();
        let script = script::round(&format!("{:x}", now.0));
        let factor = speed.unwrap_or(1);
        player::play(logs, &script, player::begins(now, factor), factor, screen::say).await?;
        let (calls, broken) = (counted(script.calls as i64, "call"), script.broken);
        let then = if speed.is_some() { "nothing more is played" } else { "it starts over" };
        screen::say(&format!("{calls} are played, {broken} of them broken; {then}"));
        if speed.is_some() {
            return Ok(());
        }
    }
}

/// A directory of our own; removed at the end unless the user named it.
struct Fresh {
    path: PathBuf,
    keep: bool,
}

impl Fresh {
    fn make(named: Option<&Path>) -> anyhow::Result<Self> {
        let path = named
            .map_or_else(|| std::env::temp_dir().join(format!("siptrail-demo-{}", std::process::id())), Path::to_owned);
        let empty = |path: &Path| std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        if path.exists() && !empty(&path) {
            let text = format!("{} is not empty; the demo wants a fresh directory", path.display());
            return Err(anyhow::Error::new(WrongConfig(text)));
        }
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path, keep: named.is_some() })
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.keep {
            // Best effort: it lies in the system's directory for temporary files.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
