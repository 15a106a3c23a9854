//! `siptrail rules test`: rules and routes on stored calls, beside whoever stores them.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use collector::backtest::{self, Bounds};
use collector::book::Book;
use collector::ingest::now;
use record::time::Timestamp;
use store::{Location, Store};

use super::{files, shown};
use crate::cli::Try;
use crate::words::counted;
use crate::{collector as server, screen, settings, watch};

/// Read if it is there and nothing else is named.
const CONFIG: &str = "/etc/siptrail/collector.toml";
/// Until it is said how far it came, and again.
const FIRST: Duration = Duration::from_secs(2);
const NEXT: Duration = Duration::from_millis(500);

pub async fn run(asked: Try) -> anyhow::Result<()> {
    let usual = || Some(PathBuf::from(CONFIG)).filter(|file| file.is_file() && asked.data.is_none());
    let file = asked.config.clone().or_else(usual);
    let config: Option<collector::Config> = file.as_deref().map(settings::read).transpose()?;
    let location = match (&asked.data, &config, &file) {
        (Some(data), ..) => Location::Directory(data.clone()),
        (None, Some(config), Some(file)) => server::location(config, file)?,
        (None, ..) => Location::Directory(watch::default_data()?),
    };
    let book = Arc::new(book(&asked, config.as_ref())?);
    let settings = config.unwrap_or_default().settings();
    let store = Store::open_to_read(&location).await.map_err(|error| match error {
        store::Error::Directory { .. } => {
            anyhow!("{error}; name another with --data DIR, or a collector's config with --config FILE")
        }
        error => error.into(),
    })?;
    let store = store.with_settings(settings);
    let until = now();
    let since = Timestamp(until.0.saturating_sub(asked.since));
    let mut progress = Progress::default();
    let tell = |calls: usize, began: Timestamp| progress.tell(calls, began);
    let tried = backtest::run(&store, Arc::clone(&book), (since, until), Bounds::default(), tell).await?;
    progress.end();
    let shown = if tried.calls > 0 || tried.ends_at.is_some() {
        shown::tried(&tried, &book, (since, until), asked.all)
    } else {
        shown::nothing(&place(&location), since, store.newest_call().await?)
    };
    screen::say(&shown);
    store.close().await;
    Ok(())
}

fn book(asked: &Try, config: Option<&collector::Config>) -> anyhow::Result<Book> {
    let of_config =
        |file: fn(&collector::Config) -> &Option<PathBuf>| config.and_then(|config| file(config).as_deref());
    let usual = || if config.is_some() { None } else { files::usual() };
    let dir: Option<&Path> = asked.rules.as_deref().or_else(|| of_config(|config| &config.rules_dir)).or_else(usual);
    let routes = asked.routes.as_deref().or_else(|| of_config(|config| &config.routes));
    let (set, routes) = files::both(files::rules(dir, &asked.files)?, routes)?;
    Ok(Book::new(set, routes, config.map(|config| config.env.clone()).unwrap_or_default()))
}

/// Without a password.
fn place(location: &Location) -> String {
    match location {
        Location::Directory(directory) => directory.display().to_string(),
        Location::Postgres(_) => "the database".to_owned(),
    }
}

/// How far it came, in one line of a terminal.
struct Progress {
    next: Instant,
    is_shown: bool,
}

impl Default for Progress {
    fn default() -> Self {
        Self { next: Instant::now() + FIRST, is_shown: false }
    }
}

impl Progress {
    fn tell(&mut self, calls: usize, began: Timestamp) {
        if Instant::now() < self.next || !std::io::stderr().is_terminal() {
            return;
        }
        (self.next, self.is_shown) = (Instant::now() + NEXT, true);
        let began = began.to_utc().format("%Y-%m-%d %H:%M:%SZ");
        let calls = counted(i64::try_from(calls).unwrap_or(i64::MAX), "scenario");
        let mut out = std::io::stderr().lock();
        let _ = write!(out, "\r\x1b[K{calls} so far, the last of {began}").and_then(|()| out.flush());
    }

    fn end(&self) {
        if self.is_shown {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}
