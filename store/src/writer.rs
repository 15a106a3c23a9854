//! The one writer of a SQLite database: all that waits is committed at once.

use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use sqlx::sqlite::SqlitePool;
use tokio::sync::{mpsc, oneshot};

use crate::Error;
use crate::append::apply;
use crate::append::known::Unknown;
use crate::append::{Outcome, Prepared};
use crate::backend::Transaction;
use crate::caches::Caches;

/// Messages of one transaction, unless one request alone has more.
const ROWS: usize = 5000;

#[derive(Debug)]
pub(crate) enum Job {
    Append { streams: Vec<Prepared>, answer: oneshot::Sender<Result<Vec<Outcome>, Error>> },
    Close,
}

type Answer = oneshot::Sender<Result<Vec<Outcome>, Error>>;

/// Ends after [`Job::Close`], or when no sender is left. The lock on the directory is held until then.
pub(crate) async fn run(pool: SqlitePool, caches: Arc<Caches>, mut jobs: mpsc::Receiver<Job>, lock: Arc<File>) {
    while let Some(job) = jobs.recv().await {
        let mut waiting = Vec::new();
        let mut rows = 0;
        let mut next = Some(job);
        while let Some(job) = next.take() {
            match job {
                Job::Append { streams, answer } => {
                    rows += streams.iter().map(|stream| stream.messages.len()).sum::<usize>();
                    waiting.push((streams, answer));
                }
                Job::Close => jobs.close(),
            }
            if rows < ROWS {
                next = jobs.try_recv().ok();
            }
        }
        commit(&pool, &caches, waiting).await;
    }
    drop(lock);
}

async fn commit(pool: &SqlitePool, caches: &Caches, waiting: Vec<(Vec<Prepared>, Answer)>) {
    let together = at_once(pool, caches, waiting.iter().flat_map(|(streams, _)| streams).collect()).await;
    let mut outcomes = match together {
        Ok(outcomes) => Some(outcomes.into_iter()),
        Err(why) => {
            tracing::warn!(error = %why, "streams were not stored together; each is tried alone");
            None
        }
    };
    for (streams, answer) in waiting {
        let result = match &mut outcomes {
            Some(outcomes) => Ok(outcomes.by_ref().take(streams.len()).collect()),
            None => each_alone(pool, caches, &streams).await,
        };
        // Nobody waits any more: it is stored all the same, and sent again it counts as stored.
        let _ = answer.send(result);
    }
}

/// A panic is an error like any other: whatever it is in, is tried alone, and the rest is stored.
async fn at_once(pool: &SqlitePool, caches: &Caches, streams: Vec<&Prepared>) -> Result<Vec<Outcome>, Error> {
    AssertUnwindSafe(transaction(pool, caches, streams)).catch_unwind().await.unwrap_or(Err(Error::Panicked))
}

async fn transaction(pool: &SqlitePool, caches: &Caches, streams: Vec<&Prepared>) -> Result<Vec<Outcome>, Error> {
    let mut tx = Transaction::Sqlite(pool.begin_with("begin immediate").await?);
    let new = Unknown::of(streams.iter().copied(), caches);
    new.write(&mut tx).await?;
    let mut outcomes = Vec::with_capacity(streams.len());
    for stream in streams {
        outcomes.push(apply::stream(&mut tx, stream).await?);
    }
    tx.commit().await?;
    new.keep(caches);
    Ok(outcomes)
}

/// All are tried; the first error is told.
async fn each_alone(pool: &SqlitePool, caches: &Caches, streams: &[Prepared]) -> Result<Vec<Outcome>, Error> {
    let mut outcomes = Vec::with_capacity(streams.len());
    for stream in streams {
        outcomes.push(at_once(pool, caches, vec![stream]).await);
    }
    outcomes.into_iter().map(|outcome| outcome.map(|all| all[0])).collect()
}
