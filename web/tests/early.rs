//! Records that are read and not final yet, through the router: nothing is hidden behind an open one.

use axum::http::StatusCode;
use record::id::MessageId;
use serde_json::Value;

use crate::fixture::{ALICE, BOB_DESK, PROXY, Record, SBC, Sip, call, registration, sip};
use crate::pages::BEGUN;
use crate::site::{Site, assert_nothing_inline, attributes, texts};

/// Whole, behind a record that is not finished.
fn waiting(records: &[Record]) -> Vec<Record> {
    records.iter().map(|record| Record { waits: true, ..record.clone() }).collect()
}

fn begun(record: &Record) -> Record {
    Record { provisional: true, ..record.clone() }
}

async fn with(records: &[Record]) -> (Site, Vec<MessageId>) {
    let mut site = Site::new().await;
    let ids = site.ingest.add(records).await;
    (site, ids)
}

const PATH: &str = "/calls/00000001@192.0.2.10";

#[tokio::test]
async fn a_call_without_a_scenario_is_in_each_list_and_found_by_what_is_known_of_it() {
    let (site, ids) = with(&waiting(&call(BEGUN, 1, "alice", "bob", 486, 10))).await;
    let home = site.page("/").await;
    assert_eq!(texts(&home, ".sc .who"), ["alice to bob"]);
    assert_eq!(attributes(&home, ".sc", "href"), [PATH]);
    assert_eq!(texts(&home, ".numbers p")[..2], ["1 scenario", "10 messages"]);
    assert!(texts(&home, ".sc .out")[0].starts_with("busy"));
    for query in [
        "",
        "caller=ali",
        "person=bob",
        "call_id=00000001@192.0.2.10",
        "method=ACK",
        "status=486",
        "final=4xx",
        "from=2026-09-14T12:00:00&to=2026-09-14T12:00:10",
        "kind=SIP&class=call",
    ] {
        let page = site.page(&format!("/search?{query}")).await;
        assert_eq!(attributes(&page, ".sc", "href"), [PATH], "{query}");
    }
    for query in ["caller=bob", "final=200", "kind=REST", "from=2026-09-15", "class=registration", "call_id=00000001"] {
        assert!(attributes(&site.page(&format!("/search?{query}")).await, ".sc", "href").is_empty(), "{query}");
    }
    let opened = format!("{PATH}?m={0}#m{0}", ids[0]);
    let line = "%5B2026-09-14T12:00:00.000000Z%5D%5BINVITE%5D%5Bsip:192.0.2.1%5D%5Bsip:192.0.2.2%5D";
    for (query, to) in [
        ("00000001%40192.0.2.10", PATH),
        ("Call-ID:+00000001@192.0.2.10", PATH),
        ("sip:bob@example.com", PATH),
        ("alice", PATH),
        (&ids[0].to_string(), &opened),
        (&format!("/m/{}.txt", ids[0]), &opened),
        (&format!("http://localhost:8480{PATH}"), PATH),
        (line, &opened),
    ] {
        let answer = site.get(&format!("/search?q={query}")).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, to), "{query}");
    }
    let hint = site.get("/search/new?since=1.00000001&at=search").await.text();
    assert!(hint.contains("1 new scenario: show"), "{hint}");
}

#[tokio::test]
async fn a_call_without_a_scenario_has_a_page_that_is_that_of_its_scenario_later() {
    let records = call(BEGUN, 1, "alice", "bob", 200, 10);
    let (mut site, ids) = with(&waiting(&records)).await;
    let rows = async |site: &Site, path: &str| {
        let page = site.page(path).await;
        assert_nothing_inline(&page, path);
        let parts =
            ["h1", "#flow ol > li .what", "#flow ol > li .by", "#flow ol > li .d", ".facts div", ".tools p[role]"];
        let text: Vec<Vec<String>> = parts.iter().map(|part| texts(&page, part)).collect();
        (attributes(&page, "#flow ol > li[id^=m]", "id"), text)
    };
    let path = format!("{PATH}?only=problems");
    let early = (rows(&site, PATH).await, rows(&site, &path).await);
    assert!(early.0.0.contains(&format!("m{}", ids[0])), "{:?}", early.0.0);
    let page = site.page(PATH).await;
    assert_eq!(texts(&page, "h1"), ["alice to bob: answered by 10.0.0.10, ended by alice"]);
    assert_eq!(texts(&page, ".crumb span:nth-child(2)"), ["no scenario yet"]);
    assert_eq!(texts(&page, ".crumb .mono"), ["00000001@192.0.2.10"]);
    assert!(attributes(&page, "a.open", "href").is_empty() && !texts(&page, "#flow").concat().contains("provisional"));
    let table = site.page(&format!("{PATH}/table")).await;
    let links = attributes(&table, "tbody a", "href");
    assert!(links[0].starts_with(&format!("{PATH}?m=")), "{links:?}");
    for link in links.iter().chain(&attributes(&page, "main a[href^='/']", "href")) {
        assert_eq!(site.get(link.split('#').next().unwrap()).await.status, StatusCode::OK, "{link}");
    }
    let open = site.page(&format!("{PATH}?m={}&tab=log", ids[0])).await;
    assert!(texts(&open, ".pane dd").contains(&"whole".to_owned()));

    site.ingest.add(&records).await;
    let answer = site.get(&format!("{PATH}?only=problems")).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::TEMPORARY_REDIRECT, "/s/00000001?only=problems")
    );
    assert_eq!(site.get(&format!("{PATH}/table")).await.header("location"), "/s/00000001/table");
    let late = (rows(&site, "/s/00000001").await, rows(&site, "/s/00000001?only=problems").await);
    assert_eq!(early, late);
    assert_eq!(attributes(&site.page("/search").await, ".sc", "href"), ["/s/00000001"]);
}

#[tokio::test]
async fn the_api_lists_a_call_without_a_scenario_with_no_id_and_gives_its_picture() {
    let records = call(BEGUN, 1, "alice", "bob", 486, 10);
    let (mut site, ids) = with(&waiting(&records)).await;
    let list = site.json("/api/v1/scenarios?person=alice").await;
    let listed = &list["scenarios"][0];
    assert_eq!(
        (&listed["id"], listed["call_id"].as_str(), listed["status"].as_u64()),
        (&Value::Null, Some("00000001@192.0.2.10"), Some(486))
    );
    let picture = site.json("/api/v1/calls/00000001@192.0.2.10").await;
    assert_eq!(picture["scenario"], *listed);
    assert_eq!(picture["calls"][0]["call_id"], "00000001@192.0.2.10");
    assert!(picture["rows"].as_array().unwrap().iter().all(|row| row["provisional"] == false));
    let messages = site.json("/api/v1/messages?call_id=00000001@192.0.2.10").await;
    assert_eq!(messages["messages"].as_array().unwrap().len(), 10);
    let message = &messages["messages"][0];
    assert_eq!((&message["id"], &message["provisional"]), (&Value::from(ids[0].to_string()), &Value::from(false)));
    assert_eq!((&message["scenario_id"], &message["flags"]), (&Value::Null, &Value::Array(Vec::new())));
    assert_eq!(site.get("/api/v1/calls/nobody").await.status, StatusCode::NOT_FOUND);
    site.ingest.add(&records).await;
    let answer = site.get("/api/v1/calls/00000001@192.0.2.10").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::TEMPORARY_REDIRECT, "/api/v1/scenarios/00000001")
    );
    let listed = &site.json("/api/v1/scenarios").await["scenarios"][0];
    assert_eq!((listed["id"].as_str(), &listed["call_id"]), (Some("00000001"), &Value::Null));
}

#[tokio::test]
async fn pages_of_the_api_have_calls_with_and_without_a_scenario_once_each() {
    let mut site = Site::new().await;
    let calls: Vec<_> =
        (0..9).map(|number| call(BEGUN + i64::from(number) * 1000, number, "alice", "bob", 486, 1)).collect();
    for of in calls.iter().step_by(2) {
        site.ingest.add(of).await;
    }
    let rest: Vec<Record> = calls.iter().skip(1).step_by(2).flatten().cloned().collect();
    site.ingest.add(&waiting(&rest)).await;
    let (mut seen, mut path) = (Vec::new(), "/api/v1/scenarios?limit=2".to_owned());
    loop {
        let page = site.json(&path).await;
        seen.extend(page["scenarios"].as_array().unwrap().iter().map(|row| row["first"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/scenarios?limit=2&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 9);
    assert!(seen.is_sorted_by(|a, b| a > b), "{seen:?}");
}

#[tokio::test]
async fn only_the_row_that_is_not_read_to_its_end_is_marked() {
    let records = call(BEGUN, 1, "alice", "bob", 486, 10);
    let mut tail = waiting(&records);
    tail[9] = begun(&records[9]);
    let (site, ids) = with(&tail).await;
    let page = site.page(PATH).await;
    let open = format!("m{}", ids[9]);
    assert_eq!(attributes(&page, "a.open", "href").len(), 1);
    assert_eq!(texts(&page, &format!("#{open} .d")), ["provisional"]);
    assert_eq!(texts(&page, &format!("#{open} .by")), ["the rest is not read yet"]);
    assert_eq!(texts(&site.page("/").await, ".sc .out"), ["busy"]);
    let marked = site.json("/api/v1/messages?provisional=true").await;
    let marked = marked["messages"].as_array().unwrap();
    assert_eq!(
        (marked.len(), &marked[0]["id"], &marked[0]["flags"]),
        (1, &Value::from(ids[9].to_string()), &Value::Array(Vec::new()))
    );
    assert_eq!(site.json("/api/v1/messages?provisional=false").await["messages"].as_array().unwrap().len(), 9);
    let log = site.page(&format!("{PATH}?m={}&tab=log", ids[9])).await;
    assert!(texts(&log, ".pane dd").contains(&"not read to its end yet".to_owned()));
    let (alone, _) = with(&[begun(&records[0])]).await;
    let page = alone.page(PATH).await;
    assert_eq!(texts(&page, "#flow ol .d"), ["provisional"]);
    assert_eq!(texts(&alone.page("/search").await, "ol.scenarios .kind"), ["provisional"]);
}

#[tokio::test]
async fn a_call_that_is_ended_by_a_waiting_bye_is_ended() {
    let records = call(BEGUN, 1, "alice", "bob", 200, 10);
    let mut site = Site::new().await;
    site.ingest.add(&records[..6]).await;
    assert!(!texts(&site.page("/").await, ".sc .out")[0].starts_with("answered"));
    site.ingest.add(&waiting(&records[6..])).await;
    let home = site.page("/").await;
    assert_eq!(texts(&home, ".sc .out"), ["answered"]);
    assert_eq!(attributes(&home, ".sc", "href"), ["/s/00000001"]);
    let page = site.page("/s/00000001").await;
    assert_eq!(texts(&page, "h1"), ["alice to bob: answered by 10.0.0.10, ended by alice"]);
    assert!(attributes(&page, "a.open", "href").is_empty());
    assert!(
        texts(&page, ".facts dd.good").iter().any(|text| text == "2 sources, no gap"),
        "{:?}",
        texts(&page, ".facts dd")
    );
    assert_eq!(attributes(&site.page("/search?final=200").await, ".sc", "href"), ["/s/00000001"]);
    assert_eq!(attributes(&site.page("/search?method=BYE").await, ".sc", "href"), ["/s/00000001"]);
}

#[tokio::test]
async fn a_log_whose_tail_is_whole_is_read_to_its_end_and_one_with_an_open_record_says_so() {
    let records = call(BEGUN, 1, "alice", "bob", 486, 10);
    let mut site = Site::new().await;
    site.ingest.add(&waiting(&records)).await;
    assert_eq!(texts(&site.page("/").await, ".sources .out"), ["complete", "complete"]);
    assert!(texts(&site.page("/").await, ".numbers small").contains(&"read to the end".to_owned()));
    for stream in site.json("/api/v1/streams").await["streams"].as_array().unwrap() {
        assert_eq!(
            (stream["lag_bytes"].as_u64(), stream["provisional"].as_u64(), stream["watermark"].as_u64()),
            (Some(0), Some(0), Some(0))
        );
    }
    let sbc = |record: &Record| if record.host == "sbc-1" { begun(record) } else { record.clone() };
    site.ingest.add(&waiting(&[records[2].clone(), sbc(&records[0])])).await;
    let mut states = texts(&site.page("/").await, ".sources .out");
    states.sort();
    assert_eq!(states, ["complete", "up to date, last record still open"]);
}

#[tokio::test]
async fn any_call_id_has_an_address() {
    let long = "x".repeat(10_000);
    let names = [
        "a/b/../c@d",
        "100%25%2F",
        "\"'<b>&amp;#?m=1",
        "..",
        ".",
        "ünï code",
        "6f2a90c1d86f2a90c1d86f2a90c1d800",
        &long,
    ];
    for name in names {
        let message = Sip::new(name, "alice", "bob");
        let (mut site, ids) = with(&waiting(&[sip(BEGUN, "sbc-1", ALICE, SBC, "INVITE", &message)])).await;
        let path = attributes(&site.page("/").await, ".sc", "href").remove(0);
        assert!(path.starts_with("/calls/") && path.len() < 2_000, "{path}");
        let page = site.page(&path).await;
        assert_nothing_inline(&page, &path);
        assert_eq!(attributes(&page, "#flow ol > li[id^=m]", "id"), [format!("m{}", ids[0])], "{name}");
        assert_eq!(site.get(&format!("{path}/table")).await.status, StatusCode::OK);
        assert_eq!(site.get(&path.replace("/calls/", "/api/v1/calls/")).await.status, StatusCode::OK);
        let live = attributes(&page, "#flow", "data-live").remove(0);
        assert!(live.starts_with(&format!("{path}/live")), "{live}");
        let typed = name.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        if !name.starts_with('.') {
            assert_eq!(site.get(&format!("/calls/{typed}")).await.status, StatusCode::OK, "{name}");
        }
        site.ingest.add(&[sip(BEGUN, "sbc-1", ALICE, SBC, "INVITE", &message)]).await;
        assert_eq!(site.get(&path).await.header("location"), "/s/00000001", "{name}");
    }
}

#[tokio::test]
async fn a_call_id_that_is_no_text_has_an_address_too() {
    let mut record = sip(BEGUN, "sbc-1", ALICE, SBC, "INVITE", &Sip::new("bytes@x", "alice", "bob"));
    let line = b"Call-ID: bytes@x";
    let at = record.body.windows(line.len()).position(|bytes| bytes == line).unwrap();
    record.body[at + 9] = 0xff;
    let (site, ids) = with(&waiting(&[record])).await;
    let path = attributes(&site.page("/").await, ".sc", "href").remove(0);
    for path in [path.as_str(), "/calls/%FFytes@x"] {
        assert_eq!(
            attributes(&site.page(path).await, "#flow ol > li[id^=m]", "id"),
            [format!("m{}", ids[0])],
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_call_that_is_not_there_is_a_page_that_says_so() {
    let site = Site::new().await;
    for path in [
        "/calls/nobody",
        "/calls/nobody/table",
        "/calls/nobody/live",
        "/calls/%00%FF",
        "/calls/00000000000000000000000000000000",
    ] {
        assert_eq!(site.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let page = site.get("/calls/nobody").await.html();
    assert!(texts(&page, "main").concat().contains("There is no call nobody."));
}

#[tokio::test]
async fn a_registration_and_a_message_without_a_call_id_have_pages_too() {
    let mut records = registration(BEGUN, 1, "erin");
    let rest = crate::fixture::other(BEGUN + 5, "proxy-1", message::kind::Kind::Rest, "POST", (PROXY, BOB_DESK), "{}");
    records.push(rest);
    let (site, ids) = with(&waiting(&records)).await;
    let page = site.page("/search?class=registration&class=other").await;
    let paths = attributes(&page, ".sc", "href");
    assert_eq!(paths, [format!("/calls/{}", ids[2]), "/calls/reg1@192.0.2.10".to_owned()]);
    for (path, rows) in paths.iter().zip([1, 2]) {
        assert_eq!(attributes(&site.page(path).await, "#flow ol > li[id^=m]", "id").len(), rows, "{path}");
    }
}
