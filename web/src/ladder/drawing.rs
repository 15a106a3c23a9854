//! From an entry of the flow to its row: lanes, times, label and remark.

use std::collections::HashMap;

use message::flow::{self, Flow, Half};
use message::kind::Kind;
use message::logged::Message;
use record::time::SECOND;

use super::columns::{Columns, colour};
use super::entry::{Entry, Seen, is_answer, is_hit, status};
use super::repeats::{sent_again, sightings, since_first};
use super::row::{Delta, Label, Mark, Remark, Row, Sign};
use super::talk::{self, Hold};
use super::view::{RowId, View};
use super::words::{Clock, duration, shortened};

/// Letters that fit into the whole width of a ladder of 1,400 px with the detail open.
const WIDTH: usize = 130;
/// Letters in a lane of a ladder that scrolls sideways.
const LEAST_LANE: usize = 17;
const LONGEST_PATH: usize = 60;

/// What rows need of the whole flow.
#[derive(Debug)]
pub struct Drawing<'a> {
    flow: &'a Flow,
    messages: &'a [Message],
    view: &'a View,
    columns: &'a Columns,
    /// By row: what it holds or resumes.
    holds: &'a HashMap<usize, Hold>,
    /// By transaction: the refusal of its INVITE, which its ACK is for.
    refusals: HashMap<usize, u16>,
    /// By leg: the row of the first ringing that reached its caller.
    rang: HashMap<usize, usize>,
    /// By node: the first row whose time was repaired, which says by how much.
    repaired: HashMap<usize, usize>,
    open: Option<usize>,
}

impl<'a> Drawing<'a> {
    /// `open` is the flow's row whose detail is open.
    pub fn new(
        (flow, messages): (&'a Flow, &'a [Message]),
        view: &'a View,
        columns: &'a Columns,
        holds: &'a HashMap<usize, Hold>,
        open: Option<usize>,
    ) -> Self {
        let mut refusals = HashMap::new();
        let mut rang = HashMap::new();
        let mut callers = HashMap::new();
        let mut repaired = HashMap::new();
        for (at, row) in flow.rows.iter().enumerate() {
            let message = &messages[row.message];
            if let (true, Some(node)) = (row.repaired, shifted(row, flow)) {
                repaired.entry(node).or_insert(at);
            }
            if message.kind != Kind::Sip || message.facts.method != "INVITE" {
                continue;
            }
            match status(message, row.half) {
                None => drop(callers.entry(row.leg).or_insert(row.from)),
                Some(180..190) if callers.get(&row.leg) == Some(&row.to) => drop(rang.entry(row.leg).or_insert(at)),
                Some(300..) => drop(refusals.insert(row.transaction, status(message, row.half).unwrap_or_default())),
                Some(_) => {}
            }
        }
        Self { flow, messages, view, columns, holds, refusals, rang, repaired, open }
    }

    pub fn row(&self, entry: &Entry, before: Option<&Entry>, is_open: bool) -> Row {
        let row = &self.flow.rows[entry.row];
        let message = &self.messages[entry.message];
        let lane = |node: usize| self.columns.lanes.get(node).copied().flatten().unwrap_or(0);
        let (from, to) = (lane(row.from), lane(row.to));
        let (from_name, to_name) = (&self.flow.nodes[row.from].name, &self.flow.nodes[row.to].name);
        let (label, remark) = self.words(entry, from, to);
        let answer = is_answer(message, row.half);
        Row {
            id: RowId::new(message.id, row.half),
            of: entry.row,
            message: entry.message,
            transaction: row.transaction,
            kind: row.kind,
            tag: self.flow.legs.get(row.leg).map_or(String::new(), |leg| leg.tag.clone()),
            colour: colour(row.leg),
            from,
            to,
            from_name: from_name.clone(),
            to_name: to_name.clone(),
            clock: Clock::of(entry.time, self.view.zone),
            delta: self.delta(entry, before),
            answer,
            status: status(message, row.half),
            label,
            remark,
            provisional: message.provisional,
            hit: is_hit(entry, self.flow, self.messages, self.view),
            problem: entry.problem,
            mark: if is_open { Mark::Open } else { self.mark(entry) },
            said: None,
            last_lane: from == to && from + 1 == self.columns.columns.len() && from > 0,
        }
    }

    fn delta(&self, entry: &Entry, before: Option<&Entry>) -> Delta {
        let row = &self.flow.rows[entry.row];
        let repaired = row.repaired;
        if self.messages[entry.message].provisional {
            return Delta { text: "provisional".into(), slow: 0, repaired };
        }
        let Some(before) = before else { return Delta { text: "0".into(), slow: 0, repaired } };
        // Both halves of an exchange bear the one time that was logged: nothing is known of the time between them.
        if row.half == Half::Response && before.message == entry.message {
            return Delta { text: "same line".into(), slow: 0, repaired };
        }
        let micros = entry.time.micros_since(before.time);
        let text = match micros {
            0 => "+0 ms".to_owned(),
            1.. => format!("+{}", duration(micros)),
            _ => duration(micros),
        };
        let slow = [SECOND / 5, SECOND, 4 * SECOND].iter().filter(|bound| micros >= **bound).count() as u8;
        Delta { text, slow, repaired }
    }

    fn mark(&self, entry: &Entry) -> Mark {
        let Some(open) = self.open else { return Mark::None };
        if open == entry.row {
            return Mark::Transaction;
        }
        let (row, open_row) = (&self.flow.rows[entry.row], &self.flow.rows[open]);
        let together = row.transaction == open_row.transaction
            || row.cancels == Some(open)
            || open_row.cancels.is_some_and(|invite| self.flow.rows[invite].transaction == row.transaction)
            || row.cancels.is_some_and(|invite| self.flow.rows[invite].transaction == open_row.transaction);
        if together { Mark::Transaction } else { Mark::None }
    }

    /// Label and remark: what does not fit over its arrow goes beyond the end with more room.
    fn words(&self, entry: &Entry, from: usize, to: usize) -> (Label, Option<Remark>) {
        let row = &self.flow.rows[entry.row];
        let message = &self.messages[entry.message];
        let lanes = self.columns.columns.len().max(1);
        let per_lane = per_lane(lanes);
        let (low, high) = (from.min(to), from.max(to));
        let hook = low == high;
        let room_over = if hook { per_lane } else { ((high - low) * per_lane).saturating_sub(2) };

        let (strong, text) = self.label(entry);
        let sdp = row.half != Half::Response && message.facts.sip.as_ref().is_some_and(|sip| sip.sdp.is_some());
        let mut used = strong.chars().count() + if sdp { 5 } else { 0 };
        let mut label = Label { strong, text: String::new(), sdp, small: String::new() };
        let mut beside: Vec<String> = Vec::new();
        // Each part as it reads over the arrow, and beside it.
        let took = self.took(entry);
        let took = took.map(|took| {
            // An answer to REST or a push does not say what was asked.
            let asked = row.pair.map(|pair| &self.messages[self.flow.rows[pair].message]);
            let said = Some(message).filter(|message| !message.facts.method.is_empty()).or(asked).unwrap_or(message);
            (format!("· {took}"), format!("{took} after {}", shortened(&said.facts.method, LONGEST_PATH)))
        });
        for (over, apart) in [(text.clone(), text)].into_iter().filter(|(text, _)| !text.is_empty()).chain(took) {
            let letters = over.chars().count() + 1;
            if used + letters <= room_over {
                used += letters;
                label.text.push_str(if label.text.is_empty() { "" } else { " " });
                label.text.push_str(&over);
            } else {
                beside.push(apart);
            }
        }
        let (said, sign) = self.remark(entry);
        beside.extend(said);
        if beside.is_empty() {
            return (label, None);
        }
        let text = beside.join(", ");
        let letters = text.chars().count() + 3 + if sign == Sign::None { 0 } else { 2 };
        let room = |lanes: usize| lanes * per_lane + per_lane / 2;
        let (left, right) = (room(low), room(lanes - 1 - high));
        if hook || letters > left.max(right) && used + letters <= room_over {
            label.small = text;
            return (label, None);
        }
        let right = right >= left;
        (label, Some(Remark { text, sign, right, lane: if right { high } else { low } }))
    }

    fn label(&self, entry: &Entry) -> (String, String) {
        let row = &self.flow.rows[entry.row];
        let message = &self.messages[entry.message];
        let facts = &message.facts;
        if is_answer(message, row.half) {
            let result = facts.result.as_ref().filter(|_| row.half == Half::Response);
            let reason = result.map_or(&facts.reason, |result| &result.reason);
            let Some(status) = status(message, row.half) else {
                return ("no answer".into(), shortened(reason, LONGEST_PATH));
            };
            let to = if facts.method == "CANCEL" && message.kind == Kind::Sip { " to CANCEL" } else { "" };
            return (status.to_string(), format!("{}{to}", shortened(reason, LONGEST_PATH)).trim_start().to_owned());
        }
        let text = match message.kind {
            Kind::Sip if row.from == row.to => "to itself".to_owned(),
            Kind::Sip if facts.method == "ACK" => {
                self.refusals.get(&row.transaction).map_or(String::new(), |status| format!("to {status}"))
            }
            Kind::Sip => {
                let hold = self.holds.get(&entry.row).map(|hold| hold.label().to_owned());
                hold.or_else(|| talk::label(message)).unwrap_or_default()
            }
            Kind::Rest => path(facts.target.as_deref().unwrap_or_default()),
            Kind::Push => {
                let provider = facts.push.as_ref().and_then(|push| push.provider.as_deref());
                shortened(provider.unwrap_or_default(), LONGEST_PATH)
            }
            Kind::Media => String::new(),
        };
        let method = if facts.method.is_empty() { &message.method } else { &facts.method };
        (shortened(method, LONGEST_PATH), text)
    }

    /// Time since the request, of a final answer that has one in another record.
    fn took(&self, entry: &Entry) -> Option<String> {
        let row = &self.flow.rows[entry.row];
        let message = &self.messages[entry.message];
        let final_answer = row.half == Half::Whole && status(message, row.half).is_some_and(|status| status >= 200);
        let request = &self.flow.rows[row.pair?];
        final_answer.then(|| duration(entry.time.micros_since(request.time)))
    }

    fn remark(&self, entry: &Entry) -> (Vec<String>, Sign) {
        let row = &self.flow.rows[entry.row];
        let message = &self.messages[entry.message];
        let mut said = Vec::new();
        let mut sign = Sign::None;
        let mut say = |text: String, with: Sign| {
            said.push(text);
            sign = sign.max(with);
        };
        if row.set_back > 0 && entry.seen == Seen::First {
            let source = shortened(&message.place.source, LONGEST_PATH);
            say(format!("the clock of {source} went back {}", duration(row.set_back)), Sign::Clock);
        }
        match entry.seen {
            Seen::First => {}
            Seen::Sighting => {
                say(format!("logged by {} too", shortened(&message.place.host, LONGEST_PATH)), Sign::Twice);
            }
            Seen::Repeat => say("sent again".into(), Sign::Again),
        }
        if self.view.fold && !row.sightings.is_empty() {
            say(sightings(row, self.flow, self.messages), Sign::Twice);
        }
        if self.view.fold && !row.repeats.is_empty() {
            say(sent_again(&since_first(row, self.flow, self.messages)), Sign::Again);
        }
        if self.rang.get(&row.leg) == Some(&entry.row)
            && entry.seen == Seen::First
            && self.flow.legs.get(row.leg).is_some_and(|leg| leg.parent.is_none())
            && let Some(request) = row.pair
        {
            say(format!("{} after INVITE", duration(row.time.micros_since(self.flow.rows[request].time))), Sign::None);
        }
        if row.pair.is_none() && row.half == Half::Whole && is_answer(message, row.half) {
            say("request not logged".into(), Sign::None);
        }
        if row.likely && is_answer(message, row.half) {
            say("likely its answer: only the order says so".into(), Sign::None);
        }
        if row.unclear {
            say("an answer came that may be its own, or another's".into(), Sign::None);
        }
        if let Some(node) = shifted(row, self.flow).filter(|node| self.repaired.get(node) == Some(&entry.row)) {
            let node = &self.flow.nodes[node];
            let side = if node.clock_shift > 0 { "behind" } else { "ahead" };
            let off = duration(node.clock_shift.saturating_abs());
            say(format!("clock of {} is {off} {side}", node.name), Sign::Clock);
        }
        if let Some(remark) = &row.remark {
            say(remark.clone(), Sign::None);
        }
        if message.provisional {
            say("the rest is not read yet".into(), Sign::None);
        }
        (said, sign)
    }
}

/// Letters that fit into a lane where there are so many.
pub fn per_lane(lanes: usize) -> usize {
    let lanes = lanes.max(1);
    (WIDTH / lanes).max(LEAST_LANE.min(WIDTH / lanes.min(10)))
}

/// The node of a row whose clock is off.
fn shifted(row: &flow::Row, flow: &Flow) -> Option<usize> {
    [row.from, row.to].into_iter().find(|node| flow.nodes[*node].clock_shift != 0)
}

/// The path of a URL, without scheme, host and query.
fn path(target: &str) -> String {
    let rest = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => target,
    };
    shortened(rest.split(['?', '#']).next().unwrap_or(rest), LONGEST_PATH)
}
