//! The one writer of a database that has one: all that waits is committed at once.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Outcome, Prepared, apply};
use crate::Error;
use crate::backend::Backend;
use crate::caches::Caches;

/// Messages of one transaction, unless one request alone has more.
const ROWS: usize = 5000;
/// Jobs that wait for the writer. Each is one request, whose size the caller bounds.
const QUEUE: usize = 32;

/// A handle to it; it ends when it is closed, or with its last handle.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

#[derive(Debug)]
enum Job {
    Append { streams: Vec<Prepared>, answer: Answer },
    Close,
}

type Answer = oneshot::Sender<Result<Vec<Outcome>, Error>>;

impl Writer {
    pub fn start(backend: Backend, caches: Arc<Caches>) -> Self {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let task = tokio::spawn(run(backend, caches, waiting));
        Self { jobs, task: Arc::new(Mutex::new(Some(task))) }
    }

    pub async fn append(&self, streams: Vec<Prepared>) -> Result<Vec<Outcome>, Error> {
        let (answer, answered) = oneshot::channel();
        let closed = || Error::Sql(sqlx::Error::PoolClosed);
        self.jobs.send(Job::Append { streams, answer }).await.map_err(|_| closed())?;
        let none = |_| if self.jobs.is_closed() { closed() } else { Error::Panicked };
        answered.await.map_err(none)?
    }

    /// A full queue is drained first.
    pub async fn close(&self) {
        if let Some(task) = self.task.lock().await.take() {
            // A writer that is gone already needs no word.
            if self.jobs.send(Job::Close).await.is_ok() && task.await.is_err() {
                tracing::error!("the writer of the database ended by a panic");
            }
        }
    }
}

/// Ends after [`Job::Close`], or when no sender is left. The database belongs to this process until then.
async fn run(backend: Backend, caches: Arc<Caches>, mut jobs: mpsc::Receiver<Job>) {
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
        commit(&backend, &caches, waiting).await;
    }
}

async fn commit(backend: &Backend, caches: &Caches, waiting: Vec<(Vec<Prepared>, Answer)>) {
    let together = at_once(backend, caches, waiting.iter().flat_map(|(streams, _)| streams).collect()).await;
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
            None => each_alone(backend, caches, &streams).await,
        };
        // Nobody waits any more: it is stored all the same, and sent again it counts as stored.
        let _ = answer.send(result);
    }
}

/// A panic is an error like any other: whatever it is in, is tried alone, and the rest is stored.
async fn at_once(backend: &Backend, caches: &Caches, streams: Vec<&Prepared>) -> Result<Vec<Outcome>, Error> {
    AssertUnwindSafe(apply::together(backend, caches, streams)).catch_unwind().await.unwrap_or(Err(Error::Panicked))
}

/// All are tried; the first error is given.
async fn each_alone(backend: &Backend, caches: &Caches, streams: &[Prepared]) -> Result<Vec<Outcome>, Error> {
    let mut outcomes = Vec::with_capacity(streams.len());
    for stream in streams {
        outcomes.push(at_once(backend, caches, vec![stream]).await);
    }
    outcomes.into_iter().map(|outcome| outcome.map(|all| all[0])).collect()
}
