//! `siptrail demo`: recorded calls of a forking proxy, played into a fresh directory and watched.

use std::path::{Path, PathBuf};

use ::agent::stop::until_signal;
use anyhow::Context;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::{Demo, Following};
use crate::outcome::WrongConfig;
use crate::player::Recording;
use crate::screen;
use crate::watch::Watch;

/// Logs of one recording: they are played side by side.
type Scene = &'static [(&'static str, &'static [u8])];

/// One proxy alone, then a core proxy and its edge, which both log what passes between them.
const SCENES: [Scene; 2] = [
    &[("proxy.log", include_bytes!("../tests/logs/kamailio.log"))],
    &[
        ("core.log", include_bytes!("../tests/logs/two-servers/core.log")),
        ("edge.log", include_bytes!("../tests/logs/two-servers/edge.log")),
    ],
];

pub async fn run(asked: Demo) -> anyhow::Result<()> {
    let fresh = Fresh::make(asked.data.as_deref())?;
    let logs = fresh.path.join("logs");
    make_logs(&logs)?;
    let cancel = until_signal(screen::say).context("cannot wait for signals")?;
    let follow = Following { logs: vec![logs.clone()], ..Following::default() };
    let watch = Watch::start(asked.pages.listen, fresh.path.join("data"), follow).await?;
    let player = tokio::spawn(play(logs, cancel.clone()));
    let result = watch.follow(cancel).await;
    player.abort();
    result
}

/// Empty ones at first, so that all of them are followed when the first record is written.
fn make_logs(logs: &Path) -> anyhow::Result<()> {
    let told = || format!("cannot make {}", logs.display());
    std::fs::create_dir(logs).with_context(told)?;
    for (name, _) in SCENES.into_iter().flatten() {
        std::fs::File::create(logs.join(name)).with_context(told)?;
    }
    Ok(())
}

async fn play(logs: PathBuf, cancel: CancellationToken) {
    screen::say(&format!("playing recorded calls into {}", logs.display()));
    let all = async {
        for scene in SCENES {
            play_scene(&logs, scene).await?;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        () = cancel.cancelled() => {}
        result = all => match result {
            Ok(()) => screen::say("all recorded calls are played; they stay on the page until you press Ctrl-C"),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "the recording could not be played"),
        }
    }
}

async fn play_scene(logs: &Path, scene: Scene) -> anyhow::Result<()> {
    let recordings: Vec<Recording> = scene.iter().map(|(name, log)| Recording::cut(log, &logs.join(name))).collect();
    let start = collector::ingest::now();
    let origin = recordings.iter().filter_map(Recording::begins).min().unwrap_or(start);
    let mut playing = JoinSet::new();
    for recording in recordings {
        playing.spawn(recording.play(origin, start));
    }
    while let Some(played) = playing.join_next().await {
        played.context("a player stopped")??;
    }
    Ok(())
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
