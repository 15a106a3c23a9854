//! The one poller of a process: one query every half second for all scenarios, and one for all calls without one, that somebody watches, none for none.

use std::collections::HashMap;
use std::time::Duration;

use record::id::{CallKey, ScenarioId};
use store::Store;
use store::health::Part;
use store::scenario::Subject;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

const EACH: Duration = Duration::from_millis(500);

/// How a scenario stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    At(i64),
    /// It was joined into this one.
    Merged(ScenarioId),
}

/// A handle to the poller; it ends with its last handle.
#[derive(Clone, Debug)]
pub struct Watch {
    asks: mpsc::Sender<Ask>,
}

/// None until the store was asked.
type Latest = Option<Seen>;

#[derive(Debug)]
struct Ask {
    subject: Subject,
    answer: oneshot::Sender<watch::Receiver<Latest>>,
}

impl Watch {
    pub(crate) fn start(store: Store, stop: CancellationToken) -> Self {
        let (asks, inbox) = mpsc::channel(64);
        tokio::spawn(poll(store, inbox, stop));
        Self { asks }
    }

    /// Its version from now on; none when the server stops.
    pub(crate) async fn subscribe(&self, subject: Subject) -> Option<watch::Receiver<Latest>> {
        let (answer, receiver) = oneshot::channel();
        self.asks.send(Ask { subject, answer }).await.ok()?;
        receiver.await.ok()
    }
}

/// How one scenario, or a call without one, stands now.
pub(crate) async fn version(store: &Store, subject: &Subject) -> Result<Option<Seen>, store::Error> {
    Ok(versions(store, std::slice::from_ref(subject)).await?.pop().map(|(_, seen)| seen))
}

async fn versions(store: &Store, subjects: &[Subject]) -> Result<Vec<(Subject, Seen)>, store::Error> {
    let scenarios: Vec<ScenarioId> = subjects.iter().filter_map(Subject::scenario).collect();
    let mut found = Vec::new();
    if !scenarios.is_empty() {
        let versions = store.versions(&scenarios).await?;
        found.extend(versions.into_iter().map(|(id, at, into)| (Subject::Scenario(id), seen(at, into))));
    }
    let calls: HashMap<CallKey, &Subject> = subjects
        .iter()
        .filter_map(|subject| match subject {
            Subject::Call(key, _) => Some((*key, subject)),
            Subject::Scenario(_) => None,
        })
        .collect();
    if !calls.is_empty() {
        let versions = store.call_versions(&calls.keys().copied().collect::<Vec<_>>()).await?;
        let subject = |key| calls.get(&key).map(|subject| (*subject).clone());
        found.extend(versions.into_iter().filter_map(|(key, at, into)| Some((subject(key)?, seen(at, into)))));
    }
    Ok(found)
}

fn seen(version: i64, merged: Option<ScenarioId>) -> Seen {
    merged.map_or(Seen::At(version), Seen::Merged)
}

async fn poll(store: Store, mut inbox: mpsc::Receiver<Ask>, stop: CancellationToken) {
    let mut watched: HashMap<Subject, watch::Sender<Latest>> = HashMap::new();
    let mut ticks = tokio::time::interval(EACH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            ask = inbox.recv() => match ask {
                None => return,
                Some(Ask { subject, answer }) => {
                    let sender = watched.entry(subject).or_insert_with(|| watch::channel(None).0);
                    // A reader that left meanwhile needs no answer.
                    let _ = answer.send(sender.subscribe());
                }
            },
            _ = ticks.tick(), if !watched.is_empty() => {
                watched.retain(|_, sender| sender.receiver_count() > 0);
                let subjects: Vec<_> = watched.keys().cloned().collect();
                if subjects.is_empty() {
                    store.health().rests(Part::LiveViews);
                    continue;
                }
                match store.health().step(Part::LiveViews, versions(&store, &subjects)).await {
                    Ok(versions) => {
                        failing = false;
                        for (subject, seen) in versions {
                            let latest = Some(seen);
                            if let Some(sender) = watched.get(&subject) {
                                sender.send_if_modified(|old| std::mem::replace(old, latest) != latest);
                            }
                        }
                    }
                    Err(error) if failing => tracing::debug!(error = %error, "live views still wait for the database"),
                    Err(error) => {
                        failing = true;
                        tracing::warn!(error = %error, "live views wait for the database");
                    }
                }
            }
        }
    }
}
