//! Every answer has a budget of bytes that does not depend on what a message holds.

use axum::http::StatusCode;
use message::kind::Kind;
use record::time::SECOND;

use crate::fixture::{ALICE, API, PROXY, PUSH, Record, SBC, Sip, other, sip};
use crate::pages::BEGUN;
use crate::site::Site;

/// A page with few rows, whatever they hold.
const PAGE: usize = 1 << 20;

/// Much of what a field may hold.
const LONG: usize = 60_000;

/// A message with one of its fields made large.
type Change = Box<dyn Fn(String) -> String>;

fn long(of: &str) -> String {
    of.repeat(LONG / of.len())
}

/// Messages each of which is large in another way, with the name of that way; each in a call of its own.
fn hostile() -> Vec<(&'static str, Vec<Record>)> {
    let mut all: Vec<(&'static str, Vec<Record>)> = Vec::new();
    let mut at = BEGUN;
    let mut next = || {
        at += SECOND;
        at
    };
    let mut raw = |name: &'static str, kind: Kind, method: &str, body: Vec<u8>| {
        let (from, to) = match kind {
            Kind::Push => (PROXY, PUSH),
            Kind::Rest => (PROXY, API),
            _ => (ALICE, SBC),
        };
        let record = Record { body, ..other(next(), "sbc-1", kind, method, (from, to), "") };
        all.push((name, vec![record]));
    };
    let invite = |call: &str, change: &dyn Fn(String) -> String| {
        let text = String::from_utf8(Sip::new(call, "alice", "bob").text("INVITE")).expect("text");
        change(text).into_bytes()
    };
    let head = |call: &str, line: &str| invite(call, &|text| text.replace("Max-Forwards: 70", line));
    for (name, of) in [("letters", "a"), ("markup", "<'\">&"), ("controls", "\u{1}"), ("bidi", "\u{202e}")] {
        let long = long(of);
        let swap = |from: &'static str, to: String| move |text: String| text.replace(from, &to);
        let cases: Vec<(&str, Change)> = vec![
            ("display", Box::new(swap("\"alice\"", format!("\"{}\"", long.replace('"', ""))))),
            ("user", Box::new(swap("sip:alice@", format!("sip:{long}@")))),
            ("callee", Box::new(swap("sip:bob@", format!("sip:{long}@")))),
            ("host", Box::new(swap("@example.com", format!("@{long}.example.com")))),
            ("tag", Box::new(swap("tag=f1", format!("tag={long}")))),
            ("branch", Box::new(swap("branch=z9hG4bK", format!("branch=z9hG4bK{long}")))),
            ("agent", Box::new(swap("Max-Forwards: 70", format!("User-Agent: {long}")))),
            ("header", Box::new(swap("Max-Forwards", long.clone()))),
            ("callid", Box::new(swap("@192.0.2.10", format!("@{long}")))),
            ("method", Box::new(swap("INVITE", format!("INVITE{long}")))),
            ("target", Box::new(swap("INVITE sip:bob@example.com", format!("INVITE sip:{long}")))),
            ("contact", Box::new(swap("Max-Forwards: 70", format!("Contact: <sip:{long}@192.0.2.1>")))),
            ("session", Box::new(swap("Max-Forwards: 70", format!("X-CID: {long}")))),
            ("reason", Box::new(swap("Max-Forwards: 70", format!("Reason: SIP;cause=200;text=\"{long}\"")))),
        ];
        for (field, change) in cases {
            raw(name, Kind::Sip, "INVITE", invite(&format!("{name}-{field}@192.0.2.10"), &*change));
        }
        let call = format!("{name}-phrase@192.0.2.10");
        let text = Sip::new(&call, "alice", "bob").text(&format!("486 {long}"));
        raw(name, Kind::Sip, "486", text);
        for (kind, method) in [(Kind::Rest, "POST"), (Kind::Push, "PUSH"), (Kind::Media, "SDP")] {
            let json =
                serde_json::json!({ "callId": format!("{name}-{method}"), "x": long, "token": long }).to_string();
            raw(name, kind, method, json.into_bytes());
            let http =
                format!("POST /{long} HTTP/1.1\r\nHost: {long}\r\nX-{long}: {long}\r\nContent-Length: 0\r\n\r\n");
            raw(name, kind, method, http.into_bytes());
        }
        raw(name, Kind::Rest, &long, b"{}".to_vec());
    }
    let many = |of: &str, number: usize| (0..number).map(|nth| of.replace('#', &nth.to_string())).collect::<String>();
    let body = |text: &str| format!("Content-Length: {}\r\n\r\n{text}", text.len());
    let deep = 100_000;
    let nested = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
    let wide = format!("{}{}{}", "[".repeat(120), many("#,", 50_000) + "0", "]".repeat(120));
    for (name, text) in [
        ("nested", nested),
        ("wide", wide),
        ("nuls", "\0".repeat(200_000)),
        ("sdp", format!("v=0\r\n{}", many("a=#\r\n", 50_000))),
        ("lines", "\n".repeat(200_000)),
    ] {
        raw(name, Kind::Rest, "POST", text.clone().into_bytes());
        raw(
            name,
            Kind::Push,
            "PUSH",
            format!("POST / HTTP/1.1\r\nContent-Type: application/json\r\n{}", body(&text)).into_bytes(),
        );
        let message = Sip::new(&format!("{name}@192.0.2.10"), "alice", "bob").text("MESSAGE");
        let message = String::from_utf8(message).expect("text").replace("Content-Length: 0\r\n\r\n", &body(&text));
        raw(name, Kind::Sip, "MESSAGE", message.into_bytes());
    }
    raw(
        "vias",
        Kind::Sip,
        "INVITE",
        head("vias@192.0.2.10", many("Via: SIP/2.0/UDP 192.0.2.#;branch=z9hG4bK#\r\n", 5000).trim_end()),
    );
    raw(
        "headers",
        Kind::Sip,
        "INVITE",
        head("headers@192.0.2.10", many("X-#: \u{1}\u{2}\u{3}#\r\n", 20_000).trim_end()),
    );
    raw(
        "routes",
        Kind::Sip,
        "INVITE",
        head("routes@192.0.2.10", &format!("Record-Route: {}<sip:a>", many("<sip:192.0.2.#;lr>, ", 5000))),
    );
    all
}

#[tokio::test]
async fn no_answer_grows_with_what_a_message_holds() {
    let mut site = Site::new().await;
    let mut over = Vec::new();
    for (name, records) in hostile() {
        let ids = site.ingest.add(&records).await;
        let id = ids[0];
        let message = site.json(&format!("/api/v1/messages/{id}")).await;
        let scenario = message["scenario_id"].as_str().unwrap_or_default().to_owned();
        let mut paths = vec![format!("/s/{scenario}"), format!("/s/{scenario}/table"), "/".into(), "/search".into()];
        paths.extend(["parsed", "raw", "ends", "body", "log"].map(|tab| format!("/s/{scenario}?m={id}&tab={tab}")));
        paths.extend([
            "/api/v1/scenarios?limit=1".into(),
            format!("/api/v1/scenarios/{scenario}"),
            "/api/v1/streams".into(),
        ]);
        for path in paths {
            let answer = site.get(&path).await;
            assert_eq!(answer.status, StatusCode::OK, "{name}: {path}");
            if answer.body.len() > PAGE {
                over.push(format!(
                    "{name} {}: {} bytes of {path}",
                    message["method"].as_str().unwrap_or("").chars().take(9).collect::<String>(),
                    answer.body.len()
                ));
            }
        }
    }
    assert!(over.is_empty(), "{} answers are over the budget:\n{}", over.len(), over.join("\n"));
}

#[tokio::test]
async fn many_rows_with_long_words_are_as_short_as_others() {
    let mut site = Site::new().await;
    let long = "x".repeat(20_000);
    let message = Sip::new("many@192.0.2.10", &format!("alice{long}"), &format!("bob{long}"));
    let all: Vec<Record> = (0..300)
        .map(|nth| {
            let message = Sip { branch: format!("z9hG4bK{nth}"), ..message.clone() };
            let start = if nth % 2 == 0 { "INFO".into() } else { format!("486 {long}") };
            let (from, to) = (format!("sip:{long}{}.example.com", nth % 7), format!("sip:b{long}.example.com"));
            sip(BEGUN + nth * SECOND, "sbc-1", &from, &to, &start, &message)
        })
        .collect();
    let id = site.ingest.add(&all).await[0];
    let found = site.json(&format!("/api/v1/messages/{id}")).await;
    let scenario = found["scenario_id"].as_str().unwrap();
    for path in [format!("/s/{scenario}"), format!("/s/{scenario}/table"), format!("/api/v1/scenarios/{scenario}")] {
        let size = site.get(&path).await.body.len();
        assert!(size < 300 * 4_000, "{path}: {size} bytes");
    }
}

#[tokio::test]
async fn a_page_of_large_messages_holds_fewer_of_them_and_none_is_left_out() {
    let mut site = Site::new().await;
    let large = "x".repeat(5 << 20);
    let all: Vec<Record> = (0..7)
        .map(|nth| {
            let body = format!("{{\"callId\":\"{nth}\",\"x\":\"{}\"}}", if nth == 3 { "" } else { &large });
            other(BEGUN + nth * SECOND, "sbc-1", Kind::Rest, "POST", (PROXY, API), &body)
        })
        .collect();
    let ids: Vec<String> = site.ingest.add(&all).await.iter().map(ToString::to_string).collect();
    let (mut seen, mut pages, mut after) = (Vec::new(), 0, String::new());
    loop {
        let page = site.json(&format!("/api/v1/messages?limit=1000{after}")).await;
        for message in page["messages"].as_array().unwrap() {
            seen.push(message["id"].as_str().unwrap().to_owned());
            assert_eq!(message.get("body").is_some(), seen.len() == 4, "a large body stands in its file alone");
        }
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!((seen, pages), (ids.clone(), 2));
    let file = site.get(&format!("/m/{}.txt", ids[0])).await;
    assert!(file.body.len() > large.len());
}
