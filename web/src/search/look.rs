//! From a filter and a pasted text to scenarios: each reading is tried, the first that finds something is shown.

use std::collections::{HashMap, HashSet};

use message::event::CallClass;
use message::logged::Message;
use record::format::{Format, Line};
use record::id::{MessageId, ScenarioId};
use record::time::{MINUTE, Timestamp};
use store::scenario::{Found as Here, ScenarioRow, Subject};
use store::search::{Filter, MessageFilter};

use super::PAGE;
use super::form::WITHIN;
use super::nearest::Near;
use super::order::{Order, SHOWN, SORTED};
use super::read::{Reading, readings};
use crate::moment;
use crate::params::Params;
use crate::zone::{Bound, Zone};
use crate::{Error, Site, alerts, subject};

/// What came of it.
#[derive(Debug)]
pub enum Look {
    /// One thing that was named: its path (perhaps with a fragment) and query.
    Go(String, Params),
    /// The only one in a list: its path and query.
    Only(String, Params),
    Found(Found),
}

#[derive(Debug, Default)]
pub struct Found {
    pub rows: Vec<ScenarioRow>,
    /// The newest of them, and how many were put in order; not all of these are shown.
    pub top: Option<(Timestamp, ScenarioId)>,
    pub looked: usize,
    /// Where the next page begins.
    pub next: Option<(Timestamp, ScenarioId)>,
    pub searched_to: Option<Timestamp>,
    /// Records that wait in their logs were looked at back to here only.
    pub waiting_to: Option<Timestamp>,
    /// How the pasted text was read, and what else it was read as in vain.
    pub tried: Vec<&'static str>,
    pub read_as: Option<&'static str>,
    /// Where nothing was found: searches that find something.
    pub near: Vec<Near>,
    /// Other readings: name, field, value.
    pub others: Vec<(&'static str, &'static str, String)>,
}

/// A moment may hold many messages; more than this are not told apart.
const MOMENT: usize = 1_000;

pub async fn look(
    site: &Site,
    text: &str,
    zone: Zone,
    filter: Filter,
    before: Option<(Timestamp, ScenarioId)>,
    only: Option<&str>,
    order: Order,
) -> Result<Look, Error> {
    // A later page goes on with what the one before showed.
    let chosen = |reading: &Reading| only.is_none_or(|only| reading.name() == only);
    let readings: Vec<Reading> = readings(text, zone, site.now()).into_iter().filter(chosen).collect();
    if readings.is_empty() {
        return Ok(Look::Found(list(site, &filter, before, order).await?));
    }
    let filter = Filter { classes: classes(text, filter.classes), ..filter };
    let mut last = Found::default();
    let mut tried = Vec::new();
    for (at, reading) in readings.iter().enumerate() {
        tried.push(reading.name());
        let found = match one(site, reading, &filter, before, order).await? {
            Look::Go(path, query) if before.is_none() => return Ok(Look::Go(path, query)),
            Look::Go(..) | Look::Only(..) => continue,
            Look::Found(found) => found,
        };
        let empty = found.rows.is_empty();
        // One that is looked for further back may still find something.
        if at == 0 || !empty || (found.next.is_some() && last.next.is_none()) {
            last = Found { read_as: Some(reading.name()), others: others(&readings, at), ..found };
        }
        if !empty {
            break;
        }
    }
    match last.rows.as_slice() {
        [only] if before.is_none() && last.next.is_none() => {
            let query = match readings.iter().find(|reading| Some(reading.name()) == last.read_as) {
                Some(Reading::Time(text)) => Params::default().with("around", text),
                reading => match reading.and_then(Reading::text) {
                    Some(text) => Params::default().with("find", text),
                    None => Params::default(),
                },
            };
            Ok(Look::Only(subject::path(&only.subject), query))
        }
        _ => Ok(Look::Found(Found { tried, ..last })),
    }
}

/// A pasted text is looked for in scenarios of every class, unless classes were chosen.
pub(crate) fn classes(text: &str, chosen: Vec<CallClass>) -> Vec<CallClass> {
    if chosen.is_empty() && !text.trim().is_empty() { CallClass::ALL.to_vec() } else { chosen }
}

/// A filter narrowed by the likeliest reading of a text. None: what it names is one thing, to which nothing is added.
pub(crate) fn narrowed(text: &str, filter: Filter, now: Timestamp) -> Option<Filter> {
    let readings = readings(text, Zone::UTC, now);
    if readings.is_empty() {
        return Some(filter);
    }
    readings.iter().find_map(|reading| with(reading, &filter))
}

fn with(reading: &Reading, filter: &Filter) -> Option<Filter> {
    match reading {
        Reading::CallId(call_id) => Some(Filter { call_id: Some(call_id.clone()), ..filter.clone() }),
        Reading::User(user) => Some(Filter { person: Some(person(user, filter)), ..filter.clone() }),
        Reading::Text(_, text) => Some(Filter { text: Some(text.clone()), ..filter.clone() }),
        Reading::Device(user, text) => {
            Some(Filter { person: Some(user.clone()), text: Some(text.clone()), ..filter.clone() })
        }
        Reading::Rule(id) => Some(Filter { rule: Some(id.clone()), ..filter.clone() }),
        Reading::Failure(class) => Some(Filter { failure: Some(class.clone()), ..filter.clone() }),
        Reading::Time(text) => {
            let at = moment::read(text, Zone::UTC, Timestamp(0), Bound::From).ok()?.at;
            let beside = |sign: i64| Timestamp(at.0.saturating_add(sign * WITHIN * MINUTE));
            Some(Filter { from: filter.from.max(Some(beside(-1))), to: Some(beside(1)), ..filter.clone() })
        }
        Reading::Scenario(_) | Reading::Message(_) | Reading::Moment(..) | Reading::Key(_) | Reading::Alert(_) => None,
    }
}

/// Four digits alone would be the end of too many numbers; of a time, few.
fn person(user: &str, filter: &Filter) -> String {
    let is_end = user.len() == 4 && user.bytes().all(|byte| byte.is_ascii_digit());
    let is_timed = filter.from.is_some() || filter.to.is_some();
    if is_end && is_timed { format!("*{user}") } else { user.to_owned() }
}

async fn one(
    site: &Site,
    reading: &Reading,
    filter: &Filter,
    before: Option<(Timestamp, ScenarioId)>,
    order: Order,
) -> Result<Look, Error> {
    if let Some(filter) = with(reading, filter) {
        return Ok(Look::Found(list(site, &filter, before, order).await?));
    }
    match reading {
        Reading::Scenario(id) => Ok(match site.store.scenario(*id).await? {
            Here::Here(_) => Look::Go(format!("/s/{id}"), Params::default()),
            Here::Merged(into) => Look::Go(format!("/s/{into}"), Params::default()),
            Here::Nowhere => Look::Found(Found::default()),
        }),
        Reading::Message(id) => Ok(match site.store.message(*id).await? {
            Some((_, Some(scenario))) => opened(&Subject::Scenario(scenario), *id),
            Some((message, None)) => opened(&subject::call_of(&message), *id),
            None => Look::Found(Found::default()),
        }),
        Reading::Moment(time, line) => at(site, *time, line).await,
        Reading::Key(value) => joined_by(site, value).await,
        Reading::Alert(key) => Ok(match site.store.alert_group(*key).await? {
            Some(_) => Look::Go(format!("/a/{}", alerts::key_of(key)), Params::default()),
            None => Look::Found(Found::default()),
        }),
        // Filters, all of them.
        _ => Ok(Look::Found(Found::default())),
    }
}

/// Scenarios of which a call carries this value.
async fn joined_by(site: &Site, value: &str) -> Result<Look, Error> {
    let ids = site.store.scenarios_of_key(value).await?;
    if let [id] = ids[..] {
        return Ok(Look::Go(format!("/s/{id}"), Params::default()));
    }
    let mut rows = Vec::new();
    for id in ids.into_iter().take(PAGE) {
        if let Here::Here(scenario) = site.store.scenario(id).await? {
            rows.push(scenario.row);
        }
    }
    rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.place()));
    Ok(Look::Found(Found { rows, ..Found::default() }))
}

/// The message whose header line this is; where several calls have it, these; where none has, those that logged something at
/// exactly this time.
async fn at(site: &Site, time: Timestamp, line: &str) -> Result<Look, Error> {
    let filter =
        MessageFilter { from: Some(time), to: Some(Timestamp(time.0.saturating_add(1))), ..MessageFilter::default() };
    let (mut messages, mut after) = (Vec::new(), None);
    loop {
        let page = site.store.messages(&filter, after, MOMENT - messages.len()).await?;
        messages.extend(page.rows);
        match page.next {
            Some(next) if messages.len() < MOMENT => after = Some(next),
            _ => break,
        }
    }
    let (messages, is_own) = of_line(messages, line);
    let owners: HashMap<MessageId, ScenarioId> = site.store.scenarios_of(&messages).await?.into_iter().collect();
    let subject = |message: &Message| match owners.get(&message.id) {
        Some(id) => Subject::Scenario(*id),
        None => subject::call_of(message),
    };
    let subjects: HashSet<Subject> = messages.iter().map(subject).collect();
    match messages.as_slice() {
        [only] => return Ok(opened(&subject(only), only.id)),
        [first, ..] if is_own && subjects.len() == 1 => return Ok(opened(&subject(first), first.id)),
        _ => {}
    }
    let mut rows = Vec::new();
    for subject in subjects.into_iter().take(PAGE) {
        let found = match subject {
            Subject::Scenario(id) => site.store.scenario(id).await?,
            Subject::Call(key, _) => site.store.call(key).await?,
        };
        if let Here::Here(scenario) = found {
            rows.push(scenario.row);
        }
    }
    rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.place()));
    Ok(Look::Found(Found { rows, ..Found::default() }))
}

/// Those with this header line, else those with its method and addresses; else all, and false.
fn of_line(messages: Vec<Message>, line: &str) -> (Vec<Message>, bool) {
    let pasted = line.trim();
    let written = |message: &Message| message.header().trim_ascii() == pasted.as_bytes();
    let format = Format::siptrail();
    let Line::Header(header) = format.read(pasted.as_bytes(), Zone::UTC.tz()) else { return (messages, false) };
    let alike = |message: &Message| {
        let fields = [&message.method, &message.source, &message.destination].map(String::as_bytes);
        fields == [header.method, header.source, header.destination]
    };
    let exact = messages.iter().any(written);
    if !exact && !messages.iter().any(alike) {
        return (messages, false);
    }
    (messages.into_iter().filter(|message| if exact { written(message) } else { alike(message) }).collect(), true)
}

fn opened(subject: &Subject, message: MessageId) -> Look {
    let path = subject::path(subject);
    Look::Go(format!("{path}#m{message}"), Params::default().with("m", message.to_string()))
}

async fn list(
    site: &Site,
    filter: &Filter,
    before: Option<(Timestamp, ScenarioId)>,
    order: Order,
) -> Result<Found, Error> {
    let limit = if order == Order::Start { PAGE } else { SORTED };
    let page = site.store.search(filter, before, limit).await?;
    let (top, looked, mut rows) = (page.rows.first().map(ScenarioRow::place), page.rows.len(), page.rows);
    order.sort(&mut rows);
    rows.truncate(if order == Order::Start { PAGE } else { SHOWN });
    Ok(Found {
        rows,
        top,
        looked,
        next: page.next,
        searched_to: page.searched_to,
        waiting_to: page.waiting_to,
        ..Found::default()
    })
}

/// The readings but the one in use that a field of the form can say.
fn others(readings: &[Reading], used: usize) -> Vec<(&'static str, &'static str, String)> {
    let others = readings.iter().enumerate().filter(|(at, _)| *at != used);
    let fields = others.filter_map(|(_, reading)| match reading {
        Reading::CallId(text) => Some((reading.name(), "call_id", text.clone())),
        Reading::User(text) => Some((reading.name(), "person", text.clone())),
        Reading::Scenario(id) => Some((reading.name(), "q", format!("/s/{id}"))),
        Reading::Text(name, text) => Some((*name, "text", text.clone())),
        Reading::Time(text) => Some((reading.name(), "around", text.clone())),
        Reading::Rule(id) => Some((reading.name(), "rule", id.clone())),
        Reading::Failure(class) => Some((reading.name(), "failure", class.clone())),
        Reading::Message(_) | Reading::Moment(..) | Reading::Key(_) | Reading::Device(..) | Reading::Alert(_) => None,
    });
    fields.collect()
}
