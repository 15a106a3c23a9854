//! What an operator can say about reading messages: kinds, keys, and where JSON bodies hold what.

use std::fmt;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::kind::KindRule;

/// Part of the collector's config; `Default` holds the shipped defaults, an absent key means its default.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `[[kind]]`: the first that matches decides.
    pub kind: Vec<KindRule>,
    /// `[[key]]`: the operator's own key spaces.
    pub key: Vec<KeyRule>,
    /// Trace ids of `traceparent` join calls (likely, not sure).
    pub trace: bool,
    /// Headers, SIP or HTTP, that hold the Call-ID of a call.
    pub call_headers: Vec<String>,
    /// Query parameters that hold one.
    pub call_queries: Vec<String>,
    /// Where a JSON body or push payload holds one.
    pub call_ids: Vec<Pointer>,
    /// Where a record that holds an exchange has the status of its answer.
    pub statuses: Vec<Pointer>,
    /// Where a push holds its token, device and user.
    pub tokens: Vec<Pointer>,
    pub devices: Vec<Pointer>,
    pub users: Vec<Pointer>,
}

impl Default for Settings {
    fn default() -> Self {
        let pointers = |texts: &[&str]| texts.iter().map(|text| Pointer::unchecked(text)).collect();
        let names = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            kind: Vec::new(),
            key: Vec::new(),
            trace: false,
            call_headers: names(&["X-CID", "X-Call-ID"]),
            call_queries: names(&["callId"]),
            call_ids: pointers(&[
                "/callId",
                "/call_id",
                "/callID",
                "/data/callId",
                "/data/call_id",
                "/data/callID",
                "/message/data/callId",
                "/message/data/call_id",
                "/message/data/callID",
            ]),
            statuses: pointers(&["/status", "/statusCode", "/response/status", "/result/status"]),
            tokens: pointers(&["/message/token", "/message/token/0", "/registration_ids/0", "/token", "/deviceToken"]),
            devices: pointers(&["/deviceId", "/device_id", "/data/deviceId", "/message/data/deviceId"]),
            users: pointers(&["/user", "/to", "/data/user"]),
        }
    }
}

/// `[[key]]` of the config: a key space of the operator's own, from a header, a JSON body or a query.
/// Exactly one of `header`, `json` and `query` says where the value stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct KeyRule {
    pub space: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<Pointer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The part of the value that counts: the first group, else all that matches. No match, no key.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
    pub sure: bool,
}

/// A `[[key]]` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    space: String,
    header: Option<String>,
    json: Option<Pointer>,
    query: Option<String>,
    #[serde(rename = "match")]
    pattern: Option<Pattern>,
    #[serde(default = "sure")]
    sure: bool,
}

impl TryFrom<Written> for KeyRule {
    type Error = SettingsError;
    fn try_from(written: Written) -> Result<Self, SettingsError> {
        let Written { space, header, json, query, pattern, sure } = written;
        match u8::from(header.is_some()) + u8::from(json.is_some()) + u8::from(query.is_some()) {
            1 => Ok(Self { space, header, json, query, pattern, sure }),
            0 => Err(SettingsError::NoPlace),
            _ => Err(SettingsError::TwoPlaces),
        }
    }
}

fn sure() -> bool {
    true
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{0:?} is no JSON pointer; it must be empty or begin with /")]
    Pointer(String),
    #[error("say where the key stands: add `header`, `json` or `query`")]
    NoPlace,
    #[error(
        "a key stands in one place: keep one of `header`, `json` and `query`, and write another [[key]] with the same space for the others"
    )]
    TwoPlaces,
    #[error("{pattern:?} is no regular expression: {what}")]
    Pattern { pattern: String, what: String },
}

/// A JSON pointer (RFC 6901), taken apart once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pointer {
    text: String,
    steps: Vec<String>,
}

impl Pointer {
    fn unchecked(text: &str) -> Self {
        let unescaped = |step: &str| step.replace("~1", "/").replace("~0", "~");
        Self { text: text.to_owned(), steps: text.split('/').skip(1).map(unescaped).collect() }
    }

    /// The names and indices from the root to the value.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }
}

impl TryFrom<String> for Pointer {
    type Error = SettingsError;
    fn try_from(text: String) -> Result<Self, SettingsError> {
        if text.is_empty() || text.starts_with('/') {
            Ok(Self::unchecked(&text))
        } else {
            Err(SettingsError::Pointer(text))
        }
    }
}

impl From<Pointer> for String {
    fn from(pointer: Pointer) -> Self {
        pointer.text
    }
}

/// A linear-time regular expression; its first group counts, else all that it matches.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Regex);

impl Pattern {
    pub fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        let found = self.0.captures(text)?;
        found.get(1).or_else(|| found.get(0)).map(|part| part.as_str())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl TryFrom<String> for Pattern {
    type Error = SettingsError;
    fn try_from(pattern: String) -> Result<Self, SettingsError> {
        match Regex::new(&pattern) {
            Ok(regex) => Ok(Self(regex)),
            Err(error) => {
                // The last line says what is wrong; those before it draw where.
                let text = error.to_string();
                let what = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                Err(SettingsError::Pattern { pattern, what })
            }
        }
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0.as_str().to_owned()
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
