//! Call events: what ingest tells correlation about one stored record, by way of the outbox.

mod class;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::address::Address;
use crate::facts::{Facts, SipFacts};
use crate::keys::Key;
use crate::kind::Kind;
use crate::said::Said;
use crate::sip::Uri;
use crate::user::normal;
use class::has_to_tag;
pub use class::{CallClass, class_of};
use record::id::{CallKey, MessageId, Offset, StreamId, first_16};
use record::time::{Day, Timestamp};

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
    pub said: Said,
    pub from: Option<String>,
    pub to: Option<String>,
    /// Of a request: who sends it as the network says, where From names somebody else.
    #[serde(default)]
    pub identity: Option<String>,
    /// Request-URI user of a request.
    pub target: Option<String>,
    /// Top Via branch, or empty.
    pub branch: String,
    pub to_tag: bool,
    /// Of SUBSCRIBE and NOTIFY, and of an INVITE that opens a dialog: the tags of From and To, by which it is known what made
    /// a dialog.
    #[serde(default)]
    pub tags: Vec<String>,
    pub source: String,
    pub destination: String,
    pub keys: Vec<Key>,
    /// `cid` of Referred-By: a key where it is the Call-ID of a call.
    #[serde(default)]
    pub cid: Option<String>,
    /// REST and push that hold one half of an exchange: by what its answer is known, alike for request and answer. The id
    /// that both carry, hashed with who asked and who was asked.
    #[serde(default)]
    pub exchange: Vec<ExchangeKey>,
    /// Nothing in it names a call.
    #[serde(default)]
    pub nameless: bool,
    /// Of an INVITE that opens a dialog.
    #[serde(default)]
    pub hop: Option<Hop>,
    /// Of a 2xx to INVITE: the user of its first Contact.
    #[serde(default)]
    pub answered_by: Option<String>,
}

/// Where an INVITE came from and whom it asks for: what forks are told from.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Hop {
    /// Branch of the Via below the top one, or empty.
    pub below: String,
    pub cseq: Option<u32>,
    /// Request-URI as `user@host:port`, without what follows.
    pub uri: String,
    /// The Request-URI is that of one device rather than of a person.
    pub device: bool,
}

impl Hop {
    fn of(sip: &SipFacts) -> Self {
        let uri = sip.request_uri.as_ref();
        let target = |uri: &Uri| format!("{}@{}:{}", uri.user, uri.host, uri.port.unwrap_or_default());
        Self {
            below: sip.vias.get(1).map_or_else(String::new, |via| shown(&via.branch)),
            cseq: sip.cseq,
            uri: uri.map_or_else(String::new, |uri| shown(&target(uri))),
            device: uri.is_some_and(Uri::is_contact),
        }
    }
}

impl CallEvent {
    /// The event of one stored message. `day` is its partition day, `method`, `source` and `destination` are its header's.
    ///
    /// `call_id` names its call: the Call-ID; without one the first key as `space:value`; without that the message's id,
    /// so that each such message is a call of its own. `keys` begin with the call's own (`Key::own`); where a day
    /// bounds the scenario (`CallClass::is_daily`) there are none, or its own alone where that is in doubt.
    pub fn of(
        message: MessageId,
        day: Day,
        time: Timestamp,
        method: &str,
        source: &str,
        destination: &str,
        facts: &Facts,
    ) -> Self {
        let class = class_of(facts);
        let name = call_name(message, facts);
        let exchange = exchange_of(source, destination, facts);
        let named = facts.call_id.as_deref().or(Some(&*name).filter(|_| !exchange.is_empty()));
        let own = named.and_then(Key::own);
        let carried = if class.is_daily() { Vec::new() } else { facts.keys.clone() };
        let sip = facts.sip.as_deref();
        let invite = sip.filter(|_| facts.kind == Kind::Sip && facts.method == "INVITE");
        let opens = invite.filter(|sip| !facts.response && !has_to_tag(sip));
        let answer = invite.filter(|_| facts.response && facts.status.is_some_and(|status| status / 100 == 2));
        let mut event = Self {
            stream: message.stream,
            offset: message.offset,
            call: CallKey::of(name.as_bytes()),
            call_id: shown(&name),
            class,
            day,
            time,
            kind: facts.kind,
            method: shown(&facts.method),
            status: facts.status,
            response: facts.response,
            said: Said::of(facts.kind, method, facts.status),
            from: sip.and_then(|sip| sip.from.as_ref()).and_then(|from| person(&from.uri)),
            to: match sip {
                Some(sip) => sip.to.as_ref().and_then(|to| person(&to.uri)),
                None => facts.push.as_ref().and_then(|push| push.user.as_deref()).map(shown),
            },
            identity: sip.filter(|_| !facts.response).and_then(identity),
            target: sip.and_then(|sip| sip.request_uri.as_ref()).and_then(user),
            branch: sip.and_then(|sip| sip.vias.first()).map_or_else(String::new, |via| shown(&via.branch)),
            to_tag: sip.is_some_and(has_to_tag),
            tags: sip.filter(|_| is_of_subscription(&facts.method)).or(opens).map_or_else(Vec::new, tags),
            source: source.replace('\0', "\u{fffd}"),
            destination: destination.replace('\0', "\u{fffd}"),
            keys: own.into_iter().chain(carried).collect(),
            cid: sip.and_then(|sip| sip.referred_cid.as_deref()).map(shown),
            exchange,
            nameless: facts.call_id.is_none() && facts.keys.is_empty(),
            hop: opens.map(Hop::of),
            answered_by: answer.and_then(|sip| sip.contacts.first()).and_then(|contact| user(&contact.uri)),
        };
        if event.class.is_daily() && !event.is_in_doubt() {
            event.keys.clear();
        }
        event
    }

    /// It is filed by day, and may be of a call all the same: SUBSCRIBE and NOTIFY inside a dialog do not say what made that,
    /// and a response to OPTIONS does not say whether its request was inside one, as a UAS adds a To-tag to any. It is, where
    /// its Call-ID is that of a call.
    pub fn is_in_doubt(&self) -> bool {
        let asked = is_of_subscription(&self.method) || self.method == "OPTIONS" && self.response;
        asked && self.class.is_daily() && self.to_tag
    }

    /// An answer that says nothing of its call but by the request that it answers.
    pub fn is_bare_answer(&self) -> bool {
        self.response && self.nameless && self.kind != Kind::Sip
    }

    pub fn message(&self) -> MessageId {
        MessageId::new(self.stream, self.offset)
    }
}

/// First 16 bytes of SHA-256(id, 0, host that asked, 0, host that was asked).
pub type ExchangeKey = [u8; 16];

/// Of a record that holds request and result nothing is looked for.
fn exchange_of(source: &str, destination: &str, facts: &Facts) -> Vec<ExchangeKey> {
    if facts.result.is_some() || facts.ids.is_empty() {
        return Vec::new();
    }
    let (asking, asked) = if facts.response { (destination, source) } else { (source, destination) };
    let (asking, asked) = (Address::read(asking).host, Address::read(asked).host);
    let key = |id: &String| {
        let mut hash = Sha256::new();
        for part in [id.as_str(), "\0", &asking, "\0", &asked] {
            hash.update(part.as_bytes());
        }
        first_16(&hash.finalize())
    };
    facts.ids.iter().map(key).collect()
}

fn is_of_subscription(method: &str) -> bool {
    matches!(method, "SUBSCRIBE" | "NOTIFY")
}

fn tags(sip: &SipFacts) -> Vec<String> {
    [&sip.from, &sip.to].into_iter().flatten().filter_map(|side| side.tag()).map(shown).collect()
}

/// What names the call of a message; its hash is the call's key. It may be of any length.
pub fn call_name(message: MessageId, facts: &Facts) -> String {
    match (&facts.call_id, facts.keys.first()) {
        (Some(call_id), _) => call_id.clone(),
        (None, Some(key)) => format!("{}:{}", key.space, key.value),
        (None, None) => message.to_string(),
    }
}

/// The user, else the host: a gateway without a user part is somebody too.
fn person(uri: &Uri) -> Option<String> {
    user(uri).or_else(|| Some(shown(&uri.host)).filter(|host| !host.is_empty()))
}

fn identity(sip: &SipFacts) -> Option<String> {
    let from = sip.from.as_ref().and_then(|from| user(&from.uri));
    let identity = sip.identity.as_ref().and_then(user)?;
    let is_other = from.is_none_or(|from| normal(&from) != normal(&identity));
    is_other.then_some(identity)
}

fn user(uri: &Uri) -> Option<String> {
    let user = percent_decode_str(&uri.user).decode_utf8_lossy();
    Some(shown(&user)).filter(|user| !user.is_empty())
}

/// Longer names than this are no names; an index of a database would refuse them.
const LONGEST: usize = 512;

/// A text that any database takes: cut where nobody reads on, without NUL.
fn shown(text: &str) -> String {
    let end = text.floor_char_boundary(LONGEST);
    text[..end].replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{self, Settings};

    fn sip(lines: &str) -> Facts {
        facts::read(Kind::Sip, "-", "-", "-", lines.as_bytes(), &Settings::default())
    }

    fn event(facts: &Facts) -> CallEvent {
        let message = MessageId::new(StreamId(7), Offset(300));
        CallEvent::of(message, Day(20_780), Timestamp(5), &facts.method, "sip:192.0.2.1", "sip:192.0.2.2", facts)
    }

    #[track_caller]
    #[test]
    fn an_event_tells_users_branch_and_keys() {
        let facts = sip("INVITE sip:%2B8210@gw.example.com SIP/2.0\nVia: SIP/2.0/UDP a.example.com;branch=z9hG4bK1\n\
             From: <sip:al%00ice@example.com>;tag=1\nTo: sip:gw.example.com\nCall-ID: call-1@a\nX-CID: a-leg-1@a\n\n");
        let event = event(&facts);
        assert_eq!((event.from.as_deref(), event.to.as_deref()), (Some("al\u{fffd}ice"), Some("gw.example.com")));
        assert_eq!((event.target.as_deref(), event.branch.as_str(), event.to_tag), (Some("+8210"), "z9hG4bK1", false));
        assert_eq!(event.keys, [Key::new("call", "call-1@a"), Key::new("call", "a-leg-1@a")]);
        assert_eq!((event.call, event.call_id.as_str()), (CallKey::of(b"call-1@a"), "call-1@a"));
    }

    #[test]
    fn an_invite_tells_its_hop_and_an_answer_who_answered() {
        let hop = event(&sip("INVITE sip:bob@192.0.2.21:5080;ob SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK2\n\
             Via: SIP/2.0/UDP b;branch=z9hG4bK1\nTo: <sip:bob@example.com>\nCSeq: 7 INVITE\n\n"))
        .hop
        .unwrap();
        assert_eq!((&*hop.below, hop.cseq, &*hop.uri, hop.device), ("z9hG4bK1", Some(7), "bob@192.0.2.21:5080", true));
        let answer = |status: u16| {
            event(&sip(&format!(
                "SIP/2.0 {status} x\nCSeq: 7 INVITE\nTo: <sip:bob@a>;tag=1\nm: <sip:carol@192.0.2.3>\n\n"
            )))
        };
        assert_eq!((answer(200).answered_by.as_deref(), answer(302).answered_by), (Some("carol"), None));
        assert_eq!(
            event(&sip("INVITE sip:b SIP/2.0\nTo: <sip:b>;tag=1\nCSeq: 8 INVITE\n\n")).hop,
            None,
            "within a dialog"
        );
    }

    #[test]
    fn who_calls_is_also_whom_the_network_names() {
        let told = |start: &str, headers: &str| {
            event(&sip(&format!(
                "{start}\nFrom: <sip:anonymous@anonymous.invalid>;tag=1\nCSeq: 1 INVITE\n{headers}\n\n"
            )))
            .identity
        };
        let invite = |headers: &str| told("INVITE sip:b SIP/2.0", headers);
        let asserted = "P-Asserted-Identity: \"Alice\" <sip:+8210@ims.example>, <tel:+8210>";
        assert_eq!(invite(asserted).as_deref(), Some("+8210"));
        assert_eq!(invite("P-Asserted-Identity: tel:+8210").as_deref(), Some("+8210"));
        assert_eq!(invite("Remote-Party-ID: <sip:alice@a>;party=calling;privacy=full").as_deref(), Some("alice"));
        let all = "P-Preferred-Identity: <sip:me@a>\nRemote-Party-ID: <sip:we@a>\nP-Asserted-Identity: <sip:she@a>";
        assert_eq!(invite(all).as_deref(), Some("she"));
        assert_eq!(invite("P-Asserted-Identity: <sip:Anonymous@a>"), None, "From says so already");
        assert_eq!(told("SIP/2.0 200 OK", asserted), None, "that is who answers");
    }

    #[test]
    fn a_daily_scenario_is_joined_by_no_key() {
        let facts = sip("REGISTER sip:a SIP/2.0\nCall-ID: reg-17@a\nX-CID: a-leg-1@a\n\n");
        assert_eq!((facts.keys.len(), event(&facts).keys), (1, Vec::new()));
    }

    #[test]
    fn what_may_be_of_a_call_names_it() {
        let own = [Key::new("call", "call-17@a")];
        for (start, method, to, doubt) in [
            ("SIP/2.0 200 OK", "OPTIONS", "<sip:a>;tag=1", true),
            ("SIP/2.0 200 OK", "NOTIFY", "<sip:a>;tag=1", true),
            ("SIP/2.0 200 OK", "SUBSCRIBE", "<sip:a>;tag=1", true),
            ("NOTIFY sip:a SIP/2.0", "NOTIFY", "<sip:a>;tag=1", true),
            ("SUBSCRIBE sip:a SIP/2.0", "SUBSCRIBE", "<sip:a>;tag=1", true),
            ("SUBSCRIBE sip:a SIP/2.0", "SUBSCRIBE", "<sip:a>", false),
            ("SIP/2.0 200 OK", "OPTIONS", "<sip:a>", false),
            ("SIP/2.0 200 OK", "REGISTER", "<sip:a>;tag=1", false),
        ] {
            let text = format!("{start}\nTo: {to}\nCSeq: 1 {method}\nCall-ID: call-17@a\nX-CID: other-1@a\n\n");
            let event = event(&sip(&text));
            assert_eq!(
                (event.is_in_doubt(), event.keys.as_slice()),
                (doubt, if doubt { &own[..] } else { &[] }),
                "{start} {method}"
            );
        }
    }

    #[test]
    fn what_makes_a_dialog_and_what_may_be_of_it_are_known_by_tags() {
        let told = |start: &str, to: &str| {
            event(&sip(&format!("{start} sip:a SIP/2.0\nFrom: <sip:a>;tag=f\nTo: <sip:b>{to}\n\n"))).tags.join(" ")
        };
        assert_eq!([told("SUBSCRIBE", ""), told("SUBSCRIBE", ";tag=t"), told("NOTIFY", ";tag=t")], ["f", "f t", "f t"]);
        assert_eq!([told("INVITE", ""), told("INVITE", ";tag=t"), told("BYE", ";tag=t")], ["f", "", ""]);
    }

    #[test]
    fn a_message_without_a_call_id_is_named_by_its_first_key_or_itself() {
        let rule = r#"{"key":[{"space":"ticket","json":"/ticket"}]}"#;
        let settings: Settings = serde_json::from_str(rule).unwrap();
        let facts = facts::read(Kind::Rest, "POST", "-", "-", br#"{"ticket":"T-100200"}"#, &settings);
        assert_eq!(event(&facts).call_id, "ticket:T-100200");
        let facts = facts::read(Kind::Rest, "POST", "-", "-", b"{}", &settings);
        let event = event(&facts);
        assert_eq!(event.call_id, "0000000000000007-300");
        assert_eq!((event.class, event.call), (CallClass::Other, CallKey::of(b"0000000000000007-300")));
    }

    #[test]
    fn names_without_end_are_cut_for_the_database_and_not_for_the_call() {
        let long = format!("{}é@a", "x".repeat(LONGEST - 1));
        let facts = sip(&format!("INVITE sip:b SIP/2.0\nCall-ID: {long}\n\n"));
        let event = event(&facts);
        assert_eq!((event.call_id, event.call), ("x".repeat(LONGEST - 1), CallKey::of(long.as_bytes())));
    }
}
