//! Addresses with a display name, and lists of them (RFC 3261, 20.10).

use memchr::{memchr, memchr3};

use super::params::{behind_quotes, outside_quotes, params, unquoted};
use super::{NameAddr, Uri};
use crate::sip::Faults;

/// Splits a header value at commas outside quotes and angle brackets; blank elements are left out.
pub(crate) fn elements(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = value;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let (element, tail) = match element_end(rest) {
                Some(at) => (&rest[..at], &rest[at + 1..]),
                None => (rest, ""),
            };
            rest = tail;
            if !element.trim().is_empty() {
                return Some(element.trim());
            }
        }
    })
}

fn element_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let at = from + memchr3(b',', b'"', b'<', &bytes[from..])?;
        from = match bytes[at] {
            b',' => return Some(at),
            b'"' => behind_quotes(text, at)?,
            _ => at + memchr(b'>', &bytes[at..])?,
        };
    }
}

/// Reads one address; a bare URI ends at its first semicolon, what follows belongs to the header.
pub(crate) fn name_addr(element: &str, faults: &mut Faults) -> NameAddr {
    let element = element.trim();
    let open = outside_quotes(element, b'<').or_else(|| {
        // An open quote hides the address: look for it all the same. The name may hold a `<`, so the last one counts.
        let hidden = element.contains('"');
        hidden.then(|| faults.note("quote")).and_then(|()| element.rfind('<'))
    });
    let Some(open) = open else { return bare(element, faults) };
    let display = display(element[..open].trim(), faults);
    let inner = &element[open + 1..];
    let doubled = inner.trim_start_matches('<');
    if doubled.len() < inner.len() {
        faults.note("angle");
    }
    let inner = doubled;
    let (uri, tail) = match inner.find('>') {
        Some(at) => (&inner[..at], &inner[at + 1..]),
        None => {
            faults.note("angle");
            (inner, "")
        }
    };
    if uri.trim().len() != uri.len() {
        faults.note("uri");
    }
    NameAddr { display, uri: Uri::read(uri.trim(), faults), params: params(tail, faults) }
}

fn bare(element: &str, faults: &mut Faults) -> NameAddr {
    let (uri, tail) = element.split_at(element.find(';').unwrap_or(element.len()));
    if uri == "*" {
        let uri = Uri { text: "*".into(), ..Uri::default() };
        return NameAddr { uri, params: params(tail, faults), ..NameAddr::default() };
    }
    if uri.contains(['?', ',']) {
        faults.note("bare_uri");
    }
    NameAddr { display: String::new(), uri: Uri::read(uri.trim(), faults), params: params(tail, faults) }
}

/// A quoted string, or tokens with blanks between them.
fn display(text: &str, faults: &mut Faults) -> String {
    if !text.starts_with('"') {
        let token = |b: u8| b.is_ascii_alphanumeric() || b" \t-.!%*_+`'~".contains(&b) || !b.is_ascii();
        if !text.bytes().all(token) {
            faults.note("display");
        }
        return text.to_owned();
    }
    unquoted(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expect: &[(&str, &str, &str)], faults: &[&str]) -> Vec<NameAddr> {
        let mut seen = Faults::default();
        let list: Vec<_> = elements(value).map(|element| name_addr(element, &mut seen)).collect();
        let read: Vec<_> =
            list.iter().map(|a| (a.display.as_str(), a.uri.text.as_str(), a.tag().unwrap_or(""))).collect();
        assert_eq!(read, expect, "{value}");
        assert_eq!(seen.names(), faults, "{value}");
        list
    }

    #[test]
    fn addresses_with_and_without_display_names_are_read() {
        check("<sip:bob@example.com>;tag=1", &[("", "sip:bob@example.com", "1")], &[]);
        check("sip:bob@example.com;tag=1", &[("", "sip:bob@example.com", "1")], &[]);
        check("caller<sip:bob@example.com>;tag=1", &[("caller", "sip:bob@example.com", "1")], &[]);
        check("Bob  Jones <sip:bob@example.com>", &[("Bob  Jones", "sip:bob@example.com", "")], &[]);
        check(
            r#""Bob \"B\" <x>, y;z" <sip:bob@example.com>;TAG=1"#,
            &[(r#"Bob "B" <x>, y;z"#, "sip:bob@example.com", "1")],
            &[],
        );
        check(r#""홍길동" <sip:bob@example.com>"#, &[("홍길동", "sip:bob@example.com", "")], &[]);
        check("*", &[("", "*", "")], &[]);
    }

    #[test]
    fn a_list_is_split_outside_quotes_and_angle_brackets() {
        let list = r#""a, b" <sip:a@example.com;x=1,2>;q=0.5 , sip:c@example.com,,<tel:+1>"#;
        let expect = [("a, b", "sip:a@example.com;x=1,2", ""), ("", "sip:c@example.com", ""), ("", "tel:+1", "")];
        assert_eq!(check(list, &expect, &[])[0].param("q"), Some("0.5"));
    }

    #[test]
    fn broken_addresses_are_understood_as_far_as_they_go() {
        check(r#""Bob <sip:bob@example.com>"#, &[("Bob", "sip:bob@example.com", "")], &["quote"]);
        let two = r#""Bob <sip:bob@example.com> <sip:b.jones@example.com>"#;
        check(two, &[("Bob <sip:bob@example.com>", "sip:b.jones@example.com", "")], &["quote"]);
        check(r#""Bob" < sip:bob@example.com >"#, &[("Bob", "sip:bob@example.com", "")], &["uri"]);
        check("<sip:bob@example.com", &[("", "sip:bob@example.com", "")], &["angle"]);
        check("sip:bob@example.com?Route=x", &[("", "sip:bob@example.com?Route=x", "")], &["bare_uri"]);
        check("\"Bob", &[("", "\"Bob", "")], &["quote", "uri", "host"]);
    }
}
