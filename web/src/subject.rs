//! The address of what a page shows: `/s/ID` of a scenario, `/calls/CALL-ID` of a call that has none yet.
//!
//! A Call-ID that no address can hold stands there as its key, 32 hex digits.

use axum::http::Uri;
use message::event::call_name;
use message::logged::Message;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use record::id::CallKey;
use store::Store;
use store::scenario::{Found, Scenario, Subject};

/// One segment of a path (RFC 3986, 3.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'@')
    .remove(b',')
    .remove(b'*');

pub fn path(subject: &Subject) -> String {
    match subject {
        Subject::Scenario(id) => format!("/s/{id}"),
        Subject::Call(key, name) => format!("/calls/{}", segment(*key, name)),
    }
}

/// The call of a message that no scenario owns.
pub fn call_of(message: &Message) -> Subject {
    Subject::Call(message.call, call_name(message.id, &message.facts))
}

/// A name says itself, but for one that is cut, too long to be read, or a step in a path.
fn segment(key: CallKey, name: &str) -> String {
    let says_itself = CallKey::of(name.as_bytes()) == key && name.len() <= LONGEST && !["", ".", ".."].contains(&name);
    if says_itself {
        utf8_percent_encode(name, SEGMENT).to_string()
    } else {
        format!("{:032x}", u128::from_be_bytes(key.0))
    }
}

const LONGEST: usize = 512;

/// What stands in an address behind `prefix`, up to the next slash. What is not UTF-8 is read as messages are.
pub(crate) fn given(uri: &Uri, prefix: &str) -> String {
    let rest = uri.path().strip_prefix(prefix).unwrap_or("");
    percent_decode_str(rest.split('/').next().unwrap_or("")).decode_utf8_lossy().into_owned()
}

/// The call that a text names: by its Call-ID, else by its key.
pub(crate) async fn call(store: &Store, text: &str) -> Result<(CallKey, Found<Scenario>), store::Error> {
    let named = CallKey::of(text.as_bytes());
    match (store.call(named).await?, key(text)) {
        (Found::Nowhere, Some(key)) => Ok((key, store.call(key).await?)),
        (found, _) => Ok((named, found)),
    }
}

/// The same, without what there is of it.
pub(crate) async fn key_of(store: &Store, text: &str) -> Result<CallKey, store::Error> {
    Ok(call(store, text).await?.0)
}

fn key(text: &str) -> Option<CallKey> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let number = u128::from_str_radix(text, 16).ok()?;
    Some(CallKey(number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> String {
        path(&Subject::Call(CallKey::of(name.as_bytes()), name.into()))
    }

    #[test]
    fn a_call_without_a_scenario_is_addressed_by_its_call_id() {
        assert_eq!(of("6f2a90c1d8@alice-ios"), "/calls/6f2a90c1d8@alice-ios");
        assert_eq!(of("a/b%c\"d é"), "/calls/a%2Fb%25c%22d%20%C3%A9");
        for name in ["a/b%c\"d é", "a+b?c#d", "../x", "\u{fffd}"] {
            let uri: Uri = of(name).parse().unwrap();
            assert_eq!(given(&uri, "/calls/"), name);
        }
    }

    #[test]
    fn a_call_id_that_no_address_can_hold_is_addressed_by_its_key() {
        for name in ["", ".", "..", &"x".repeat(10_000)] {
            let text = of(name);
            assert_eq!(key(text.strip_prefix("/calls/").unwrap()), Some(CallKey::of(name.as_bytes())), "{text}");
        }
        let cut = Subject::Call(CallKey::of(b"whole name"), "whole".into());
        assert_eq!(key(path(&cut).strip_prefix("/calls/").unwrap()), Some(CallKey::of(b"whole name")));
        assert_eq!(key("+0000000000000000000000000000001"), None);
    }
}
