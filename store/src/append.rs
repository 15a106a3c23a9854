//! Exactly-once ingest: the watermark moves in the transaction that stores the rows.

pub(crate) mod apply;
pub(crate) mod commit;
pub(crate) mod known;
mod packed;
mod prepare;
mod rows;
mod sums;
mod writer;

use message::event::CallEvent;
use message::kind::Kind;
use record::id::{CallKey, Offset, StreamId};
use record::miss::NearMiss;
use record::redact::Mask;
use record::span::{Cause, Continues, Flags};
use record::time::{Day, Timestamp};
use record::wire::{EndMarker, Guard, StreamMeta};

pub use crate::compress::Packed;
use crate::health::Part;
use crate::{Error, Store};

pub(crate) use prepare::Prepared;
pub(crate) use rows::COLUMNS;
pub(crate) use sums::{key, searched, unpack_events};

/// One stream of a batch, parsed.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub agent: String,
    pub lease: i64,
    pub stream: StreamId,
    pub meta: Option<StreamMeta>,
    pub base: Offset,
    pub end: Offset,
    /// Tile [base, end); gaps may have length 0.
    pub items: Vec<Item>,
    /// Replaces the provisional tail.
    pub tail: Vec<MessageRow>,
    pub guard: Guard,
    pub size: u64,
    pub read_to: Offset,
    pub read_at: Timestamp,
    /// Of the items, each within its item.
    pub near_misses: Vec<NearMiss>,
    /// Of the tail, a reason each: they replace those of the former tail.
    pub tail_near_misses: Vec<NearMiss>,
    pub closed: Option<EndMarker>,
    /// The agent is done with the stream.
    pub settled: bool,
    /// The collector's clock at arrival.
    pub received: Timestamp,
}

#[derive(Clone, Debug)]
pub enum Item {
    /// Its message, and those that follow it in the same record, each behind the one before: together they are all of
    /// its bytes.
    Record(Box<MessageRow>, Vec<MessageRow>),
    Noise {
        start: Offset,
        len: u64,
        lines: u64,
    },
    /// With the messages found in it.
    Fragment(FragmentRow, Vec<MessageRow>),
    Gap(GapRow),
}

/// A message as it is stored.
#[derive(Clone, Debug)]
pub struct MessageRow {
    pub time: Timestamp,
    /// Of the clamped time.
    pub day: Day,
    /// Where it begins in the file, and how long it is there. One span may hold several messages.
    pub start: Offset,
    pub len: u64,
    /// 0 where another message stands between the header line and this one, or where there is no header line.
    pub head: u32,
    pub line_end: u8,
    pub call: CallKey,
    pub kind: Kind,
    /// Field 2 of the header, as logged.
    pub method: String,
    pub status: Option<u16>,
    pub source: String,
    pub destination: String,
    pub flags: Flags,
    pub masked: Vec<Mask>,
    /// Of a wrapped log: unwrapped bytes, before masking.
    pub text_len: Option<u64>,
    /// HMAC of the file's bytes where they were masked.
    pub masked_hash: Option<[u8; 16]>,
    /// Its bytes as sent: header line, message and line end.
    pub raw: Packed,
    /// Goes to the outbox, and fills the call part.
    pub event: CallEvent,
}

#[derive(Clone, Debug)]
pub struct FragmentRow {
    pub start: Offset,
    pub len: u64,
    pub flags: Flags,
    pub raw: Packed,
    pub of: Option<Continues>,
}

#[derive(Clone, Debug)]
pub struct GapRow {
    pub start: Offset,
    pub len: u64,
    pub cause: Cause,
    /// None = unknown.
    pub lost: Option<u64>,
    /// Where `rejected`.
    pub hash: Option<[u8; 16]>,
}

/// What became of one stream of a batch. `w` is its committed offset now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Stored, or nothing of it was new.
    Stored { w: Offset },
    /// `base` is beyond the watermark, or the stream is unknown and came without meta.
    Base { w: Offset },
    /// An item lies on both sides of the watermark.
    Straddle { w: Offset },
    /// A higher lease is in force.
    Lease { w: Offset, holder: i64 },
    /// The stream is another agent's: nothing changed.
    Owner,
}

impl Store {
    /// Stores each stream whole or not at all; answers come in the order given. Returns after commit.
    ///
    /// An error says that some streams may be stored and others not: sent again, what is stored counts as stored.
    pub async fn append(&self, streams: Vec<Incoming>) -> Result<Vec<Outcome>, Error> {
        // What stores nothing says nothing of whether that would work.
        let Some(agent) = streams.first().map(|stream| stream.agent.clone()) else { return Ok(Vec::new()) };
        self.health.step_for(Part::Storing, &agent, self.store_all(streams)).await
    }

    async fn store_all(&self, streams: Vec<Incoming>) -> Result<Vec<Outcome>, Error> {
        let prepared = tokio::task::spawn_blocking(move || streams.into_iter().map(Prepared::of).collect::<Vec<_>>())
            .await
            .map_err(|_| Error::Panicked)?;
        self.backend.ensure_days(prepared.iter().flat_map(Prepared::days).collect()).await?;
        self.committer.append(prepared).await
    }
}
