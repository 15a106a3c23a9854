//! Home: what is there, how far each source is read, and the newest scenarios.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use record::miss::NearMiss;
use record::span::Cause;
use record::time::Timestamp;
use store::health::{Fault, Part};
use store::search::Filter;
use store::stream::{StreamRow, Totals};

use crate::page::{Frame, Page};
use crate::params::Params;
use crate::search::row::Row;
use crate::search::{Hint, in_all_classes};
use crate::unread::Unread;
use crate::{Error, Site, words};

/// Newest scenarios shown.
const NEWEST: usize = 12;

/// Places and files that are shown as not read.
const UNREAD: usize = 20;

/// Logs that are shown with lines that are nearly header lines.
const MISREAD: usize = 10;

/// Streams read for the page; all of them are in the API.
const STREAMS: usize = 200;

pub(crate) fn routes() -> Router<Site> {
    Router::new().route("/", get(home))
}

async fn home(State(site): State<Site>, frame: Frame) -> Result<Response, Error> {
    let newest = Filter::default();
    let (totals, mut streams, misread, newest) = tokio::try_join!(
        site.store.totals(),
        site.store.streams(None, STREAMS),
        site.store.misread(),
        site.store.search(&newest, None, NEWEST)
    )?;
    let mut unread = site.settings.unread.borrow().clone();
    unread.sort_by_key(|unread| !unread.is_fault());
    streams.sort_by(|a, b| (&a.host, &a.source, &a.path).cmp(&(&b.host, &b.source, &b.path)));
    let faults = site.store.health().faults();
    // What was written since then is not known here: nothing is said to be complete.
    let stalled = faults.iter().find(|fault| fault.part == Part::Storing).map(|fault| frame.zone.full(fault.since));
    let page = Home {
        faults: faults.iter().map(|fault| Faulty::new(fault, &frame)).collect(),
        numbers: numbers(&totals, stalled.is_some()),
        empty: totals.records == 0,
        began_at_end: streams.iter().any(|stream| stream.gaps.iter().any(|gap| gap.cause == Cause::StartAtEnd)),
        waiting: (totals.waiting > 0).then(|| words::counted(totals.waiting, "batch").replace("batchs", "batches")),
        more_misread: (misread.len() > MISREAD).then(|| words::count(misread.len() - MISREAD)),
        misread: misread.iter().take(MISREAD).map(Misread::new).collect(),
        more_unread: (unread.len() > UNREAD).then(|| words::count(unread.len() - UNREAD)),
        unread: unread.into_iter().take(UNREAD).collect(),
        sources: streams.iter().map(|stream| Source::new(stream, &frame, stalled.as_deref())).collect(),
        more_sources: (totals.streams > STREAMS as i64).then(|| words::count(totals.streams - STREAMS as i64)),
        following: site.settings.following.clone(),
        hint: Hint::of(&newest.rows, &frame),
        rows: Row::list(&newest.rows, &frame),
        everything: frame.to_with("/search", &in_all_classes(&Params::default())),
        now: frame.zone.full(site.now()),
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
    /// What an agent in this process does not read; what is at fault comes first.
    unread: Vec<Unread>,
    more_unread: Option<String>,
    sources: Vec<Source>,
    more_sources: Option<String>,
    following: Vec<String>,
    hint: Hint,
    rows: Vec<Row>,
    /// A search that leaves no class out.
    everything: String,
    now: String,
    zone: &'static str,
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

fn numbers(totals: &Totals, stalled: bool) -> Vec<(String, &'static str, String)> {
    let behind = u64::try_from(totals.lag).unwrap_or(0);
    let read = match behind {
        _ if stalled => "what came since then is not stored".into(),
        0 => "read to the end".into(),
        behind => format!("{} not shown yet", words::size(behind)),
    };
    let named = |n: i64, one: &'static str, many: &'static str| if n == 1 { one } else { many };
    vec![
        (words::count(totals.scenarios), named(totals.scenarios, "scenario", "scenarios"), String::new()),
        (words::count(totals.records), named(totals.records, "message", "messages"), String::new()),
        (words::size(u64::try_from(totals.size - totals.lag).unwrap_or(0)), "of logs", read),
        (words::count(totals.streams), named(totals.streams, "file", "files"), String::new()),
        (
            words::count(totals.gaps),
            named(totals.gaps, "gap", "gaps"),
            if totals.gaps == 0 { "nothing lost".into() } else { String::new() },
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

/// One file and how far it is read.
struct Source {
    name: String,
    host: String,
    path: String,
    /// "complete", or what is missing.
    state: String,
    tone: &'static str,
    last: Option<String>,
    records: String,
    noise: String,
    size: String,
    gaps: Vec<String>,
}

impl Source {
    /// `stalled`: since when nothing is stored.
    fn new(stream: &StreamRow, frame: &Frame, stalled: Option<&str>) -> Self {
        let behind = stream.lag();
        let (skipped, lost): (Vec<_>, Vec<_>) = stream.gaps.iter().partition(|gap| gap.cause == Cause::StartAtEnd);
        let (state, tone) = match (lost.len(), behind) {
            (0, _) if let Some(since) = stalled => (format!("not known since {since}"), "bad"),
            (0, 0) if stream.provisional > 0 => ("up to date, last record still open".to_owned(), "good"),
            (0, 0) if !skipped.is_empty() => ("complete from where reading began".to_owned(), "good"),
            (0, 0) => ("complete".to_owned(), "good"),
            (0, _) if stream.read_to.0 >= stream.size => {
                (format!("read; the last {} are no message so far", words::size(behind)), "")
            }
            (0, _) => (format!("{} behind", words::size(behind)), ""),
            (gaps, _) => (words::counted(gaps, "gap"), "bad"),
        };
        Self {
            name: stream.source.clone(),
            host: stream.host.clone(),
            path: stream.path.clone(),
            state,
            tone,
            last: stream.last_event.map(|at: Timestamp| frame.zone.full(at)),
            records: words::count(stream.counters.records.saturating_add_signed(stream.tail)),
            noise: words::count(stream.counters.noise_lines),
            size: words::size(stream.size),
            gaps: stream.gaps.iter().map(|gap| gap_words(gap, frame)).collect(),
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
