//! Where a message was logged: its line, its file, and the other records of it.

use message::flow::Flow;
use message::logged::Message;
use record::span::Flags;

use super::text::{Look, Piece, Room, flat, pieces};
use super::tools::link;
use crate::ladder::row::Row;
use crate::ladder::view::{RowId, View};
use crate::ladder::words::Clock;
use crate::words::{count, counted};

/// Other records listed one by one.
const MOST_LISTED: usize = 100;

/// What is odd about a record, as docs/log-format.md explains.
const ODD: [(Flags, &str); 10] = [
    (Flags::LENGTH_MISMATCH, "its Content-Length does not fit, so it ends where the next header line begins"),
    (Flags::AMBIGUOUS_BOUNDARY, "where it ends is not certain"),
    (Flags::INTERLEAVE_SUSPECT, "two writers may have mixed their lines here"),
    (Flags::OVERSIZE, "longer than the record limit, kept in full"),
    (Flags::ORPHAN_FRAGMENT, "bytes whose header line is not known"),
    (Flags::CUT_BY_ROTATION, "cut off: its file ended inside it"),
    (
        Flags::AMBIGUOUS_TIME,
        "its local time came twice that day: which one it is was decided by when the line was read",
    ),
    (Flags::KIND_GUESSED, "taken for REST, as nothing says what it is"),
    (Flags::RECEIVED_TIME, "its time is when it was received"),
    (Flags::UNFINISHED, "not read to its end yet"),
];

#[derive(Debug)]
pub struct LogLine {
    pub header: Vec<Piece>,
    pub facts: Vec<(&'static str, String)>,
    pub others: Vec<Other>,
    pub more: String,
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

pub fn log_line(flow: &Flow, messages: &[Message], row: &Row, asked: usize, view: &View) -> LogLine {
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
    LogLine {
        header: header(message),
        facts,
        others,
        more: if left > 0 { format!("and {}", counted(left, "more record")) } else { String::new() },
    }
}

/// Not every message has a header line of its own.
fn header(message: &Message) -> Vec<Piece> {
    if message.head > 0 {
        let (mut header, left) = pieces(message.header(), true, &mut Room::pane());
        header.extend((left > 0).then(|| Piece { text: format!("… {left} more bytes"), look: Look::Control }));
        return header;
    }
    let lost = message.flags.contains(Flags::ORPHAN_FRAGMENT);
    let why = if lost { "its header line is not known" } else { "it follows another message of the same record" };
    vec![Piece { text: format!("none of its own: {why}"), look: Look::Control }]
}

pub fn place(message: &Message) -> Place {
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
    if message.flags == Flags::empty() {
        return "whole".into();
    }
    let odd = ODD.iter().filter(|(flag, _)| message.flags.contains(*flag)).map(|(_, says)| *says);
    odd.collect::<Vec<_>>().join("; ")
}
