//! Rows in SQLite or PostgreSQL. All SQL lives here; every difference between the two lives in `backend.rs`.
//!
//! Read in this order: [`append`] (what agents send), [`correlate`] (what it belongs to), [`scenario`], [`search`],
//! `nearby` (calls of the same people), `early` (what is read beside what is final), [`stream`], [`source`], `near_miss` and [`position`] (what is read), and
//! [`agent`] (who reads it); [`settle`], [`learned`] and [`clock`] (what is worked out and learned of it); [`verdict`], [`failure`],
//! [`rulebook`], [`alert`] and [`outgoing`] (what rules say of it, and the mails that report it); `history` (what other
//! rules would have said).

pub mod agent;
pub mod alert;
pub mod append;
mod backend;
mod blob;
mod borrowed;
mod caches;
pub mod clock;
mod compress;
pub mod correlate;
mod dictionary;
mod early;
mod error;
pub mod failure;
pub mod health;
mod history;
pub mod learned;
mod messages;
pub mod near_miss;
mod nearby;
pub mod outgoing;
mod owner;
mod page;
pub mod position;
pub mod rulebook;
pub mod scenario;
mod scope;
pub mod search;
pub mod settle;
pub mod source;
mod statement;
mod stored;
pub mod stream;
mod summaries;
#[cfg(test)]
mod tests;
mod text;
pub mod verdict;
mod version;

pub use error::Error;

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use message::facts::Settings;
use record::time::Timestamp;
use sqlx::postgres::PgConnectOptions;

use append::commit::Committer;
use backend::Backend;
use caches::Caches;
use health::Health;

/// Where the rows are.
#[derive(Clone, Debug)]
pub enum Location {
    /// SQLite in this directory, which belongs to this process while it is open.
    Directory(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

impl Location {
    /// A database by its URL: `postgres://user:password@host:5432/database`. The error does not repeat the URL.
    pub fn postgres(url: &str) -> Result<Self, Error> {
        let scheme = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        let wrong = |what: String| Error::Url { what };
        if !scheme {
            return Err(wrong("it begins with neither postgres:// nor postgresql://".into()));
        }
        let options = PgConnectOptions::from_str(url).map_err(|why| wrong(why.to_string()))?;
        Ok(Self::Postgres(Box::new(options)))
    }
}

/// A handle to the database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    backend: Backend,
    committer: Committer,
    caches: Arc<Caches>,
    settings: Arc<Settings>,
    health: Arc<Health>,
    settled: Arc<settle::Classes>,
}

impl Store {
    /// Opens, creates what is missing, and migrates.
    pub async fn open(location: &Location) -> Result<Self, Error> {
        let (backend, caches) = (Backend::open(location).await?, Arc::default());
        let committer = Committer::start(&backend, &caches);
        let store = Self {
            backend,
            committer,
            caches,
            settings: Arc::default(),
            health: Arc::default(),
            settled: Arc::default(),
        };
        dictionary::register(&store).await?;
        // The only clock here: what arrives brings its own.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        store.keep_partitions(Timestamp(now.as_micros() as i64)).await?;
        Ok(store)
    }

    /// Opens what another process may be writing to, and writes nothing: the database refuses whatever would.
    pub async fn open_to_read(location: &Location) -> Result<Self, Error> {
        let (backend, caches) = (Backend::open_to_read(location).await?, Arc::default());
        let committer = Committer::start(&backend, &caches);
        let store = Self {
            backend,
            committer,
            caches,
            settings: Arc::default(),
            health: Arc::default(),
            settled: Arc::default(),
        };
        dictionary::check(&store).await?;
        Ok(store)
    }

    /// Reads the facts of messages by these settings (the collector's) instead of the defaults.
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.settings = Arc::new(settings);
        self
    }

    /// What of this process does its work.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// A handle for pages and API: whatever they ask, and however long, storing has connections of its own.
    pub fn for_readers(&self) -> Self {
        Self { backend: self.backend.for_readers(), ..self.clone() }
    }

    /// Other processes may write to the same database.
    pub fn is_shared(&self) -> bool {
        self.backend.commits() == backend::Commits::Each
    }

    /// To be called every few seconds while messages come in: lists by time read little of what is new only after that.
    pub async fn mark_times(&self) -> Result<(), Error> {
        self.backend.mark_times().await
    }

    /// Makes the partitions that the next days need; to be called each hour.
    pub async fn keep_partitions(&self, now: Timestamp) -> Result<(), Error> {
        self.backend.keep_partitions(now).await
    }

    /// Flushes and closes. Readers elsewhere finish first.
    pub async fn close(&self) {
        self.committer.close().await;
        self.backend.close().await;
    }
}
