//! Keys: what joins calls into one scenario.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::facts::{Pattern, Pointer, Settings};
use crate::id::first_16;
use crate::sip::{self, Name};

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

/// `[[key]]` of the config: a key space of the operator's own, from a header, a JSON body or a query.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub space: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Pointer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The part of the value that counts: the first group, else all that matches. No match, no key.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
    #[serde(default = "sure")]
    pub sure: bool,
}

fn sure() -> bool {
    true
}

/// A longer value is a text that happens to stand in the place of a key.
const LONGEST: usize = 1024;
const SHORTEST: usize = 6;
/// One message names a few keys; a hostile one must not name thousands.
const MOST: usize = 32;

/// A value as it is compared: percent-decoded, trimmed of blanks, quotes and `<>`, UUIDs in lower case. None for
/// what joins everything with everything: `null`, `none`, `unknown`, `anonymous`, zeros, and less than 6 characters.
pub fn normal(written: &str) -> Option<String> {
    if written.len() > 3 * LONGEST {
        return None;
    }
    let decoded = percent_encoding::percent_decode_str(written).decode_utf8_lossy();
    let value = decoded.trim_matches(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>'));
    let hub = ["unknown", "anonymous"].iter().any(|hub| value.eq_ignore_ascii_case(hub));
    let fits = (SHORTEST..=LONGEST).contains(&value.chars().count());
    if hub || !fits || value.bytes().all(|b| matches!(b, b'0' | b'-')) {
        return None;
    }
    Some(if is_uuid(value) { value.to_ascii_lowercase() } else { value.to_owned() })
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
}

impl<'s> Found<'s> {
    pub(crate) fn new(settings: &'s Settings) -> Self {
        Self { settings, keys: Vec::new() }
    }

    /// The keys without the message's own Call-ID, which every message has anyway.
    pub(crate) fn beyond(mut self, call_id: Option<&str>) -> Vec<Key> {
        if let Some(own) = call_id.filter(|_| !self.keys.is_empty()).and_then(Key::own) {
            self.keys.retain(|key| (&key.space, &key.value) != (&own.space, &own.value));
        }
        self.keys
    }

    pub(crate) fn add(&mut self, space: &str, written: &str) {
        self.add_as(space, written, true);
    }

    pub(crate) fn add_by(&mut self, rule: &Rule, written: &str) {
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
            bytes.len() == name.len() && bytes.eq_ignore_ascii_case(name.as_bytes())
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
            self.add(CALL, dialog.split(';').next().unwrap_or(""));
        }
    }

    /// The `Replaces` that a transfer target will be sent: `<sip:bob@example.com?Replaces=ID%3Bto-tag%3D1>` (RFC 3891, 5).
    fn refer_to(&mut self, value: &str) {
        let Some((_, headers)) = value.split_once('?') else { return };
        let headers = headers.split('>').next().unwrap_or("");
        for (name, value) in headers.split('&').filter_map(|header| header.split_once('=')) {
            if name.eq_ignore_ascii_case("Replaces") {
                let decoded = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
                self.dialogs(&decoded);
            }
        }
    }

    /// Not its `cid`: that names a body part (RFC 3892).
    fn referred_by(&mut self, value: &str) {
        for name in ["call-id", "callid"] {
            if let Some(call_id) = sip::parameter(value, name) {
                self.add(CALL, &call_id);
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
