//! Keys: what joins calls into one scenario.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::settings::{KeyRule, Settings};
use crate::sip::{self, Name};
use record::id::first_16;

/// A (space, value) pair. Two calls that share one belong together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Key {
    /// `call`, `session`, `charging`, `trace`, or the operator's own.
    pub space: String,
    pub value: String,
    /// Sure, or only likely.
    pub sure: bool,
}

impl Key {
    pub fn new(space: &str, value: impl Into<String>) -> Self {
        Self { space: space.into(), value: value.into(), sure: true }
    }

    /// A key of a value as it was written; none where the value says nothing (`normal`).
    pub fn of(space: &str, written: &str) -> Option<Self> {
        normal(written).map(|value| Self::new(space, value))
    }

    /// The key by which other calls name the call of this Call-ID.
    pub fn own(call_id: &str) -> Option<Self> {
        Self::of(CALL, call_id)
    }

    /// First 16 bytes of SHA-256(space, 0, value).
    pub fn hash(&self) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.space.as_bytes());
        hash.update([0]);
        hash.update(self.value.as_bytes());
        first_16(&hash.finalize())
    }
}

/// The space of Call-IDs, and of headers and fields that hold one.
pub const CALL: &str = "call";
const SESSION: &str = "session";
const CHARGING: &str = "charging";
const TRACE: &str = "trace";
/// Those that are known without being configured.
pub const SPACES: [&str; 4] = [CALL, SESSION, CHARGING, TRACE];

/// A longer value is a text that happens to stand in the place of a key.
const LONGEST: usize = 1024;
const SHORTEST: usize = 6;
/// One message names a few keys; a hostile one must not name thousands.
const MOST: usize = 32;

/// A value as it is compared: percent-decoded, trimmed of blanks, quotes and `<>`, UUIDs in lower case. None for
/// what joins everything with everything (`null`, `none`, `unknown`, `anonymous`, zeros, less than 6 characters without an `@`), and
/// for what cannot be meant as a key: control characters within, more than 1,024 characters.
pub fn normal(written: &str) -> Option<String> {
    if written.len() > 3 * LONGEST {
        return None;
    }
    let decoded = percent_encoding::percent_decode_str(written).decode_utf8_lossy();
    let value = decoded.trim_matches(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>'));
    let no_word = value.contains(char::is_control);
    let hub = ["unknown", "anonymous"].iter().any(|hub| value.eq_ignore_ascii_case(hub));
    let shortest = if is_short_call_id(value) { 0 } else { SHORTEST };
    let fits = (shortest..=LONGEST).contains(&value.chars().count());
    if hub || no_word || !fits || value.bytes().all(|b| matches!(b, b'0' | b'-')) {
        return None;
    }
    Some(if is_uuid(value) { value.to_ascii_lowercase() } else { value.to_owned() })
}

/// `c7@a` is short, but nothing else than a Call-ID looks like that.
fn is_short_call_id(value: &str) -> bool {
    value.split_once('@').is_some_and(|(word, host)| !word.is_empty() && !host.is_empty())
}

/// 32 hex digits, with the usual dashes or without (RFC 7989 writes none).
fn is_uuid(value: &str) -> bool {
    let dash = |at| matches!(at, 8 | 13 | 18 | 23);
    match value.len() {
        32 => value.bytes().all(|b| b.is_ascii_hexdigit()),
        36 => value.bytes().enumerate().all(|(at, b)| if dash(at) { b == b'-' } else { b.is_ascii_hexdigit() }),
        _ => false,
    }
}

/// The keys of one message while it is read: each once, and not more than a few.
pub(crate) struct Found<'s> {
    settings: &'s Settings,
    keys: Vec<Key>,
    /// Call-IDs that were named as dialogs to be replaced, joined or referred from.
    named: Vec<String>,
}

impl<'s> Found<'s> {
    pub(crate) fn new(settings: &'s Settings) -> Self {
        Self { settings, keys: Vec::new(), named: Vec::new() }
    }

    /// The keys without the message's own Call-ID, which every message has anyway.
    pub(crate) fn beyond(mut self, call_id: Option<&str>) -> Vec<Key> {
        if let Some(own) = call_id.filter(|_| !self.keys.is_empty()).and_then(Key::own) {
            self.keys.retain(|key| (&key.space, &key.value) != (&own.space, &own.value));
        }
        self.keys
    }

    pub(crate) fn take_named(&mut self) -> Vec<String> {
        std::mem::take(&mut self.named)
    }

    /// A call that goes on in this one, which is more than that both have one cause.
    fn name(&mut self, call_id: &str) {
        let Some(call_id) = normal(call_id).filter(|_| self.named.len() < MOST) else { return };
        self.add(CALL, &call_id);
        self.named.push(call_id);
    }

    pub(crate) fn add(&mut self, space: &str, written: &str) {
        self.add_as(space, written, true);
    }

    pub(crate) fn add_by(&mut self, rule: &KeyRule, written: &str) {
        let part = rule.pattern.as_ref().map_or(Some(written), |pattern| pattern.find(written));
        if let Some(part) = part {
            self.add_as(&rule.space, part, rule.sure);
        }
    }

    fn add_as(&mut self, space: &str, written: &str, sure: bool) {
        let Some(key) = Key::of(space, written) else { return };
        let known = self.keys.iter().position(|old| old.space == key.space && old.value == key.value);
        match known {
            Some(at) => self.keys[at].sure |= sure,
            None if self.keys.len() < MOST => self.keys.push(Key { sure, ..key }),
            None => {}
        }
    }

    /// Takes the keys of a header of SIP or HTTP.
    pub(crate) fn header(&mut self, header: &sip::Header<'_>, known: Option<Name>) {
        match known {
            Some(Name::Replaces | Name::Join | Name::TargetDialog) => self.dialogs(&header.value()),
            Some(Name::ReferTo) => self.refer_to(&header.value()),
            Some(Name::ReferredBy) => self.referred_by(&header.value()),
            Some(Name::SessionId) => {
                let value = header.value();
                let (local, remote) = session_id(&value);
                self.add(SESSION, local);
                self.add(SESSION, &remote.unwrap_or_default());
            }
            Some(Name::ChargingVector) => self.charging(&header.value()),
            Some(Name::Traceparent) if self.settings.trace => {
                let value = header.value();
                self.add_as(TRACE, value.split('-').nth(1).unwrap_or(""), false);
            }
            _ => {}
        }
        let settings = self.settings;
        let written = |name: &str| {
            let bytes = header.name_bytes();
            bytes.eq_ignore_ascii_case(name.as_bytes()) || known.is_some_and(|k| k.text().eq_ignore_ascii_case(name))
        };
        if settings.call_headers.iter().any(|name| written(name)) {
            self.add(CALL, &header.value());
        }
        for rule in settings.key.iter().filter(|rule| rule.header.as_deref().is_some_and(written)) {
            self.add_by(rule, &header.value());
        }
    }

    /// `Replaces`, `Join` and `Target-Dialog`: Call-ID, then tags (RFC 3891, 3911, 4538).
    fn dialogs(&mut self, value: &str) {
        for dialog in value.split(',') {
            self.name(dialog.split(';').next().unwrap_or(""));
        }
    }

    /// The `Replaces` that a transfer target will be sent: `<sip:bob@example.com?Replaces=ID%3Bto-tag%3D1>` (RFC 3891, 5).
    fn refer_to(&mut self, value: &str) {
        let address = sip::name_addr(value, &mut sip::Faults::default());
        let Some((_, headers)) = address.uri.text.split_once('?') else { return };
        for (name, value) in headers.split('&').filter_map(|header| header.split_once('=')) {
            if name.eq_ignore_ascii_case("Replaces") {
                let decoded = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
                self.dialogs(&decoded);
            }
        }
    }

    /// Not its `cid`: that names a body part (RFC 3892), and a call only where there is one of that Call-ID.
    fn referred_by(&mut self, value: &str) {
        for name in ["call-id", "callid"] {
            if let Some(call_id) = sip::parameter(value, name) {
                self.name(&call_id);
            }
        }
    }

    fn charging(&mut self, value: &str) {
        for name in ["icid-value", "related-icid"] {
            if let Some(icid) = sip::parameter(value, name) {
                self.add(CHARGING, &icid);
            }
        }
    }
}

/// Local and remote UUID of `Session-ID` (RFC 7989); the older form has one (RFC 7329).
pub(crate) fn session_id(value: &str) -> (&str, Option<std::borrow::Cow<'_, str>>) {
    let local = value.split(';').next().unwrap_or("").trim();
    (local, sip::parameter(value, "remote").filter(|remote| !remote.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts;
    use crate::kind::Kind;

    #[track_caller]
    fn check_with(settings: &str, headers: &str, expect: &[(&str, &str, bool)]) {
        let settings: Settings = serde_json::from_str(settings).unwrap();
        let message = format!("INVITE sip:bob@example.com SIP/2.0\nCall-ID: own-call@example.com\n{headers}\n\n");
        let facts = facts::read(Kind::Sip, "INVITE", "-", "-", message.as_bytes(), &settings);
        let keys: Vec<_> = facts.keys.iter().map(|key| (&*key.space, &*key.value, key.sure)).collect();
        assert_eq!(keys, expect, "{headers}");
    }

    #[track_caller]
    fn check(headers: &str, expect: &[(&str, &str)]) {
        let sure: Vec<_> = expect.iter().map(|(space, value)| (*space, *value, true)).collect();
        check_with("{}", headers, &sure);
    }

    #[test]
    fn headers_that_hold_a_call_id_join_calls() {
        check("X-CID: <a-leg@example.com>", &[("call", "a-leg@example.com")]);
        check("x-call-id: \"a-leg%40example.com\"", &[("call", "a-leg@example.com")]);
        check("Replaces: 42@a.example;to-tag=1;from-tag=2", &[("call", "42@a.example")]);
        check("Join: 42@a.example ;to-tag=1", &[("call", "42@a.example")]);
        check("Target-Dialog: 42@a.example;local-tag=1", &[("call", "42@a.example")]);
        check("r: \"B\" <sip:b@example.com?a=b&Replaces=42%40a.example%3Bto-tag%3D1>", &[("call", "42@a.example")]);
        check("Refer-To: \"Bob?\" <sip:b@example.com?Replaces=42%40a.example>", &[("call", "42@a.example")]);
        check("Refer-To: sip:b@example.com?Replaces=42%40a.example", &[("call", "42@a.example")]);
        check("Refer-To: <sip:b@example.com>", &[]);
        check("b: <sip:c@example.com>;Call-ID=\"42@a.example\";cid=\"77@part.example\"", &[("call", "42@a.example")]);
        check("X-CID: own-call@example.com", &[]);
    }

    #[test]
    fn both_uuids_of_a_session_are_keys_and_the_nil_uuid_is_none() {
        let (local, remote) = ("AB30317F1A784DC48FF824D0D3715D86", "47755a9de7794ba387653f2099600ef2");
        let lower = local.to_ascii_lowercase();
        check(&format!("Session-ID: {local};remote={remote}"), &[("session", &lower), ("session", remote)]);
        check(&format!("Session-ID: {local};remote=00000000000000000000000000000000"), &[("session", &lower)]);
        check(&format!("session-id: {local}"), &[("session", &lower)]);
    }

    #[test]
    fn charging_ids_are_keys() {
        check(
            "P-Charging-Vector: icid-value=\"Ayr;1=023551024\";orig-ioi=home.example;related-icid=\"rel-77\"",
            &[("charging", "Ayr;1=023551024"), ("charging", "rel-77")],
        );
    }

    #[test]
    fn traces_join_only_when_asked_and_are_only_likely() {
        let header = "traceparent: 00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        check(header, &[]);
        check_with(r#"{"trace":true}"#, header, &[("trace", "0af7651916cd43dd8448eb211c80319c", false)]);
    }

    #[test]
    fn an_operator_adds_spaces_of_his_own() {
        let rule = r#"{"key":[{"space":"ticket","header":"X-Ticket","match":"id=([^;]+)","sure":false}]}"#;
        check_with(rule, "x-ticket: a=1;id=T-100200;b=2", &[("ticket", "T-100200", false)]);
        check_with(rule, "X-Ticket: none here", &[]);
        check_with(r#"{"key":[{"space":"about","header":"subject"}]}"#, "s: T-100200", &[("about", "T-100200", true)]);
        for wrong in
            [r#"{"key":[{"space":"t","match":"("}]}"#, r#"{"key":[{"space":"t","json":"a"}]}"#, r#"{"keys":[]}"#]
        {
            assert!(serde_json::from_str::<Settings>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_joins_everything_is_no_key() {
        let nil = "00000000-0000-0000-0000-000000000000";
        let long = "x".repeat(LONGEST + 1);
        for hub in
            ["", "0", "-", "null", "none", "NULL", "Unknown", "anonymous", "12345", "\"<>\"", "a%00b-long", nil, &long]
        {
            assert_eq!(normal(hub), None, "{hub}");
        }
        assert_eq!(normal("123456").as_deref(), Some("123456"));
        assert_eq!((normal("c7@a").as_deref(), normal("c7@"), normal("@a")), (Some("c7@a"), None, None));
        assert_eq!(normal(" \"<%41bcdeF>\" ").as_deref(), Some("AbcdeF"));
        assert_eq!(normal("한글키여섯자").as_deref(), Some("한글키여섯자"));
        let uuid = "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6";
        assert_eq!(normal(uuid), Some(uuid.to_ascii_lowercase()));
    }

    #[test]
    fn a_message_names_a_few_keys_however_many_it_holds() {
        let mut message = "INVITE sip:b SIP/2.0\n".to_owned();
        for n in 0..1000 {
            message.push_str(&format!("X-CID: call-{n:06}\n"));
        }
        let facts = facts::read(Kind::Sip, "INVITE", "-", "-", message.as_bytes(), &Settings::default());
        assert_eq!(facts.keys.len(), MOST);
    }
}
