//! What logs hold, learned from calls that are over, and from registrations and requests that had time to be answered.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use message::event::CallClass;
use message::flow::{End, Flow, Log};
use message::logged::Message;
use record::id::ScenarioId;
use record::time::{HOUR, SECOND, Timestamp};
use rule::holds::{AllHolds, seen_within};
use store::Store;
use store::settle::Due;

use crate::Error;

/// Calls that are kept in mind, so that each counts once.
const CALLS: usize = 200_000;
/// Timer F: a request is answered by then, or it is not.
const ANSWERED: i64 = 32 * SECOND;
/// How often what is known is shared with other collectors.
const SHARE: Duration = Duration::from_secs(5);
/// Of what began since then it is judged again what nobody could tell of, once more is known of its logs.
const AGAIN: i64 = HOUR;

/// More is known of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum News {
    Fresh,
    /// What was judged before is judged again. By then every collector knows, and what they judged until then is, too.
    Spreads(Instant),
}

impl News {
    fn is_due(self, at: Instant) -> bool {
        match self {
            Self::Fresh => true,
            Self::Spreads(until) => until <= at,
        }
    }
}

/// What of a scenario is counted.
#[derive(Debug)]
struct Counted {
    /// Up to which time.
    until: Timestamp,
    /// Of a call, by their hash, the logs that had come by then: one that is read later shows what it holds, too.
    logs: Vec<u64>,
}

/// What all logs are known to hold, here and now.
#[derive(Debug, Default)]
pub struct Holding {
    pub known: AllHolds,
    /// Not shared yet.
    fresh: AllHolds,
    news: BTreeMap<Log, News>,
    counted: HashMap<ScenarioId, Counted>,
    shared: Option<Instant>,
}

impl Holding {
    /// Counts what is over, once: a call as a whole, and of anything else what is old enough to have been answered. `read`:
    /// how far its logs are read.
    pub fn see(&mut self, due: &Due, flow: &Flow, messages: &[Message], read: Timestamp) {
        let begins = due.from.unwrap_or(Timestamp(i64::MIN));
        let ends = match due.class {
            CallClass::Call if is_over(flow) => Timestamp(i64::MAX),
            CallClass::Call => begins,
            _ => Timestamp(read.0.saturating_sub(ANSWERED)),
        };
        if self.counted.len() > CALLS {
            self.counted.clear();
        }
        let is_call = due.class == CallClass::Call;
        let counted = self.counted.get(&due.id);
        let from = counted.filter(|_| !is_call).map_or(begins, |counted| counted.until.max(begins));
        if from >= ends {
            return;
        }
        let logs = if is_call { logs_of(messages) } else { Vec::new() };
        let before = counted.map(|counted| counted.logs.clone()).unwrap_or_default();
        if is_call && logs.iter().all(|log| before.contains(log)) {
            return;
        }
        self.counted.insert(due.id, Counted { until: ends, logs });
        let Some(day) = messages.iter().map(|message| message.time.day().0).max() else { return };
        for ((log, sort), shown) in seen_within(flow, messages, from..ends) {
            if before.contains(&hash_of(&log.agent, &log.source)) {
                continue;
            }
            let known = self.known.entry(log.clone()).or_default();
            let knew_where = shown.beside.is_empty() || shown.beside.iter().all(|log| known.beside().contains(log));
            let knew = known.knows(&sort) && knew_where;
            known.see(day, &sort, &shown);
            if !knew && known.knows(&sort) {
                self.news.insert(log.clone(), News::Fresh);
            }
            self.fresh.entry(log).or_default().see(day, &sort, &shown);
        }
    }

    /// Writes what is new, and reads what others have seen.
    pub async fn share(&mut self, store: &Store) -> Result<(), Error> {
        if self.rests() {
            return Ok(());
        }
        self.write(store).await?;
        let known = store.all_holds().await?;
        for (log, holds) in &known {
            if holds.knows_more_than(self.known.get(log)) {
                self.news.insert(log.clone(), News::Fresh);
            }
        }
        self.known = known;
        self.shared = Some(Instant::now());
        Ok(())
    }

    /// Writes at once what makes a difference: no call that shows it may ever come again. To be called before what was judged
    /// by it is kept.
    pub async fn write_news(&mut self, store: &Store) -> Result<(), Error> {
        if self.news.values().any(|news| *news == News::Fresh) { self.write(store).await } else { Ok(()) }
    }

    /// What was judged before more was known of its logs is judged again. After a start that may be anything recent.
    pub async fn judge_again(&mut self, store: &Store, now: Timestamp) -> Result<(), Error> {
        let at = Instant::now();
        let due: BTreeSet<Log> =
            self.news.iter().filter(|(_, news)| news.is_due(at)).map(|(log, _)| log.clone()).collect();
        if due.is_empty() {
            return Ok(());
        }
        store.judge_unclear_again(&due, Timestamp(now.0.saturating_sub(AGAIN)), now).await?;
        for log in due {
            match self.news.get(&log) {
                Some(News::Fresh) => drop(self.news.insert(log, News::Spreads(at + SHARE * 2))),
                _ => drop(self.news.remove(&log)),
            }
        }
        Ok(())
    }

    /// Writes what is new though no call comes after it.
    pub async fn write_in_time(&mut self, store: &Store) -> Result<(), Error> {
        if self.rests() { Ok(()) } else { self.write(store).await }
    }

    pub async fn write(&mut self, store: &Store) -> Result<(), Error> {
        if !self.fresh.is_empty() {
            store.add_holds(&self.fresh).await?;
            self.fresh.clear();
        }
        Ok(())
    }

    fn rests(&self) -> bool {
        self.shared.is_some_and(|at| at.elapsed() < SHARE)
    }
}

/// Hashes of the logs that hold something of a call.
fn logs_of(messages: &[Message]) -> Vec<u64> {
    // Messages of one log stand beside each other more often than not.
    let by_log = messages.chunk_by(|one, other| Arc::ptr_eq(&one.place, &other.place));
    let mut logs: Vec<u64> = by_log.map(|some| hash_of(&some[0].place.agent, &some[0].place.source)).collect();
    logs.sort_unstable();
    logs.dedup();
    logs
}

fn hash_of(agent: &str, source: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (agent, source).hash(&mut hasher);
    hasher.finish()
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
