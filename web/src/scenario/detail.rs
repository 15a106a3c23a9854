//! The detail: one message, parsed, as bytes, its body, and the place it was logged at.

use message::flow::{Flow, Half};
use message::kind::Kind;
use message::record::Message;
use message::span::Flags;

use super::json;
use super::parsed::{Section, sections};
use super::sdp::{self, SdpLine};
use super::text::{Piece, flat, masked, pieces};
use super::tools::link;
use crate::ladder::drawing::{apart, since_first};
use crate::ladder::repeats::{Pace, pace};
use crate::ladder::row::Row;
use crate::ladder::view::{RowId, Tab, View};
use crate::ladder::words::{Clock, duration, seconds};
use crate::ladder::{Ladder, Line};
use crate::words::{count, counted};

/// Bytes shown in a pane; the file has the rest.
const LONGEST: usize = 256 << 10;
/// Other sightings and sendings listed one by one.
const MOST_LISTED: usize = 100;

#[derive(Debug)]
pub struct Detail {
    /// Set where the message asked for is folded into the row: then a link to it leads here.
    pub id: Option<String>,
    pub colour: usize,
    pub glyph: &'static str,
    pub tag: String,
    pub strong: String,
    pub text: String,
    /// `to INVITE`
    pub answers: Option<String>,
    pub from: String,
    pub to: String,
    pub clock: Clock,
    pub prev: Option<String>,
    pub next: Option<String>,
    pub close: String,
    pub tabs: Vec<TabLink>,
    pub flags: Vec<Flag>,
    pub content: Content,
    pub place: Place,
    /// Address of the message's bytes, and of this page with it open.
    pub file: String,
    pub link: String,
}

#[derive(Debug)]
pub struct TabLink {
    pub text: &'static str,
    pub href: String,
    pub current: bool,
}

/// Something to know about the message, before its text.
#[derive(Debug)]
pub struct Flag {
    pub glyph: &'static str,
    pub text: String,
    pub strong: String,
    pub rest: String,
}

#[derive(Debug)]
pub enum Content {
    Parsed(Vec<Section>),
    Raw { pieces: Vec<Piece>, more: String, line_ends: bool, toggle: String },
    Sdp(Vec<SdpLine>),
    Body { pieces: Vec<Piece>, more: String },
    Log { header: Vec<Piece>, facts: Vec<(&'static str, String)>, others: Vec<Other>, more: String },
}

/// Where it was logged.
#[derive(Debug)]
pub struct Place {
    pub host: String,
    pub path: String,
    pub offset: String,
    pub length: String,
    /// `whole`, or what is odd about it.
    pub state: String,
}

/// Another record of the same message.
#[derive(Debug)]
pub struct Other {
    pub what: &'static str,
    pub time: String,
    pub host: String,
    pub place: String,
    pub href: String,
}

pub fn detail(flow: &Flow, messages: &[Message], ladder: &Ladder, view: &View, path: &str) -> Option<Detail> {
    let (line, asked) = ladder.open?;
    let Line::Row(row) = ladder.lines.get(line)? else { return None };
    let message = &messages[asked];
    let of = &flow.rows[row.of];
    let here = RowId::new(message.id, of.half);
    let anchor = format!("#m{}", row.id);
    let with_tab = |tab| format!("{}{anchor}", link(&View { tab, ..view.clone() }));
    let beside = |other: Option<&Row>| {
        other.map(|row| format!("{}#m{}", link(&View { open: Some(row.id), page: None, ..view.clone() }), row.id))
    };
    let before = ladder.lines[..line].iter().rev().find_map(row_of);
    let after = ladder.lines[line + 1..].iter().find_map(row_of);
    let answers = row.answer && message.kind == Kind::Sip && message.facts.method != "CANCEL";
    Some(Detail {
        id: (here != row.id).then(|| format!("m{here}")),
        colour: row.colour,
        glyph: row.glyph(),
        tag: row.tag.clone(),
        strong: row.label.strong.clone(),
        text: title(message, of.half, row),
        answers: answers.then(|| format!("to {}", message.facts.method)),
        from: row.from_name.clone(),
        to: row.to_name.clone(),
        clock: if asked == row.message { row.clock.clone() } else { Clock::of(message.time, view.zone) },
        prev: beside(before),
        next: beside(after),
        close: format!("{}{anchor}", link(&View { open: None, tab: Tab::Parsed, ..view.clone() })),
        tabs: tabs(message, view.tab, with_tab),
        flags: flags(flow, messages, row, asked),
        content: content(flow, messages, row, asked, view, with_tab),
        place: place(message),
        file: format!("/m/{}.txt", message.id),
        link: format!("{path}{}#m{}", link(&View { open: Some(here), zone: view.zone, ..View::default() }), row.id),
    })
}

fn row_of(line: &Line) -> Option<&Row> {
    match line {
        Line::Row(row) => Some(row),
        Line::Note(_) => None,
    }
}

/// The label without times.
fn title(message: &Message, half: Half, row: &Row) -> String {
    match (row.answer, half) {
        (true, Half::Response) => message.facts.result.as_ref().map_or(String::new(), |result| result.reason.clone()),
        (true, _) => message.facts.reason.clone(),
        (false, _) => row.label.text.clone(),
    }
}

fn tabs(message: &Message, current: Tab, href: impl Fn(Tab) -> String) -> Vec<TabLink> {
    let body = match body(message) {
        [] => None,
        bytes if sdp::lines(bytes).is_some() => Some("SDP"),
        bytes if json::pretty(bytes).is_some() => Some("JSON"),
        _ => Some("Body"),
    };
    let tabs =
        [(Some("Parsed"), Tab::Parsed), (Some("Raw"), Tab::Raw), (body, Tab::Body), (Some("Log line"), Tab::Log)];
    let is = |tab| current == tab || tab == Tab::Raw && current == Tab::LineEnds;
    let shown = |tab| is(tab) || tab == Tab::Parsed && current == Tab::Body && body.is_none();
    let link =
        |(text, tab): (Option<&'static str>, Tab)| Some(TabLink { text: text?, href: href(tab), current: shown(tab) });
    tabs.into_iter().filter_map(link).collect()
}

fn content(
    flow: &Flow,
    messages: &[Message],
    row: &Row,
    asked: usize,
    view: &View,
    href: impl Fn(Tab) -> String,
) -> Content {
    let message = &messages[asked];
    match view.tab {
        Tab::Raw | Tab::LineEnds => {
            let line_ends = view.tab == Tab::LineEnds;
            let bytes = message.body();
            let shown = &bytes[..bytes.len().min(LONGEST)];
            let head = message.head;
            let masks: Vec<_> = message
                .masked
                .iter()
                .filter(|mask| mask.at >= head)
                .map(|mask| message::redact::Mask { at: mask.at - head, ..*mask })
                .collect();
            let toggle = href(if line_ends { Tab::Raw } else { Tab::LineEnds });
            Content::Raw { pieces: masked(shown, &masks, line_ends), more: more(bytes, shown), line_ends, toggle }
        }
        Tab::Body if !body(message).is_empty() => {
            let bytes = body(message);
            if let Some(lines) = sdp::lines(bytes) {
                return Content::Sdp(lines);
            }
            let shown = &bytes[..bytes.len().min(LONGEST)];
            match json::pretty(shown) {
                Some(text) => Content::Body { pieces: pieces(text.as_bytes(), false), more: String::new() },
                None => Content::Body { pieces: pieces(shown, false), more: more(bytes, shown) },
            }
        }
        Tab::Log => log(flow, messages, row, asked, view),
        Tab::Parsed | Tab::Body => Content::Parsed(sections(message)),
    }
}

fn more(bytes: &[u8], shown: &[u8]) -> String {
    match bytes.len() - shown.len() {
        0 => String::new(),
        left => format!("{} more bytes are in the raw file", count(left)),
    }
}

/// What is behind the header fields; of REST and push the whole message where it has none.
fn body(message: &Message) -> &[u8] {
    let bytes = message.body();
    let behind = |end: &[u8]| bytes.windows(end.len()).position(|part| part == end).map(|at| at + end.len());
    match (behind(b"\r\n\r\n"), behind(b"\n\n")) {
        _ if message.kind != Kind::Sip && bytes.trim_ascii_start().starts_with(b"{") => bytes,
        (Some(one), Some(other)) => &bytes[one.min(other)..],
        (Some(at), None) | (None, Some(at)) => &bytes[at..],
        (None, None) if message.kind == Kind::Sip => &[],
        (None, None) => bytes,
    }
}

fn flags(flow: &Flow, messages: &[Message], row: &Row, asked: usize) -> Vec<Flag> {
    let of = &flow.rows[row.of];
    let message = &messages[asked];
    let mut flags = Vec::new();
    let mut flag = |glyph, text: String| {
        flags.push(Flag { glyph, text, strong: String::new(), rest: String::new() });
    };
    if message.provisional {
        flag("g-clock", "Provisional: the rest of this record is not read yet.".into());
    }
    if of.half != Half::Whole {
        flag("g-to", "Request and result were logged as one record; nothing is known of the time between them.".into());
    }
    if !of.sightings.is_empty() {
        let all = || std::iter::once(&of.message).chain(&of.sightings).map(|at| &messages[*at]);
        let hosts: Vec<&str> = all().map(|message| message.place.host.as_str()).collect();
        let off = duration(apart(of, flow, messages));
        flag("g-twice", format!("Logged by {}, {off} apart.", hosts.join(" and ")));
    }
    if of.repaired {
        let shift = of.time.micros_since(messages[of.message].time);
        let side = if shift > 0 { "before" } else { "after" };
        let off = duration(shift.saturating_abs());
        flag("g-clock", format!("Logged {off} {side} the time shown here: the clock of its host is off."));
    }
    for fault in message.facts.faults.iter().take(20) {
        flag("g-missing", format!("Not as the grammar has it: {} at byte {}.", fault.what, count(fault.at)));
    }
    if !of.repeats.is_empty() {
        flags.push(sent_again(&messages[of.message], &since_first(of, flow, messages)));
    }
    flags
}

/// `Sent 11 times: again at +0.5, 1.5 … and 31.5 s. As RFC 3261 prescribes when no ACK comes.`
fn sent_again(message: &Message, since: &[i64]) -> Flag {
    let mut times: Vec<String> = since.iter().take(MOST_LISTED).map(|at| seconds(*at)).collect();
    let last = times.pop().unwrap_or_default();
    let list = if times.is_empty() { format!("+{last}") } else { format!("+{} and {last}", times.join(", ")) };
    let more = since.len().saturating_sub(MOST_LISTED);
    let more = if more > 0 { format!(", and {more} times more") } else { String::new() };
    let text = format!("Sent {} times: again at {list} s{more}. ", since.len() + 1);
    let accepted = message.facts.response && message.facts.status.is_some_and(|status| status < 300);
    let (strong, rest) = match pace(message, since) {
        Pace::Rfc3261 if accepted => ("As RFC 3261", " prescribes when no ACK comes."),
        Pace::Rfc3261 if message.facts.response => ("As RFC 3261", " prescribes until the ACK comes."),
        Pace::Rfc3261 => ("As RFC 3261", " prescribes when no answer comes."),
        Pace::Odd => ("Odd", ": not the intervals of RFC 3261 (0.5 s, doubling)."),
        Pace::NoTimer => ("", "No timer of RFC 3261 sends this: something asked for it again."),
    };
    Flag { glyph: "g-again", text, strong: strong.into(), rest: rest.into() }
}

fn log(flow: &Flow, messages: &[Message], row: &Row, asked: usize, view: &View) -> Content {
    let message = &messages[asked];
    let place = &message.place;
    let mut facts = vec![
        ("Host", place.host.clone()),
        ("File", place.path.clone()),
        ("Offset", format!("{} + {} bytes", count(message.id.offset.0), count(message.len))),
        ("Source", place.source.clone()),
        ("Agent", place.agent.clone()),
        ("Stream", message.id.stream.to_string()),
        ("Time as logged", Clock::of(message.time, view.zone).full()),
        ("State", state(message)),
    ];
    if !message.masked.is_empty() {
        facts.push(("Masked", counted(message.masked.len(), "value")));
    }
    let of = &flow.rows[row.of];
    let first = [of.message];
    let listed: [(&'static str, &[usize]); 4] = [
        ("first logged", &first),
        ("also logged", &of.sightings),
        ("sent again, logged", &of.repeats),
        ("sent again, also logged", &of.repeat_sightings),
    ];
    let listed: Vec<(&'static str, usize)> =
        listed.into_iter().flat_map(|(what, all)| all.iter().map(move |at| (what, *at))).collect();
    let other = |(what, at): &(&'static str, usize)| {
        let other = &messages[*at];
        let id = RowId::new(other.id, of.half);
        Other {
            what,
            time: Clock::of(other.time, view.zone).exact(),
            host: other.place.host.clone(),
            place: format!("{}:{}", other.place.path, other.id.offset),
            href: format!("{}#m{}", link(&View { open: Some(id), ..view.clone() }), row.id),
        }
    };
    let others: Vec<Other> = listed.iter().filter(|(_, at)| *at != asked).take(MOST_LISTED).map(other).collect();
    let left = listed.len().saturating_sub(1 + others.len());
    Content::Log {
        header: pieces(message.header(), true),
        facts,
        others,
        more: if left > 0 { format!("and {}", counted(left, "more record")) } else { String::new() },
    }
}

fn place(message: &Message) -> Place {
    Place {
        host: message.place.host.clone(),
        path: flat(message.place.path.as_bytes()),
        offset: count(message.id.offset.0),
        length: count(message.len),
        state: state(message),
    }
}

fn state(message: &Message) -> String {
    if message.provisional {
        return "not read to its end yet".into();
    }
    if message.flags == Flags::NONE {
        return "whole".into();
    }
    message.flags.names().join(", ").replace('_', " ")
}
