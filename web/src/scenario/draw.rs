//! From a loaded scenario to its page: everything a template says, as values.

use askama::Template;
use message::flow::{Flow, flow};
use message::logged::Message;
use record::time::Timestamp;
use store::scenario::{Scenario, Subject};

use super::branches::{Branch, branches};
use super::detail::{Content, Detail, detail};
use super::empty::{Empty, empty};
use super::evidence::Evidence;
use super::headline::{Headline, headline};
use super::text::Look;
use super::tools::{Tools, link, tools};
use crate::Error;
use crate::ladder::note::Says;
use crate::ladder::view::{Tab, View};
use crate::ladder::words::{Clock, duration};
use crate::ladder::{Ladder, Line, PAGE, layout};
use crate::live::Row;
use crate::page::{Frame, render};
use crate::subject;
use crate::words::{count, counted};

/// All that a page is drawn from.
#[derive(Debug)]
pub struct Picture {
    pub scenario: Scenario,
    pub messages: Vec<Message>,
    /// No message was left out for its number.
    pub all: bool,
    pub evidence: Evidence,
    pub view: View,
    pub frame: Frame,
    pub now: Timestamp,
}

#[derive(Template)]
#[template(path = "scenario.html")]
struct ScenarioPage {
    frame: Frame,
    /// `/s/ID`, or `/calls/CALL-ID`.
    path: String,
    /// The id of the scenario, or the Call-ID of a call that has none yet.
    id: String,
    joins_later: bool,
    /// `?…` of this page, for links to its other forms.
    query: String,
    /// The same for the live view, with the page and the open message, so that it draws these very rows.
    live: String,
    version: i64,
    title: String,
    head: Headline,
    /// `last message`, and when.
    last: String,
    ago: String,
    joined: Vec<Joined>,
    notice: Option<String>,
    whose: String,
    branches: Vec<Branch>,
    tools: Tools,
    ladder: Ladder,
    /// Behind `?m=ID` in the link of a row.
    rest: String,
    detail: Option<Detail>,
    empty: Option<Empty>,
    pages: Pages,
}

#[derive(Template)]
#[template(path = "ladder/table.html")]
struct TablePage {
    frame: Frame,
    path: String,
    id: String,
    joins_later: bool,
    query: String,
    title: String,
    head: Headline,
    zone: String,
    notice: Option<String>,
    tools: Tools,
    ladder: Ladder,
    /// As in the page.
    rest: String,
    empty: Option<Empty>,
    pages: Pages,
}

/// A row or note by itself, from the partial that the page uses.
#[derive(Template)]
#[template(path = "ladder/one.html")]
struct One<'a> {
    line: &'a Line,
    rest: &'a str,
}

/// A call that belongs here for a key it shares.
#[derive(Debug)]
struct Joined {
    tag: String,
    call_id: String,
    space: String,
    value: String,
    sure: bool,
    href: String,
}

#[derive(Debug)]
struct Pages {
    /// `rows 2,001 to 4,000 of 9,214`
    says: String,
    before: Option<String>,
    after: Option<(String, String)>,
}

pub fn page(picture: Picture) -> Result<String, Error> {
    page_of(&picture, &flow(&picture.messages))
}

/// The page of a flow that is made already.
fn page_of(picture: &Picture, flow: &Flow) -> Result<String, Error> {
    let Picture { scenario, messages, evidence, view, frame, now, .. } = picture;
    let ladder = layout(flow, messages, view);
    let head = headline(scenario, flow, messages, evidence);
    let path = subject::path(&scenario.row.subject);
    let template = ScenarioPage {
        query: link(&View { open: None, tab: Tab::Parsed, page: None, ..view.clone() }),
        live: link(&View { page: (ladder.pages > 1).then_some(ladder.page), ..view.clone() }),
        version: scenario.row.version,
        title: title(&head),
        last: Clock::of(scenario.row.last, view.zone).to_the_second(),
        ago: ago(scenario.row.last, *now),
        joined: joined(scenario, flow, view),
        notice: notice(picture),
        whose: head.callee.as_ref().map_or("Branches".into(), |callee| format!("Devices of {callee}")),
        branches: branches(flow, messages, view),
        tools: tools(flow, &ladder, view),
        rest: rest(view),
        detail: detail(flow, messages, &ladder, view, &path),
        empty: empty(&ladder, view),
        pages: pages(&ladder, view),
        frame: frame.clone(),
        id: id(&scenario.row.subject),
        joins_later: scenario.row.subject.scenario().is_none(),
        path,
        head,
        ladder,
    };
    render(&template)
}

/// The same rows as a plain table, in order, with every word of the picture.
pub fn table(picture: Picture) -> Result<String, Error> {
    let flow = flow(&picture.messages);
    table_of(picture, &flow)
}

fn table_of(picture: Picture, flow: &Flow) -> Result<String, Error> {
    let notice = notice(&picture);
    let Picture { scenario, messages, evidence, view, frame, .. } = picture;
    let ladder = layout(flow, &messages, &view);
    let head = headline(&scenario, flow, &messages, &evidence);
    let template = TablePage {
        path: subject::path(&scenario.row.subject),
        id: id(&scenario.row.subject),
        joins_later: scenario.row.subject.scenario().is_none(),
        query: link(&view),
        title: title(&head),
        zone: view.zone.label(scenario.row.first),
        notice,
        tools: tools(flow, &ladder, &view),
        rest: rest(&view),
        empty: empty(&ladder, &view),
        pages: pages(&ladder, &view),
        frame,
        head,
        ladder,
    };
    render(&template)
}

/// Rows and notes one by one, each as the page has it.
pub fn rows(messages: &[Message], view: &View) -> Result<Vec<Row>, Error> {
    let flow = flow(messages);
    rows_of(&flow, messages, view)
}

fn rows_of(flow: &Flow, messages: &[Message], view: &View) -> Result<Vec<Row>, Error> {
    let ladder = layout(flow, messages, view);
    let rest = rest(view);
    let draw = |line: &Line| {
        let html = render(&One { line, rest: &rest })?;
        Ok(Row { id: line_id(line), html: html.trim().to_owned() })
    };
    ladder.lines.iter().map(draw).collect()
}

fn id(subject: &Subject) -> String {
    match subject {
        Subject::Scenario(id) => id.to_string(),
        Subject::Call(_, name) => name.clone(),
    }
}

fn line_id(line: &Line) -> String {
    match line {
        Line::Row(row) => format!("m{}", row.id),
        Line::Note(note) => note.id(),
    }
}

/// `alice to bob, answered`
fn title(head: &Headline) -> String {
    let who = match (&head.caller, &head.callee) {
        (Some(caller), Some(callee)) => format!("{caller} to {callee}"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => head.class.to_owned(),
    };
    format!("{who}, {}", head.state.text)
}

fn notice(picture: &Picture) -> Option<String> {
    let held = || (count(picture.messages.len()), count(picture.scenario.row.messages));
    (!picture.all).then(held).map(|(drawn, stored)| {
        format!("This picture holds the first {drawn} of {stored} messages; the API has them all.")
    })
}

/// What every row's link keeps; the page follows from the message.
fn rest(view: &View) -> String {
    let query = View { open: None, page: None, ..view.clone() }.query();
    if query.is_empty() { query } else { format!("&{query}") }
}

fn ago(last: Timestamp, now: Timestamp) -> String {
    let age = now.micros_since(last);
    if age < 0 { format!("{} ahead of the clock here", duration(-age)) } else { format!("{} ago", duration(age)) }
}

fn joined(scenario: &Scenario, flow: &Flow, view: &View) -> Vec<Joined> {
    // A call alone carries its keys, too, but they joined nothing.
    let several = scenario.calls.len() > 1;
    let calls = scenario.calls.iter().filter(|_| several).filter_map(|call| Some((call, call.joined_by.as_ref()?)));
    let joined = calls.map(|(call, by)| {
        let leg = flow.legs.iter().find(|leg| leg.call_id == call.call_id);
        let open = Some(crate::ladder::view::RowId { message: by.message, answer: false });
        Joined {
            tag: leg.map_or(String::new(), |leg| leg.tag.clone()),
            call_id: call.call_id.clone(),
            space: by.space.clone(),
            value: by.value.clone(),
            sure: by.sure,
            href: format!("{}#m{}", link(&View { open, page: None, ..view.clone() }), by.message),
        }
    });
    joined.collect()
}

fn pages(ladder: &Ladder, view: &View) -> Pages {
    let first = (ladder.page - 1) * PAGE;
    let last = (first + PAGE).min(ladder.counts.shown);
    let left = ladder.counts.shown - last.min(ladder.counts.shown);
    let at = |page| link(&View { open: None, page: Some(page), ..view.clone() });
    Pages {
        says: if ladder.pages > 1 {
            format!("rows {} to {} of {}", count(first + 1), count(last), count(ladder.counts.shown))
        } else {
            String::new()
        },
        before: (ladder.page > 1).then(|| at(ladder.page - 1)),
        after: (ladder.page < ladder.pages)
            .then(|| (format!("next {}", counted(left.min(PAGE), "row")), at(ladder.page + 1))),
    }
}

#[cfg(test)]
pub use for_tests::*;

#[cfg(test)]
mod for_tests {
    use super::*;

    /// The page of a flow drawn by hand.
    pub fn page_for_test(picture: &Picture, flow: &Flow) -> String {
        page_of(picture, flow).unwrap()
    }

    pub fn table_for_test(picture: Picture, flow: &Flow) -> String {
        table_of(picture, flow).unwrap()
    }

    pub fn rows_for_test(flow: &Flow, messages: &[Message], view: &View) -> Vec<Row> {
        rows_of(flow, messages, view).unwrap()
    }
}
