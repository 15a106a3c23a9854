//! Scenarios written as short lines, for tests: each line is one log record.

use std::sync::Arc;

use message::facts::{Settings, read};
use message::kind::Kind;
use message::logged::{Message, Place};
use record::id::{CallKey, MessageId, Offset, StreamId};
use record::span::Flags;
use record::time::Timestamp;

/// Reads lines of `ms log from>to what key=value … | Header: value`.
///
/// `what` is a SIP method with its URI, a status with the method it answers, or `GET`, `POST`, `PUSH`, with
/// headers as HTTP text. Keys: `via`
/// (branches from the top, joined by `,`), `call`, `from`, `to`, `ftag`, `tag` (of To), `cseq`, `contact`, `body` (of SIP its
/// blanks as `_`).
pub fn story(lines: &str) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        messages.push(record(line, messages.len()));
    }
    messages
}

/// Machines by name; what is not listed is an address already.
fn address(name: &str) -> &str {
    match name {
        "alice" => "sip:192.0.2.10:5060",
        "bob1" => "sip:192.0.2.21:5060",
        "bob2" => "sip:192.0.2.22:5060",
        "bob3" => "sip:192.0.2.23:5060",
        "carol" => "sip:192.0.2.30:5060",
        "edge" => "sip:10.0.0.1:5060",
        "core" => "sip:10.0.0.2:5060",
        "agent" => "sip:10.0.0.3:5060",
        "api" => "https://api.example.com/v1",
        "fcm" => "https://fcm.example.net/v1/projects/demo/messages:send",
        other => other,
    }
}

fn host(name: &str) -> &str {
    address(name).trim_start_matches("sip:")
}

fn record(line: &str, index: usize) -> Message {
    let (line, headers) = line.split_once(" | ").unwrap_or((line, ""));
    let words: Vec<&str> = line.split_whitespace().collect();
    let [at, log, ends, what, rest @ ..] = words.as_slice() else { panic!("too short: {line}") };
    let (from, to) = ends.split_once('>').expect("from>to");
    let value = |name: &str| rest.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let subject = rest.first().filter(|word| !word.contains('=') || word.starts_with("sip:")).copied();
    let (kind, body) = match *what {
        "GET" | "POST" | "PUSH" if !headers.is_empty() => {
            let (kind, verb) = if *what == "PUSH" { (Kind::Push, "POST") } else { (Kind::Rest, *what) };
            let (headers, body) = (headers.replace(" | ", "\r\n"), value("body").unwrap_or_default());
            (kind, format!("{verb} /v1/calls HTTP/1.1\r\n{headers}\r\n\r\n{body}"))
        }
        "GET" | "POST" => (Kind::Rest, value("body").unwrap_or_default().to_owned()),
        // A status line, blanks as `_`.
        "HTTP" => {
            let line = value("body").unwrap_or_default().replace('_', " ");
            let headers = headers.split(" | ").filter(|header| !header.is_empty());
            (
                Kind::Rest,
                std::iter::once(line.as_str()).chain(headers).map(|line| line.to_owned() + "\r\n").collect::<String>()
                    + "\r\n",
            )
        }
        "PUSH" => (Kind::Push, value("body").unwrap_or_default().to_owned()),
        method => (Kind::Sip, sip(method, subject.unwrap_or("INVITE"), from, &value, headers)),
    };
    let facts = read(kind, what, address(from), address(to), body.as_bytes(), &Settings::default());
    let call = facts.call_id.clone().unwrap_or_else(|| index.to_string());
    Message {
        id: MessageId::new(StreamId(log.bytes().map(i64::from).sum()), Offset(index as u64 * 1000)),
        time: Timestamp(1_700_000_000_000_000 + (at.parse::<f64>().expect("ms") * 1000.0).round() as i64),
        kind,
        method: (*what).to_owned(),
        status: facts.status,
        source: address(from).to_owned(),
        destination: address(to).to_owned(),
        call: CallKey::of(call.as_bytes()),
        flags: Flags::default(),
        provisional: rest.contains(&"provisional"),
        place: Arc::new(Place { agent: format!("{log}-host"), source: (*log).to_owned(), ..Place::default() }),
        len: body.len() as u64,
        raw: body.into_bytes(),
        head: 0,
        line_end: 0,
        masked: Vec::new(),
        facts,
    }
}

fn sip<'a>(method: &str, subject: &str, from: &str, value: &dyn Fn(&str) -> Option<&'a str>, headers: &str) -> String {
    let status = method.parse::<u16>().ok();
    let start = match status {
        Some(_) => format!("SIP/2.0 {method} Said"),
        None => format!("{method} {subject} SIP/2.0"),
    };
    let of = if status.is_some() { subject } else { method };
    let mut text = start + "\r\n";
    for branch in value("via").unwrap_or_default().split(',') {
        text += &format!("Via: SIP/2.0/UDP {branch}.example.com;branch=z9hG4bK{branch}\r\n");
    }
    let tag = |name| value(name).map_or(String::new(), |tag| format!(";tag={tag}"));
    let (caller, callee) = (value("from").unwrap_or("alice"), value("to").unwrap_or("bob"));
    let ftag = value("ftag").unwrap_or("f");
    text += &format!("From: <sip:{caller}@example.com>;tag={ftag}\r\nTo: <sip:{callee}@example.com>{}\r\n", tag("tag"));
    text +=
        &format!("Call-ID: {}\r\nCSeq: {} {of}\r\n", value("call").unwrap_or("call-a"), value("cseq").unwrap_or("1"));
    if let Some(contact) = value("contact") {
        text += &format!("Contact: {contact}\r\n");
    } else if status.is_none() && matches!(method, "INVITE" | "REGISTER") {
        text += &format!("Contact: <sip:{caller}@{}>\r\n", host(from));
    }
    for header in headers.split(" | ").filter(|header| !header.is_empty()) {
        text += &format!("{header}\r\n");
    }
    text + "\r\n" + &value("body").unwrap_or_default().replace('_', " ")
}
