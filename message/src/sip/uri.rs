//! URIs: sip, sips and tel in full, others as far as user and host can be told.

use super::Uri;
use super::host::{host_and_port, is_number};
use super::params::params;
use crate::sip::Faults;

impl Uri {
    pub(crate) fn read(text: &str, faults: &mut Faults) -> Self {
        let whole = text;
        let text = text.trim();
        if text.bytes().any(|b| matches!(b, b' ' | b'\t' | b'<' | b'>' | b'"')) {
            faults.note("uri");
        }
        let (scheme, rest) = split_scheme(text);
        let mut uri = match scheme.to_ascii_lowercase() {
            scheme if matches!(scheme.as_str(), "sip" | "sips" | "rtp" | "") => {
                Self { scheme, ..address(rest, faults) }
            }
            scheme if scheme == "tel" => Self { scheme, ..number(rest, faults) },
            scheme => Self { scheme, ..other(rest) },
        };
        if uri.scheme.is_empty() {
            faults.note("uri");
        }
        whole.clone_into(&mut uri.text);
        uri
    }

    /// That of one device rather than of a person.
    pub(crate) fn is_contact(&self) -> bool {
        let marks = ["ob", "gr", "pn-prid", "alias"];
        is_number(&self.host)
            || self.host.ends_with(".invalid")
            || self.params.iter().any(|(name, _)| marks.contains(&name.as_str()))
    }
}

/// `user:password@host:port;params?headers`. The first `@` counts: a user part holds none unescaped.
fn address(rest: &str, faults: &mut Faults) -> Uri {
    let (user, rest) = rest.split_once('@').unwrap_or(("", rest));
    let user = user.split_once(':').map_or(user, |(user, _password)| user);
    let rest = rest.split_once('?').map_or(rest, |(rest, _headers)| rest);
    let (host, tail) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
    let (host, port) = host_and_port(host, faults);
    Uri { user: user.to_owned(), host, port, params: params(tail, faults), ..Uri::default() }
}

/// RFC 3966.
fn number(rest: &str, faults: &mut Faults) -> Uri {
    let (number, tail) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
    if !number.bytes().any(|b| b.is_ascii_hexdigit()) {
        faults.note("uri");
    }
    Uri { user: number.to_owned(), params: params(tail, faults), ..Uri::default() }
}

/// `//user@host:port/path`, `user@host`, or something opaque; no rule of SIP is broken by any of it.
fn other(rest: &str) -> Uri {
    let ignored = &mut Faults::default();
    let (authority, in_authority) = match rest.strip_prefix("//") {
        Some(rest) => (&rest[..rest.find(['/', '?', '#', ';']).unwrap_or(rest.len())], true),
        None => (&rest[..rest.find([';', '?']).unwrap_or(rest.len())], false),
    };
    match authority.split_once('@') {
        Some((user, host)) => {
            let (host, port) = host_and_port(host, ignored);
            Uri { user: user.to_owned(), host, port, ..Uri::default() }
        }
        None if in_authority => {
            let (host, port) = host_and_port(authority, ignored);
            Uri { host, port, ..Uri::default() }
        }
        None => Uri::default(),
    }
}

/// The scheme before the first colon, if it can be one; `pbx:5060` and `10.0.0.1:5060` have none.
fn split_scheme(text: &str) -> (&str, &str) {
    let Some((scheme, rest)) = text.split_once(':') else { return ("", text) };
    let letters = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && letters;
    let known = ["sip", "sips", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let is_port = (1..=5).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit());
    if named && (known || !is_port) { (scheme, rest) } else { ("", text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: (&str, &str, &str, Option<u16>), faults: &[&str]) -> Uri {
        let mut seen = Faults::default();
        let uri = Uri::read(text, &mut seen);
        assert_eq!((uri.scheme.as_str(), uri.user.as_str(), uri.host.as_str(), uri.port), expect, "{text}");
        assert_eq!(seen.names(), faults, "{text}");
        assert_eq!(uri.text, text);
        uri
    }

    #[test]
    fn sip_addresses_are_taken_apart() {
        check("sip:bob@example.com", ("sip", "bob", "example.com", None), &[]);
        check("SIPS:Bob:secret@Example.com:5061", ("sips", "Bob", "example.com", Some(5061)), &[]);
        check("sip:[2001:db8::9]:5060;lr", ("sip", "", "[2001:db8::9]", Some(5060)), &[]);
        check("sip:192.0.2.1", ("sip", "", "192.0.2.1", None), &[]);
        let uri =
            check("sip:a;b=c@example.com;Transport=TCP;lr?Subject=x%3By", ("sip", "a;b=c", "example.com", None), &[]);
        assert_eq!((uri.param("transport"), uri.param("lr"), uri.param("subject")), (Some("TCP"), Some(""), None));
    }

    #[test]
    fn numbers_and_other_schemes_are_read_as_far_as_they_go() {
        check("tel:+82-2-312-3456;phone-context=+82", ("tel", "+82-2-312-3456", "", None), &[]);
        check("https://api.example.com:8443/v1?x=a@b", ("https", "", "api.example.com", Some(8443)), &[]);
        check("mailto:alice@example.com", ("mailto", "alice", "example.com", None), &[]);
        check("tel:911", ("tel", "911", "", None), &[]);
        check("rtp:[2001:db8::7]:4000", ("rtp", "", "[2001:db8::7]", Some(4000)), &[]);
        check("urn:service:sos", ("urn", "", "", None), &[]);
        check("soap.beep://192.0.2.103:3002", ("soap.beep", "", "192.0.2.103", Some(3002)), &[]);
    }

    #[test]
    fn what_is_no_uri_is_told() {
        check("", ("", "", "", None), &["host", "uri"]);
        check("bob@example.com", ("", "bob", "example.com", None), &["uri"]);
        check("example.com:5060", ("", "", "example.com", Some(5060)), &["uri"]);
        check("pbx:5060", ("", "", "pbx", Some(5060)), &["uri"]);
        check("sip:", ("sip", "", "", None), &["host"]);
        check("sip:bob@example.com; lr", ("sip", "bob", "example.com", None), &["uri"]);
    }
}
