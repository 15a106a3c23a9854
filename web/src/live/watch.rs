//! The one poller of a process: one query each half second for all scenarios that somebody watches, none for none.

use std::collections::HashMap;
use std::time::Duration;

use record::id::ScenarioId;
use store::Store;
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
    id: ScenarioId,
    answer: oneshot::Sender<watch::Receiver<Latest>>,
}

impl Watch {
    pub(crate) fn start(store: Store, stop: CancellationToken) -> Self {
        let (asks, inbox) = mpsc::channel(64);
        tokio::spawn(poll(store, inbox, stop));
        Self { asks }
    }

    /// The scenario's version from now on; none when the server stops.
    pub(crate) async fn subscribe(&self, id: ScenarioId) -> Option<watch::Receiver<Latest>> {
        let (answer, receiver) = oneshot::channel();
        self.asks.send(Ask { id, answer }).await.ok()?;
        receiver.await.ok()
    }
}

/// How one scenario stands now.
pub(super) async fn version(store: &Store, id: ScenarioId) -> Result<Option<Seen>, store::Error> {
    let versions = store.versions(&[id]).await?;
    Ok(versions.first().map(|(_, version, merged)| seen(*version, *merged)))
}

fn seen(version: i64, merged: Option<ScenarioId>) -> Seen {
    merged.map_or(Seen::At(version), Seen::Merged)
}

async fn poll(store: Store, mut inbox: mpsc::Receiver<Ask>, stop: CancellationToken) {
    let mut watched: HashMap<ScenarioId, watch::Sender<Latest>> = HashMap::new();
    let mut ticks = tokio::time::interval(EACH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            ask = inbox.recv() => match ask {
                None => return,
                Some(Ask { id, answer }) => {
                    let sender = watched.entry(id).or_insert_with(|| watch::channel(None).0);
                    // A reader that left meanwhile needs no answer.
                    let _ = answer.send(sender.subscribe());
                }
            },
            _ = ticks.tick(), if !watched.is_empty() => {
                watched.retain(|_, sender| sender.receiver_count() > 0);
                let ids: Vec<_> = watched.keys().copied().collect();
                if ids.is_empty() {
                    continue;
                }
                match store.versions(&ids).await {
                    Ok(versions) => {
                        failing = false;
                        for (id, version, merged) in versions {
                            let latest = Some(seen(version, merged));
                            if let Some(sender) = watched.get(&id) {
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
