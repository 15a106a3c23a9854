//! Home: what failed, what goes on, and what was read: the newest scenarios, and how far each source is read.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use message::event::CallClass;
use record::id::ScenarioId;
use record::miss::NearMiss;
use record::time::{HOUR, MINUTE, SECOND, Timestamp};
use record::wire;
use rule::verdict::Outcome;
use store::agent::Agent;
use store::alert::Group;
use store::failure::Failure;
use store::health::Fault;
use store::rulebook::Rulebook;
use store::scenario::ScenarioRow;
use store::search::Filter;
use store::source::SourceRow;
use store::stream::Totals;

use crate::ladder::words::duration;
use crate::page::{Frame, Page};
use crate::params::Params;
use crate::reading::{Reading, Trouble, others};
use crate::rules::Waits;
use crate::search::order::Order;
use crate::search::row::Row;
use crate::search::{Hint, in_all_classes};
use crate::sending::Stuck;
use crate::{Error, Site, alerts, rules, settling, words};

/// Newest scenarios shown.
const NEWEST: usize = 12;
/// Calls that go on: so many are shown, of which something was logged in this time.
const ONGOING: usize = 6;
const LATELY: i64 = HOUR;

/// Failures of the last hour that are counted, and rules that are shown of them.
const FAILED: usize = 1_000;
const FAILING: usize = 8;
/// Open alerts that are shown.
const ALERTS: usize = 5;

/// Places and files that are shown as not read.
const UNREAD: usize = 20;

/// Logs that are shown with lines that are nearly header lines.
const MISREAD: usize = 10;

/// Sources on the page, those that logged last; all files are in the API.
const SOURCES: usize = 200;

pub(crate) fn routes() -> Router<Site> {
    Router::new().route("/", get(home))
}

async fn home(State(site): State<Site>, frame: Frame) -> Result<Response, Error> {
    let frame = frame.without_filters();
    let newest = Filter::default();
    let now = site.now();
    let ongoing = Filter {
        classes: vec![CallClass::Call],
        ongoing: true,
        from: Some(Timestamp(now.0 - LATELY)),
        ..Filter::default()
    };
    let (totals, late, sources, misread, newest, ongoing, reading, stuck) = tokio::try_join!(
        async { Ok::<_, Error>(site.store.totals().await?) },
        settling::late(&site),
        async { Ok(site.store.sources(SOURCES + 1).await?) },
        async { Ok(site.store.misread().await?) },
        async { Ok(site.store.search(&newest, None, NEWEST).await?) },
        async { Ok(site.store.search(&ongoing, None, ONGOING).await?) },
        Reading::of(&site),
        Stuck::of(&site, frame.zone)
    )?;
    // Of logs of last week their own last hour counts: nothing failed since, as nothing was logged.
    let until =
        sources.iter().filter_map(|source| source.last_event).max().filter(|last| now.micros_since(*last) > HOUR);
    let hour = Timestamp(until.unwrap_or(now).0 - HOUR);
    let judged = Judged::read(&site, hour, now).await?;
    let (waited_for, uncounted) = reading.waited_for();
    let troubles = reading.troubles(frame.zone);
    let more_unread = uncounted + waited_for.len().saturating_sub(UNREAD) as u64;
    let faults = site.store.health().faults();
    let more_sources = sources.len() > SOURCES;
    let mut shown: Vec<Source> =
        sources.iter().take(SOURCES).map(|source| Source::new(source, &reading, &frame)).collect();
    shown.extend(reading.unstored(&sources).take(SOURCES - shown.len()).map(|row| Source::new(&row, &reading, &frame)));
    let sound = shown.iter().all(|source| source.tone == "good");
    let page = Home {
        failing: judged.failing(hour, &frame),
        explained: (judged.explained > 0).then(|| words::counted(judged.explained, "scenario")),
        more_failed: judged.failed.len() >= FAILED,
        open_of: usize::try_from(frame.open_alerts).ok().filter(|all| *all > judged.groups.len()).map(words::count),
        open: judged.open(&frame, now),
        judges: judged.book.is_some(),
        until: until.map(|at| frame.zone.full(Timestamp(at.0 - at.0.rem_euclid(SECOND)))),
        waits: judged.waits(),
        faults: faults.iter().map(|fault| Faulty::new(fault, &frame)).collect(),
        numbers: numbers(&totals, late, reading.stalled().is_some(), !troubles.is_empty(), sound),
        more_troubles: (troubles.len() > UNREAD).then(|| words::count(troubles.len() - UNREAD)),
        troubles: troubles.into_iter().take(UNREAD).collect(),
        stuck,
        empty: totals.records == 0,
        began_at_end: sources.iter().any(|source| source.skipped > 0),
        waiting: (totals.waiting > 0).then(|| waiting(totals.waiting)),
        more_misread: (misread.len() > MISREAD).then(|| words::count(misread.len() - MISREAD)),
        misread: misread.iter().take(MISREAD).map(Misread::new).collect(),
        more_unread: (more_unread > 0).then(|| words::count(more_unread)),
        unread: waited_for
            .iter()
            .take(UNREAD)
            .map(|(heartbeat, unread)| Unread::new(&heartbeat.host, unread))
            .collect(),
        sources: shown,
        clocks: reading.agents().iter().filter_map(Clock::of).collect(),
        more_sources,
        following: site.settings.following.clone(),
        hint: Hint::of(newest.rows.first().map(ScenarioRow::place), &frame),
        rows: Row::list(&newest.rows, Order::Start, &frame, now),
        sorts: Vec::new(),
        all_ongoing: frame.to_with("/search", &ongoing_since(Timestamp(now.0 - LATELY), &frame)),
        more_ongoing: ongoing.next.is_some(),
        ongoing: going_on(&ongoing.rows, now, &frame),
        everything: frame.to_with("/search", &in_all_classes(&Params::default())),
        now: frame.zone.full(now),
        zone: frame.zone.name(),
        frame,
    };
    Ok(Page(page).into_response())
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    /// The parts of Siptrail that fail.
    faults: Vec<Faulty>,
    /// What nobody reads though somebody should.
    troubles: Vec<Trouble>,
    more_troubles: Option<String>,
    /// What keeps mails from those whom they are for.
    stuck: Vec<Stuck>,
    /// The end of the hour in which that failed, where it is not now.
    until: Option<String>,
    /// What failed in the last hour, by rule and failure.
    failing: Vec<Failing>,
    /// Scenarios whose further failures one of these explains.
    explained: Option<String>,
    more_failed: bool,
    /// Open alerts, and how many there are if these are not all.
    open: Vec<alerts::Row>,
    open_of: Option<String>,
    /// A collector judges.
    judges: bool,
    waits: Option<Waits>,
    /// Nothing was read yet.
    empty: bool,
    /// What was there before was left out, as asked.
    began_at_end: bool,
    /// Number, what it counts, a note.
    numbers: Vec<(String, &'static str, String)>,
    waiting: Option<String>,
    /// Logs with lines that are nearly header lines.
    misread: Vec<Misread>,
    more_misread: Option<String>,
    /// What agents do not read, and nobody need do anything about.
    unread: Vec<Unread>,
    more_unread: Option<String>,
    sources: Vec<Source>,
    /// Hosts whose clocks are off.
    clocks: Vec<Clock>,
    more_sources: bool,
    following: Vec<String>,
    hint: Hint,
    rows: Vec<Row>,
    /// No list of home has another order.
    sorts: Vec<(&'static str, String, bool)>,
    /// Calls that go on, whether there are more, and all of them.
    ongoing: Vec<Row>,
    more_ongoing: bool,
    all_ongoing: String,
    /// A search that leaves no class out.
    everything: String,
    now: String,
    zone: &'static str,
}

/// Calls that go on, and since when they talk.
fn going_on(calls: &[ScenarioRow], now: Timestamp, frame: &Frame) -> Vec<Row> {
    let mut rows = Row::list(calls, Order::Start, frame, now);
    for (row, call) in rows.iter_mut().zip(calls) {
        // It stands among the newest, too.
        row.id.insert(0, 'g');
        if let Some(at) = call.answered {
            row.lasted = format!("{} so far", duration(now.micros_since(at).max(0)));
        }
    }
    rows
}

/// A search for calls that go on.
fn ongoing_since(since: Timestamp, frame: &Frame) -> Params {
    let from = frame.zone.field(Timestamp(since.0 - since.0.rem_euclid(MINUTE)));
    Params::default().with("class", CallClass::Call.name()).with("ongoing", "true").with("from", from)
}

/// What rules said lately.
struct Judged {
    failed: Vec<Failure>,
    /// By rule and failure, the most scenarios first.
    ways: Vec<Way>,
    /// Scenarios that failed otherwise, too, which one of these explains.
    explained: usize,
    groups: Vec<Group>,
    book: Option<Rulebook>,
    /// Rules that judged anything so far.
    seen: usize,
}

/// One way in which scenarios failed, with its newest failure.
struct Way {
    scenarios: usize,
    newest: Failure,
    /// Where the page of its scenario shows it.
    fragment: Option<String>,
}

impl Judged {
    async fn read(site: &Site, from: Timestamp, to: Timestamp) -> Result<Self, Error> {
        let (failed, groups, book, seen) = tokio::try_join!(
            site.store.failed(from, to, FAILED),
            site.store.alert_groups(ALERTS),
            site.store.rulebook(),
            site.store.rules_seen()
        )?;
        let groups = groups.into_iter().filter(|group| group.closed.is_none()).collect();
        let book = book.map(|(book, _)| book);
        let (mut ways, explained) = ways(&failed, book.as_ref());
        for way in &mut ways {
            way.fragment = site.store.told(&way.newest).await?.map(|told| told.fragment());
        }
        Ok(Self { failed, ways, explained, groups, book, seen: seen.len() })
    }

    fn waits(&self) -> Option<Waits> {
        Waits::of(self.book.as_ref()?, self.seen)
    }

    fn open(&self, frame: &Frame, now: Timestamp) -> Vec<alerts::Row> {
        self.groups.iter().map(|group| alerts::Row::new(group, self.book.as_ref(), frame, now)).collect()
    }

    fn failing(&self, since: Timestamp, frame: &Frame) -> Vec<Failing> {
        let failing = |way: &Way| {
            let Failure { rule, failure, scenario, due, .. } = &way.newest;
            let entry = self.book.as_ref().and_then(|book| book.rules.iter().find(|entry| entry.id == *rule));
            let says = entry.and_then(|entry| entry.says.get(failure)).cloned();
            let hash = way.fragment.as_ref().map_or(String::new(), |fragment| format!("#{fragment}"));
            Failing {
                number: words::count(way.scenarios),
                says: says.unwrap_or_else(|| failure.clone()),
                rule: rule.clone(),
                failure: failure.clone(),
                href: rules::listed(rule, Outcome::Failed, since, frame),
                newest: format!("{}{hash}", frame.to(&format!("/s/{scenario}"))),
                at: frame.zone.second(*due),
            }
        };
        self.ways.iter().map(failing).collect()
    }
}

/// How these failed, without what the failure of another rule in the same scenario explains, and in how many scenarios there is
/// any of that.
fn ways(failed: &[Failure], book: Option<&Rulebook>) -> (Vec<Way>, usize) {
    let causes = |rule: &str| -> Vec<&str> {
        let entries = book.into_iter().flat_map(|book| &book.rules);
        entries.filter(|entry| entry.explains.iter().any(|of| of == rule)).map(|entry| &*entry.id).collect()
    };
    let causes: BTreeMap<&str, Vec<&str>> =
        failed.iter().map(|failure| (&*failure.rule, causes(&failure.rule))).collect();
    let all: BTreeSet<(ScenarioId, &str)> = failed.iter().map(|failure| (failure.scenario, &*failure.rule)).collect();
    let is_explained = |failure: &&Failure| {
        causes.get(&*failure.rule).is_some_and(|of| of.iter().any(|cause| all.contains(&(failure.scenario, cause))))
    };
    let (explained, told): (Vec<&Failure>, Vec<&Failure>) = failed.iter().partition(is_explained);
    let mut by: BTreeMap<(&str, &str), Vec<&Failure>> = BTreeMap::new();
    for failure in told {
        by.entry((&failure.rule, &failure.failure)).or_default().push(failure);
    }
    let scenarios = |of: &[&Failure]| of.iter().map(|failure| failure.scenario).collect::<BTreeSet<_>>().len();
    // The newest are first.
    let way = |of: Vec<&Failure>| Way { scenarios: scenarios(&of), newest: of[0].clone(), fragment: None };
    let mut ways: Vec<Way> = by.into_values().map(way).collect();
    ways.sort_by_key(|way| Reverse(way.scenarios));
    ways.truncate(FAILING);
    (ways, scenarios(&explained))
}

/// One way in which scenarios failed.
struct Failing {
    number: String,
    says: String,
    rule: String,
    failure: String,
    href: String,
    /// The row of the newest one, and when it was due.
    newest: String,
    at: String,
}

/// A part of Siptrail that fails, in words.
#[derive(Debug)]
struct Faulty {
    what: &'static str,
    since: String,
    why: String,
}

impl Faulty {
    fn new(fault: &Fault, frame: &Frame) -> Self {
        Self { what: fault.part.fails(), since: frame.zone.full(fault.since), why: fault.why.clone() }
    }
}

fn waiting(batches: i64) -> String {
    format!("{} {}", words::count(batches), if batches == 1 { "batch" } else { "batches" })
}

fn numbers(
    totals: &Totals,
    late: Option<String>,
    stalled: bool,
    troubled: bool,
    sound: bool,
) -> Vec<(String, &'static str, String)> {
    let behind = u64::try_from(totals.lag).unwrap_or(0);
    let read = match behind {
        _ if stalled => "what came since then is not stored".into(),
        _ if troubled => "not all is read, see above".into(),
        0 if sound => "read to the end".into(),
        0 => "not all is read yet".into(),
        behind => format!("{} not shown yet", words::size(behind)),
    };
    let named = |n: i64, one: &'static str, many: &'static str| if n == 1 { one } else { many };
    vec![
        (words::count(totals.scenarios), named(totals.scenarios, "scenario", "scenarios"), late.unwrap_or_default()),
        (words::count(totals.records), named(totals.records, "message", "messages"), String::new()),
        (words::size(u64::try_from(totals.size - totals.lag).unwrap_or(0)), "of logs", read),
        (words::count(totals.streams), named(totals.streams, "file", "files"), String::new()),
        (
            words::count(totals.gaps),
            named(totals.gaps, "gap", "gaps"),
            if totals.gaps == 0 && !troubled { "nothing lost".into() } else { String::new() },
        ),
    ]
}

/// A log with lines that are nearly header lines.
struct Misread {
    name: String,
    host: String,
    path: String,
    reasons: Vec<Reason>,
}

/// Lines of one reason: how many, why, what to do, and the first of them.
struct Reason {
    lines: String,
    what: &'static str,
    remedy: &'static str,
    example: String,
    at: String,
}

impl Misread {
    fn new(log: &store::near_miss::Misread) -> Self {
        let reason = |miss: &NearMiss| Reason {
            lines: words::counted(miss.lines, "line"),
            what: miss.reason.what(),
            remedy: miss.reason.remedy(),
            example: miss.shown(),
            at: words::count(miss.at.0),
        };
        let reasons = log.near_misses.iter().map(reason).collect();
        Self { name: log.source.clone(), host: log.host.clone(), path: log.path.clone(), reasons }
    }
}

/// A place or file that is not read, as it should be: it is not there yet, or no log.
struct Unread {
    path: String,
    others: String,
    host: String,
    what: String,
}

impl Unread {
    fn new(host: &str, unread: &wire::Unread) -> Self {
        Self { path: unread.path.clone(), others: others(unread), host: host.to_owned(), what: unread.what.clone() }
    }
}

/// A host whose clock is off.
struct Clock {
    host: String,
    what: String,
}

impl Clock {
    fn of(agent: &Agent) -> Option<Self> {
        Some(Self { host: agent.heartbeat.as_ref()?.host.clone(), what: Reading::clock(agent)? })
    }
}

/// One source and how far it is read.
struct Source {
    name: String,
    host: String,
    /// Of its newest file.
    path: String,
    /// "complete", or what is missing.
    state: String,
    tone: &'static str,
    /// Until when all of it is here.
    read_to: Option<String>,
    last: Option<String>,
    files: String,
    records: String,
    noise: String,
    size: String,
    gaps: Vec<String>,
    more_gaps: Option<String>,
}

impl Source {
    fn new(row: &SourceRow, reading: &Reading, frame: &Frame) -> Self {
        let state = reading.state_of(row, frame.zone);
        let report = reading.report(&row.agent, &row.name);
        let more_gaps = row.gaps.saturating_sub(row.newest_gaps.len() as u64);
        Self {
            name: row.name.clone(),
            host: row.host.clone(),
            path: report.map(|report| report.path.clone()).unwrap_or_default(),
            state: state.text,
            tone: state.tone,
            read_to: state.read_to.map(|at| frame.zone.full(at)),
            last: row.last_event.map(|at| frame.zone.full(at)),
            files: words::count(row.files),
            records: words::count(row.records),
            noise: words::count(row.noise_lines),
            size: words::size(row.size),
            gaps: row.newest_gaps.iter().map(|gap| gap_words(gap, frame)).collect(),
            more_gaps: (more_gaps > 0).then(|| words::counted(more_gaps, "earlier gap")),
        }
    }
}

fn gap_words(gap: &store::stream::Gap, frame: &Frame) -> String {
    let lost = match (gap.len, gap.lost) {
        (0, None) => "an unknown number of bytes".to_owned(),
        (len, lost) => words::size(len + lost.unwrap_or(0)),
    };
    format!(
        "{lost} at {}, {}, noticed {}",
        words::count(gap.start.0),
        gap.cause.name().replace('_', " "),
        frame.zone.full(gap.noticed)
    )
}
