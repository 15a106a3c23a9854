//! Rules in force, each in words, with what it came to in the last 24 hours.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use record::time::{DAY, Timestamp};
use rule::verdict::Outcome;
use store::rulebook::{Entry, Rulebook};
use store::verdict::Counts;

use crate::page::{Frame, Page};
use crate::params::Params;
use crate::words::{count, judged};
use crate::{Error, Site, alerts};

pub(crate) fn routes() -> Router<Site> {
    Router::new().route("/rules", get(rules))
}

async fn rules(State(site): State<Site>, frame: Frame) -> Result<Response, Error> {
    let frame = frame.without_filters();
    let now = site.now();
    let since = Timestamp(now.0 - DAY);
    let (book, counts, seen) =
        tokio::try_join!(site.store.rulebook(), site.store.rule_counts(since, now), site.store.rules_seen())?;
    let (book, loaded) = book.map_or((None, None), |(book, loaded)| (Some(book), Some(loaded)));
    let book = book.unwrap_or_default();
    let rules =
        book.rules.iter().map(|rule| Rule::new(rule, counts.get(&rule.id), seen.contains(&rule.id), since, &frame));
    let page = Rules {
        loaded: loaded.map(|at| frame.zone.full(at)),
        waits: Waits::of(&book, seen.len()),
        list: rules.collect(),
        faults: book.faults,
        directory: book.rules_dir,
        frame,
    };
    Ok(Page(page).into_response())
}

#[derive(Template)]
#[template(path = "rules.html")]
struct Rules {
    frame: Frame,
    loaded: Option<String>,
    waits: Option<Waits>,
    list: Vec<Rule>,
    faults: Vec<String>,
    directory: Option<String>,
}

/// Rules that judged nothing yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Waits {
    pub judged: String,
    pub all: String,
}

impl Waits {
    /// None once half of them have judged something: the others may have nothing to judge.
    pub fn of(book: &Rulebook, judged: usize) -> Option<Self> {
        let all = book.rules.iter().filter(|rule| !rule.watch).count();
        (judged * 2 < all).then(|| Self { judged: count(judged), all: count(all) })
    }
}

#[derive(Debug)]
struct Rule {
    id: String,
    title: String,
    prose: String,
    severity: &'static str,
    tone: &'static str,
    file: String,
    watch: bool,
    seen: bool,
    /// Word, class of `app.css`, number, and where they are listed.
    counts: Vec<(&'static str, &'static str, String, String)>,
    /// Failure, and its sentence.
    says: BTreeMap<String, String>,
}

impl Rule {
    fn new(rule: &Entry, counts: Option<&Counts>, seen: bool, since: Timestamp, frame: &Frame) -> Self {
        let (severity, tone) = alerts::severity(rule.severity);
        let numbers = counts.into_iter().flat_map(|counts| &counts.0);
        let numbers = numbers.map(|(outcome, n)| {
            let (word, tone) = judged(*outcome);
            (word, tone, count(*n), listed(&rule.id, *outcome, since, frame))
        });
        Self {
            id: rule.id.clone(),
            title: rule.title.clone(),
            prose: rule.prose.clone(),
            severity,
            tone,
            file: rule.file.clone(),
            watch: rule.watch,
            seen,
            counts: numbers.collect(),
            says: rule.says.clone(),
        }
    }
}

/// The search that lists them. The rule that says the worst is searched for, so where others say worse there are fewer.
pub(crate) fn listed(rule: &str, outcome: Outcome, since: Timestamp, frame: &Frame) -> String {
    let from = frame.zone.field(Timestamp(since.0 - since.0.rem_euclid(1_000_000)));
    let params = Params::default().with("from", from).with("outcome", outcome.name()).with("rule", rule);
    frame.to_with("/search", &params)
}
