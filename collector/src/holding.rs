//! What logs hold, learned from calls that are over, and from registrations and requests that had time to be answered.

use std::collections::{BTreeMap, BTreeSet, HashMap};
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

/// What all logs are known to hold, here and now.
#[derive(Debug, Default)]
pub struct Holding {
    pub known: AllHolds,
    /// Not shared yet.
    fresh: AllHolds,
    news: BTreeMap<Log, News>,
    /// Up to which time scenarios are counted.
    counted: HashMap<ScenarioId, Timestamp>,
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
        let counted = self.counted.get(&due.id).copied().unwrap_or(begins).max(begins);
        if counted >= ends {
            return;
        }
        self.counted.insert(due.id, ends);
        let Some(day) = messages.iter().map(|message| message.time.day().0).max() else { return };
        for ((log, sort), count) in seen_within(flow, messages, counted..ends) {
            let known = self.known.entry(log.clone()).or_default();
            let knew = known.knows(&sort);
            known.see(day, &sort, count);
            if !knew && known.knows(&sort) {
                self.news.insert(log.clone(), News::Fresh);
            }
            self.fresh.entry(log).or_default().see(day, &sort, count);
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
