//! The loop that settles calls: what happened in each is worked out once it is quiet, and again when a deadline has passed.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use message::flow::{Flow, flow};
use message::gist::Gist;
use message::logged::Message;
use record::time::{HOUR, SECOND, Timestamp};
use store::Store;
use store::health::Part;
use store::settle::{Due, Settled};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::ingest::now;
use crate::learned::Logs;

/// How long a call is ours to settle.
const LEASE: i64 = 60 * SECOND;
/// Calls that are settled together.
const TOGETHER: usize = 200;
/// The longest wait when nothing is due.
const LOOK: Duration = Duration::from_millis(250);
/// After an error, and then doubling.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(10);
/// A call is worked out again only when twenty times as long has passed as that takes: one call never takes more than a
/// twentieth of a processor.
const SHARE: i64 = 20;
/// After a deadline, until logs are read beyond it; and how often is looked where one is not read.
const READ_ON: i64 = 2 * SECOND;
const NOT_READ: i64 = 30 * SECOND;
/// A log that is not read so long after a deadline is looked at every hour, and in the end no more.
const GIVEN_UP: i64 = 7 * 24 * HOUR;

/// How far logs are read, by agent and source.
type ReadTo = BTreeMap<(String, String), Timestamp>;

/// Runs until cancelled.
pub async fn run(store: Store, owner: String, cancel: CancellationToken) {
    let mut retry = FIRST_RETRY;
    let mut failing = false;
    let mut logs = Logs::default();
    while !cancel.is_cancelled() {
        let wait = match store.health().step(Part::Settling, step(&store, &owner, &mut logs)).await {
            Ok(settled) => {
                if std::mem::take(&mut failing) {
                    tracing::info!("settling goes on");
                }
                retry = FIRST_RETRY;
                if settled > 0 {
                    continue;
                }
                LOOK
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(error = %error, "settling waits: the database does not answer as it should");
                }
                retry = (retry * 2).min(LAST_RETRY);
                retry
            }
        };
        tokio::select! {
            () = cancel.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Settles what is due once; gives the number of calls.
pub async fn step(store: &Store, owner: &str, logs: &mut Logs) -> Result<usize, Error> {
    let due = store.due(owner, now(), LEASE, TOGETHER).await?;
    if due.is_empty() {
        return Ok(0);
    }
    // Asked before their messages: what is read meanwhile counts only the next time.
    let read_to = store.read_to().await?;
    let messages = store.due_messages(&due).await?;
    let settling = tokio::task::spawn_blocking(move || {
        let settle = |(due, messages): &(Due, Vec<Message>)| settle_alone(*due, messages, &read_to);
        let settled: Vec<Settled> = messages.iter().map(settle).collect();
        (settled, messages)
    });
    let (settled, messages) = settling.await.map_err(|error| Error::Settling(error.to_string()))?;
    store.settle(owner, &settled).await?;
    // After that: what is learned makes them due again.
    if let Err(error) = logs.learn(store, messages.iter().flat_map(|(_, messages)| messages)).await {
        tracing::warn!(%error, "what was seen of logs is not kept; it will be seen again");
    }
    Ok(due.len())
}

/// A call that nothing can be made of keeps no other from being settled.
fn settle_alone(due: Due, messages: &[Message], read_to: &ReadTo) -> Settled {
    let now = now();
    let settled = catch_unwind(AssertUnwindSafe(|| settle(due, messages, read_to, now)));
    settled.unwrap_or_else(|_| {
        tracing::error!(scenario = %due.id, "what happened in this call cannot be worked out: its list entry stays as it is");
        Settled { due, gist: None, problems: 0, next: None, rest_until: now }
    })
}

fn settle(due: Due, messages: &[Message], read_to: &ReadTo, now: Timestamp) -> Settled {
    let began = Instant::now();
    let flow = flow(messages);
    let read_to = all_read_to(messages, read_to);
    let gist = Gist::of(&flow, read_to);
    let took = i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX);
    let rest_until = Timestamp(now.0.saturating_add(took.saturating_mul(SHARE).max(SECOND)));
    let problems = flow.course.problems_at(read_to).count();
    Settled { due, gist, problems, next: next(due, &flow, read_to, now), rest_until }
}

/// The event time to which every log of a call is read.
fn all_read_to(messages: &[Message], read_to: &ReadTo) -> Timestamp {
    let mut least = Timestamp(i64::MAX);
    let mut last = None;
    for message in messages {
        // Messages of one log stand beside each other more often than not.
        if last.is_some_and(|last| std::sync::Arc::ptr_eq(last, &message.place)) {
            continue;
        }
        // It is read as far as its own logs are, whatever became of the registrar's.
        if message.is_registration() {
            continue;
        }
        last = Some(&message.place);
        let log = (message.place.agent.clone(), message.place.source.clone());
        least = least.min(read_to.get(&log).copied().unwrap_or(Timestamp(i64::MIN)));
    }
    least
}

/// When more can be said of it: after its next deadline, once its logs are read beyond that.
fn next(of: Due, flow: &Flow, read_to: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let due = flow.course.next_due(read_to)?;
    let after = due.0.saturating_add(READ_ON);
    if after > now.0 {
        return Some(Timestamp(after));
    }
    let wait = match now.micros_since(due) {
        late if late <= HOUR || !of.again => NOT_READ,
        late if late <= GIVEN_UP => HOUR,
        // Nobody reads its logs any more: it stays as it is.
        _ => return None,
    };
    Some(Timestamp(now.0.saturating_add(wait)))
}
