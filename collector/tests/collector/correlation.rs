//! Which messages belong together, from the log to the scenario: each key that is shipped, and what joins nothing.

use collector::{Config, correlate};
use message::event::CallClass;
use store::search::Filter;

use crate::door::{Door, stream};

/// A SIP request with these headers beside its Call-ID, at noon.
fn sip(method: &str, call_id: &str, headers: &str) -> String {
    sip_at("2026-11-23 12:00:00.000", method, call_id, headers)
}

fn sip_at(time: &str, method: &str, call_id: &str, headers: &str) -> String {
    let headers = crlf(headers);
    format!(
        "[{time}][{method}][sip:192.0.2.1:5060][sip:192.0.2.2:5060]\n{method} sip:bob@example.com SIP/2.0\r\n\
         Call-ID: {call_id}\r\nCSeq: 1 {method}\r\n{headers}Content-Length: 0\r\n\r\n\n"
    )
}

fn crlf(lines: &str) -> String {
    lines.lines().flat_map(|line| [line, "\r\n"]).collect()
}

fn invite(call_id: &str, headers: &str) -> String {
    sip("INVITE", call_id, headers)
}

fn rest(target: &str, headers: &str, body: &str) -> String {
    let headers = crlf(headers);
    format!(
        "[2026-11-23 12:00:01.000][POST][http://192.0.2.1:8080][http://192.0.2.9:80]\nPOST {target} HTTP/1.1\r\n\
         Host: api.example.com\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}\n",
        body.len()
    )
}

/// The classes of the scenarios that these records come to, with the number of messages of each; each record arrives
/// and is correlated alone, in this order.
async fn scenarios(config: &str, records: &[&str]) -> Vec<(CallClass, i64)> {
    let config: Config = serde_json::from_str(config).expect("a config");
    let door = Door::open_with(&config).await;
    let mut base = 0;
    for record in records {
        let (status, answer) = door.append(vec![stream(1, base, record)]).await;
        assert!(status.is_success(), "{answer:?}");
        base += record.len() as u64;
        correlate::step(&door.store, "one").await.expect("correlated");
    }
    let filter = Filter { classes: CallClass::ALL.to_vec(), ..Filter::default() };
    let page = door.store.search(&filter, None, 100).await.expect("scenarios");
    let mut found: Vec<_> = page.rows.iter().map(|row| (row.class, row.messages)).collect();
    found.sort();
    found
}

/// In both orders of arrival.
async fn check(config: &str, one: &str, other: &str, together: bool) {
    for records in [[one, other], [other, one]] {
        let found = scenarios(config, &records).await;
        assert_eq!(found.len(), if together { 1 } else { 2 }, "{found:?}: {one}{other}");
    }
}

const ONE: &str = "a-leg-100@example.com";
const OTHER: &str = "b-leg-200@example.com";

#[tokio::test]
async fn a_header_that_holds_anothers_call_id_joins() {
    for header in [
        "X-CID: a-leg-100@example.com",
        "X-Call-ID: a-leg-100@example.com",
        "Replaces: a-leg-100@example.com;to-tag=1;from-tag=2",
        "Join: a-leg-100@example.com;to-tag=1;from-tag=2",
        "Target-Dialog: a-leg-100@example.com;local-tag=1;remote-tag=2",
        "Refer-To: <sip:carol@example.com?Replaces=a-leg-100%40example.com%3Bto-tag%3D1%3Bfrom-tag%3D2>",
        "Referred-By: <sip:bob@example.com>;call-id=\"a-leg-100@example.com\"",
    ] {
        check("{}", &invite(ONE, ""), &invite(OTHER, header), true).await;
    }
    check("{}", &invite(ONE, "X-CID: scenario-77"), &invite(OTHER, "X-CID: scenario-77"), true).await;
    // It names a part of a body, and a call only where one of this Call-ID is known.
    let cid = |name: &str| invite(OTHER, &format!("Referred-By: <sip:bob@example.com>;cid=\"{name}\""));
    assert_eq!(scenarios("{}", &[&invite(ONE, ""), &cid(ONE)]).await.len(), 1);
    assert_eq!(scenarios("{}", &[&invite(ONE, ""), &cid("part-1@example.com")]).await.len(), 2);
    check("{}", &invite(ONE, ""), &invite(OTHER, ""), false).await;
}

#[tokio::test]
async fn a_call_id_in_json_or_in_a_query_joins_rest_and_push_to_the_call() {
    for name in ["callId", "call_id", "callID"] {
        let id = format!("{{\"{name}\":\"{ONE}\"}}");
        for body in [id.clone(), format!("{{\"data\":{id}}}"), format!("{{\"message\":{{\"data\":{id}}}}}")] {
            check("{}", &invite(ONE, ""), &rest("/v1/notify", "", &body), true).await;
        }
    }
    let query = "/v1/ring?callId=a-leg-100%40example.com&x=1";
    check("{}", &invite(ONE, ""), &rest(query, "", "{}"), true).await;
    check("{}", &invite(ONE, ""), &rest("/v1/ring", "X-CID: a-leg-100@example.com", "{}"), true).await;
    let elsewhere = format!("{{\"meta\":{{\"callId\":\"{ONE}\"}}}}");
    check("{}", &invite(ONE, ""), &rest("/v1/notify", "", &elsewhere), false).await;
}

#[tokio::test]
async fn either_uuid_of_a_session_joins_and_the_nil_uuid_does_not() {
    let (a, b, nil) =
        ("ab30317f1a784dc48ff824d0d3715d86", "47755a9de7794ba387653f2099600ef2", "00000000000000000000000000000000");
    let upper = a.to_ascii_uppercase();
    for (one, other, together) in [
        (format!("{a};remote={b}"), format!("{b};remote={a}"), true),
        (format!("{a};remote={nil}"), format!("{b};remote={a}"), true),
        (a.to_owned(), format!("{b};remote={upper}"), true),
        (format!("{a};remote={nil}"), format!("{b};remote={nil}"), false),
    ] {
        let (one, other) = (format!("Session-ID: {one}"), format!("Session-ID: {other}"));
        check("{}", &invite(ONE, &one), &invite(OTHER, &other), together).await;
    }
}

#[tokio::test]
async fn charging_ids_join() {
    let first = "P-Charging-Vector: icid-value=\"icid-4711\";orig-ioi=home.example";
    for other in ["icid-value=icid-4711", "icid-value=icid-4712;related-icid=icid-4711"] {
        check("{}", &invite(ONE, first), &invite(OTHER, &format!("P-Charging-Vector: {other}")), true).await;
    }
    check("{}", &invite(ONE, first), &invite(OTHER, "P-Charging-Vector: icid-value=icid-4712"), false).await;
}

#[tokio::test]
async fn traces_join_only_when_they_are_asked_to() {
    let trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let (one, other) = (invite(ONE, trace), invite(OTHER, trace));
    check("{}", &one, &other, false).await;
    check(r#"{"reading":{"trace":true}}"#, &one, &other, true).await;
}

#[tokio::test]
async fn an_operators_own_keys_join_by_header_json_and_query() {
    let config = r#"{"key":[
        {"space":"ticket","header":"X-Ticket","match":"id=([^;]+)"},
        {"space":"ticket","json":"/meta/ticket"},
        {"space":"ticket","query":"ticket"}]}"#;
    let call = invite(ONE, "X-Ticket: a=1;id=T-100200;b=2");
    check(config, &call, &invite(OTHER, "X-Ticket: id=T-100200"), true).await;
    check(config, &call, &rest("/v1/open", "", r#"{"meta":{"ticket":"T-100200"}}"#), true).await;
    check(config, &call, &rest("/v1/open?ticket=T-100200", "", "{}"), true).await;
    check(config, &call, &invite(OTHER, "X-Ticket: T-100200"), false).await;
    // Another space than Call-IDs have.
    check(config, &call, &invite(OTHER, "X-CID: T-100200"), false).await;
}

#[tokio::test]
async fn values_that_say_nothing_join_nothing() {
    for value in ["0", "-", "null", "none", "unknown", "anonymous", "Anonymous", "000000", "12345", "\"\"", "<>"] {
        let header = format!("X-CID: {value}");
        check("{}", &invite(ONE, &header), &invite(OTHER, &header), false).await;
    }
    // A call is named by its own Call-ID, whatever that is.
    let found = scenarios("{}", &[&invite("0", ""), &sip("BYE", "0", ""), &invite("none", "")]).await;
    assert_eq!(found, [(CallClass::Call, 1), (CallClass::Call, 2)]);
}

#[tokio::test]
async fn what_joins_over_others_joins_in_any_order() {
    let legs = [
        invite("leg-one-1@example.com", "X-CID: ticket-aa"),
        invite("leg-two-2@example.com", "X-CID: ticket-aa\nSession-ID: ab30317f1a784dc48ff824d0d3715d86"),
        rest("/v1/ring?callId=leg-two-2@example.com", "X-CID: ticket-bb", "{}"),
        invite("leg-three@example.com", "X-CID: ticket-bb"),
    ];
    for order in [[0, 1, 2, 3], [0, 3, 1, 2], [3, 0, 2, 1], [2, 0, 3, 1], [1, 3, 0, 2]] {
        let records = order.map(|at: usize| legs[at].as_str());
        assert_eq!(scenarios("{}", &records).await, [(CallClass::Call, 4)], "{order:?}");
    }
}

#[tokio::test]
async fn a_key_of_more_than_fifty_calls_joins_no_more() {
    let calls: Vec<String> =
        (0..53).map(|at| invite(&format!("call-{at:03}@example.com"), "X-CID: front-desk")).collect();
    let found = scenarios("{}", &calls.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(found, [(CallClass::Call, 1), (CallClass::Call, 1), (CallClass::Call, 1), (CallClass::Call, 50)]);
}

#[tokio::test]
async fn what_lives_for_weeks_is_a_scenario_a_day_and_glues_no_calls_together() {
    for (method, headers, class) in [
        ("REGISTER", "X-CID: a-leg-100@example.com", CallClass::Registration),
        ("OPTIONS", "X-CID: a-leg-100@example.com", CallClass::Keepalive),
        ("SUBSCRIBE", "Event: presence\nX-CID: a-leg-100@example.com", CallClass::Subscription),
    ] {
        let at = |time: &str| sip_at(time, method, OTHER, headers);
        let days = [
            at("2026-11-23 00:00:00.000"),
            at("2026-11-23 23:59:59.999"),
            at("2026-11-24 00:00:00.000"),
            invite(ONE, ""),
        ];
        let records: Vec<&str> = days.iter().map(String::as_str).collect();
        assert_eq!(scenarios("{}", &records).await, [(CallClass::Call, 1), (class, 1), (class, 2)], "{method}");
    }
    // Inside a call it is of the call.
    let inside = sip("OPTIONS", ONE, "To: <sip:bob@example.com>;tag=2");
    assert_eq!(scenarios("{}", &[&invite(ONE, ""), &inside]).await, [(CallClass::Call, 2)]);
}

/// A logger that writes LF for CRLF, so that the size of the chunk counts an octet more for each line.
#[tokio::test]
async fn a_call_id_within_a_chunked_body_joins_its_call() {
    let push = "[2026-11-23 12:00:00.010][POST][sip:192.0.2.1:5060][https://fcm.example.com]\nPOST /v1/send HTTP/1.1\n\
                Host: fcm.example.com\nTransfer-Encoding: chunked\n\n1d\n{\"data\":{\"callId\":\"c39@a\"}}\n\n0\n\n\n";
    check("{}", push, &invite("c39@a", ""), true).await;
    check("{}", push, &invite("c40@a", ""), false).await;
}
