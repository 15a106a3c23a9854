//! What logs hold, learned from the calls that are over.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use message::flow::{End, Flow};
use message::logged::Message;
use record::id::ScenarioId;
use rule::holds::{AllHolds, seen};
use store::Store;

use crate::Error;

/// Calls that are kept in mind, so that each counts once.
const CALLS: usize = 200_000;
/// How often what is known is shared with other collectors.
const SHARE: Duration = Duration::from_secs(5);

/// What all logs are known to hold, here and now.
#[derive(Debug, Default)]
pub struct Holding {
    pub known: AllHolds,
    /// Not shared yet.
    fresh: AllHolds,
    counted: HashSet<ScenarioId>,
    shared: Option<Instant>,
}

impl Holding {
    /// Counts a call that is over, once.
    pub fn see(&mut self, id: ScenarioId, flow: &Flow, messages: &[Message]) {
        if !is_over(flow) {
            return;
        }
        if self.counted.len() > CALLS {
            self.counted.clear();
        }
        if !self.counted.insert(id) {
            return;
        }
        let Some(day) = messages.iter().map(|message| message.time.day().0).max() else { return };
        for ((log, sort), count) in seen(flow, messages) {
            self.known.entry(log.clone()).or_default().see(day, &sort, count);
            self.fresh.entry(log).or_default().see(day, &sort, count);
        }
    }

    /// Writes what is new, and reads what others have seen.
    pub async fn share(&mut self, store: &Store) -> Result<(), Error> {
        if self.shared.is_some_and(|at| at.elapsed() < SHARE) {
            return Ok(());
        }
        if !self.fresh.is_empty() {
            store.add_holds(&self.fresh).await?;
            self.fresh.clear();
        }
        self.known = store.all_holds().await?;
        self.shared = Some(Instant::now());
        Ok(())
    }
}

/// Every caller was refused, or hung up or was hung up on.
fn is_over(flow: &Flow) -> bool {
    let callers = &flow.course.callers;
    !callers.is_empty()
        && callers.iter().all(|caller| match caller.connected {
            Some((_, End::Bye { .. } | End::Transferred { .. })) => true,
            Some((_, End::Open { .. })) => false,
            None => caller.result().is_some_and(|got| got.status >= 300),
        })
}
