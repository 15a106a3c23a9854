//! What somebody pasted into the one box: every reading of it, the likeliest first.

use std::net::{IpAddr, SocketAddr};

use message::keys::Key;
use percent_encoding::percent_decode_str;
use record::format::{Format, Line};
use record::id::{MessageId, ScenarioId};
use record::time::Timestamp;

use crate::zone::Zone;
use crate::{alerts, moment};

/// One way to read a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reading {
    Scenario(ScenarioId),
    Message(MessageId),
    CallId(String),
    /// A user or a number, as it stands in an address.
    User(String),
    /// A log line with our header: the moment it names, and the line.
    Moment(Timestamp, String),
    /// What may join calls: a session id, the id of another system.
    Key(String),
    /// A time, in seconds, milliseconds or microseconds since 1970.
    Time(String),
    /// A user, and what stands in messages beside it: a device as pages name it, or another user.
    Device(String, String),
    Rule(String),
    Failure(String),
    /// The key of an alert.
    Alert([u8; 8]),
    /// What stands in messages, and what it looks like.
    Text(&'static str, String),
}

impl Reading {
    /// "as Call-ID"
    pub fn name(&self) -> &'static str {
        match self {
            Reading::Scenario(_) => "scenario id",
            Reading::Message(_) => "message id",
            Reading::CallId(_) => "Call-ID",
            Reading::User(_) => "user",
            Reading::Moment(..) => "log line",
            Reading::Key(_) => "id that joins calls",
            Reading::Time(_) => TIME,
            Reading::Device(..) => "user and text",
            Reading::Rule(_) => RULE,
            Reading::Failure(_) => FAILURE,
            Reading::Alert(_) => "alert",
            Reading::Text(name, _) => name,
        }
    }

    /// What messages are to hold.
    pub fn text(&self) -> Option<&str> {
        match self {
            Reading::Text(_, text) | Reading::Device(_, text) => Some(text),
            _ => None,
        }
    }
}

/// A paste is looked at this far.
const LONGEST: usize = 64 << 10;

/// All readings; none for a blank text. A log line without an offset is read in `zone`.
pub fn readings(text: &str, zone: Zone, now: Timestamp) -> Vec<Reading> {
    let text = text.trim();
    let text = &text[..text.floor_char_boundary(LONGEST)];
    let mut found = Vec::new();
    if text.is_empty() {
        return found;
    }
    if let Some((time, line)) = log_line(text, zone) {
        found.extend(call_id_header(text).map(Reading::CallId));
        found.push(Reading::Moment(time, line.to_owned()));
        return found;
    }
    if let Some(call_id) = call_id_header(text) {
        return vec![Reading::CallId(call_id)];
    }
    if let Some(reading) = our_address(text) {
        return vec![reading];
    }
    if let Ok(id) = text.parse() {
        return vec![Reading::Message(id)];
    }
    if let Some(end) = end_of_number(text) {
        return vec![Reading::User(end)];
    }
    if let Some(user) = uri_user(text) {
        let stands = text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned();
        return vec![Reading::User(user), Reading::Text(TEXT, stands)];
    }
    if let Some(name) = stands_in_messages(text) {
        let port = text.to_ascii_lowercase().strip_prefix("port ").map(|port| format!(":{}", port.trim()));
        let text = port.unwrap_or_else(|| text.to_owned());
        found.push(Reading::Text(name, text.clone()));
        found.extend((name == ADDRESS && !text.contains([']', ' '])).then_some(Reading::User(text)));
        return found;
    }
    if moment::is_epoch(text, now) {
        found.push(Reading::Time(text.to_owned()));
    }
    word(text, &mut found);
    found
}

pub(super) const RULE: &str = "rule";
pub(super) const FAILURE: &str = "failure";
pub(super) const TIME: &str = "time";
/// As text that messages hold.
const TEXT: &str = "text in messages";
const ADDRESS: &str = "IP address";

/// What can be nothing else than a text that messages hold, and its name.
fn stands_in_messages(text: &str) -> Option<&'static str> {
    let digits = |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = text.strip_prefix(':').is_some_and(digits)
        || text.to_ascii_lowercase().strip_prefix("port ").is_some_and(|port| digits(port.trim()));
    let is_address = text.parse::<IpAddr>().is_ok()
        || text.parse::<SocketAddr>().is_ok()
        || text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .is_some_and(|text| text.parse::<IpAddr>().is_ok());
    match text {
        _ if is_port => Some("port"),
        _ if is_address => Some(ADDRESS),
        // The magic cookie of RFC 3261, 8.1.1.7.
        _ if text.starts_with("z9hG4bK") => Some("branch"),
        _ => None,
    }
}

/// A bare word: id, Call-ID, user or number; else a text.
fn word(text: &str, found: &mut Vec<Reading>) {
    found.extend(alerts::read_key(text).map(Reading::Alert));
    // `486 Busy Here` is an answer, and no device.
    let is_status = |word: &str| word.len() == 3 && matches!(word.as_bytes(), [b'1'..=b'6', b'0'..=b'9', b'0'..=b'9']);
    let two = text.split_once(char::is_whitespace).filter(|(user, _)| number(text).is_none() && !is_status(user));
    if let Some((user, beside)) = two {
        found.push(Reading::Device(user.into(), beside.trim_start().into()));
    }
    let scenario = text.parse().ok().map(Reading::Scenario);
    let number = number(text);
    let plain = percent_decode_str(text).decode_utf8_lossy().into_owned();
    match (scenario, number.clone()) {
        // Eight digits and more are also hex: a number is dialled more often than an id is typed.
        (scenario, Some(number)) => {
            found.push(Reading::User(number.clone()));
            found.extend(scenario);
            found.push(Reading::CallId(text.into()));
        }
        (scenario, None) => {
            found.extend(scenario);
            let at = plain.find('@');
            let callish = at.is_some() || text.len() > 24;
            let user = Reading::User(plain[..at.unwrap_or(plain.len())].into());
            let call_id = Reading::CallId(text.into());
            found.extend(if callish { [call_id, user] } else { [user, call_id] });
            found.retain(|reading| *reading != Reading::User(String::new()));
            if is_class(text) {
                found.extend([Reading::Rule(text.into()), Reading::Failure(text.into())]);
            }
        }
    }
    found.extend(Key::of("any", text).map(|_| Reading::Key(text.into())));
    found.push(Reading::Text(TEXT, number.unwrap_or_else(|| text.into())));
}

/// `push-no-wake`: what may name a rule or a failure.
fn is_class(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= 64
        && text.contains('-')
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(known)
}

/// Digits with an optional plus, without what people put between them (RFC 3966, 3).
pub(super) fn number(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}')).collect();
    let digits = plain.strip_prefix('+').unwrap_or(&plain);
    let is_number = (2..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    (is_number && text.starts_with(['+', '(', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])).then_some(plain)
}

/// `…50142`, `...50142`, `*50142`: a number by its last digits.
fn end_of_number(text: &str) -> Option<String> {
    let marks = [("…", "…"), ("...", "…"), ("*", "*")];
    let (mark, rest) = marks.into_iter().find_map(|(written, mark)| Some((mark, text.strip_prefix(written)?)))?;
    let digits = number(rest.trim_start())?;
    (digits.len() >= 4 && !digits.starts_with('+')).then(|| format!("{mark}{digits}"))
}

/// The user of `sip:`, `sips:` or `tel:`, bare or within `<>`.
fn uri_user(text: &str) -> Option<String> {
    let inner = match (text.find('<'), text.rfind('>')) {
        (Some(start), Some(end)) if start < end => &text[start + 1..end],
        _ => text,
    };
    let (scheme, rest) = inner.split_once(':')?;
    let known = ["sip", "sips", "tel"].iter().any(|name| scheme.eq_ignore_ascii_case(name));
    if !known || rest.contains(char::is_whitespace) {
        return None;
    }
    let user = rest.split(['@', ';', '?', '>']).next().unwrap_or("");
    let user = percent_decode_str(user.split(':').next().unwrap_or("")).decode_utf8_lossy().into_owned();
    let user = if scheme.eq_ignore_ascii_case("tel") { number(&user).unwrap_or(user) } else { user };
    (!user.is_empty()).then_some(user)
}

/// `/s/ID`, `/s/ID?m=MESSAGE`, `/calls/CALL-ID`, `/m/ID.txt`, `/a/KEY`, with or without a host before it.
fn our_address(text: &str) -> Option<Reading> {
    let path = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => {
            &rest[rest.find('/')?..]
        }
        Some(_) => return None,
        None => text,
    };
    let (path, anchor) = path.split_once('#').unwrap_or((path, ""));
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    if let Some(id) = path.strip_prefix("/m/") {
        return id.strip_suffix(".txt").unwrap_or(id).parse().ok().map(Reading::Message);
    }
    if let Some(key) = path.strip_prefix("/a/") {
        return alerts::read_key(key).map(Reading::Alert);
    }
    if let Some(call) = path.strip_prefix("/calls/") {
        let opened = query.split('&').find_map(|pair| pair.strip_prefix("m=")).or_else(|| anchor.strip_prefix('m'));
        let message = opened.and_then(|id| id.trim_end_matches('r').parse().ok()).map(Reading::Message);
        let name = call.split('/').next().unwrap_or("");
        let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
        return message.or((!name.is_empty()).then_some(Reading::CallId(name)));
    }
    let id = path.strip_prefix("/s/")?.split(['/', '.']).next().unwrap_or("");
    let opened = query.split('&').find_map(|pair| pair.strip_prefix("m=")).or_else(|| anchor.strip_prefix('m'));
    let message = opened.and_then(|id| id.trim_end_matches('r').parse().ok()).map(Reading::Message);
    message.or_else(|| id.parse().ok().map(Reading::Scenario))
}

/// The value of a `Call-ID:` or `i:` line.
fn call_id_header(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let name = name.trim();
        let value = value.trim();
        let is_call_id = name.eq_ignore_ascii_case("call-id") || name.eq_ignore_ascii_case("i");
        (is_call_id && !value.is_empty() && !value.contains(char::is_whitespace)).then(|| value.to_owned())
    })
}

/// The first line with our header, and its time.
fn log_line(text: &str, zone: Zone) -> Option<(Timestamp, &str)> {
    if !text.contains('[') {
        return None;
    }
    let format = Format::siptrail();
    text.lines().take(50).find_map(|line| match format.read(line.as_bytes(), zone.tz()) {
        Line::Header(header) => Some((header.time, line)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use record::id::{Offset, StreamId};

    use super::*;

    /// 2026-11-23 12:00:00 UTC.
    const NOW: Timestamp = Timestamp(1_795_435_200_000_000);

    /// The readings but that of a key and of a text, which any word may be.
    fn check(text: &str, expect: &[Reading]) {
        let mut found = readings(text, Zone::UTC, NOW);
        found.retain(|reading| !matches!(reading, Reading::Key(_) | Reading::Text(TEXT, _)));
        assert_eq!(found, expect, "{text}");
    }

    fn user(text: &str) -> Reading {
        Reading::User(text.into())
    }

    fn call_id(text: &str) -> Reading {
        Reading::CallId(text.into())
    }

    #[test]
    fn a_number_is_a_user_first_even_where_it_could_be_an_id() {
        check("+49 (170) 123-4567", &[user("+491701234567"), call_id("+49 (170) 123-4567")]);
        check("00123456", &[user("00123456"), Reading::Scenario(ScenarioId(0x0012_3456)), call_id("00123456")]);
        check("42", &[user("42"), call_id("42")]);
    }

    #[test]
    fn an_id_with_letters_is_a_scenario_first() {
        let id = Reading::Scenario(ScenarioId(0x018f_3c7a));
        check("018f3c7a", &[id.clone(), user("018f3c7a"), call_id("018f3c7a")]);
        check("http://localhost:8080/s/018f3c7a?leg=B1", std::slice::from_ref(&id));
        check("/s/018f3c7a.txt", &[id]);
        check("http://localhost:8080/calls/a%2Fb@example.com?only=problems", &[call_id("a/b@example.com")]);
    }

    #[test]
    fn a_message_is_found_by_its_id_or_its_link() {
        let id = Reading::Message(MessageId::new(StreamId(0x05e1_c2a9_7f3b_4d10), Offset(70_120)));
        check("05e1c2a97f3b4d10-70120", std::slice::from_ref(&id));
        check("/m/05e1c2a97f3b4d10-70120.txt", std::slice::from_ref(&id));
        check("https://example.com/s/018f3c7a#m05e1c2a97f3b4d10-70120r", std::slice::from_ref(&id));
        check("/s/018f3c7a?m=05e1c2a97f3b4d10-70120#x", &[id]);
    }

    #[test]
    fn the_end_of_a_number_is_marked_as_one() {
        check("…50142", &[user("…50142")]);
        check("... 501 42", &[user("…50142")]);
        check("*50142", &[user("*50142")]);
        check("*67", &[user("*67"), call_id("*67")]);
    }

    #[test]
    fn an_address_gives_its_user() {
        check("sip:bob@example.com;transport=tls", &[user("bob")]);
        check("\"Bob\" <SIPS:bob@example.com>;tag=1", &[user("bob")]);
        check("tel:+49-170-1", &[user("+491701")]);
        check("sip:%2312025550142@example.com", &[user("#12025550142")]);
        check("%2349", &[user("#49"), call_id("%2349")]);
    }

    #[test]
    fn what_stands_in_messages_is_known_by_its_looks_or_looked_for_at_last() {
        let text = |name, text: &str| Reading::Text(name, text.into());
        check("192.0.2.1", &[text(ADDRESS, "192.0.2.1"), user("192.0.2.1")]);
        check("192.0.2.1:5060", &[text(ADDRESS, "192.0.2.1:5060"), user("192.0.2.1:5060")]);
        check("[2001:db8::1]:5060", &[text(ADDRESS, "[2001:db8::1]:5060")]);
        check("z9hG4bK-77ef", &[text("branch", "z9hG4bK-77ef")]);
        check(":5061", &[text("port", ":5061")]);
        check("port 5061", &[text("port", ":5061")]);
        let last = |text: &str| {
            let mut all = readings(text, Zone::UTC, NOW);
            all.split_off(all.len() - 2)
        };
        for word in ["1f0c8a52-0d3c", "Linphone/4.2 (iPhone)"] {
            assert_eq!(last(word), [Reading::Key(word.into()), text(TEXT, word)]);
        }
        check(
            "1795435200",
            &[
                Reading::Time("1795435200".into()),
                user("1795435200"),
                Reading::Scenario(ScenarioId(0x17_9543_5200)),
                call_id("1795435200"),
            ],
        );
        check(
            "2025550142",
            &[user("2025550142"), Reading::Scenario(ScenarioId(0x20_2555_0142)), call_id("2025550142")],
        );
    }

    #[test]
    fn a_device_a_rule_and_an_alert_are_read_as_pages_and_mails_name_them() {
        let device = Reading::Device("bob".into(), "Yealink SIP-T46S".into());
        check("bob  Yealink SIP-T46S", &[device, user("bob  Yealink SIP-T46S"), call_id("bob  Yealink SIP-T46S")]);
        let class = "push-no-wake";
        let named = [Reading::Rule(class.into()), Reading::Failure(class.into())];
        check(class, &[user(class), call_id(class), named[0].clone(), named[1].clone()]);
        let alert = Reading::Alert([0x7f, 0x3a, 0x91, 0xc2, 0x0b, 0x44, 0xe1, 0xd2]);
        check("https://siptrail.example.com/a/7f3a91c20b44e1d2?zone=UTC", std::slice::from_ref(&alert));
        assert_eq!(readings("7f3a91c20b44e1d2", Zone::UTC, NOW)[0], alert);
    }

    #[test]
    fn a_word_with_an_at_is_a_call_id_and_perhaps_a_user() {
        check("6f2a90c1d8@alice-ios", &[call_id("6f2a90c1d8@alice-ios"), user("6f2a90c1d8")]);
        check("alice", &[user("alice"), call_id("alice")]);
        check("Call-ID: 6f2a90c1d8@alice-ios\r", &[call_id("6f2a90c1d8@alice-ios")]);
        check("i:x", &[call_id("x")]);
        check("  ", &[]);
    }

    proptest! {
        #[test]
        fn any_paste_is_read_without_a_panic(text in "\\PC{0,80}", tail in "[\\[\\]<>:/?#@m\\-\n]{0,20}") {
            readings(&text, Zone::UTC, NOW);
            readings(&format!("{tail}{text}"), Zone::UTC, NOW);
            readings(&format!("http://{text}{tail}"), Zone::UTC, NOW);
        }
    }
}
