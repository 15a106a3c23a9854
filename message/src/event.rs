//! Call events: what ingest tells correlation about one stored record, by way of the outbox.

use serde::{Deserialize, Serialize};

use crate::id::{CallKey, MessageId, Offset, StreamId};
use crate::keys::Key;
use crate::kind::Kind;
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
    pub fn message(&self) -> MessageId {
        MessageId::new(self.stream, self.offset)
    }
}
