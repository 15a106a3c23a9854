//! Test messages as they are written in the tests: with a margin, so that blanks at both ends of a line can be seen.

use message::event::CallEvent;
use message::facts::{self, Facts, Fault, Settings, SipFacts};
use message::kind::Kind;
use message::sip::Headers;
use record::id::{MessageId, Offset, StreamId};
use record::time::{Day, Timestamp};

/// Lines that begin with `|` behind any indentation, each ended by CRLF. `{length}` stands for the length of the body.
pub(super) fn message(drawn: &str) -> Vec<u8> {
    let mut text = String::new();
    for line in drawn.lines() {
        if let Some(line) = line.trim_start().strip_prefix('|') {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
    let body = text.find("\r\n\r\n").map_or(0, |at| text.len() - at - 4);
    text.replace("{length}", &body.to_string()).into_bytes()
}

/// Facts of a drawn message, with the names of the faults that it must show, in order.
#[track_caller]
pub(super) fn check(drawn: &str, faults: &[&str]) -> Facts {
    check_bytes(&message(drawn), faults)
}

#[track_caller]
pub(super) fn check_bytes(message: &[u8], faults: &[&str]) -> Facts {
    let facts = facts::read(Kind::Sip, "-", "-", "-", message, &Settings::default());
    let seen: Vec<_> = facts.faults.iter().map(|fault| fault.what.as_str()).collect();
    assert_eq!(seen, faults);
    facts
}

/// The first line with a fault of this name, without its line end.
#[track_caller]
pub(super) fn line_of(facts: &Facts, fault: &str, drawn: &str) -> String {
    line_at(facts.faults.iter().find(|f| f.what == fault).expect("the fault was noted"), drawn)
}

pub(super) fn line_at(fault: &Fault, drawn: &str) -> String {
    let bytes = message(drawn);
    let line = bytes[fault.at as usize..].split(|b| *b == b'\r').next().unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
}

pub(super) fn sip(facts: &Facts) -> &SipFacts {
    facts.sip.as_deref().expect("a SIP message has SIP facts")
}

/// Users of From and To, with their tags.
pub(super) fn parties(facts: &Facts) -> (&str, &str, &str, &str) {
    let (from, to) = (sip(facts).from.as_ref().expect("From"), sip(facts).to.as_ref().expect("To"));
    (&from.uri.user, from.tag().unwrap_or("-"), &to.uri.user, to.tag().unwrap_or("-"))
}

/// The value of the first header of this name as written, without folds.
#[track_caller]
pub(super) fn value(drawn: &str, name: &str) -> String {
    let bytes = message(drawn);
    let header = Headers::of(&bytes).find(|header| header.name() == name).expect("a header of this name");
    header.value().into_owned()
}

/// Caller, callee and target as they are stored and searched.
pub(super) fn shown(facts: &Facts) -> [String; 3] {
    let event = CallEvent::of(MessageId::new(StreamId(1), Offset(0)), Day(0), Timestamp(0), "-", "-", "-", facts);
    [event.from, event.to, event.target].map(Option::unwrap_or_default)
}
