//! The API through the router.

use axum::http::{Request, StatusCode};
use message::kind::Kind;
use record::time::SECOND;
use serde_json::Value;

use crate::fixture::{ALICE, API, PROXY, Record, SBC, Sip, call, forked, other, sip};
use crate::pages::BEGUN;
use crate::site::{Answer, Site};

async fn filled(calls: u32) -> Site {
    let mut site = Site::new().await;
    let mut records = Vec::new();
    for number in 0..calls {
        records.extend(call(BEGUN + i64::from(number) * SECOND, number, "alice", "bob", 200, 10));
    }
    site.ingest.add(&records).await;
    site
}

async fn pages(site: &Site, path: &str, list: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = site.json(&format!("{path}{after}")).await;
        all.extend(page[list].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return all,
        }
    }
}

fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_of_scenarios_hold_each_once_newest_first() {
    let site = filled(23).await;
    let all = pages(&site, "/api/v1/scenarios?limit=5", "scenarios").await;
    let firsts: Vec<_> = all.iter().map(|row| row["first"].as_str().unwrap().to_owned()).collect();
    assert_eq!(all.len(), 23);
    assert!(firsts.is_sorted_by(|a, b| a > b), "{firsts:?}");
    assert_eq!(firsts[22], "2026-09-14T12:00:00.000000Z");
    assert_eq!((all[0]["status"].as_u64(), all[0]["kinds"]["SIP"].as_u64()), (Some(200), Some(15)));
}

#[tokio::test]
async fn pages_of_messages_hold_each_once_by_time() {
    let site = filled(4).await;
    let all = pages(&site, "/api/v1/messages?limit=7", "messages").await;
    let mut unique = ids(&all);
    assert_eq!(unique.len(), 60);
    let times: Vec<_> = all.iter().map(|row| row["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted());
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), 60);
}

#[tokio::test]
async fn a_message_has_the_fields_that_were_promised() {
    let mut site = Site::new().await;
    let stored = site.ingest.add(&call(BEGUN, 1, "alice", "bob", 200, 5)).await;
    let message = site.json(&format!("/api/v1/messages/{}", stored[4])).await;
    let names: Vec<_> = message.as_object().unwrap().keys().map(String::as_str).collect();
    let promised = "id time kind method status source destination call_id scenario_id agent source_path stream offset length \
        header provisional flags body";
    for name in promised.split(' ') {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert_eq!(message["id"], stored[4].to_string());
    assert_eq!(
        message["header"],
        "[2026-09-14T12:00:00.142000Z][180][sip:10.0.0.20:5060;transport=tcp][sip:10.0.0.10:5060;transport=tcp]"
    );
    assert!(message["body"].as_str().unwrap().starts_with("SIP/2.0 180 Ringing\r\n"));
    assert_eq!(message["cseq"], 1);
    assert_eq!(site.get("/api/v1/messages/05e1c2a97f3b4d10-70120").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn messages_and_scenarios_of_one_moment_are_paged_without_a_gap_or_a_repeat() {
    let mut site = Site::new().await;
    let records: Vec<Record> = (0..40)
        .map(|number| {
            let message = Sip::new(&format!("{number}@192.0.2.10"), "alice", "bob");
            sip(BEGUN, ["sbc-1", "proxy-1"][number % 2], ALICE, SBC, "INVITE", &message)
        })
        .collect();
    let mut stored: Vec<String> = site.ingest.add(&records).await.iter().map(ToString::to_string).collect();
    stored.sort();
    let mut seen = ids(&pages(&site, "/api/v1/messages?limit=7", "messages").await);
    seen.sort();
    assert_eq!(seen, stored);
    let mut scenarios = ids(&pages(&site, "/api/v1/scenarios?limit=7", "scenarios").await);
    scenarios.sort();
    scenarios.dedup();
    assert_eq!(scenarios.len(), 40);
}

#[tokio::test]
async fn every_message_of_a_scenario_stands_in_one_row_of_its_picture() {
    let mut site = Site::new().await;
    let mut records = forked(BEGUN);
    // The INVITE to the core is sent again, and both ends log that too.
    let again = |record: &Record| Record { at: record.at + 500_000, ..record.clone() };
    records.extend([again(&records[1]), again(&records[2])]);
    let mut stored: Vec<String> = site.ingest.add(&records).await.iter().map(ToString::to_string).collect();
    let id = ids(&pages(&site, "/api/v1/scenarios?limit=1", "scenarios").await).remove(0);
    let picture = site.json(&format!("/api/v1/scenarios/{id}")).await;
    let mut drawn = Vec::new();
    for row in picture["rows"].as_array().unwrap() {
        drawn.push(row["id"].as_str().unwrap().trim_end_matches('r').to_owned());
        for folded in ["sightings", "repeats", "repeat_sightings"] {
            drawn.extend(row[folded].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()));
        }
    }
    stored.sort();
    drawn.sort();
    assert_eq!(drawn, stored);
}

/// Each name that is served stands in the document, each name that the document requires is served, and each value is of
/// the type that it names.
#[tokio::test]
async fn what_is_served_is_what_the_document_says() {
    let mut site = Site::new().await;
    site.ingest.add(&forked(BEGUN)).await;
    let mut bytes: Record = other(BEGUN + SECOND, "sbc-1", Kind::Rest, "POST", ("http://10.0.0.20", API), "");
    bytes.body = vec![0xff, 0x00];
    site.ingest.add(&[bytes]).await;
    let joined =
        Sip { more: "X-CID: 6f2a90c1d8@alice-ios\r\n".into(), ..Sip::new("joined@192.0.2.10", "alice", "bob") };
    let stored = site.ingest.add(&[sip(BEGUN + 2 * SECOND, "sbc-1", SBC, PROXY, "INVITE", &joined)]).await;
    let document = site.json("/api/openapi.json").await;
    let scenario =
        site.json(&format!("/api/v1/messages/{}", stored[0])).await["scenario_id"].as_str().unwrap().to_owned();
    for (template, path) in [
        ("/api/v1/scenarios", "/api/v1/scenarios?limit=1".to_owned()),
        ("/api/v1/scenarios/{id}", format!("/api/v1/scenarios/{scenario}")),
        ("/api/v1/messages", "/api/v1/messages?limit=24".into()),
        ("/api/v1/messages/{id}", format!("/api/v1/messages/{}", stored[0])),
        ("/api/v1/streams", "/api/v1/streams".into()),
        ("/api/v1/agents", "/api/v1/agents".into()),
        ("/api/v1/alerts", "/api/v1/alerts".into()),
    ] {
        let schema = &document["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        fits(&document, schema, &site.json(&path).await, template);
    }
    let lines = site.get("/api/v1/messages?format=ndjson").await.text();
    let line = &document["paths"]["/api/v1/messages"]["get"]["responses"]["200"]["content"]["application/x-ndjson"];
    for text in lines.lines() {
        fits(&document, &line["schema"], &serde_json::from_str(text).unwrap(), "ndjson");
    }
    for (template, path, status) in [
        ("/api/v1/scenarios/{id}", "/api/v1/scenarios/ffffffff", "404"),
        ("/api/v1/messages/{id}", "/api/v1/messages/05e1c2a97f3b4d10-70120", "404"),
        ("/api/v1/streams", "/api/v1/streams?limit=0", "400"),
    ] {
        let response = &document["paths"][template]["get"]["responses"][status];
        let answer = site.get(path).await;
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let schema = &response["content"]["application/problem+json"]["schema"];
        fits(&document, schema, &serde_json::from_slice(&answer.body).unwrap(), path);
    }
}

/// A program that reads the document knows what any request may be answered with, and each value of each enum.
#[tokio::test]
async fn the_document_says_how_requests_are_refused_and_which_values_there_are() {
    let document = Site::new().await.json("/api/openapi.json").await;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let responses = operations["get"]["responses"].as_object().unwrap();
        let takes = path.contains('{') || operations["get"]["parameters"].is_array();
        for status in ["400", "403", "405", "421", "500", "503", "504"].into_iter().skip(usize::from(!takes)) {
            assert!(responses.contains_key(status), "{path} does not say {status}");
        }
    }
    let names = |schema: &str| document["components"]["schemas"][schema]["enum"].as_array().map_or(0, Vec::len);
    let enums =
        ["Class", "Kind", "Cause", "Reason", "Push", "Outcome", "End", "Trouble", "NodeKind", "Presence", "Code"];
    assert_eq!(enums.map(names), [7, 4, 8, 13, 8, 21, 4, 6, 3, 5, 13]);
}

#[tokio::test]
async fn a_parameter_with_few_values_names_them() {
    let document = Site::new().await.json("/api/openapi.json").await;
    let schema = |path: &str, name: &str| {
        let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap();
        parameters.iter().find(|parameter| parameter["name"] == name).unwrap()["schema"].clone()
    };
    let number = |schema: &Value| schema["enum"].as_array().map_or(0, Vec::len);
    for (path, name, values) in [
        ("/api/v1/scenarios", "kind", 4),
        ("/api/v1/messages", "kind", 4),
        ("/api/v1/messages", "format", 2),
        ("/readyz", "of", 1),
    ] {
        let schema = schema(path, name);
        let either = schema["oneOf"].as_array().map_or(0, |either| either.iter().map(number).sum());
        assert_eq!(number(&schema) + either, values, "{path} {name}: {schema}");
    }
    for (name, values) in [("class", 7), ("outcome", 6)] {
        let schema = schema("/api/v1/scenarios", name);
        assert_eq!((schema["type"].as_str(), number(&schema["items"])), (Some("array"), values), "{name}: {schema}");
    }
    assert_eq!(schema("/api/v1/messages", "provisional")["type"], "boolean");
    let names = |schema: &str| document["components"]["schemas"][schema]["enum"].as_array().map_or(0, Vec::len);
    assert_eq!(["Flag", "UnreadReason"].map(names), [10, 5]);
}

fn fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} at {at}"));
        return fits(document, schema, value, at);
    }
    if let Some(either) = schema["oneOf"].as_array() {
        let null = |schema: &&Value| schema["type"] == "null";
        if value.is_null() {
            assert!(either.iter().any(|schema| null(&schema)), "{at} is null");
            return;
        }
        let schema = either.iter().find(|schema| !null(schema)).unwrap();
        return fits(document, schema, value, at);
    }
    let named = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    assert!(types.contains(&Value::from(named)), "{at} is {named}, the document says {types:?}");
    if let Some(values) = schema["enum"].as_array() {
        assert!(values.contains(value), "{at} is {value}, the document says {values:?}");
    }
    if let (Some(text), "date-time") = (value.as_str(), schema["format"].as_str().unwrap_or("")) {
        let parsed = record::time::parse_rfc3339(text).unwrap_or_else(|| panic!("{at}: {text}"));
        assert_eq!(text, parsed.to_string(), "{at}: UTC with microseconds");
    }
    if let Some(items) = value.as_array() {
        assert!(!schema["items"].is_null(), "{at} has no items");
        items.iter().enumerate().for_each(|(n, item)| fits(document, &schema["items"], item, &format!("{at}[{n}]")));
    }
    if let Some(fields) = value.as_object() {
        for (name, field) in fields {
            let known = &schema["properties"][name];
            assert!(!known.is_null(), "{at}.{name} is not documented");
            fits(document, known, field, &format!("{at}.{name}"));
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(fields.contains_key(name.as_str().unwrap()), "{at} has no {name}");
        }
    }
}

#[test]
fn every_field_of_a_message_and_of_a_picture_stands_in_the_manual() {
    let document: Value = serde_json::from_str(include_str!("../openapi.json")).unwrap();
    let manual = include_str!("../../docs/api.md");
    for schema in ["Message", "ScenarioPicture"] {
        for name in document["components"]["schemas"][schema]["properties"].as_object().unwrap().keys() {
            let quoted = [format!("`{name}`"), format!("{name},"), format!(", {name}`"), format!("{name}`")];
            assert!(quoted.iter().any(|text| manual.contains(text)), "{schema}.{name}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_utf8_comes_whole_as_base64() {
    let mut site = Site::new().await;
    let mut record: Record = other(BEGUN, "sbc-1", Kind::Rest, "POST", ("http://10.0.0.20", API), "");
    record.body = vec![0xff, 0x00, b'\r', b'\n', 0xfe];
    let stored = site.ingest.add(&[record]).await;
    let message = site.json(&format!("/api/v1/messages/{}", stored[0])).await;
    assert_eq!(message["body_base64"], "/wANCv4=");
    assert!(message.get("body").is_none());
}

#[tokio::test]
async fn ndjson_streams_every_message_as_one_line() {
    let site = filled(70).await;
    let request = Request::get("/api/v1/messages").header("host", "localhost").header("accept", "application/x-ndjson");
    let answer = site.ask(request).await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 70 * 15);
    assert_eq!(ids(&lines), ids(&pages(&site, "/api/v1/messages?limit=1000", "messages").await));
    let some = site.get("/api/v1/messages?format=ndjson&limit=3").await.text();
    assert_eq!(some.lines().count(), 3);
}

#[tokio::test]
async fn filters_of_messages_hold() {
    let site = filled(3).await;
    let count =
        async |query: &str| site.json(&format!("/api/v1/messages?{query}")).await["messages"].as_array().unwrap().len();
    assert_eq!(count("call_id=00000001@192.0.2.10").await, 15);
    assert_eq!(count("method=ACK").await, 3);
    assert_eq!(count("status=1xx").await, 9);
    assert_eq!(count("kind=push").await, 0);
    assert_eq!(count("from=2026-09-14T12:00:01Z&to=2026-09-14T12:00:02Z&method=INVITE").await, 3);
    let scenario = site.json("/api/v1/scenarios").await["scenarios"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(count(&format!("scenario={scenario}")).await, 15);
    assert_eq!(count("provisional=true").await, 0);
}

#[tokio::test]
async fn a_scenario_has_calls_legs_nodes_and_rows() {
    let site = filled(1).await;
    let id = site.json("/api/v1/scenarios").await["scenarios"][0]["id"].as_str().unwrap().to_owned();
    let scenario = site.json(&format!("/api/v1/scenarios/{id}")).await;
    assert_eq!(scenario["scenario"]["id"], id);
    assert_eq!(scenario["calls"][0]["call_id"], "00000000@192.0.2.10");
    assert_eq!(scenario["whole"], true);
    let rows = scenario["rows"].as_array().unwrap();
    let nodes = scenario["nodes"].as_array().unwrap();
    let legs = scenario["legs"].as_array().unwrap();
    assert!(rows.len() >= 10 && nodes.len() >= 3 && !legs.is_empty(), "{rows:?}");
    for row in rows {
        assert!((row["from"].as_u64().unwrap() as usize) < nodes.len());
        assert!((row["leg"].as_u64().unwrap() as usize) < legs.len());
    }
    assert_eq!(site.get("/api/v1/scenarios/ffffffff").await.status, StatusCode::NOT_FOUND);
    assert_eq!(site.get("/api/v1/scenarios/x").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pages_of_agents_hold_each_once() {
    let site = filled(1).await;
    assert_eq!(ids(&pages(&site, "/api/v1/agents?limit=1", "agents").await), ["proxy-1", "sbc-1"]);
    let streams = site.json("/api/v1/streams").await;
    assert_eq!((&streams["streams"][0]["gap_count"], &streams["streams"][0]["gaps_unlisted"]), (&0.into(), &0.into()));
}

#[tokio::test]
async fn streams_account_for_every_byte() {
    let site = filled(2).await;
    let streams = pages(&site, "/api/v1/streams?limit=1", "streams").await;
    assert_eq!(streams.len(), 2);
    for stream in streams {
        let bytes = |name: &str| stream[name].as_u64().unwrap();
        let sum = bytes("record_bytes") + bytes("noise_bytes") + bytes("fragment_bytes") + bytes("gap_bytes");
        assert_eq!(sum, bytes("watermark"));
        assert_eq!(stream["lag_bytes"], 0);
    }
}

#[tokio::test]
async fn a_parameter_that_cannot_be_read_is_refused_in_words() {
    let site = filled(1).await;
    for (path, word) in [
        ("/api/v1/scenarios?calller=alice", "unknown parameter \\\"calller\\\""),
        ("/api/v1/scenarios?caller=alice&caller=bob", "caller is given as \\\"alice\\\" and as \\\"bob\\\""),
        ("/api/v1/scenarios?limit=0", "limit is a number"),
        ("/api/v1/scenarios?after=x", "is not the `next`"),
        ("/api/v1/scenarios?status=teapot", "status: "),
        ("/api/v1/messages?limit=1001", "limit is a number"),
        ("/api/v1/messages?from=noon", "is no time"),
        ("/api/v1/messages?format=xml", "json or ndjson"),
        ("/api/v1/streams?after=x", "is not the `next`"),
        ("/api/v1/scenarios?zone=Mars", "unknown zone"),
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(answer.text().contains(word), "{path}: {}", answer.text());
        let error: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(error["request_id"], answer.header("x-request-id"));
        assert_eq!((error["code"].as_str(), error["status"].as_u64()), (Some("bad_parameter"), Some(400)));
    }
}

/// Each of them, whatever else it is: its status, its code, and that it is a problem.
#[tokio::test]
async fn a_request_that_cannot_be_answered_is_a_problem_with_a_code() {
    let site = filled(1).await;
    let scenario = site.json("/api/v1/scenarios").await["scenarios"][0]["id"].as_str().unwrap().to_owned();
    for (path, code) in [
        ("/api/v1/scenarios/%ff".to_owned(), "bad_request"),
        ("/api/v1/messages/%ff".into(), "bad_request"),
        ("/api/v1/alerts/%ff".into(), "bad_request"),
        (format!("/api/v1/scenarios/{scenario}?zone=UTC"), "bad_parameter"),
        ("/api/v1/messages/05e1c2a97f3b4d10-70120?x=1".into(), "bad_parameter"),
        ("/api/v1/calls/a@b?x=1".into(), "bad_parameter"),
        ("/api/v1/alerts/7f3a91c20b44e1d2?x=1".into(), "bad_parameter"),
    ] {
        refused(&site.get(&path).await, StatusCode::BAD_REQUEST, code, &path);
    }
    for path in ["/healthz", "/readyz", "/api/v1/scenarios"] {
        let post = site.ask(Request::post(path).header("host", "localhost")).await;
        refused(&post, StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", path);
        let stranger = site.ask(Request::get(path).header("host", "example.com")).await;
        refused(&stranger, StatusCode::MISDIRECTED_REQUEST, "unknown_host", path);
        let other =
            site.ask(Request::get(path).header("host", "localhost").header("sec-fetch-site", "cross-site")).await;
        refused(&other, StatusCode::FORBIDDEN, "other_site", path);
    }
}

fn refused(answer: &Answer, status: StatusCode, code: &str, at: &str) {
    assert_eq!((answer.status, answer.header("content-type")), (status, "application/problem+json"), "{at}");
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (problem["code"].as_str(), problem["status"].as_u64()),
        (Some(code), Some(status.as_u16().into())),
        "{at}"
    );
}

#[tokio::test]
async fn health_is_told_plainly() {
    let site = Site::new().await;
    assert_eq!(site.get("/healthz").await.text(), "ok\n");
    assert_eq!(site.get("/readyz").await.text(), "ready\n");
}

#[tokio::test]
async fn the_document_names_every_address_and_its_parameters() {
    let site = Site::new().await;
    let document = site.json("/api/openapi.json").await;
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/api/v1/scenarios",
        "/api/v1/scenarios/{id}",
        "/api/v1/messages",
        "/api/v1/messages/{id}",
        "/api/v1/streams",
        "/healthz",
        "/readyz",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    let named = |path: &str| -> Vec<String> {
        let parameters = paths[path]["get"]["parameters"].as_array().unwrap();
        parameters.iter().map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        named("/api/v1/scenarios"),
        [
            "caller",
            "callee",
            "person",
            "call_id",
            "from",
            "to",
            "around",
            "within",
            "kind",
            "method",
            "status",
            "final",
            "outcome",
            "failure",
            "rule",
            "problems",
            "transferred",
            "ongoing",
            "text",
            "class",
            "zone",
            "after",
            "limit"
        ]
    );
    assert_eq!(named("/api/v1/messages").len(), 12);
}
