//! The kind of a message, and the collector's decision about it (`docs/log-format.md`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What kind of message a record holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    Sip,
    Rest,
    Push,
    Media,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Sip, Kind::Rest, Kind::Push, Kind::Media];

    /// The code in the database.
    pub fn code(self) -> i16 {
        match self {
            Kind::Sip => 1,
            Kind::Rest => 2,
            Kind::Push => 3,
            Kind::Media => 4,
        }
    }

    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Sip => "SIP",
            Kind::Rest => "REST",
            Kind::Push => "PUSH",
            Kind::Media => "MEDIA",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(text)).ok_or(())
    }
}

/// `[[kind]]` of the config: what the operator knows better. A key that is absent matches anything.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindRule {
    /// Name of the source, method and destination of the header; `*` stands for any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// `sip`, `rest`, `push` or `media`.
    #[serde(with = "lower_case")]
    pub is: Kind,
}

const SIP: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "REGISTER",
    "PRACK",
    "UPDATE",
    "INFO",
    "REFER",
    "SUBSCRIBE",
    "NOTIFY",
    "MESSAGE",
    "PUBLISH",
    "OPTIONS",
];

/// Decides the kind of a record; true: nothing decided and REST was assumed.
///
/// The first that decides: a rule of the config, the header's method, the message's first line, the scheme of the
/// destination, that of the source. `rules` are those of the config, `source_name` is the source's name, `source` and `destination` are the header's.
pub fn decide(
    rules: &[KindRule],
    source_name: &str,
    method: &str,
    source: &str,
    destination: &str,
    body: &[u8],
) -> (Kind, bool) {
    let ruled = rules.iter().find(|rule| rule.matches(source_name, method, destination)).map(|rule| rule.is);
    let kind = ruled
        .or_else(|| by_method(method))
        .or_else(|| by_first_line(body))
        .or_else(|| by_scheme(destination))
        .or_else(|| by_scheme(source));
    (kind.unwrap_or(Kind::Rest), kind.is_none())
}

impl KindRule {
    fn matches(&self, source_name: &str, method: &str, destination: &str) -> bool {
        let fits = |pattern: &Option<String>, text| pattern.as_ref().is_none_or(|pattern| glob(pattern, text));
        fits(&self.source, source_name) && fits(&self.method, method) && fits(&self.destination, destination)
    }
}

/// A method of SIP that is known by its name, OPTIONS too.
pub fn is_sip_method(method: &str) -> bool {
    SIP.iter().any(|known| known.eq_ignore_ascii_case(method))
}

/// 100 to 699, as logged for a response.
pub fn status_code(method: &str) -> Option<u16> {
    let three = method.len() == 3 && method.bytes().all(|b| b.is_ascii_digit());
    method.parse().ok().filter(|code| three && (100..700).contains(code))
}

fn by_method(method: &str) -> Option<Kind> {
    let one_of = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(method));
    // HTTP has OPTIONS too: it does not decide.
    if is_sip_method(method) && !one_of(&["OPTIONS"]) {
        Some(Kind::Sip)
    } else if one_of(&["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]) {
        Some(Kind::Rest)
    } else if one_of(&["PUSH", "APNS", "FCM", "HMS", "WEBPUSH"]) {
        Some(Kind::Push)
    } else if one_of(&["MEDIA", "RTP", "RTCP"]) {
        Some(Kind::Media)
    } else {
        None
    }
}

fn by_first_line(body: &[u8]) -> Option<Kind> {
    let body = &body[..body.len().min(8 << 10)];
    let line = body.trim_ascii_start().split(|b| *b == b'\n').next()?.trim_ascii();
    let last = line.rsplit(|b| *b == b' ').next()?;
    let begins =
        |start: &[u8]| [line, last].iter().any(|t| t.get(..start.len()).is_some_and(|t| t.eq_ignore_ascii_case(start)));
    if begins(b"SIP/2.0") {
        Some(Kind::Sip)
    } else if begins(b"HTTP/") {
        Some(Kind::Rest)
    } else {
        None
    }
}

fn by_scheme(address: &str) -> Option<Kind> {
    let (scheme, _) = address.split_once(':')?;
    let one_of = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(scheme));
    if one_of(&["sip", "sips", "tel"]) {
        Some(Kind::Sip)
    } else if one_of(&["http", "https", "ws", "wss"]) {
        Some(Kind::Rest)
    } else {
        None
    }
}

/// `*` stands for any text, also none. Never worse than the product of both lengths.
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = text.strip_prefix(parts.next().unwrap_or("")) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    let Some(mut rest) = rest.strip_suffix(last) else { return false };
    parts.all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

mod lower_case {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Kind;

    pub(super) fn serialize<S: Serializer>(kind: &Kind, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&kind.name().to_ascii_lowercase())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Kind, D::Error> {
        let name = String::deserialize(from)?;
        name.parse().map_err(|()| {
            let what = format!("{name:?} cannot stand here; write \"sip\", \"rest\", \"push\" or \"media\"");
            serde::de::Error::custom(what)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, source: &str, destination: &str, body: &str, expect: (Kind, bool)) {
        assert_eq!(
            decide(&[], "proxy", method, source, destination, body.as_bytes()),
            expect,
            "{method} {destination}"
        );
    }

    #[test]
    fn each_method_that_decides_is_known_in_any_case() {
        for (kind, methods) in [
            (Kind::Sip, "INVITE ACK BYE CANCEL REGISTER PRACK UPDATE INFO REFER SUBSCRIBE NOTIFY MESSAGE PUBLISH"),
            (Kind::Rest, "GET POST PUT PATCH DELETE HEAD"),
            (Kind::Push, "PUSH APNS FCM HMS WEBPUSH"),
            (Kind::Media, "MEDIA RTP RTCP"),
        ] {
            // What stands around it says otherwise.
            let scheme = if kind == Kind::Sip { "https://a" } else { "sip:a" };
            for method in methods.split(' ') {
                check(method, scheme, scheme, "", (kind, false));
                check(&method.to_ascii_lowercase(), scheme, scheme, "", (kind, false));
            }
        }
        for open in ["OPTIONS", "100", "699", "TRACE", "INVITED"] {
            check(open, "-", "-", "", (Kind::Rest, true));
        }
    }

    #[test]
    fn the_method_decides_before_line_and_scheme() {
        check("INVITE", "-", "http://a", "", (Kind::Sip, false));
        check("POST", "-", "sip:a", "INVITE sip:a SIP/2.0", (Kind::Rest, false));
        check("FCM", "-", "https://a", "", (Kind::Push, false));
        check("RTCP", "-", "rtp:a", "", (Kind::Media, false));
    }

    #[test]
    fn a_first_line_decides_what_a_method_leaves_open() {
        check("OPTIONS", "-", "https://a", "OPTIONS sip:a SIP/2.0\r\n", (Kind::Sip, false));
        check("OPTIONS", "-", "sip:a", "OPTIONS /v1 HTTP/1.1\r\n", (Kind::Rest, false));
        check("200", "wss://a", "wss://b", "\r\nSIP/2.0 200 OK\r\n", (Kind::Sip, false));
        check("200", "sip:a", "sip:b", "HTTP/1.1 200 OK", (Kind::Rest, false));
    }

    #[test]
    fn a_scheme_decides_and_else_rest_is_assumed() {
        check("OPTIONS", "-", "sips:a", "", (Kind::Sip, false));
        check("NOTICE", "tel:+1", "-", "{}", (Kind::Sip, false));
        check("200", "-", "https://a", "{}", (Kind::Rest, false));
        check("NOTICE", "-", "-", "{}", (Kind::Rest, true));
    }

    #[test]
    fn a_rule_of_the_config_decides_first() {
        let rule = KindRule {
            source: Some("proxy*".into()),
            method: Some("POST".into()),
            destination: Some("https://fcm.*/send".into()),
            is: Kind::Push,
        };
        let rules = [rule];
        let of = |source, method, destination| decide(&rules, source, method, "-", destination, b"").0;
        assert_eq!(of("proxy-1", "POST", "https://fcm.example.com/v1/send"), Kind::Push);
        assert_eq!(of("app", "POST", "https://fcm.example.com/v1/send"), Kind::Rest);
        assert_eq!(of("proxy-1", "PUT", "https://fcm.example.com/v1/send"), Kind::Rest);
        assert_eq!(of("proxy-1", "POST", "https://fcm.example.com/v1"), Kind::Rest);
    }

    #[test]
    fn a_glob_matches_whole_texts() {
        for (pattern, text, expect) in [
            ("*", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b*d", "abcd", true),
            ("*b*b", "ab", false),
            ("a*a", "a", false),
            ("**", "x", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(glob(pattern, text), expect, "{pattern} {text}");
        }
    }
}
