//! Call events: what ingest tells correlation about one stored record, by way of the outbox.

use serde::{Deserialize, Serialize};

use crate::facts::{Facts, SipFacts};
use crate::id::{CallKey, MessageId, Offset, StreamId};
use crate::keys::Key;
use crate::kind::Kind;
use crate::sip::Uri;
use crate::time::{Day, Timestamp};

/// How a call is filed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallClass {
    Call,
    /// REGISTER: Call-ID and UTC day.
    Registration,
    /// OPTIONS outside a dialog: Call-ID and UTC day.
    Keepalive,
    /// SUBSCRIBE and its NOTIFYs: Call-ID and UTC day.
    Subscription,
    /// REST and push without a Call-ID of a call, and what is left.
    Other,
}

impl CallClass {
    pub const ALL: [CallClass; 5] =
        [CallClass::Call, CallClass::Registration, CallClass::Keepalive, CallClass::Subscription, CallClass::Other];

    /// The code in the database.
    pub fn code(self) -> i16 {
        match self {
            CallClass::Call => 1,
            CallClass::Registration => 2,
            CallClass::Keepalive => 3,
            CallClass::Subscription => 4,
            CallClass::Other => 5,
        }
    }

    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.code() == code)
    }

    pub fn name(self) -> &'static str {
        match self {
            CallClass::Call => "call",
            CallClass::Registration => "registration",
            CallClass::Keepalive => "keepalive",
            CallClass::Subscription => "subscription",
            CallClass::Other => "other",
        }
    }

    /// One Call-ID lives for weeks here, so a scenario is Call-ID and day, and no key joins it.
    pub fn is_daily(self) -> bool {
        matches!(self, CallClass::Registration | CallClass::Keepalive | CallClass::Subscription)
    }
}

/// What the correlator needs of one message. No body, no header text beyond users and keys.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallEvent {
    pub stream: StreamId,
    pub offset: Offset,
    pub call: CallKey,
    pub call_id: String,
    pub class: CallClass,
    /// The partition day (of the clamped time).
    pub day: Day,
    pub time: Timestamp,
    pub kind: Kind,
    /// Request method, or the method of CSeq.
    pub method: String,
    pub status: Option<u16>,
    pub response: bool,
    pub from: Option<String>,
    pub to: Option<String>,
    /// Request-URI user of a request.
    pub target: Option<String>,
    /// Top Via branch, or empty.
    pub branch: String,
    pub to_tag: bool,
    pub source: String,
    pub destination: String,
    pub keys: Vec<Key>,
}

impl CallEvent {
    /// The event of one stored message. `day` is its partition day, `source` and `destination` are its header's.
    ///
    /// `call_id` names its call: the Call-ID; without one the first key as `space:value`; without that the message's id,
    /// so that each such message is a call of its own. `keys` begin with the call's own (`Key::own`); where a day
    /// bounds the scenario (`CallClass::is_daily`) there are none.
    pub fn of(message: MessageId, day: Day, time: Timestamp, source: &str, destination: &str, facts: &Facts) -> Self {
        let class = class_of(facts);
        let call_id = call_name(message, facts);
        let own = facts.call_id.as_deref().and_then(Key::own);
        let keys = if class.is_daily() { Vec::new() } else { own.into_iter().chain(facts.keys.clone()).collect() };
        let sip = facts.sip.as_deref();
        Self {
            stream: message.stream,
            offset: message.offset,
            call: CallKey::of(call_id.as_bytes()),
            call_id,
            class,
            day,
            time,
            kind: facts.kind,
            method: facts.method.clone(),
            status: facts.status,
            response: facts.response,
            from: sip.and_then(|sip| sip.from.as_ref()).and_then(|from| person(&from.uri)),
            to: match sip {
                Some(sip) => sip.to.as_ref().and_then(|to| person(&to.uri)),
                None => facts.push.as_ref().and_then(|push| push.user.clone()),
            },
            target: sip.and_then(|sip| sip.request_uri.as_ref()).and_then(user),
            branch: sip.and_then(|sip| sip.vias.first()).map_or_else(String::new, |via| via.branch.clone()),
            to_tag: sip.is_some_and(has_to_tag),
            source: source.to_owned(),
            destination: destination.to_owned(),
            keys,
        }
    }

    pub fn message(&self) -> MessageId {
        MessageId::new(self.stream, self.offset)
    }
}

/// How the call of a message is filed.
///
/// A response does not say all that its request said: one to OPTIONS counts as a keepalive though its request may have
/// had a To-tag, one to NOTIFY as a subscription though its event may have been `refer`. Where their Call-ID is that of
/// a call, they belong to it.
pub fn class_of(facts: &Facts) -> CallClass {
    let Some(sip) = facts.sip.as_deref().filter(|_| facts.kind == Kind::Sip) else {
        return if facts.call_id.is_some() { CallClass::Call } else { CallClass::Other };
    };
    match facts.method.as_str() {
        "REGISTER" => CallClass::Registration,
        "OPTIONS" if facts.response || !has_to_tag(sip) => CallClass::Keepalive,
        "SUBSCRIBE" | "NOTIFY" if !reports_a_transfer(sip) => CallClass::Subscription,
        _ => CallClass::Call,
    }
}

/// The implicit subscription of a REFER lives in the dialog of its call (RFC 3515).
fn reports_a_transfer(sip: &SipFacts) -> bool {
    has_to_tag(sip) && sip.event.as_deref().is_some_and(|event| event.eq_ignore_ascii_case("refer"))
}

fn has_to_tag(sip: &SipFacts) -> bool {
    sip.to.as_ref().is_some_and(|to| to.tag().is_some())
}

fn call_name(message: MessageId, facts: &Facts) -> String {
    match (&facts.call_id, facts.keys.first()) {
        (Some(call_id), _) => call_id.clone(),
        (None, Some(key)) => format!("{}:{}", key.space, key.value),
        (None, None) => message.to_string(),
    }
}

/// The user, else the host: a gateway without a user part is somebody too.
fn person(uri: &Uri) -> Option<String> {
    user(uri).or_else(|| Some(uri.host.clone()).filter(|host| !host.is_empty()))
}

fn user(uri: &Uri) -> Option<String> {
    Some(uri.user.clone()).filter(|user| !user.is_empty())
}
