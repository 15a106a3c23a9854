//! Numbers, people and outcomes in the words of the pages; spans of time are in [`crate::ladder::words`].

use message::event::CallClass;
use record::time::{MINUTE, Timestamp};
use rule::verdict;
use store::scenario::ScenarioRow;

/// A proxy gives up ringing after so long (RFC 3261, timer C).
const RINGS: i64 = 3 * MINUTE;

/// What decides the words of a scenario's outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Came {
    pub class: CallClass,
    /// Final status that its caller, or whoever opened it, got.
    pub status: Option<u16>,
    pub rang: bool,
    /// A registration that was taken back.
    pub leaves: bool,
    /// Something of it was logged a moment ago, so its end may just not be there yet.
    pub lately: bool,
}

impl Came {
    pub fn of(row: &ScenarioRow) -> Self {
        let status = row.status.or(row.answered.map(|_| 200).filter(|_| row.class == CallClass::Call));
        let class = class_of(row);
        let leaves = class == CallClass::Registration && row.ending.is_some();
        Self { class, status, rang: row.rang.is_some(), leaves, lately: false }
    }

    pub fn at(row: &ScenarioRow, now: Timestamp) -> Self {
        Self { lately: is_lately(row.last, now), ..Self::of(row) }
    }

    /// Of a call without a final status: what it does now.
    pub fn goes_on(&self) -> Option<&'static str> {
        let open = self.class == CallClass::Call && self.status.is_none() && self.lately;
        open.then_some(if self.rang { "ringing" } else { "no answer yet" })
    }
}

/// Of a call of which no SIP is logged nothing is known but its pushes or REST requests: it is none.
pub fn class_of(row: &ScenarioRow) -> CallClass {
    if row.class == CallClass::Call && row.kinds[0] == 0 { CallClass::Other } else { row.class }
}

/// What was logged last is so recent that more may come: a call may still ring.
pub fn is_lately(last: Timestamp, now: Timestamp) -> bool {
    now.micros_since(last) < RINGS
}

/// How a scenario came out, as its final status says; never a verdict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    pub text: String,
    /// A class of `app.css`: `good`, `bad`, or nothing.
    pub tone: &'static str,
}

/// The final status in words.
pub fn outcome(came: &Came) -> Outcome {
    let call = came.class == CallClass::Call;
    if let Some(text) = came.goes_on() {
        return Outcome { text: text.into(), tone: "" };
    }
    let (text, tone) = match came.status {
        Some(200..=299) if call => ("answered", "good"),
        Some(200..=299) if came.class == CallClass::Registration && came.leaves => ("deregistered", ""),
        Some(200..=299) if came.class == CallClass::Registration => ("registered", "good"),
        Some(200..=299) => ("ok", "good"),
        Some(486 | 600) if call => ("busy", ""),
        Some(487) => ("cancelled", ""),
        Some(603) if call => ("declined", ""),
        Some(480) if call => ("unavailable", ""),
        Some(408) if call => ("no answer in time", ""),
        Some(401 | 407) => ("not authorised", ""),
        Some(status @ 300..=399) => (reason(status), ""),
        Some(status @ 500..=599) => (reason(status), "bad"),
        Some(status) => (reason(status), ""),
        None if call && came.rang => ("rang, no final answer logged", ""),
        None if matches!(came.class, CallClass::Other) => ("no status", ""),
        None => ("no final answer logged", ""),
    };
    Outcome { text: text.into(), tone }
}

/// The word for what rules say, and a class of `app.css`.
pub fn judged(outcome: verdict::Outcome) -> (&'static str, &'static str) {
    match outcome {
        verdict::Outcome::Failed => ("failed", "bad"),
        verdict::Outcome::Late => ("late", "warn"),
        verdict::Outcome::Unknown => ("cannot tell", ""),
        verdict::Outcome::Open => ("open", ""),
        verdict::Outcome::Business => ("business", ""),
        verdict::Outcome::Ok => ("ok", "good"),
    }
}

/// Reason phrase of a status (RFC 3261, 21, and registered later), lower case.
pub fn reason(status: u16) -> &'static str {
    match status {
        300 => "multiple choices",
        301 | 302 => "moved",
        305 => "use proxy",
        380 => "alternative service",
        400 => "bad request",
        401 | 407 => "not authorised",
        402 => "payment required",
        403 => "forbidden",
        404 => "not found",
        405 => "method not allowed",
        406 => "not acceptable",
        408 => "request timeout",
        410 => "gone",
        412 => "conditional request failed",
        413 => "request too large",
        414 => "URI too long",
        415 => "unsupported media",
        416 => "unsupported URI scheme",
        420 => "bad extension",
        421 => "extension required",
        422 => "session interval too small",
        423 => "interval too brief",
        429 => "too many requests",
        430 => "flow failed",
        433 => "anonymity disallowed",
        480 => "unavailable",
        481 => "call does not exist",
        482 => "loop detected",
        483 => "too many hops",
        484 => "address incomplete",
        485 => "ambiguous",
        486 => "busy",
        487 => "request terminated",
        488 | 606 => "not acceptable here",
        489 => "bad event",
        491 => "request pending",
        493 => "undecipherable",
        500 => "server error",
        501 => "not implemented",
        502 => "bad gateway",
        503 => "service unavailable",
        504 => "server timeout",
        505 => "version not supported",
        513 => "message too large",
        580 => "precondition failure",
        600 => "busy everywhere",
        603 => "declined",
        604 => "does not exist anywhere",
        607 => "unwanted",
        608 => "rejected",
        _ if status < 400 => "no failure",
        _ if status < 500 => "refused",
        _ if status < 600 => "server failure",
        _ => "global failure",
    }
}

/// Whom a scenario was for; none where somebody registers for himself.
pub fn callee(row: &ScenarioRow) -> Option<&String> {
    row.callee.as_ref().filter(|callee| !(row.class.is_daily() && Some(*callee) == row.caller.as_ref()))
}

/// `1,234,567`
pub fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(0).to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 gap`, `2 gaps`.
pub fn counted(number: impl TryInto<u64> + Copy, word: &str) -> String {
    let end = if number.try_into().is_ok_and(|n: u64| n == 1) { "" } else { "s" };
    format!("{} {word}{end}", count(number))
}

/// `812 bytes`, `18.4 MB`.
pub fn size(bytes: u64) -> String {
    let scaled = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    if bytes < 1_000 {
        counted(bytes, "byte")
    } else if bytes < 1_000_000 {
        format!("{} kB", scaled(1_000))
    } else if bytes < 1_000_000_000 {
        format!("{} MB", scaled(1_000_000))
    } else {
        format!("{} GB", scaled(1_000_000_000))
    }
}

pub fn class(class: CallClass) -> &'static str {
    match class {
        CallClass::Call => "calls",
        CallClass::Registration => "registrations",
        CallClass::Keepalive => "keep-alives",
        CallClass::Subscription => "subscriptions",
        CallClass::Publication => "publications",
        CallClass::Message => "messages",
        CallClass::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_does_now_is_said_only_as_long_as_it_may_go_on() {
        let said = |class, status, rang, lately| outcome(&Came { class, status, rang, leaves: false, lately }).text;
        assert_eq!(said(CallClass::Call, None, true, true), "ringing");
        assert_eq!(said(CallClass::Call, None, false, true), "no answer yet");
        assert_eq!(said(CallClass::Call, None, true, false), "rang, no final answer logged");
        assert_eq!(said(CallClass::Call, Some(200), true, true), "answered");
        assert_eq!(said(CallClass::Registration, None, false, true), "no final answer logged");
    }

    #[test]
    fn numbers_are_grouped_and_counted() {
        assert_eq!(count(1_234_567_u64), "1,234,567");
        assert_eq!(count(-4_i64), "0");
        assert_eq!(count(999_u64), "999");
        assert_eq!((counted(1_i64, "gap"), counted(2_000_u64, "gap")), ("1 gap".into(), "2,000 gaps".into()));
        assert_eq!((size(812), size(18_449_000)), ("812 bytes".into(), "18.4 MB".into()));
    }
}
