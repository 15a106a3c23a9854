//! What there is to know about a message before its text: sightings, sendings, repaired time, faults.

use message::flow::{Flow, Half};
use message::logged::Message;
use message::sip::Fault;

use super::faults::{field_of, sentence};
use super::header::headers;
use crate::ladder::repeats::{Pace, apart, pace, since_first};
use crate::ladder::row::Row;
use crate::ladder::words::{duration, seconds};

/// Sendings listed one by one.
const MOST_LISTED: usize = 100;

#[derive(Debug)]
pub struct Flag {
    pub glyph: &'static str,
    pub text: String,
    pub strong: String,
    pub rest: String,
    /// Another row, by its id.
    pub to: String,
}

/// `parsed`: beside its line each fault is told by the view itself.
pub fn flags(flow: &Flow, messages: &[Message], row: &Row, asked: usize, parsed: bool) -> Vec<Flag> {
    let of = &flow.rows[row.of];
    let message = &messages[asked];
    let mut flags = Vec::new();
    let mut flag = |glyph, text: String| {
        flags.push(Flag { glyph, text, strong: String::new(), rest: String::new(), to: String::new() });
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
    let (headers, _) = if message.facts.faults.is_empty() { Default::default() } else { headers(message.body()) };
    let beside = |fault: &&Fault| parsed && field_of(fault, &headers).is_some();
    for fault in message.facts.faults.iter().filter(|fault| !beside(fault)).take(20) {
        flag("g-missing", sentence(fault, &headers));
    }
    if let Some(said) = &row.said {
        let text = format!("{}, {}. ", said.short, said.says);
        let due = said.anchors.iter().find_map(|anchor| anchor.strip_suffix(".came")).unwrap_or_default();
        let (strong, rest) = (String::new(), String::new());
        flags.push(Flag { glyph: "g-missing", text, strong, rest, to: due.to_owned() });
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
    Flag { glyph: "g-again", text, strong: strong.into(), rest: rest.into(), to: String::new() }
}
