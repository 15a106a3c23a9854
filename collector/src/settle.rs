//! The loop that settles scenarios: what happened in each is worked out once it is quiet, and again when a deadline has passed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use message::clock::{Clocks, Measured, hour};
use message::event::CallClass;
use message::flow::{Flow, Log, flow_by};
use message::gist::Gist;
use message::logged::Message;
use record::time::{HOUR, SECOND, Timestamp};
use rule::evidence::{Binding, Evidence, Read};
use rule::holds::AllHolds;
use store::Store;
use store::health::Part;
use store::settle::{AT_ONCE, Due, Settled};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::book::Book;
use crate::clock::Hours;
use crate::holding::Holding;
use crate::ingest::now;
use crate::judging::{self, Case, Reports, log_of};
use crate::learned::Logs;

/// How long a call is ours to settle.
const LEASE: i64 = 60 * SECOND;
/// Of that, for calls that are settled one after the other.
const MOST_OF_LEASE: Duration = Duration::from_secs(30);
/// Calls that are settled together.
const TOGETHER: usize = 200;
/// The longest wait when nothing is due.
const LOOK: Duration = Duration::from_millis(250);
/// After an error, and then doubling.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(10);
/// A call is read and worked out again only when twenty times as long has passed as that takes: one call never takes more than
/// a twentieth of a processor.
const SHARE: i64 = 20;
/// After a deadline, until logs are read beyond it; and how often is looked where one is not read: soon, and after a minute.
const READ_ON: i64 = 2 * SECOND;
const NOT_READ: i64 = 5 * SECOND;
const BEHIND: i64 = 30 * SECOND;
/// A log that is not read so long after a deadline is looked at every hour, and in the end no more.
const GIVEN_UP: i64 = 7 * 24 * HOUR;

/// Runs until cancelled.
pub async fn run(store: Store, owner: String, book: watch::Receiver<Arc<Book>>, cancel: CancellationToken) {
    let mut retry = FIRST_RETRY;
    let mut failing = false;
    let mut known = Known::default();
    while !cancel.is_cancelled() {
        let wait =
            match store.health().step(Part::Settling, Box::pin(step(&store, &owner, &book, &mut known, now()))).await {
                Ok(settled) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!("settling goes on");
                    }
                    retry = FIRST_RETRY;
                    if settled > 0 {
                        continue;
                    }
                    LOOK
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(error = %error, "settling waits: the database does not answer as it should");
                    }
                    retry = (retry * 2).min(LAST_RETRY);
                    retry
                }
            };
        tokio::select! {
            () = cancel.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    if let Err(error) = known.holding.write(&store).await {
        tracing::warn!(%error, "what was seen of logs last is not kept; it will be seen again");
    }
}

/// What is learned while calls are settled.
#[derive(Debug, Default)]
pub struct Known {
    pub logs: Logs,
    pub hours: Hours,
    pub holding: Holding,
}

/// Settles what is due once; gives the number of calls.
pub async fn step(
    store: &Store,
    owner: &str,
    book: &watch::Receiver<Arc<Book>>,
    known: &mut Known,
    now: Timestamp,
) -> Result<usize, Error> {
    let due = store.due(owner, now, LEASE, TOGETHER).await?;
    if !due.is_empty() {
        let book = book.borrow().clone();
        match round(store, owner, &due, Arc::clone(&book), known, now).await {
            Err(error) if is_of_calls(&error) => each(store, owner, &due, &book, known, now).await?,
            done => done?,
        }
    }
    // Also what waits since the last time.
    if let Err(error) = known.hours.learn(store, now).await {
        tracing::warn!(%error, "what was measured of clocks is not kept yet");
    }
    if let Err(error) = known.holding.write_in_time(store).await {
        tracing::warn!(%error, "what was seen of logs is not kept yet");
    }
    if let Err(error) = known.holding.judge_again(store, now).await {
        tracing::warn!(%error, "what nobody could tell is not judged again yet");
    }
    Ok(due.len())
}

/// Working anew would come to the same: something that these calls hold is at fault.
fn is_of_calls(error: &Error) -> bool {
    match error {
        Error::Store(error) => error.is_of_what_was_asked(),
        _ => true,
    }
}

/// One after the other: what is wrong with one of them keeps no other from being settled. What is wrong with all of them is
/// wrong with something else.
async fn each(
    store: &Store,
    owner: &str,
    due: &[Due],
    book: &Arc<Book>,
    known: &mut Known,
    now: Timestamp,
) -> Result<(), Error> {
    let began = Instant::now();
    let mut failed: Vec<(&Due, Error)> = Vec::new();
    let mut settled = 0;
    for one in due {
        // What is left is taken again when the lease is over.
        if began.elapsed() > MOST_OF_LEASE {
            break;
        }
        match round(store, owner, std::slice::from_ref(one), Arc::clone(book), known, now).await {
            Ok(()) => settled += 1,
            Err(error) if is_of_calls(&error) => failed.push((one, error)),
            Err(error) => return Err(error),
        }
    }
    if settled == 0 && failed.len() > 1 && failed.iter().all(|(_, why)| why.to_string() == failed[0].1.to_string()) {
        return failed.pop().map_or(Ok(()), |(_, error)| Err(error));
    }
    for (one, error) in failed {
        tracing::error!(scenario = %one.id, %error, "a scenario cannot be settled; it is tried again in an hour");
        store.put_off(owner, one, Timestamp(now.0.saturating_add(HOUR))).await?;
    }
    Ok(())
}

async fn round(
    store: &Store,
    owner: &str,
    due: &[Due],
    book: Arc<Book>,
    known: &mut Known,
    now: Timestamp,
) -> Result<(), Error> {
    // Asked before their messages: what is read meanwhile counts only the next time.
    let agents = store.agents().await?;
    let began = Instant::now();
    if let Err(error) = store.join_missed(due, now).await {
        tracing::warn!(%error, "what another collector took up in the same moment as a call is not joined to it yet");
    }
    let messages = store.due_messages(due).await?;
    let (calls, clocks) = with_what_is_beside(store, messages).await?;
    let reading = began.elapsed();
    known.holding.share(store).await?;
    let mut holding = std::mem::take(&mut known.holding);
    let settling = tokio::task::spawn_blocking(move || {
        let reports = Reports::of(&agents, book.set.defaults.source.silent_after, now);
        let beside = Beside { book: &book, clocks: &clocks, reports: &reports, reading, now };
        let settled = settle_all(&calls, &beside, &mut holding);
        (settled, calls, holding)
    });
    let ((settled, measured), calls, holding) = settling.await.map_err(|error| Error::Settling(error.to_string()))?;
    known.holding = holding;
    known.holding.write_news(store).await?;
    store.settle(owner, &settled, now).await?;
    // After that: what is learned makes them due again.
    let only_calls = || calls.iter().filter(|call| call.due.class == CallClass::Call);
    if let Err(error) = known.logs.learn(store, only_calls().flat_map(|call| &call.messages)).await {
        tracing::warn!(%error, "what was seen of logs is not kept; it will be seen again");
    }
    for (call, measured) in calls.iter().zip(&measured).filter(|(call, _)| call.due.class == CallClass::Call) {
        known.hours.see(call.hour, measured);
    }
    Ok(())
}

/// A call that is judged, with what is read beside it.
#[derive(Debug)]
pub struct Call {
    pub due: Due,
    /// In which it began.
    pub hour: i64,
    pub messages: Vec<Message>,
    /// What its people had registered before.
    pub bindings: Vec<Binding>,
}

/// By how much clocks are off in each hour in which one of the calls began, too.
pub async fn with_what_is_beside(
    store: &Store,
    of: Vec<(Due, Vec<Message>)>,
) -> Result<(Vec<Call>, BTreeMap<i64, Clocks>), Error> {
    let mut calls = Vec::with_capacity(of.len());
    for (due, messages) in of {
        let first = messages.iter().map(|message| message.time).min().unwrap_or_default();
        let is_call = due.class == CallClass::Call;
        let wants = if is_call { Evidence::wants(&messages) } else { BTreeSet::new() };
        let before = store.registrations_before(&wants, first).await?;
        calls.push(Call { due, hour: hour(&messages), messages, bindings: Binding::last(&before) });
    }
    let began: BTreeSet<i64> = calls.iter().map(|call| call.hour).collect();
    let clocks = store.clocks_of(&began.into_iter().collect::<Vec<_>>()).await?;
    Ok((calls, clocks))
}

/// What is the same for all calls of a round.
struct Beside<'a> {
    book: &'a Book,
    clocks: &'a BTreeMap<i64, Clocks>,
    reports: &'a Reports,
    /// How long it took to read all of them.
    reading: Duration,
    now: Timestamp,
}

/// A call that nothing can be made of keeps no other from being settled. With what each measures of clocks.
fn settle_all(calls: &[Call], beside: &Beside, holding: &mut Holding) -> (Vec<Settled>, Vec<Measured>) {
    let now = beside.now;
    let alone = |call: &Call, work: &mut dyn FnMut()| {
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            let scenario = call.due.id;
            tracing::error!(%scenario, "what happened in this call cannot be worked out: its list entry stays as it is");
        }
    };
    let none = Clocks::default();
    let mut drawn: Vec<Option<(Flow, Duration)>> = Vec::with_capacity(calls.len());
    for call in calls {
        let mut one = None;
        // What these calls show of their logs counts for them, too.
        alone(call, &mut || {
            let began = Instant::now();
            let flow = flow_by(&call.messages, beside.clocks.get(&call.hour).unwrap_or(&none));
            let read_to = call.all_read_to(&beside.reports.read, &holding.known);
            holding.see(&call.due, &flow, &call.messages, read_to);
            one = Some((flow, began.elapsed()));
        });
        drawn.push(one);
    }
    let all: usize = calls.iter().map(|call| call.messages.len()).sum();
    let mut settled = Vec::with_capacity(calls.len());
    for (call, drawn) in calls.iter().zip(&drawn) {
        let mut one =
            Settled { due: call.due, gist: None, left: None, problems: 0, next: None, rest_until: now, judged: None };
        if let Some((flow, took)) = drawn {
            alone(call, &mut || {
                let began = Instant::now();
                let (Due { class, from, .. }, holds) = (call.due, &holding.known);
                let read = call.read(beside.reports, holds);
                let read_to = call.read_to(&read, holds);
                let Call { messages, bindings, .. } = call;
                let case = Case { class, from, read_to, flow, messages, bindings, holds, read: &read, now };
                one = settle(call, &case, beside.book);
                let read = share(beside.reading, messages.len(), all);
                one.rest_until = rest_until(now, read + *took + began.elapsed());
            });
        }
        settled.push(one);
    }
    let measured = drawn.into_iter().map(|drawn| drawn.map(|(flow, _)| flow.measured).unwrap_or_default());
    (settled, measured.collect())
}

/// What of a time that was spent on all messages was spent on these.
fn share(time: Duration, messages: usize, all: usize) -> Duration {
    let nanos = time.as_nanos() * messages as u128 / all.max(1) as u128;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// When a call that took so long may be looked at again.
fn rest_until(now: Timestamp, took: Duration) -> Timestamp {
    let took = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
    Timestamp(now.0.saturating_add(took.saturating_mul(SHARE).max(SECOND)))
}

fn settle(call: &Call, case: &Case, book: &Book) -> Settled {
    let (due, flow, now) = (call.due, case.flow, case.now);
    let read_to = call.all_read_to(case.read, case.holds);
    let gist = Gist::of(flow, read_to);
    let problems = flow.course.problems_at(read_to).count();
    let (mut judged, mut more) = judging::judged(book, case);
    if let Some(window) = judged.window.as_mut().filter(|_| call.is_cut()) {
        // The rest of the day is judged at once, and goes on even where so many lie within one minute.
        let last = call.messages.iter().map(|message| message.time).max().unwrap_or(window.from);
        window.next = if window.next > window.from { window.next } else { last };
        more = Some(now);
    }
    // Of a day no problems are kept.
    let course = flow.course.next_due(read_to).filter(|_| !due.class.is_daily());
    let course = course.map(|due| Timestamp(due.0.saturating_add(READ_ON)));
    let next = course.into_iter().chain(more).min();
    let left = flow.rows.last().filter(|_| flow.course.deregisters).map(|row| row.time);
    let next = next.and_then(|at| wait(due, at, now));
    Settled { due, gist, left, problems, next, rest_until: now, judged: Some(judged) }
}

impl Call {
    /// There is more of its day than is judged at once.
    fn is_cut(&self) -> bool {
        self.due.from.is_some() && self.messages.len() >= AT_ONCE
    }

    /// How far logs are read; of what was cut off nothing is.
    pub fn read<'r>(&self, reports: &'r Reports, holds: &AllHolds) -> Cow<'r, Read> {
        let left = reports.left(&self.messages, &self.bindings, holds);
        let last = self.messages.iter().map(|message| message.time).max().filter(|_| self.is_cut());
        if left.is_empty() && last.is_none() {
            return Cow::Borrowed(&reports.read);
        }
        let mut read = reports.read.clone();
        read.silent.extend(left);
        if let Some(last) = last {
            read.to.values_mut().for_each(|at| *at = last.min(*at));
        }
        Cow::Owned(read)
    }

    /// The event time to which all of its logs are read that are not silent, and those that hold what belongs to them.
    pub fn read_to(&self, read: &Read, holds: &AllHolds) -> Timestamp {
        let heard = self.least_read(read, holds, &read.silent);
        if heard < Timestamp(i64::MAX) { heard } else { self.all_read_to(read, holds) }
    }

    /// The same of silent ones, too.
    fn all_read_to(&self, read: &Read, holds: &AllHolds) -> Timestamp {
        self.least_read(read, holds, &BTreeSet::new())
    }

    fn least_read(&self, read: &Read, holds: &AllHolds, but: &BTreeSet<Log>) -> Timestamp {
        let mut logs = BTreeSet::new();
        // Messages of one log stand beside each other more often than not. A call is read as far as its own logs are,
        // whatever became of the registrar's.
        for some in self.messages.chunk_by(|one, other| Arc::ptr_eq(&one.place, &other.place)) {
            let is_own = |message: &Message| self.due.class != CallClass::Call || !message.is_registration();
            if some.iter().any(is_own) {
                logs.insert(log_of(&some[0]));
            }
        }
        // Of a log that nobody reads any more nothing is waited for.
        let beside = rule::holds::beside(holds, &logs).into_iter().filter(|log| read.to.contains_key(log));
        let beside: Vec<Log> = beside.collect();
        logs.extend(beside);
        let to = |log: &Log| read.to.get(log).copied().unwrap_or(Timestamp(i64::MIN));
        logs.iter().filter(|log| !but.contains(*log)).map(to).min().unwrap_or(Timestamp(i64::MAX))
    }
}

/// When it is looked at for what can be said after an event time, once its logs are read beyond that.
fn wait(of: Due, due: Timestamp, now: Timestamp) -> Option<Timestamp> {
    if due > now {
        return Some(due);
    }
    let wait = match now.micros_since(due) {
        late if late <= BEHIND => NOT_READ,
        late if late <= HOUR || !of.again => BEHIND,
        late if late <= GIVEN_UP => HOUR,
        // Nobody reads its logs any more: it stays as it is.
        _ => return None,
    };
    Some(Timestamp(now.0.saturating_add(wait)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_a_busy_call_counts_for_how_long_it_rests() {
        let (now, second) = (Timestamp(0), Duration::from_secs(1));
        assert_eq!(rest_until(now, Duration::ZERO), Timestamp(SECOND));
        let busy = share(second, 9_000, 10_000);
        assert_eq!((busy, share(second, 0, 0)), (Duration::from_millis(900), Duration::ZERO));
        assert_eq!(rest_until(now, busy + Duration::from_millis(100)), Timestamp(20 * SECOND));
    }
}
