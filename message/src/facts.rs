//! Facts: what a message says, as far as pages, correlation and judge need it; the same for SIP, REST and push.

use crate::keys::Key;
use crate::kind::{self, Kind};
use crate::sip;

mod exchange;
mod signalling;

pub use crate::settings::{Pattern, Pointer, Settings, SettingsError};
pub use crate::sip::Fault;

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
    /// REST and push: what `X-Request-ID`, `X-Correlation-ID` and `apns-id` say, by which an answer finds its request.
    pub ids: Vec<String>,
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
    /// At most 128 of each list; more are the fault `too_many`.
    pub contacts: Vec<sip::NameAddr>,
    pub vias: Vec<sip::Via>,
    pub record_routes: Vec<sip::NameAddr>,
    pub routes: Vec<sip::NameAddr>,
    pub expires: Option<u32>,
    /// User-Agent; in a response without one, Server.
    pub user_agent: Option<String>,
    /// Values of its Reason headers, at most 16.
    pub reasons: Vec<String>,
    /// The dialog that this INVITE is to take the place of (RFC 3891).
    pub replaces: Option<sip::DialogId>,
    /// Where the receiver of this REFER is to call (RFC 3515).
    pub refer_to: Option<sip::NameAddr>,
    /// What `cid` of Referred-By names: a part of a body, as a rule (RFC 3892).
    pub referred_cid: Option<String>,
    /// Who calls, as the network says: P-Asserted-Identity, else Remote-Party-ID, else P-Preferred-Identity.
    pub identity: Option<sip::Uri>,
    /// Whom a call was forwarded to: the user of the last History-Info entry, where there are more (RFC 7044).
    pub forwarded_to: Option<String>,
    /// Users whose calls were forwarded (RFC 5806).
    pub diverted: Vec<String>,
    /// Call-IDs that Replaces, Join, Target-Dialog, Refer-To and Referred-By name, as keys are compared.
    pub named: Vec<String>,
    /// Seconds after which the session ends unless it is refreshed (RFC 4028).
    pub session_expires: Option<u32>,
    pub content_type: Option<String>,
    /// What this NOTIFY says of how a REFER goes on: the status of the answer to what it asked for (RFC 3515, 2.4.5).
    pub fragment: Option<u16>,
    pub sdp: Option<sip::Sdp>,
    /// Local and remote UUID as written; the older form has only one (RFC 7989, 11).
    pub session_id: Option<(String, Option<String>)>,
    /// Event package of SUBSCRIBE and NOTIFY.
    pub event: Option<String>,
    /// `id` of Event, where it is a number: in a NOTIFY of how a REFER goes on, that REFER's CSeq number (RFC 3515, 2.4.6).
    pub event_id: Option<u32>,
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

impl PushFacts {
    /// A contact says in the words of this push which device it is: where it names another, it is another.
    pub fn tells_apart(&self, contact: &sip::NameAddr) -> bool {
        let token = contact.uri.param("pn-prid").is_some_and(|token| !token.is_empty());
        let urn = |device: &String| device.trim_start_matches(['"', '<']).starts_with("urn:");
        token && self.token.is_some()
            || contact.param("+sip.instance").is_some() && self.device.as_ref().is_some_and(urn)
    }
}

/// Reads a message of a known kind. `method`, `source` and `destination` are those of the record's header.
///
/// Takes what it can from anything; work and memory are bounded however long or hostile the message is.
pub fn read(kind: Kind, method: &str, source: &str, destination: &str, body: &[u8], settings: &Settings) -> Facts {
    match kind {
        Kind::Sip => signalling::read(method, body, settings),
        Kind::Rest | Kind::Push | Kind::Media => exchange::read(kind, method, source, destination, body, settings),
    }
}

impl Facts {
    /// Facts of a message of which nothing was understood yet.
    pub fn new(kind: Kind, method: &str) -> Self {
        Self {
            kind,
            method: method.to_owned(),
            status: None,
            reason: String::new(),
            response: false,
            call_id: None,
            keys: Vec::new(),
            target: None,
            ids: Vec::new(),
            sip: None,
            result: None,
            push: None,
            faults: Vec::new(),
        }
    }

    /// Two writers may have mixed their writes: a SIP record is empty or has no start line, or that contradicts
    /// `method`, the header's. A token that is neither a SIP method nor a status code contradicts nothing.
    pub fn interleaved(&self, method: &str) -> bool {
        if self.kind != Kind::Sip {
            return false;
        }
        if self.has_fault("empty") || self.has_fault("start_line") {
            return true;
        }
        match kind::status_code(method) {
            Some(status) => !self.response || self.status.is_some_and(|s| s != status),
            None if kind::is_sip_method(method) => self.response || !self.method.eq_ignore_ascii_case(method),
            None => false,
        }
    }

    pub fn has_fault(&self, what: &str) -> bool {
        self.faults.iter().any(|fault| fault.what == what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:bob@example.com SIP/2.0\r\n\
        Via: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK1, SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK0\r\n\
        From: \"Alice\" <sip:alice@example.com>;tag=a1\r\nTo: <sip:bob@example.com>\r\ni: c1-4711@example.com\r\n\
        CSeq: 1 INVITE\r\nX-CID: a-leg-17@example.com\r\nm: <sip:alice@192.0.2.1>\r\nContent-Type: application/sdp\r\n\
        Content-Length: 71\r\n\r\nv=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

    fn read_sip(method: &str, body: &str) -> Facts {
        read(Kind::Sip, method, "-", "-", body.as_bytes(), &Settings::default())
    }

    #[test]
    fn an_invite_tells_its_facts() {
        let facts = read_sip("INVITE", INVITE);
        let sip = facts.sip.unwrap();
        assert_eq!((facts.method.as_str(), facts.response, facts.status), ("INVITE", false, None));
        assert_eq!(facts.call_id.as_deref(), Some("c1-4711@example.com"));
        assert_eq!(facts.keys, [Key::new("call", "a-leg-17@example.com")]);
        assert_eq!(sip.vias.iter().map(|via| via.branch.as_str()).collect::<Vec<_>>(), ["z9hG4bK1", "z9hG4bK0"]);
        assert_eq!(sip.from.unwrap().tag(), Some("a1"));
        assert_eq!(sip.sdp.unwrap().media[0].codecs, ["PCMU/8000"]);
        assert_eq!(facts.faults, []);
    }

    #[test]
    fn a_response_has_the_method_of_its_cseq() {
        let facts = read_sip("180", "SIP/2.0 180 Ringing\nCSeq: 7 INVITE\nCall-ID: x@y\nServer: lab\n\n");
        assert_eq!((facts.method.as_str(), facts.response, facts.status), ("INVITE", true, Some(180)));
        assert_eq!((facts.reason.as_str(), facts.sip.unwrap().user_agent.as_deref()), ("Ringing", Some("lab")));
    }

    #[test]
    fn a_start_line_that_contradicts_the_header_is_suspect() {
        let suspect = |method, body| read_sip(method, body).interleaved(method);
        assert!(!suspect("INVITE", INVITE));
        assert!(suspect("BYE", INVITE));
        assert!(suspect("180", INVITE));
        assert!(suspect("INVITE", "SIP/2.0 180 Ringing\r\n\r\n"));
        assert!(suspect("200", "SIP/2.0 180 Ringing\r\n\r\n"));
        assert!(!suspect("180", "SIP/2.0 180 Ringing\r\n\r\n"));
        assert!(suspect("INVITE", "\r\n"));
        assert!(suspect("INVITE", "v=0\r\n"));
        assert!(!suspect("SENT", INVITE));
        let rest = read(Kind::Rest, "POST", "-", "-", b"", &Settings::default());
        assert!(!rest.interleaved("POST"));
    }

    /// Records as a proxy logged them (Kamailio's own lines and prefixes left out).
    const LOGGED: &str = "\
[1795463759.183319][REGISTER][sip:127.0.0.1:5062][sip:127.0.0.1:5070]
REGISTER sip:127.0.0.1:5070 SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK-16783-1-0
From: <sip:bob@127.0.0.1>;tag=1
To: <sip:bob@127.0.0.1>
Call-ID: 1-16783@127.0.0.1
CSeq: 1 REGISTER
Contact: <sip:bob@127.0.0.1:5081>
Max-Forwards: 70
Expires: 3600
User-Agent: Lab Device 5081
Content-Length: 0


[1795463760.025520][GET][http://127.0.0.1:5070][http://127.0.0.1:9070/v1/route?callId=1-16821@127.0.0.1&to=bob]
{\"callId\":\"1-16821@127.0.0.1\",\"status\":200,\"response\":{\"route\": \"local\", \"devices\": 3}}
[1795463760.026831][180][sip:127.0.0.1:5081][sip:127.0.0.1:5070]
SIP/2.0 180 Ringing
Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKb34.6d4e.0, SIP/2.0/UDP 127.0.0.1:5063;branch=z9hG4bK-16821-1-0
From: \"Caller alice\" <sip:alice@127.0.0.1>;tag=c1
To: <sip:bob@127.0.0.1>;tag=d1
i: 1-16821@127.0.0.1
CSeq: 1 INVITE
Content-Length: 0

[1795463762.241167][PUSH][http://127.0.0.1:5070][https://fcm.example.net/v1/projects/demo/messages:send]
{\"callId\":\"1-16934@127.0.0.1\",\"to\":\"dave\",\"title\":\"Incoming call\",\"result\":{\"accepted\": true}}
";

    #[test]
    fn logged_records_tell_kind_method_and_call() {
        let mut drawn = String::new();
        for record in LOGGED.split("\n[17").map(|record| record.trim_start_matches("[17")) {
            let (header, body) = record.split_once('\n').unwrap();
            let fields: Vec<_> = header.trim_end_matches(']').split("][").collect();
            let [_, method, source, destination] = fields[..] else { panic!("four fields: {header}") };
            let settings = Settings::default();
            let (kind, guessed) = kind::decide(&settings.kind, "proxy", method, source, destination, body.as_bytes());
            let facts = read(kind, method, source, destination, body.as_bytes(), &settings);
            assert!(!guessed && !facts.interleaved(method) && facts.faults.is_empty());
            let (call, status) = (facts.call_id.unwrap(), facts.status.map_or("-".into(), |s| s.to_string()));
            drawn.push_str(&format!("{kind} {} {status} {call}\n", facts.method));
        }
        insta::assert_snapshot!(drawn, @"
        SIP REGISTER - 1-16783@127.0.0.1
        REST GET 200 1-16821@127.0.0.1
        SIP INVITE 180 1-16821@127.0.0.1
        PUSH PUSH - 1-16934@127.0.0.1
        ");
    }
}
