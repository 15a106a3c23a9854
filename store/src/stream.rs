//! Streams: watermark, size, counts and gaps of each followed file.

use message::id::{Offset, StreamId};
use message::span::Cause;
use message::time::Timestamp;
use message::wire::Counters;

use crate::{Error, Store};

#[derive(Clone, PartialEq, Debug)]
pub struct StreamRow {
    pub stream: StreamId,
    pub agent: String,
    pub host: String,
    pub source: String,
    pub path: String,
    pub w: Offset,
    pub size: u64,
    pub read_to: Offset,
    pub read_at: Timestamp,
    /// The latest event time, clamped.
    pub last_event: Option<Timestamp>,
    pub counters: Counters,
    pub near_misses: u64,
    pub closed: bool,
    /// Provisional rows it has now.
    pub provisional: i64,
    pub gaps: Vec<Gap>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    pub start: Offset,
    pub len: u64,
    pub lost: Option<u64>,
    pub cause: Cause,
    pub noticed: Timestamp,
}

/// Totals for the home page and progress.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    pub streams: i64,
    pub records: i64,
    pub scenarios: i64,
    pub gaps: i64,
    /// Bytes of files known and bytes committed.
    pub size: i64,
    pub committed: i64,
    /// Outbox rows that correlation has not applied.
    pub waiting: i64,
}

impl Store {
    /// Streams with ids above `after`, by id, at most `limit`, with their gaps.
    pub async fn streams(&self, _after: Option<StreamId>, _limit: usize) -> Result<Vec<StreamRow>, Error> {
        Ok(Vec::new())
    }

    pub async fn totals(&self) -> Result<Totals, Error> {
        Ok(Totals::default())
    }

    /// The database answers.
    pub async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }
}
