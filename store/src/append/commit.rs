//! Which streams share a transaction: all that waits, or each stream by itself, as it suits the database.

use std::sync::Arc;

use futures::StreamExt;

use super::known::Unknown;
use super::writer::Writer;
use super::{Outcome, Prepared, apply};
use crate::Error;
use crate::backend::{Backend, Commits};
use crate::caches::Caches;

/// Streams of one batch that are stored at the same time.
const AT_ONCE: usize = 4;

/// Stores what is prepared. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Committer {
    /// By one task, all that waits at once.
    Together(Writer),
    /// Beside each other, a transaction a stream.
    Each(Backend, Arc<Caches>),
}

impl Committer {
    pub fn start(backend: &Backend, caches: &Arc<Caches>) -> Self {
        match backend.commits() {
            Commits::Together => Self::Together(Writer::start(backend.clone(), Arc::clone(caches))),
            Commits::Each => Self::Each(backend.clone(), Arc::clone(caches)),
        }
    }

    pub async fn append(&self, streams: Vec<Prepared>) -> Result<Vec<Outcome>, Error> {
        match self {
            Self::Together(writer) => writer.append(streams).await,
            Self::Each(backend, caches) => each(backend, caches, streams).await,
        }
    }

    pub async fn close(&self) {
        match self {
            Self::Together(writer) => writer.close().await,
            Self::Each(..) => {}
        }
    }
}

/// What is new of streams and end points is committed before: rows that several of them bring would make them wait for each
/// other.
async fn each(backend: &Backend, caches: &Caches, streams: Vec<Prepared>) -> Result<Vec<Outcome>, Error> {
    let new = Unknown::of(&streams, caches);
    if !new.is_empty() {
        let mut tx = backend.begin().await?;
        new.write(&mut tx).await?;
        tx.commit().await?;
        new.keep(caches);
    }
    let alone = |stream: Prepared| async move {
        let mut tx = backend.begin().await?;
        let outcome = apply::stream(&mut tx, &stream).await?;
        tx.commit().await?;
        Ok(outcome)
    };
    // All are tried; the first error is given.
    let outcomes: Vec<Result<Outcome, Error>> =
        futures::stream::iter(streams).map(alone).buffered(AT_ONCE).collect().await;
    let outcomes: Result<Vec<Outcome>, Error> = outcomes.into_iter().collect();
    if outcomes.is_err() {
        // It may be that somebody dropped a partition that this process knew.
        backend.forget_days();
    }
    outcomes
}
