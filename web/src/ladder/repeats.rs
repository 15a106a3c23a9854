//! What is folded into a row, in words: sightings and retransmissions, these against the timers of RFC 3261: T1 = 500 ms,
//! doubling, to T2 = 4 s where the RFC has that cap.

use message::flow::{Flow, Row};
use message::kind::Kind;
use message::logged::Message;
use record::time::SECOND;

use super::entry::displayed;
use super::words::{duration, seconds};

const T1: i64 = SECOND / 2;
const T2: i64 = 4 * SECOND;

/// `2 sightings, 4 ms apart`
pub fn sightings(row: &Row, flow: &Flow, messages: &[Message]) -> String {
    format!("{} sightings, {} apart", row.sightings.len() + 1, duration(apart(row, flow, messages)))
}

/// Microseconds between the first and the last log of one sending, by the times shown.
pub fn apart(row: &Row, flow: &Flow, messages: &[Message]) -> i64 {
    let times = || std::iter::once(&row.message).chain(&row.sightings).map(|at| displayed(flow, messages, *at).0);
    times().max().unwrap_or(0).saturating_sub(times().min().unwrap_or(0))
}

/// `again at +0.5 s`, `again at +0.5, +1.5 s`, `sent 11 times over 31.5 s`
pub fn sent_again(since: &[i64]) -> String {
    match since {
        [once] if *once >= SECOND / 10 => format!("again at +{} s", seconds(*once)),
        [once] => format!("again at +{}", duration(*once)),
        [one, two] if *one >= SECOND / 10 => format!("again at +{}, +{} s", seconds(*one), seconds(*two)),
        many => format!("sent {} times over {}", many.len() + 1, duration(many.last().copied().unwrap_or(0))),
    }
}

/// Microseconds from the first sending to each later one, in order.
pub fn since_first(row: &Row, flow: &Flow, messages: &[Message]) -> Vec<i64> {
    let first = displayed(flow, messages, row.message);
    let since = row.repeats.iter().map(|at| displayed(flow, messages, *at).micros_since(first));
    let mut since: Vec<i64> = since.collect();
    since.sort_unstable();
    since
}

/// What the times of a message sent again say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// The intervals are those of the RFC.
    Rfc3261,
    /// They are not; or a reliable transport repeats what it need not.
    Odd,
    /// The RFC sets no timer: the answer to a request sent again, an ACK to a 2xx sent again, REST, push.
    NoTimer,
}

/// Compares the times of sendings after the first, in microseconds since the first.
pub fn pace(message: &Message, since_first: &[i64]) -> Pace {
    let Some(cap) = cap(message) else { return Pace::NoTimer };
    let invite = message.facts.method == "INVITE";
    // Over a reliable transport only a 2xx to INVITE is sent again (13.3.1.4); Timers A, E and G are not set (17.1.1.2).
    let accepted = message.facts.response && message.facts.status.is_some_and(|status| (200..300).contains(&status));
    if is_reliable(message) && !(invite && accepted) {
        return Pace::Odd;
    }
    let (mut interval, mut before) = (T1, 0);
    for at in since_first {
        if (at - before - interval).abs() > interval / 8 + 100_000 {
            return Pace::Odd;
        }
        before = *at;
        interval = (interval * 2).min(cap);
    }
    Pace::Rfc3261
}

/// The longest interval of the timer that sends this message again; none where no timer does.
fn cap(message: &Message) -> Option<i64> {
    let facts = &message.facts;
    if message.kind != Kind::Sip || facts.method == "ACK" {
        return None;
    }
    match (facts.response, facts.method.as_str(), facts.status) {
        // Timer A doubles without a cap (17.1.1.2), Timer E to T2 (17.1.2.2).
        (false, "INVITE", _) => Some(64 * T1),
        (false, ..) => Some(T2),
        // A 2xx by the core (13.3.1.4), the rest by Timer G (17.2.1).
        (true, "INVITE", Some(status)) if status >= 200 => Some(T2),
        (true, ..) => None,
    }
}

fn is_reliable(message: &Message) -> bool {
    let via = message.facts.sip.as_ref().and_then(|sip| sip.vias.first());
    via.is_some_and(|via| matches!(via.transport.to_ascii_uppercase().as_str(), "TCP" | "TLS" | "WS" | "WSS" | "SCTP"))
}
