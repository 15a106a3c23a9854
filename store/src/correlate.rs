//! Correlation as a consumer of the outbox with its own offset: keys become scenarios.
//!
//! `outbox` reads what waits, `doubt` decides what its messages did not, `exchange` finds the request of an answer that names no call,
//! `referred` the call that a body part may be named after,
//! `components` unites its calls over their keys
//! (pure), `union` applies that to what is known, and `pieces`, `groups`, `keys` and `rows` help it to; `remake` makes a summary anew, and
//! `missed` finds what two collectors took up in one moment.

mod components;
mod doubt;
mod exchange;
mod groups;
mod keys;
mod missed;
mod outbox;
mod pieces;
mod referred;
mod remake;
mod rows;
mod union;

use message::event::CallEvent;
use record::id::{Offset, ScenarioId, StreamId};
use record::time::Timestamp;

use crate::{Error, Store};
use components::components;
use exchange::Came;
use union::Beside;

/// The call events of one committed batch of one stream.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    pub stream: StreamId,
    /// The correlation offset before it (the end of the row before).
    pub from: Offset,
    pub end: Offset,
    pub events: Vec<CallEvent>,
    /// Neither the row nor all messages it was made of can be read: it is put aside.
    pub(crate) unreadable: bool,
}

/// What one application of outbox rows did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Correlated {
    /// False: another correlator moved the offsets, went on changing the same scenarios, or stored the other half of an exchange;
    /// nothing was changed.
    pub applied: bool,
    /// Its rows are to be brought again at once: others stored first what it looked for, and wait for it now.
    pub again: bool,
    pub scenarios: Vec<ScenarioId>,
    pub merged: u64,
    /// Keys that have joined as many calls as they may, and that more came with.
    pub refused: u64,
}

/// A key joins at most as many calls, and the call whose own Call-ID it is: 60 calls with one conference id are a scenario of
/// 50 and ten of one, however they come.
pub const HUB: usize = 50;

/// How often rows are applied anew because their scenarios were changed meanwhile.
const TRIES: usize = 20;

impl Store {
    /// Takes the lease on streams that have outbox rows and returns their oldest rows, in order within a stream.
    pub async fn outbox(
        &self,
        owner: &str,
        now: Timestamp,
        lease_micros: i64,
        most: usize,
    ) -> Result<Vec<OutboxRow>, Error> {
        outbox::read(self, owner, now, lease_micros, most).await
    }

    /// Gives the leases of a correlator back, so that the next one need not wait for their end.
    pub async fn leave_outbox(&self, owner: &str) -> Result<(), Error> {
        outbox::leave(self, owner).await
    }

    /// Under which name the correlator of this process takes leases: `process`, or the same after each start where the
    /// database belongs to one process anyway.
    pub fn correlator(&self, process: &str) -> String {
        self.backend.correlator(process)
    }

    /// Applies rows: keys and calls to scenarios, rows deleted, offsets moved, fenced by owner and offset, in one transaction.
    pub async fn correlate(&self, owner: &str, now: Timestamp, rows: Vec<OutboxRow>) -> Result<Correlated, Error> {
        let mut brought = Brought::find(self, rows).await?;
        let done = Box::pin(self.apply(Some(owner), now, &mut brought)).await?;
        if done.applied && self.is_shared() {
            // Rarely anything, and large while it is awaited.
            if let Err(error) = Box::pin(missed::since(self, now, &brought)).await {
                // All is joined that was brought, and whoever settles these calls asks once more.
                tracing::debug!(%error, "what another collector took up in the same moment was not looked for");
            }
        }
        Ok(done)
    }

    /// `owner`: whose turn these rows are; none where they are of no outbox.
    async fn apply(&self, owner: Option<&str>, now: Timestamp, brought: &mut Brought) -> Result<Correlated, Error> {
        let Brought { rows, doubts, exchanges, referred } = brought;
        let events = || rows.iter().flat_map(|row| &row.events);
        // Asked outside of the transaction: what wants them from now on finds them stored.
        let wanting = self.wanting(events()).await?;
        let components = components(events(), &referred.again);
        let pushed = std::mem::take(&mut exchanges.counted);
        let beside = Beside { wanting: &wanting, left: &doubts.left, pushed: &pushed, settled: &self.settled };
        let mut tries = 0;
        loop {
            let mut tx = self.backend.begin().await?;
            let ours = match owner {
                Some(owner) => outbox::take(&mut tx, owner, rows).await?,
                None => outbox::hold(&mut tx, rows).await?,
            };
            if !ours || exchange::is_of_another(&mut tx, exchanges, owner.unwrap_or_default(), now).await? {
                tx.rollback().await?;
                return Ok(Correlated::default());
            }
            match union::apply(&mut tx, now, rows, &components, &beside).await {
                Ok(Some(correlated)) => {
                    let came = exchange::came_meanwhile(&mut tx, exchanges, owner.unwrap_or_default(), now).await?;
                    if came != Came::Nothing {
                        tx.rollback().await?;
                        return self.too_late(owner, came, now).await;
                    }
                    doubt::file(&mut tx, doubts).await?;
                    exchange::keep(&mut tx, exchanges, now).await?;
                    referred.keep(&mut tx, now).await?;
                    tx.commit().await?;
                    return Ok(correlated);
                }
                // Another collector has just merged what this one was about to add to.
                Ok(None) => {
                    tx.rollback().await?;
                    tries += 1;
                    if tries == TRIES || !doubts.left.is_empty() {
                        // As one who was too late: the rows wait for the next look, and what is in doubt is looked at anew.
                        return Ok(Correlated::default());
                    }
                }
                Err(Error::Summary(scenario)) => {
                    tx.rollback().await?;
                    remake::summary(self, ScenarioId(scenario)).await?;
                }
                Err(other) => return Err(other),
            }
        }
    }

    /// Nothing was changed.
    async fn too_late(&self, owner: Option<&str>, came: Came, now: Timestamp) -> Result<Correlated, Error> {
        let again = owner.filter(|_| came == Came::TooLate);
        if let Some(owner) = again {
            exchange::turn::ask(self, owner, now).await?;
        }
        Ok(Correlated { again: again.is_some(), ..Correlated::default() })
    }
}

/// Rows, and what was found out for them.
#[derive(Default)]
struct Brought {
    rows: Vec<OutboxRow>,
    doubts: doubt::Decided,
    exchanges: exchange::Exchanges,
    referred: referred::Referred,
}

impl Brought {
    async fn find(store: &Store, mut rows: Vec<OutboxRow>) -> Result<Self, Error> {
        let doubts = doubt::settle(store, &mut rows).await?;
        let exchanges = exchange::pair(store, &mut rows).await?;
        let referred = referred::join(store, &mut rows).await?;
        Ok(Self { rows, doubts, exchanges, referred })
    }
}
