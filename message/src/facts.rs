//! Facts: what a message says, as far as pages, correlation and judge need it; the same for SIP, REST and push.

use serde::{Deserialize, Serialize};

use crate::keys::Key;
use crate::kind::Kind;
use crate::sip;

/// What was understood of one message. Parsing never fails: what is odd stands in `faults`.
#[derive(Clone, PartialEq, Debug)]
pub struct Facts {
    pub kind: Kind,
    /// Request method; of a SIP response the method of its CSeq; REST verb; `PUSH`.
    pub method: String,
    /// Status of a response, or of the exchange a record holds.
    pub status: Option<u16>,
    /// Reason phrase of a response.
    pub reason: String,
    /// A response (SIP or HTTP) rather than a request.
    pub response: bool,
    pub call_id: Option<String>,
    /// Keys beyond the message's own Call-ID (`keys.rs`).
    pub keys: Vec<Key>,
    /// REST and push: path and query, or the whole URL.
    pub target: Option<String>,
    pub sip: Option<Box<SipFacts>>,
    /// The second half of a record that holds request and result (`exchange.rs`).
    pub result: Option<ExchangeResult>,
    pub push: Option<PushFacts>,
    pub faults: Vec<Fault>,
}

/// SIP only.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SipFacts {
    pub cseq: Option<u32>,
    pub request_uri: Option<sip::Uri>,
    pub from: Option<sip::NameAddr>,
    pub to: Option<sip::NameAddr>,
    pub contacts: Vec<sip::NameAddr>,
    pub vias: Vec<sip::Via>,
    pub record_routes: Vec<sip::NameAddr>,
    pub routes: Vec<sip::NameAddr>,
    pub expires: Option<u32>,
    pub user_agent: Option<String>,
    pub reason_header: Option<String>,
    pub sdp: Option<sip::Sdp>,
    pub session_id: Option<(String, Option<String>)>,
    /// Event package of SUBSCRIBE and NOTIFY.
    pub event: Option<String>,
}

/// How the exchange in one REST or push record ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExchangeResult {
    /// None: the record says that no answer came (0, −1).
    pub status: Option<u16>,
    pub reason: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PushFacts {
    /// `apns`, `fcm`, `hms`, `webpush`, … lower case, from the method or the destination.
    pub provider: Option<String>,
    /// The token's own text, or its keyed hash.
    pub token: Option<String>,
    /// The user a push names, where it names one.
    pub user: Option<String>,
    pub device: Option<String>,
}

/// Something wrong with a message that did not stop it from being read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// A stable short name: `start_line`, `header_name`, `cseq_mismatch`, …
    pub what: String,
    /// Where, in bytes from the start of the message.
    pub at: u32,
}
