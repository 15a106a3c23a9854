//! Alerts: failures that are reported together, and each of them with its scenarios and its mails.
//!
//! `/alerts` all of them · `/a/KEY` one

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use record::time::{SECOND, Timestamp};
use rule::logs::LogFault;
use rule::syntax::Severity;
use rule::verdict::Outcome;
use rule::wording::{what, within};
use store::alert::{Group, Item, ItemState, OF_A_LOG};
use store::outgoing::{Mail, MailState};
use store::rulebook::Rulebook;

use crate::ladder::words::{duration, shortened};
use crate::page::{Frame, Page};
use crate::params::Params;
use crate::sending::{Sending, Stuck};
use crate::words::{count, counted};
use crate::{Error, Site, outbox};

/// Groups on the page, scenarios and mails of one group; the API gives more.
const MOST: usize = 200;
const ITEMS: usize = 500;
const MAILS: usize = 100;
/// Letters of what is said of one scenario.
const LONGEST: usize = 200;

pub(crate) fn routes() -> Router<Site> {
    Router::new().route("/alerts", get(list)).route("/a/{key}", get(one))
}

/// `7f3a91c20b44e1d2`
pub(crate) fn key_of(hash: &[u8; 8]) -> String {
    format!("{:016x}", u64::from_be_bytes(*hash))
}

pub(crate) fn read_key(text: &str) -> Option<[u8; 8]> {
    let hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(u64::to_be_bytes)
}

async fn list(State(site): State<Site>, frame: Frame) -> Result<Response, Error> {
    let frame = frame.without_filters();
    let (groups, book, stuck) = tokio::try_join!(
        async { Ok::<_, Error>(site.store.alert_groups(MOST + 1).await?) },
        async { Ok(site.store.rulebook().await?) },
        Stuck::of(&site, frame.zone)
    )?;
    let book = book.map(|(book, _)| book);
    let now = site.now();
    let more = groups.len() > MOST;
    let (closed, open): (Vec<Row>, Vec<Row>) = groups
        .iter()
        .take(MOST)
        .map(|group| Row::new(group, book.as_ref(), &frame, now))
        .partition(|row| row.closed.is_some());
    let wrong = frame.to_with("/search", &Params::default().with("outcome", "failed,late,unknown"));
    let page = List { sending: Sending::of(book.as_ref()), stuck, open, closed, more, wrong, frame };
    Ok(Page(page).into_response())
}

async fn one(State(site): State<Site>, Path(key): Path<String>, frame: Frame) -> Result<Response, Error> {
    let frame = frame.without_filters();
    let none = || Error::not_found(format!("There is no alert {}.", shortened(&key, 40)), key.clone());
    let group = site.store.alert_group(read_key(&key).ok_or_else(none)?).await?.ok_or_else(none)?;
    let (items, mails, book) = tokio::try_join!(
        site.store.alert_items(group.id, ITEMS + 1),
        site.store.mails(Some(group.id), MAILS),
        site.store.rulebook()
    )?;
    let book = book.map(|(book, _)| book);
    let states = [ItemState::Failed, ItemState::Late, ItemState::Gone];
    let number = |state| items.iter().take(ITEMS).filter(|item| item.state == state).count();
    let of_logs = items.first().is_some_and(|item| item.scenario == OF_A_LOG);
    let counts = states.map(|state| (number(state), state_words(state, of_logs)));
    let row = Row::new(&group, book.as_ref(), &frame, site.now());
    let page = One {
        sending: Sending::of(book.as_ref()),
        api: format!("/api/v1/alerts/{}", row.key),
        sentence: row.says.clone(),
        counts: counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, (word, tone))| (count(n), word, tone)).collect(),
        common: common(&items),
        // What failed last stands here; whoever failed before had begun by then.
        more: items.get(ITEMS).map(|item| before(&group.key.rule, item.at, &frame)),
        items: items.iter().take(ITEMS).map(|item| Line::new(item, &frame)).collect(),
        mails: mails.iter().map(|mail| outbox::Row::new(mail, &frame)).collect(),
        not_sent: mails.iter().any(|mail: &Mail| mail.state == MailState::NotSent),
        row,
        frame,
    };
    Ok(Page(page).into_response())
}

/// The search that lists what a rule found in scenarios that began until then.
fn before(rule: &str, until: Timestamp, frame: &Frame) -> String {
    let to = frame.zone.field(Timestamp(until.0 - until.0.rem_euclid(SECOND) + SECOND));
    let params = Params::default().with("to", to).with("outcome", Outcome::Failed.name()).with("rule", rule);
    frame.to_with("/search", &params)
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct List {
    frame: Frame,
    sending: Sending,
    stuck: Vec<Stuck>,
    open: Vec<Row>,
    closed: Vec<Row>,
    more: bool,
    /// The search for whatever did not go as expected.
    wrong: String,
}

#[derive(Template)]
#[template(path = "alert.html")]
struct One {
    frame: Frame,
    sending: Sending,
    row: Row,
    sentence: String,
    /// `5`, `failed`, and a class of `app.css`.
    counts: Vec<(String, &'static str, &'static str)>,
    /// `push_provider=apns`, and in how many of them.
    common: Vec<(String, String)>,
    items: Vec<Line>,
    /// Where the others are.
    more: Option<String>,
    mails: Vec<outbox::Row>,
    not_sent: bool,
    api: String,
}

/// A group, as lists show it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub key: String,
    pub href: String,
    pub severity: &'static str,
    /// A class of `app.css`.
    pub tone: &'static str,
    pub rule: String,
    pub failure: String,
    /// The sentence of its failure.
    pub says: String,
    pub title: String,
    pub env: String,
    pub opened: String,
    /// `12 min ago`
    pub since: String,
    pub changed: String,
    pub closed: Option<String>,
    /// It is about agents and their logs, not about scenarios.
    pub of_logs: bool,
    pub scenarios: String,
    pub mails: String,
    pub reported: Option<String>,
}

impl Row {
    pub fn new(group: &Group, book: Option<&Rulebook>, frame: &Frame, now: Timestamp) -> Self {
        let rule = book.and_then(|book| book.rules.iter().find(|rule| rule.id == group.key.rule));
        let title = rule.map_or(String::new(), |rule| rule.title.clone());
        let says = rule.and_then(|rule| rule.says.get(&group.key.failure).cloned());
        let of_logs = LogFault::of(&group.key.rule).filter(|_| rule.is_none());
        let title = of_logs.map_or(title, |fault| fault.title().to_owned());
        let says = says.or(of_logs.map(|fault| fault.says().to_owned()));
        let (severity, tone) = severity(group.severity);
        let key = key_of(&group.key.hash);
        Self {
            href: frame.to(&format!("/a/{key}")),
            key,
            severity,
            tone,
            says: says.unwrap_or_else(|| format!("{}: {}", group.key.rule, group.key.failure)),
            title,
            rule: group.key.rule.clone(),
            failure: group.key.failure.clone(),
            env: group.key.env.clone(),
            opened: frame.zone.full(group.opened),
            since: format!("{} ago", duration(now.micros_since(group.opened).max(0))),
            changed: frame.zone.full(group.changed),
            closed: group.closed.map(|at| frame.zone.full(at)),
            of_logs: of_logs.is_some(),
            scenarios: counted(group.items, if of_logs.is_some() { "report" } else { "scenario" }),
            mails: if group.mails == 0 { "no mail yet".into() } else { counted(group.mails, "mail") },
            reported: group.reported.map(|at| frame.zone.full(at)),
        }
    }
}

pub(crate) fn severity(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Critical => ("critical", "bad"),
        Severity::Warning => ("warning", "warn"),
        Severity::Info => ("info", ""),
    }
}

/// One scenario of a group.
#[derive(Debug)]
struct Line {
    id: String,
    href: String,
    at: String,
    full: String,
    caller: Option<String>,
    callee: Option<String>,
    leg: String,
    target: String,
    says: String,
    state: &'static str,
    tone: &'static str,
    also: String,
    reported: Option<String>,
}

impl Line {
    fn new(item: &Item, frame: &Frame) -> Self {
        let told = &item.told.told;
        let (state, tone) = state_words(item.state, item.scenario == OF_A_LOG);
        if item.scenario == OF_A_LOG {
            return Self {
                id: told.target.clone(),
                href: frame.to("/"),
                at: frame.zone.second(item.at),
                full: frame.zone.full(item.at),
                caller: Some(item.leg.clone()),
                callee: None,
                leg: String::new(),
                target: String::new(),
                says: shortened(told.ending.as_deref().unwrap_or_default(), LONGEST),
                state,
                tone,
                also: String::new(),
                reported: item.reported.map(|at| frame.zone.full(at)),
            };
        }
        Self {
            id: item.scenario.to_string(),
            href: format!("{}#{}", frame.to(&format!("/s/{}", item.scenario)), told.fragment()),
            at: frame.zone.second(item.at),
            full: frame.zone.full(item.at),
            caller: item.told.caller.clone(),
            callee: item.told.callee.clone(),
            leg: item.leg.clone(),
            target: told.target.clone(),
            says: shortened(&says(item), LONGEST),
            state,
            tone,
            also: item.told.also.join(", "),
            reported: item.reported.map(|at| frame.zone.full(at)),
        }
    }
}

/// `no ACK from sbc-1 to bob within 32 s`
fn says(item: &Item) -> String {
    let told = &item.told.told;
    let Some(step) = told.step.and_then(|step| told.steps.get(step)) else {
        return format!("ended as {}", told.failure.as_deref().unwrap_or("failed"));
    };
    let named =
        |word: &str, name: &Option<String>| name.as_ref().map_or(String::new(), |name| format!(" {word} {name}"));
    let within = within(&step.text);
    let space = if within.is_empty() { "" } else { " " };
    let no = if step.seen == rule::told::Seen::Forbidden { "" } else { "no " };
    format!("{no}{}{}{}{space}{within}", what(&step.text), named("from", &step.from), named("to", &step.to))
}

fn state_words(state: ItemState, of_logs: bool) -> (&'static str, &'static str) {
    match state {
        ItemState::Failed if of_logs => ("not well", "bad"),
        _ if of_logs => ("well again", "good"),
        ItemState::Failed => ("failed", "bad"),
        ItemState::Late => ("came late", "warn"),
        ItemState::Gone => ("did not fail, as is known now", ""),
    }
}

/// What most of them share, the most shared first.
fn common(items: &[Item]) -> Vec<(String, String)> {
    let failed: Vec<&Item> = items.iter().filter(|item| item.state != ItemState::Gone).collect();
    if failed.len() < 2 {
        return Vec::new();
    }
    let mut all: BTreeMap<&(String, String), usize> = BTreeMap::new();
    for item in &failed {
        item.told.facts.iter().for_each(|fact| *all.entry(fact).or_default() += 1);
    }
    let mut shared: Vec<_> = all.into_iter().filter(|(_, n)| *n > 1 && 2 * n > failed.len()).collect();
    shared.sort_by_key(|(fact, n)| (std::cmp::Reverse(*n), *fact));
    let text = |((name, value), n): (&(String, String), usize)| {
        let fact = format!("{} {value}", name.replace('_', " "));
        (shortened(&fact, 80), format!("{} of {}", count(n), count(failed.len())))
    };
    shared.into_iter().take(6).map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_an_alert_is_sixteen_digits() {
        let hash = [0x7f, 0x3a, 0x91, 0xc2, 0x0b, 0x44, 0xe1, 0xd2];
        assert_eq!((key_of(&hash), read_key("7f3a91c20b44e1d2")), ("7f3a91c20b44e1d2".into(), Some(hash)));
        for wrong in ["", "7f3a91c20b44e1d", "7f3a91c20b44e1dg", "+f3a91c20b44e1d2", "7f3a91c20b44e1d2a"] {
            assert_eq!(read_key(wrong), None, "{wrong}");
        }
    }
}
