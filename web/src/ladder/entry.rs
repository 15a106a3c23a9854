//! Which rows of a flow are in view, and what the others are hidden by.

use std::collections::HashSet;

use message::event::CallClass;
use message::flow::{Flow, Half, Row};
use message::kind::Kind;
use message::logged::Message;
use record::time::Timestamp;

use super::find;
use super::view::{Hide, RowId, View};

/// One line to draw: a row of the flow, or, unfolded, one of the messages folded into it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Index of the flow's row.
    pub row: usize,
    /// Index of the message drawn.
    pub message: usize,
    pub time: Timestamp,
    pub seen: Seen,
    /// Something went wrong here.
    pub problem: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    First,
    /// Another log of the same sending.
    Sighting,
    /// A later sending of the same message.
    Repeat,
}

/// Why a row is out of view: a bit for each kind of filter, in the order of `FILTERS`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hidden(u8);

/// The names of the filters in the address.
pub const FILTERS: [&str; 8] = ["leg", "kind", "method", "status", "node", "only", "hide", "find"];
pub const LEG: Hidden = Hidden(1);
pub const KIND: Hidden = Hidden(1 << 1);
pub const ONLY: Hidden = Hidden(1 << 5);
pub const HIDE: Hidden = Hidden(1 << 6);
pub const FIND: Hidden = Hidden(1 << 7);

impl Hidden {
    pub fn in_view(self) -> bool {
        self.0 == 0
    }

    /// It would be in view without this filter.
    pub fn but_for(self, filter: Hidden) -> bool {
        self.0 & !filter.0 == 0
    }

    pub fn by(self) -> impl Iterator<Item = usize> {
        (0..FILTERS.len()).filter(move |bit| self.0 & 1 << bit != 0)
    }
}

impl Entry {
    pub fn id(&self, flow: &Flow, messages: &[Message]) -> RowId {
        RowId::new(messages[self.message].id, flow.rows[self.row].half)
    }
}

/// Every row, in display order; each stored message once if the view does not fold (an exchange twice, as its halves).
pub fn entries(flow: &Flow, messages: &[Message], view: &View) -> Vec<Entry> {
    let fold = view.fold;
    let wrong: HashSet<usize> = flow.course.problems_at(view.read_to).map(|problem| problem.row).collect();
    let mut out = Vec::with_capacity(flow.rows.len());
    for (at, row) in flow.rows.iter().enumerate() {
        let problem = wrong.contains(&at);
        out.push(Entry { row: at, message: row.message, time: row.time, seen: Seen::First, problem });
        if fold {
            continue;
        }
        let sightings = row.sightings.iter().chain(&row.repeat_sightings).map(|message| (*message, Seen::Sighting));
        for (message, seen) in sightings.chain(row.repeats.iter().map(|message| (*message, Seen::Repeat))) {
            out.push(Entry { row: at, message, time: displayed(flow, messages, message), seen, problem: false });
        }
    }
    if !fold {
        out.sort_by_key(|entry| entry.time);
    }
    out
}

/// The messages folded into a row, beside its own.
pub fn folded(row: &Row) -> impl Iterator<Item = usize> {
    row.sightings.iter().chain(&row.repeats).chain(&row.repeat_sightings).copied()
}

/// The time a message is shown at: as logged, or repaired.
pub fn displayed(flow: &Flow, messages: &[Message], message: usize) -> Timestamp {
    flow.times.get(message).copied().unwrap_or(messages[message].time)
}

/// What hides a row under this view. The open message hides from nothing, so a link to it always leads somewhere.
pub fn hidden(entry: &Entry, flow: &Flow, messages: &[Message], view: &View) -> Hidden {
    let row = &flow.rows[entry.row];
    let message = &messages[entry.message];
    if view.open.is_some_and(|open| holds(entry, flow, messages, view.fold, open)) {
        return Hidden::default();
    }
    let status = status(message, row.half).map(|status| status.to_string());
    let tests: [bool; FILTERS.len()] = [
        view.legs.is_empty() || flow.legs.get(row.leg).is_some_and(|leg| view.legs.contains(&leg.tag)),
        if view.kinds.is_empty() { row.kind != Kind::Media } else { view.kinds.contains(&row.kind) },
        view.methods.is_empty() || view.methods.iter().any(|method| method.eq_ignore_ascii_case(&message.facts.method)),
        view.statuses.is_empty()
            || status.is_some_and(|status| view.statuses.iter().any(|wanted| is_status(&status, wanted))),
        view.nodes.is_empty() || [row.from, row.to].iter().any(|node| view.nodes.contains(&flow.nodes[*node].name)),
        !view.problems || entry.problem,
        !view.hide.iter().any(|hide| is_hidden_as(*hide, row, message, flow)),
        !view.found || view.find.is_empty() || is_hit(entry, flow, messages, view),
    ];
    Hidden(tests.iter().enumerate().map(|(bit, passed)| u8::from(!passed) << bit).sum())
}

/// It holds the text that is looked for, itself or in what is folded into it.
pub fn is_hit(entry: &Entry, flow: &Flow, messages: &[Message], view: &View) -> bool {
    let holds = |message: usize| find::holds(&messages[message], &view.find);
    let folded = || view.fold && folded(&flow.rows[entry.row]).any(holds);
    !view.find.is_empty() && (holds(entry.message) || folded())
}

/// This entry shows the message, itself or folded.
pub fn holds(entry: &Entry, flow: &Flow, messages: &[Message], fold: bool, wanted: RowId) -> bool {
    let row = &flow.rows[entry.row];
    let is = |message: usize| messages[message].id == wanted.message;
    if wanted.answer != (row.half == Half::Response) {
        return false;
    }
    is(entry.message) || fold && folded(row).any(is)
}

/// The status this row shows; none for requests and for exchanges without an answer.
pub fn status(message: &Message, half: Half) -> Option<u16> {
    match half {
        Half::Request => None,
        Half::Response => message.facts.result.as_ref().and_then(|result| result.status),
        Half::Whole if is_answer(message, half) => message.facts.status,
        Half::Whole => None,
    }
}

/// An answer rather than a request.
pub fn is_answer(message: &Message, half: Half) -> bool {
    half == Half::Response || half == Half::Whole && message.facts.response
}

pub fn is_hidden_as(hide: Hide, row: &Row, message: &Message, flow: &Flow) -> bool {
    match hide {
        Hide::Trying => message.kind == Kind::Sip && status(message, row.half) == Some(100),
        Hide::Options => message.kind == Kind::Sip && message.facts.method == "OPTIONS",
        Hide::Keepalives => flow.legs.get(row.leg).is_some_and(|leg| leg.class == CallClass::Keepalive),
    }
}

fn is_status(status: &str, wanted: &str) -> bool {
    match wanted.strip_suffix("xx") {
        Some(class) => status.strip_prefix(class).is_some_and(|rest| rest.len() == 2),
        None => status == wanted,
    }
}
