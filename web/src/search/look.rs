//! From a filter and a pasted text to scenarios: each reading is tried, the first that finds something is shown.

use std::collections::{HashMap, HashSet};

use message::event::CallClass;
use message::logged::Message;
use record::id::{MessageId, ScenarioId};
use record::time::Timestamp;
use store::scenario::{Found as Here, ScenarioRow, Subject};
use store::search::{Filter, MessageFilter};

use super::PAGE;
use super::read::{Reading, readings};
use crate::params::Params;
use crate::zone::Zone;
use crate::{Error, Site, subject};

/// What came of it.
#[derive(Debug)]
pub enum Look {
    /// Exactly one: its path (perhaps with a fragment) and query.
    Go(String, Params),
    Found(Found),
}

#[derive(Debug, Default)]
pub struct Found {
    pub rows: Vec<ScenarioRow>,
    /// Where the next page begins.
    pub next: Option<(Timestamp, ScenarioId)>,
    pub searched_to: Option<Timestamp>,
    /// Records that wait in their logs were looked at back to here only.
    pub waiting_to: Option<Timestamp>,
    /// How the pasted text was read.
    pub read_as: Option<&'static str>,
    /// Other readings: name, field, value.
    pub others: Vec<(&'static str, &'static str, String)>,
}

/// A moment may hold many messages; more scenarios than this are not told apart.
const MOMENT: usize = 100;

pub async fn look(
    site: &Site,
    text: &str,
    zone: Zone,
    filter: Filter,
    before: Option<(Timestamp, ScenarioId)>,
    only: Option<&str>,
) -> Result<Look, Error> {
    // A later page goes on with what the one before showed.
    let chosen = |reading: &Reading| only.is_none_or(|only| reading.name() == only);
    let readings: Vec<Reading> = readings(text, zone).into_iter().filter(chosen).collect();
    if readings.is_empty() {
        return Ok(Look::Found(list(site, &filter, before).await?));
    }
    let filter = Filter { classes: classes(text, filter.classes), ..filter };
    let mut last = Found::default();
    for (at, reading) in readings.iter().enumerate() {
        let found = match one(site, reading, &filter, before).await? {
            Look::Go(path, query) if before.is_none() => return Ok(Look::Go(path, query)),
            Look::Go(..) => continue,
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
            Ok(Look::Go(subject::path(&only.subject), Params::default()))
        }
        _ => Ok(Look::Found(last)),
    }
}

/// A pasted text is looked for in scenarios of every class, unless classes were chosen.
pub(crate) fn classes(text: &str, chosen: Vec<CallClass>) -> Vec<CallClass> {
    if chosen.is_empty() && !text.trim().is_empty() { CallClass::ALL.to_vec() } else { chosen }
}

/// A filter narrowed by the likeliest reading of a text. None: what it names is one thing, to which nothing is added.
pub(crate) fn narrowed(text: &str, filter: Filter) -> Option<Filter> {
    let readings = readings(text, Zone::UTC);
    if readings.is_empty() {
        return Some(filter);
    }
    readings.iter().find_map(|reading| with(reading, &filter))
}

fn with(reading: &Reading, filter: &Filter) -> Option<Filter> {
    match reading {
        Reading::CallId(call_id) => Some(Filter { call_id: Some(call_id.clone()), ..filter.clone() }),
        Reading::User(user) => Some(Filter { person: Some(user.clone()), ..filter.clone() }),
        Reading::Scenario(_) | Reading::Message(_) | Reading::Moment(_) => None,
    }
}

async fn one(
    site: &Site,
    reading: &Reading,
    filter: &Filter,
    before: Option<(Timestamp, ScenarioId)>,
) -> Result<Look, Error> {
    if let Some(filter) = with(reading, filter) {
        return Ok(Look::Found(list(site, &filter, before).await?));
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
        Reading::Moment(time) => moment(site, *time).await,
        Reading::CallId(_) | Reading::User(_) => Ok(Look::Found(Found::default())),
    }
}

/// The scenarios, and the calls without one, whose messages were logged at exactly this time.
async fn moment(site: &Site, time: Timestamp) -> Result<Look, Error> {
    let filter =
        MessageFilter { from: Some(time), to: Some(Timestamp(time.0.saturating_add(1))), ..MessageFilter::default() };
    let page = site.store.messages(&filter, None, MOMENT).await?;
    let (messages, more) = (page.rows, page.next.is_some());
    let owners: HashMap<MessageId, ScenarioId> = site.store.scenarios_of(&messages).await?.into_iter().collect();
    let subject = |message: &Message| match owners.get(&message.id) {
        Some(id) => Subject::Scenario(*id),
        None => subject::call_of(message),
    };
    if let ([message], false) = (messages.as_slice(), more) {
        return Ok(opened(&subject(message), message.id));
    }
    let subjects: HashSet<Subject> = messages.iter().map(subject).collect();
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

fn opened(subject: &Subject, message: MessageId) -> Look {
    let path = subject::path(subject);
    Look::Go(format!("{path}#m{message}"), Params::default().with("m", message.to_string()))
}

async fn list(site: &Site, filter: &Filter, before: Option<(Timestamp, ScenarioId)>) -> Result<Found, Error> {
    let page = site.store.search(filter, before, PAGE).await?;
    Ok(Found {
        rows: page.rows,
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
        Reading::Message(_) | Reading::Moment(_) => None,
    });
    fields.collect()
}
