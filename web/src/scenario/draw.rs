//! From a loaded scenario to its page: everything a template says, as values.

use std::sync::Arc;

use askama::Template;
use message::flow::Flow;
use message::logged::Message;
use record::id::MessageId;
use record::time::Timestamp;
use serde::Serialize;
use store::scenario::{Join, Scenario, Subject};

use super::branches::{Branches, branches};
use super::detail::{Content, Detail, detail};
use super::empty::{Empty, empty};
use super::evidence::Evidence;
use super::header::headers;
use super::headline::{Headline, Tried, headline};
use super::judgement::{Judgement, Verdict, verdict};
use super::problems::{Problems, problems};
use super::related::Related;
use super::text::Look;
use super::tools::{Tools, link, tools};
use crate::Error;
use crate::ladder::columns::colour;
use crate::ladder::note::Says;
use crate::ladder::view::{RowId, Tab, View};
use crate::ladder::words::{Clock, duration, shortened};
use crate::ladder::{Ladder, Line, PAGE, layout};
use crate::page::{Frame, render};
use crate::picture::Picture;
use crate::words::{count, counted, is_lately};
use crate::{settling, subject};

/// Names that are listed where one is wrong, and letters of each.
const MOST_NAMED: usize = 12;
const LONGEST: usize = 40;
/// Wrong names that are listed.
const MOST_NOTICES: usize = 4;

/// All that a page is drawn from.
#[derive(Debug)]
pub struct Asked {
    pub picture: Arc<Picture>,
    pub related: Vec<Related>,
    pub evidence: Evidence,
    pub judgement: Judgement,
    pub view: View,
    /// What of its address is not understood.
    pub misread: Vec<String>,
    pub frame: Frame,
    pub now: Timestamp,
}

#[derive(Template)]
#[template(path = "scenario.html", blocks = ["title", "verdict", "toolbar"])]
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
    /// Of the row that the first line is about.
    says_href: String,
    /// `last message`, and when.
    last: String,
    ago: String,
    joined: Vec<Joined>,
    tries: Vec<Attempt>,
    related: Vec<Related>,
    verdict: Option<Verdict>,
    problems: Problems,
    notices: Vec<String>,
    whose: String,
    branches: Branches,
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
    verdict: Option<Verdict>,
    zone: String,
    notices: Vec<String>,
    tools: Tools,
    ladder: Ladder,
    /// As in the page.
    rest: String,
    empty: Option<Empty>,
    pages: Pages,
}

/// The columns above the rows, from the partial that the page uses.
#[derive(Template)]
#[template(path = "ladder/head.html")]
struct Head<'a> {
    ladder: &'a Ladder,
}

#[derive(Template)]
#[template(path = "ladder/pages.html")]
struct PagesNav<'a> {
    pages: &'a Pages,
    side: &'static str,
}

/// A row or note by itself, from the partial that the page uses.
#[derive(Template)]
#[template(path = "ladder/one.html")]
struct One<'a> {
    line: &'a Line,
    rest: &'a str,
}

/// Calls that belong here for a key they share.
#[derive(Debug)]
struct Joined {
    /// Tags of legs, and their colours.
    legs: Vec<(String, usize)>,
    /// Where no leg is drawn.
    call_id: String,
    /// The leg whose call the key names: its tag and colour.
    with: Option<(String, usize)>,
    /// `its X-CID names`
    because: String,
    value: String,
    sure: bool,
    href: String,
}

/// One of several attempts of a caller.
#[derive(Debug)]
struct Attempt {
    at: String,
    says: String,
    href: String,
}

#[derive(Debug)]
struct Pages {
    /// `rows 2,001 to 4,000 of 9,214`
    says: String,
    before: Option<String>,
    after: Option<(String, String)>,
}

pub fn page(asked: &Asked) -> Result<String, Error> {
    let Asked { picture, view, .. } = asked;
    let ladder = ladder(asked);
    let path = subject::path(&picture.scenario.row.subject);
    let detail = detail(&picture.flow, &picture.messages, &ladder, view, &path);
    render(&template(asked, ladder, path, detail))
}

fn ladder(asked: &Asked) -> Ladder {
    let Picture { messages, flow, .. } = &*asked.picture;
    let mut ladder = layout(flow, messages, &asked.judgement.told, &asked.view);
    ladder.columns.note_logs(flow, |log| asked.evidence.read(log));
    ladder.keep_places(&asked.judgement.places);
    ladder
}

fn template(asked: &Asked, ladder: Ladder, path: String, detail: Option<Detail>) -> ScenarioPage {
    let Asked { picture, evidence, view, frame, now, .. } = asked;
    let Picture { scenario, messages, flow, .. } = &**picture;
    let head = headline(scenario, flow, messages, evidence, &asked.judgement, asked.now);
    ScenarioPage {
        query: link(&View { open: None, tab: Tab::Parsed, page: None, ..view.clone() }),
        live: link(&View { page: (ladder.pages > 1).then_some(ladder.page), ..view.clone() }),
        version: asked.judgement.mark(picture.shown),
        verdict: verdict(&asked.judgement, (flow, messages), &ladder, view),
        title: title(&head),
        says_href: row_href(head.row, flow, messages, view),
        last: Clock::of(scenario.row.last, view.zone).to_the_second(),
        ago: ago(scenario.row.last, *now),
        joined: joined(scenario, flow, messages, view),
        related: asked.related.clone(),
        tries: head.tries.iter().map(|tried| attempt(tried, flow, messages, view)).collect(),
        problems: problems(&asked.judgement.told, flow, messages, view),
        notices: notices(asked, &ladder),
        whose: whose(&head, flow),
        branches: branches(flow, messages, is_lately(scenario.row.last, *now), view),
        tools: tools(flow, &ladder, view),
        rest: rest(view),
        detail,
        empty: empty(&ladder, view),
        pages: pages(&ladder, view),
        frame: frame.clone(),
        id: id(&scenario.row.subject),
        joins_later: scenario.row.subject.scenario().is_none(),
        path,
        head,
        ladder,
    }
}

/// A row of a ladder as it is drawn now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The id of its element, such as `m05e1c2a97f3b4d10-70120`.
    pub id: String,
    /// The whole `<li id=…>…</li>`.
    pub html: String,
}

/// What a live page shows: its rows and notes one by one, each as the page has it, and what stands around them.
#[derive(Debug)]
pub struct Live {
    pub rows: Vec<Row>,
    pub around: Around,
}

/// What stands around the rows: what came of it, the tools, columns and pages.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Around {
    /// Classes of the ladder.
    pub classes: String,
    /// Its parts, in the order in which they stand in the page.
    pub html: String,
}

pub fn live(asked: &Asked) -> Result<Live, Error> {
    let ladder = ladder(asked);
    let (classes, rows) = (ladder.classes(), rows_of(&ladder, &asked.view)?);
    let page = template(asked, ladder, subject::path(&asked.picture.scenario.row.subject), None);
    let title = render(&page.as_title())?;
    let mut html =
        format!("<title>{title} · Siptrail</title>{}{}", render(&page.as_verdict())?, render(&page.as_toolbar())?);
    if page.empty.is_none() {
        let (ladder, pages) = (&page.ladder, &page.pages);
        let [above, below] = ["above", "below"].map(|side| render(&PagesNav { pages, side }));
        html = format!("{html}<section id=\"flow\">{}{}{}</section>", above?, render(&Head { ladder })?, below?);
    }
    Ok(Live { rows, around: Around { classes, html } })
}

/// The same rows as a plain table, in order, with every word of the picture.
pub fn table(asked: &Asked) -> Result<String, Error> {
    let Asked { picture, evidence, view, frame, .. } = asked;
    let Picture { scenario, messages, flow, .. } = &**picture;
    let ladder = ladder(asked);
    let head = headline(scenario, flow, messages, evidence, &asked.judgement, asked.now);
    let template = TablePage {
        path: subject::path(&scenario.row.subject),
        id: id(&scenario.row.subject),
        joins_later: scenario.row.subject.scenario().is_none(),
        query: link(view),
        title: title(&head),
        verdict: verdict(&asked.judgement, (flow, messages), &ladder, view),
        zone: view.zone.label(scenario.row.first),
        notices: notices(asked, &ladder),
        tools: tools(flow, &ladder, view),
        rest: rest(view),
        empty: empty(&ladder, view),
        pages: pages(&ladder, view),
        frame: frame.clone(),
        head,
        ladder,
    };
    render(&template)
}

fn rows_of(ladder: &Ladder, view: &View) -> Result<Vec<Row>, Error> {
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
        Line::Unmet(unmet) => unmet.id.clone(),
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

/// Legs and columns of the address that this call does not have.
fn unknown(flow: &Flow, view: &View) -> Vec<String> {
    let said = |what: &str, name: &str, there: Vec<&str>| {
        let there = there.into_iter().take(MOST_NAMED).map(|name| shortened(name, LONGEST)).collect::<Vec<_>>();
        format!("There is no {what} \"{}\". This call has {}.", shortened(name, LONGEST), there.join(", "))
    };
    let legs = view.legs.iter().filter(|tag| !flow.legs.iter().any(|leg| leg.tag == **tag));
    let legs = legs.map(|tag| said("leg", tag, flow.legs.iter().map(|leg| leg.tag.as_str()).collect()));
    let nodes = view.nodes.iter().filter(|name| !flow.nodes.iter().any(|node| node.name == **name));
    let nodes = nodes.map(|name| said("column", name, flow.nodes.iter().map(|node| node.name.as_str()).collect()));
    legs.chain(nodes).take(MOST_NOTICES).collect()
}

/// What keeps the picture from being all there is.
fn notices(asked: &Asked, ladder: &Ladder) -> Vec<String> {
    let Asked { picture, view, misread, .. } = asked;
    let there = |id: MessageId| !picture.whole || picture.messages.iter().any(|message| message.id == id);
    let missing = view.open.filter(|open| !there(open.message));
    let missing = missing.map(|open| format!("The message {} is not one of this scenario.", open.message));
    let unknown = unknown(&picture.flow, view);
    let beyond = view.page.filter(|page| *page > ladder.pages);
    let beyond =
        beyond.map(|page| format!("There is no page {page} of this ladder: it has {}.", counted(ladder.pages, "page")));
    let held = || (count(picture.messages.len()), count(picture.scenario.row.messages));
    let cut = (!picture.whole).then(held).map(|(drawn, stored)| {
        format!("This picture holds the first {drawn} of {stored} messages; the API has them all.")
    });
    let damaged = (picture.unreadable > 0).then(|| {
        let messages = counted(picture.unreadable, "message");
        format!("{messages} of it cannot be read and are not shown: their rows in the database are damaged, as the log says.")
    });
    let address = misread.iter().cloned().chain(missing).chain(unknown).chain(beyond);
    let never = settling::never(&picture.scenario.row);
    address.chain(asked.evidence.warns()).chain(damaged).chain(cut).chain(never).collect()
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

/// Of a diverted call, and of several calls, they are those of several people.
fn whose(head: &Headline, flow: &Flow) -> String {
    match &head.callee {
        Some(callee) if head.forwarded.is_empty() && flow.course.callers.len() < 2 => format!("Devices of {callee}"),
        _ => "Devices".into(),
    }
}

fn joined(scenario: &Scenario, flow: &Flow, messages: &[Message], view: &View) -> Vec<Joined> {
    // A call alone carries its keys, too, but they joined nothing.
    let several = scenario.calls.len() > 1;
    let calls = scenario.calls.iter().filter(|_| several).filter_map(|call| Some((call, call.joined_by.as_ref()?)));
    // An answer that names no call is there by its request, and says nothing more.
    let calls = calls.filter(|(call, by)| call.call_id != by.message.to_string());
    let leg_of = |call_id: &str| {
        let leg = flow.legs.iter().position(|leg| leg.call_id == call_id)?;
        Some((flow.legs[leg].tag.clone(), colour(leg)))
    };
    let mut out: Vec<Joined> = Vec::new();
    for (call, by) in calls {
        let leg = leg_of(&call.call_id);
        let message = messages.iter().find(|message| message.id == by.message);
        let because = because(by, message);
        let alike = |one: &&mut Joined| !one.legs.is_empty() && one.value == by.value && one.because == because;
        if let (Some(leg), Some(one)) = (&leg, out.iter_mut().find(alike)) {
            one.legs.push(leg.clone());
            continue;
        }
        let open = Some(RowId { message: by.message, answer: false });
        out.push(Joined {
            legs: leg.clone().into_iter().collect(),
            call_id: call.call_id.clone(),
            with: leg_of(&by.value).filter(|with| by.space == "call" && Some(with) != leg.as_ref()),
            because,
            value: by.value.clone(),
            sure: by.sure,
            href: format!("{}#m{}", link(&View { open, page: None, ..view.clone() }), by.message),
        });
    }
    out
}

/// The header that bore the key, by its own name: `X-CID names`.
fn because(by: &Join, message: Option<&Message>) -> String {
    let bore = message.and_then(|message| {
        let bytes = message.body();
        let holds = |value: &[u8]| {
            let value = String::from_utf8_lossy(value).replace("%40", "@").to_lowercase();
            value.contains(&by.value.to_lowercase())
        };
        headers(bytes)
            .0
            .into_iter()
            .find(|header| !header.name.eq_ignore_ascii_case("call-id") && holds(&bytes[header.value.clone()]))
    });
    match (bore, by.space.as_str()) {
        (Some(header), "call") => format!("{} names", shortened(&header.name, LONGEST)),
        (Some(header), _) => format!("{} is the same:", shortened(&header.name, LONGEST)),
        (None, "call") => "message names the Call-ID".to_owned(),
        (None, space) => format!("{space} is the same:"),
    }
}

/// To a row, which is opened; nothing where there is none.
fn row_href(row: Option<usize>, flow: &Flow, messages: &[Message], view: &View) -> String {
    let id = row.map(|row| RowId::new(messages[flow.rows[row].message].id, flow.rows[row].half));
    let href = |id| format!("{}#m{id}", link(&View { open: Some(id), page: None, ..view.clone() }));
    id.map_or(String::new(), href)
}

fn attempt(tried: &Tried, flow: &Flow, messages: &[Message], view: &View) -> Attempt {
    Attempt {
        at: tried.at.map_or(String::new(), |at| Clock::of(at, view.zone).exact()),
        says: tried.says.clone(),
        href: row_href(tried.row, flow, messages, view),
    }
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
