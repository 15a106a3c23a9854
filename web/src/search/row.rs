//! One scenario as a row of a list.

use message::event::CallClass;
use message::kind::Kind;
use record::time::Timestamp;
use rule::verdict::Outcome as Verdict;
use store::scenario::{ScenarioRow, Subject};

use super::order::Order;
use crate::ladder::words::duration;
use crate::page::Frame;
use crate::subject;
use crate::words::{self, Outcome};

/// What a list shows of a scenario; every text is escaped by the template.
#[derive(Clone, Debug)]
pub struct Row {
    /// Of its element.
    pub id: String,
    pub href: String,
    /// The first of its date in a list by time; in another order each says its date.
    pub new_day: bool,
    pub dated: bool,
    pub date: String,
    pub time: String,
    /// Date, time with microseconds, and zone.
    pub full_time: String,
    pub caller: Option<String>,
    pub callee: Option<String>,
    pub answered_by: Option<String>,
    pub transferred_to: Option<String>,
    /// The method that makes it what it is, where it is no call.
    pub method: Option<&'static str>,
    /// The rest of a message of it is not there yet.
    pub provisional: bool,
    pub status: Option<u16>,
    pub outcome: Outcome,
    /// Such as "answered after 12.9 s".
    pub remark: String,
    /// How long they talked; of what is no call, how long it went on. Nothing where one message is all there is.
    pub lasted: String,
    /// What rules say, where it did not go well: the word, its class of `app.css`, failure and rule.
    pub judged: Option<Judged>,
    /// `2 problems`
    pub problems: String,
    /// `3 devices`, where there are several.
    pub devices: String,
    /// Nothing of a call that is not worked out yet.
    pub legs: String,
    pub messages: String,
    /// What they are, where no head of a column says it.
    pub unit: &'static str,
    pub nodes: String,
    /// Symbol, name and count of each kind it holds; nothing where all is SIP.
    pub kinds: Vec<(&'static str, &'static str, String)>,
}

#[derive(Clone, Debug)]
pub struct Judged {
    pub word: &'static str,
    pub tone: &'static str,
    pub failure: String,
    pub rule: String,
}

impl Row {
    /// A list, in the order given: that of time, or another.
    pub fn list(scenarios: &[ScenarioRow], order: Order, frame: &Frame, now: Timestamp) -> Vec<Self> {
        let mut rows: Vec<Self> = scenarios.iter().map(|row| Self::new(row, frame, now)).collect();
        let mut date = String::new();
        for row in &mut rows {
            row.dated = order != Order::Start;
            row.new_day = !row.dated && row.date != date;
            date.clone_from(&row.date);
        }
        rows
    }

    fn new(row: &ScenarioRow, frame: &Frame, now: Timestamp) -> Self {
        let zone = frame.zone;
        let open = words::class_of(row) == CallClass::Call && row.problems.is_none();
        let answered_by = row.answered_by.clone().filter(|by| Some(by) != row.callee.as_ref());
        Self {
            id: match &row.subject {
                Subject::Scenario(id) => format!("s{id}"),
                Subject::Call(key, _) => format!("c{:032x}", u128::from_be_bytes(key.0)),
            },
            href: frame.to(&subject::path(&row.subject)),
            new_day: false,
            dated: false,
            date: zone.date(row.first),
            time: zone.milli(row.first),
            full_time: format!("{} {} {}", zone.date(row.first), zone.micro(row.first), zone.label(row.first)),
            caller: row.caller.clone(),
            callee: words::callee(row).cloned(),
            answered_by,
            transferred_to: row.transferred_to.clone(),
            method: method(row),
            provisional: row.provisional,
            status: row.status,
            outcome: words::outcome(&words::Came::at(row, now)),
            remark: remark(row),
            lasted: lasted(row),
            judged: judged(row),
            problems: match row.problems {
                Some(problems @ 1..) => words::counted(problems, "problem").replace(' ', "\u{a0}"),
                _ => String::new(),
            },
            // Until a call is worked out nobody knows who is a device and who a server.
            devices: if row.devices > 1 && !open {
                words::counted(row.devices, "device").replace(' ', "\u{a0}")
            } else {
                String::new()
            },
            legs: if open { String::new() } else { words::count(row.legs) },
            messages: words::count(row.messages),
            unit: if row.messages == 1 { "message" } else { "messages" },
            nodes: words::count(row.nodes),
            kinds: kinds(row),
        }
    }
}

fn method(row: &ScenarioRow) -> Option<&'static str> {
    let [sip, rest, push, _] = row.kinds.map(|number| number > 0);
    match words::class_of(row) {
        CallClass::Call => None,
        CallClass::Registration => Some("REGISTER"),
        CallClass::Keepalive => Some("OPTIONS"),
        CallClass::Subscription => Some("SUBSCRIBE"),
        CallClass::Publication => Some("PUBLISH"),
        CallClass::Message => Some("MESSAGE"),
        CallClass::Other if push && !sip => Some("PUSH"),
        CallClass::Other if rest && !sip => Some("REST"),
        CallClass::Other => Some("other"),
    }
}

fn judged(row: &ScenarioRow) -> Option<Judged> {
    let outcome = row.outcome.filter(|outcome| *outcome <= Verdict::Unknown)?;
    let (word, tone) = words::judged(outcome);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Some(Judged { word, tone, failure: text(&row.failure), rule: text(&row.rule) })
}

fn lasted(row: &ScenarioRow) -> String {
    match row.talked {
        Some(talked) => duration(talked),
        None if row.class == CallClass::Call || row.messages <= 1 => String::new(),
        None => duration(row.last.micros_since(row.first)),
    }
}

fn remark(row: &ScenarioRow) -> String {
    let after = |at: Timestamp| duration(at.micros_since(row.begun.unwrap_or(row.first)).max(0));
    match (row.answered, row.rang) {
        (Some(at), _) => format!("after {}", after(at)),
        (None, Some(at)) => format!("rang after {}", after(at)),
        (None, None) => String::new(),
    }
}

fn kinds(row: &ScenarioRow) -> Vec<(&'static str, &'static str, String)> {
    let symbol = |kind| match kind {
        Kind::Sip => "g-sip",
        Kind::Rest => "g-rest",
        Kind::Push => "g-push",
        Kind::Media => "g-media",
    };
    if row.kinds[1..].iter().all(|number| *number == 0) {
        return Vec::new();
    }
    let held = Kind::ALL.into_iter().zip(row.kinds).filter(|(_, n)| *n > 0);
    held.map(|(kind, n)| (symbol(kind), kind.name(), words::count(n))).collect()
}
