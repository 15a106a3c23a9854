//! One batch, from wire to commit: check, parse, store, answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use message::facts::Settings;
use record::format::Format;
use record::id::{Offset, StreamId};
use record::miss::NearMiss;
use record::time::Timestamp;
use record::wire::{
    self, Answer, Append, Asked, Heard, Heartbeat, Positions, Refused, StreamAnswer, StreamAppend, StreamMeta, VERSION,
};
use store::Store;
use store::append::{Incoming, Outcome};
use tokio::sync::Notify;

use crate::parse::{Parser, Reading};
use crate::{Config, Error, check};

/// Streams whose format and zone are kept in memory; beyond it they are read again from the store.
const CACHED_STREAMS: usize = 100_000;
/// A stranger may make a new one for each stream.
const CACHED_FORMATS: usize = 1000;

/// The door every agent's bytes go through. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ingest {
    store: Store,
    settings: Arc<Settings>,
    readings: Arc<Mutex<Readings>>,
    /// Rung after each commit, so that correlation need not wait for its next look.
    stored: Arc<Notify>,
}

impl Ingest {
    pub fn new(store: Store, config: &Config) -> Self {
        Self { store, settings: Arc::new(config.settings()), readings: Arc::default(), stored: Arc::default() }
    }

    /// Rung after each commit.
    pub fn stored(&self) -> Arc<Notify> {
        self.stored.clone()
    }

    /// Returns after commit. Each stream is stored whole or refused; an error means that nothing is known of any.
    pub async fn append(&self, append: Arc<Append>) -> Result<Answer, Error> {
        check::append(&append)?;
        let (batch, lease) = (append.batch, append.lease);
        let order: Vec<StreamId> = append.streams.iter().map(|s| s.stream).collect();
        let mut readings = Vec::with_capacity(order.len());
        for stream in &append.streams {
            readings.push(self.reading(&append.agent, stream).await?);
        }
        let (settings, received) = (self.settings.clone(), now());
        // The batch is let go of here: what waits for the database is only what is stored.
        let parsed = tokio::task::spawn_blocking(move || {
            let streams = append.streams.iter().zip(&readings);
            let parse = |(stream, reading): (&StreamAppend, &Result<Arc<Reading>, Refused>)| match reading {
                Ok(reading) => parse_stream(&settings, reading, &append, stream, received),
                Err(refused) => Err((stream.stream, refused.clone())),
            };
            streams.map(parse).collect::<Vec<_>>()
        })
        .await
        .map_err(|e| Error::Stopped(e.to_string()))?;

        let mut answers: HashMap<StreamId, StreamAnswer> = HashMap::new();
        let mut incoming: Vec<Incoming> = Vec::new();
        for result in parsed {
            match result {
                Ok(stream) => incoming.push(stream),
                Err((stream, refused)) => {
                    let is_owner = refused != Refused::Owner;
                    let w = if is_owner { self.store.watermark(stream).await? } else { Offset(0) };
                    answers.insert(stream, StreamAnswer { stream, w, part: None, refused: Some(refused) });
                }
            }
        }
        let ids: Vec<StreamId> = incoming.iter().map(|s| s.stream).collect();
        let outcomes = self.store.append(incoming).await?;
        self.stored.notify_one();
        for (stream, outcome) in ids.into_iter().zip(outcomes) {
            answers.insert(stream, answer(stream, outcome));
        }
        let streams = order.into_iter().filter_map(|id| answers.remove(&id)).collect();
        Ok(Answer { version: VERSION, batch, lease, streams })
    }

    /// Returns after commit.
    pub async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<Heard, Error> {
        let heartbeat = check::heartbeat(heartbeat)?;
        self.store.hear(&heartbeat, now()).await?;
        Ok(Heard { version: VERSION, clock: heartbeat.clock })
    }

    pub async fn positions(&self, agent: &str, asked: Asked, limit: usize) -> Result<Positions, Error> {
        check::agent(agent)?;
        Ok(self.store.positions(agent, asked, limit).await?)
    }

    /// How to read a stream of this agent: from its meta, from memory, or from the store. Refused: it is another agent's,
    /// nobody said how it is to be read, or what was said cannot be followed.
    async fn reading(&self, agent: &str, stream: &StreamAppend) -> Result<Result<Arc<Reading>, Refused>, Error> {
        // Another collector may have heard since that it is to be read in another way.
        let is_known = stream.meta.is_some() || !self.store.is_shared();
        let cached = self.lock().streams.get(&stream.stream).filter(|_| is_known).cloned();
        let (mut owner, mut stored) = (cached.as_ref().map(|cached| cached.agent.clone()), None);
        if cached.is_none() && stream.meta.is_some() {
            owner = self.store.stream_owner(stream.stream).await?;
        } else if cached.is_none() {
            let (agent, meta) = self.store.stream_meta(stream.stream).await?.unzip();
            (owner, stored) = (agent, meta.flatten());
        }
        if owner.is_some_and(|owner| owner != agent) {
            return Ok(Err(Refused::Owner));
        }
        let meta = match (&stream.meta, cached) {
            (Some(meta), Some(cached)) if cached.is_of(meta) => return Ok(Ok(cached)),
            (Some(meta), _) => meta,
            (None, Some(cached)) => return Ok(Ok(cached)),
            (None, None) => match &stored {
                Some(meta) => meta,
                None => return Ok(Err(Refused::Base)),
            },
        };
        Ok(self.lock().compile(agent, stream.stream, meta))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Readings> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How streams are read. Many streams have few formats, and a compiled one is large.
#[derive(Debug, Default)]
struct Readings {
    streams: HashMap<StreamId, Arc<Reading>>,
    /// By their encoded definitions.
    formats: HashMap<Vec<u8>, Arc<Format>>,
}

impl Readings {
    fn compile(&mut self, agent: &str, stream: StreamId, meta: &StreamMeta) -> Result<Arc<Reading>, Refused> {
        if self.streams.len() >= CACHED_STREAMS || self.formats.len() >= CACHED_FORMATS {
            *self = Self::default();
        }
        self.streams.remove(&stream);
        let wrong = |what: String| Refused::Meta { text: format!("source {}: {what}", meta.source) };
        let definition = wire::encode(&meta.format).map_err(|e| wrong(e.to_string()))?;
        let format = match self.formats.get(&definition) {
            Some(format) => Arc::clone(format),
            None => Arc::new(Format::compile(meta.format.clone()).map_err(|e| wrong(format!("format: {e}")))?),
        };
        let zone = meta.zone.parse().map_err(|_| wrong(format!("zone {:?} is no IANA name", meta.zone)))?;
        let reading = Arc::new(Reading {
            agent: agent.to_owned(),
            source: meta.source.clone(),
            format: Arc::clone(&format),
            zone,
        });
        self.formats.insert(definition, format);
        self.streams.insert(stream, Arc::clone(&reading));
        Ok(reading)
    }
}

fn parse_stream(
    settings: &Settings,
    reading: &Reading,
    append: &Append,
    stream: &StreamAppend,
    received: Timestamp,
) -> Result<Incoming, (StreamId, Refused)> {
    let id = stream.stream;
    if let Some(refused) = stream.spans.iter().chain(&stream.tail).find_map(check::span) {
        return Err((id, refused));
    }
    let mut parser = Parser::new(settings, reading, id, received, stream.read_at);
    let items = stream.spans.iter().map(|span| parser.item(span)).collect::<Result<Vec<_>, _>>();
    let items = items.map_err(|refused| (id, refused))?;
    let tail = stream.tail.iter().flat_map(|span| parser.provisional(span)).collect();
    Ok(Incoming {
        agent: append.agent.clone(),
        lease: append.lease,
        stream: id,
        meta: stream.meta.clone(),
        base: stream.base,
        end: stream.end,
        items,
        tail,
        guard: stream.guard.clone(),
        size: stream.size,
        read_to: stream.read_to,
        read_at: stream.read_at,
        near_misses: stream.spans.iter().flat_map(check::near_misses).collect(),
        tail_near_misses: sum(stream.tail.iter().flat_map(check::near_misses)),
        closed: stream.closed,
        settled: stream.settled,
        received,
    })
}

/// A reason each.
fn sum(misses: impl Iterator<Item = NearMiss>) -> Vec<NearMiss> {
    let mut sum = Vec::new();
    misses.for_each(|miss| miss.add_to(&mut sum));
    sum
}

fn answer(stream: StreamId, outcome: Outcome) -> StreamAnswer {
    let (w, refused) = match outcome {
        Outcome::Stored { w } => (w, None),
        Outcome::Base { w } => (w, Some(Refused::Base)),
        Outcome::Straddle { w } => (w, Some(Refused::Straddle)),
        Outcome::Lease { w, holder } => (w, Some(Refused::Lease { holder })),
        Outcome::Owner => (Offset(0), Some(Refused::Owner)),
    };
    StreamAnswer { stream, w, part: None, refused }
}

/// The collector's clock, in microseconds.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
