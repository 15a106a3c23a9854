//! What rules would have said of stored calls, registrations and requests, and which mails would have been sent. All is read, and nothing is written.

mod known;
mod mails;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use message::clock::Clocks;
use message::flow::flow_by;
use record::id::ScenarioId;
use record::time::{DAY, HOUR, MINUTE, Timestamp};
use rule::holds::AllHolds;
use rule::told::{Seen, Told};
use rule::verdict::{Outcome, Verdict};
use rule::wording::missed;
use store::Store;

use crate::Error;
use crate::book::Book;
use crate::judging::{self, Case, Reports};
use crate::report;
use crate::settle::{Call, with_what_is_beside};
use known::{News, news};
pub use mails::{About, Sent};

/// Scenarios that are judged together.
const TOGETHER: usize = 200;

/// Calls are looked for that began so long before the time at least, and at most; otherwise as long before it as it lasts.
const SHORTEST: i64 = 2 * HOUR;
const LONGEST: i64 = 2 * DAY;

/// How far it goes at most.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub calls: usize,
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { calls: 50_000, time: Duration::from_mins(1) }
    }
}

/// What would have been.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Backtest {
    pub calls: usize,
    /// There are more calls than the bounds allow: when the last one began that was judged.
    pub ends_at: Option<Timestamp>,
    /// Of each rule, in their order.
    pub tallies: Vec<Tally>,
    /// In the order of the calls.
    pub failures: Vec<Failure>,
    /// In the order in which they would have been made.
    pub mails: Vec<Sent>,
}

/// How often a rule came to what.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    pub rule: String,
    pub outcomes: BTreeMap<Outcome, usize>,
    /// By class.
    pub failed: BTreeMap<String, usize>,
    /// Why nobody can tell, by reason.
    pub why: BTreeMap<String, usize>,
}

/// What failed in one scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub scenario: ScenarioId,
    pub rule: String,
    pub class: String,
    /// When it began to be expected, and when it failed.
    pub began: Timestamp,
    pub at: Option<Timestamp>,
    pub caller: Option<String>,
    pub callee: Option<String>,
    pub leg: String,
    /// Names of the nodes between which the missing message would have gone.
    pub hop: Option<(String, String)>,
    /// `no ACK to device within 32 s`, or how it ended.
    pub what: String,
    /// Something came then, and nothing is missing.
    pub came: bool,
}

/// Instances of a rule by the minute in which they began: those that failed, and those in which a step was judged.
type Counts = BTreeMap<String, BTreeMap<i64, (i64, i64)>>;

/// Judges what has a message since a time: calls first, the oldest first. `tell` is called after some of them with how many they are,
/// and when the last one began.
pub async fn run(
    store: &Store,
    book: Arc<Book>,
    (since, now): (Timestamp, Timestamp),
    bounds: Bounds,
    mut tell: impl FnMut(usize, Timestamp),
) -> Result<Backtest, Error> {
    let started = Instant::now();
    let agents = store.agents().await?;
    let reports = Reports::of(&agents, book.set.defaults.source.silent_after, now);
    let beside = Arc::new(Beside { book: Arc::clone(&book), holds: store.all_holds().await?, reports, since });
    let (mut all, mut last) = (All::default(), None);
    // Not all that went on for long is looked for: most of what began so much earlier was over by then.
    let before = now.micros_since(since).clamp(SHORTEST, LONGEST);
    for class in book.set.classes() {
        // A scenario of one day began at midnight at the earliest.
        let before = if class.is_daily() { since.0.rem_euclid(DAY) } else { before };
        let mut after = Some((Timestamp(since.0.saturating_sub(before)), ScenarioId(0)));
        while let Some(place) = after {
            let is_enough = all.calls >= bounds.calls || started.elapsed() >= bounds.time;
            let most = if is_enough { 1 } else { TOGETHER.min(bounds.calls - all.calls) };
            let page = store.calls_since(class, since, place, most).await?;
            after = page.next;
            if is_enough {
                let is_more = !page.calls.is_empty() || after.is_some();
                if is_more && all.ends_at.is_none() {
                    all.ends_at = Some(last.unwrap_or(place.0));
                }
                break;
            }
            let Some(&(began, _)) = page.calls.last() else { continue };
            last = Some(began);
            let due: Vec<_> = page.calls.into_iter().map(|(_, due)| due).collect();
            let (calls, clocks) = with_what_is_beside(store, store.past_messages(&due).await?).await?;
            let beside = Arc::clone(&beside);
            let judging = tokio::task::spawn_blocking(move || -> Vec<Past> {
                let none = Clocks::default();
                calls.iter().filter_map(|call| past(call, clocks.get(&call.hour).unwrap_or(&none), &beside)).collect()
            });
            all.calls += due.len();
            all.add(judging.await.map_err(|error| Error::Settling(error.to_string()))?);
            tell(all.calls, began);
        }
    }
    let grouping = tokio::task::spawn_blocking(move || all.told(&book));
    grouping.await.map_err(|error| Error::Settling(error.to_string()))
}

/// What is the same for all calls.
struct Beside {
    book: Arc<Book>,
    holds: AllHolds,
    reports: Reports,
    /// Of a day what began earlier is left out.
    since: Timestamp,
}

/// What is said of one call.
struct Past {
    /// By instance: rule, the minute in which it began, outcome; class of a failure, or why nobody can tell.
    came: Vec<(String, i64, Outcome, Option<String>)>,
    failures: Vec<Failure>,
    news: Vec<News>,
}

/// A call that nothing can be made of keeps no other from being judged.
fn past(call: &Call, clocks: &Clocks, beside: &Beside) -> Option<Past> {
    let Call { due, messages, bindings, .. } = call;
    let Beside { book, holds, reports, since } = beside;
    let work = || {
        let flow = flow_by(messages, clocks);
        let read = call.read(reports, holds);
        // Every failure would have been news once.
        let then = messages.iter().map(|message| message.time).min().unwrap_or_default();
        let (class, from, read_to) = (due.class, due.from, call.read_to(&read, holds));
        let case = Case { class, from, read_to, flow: &flow, messages, bindings, holds, read: &read, now: then };
        let mut verdicts = judging::verdicts(book, &case);
        verdicts.retain(|verdict| from.is_none() || flow.rows[verdict.start].time >= *since);
        let came = |verdict: &Verdict| {
            let minute = flow.rows[verdict.start].time.0.div_euclid(MINUTE);
            let more = match verdict.outcome {
                Outcome::Unknown => verdict.why.as_ref().map(ToString::to_string),
                _ => verdict.class.clone(),
            };
            (verdict.rule.clone(), minute, verdict.outcome, more)
        };
        let failed = verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Failed);
        let failures = failed.filter_map(|verdict| {
            let told = Told::of(verdict, report::rule(book, &verdict.rule)?, &flow, messages);
            Some(Failure::of(due.id, told, flow.caller.clone(), flow.callee.clone()))
        });
        Past {
            came: verdicts.iter().map(came).collect(),
            failures: failures.collect(),
            news: news(book, &case, due.id, &verdicts),
        }
    };
    catch_unwind(AssertUnwindSafe(work)).ok()
}

impl Failure {
    fn of(scenario: ScenarioId, told: Told, caller: Option<String>, callee: Option<String>) -> Self {
        let step = told.step.and_then(|step| told.steps.get(step));
        let (what, at, came) = match step {
            Some(step) if step.seen == Seen::Forbidden => (format!("{} came", missed(&step.text)), step.time, true),
            Some(step) => (missed(&step.text), told.due, false),
            None => (told.ending.clone().unwrap_or_default(), told.due, true),
        };
        let hop = step.and_then(|step| Some((step.from.clone()?, step.to.clone()?)));
        let class = told.failure.unwrap_or_default();
        let (rule, began, leg) = (told.rule, told.began, told.leg);
        Self { scenario, rule, class, began, at, caller, callee, leg, hop, what, came }
    }
}

/// What is said of all calls so far.
#[derive(Default)]
struct All {
    calls: usize,
    ends_at: Option<Timestamp>,
    by_rule: BTreeMap<String, Tally>,
    counts: Counts,
    failures: Vec<Failure>,
    news: Vec<News>,
}

impl All {
    fn add(&mut self, some: Vec<Past>) {
        for Past { came, failures, news } in some {
            for (rule, minute, outcome, more) in came {
                if matches!(outcome, Outcome::Failed | Outcome::Late | Outcome::Business | Outcome::Ok) {
                    let of_rule = self.counts.entry(rule.clone()).or_default();
                    let (failed, judged) = of_rule.entry(minute).or_default();
                    *failed += i64::from(outcome == Outcome::Failed);
                    *judged += 1;
                }
                let tally = self.by_rule.entry(rule).or_default();
                *tally.outcomes.entry(outcome).or_default() += 1;
                let by = match outcome {
                    Outcome::Failed => &mut tally.failed,
                    Outcome::Unknown => &mut tally.why,
                    _ => continue,
                };
                *by.entry(more.unwrap_or_default()).or_default() += 1;
            }
            self.failures.extend(failures);
            self.news.extend(news);
        }
    }

    fn told(mut self, book: &Book) -> Backtest {
        let tally = |id: &String| Tally { rule: id.clone(), ..self.by_rule.remove(id).unwrap_or_default() };
        Backtest {
            calls: self.calls,
            ends_at: self.ends_at,
            tallies: book.set.rules.iter().map(|rule| &rule.id).map(tally).collect(),
            failures: self.failures,
            mails: mails::sent(book, self.news, &self.counts),
        }
    }
}
