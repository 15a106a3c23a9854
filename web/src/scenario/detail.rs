//! The detail: one message, parsed, as bytes, its body, and the place it was logged at.

use std::borrow::Cow;

use message::flow::{Flow, Half};
use message::kind::Kind;
use message::logged::Message;
use message::rest::{self, Http, Part};

use super::curl::curl;
use super::flags::{Flag, flags};
use super::json;
use super::logged::{LogLine, Place, log_line, place};
use super::parsed::{Section, sections};
use super::sdp::{self, SdpLine};
use super::text::{Piece, Room, found, masked, pieces};
use super::tools::link;
use crate::ladder::row::Row;
use crate::ladder::view::{RowId, Tab, View};
use crate::ladder::words::{Clock, shortened};
use crate::ladder::{Ladder, Line};
use crate::words::count;

/// Letters of a reason phrase or a method, which may be a million.
const LONGEST: usize = 200;
/// Places of a text that are marked in a pane.
const MOST_FOUND: usize = 500;
/// Bytes that a button holds.
const LONGEST_COPY: usize = 1_000;

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
    pub copies: Vec<Copy>,
    pub place: Place,
    /// Address of the message's bytes, and of this page with it open.
    pub file: String,
    pub link: String,
}

/// What a button copies.
#[derive(Debug)]
pub struct Copy {
    pub name: &'static str,
    pub text: String,
}

#[derive(Debug)]
pub struct TabLink {
    pub text: &'static str,
    pub href: String,
    pub current: bool,
}

#[derive(Debug)]
pub enum Content {
    Parsed(Vec<Section>),
    Raw { pieces: Vec<Piece>, more: String, line_ends: bool, toggle: String },
    Sdp { lines: Vec<SdpLine>, more: String },
    Body { pieces: Vec<Piece>, more: String },
    Log(LogLine),
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
    let content = content(flow, messages, row, asked, view, with_tab).marked(&view.find);
    let answers = row.answer && message.kind == Kind::Sip && message.facts.method != "CANCEL";
    Some(Detail {
        id: (here != row.id).then(|| format!("m{here}")),
        colour: row.colour,
        glyph: row.glyph(),
        tag: row.tag.clone(),
        strong: row.label.strong.clone(),
        text: title(message, of.half, row),
        answers: answers.then(|| format!("to {}", shortened(&message.facts.method, LONGEST))),
        from: row.from_name.clone(),
        to: row.to_name.clone(),
        clock: if asked == row.message { row.clock.clone() } else { Clock::of(message.time, view.zone) },
        prev: beside(before),
        next: beside(after),
        close: format!("{}{anchor}", link(&View { open: None, tab: Tab::Parsed, ..view.clone() })),
        tabs: tabs(message, view.tab, with_tab),
        flags: flags(flow, messages, row, asked, matches!(content, Content::Parsed(_))),
        content,
        copies: copies(message),
        place: place(message),
        file: format!("/m/{}.txt", message.id),
        link: format!("{path}{}#m{}", link(&View { open: Some(here), zone: view.zone, ..View::default() }), row.id),
    })
}

impl Content {
    /// With what the reader looks for.
    fn marked(mut self, text: &str) -> Self {
        let mut left = MOST_FOUND;
        let mut mark = |pieces: &mut Vec<Piece>| *pieces = found(std::mem::take(pieces), text, &mut left);
        match &mut self {
            Self::Parsed(sections) => {
                sections.iter_mut().flat_map(|section| &mut section.fields).for_each(|field| mark(&mut field.value));
            }
            Self::Raw { pieces, .. } | Self::Body { pieces, .. } => mark(pieces),
            Self::Sdp { lines, .. } => lines.iter_mut().for_each(|line| mark(&mut line.text)),
            Self::Log(log) => mark(&mut log.header),
        }
        self
    }
}

fn row_of(line: &Line) -> Option<&Row> {
    match line {
        Line::Row(row) => Some(row),
        Line::Note(_) | Line::Unmet(_) => None,
    }
}

fn copies(message: &Message) -> Vec<Copy> {
    let call_id = message.facts.call_id.clone().filter(|id| id.len() <= LONGEST_COPY);
    let all = [("Call-ID", call_id), ("curl", curl(message))];
    all.into_iter().filter_map(|(name, text)| Some(Copy { name, text: text? })).collect()
}

/// The label without times.
fn title(message: &Message, half: Half, row: &Row) -> String {
    let text = match (row.answer, half) {
        (true, Half::Response) => message.facts.result.as_ref().map_or("", |result| &result.reason),
        (true, _) => &message.facts.reason,
        (false, _) => &row.label.text,
    };
    shortened(text, LONGEST)
}

fn tabs(message: &Message, current: Tab, href: impl Fn(Tab) -> String) -> Vec<TabLink> {
    let body = match &*body(message) {
        [] => None,
        bytes if sdp::is_sdp(bytes) => Some("SDP"),
        bytes if json::is_json(bytes) => Some("JSON"),
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
            let head = message.head;
            let masks: Vec<_> = message
                .masked
                .iter()
                .filter(|mask| mask.at >= head)
                .map(|mask| record::redact::Mask { at: mask.at - head, ..*mask })
                .collect();
            let toggle = href(if line_ends { Tab::Raw } else { Tab::LineEnds });
            let (pieces, left) = masked(bytes, &masks, line_ends, &mut Room::pane());
            Content::Raw { pieces, more: more(left), line_ends, toggle }
        }
        Tab::Body if !body(message).is_empty() => {
            let bytes = &*body(message);
            let room = &mut Room::pane();
            if sdp::is_sdp(bytes) {
                let (lines, left) = sdp::lines(bytes, room);
                return Content::Sdp { lines, more: more(left) };
            }
            let (pieces, left) = match json::pretty(bytes, Room::PANE) {
                Some((text, cut)) => {
                    let (pieces, left) = pieces(text.as_bytes(), false, room);
                    // The blanks at the start of a line are ours.
                    let lines = text.as_bytes()[text.len() - left..].split(|byte| *byte == b'\n');
                    (pieces, cut + lines.map(|line| line.trim_ascii_start().len()).sum::<usize>())
                }
                None => pieces(bytes, false, room),
            };
            Content::Body { pieces, more: more(left) }
        }
        Tab::Log => Content::Log(log_line(flow, messages, row, asked, view)),
        Tab::Parsed | Tab::Body => Content::Parsed(sections(message, view.zone)),
    }
}

/// What a pane says of bytes that it does not show.
fn more(left: usize) -> String {
    match left {
        0 => String::new(),
        left => format!("{} more bytes are in the raw file", count(left)),
    }
}

/// What is behind the header fields; of REST and push the whole message where it has none. What one HTTP message sent
/// in chunks is put together.
fn body(message: &Message) -> Cow<'_, [u8]> {
    let bytes = message.body();
    if message.kind != Kind::Sip
        && let [Part::Http(Http { body: body @ Cow::Owned(_), .. })] = &rest::parts(bytes)[..]
    {
        return Cow::Owned(body.to_vec());
    }
    let behind = |end: &[u8]| bytes.windows(end.len()).position(|part| part == end).map(|at| at + end.len());
    Cow::Borrowed(match (behind(b"\r\n\r\n"), behind(b"\n\n")) {
        _ if message.kind != Kind::Sip && bytes.trim_ascii_start().starts_with(b"{") => bytes,
        (Some(one), Some(other)) => &bytes[one.min(other)..],
        (Some(at), None) | (None, Some(at)) => &bytes[at..],
        (None, None) if message.kind == Kind::Sip => &[],
        (None, None) => bytes,
    })
}
