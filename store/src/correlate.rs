//! Correlation as a consumer of the outbox with its own offset: keys become scenarios.

mod outbox;
mod pieces;
mod rows;
mod union;

use message::event::{CallClass, CallEvent};
use message::id::{CallKey, MessageId, Offset, ScenarioId, StreamId};
use message::keys::Key;
use message::summary::Summary;
use message::time::{Day, Timestamp};

use crate::{Error, Store};

/// The call events of one committed batch of one stream.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    pub stream: StreamId,
    /// The correlation offset before it (the end of the row before).
    pub from: Offset,
    pub end: Offset,
    pub events: Vec<CallEvent>,
}

/// Calls of one batch that share keys.
#[derive(Clone, Debug)]
pub struct Component {
    /// Sorted by hash, each once, the calls' own keys too.
    pub keys: Vec<KeyUse>,
    pub calls: Vec<CallUse>,
    pub summary: Summary,
}

#[derive(Clone, Debug)]
pub struct KeyUse {
    pub key: Key,
    pub hash: [u8; 16],
    pub last: Timestamp,
    /// It names a call's own Call-ID (never refused as a hub).
    pub own: bool,
    /// Calls of this component that carry it.
    pub calls: Vec<CallKey>,
}

/// A call part of a scenario.
#[derive(Clone, Debug)]
pub struct CallUse {
    pub call: CallKey,
    pub call_id: String,
    pub stream: StreamId,
    pub day: Day,
    pub class: CallClass,
    pub first: Timestamp,
    /// The key by which it joined others, and the message that carried it.
    pub joined_by: Option<(Key, MessageId)>,
}

/// What one application of outbox rows did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Correlated {
    /// False: another correlator moved the offsets; nothing was changed.
    pub applied: bool,
    pub scenarios: Vec<ScenarioId>,
    pub merged: u64,
    /// Keys that stopped joining (hubs).
    pub refused: u64,
}

/// A key that joins more calls than this stops joining.
pub const HUB: i64 = 50;

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

    /// Applies rows: keys and calls to scenarios, rows deleted, offsets moved, fenced by owner and offset, in one transaction.
    pub async fn correlate(
        &self,
        owner: &str,
        now: Timestamp,
        rows: &[OutboxRow],
        components: &[Component],
    ) -> Result<Correlated, Error> {
        let mut tx = self.backend.begin().await?;
        if !outbox::take(&mut tx, owner, rows).await? {
            tx.rollback().await?;
            return Ok(Correlated::default());
        }
        let correlated = union::apply(&mut tx, now, rows, components).await?;
        tx.commit().await?;
        Ok(correlated)
    }
}
