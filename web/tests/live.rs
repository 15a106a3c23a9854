//! The live view through the router: what arrives, in which order, and how a stream is taken up again.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::fixture::{ALICE, SBC, Sip, call, sip};
use crate::pages::BEGUN;
use crate::site::{Site, attributes};

struct Stream {
    response: Response<Body>,
    buffer: String,
}

#[derive(Debug)]
struct Told {
    event: String,
    data: String,
    id: Option<String>,
}

impl Stream {
    async fn open(site: &Site, path: &str) -> Self {
        Self::ask(site, Request::get(path)).await
    }

    async fn ask(site: &Site, request: axum::http::request::Builder) -> Self {
        let request = request.header("host", "localhost").body(Body::empty()).unwrap();
        let response = site.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Self { response, buffer: String::new() }
    }

    /// The next event; none if the stream ends.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.buffer = rest;
                let field = |name: &str| {
                    let lines = block.lines().filter_map(|line| line.strip_prefix(name)).map(str::trim_start);
                    lines.map(str::to_owned).reduce(|a, b| format!("{a}\n{b}"))
                };
                if let Some(event) = field("event:") {
                    return Some(Told { event, data: field("data:").unwrap_or_default(), id: field("id:") });
                }
                continue;
            }
            let wait = tokio::time::timeout(Duration::from_secs(20), self.response.body_mut().frame());
            let frame = wait.await.expect("an event in time")?;
            if let Ok(bytes) = frame.unwrap().into_data() {
                self.buffer.push_str(std::str::from_utf8(&bytes).unwrap());
            }
        }
    }

    /// It has all rows: what stands around them is all it gets.
    async fn begins_with_a_word(&mut self) {
        for event in ["around", "seen"] {
            assert_eq!(self.next().await.expect("an event").event, event);
        }
    }

    /// The ids of the rows of one batch, and its last id.
    async fn batch(&mut self) -> (Vec<String>, Option<String>) {
        let mut rows = Vec::new();
        loop {
            let told = self.next().await.expect("a batch ends with an id");
            if told.event == "row" {
                let row: Value = serde_json::from_str(&told.data).unwrap();
                rows.push(row["id"].as_str().unwrap().to_owned());
            }
            if told.id.is_some() {
                return (rows, told.id);
            }
        }
    }
}

async fn scenario(site: &Site) -> (String, i64) {
    let list = site.json("/api/v1/scenarios?class=call,registration,other").await;
    let id = list["scenarios"][0]["id"].as_str().unwrap().to_owned();
    let page = site.page(&format!("/s/{id}")).await;
    let version = attributes(&page, "#flow", "data-version")[0].parse().unwrap();
    (id, version)
}

#[tokio::test]
async fn a_reader_of_the_newest_version_gets_only_what_is_new() {
    let mut site = Site::new().await;
    let records = call(BEGUN, 1, "alice", "bob", 200, 10);
    site.ingest.add(&records[..6]).await;
    let (id, version) = scenario(&site).await;
    let mut stream = Stream::open(&site, &format!("/s/{id}/live?since={version}")).await;
    let added = site.ingest.add(&records[6..7]).await;
    let (mut seen, mut last) = (Vec::new(), version.to_string());
    while last == version.to_string() {
        let (rows, id) = stream.batch().await;
        seen.extend(rows);
        last = id.unwrap();
    }
    assert!(seen.contains(&format!("m{}", added[0])), "{seen:?}");
}

/// What another collector has stored and not joined yet is read already, under the version from before it.
#[tokio::test]
async fn a_row_that_was_read_before_it_was_joined_is_not_kept_from_a_reader() {
    let mut site = Site::new().await;
    let records = call(BEGUN, 1, "alice", "bob", 200, 10);
    site.ingest.add(&records[..6]).await;
    let (id, version) = scenario(&site).await;
    let added = site.ingest.append(&records[6..7]).await;
    site.router = web::router(site.store.clone(), web::Settings::loopback("0.0.0-test"));
    let mut stream = Stream::open(&site, &format!("/s/{id}/live?since={version}")).await;
    let (mut seen, _) = stream.batch().await;
    site.ingest.correlate().await;
    while !seen.contains(&format!("m{}", added[0])) {
        seen.extend(stream.batch().await.0);
    }
}

#[tokio::test]
async fn a_late_row_is_told_with_the_row_before_it() {
    let mut site = Site::new().await;
    let records = call(BEGUN, 1, "alice", "bob", 200, 10);
    let (late, rest) = (records[4].clone(), [&records[..4], &records[5..]].concat());
    let ids = site.ingest.add(&rest).await;
    let (id, version) = scenario(&site).await;
    let mut stream = Stream::open(&site, &format!("/s/{id}/live?since={}", version - 1)).await;
    stream.batch().await;
    let added = site.ingest.add(&[late]).await;
    loop {
        let told = stream.next().await.unwrap();
        if told.event != "row" {
            continue;
        }
        let row: Value = serde_json::from_str(&told.data).unwrap();
        if row["id"] == format!("m{}", added[0]) {
            assert_eq!(row["after"], format!("m{}", ids[3]));
            assert!(row["html"].as_str().unwrap().starts_with("<li id=\"m"));
            return;
        }
    }
}

#[tokio::test]
async fn a_reader_that_missed_something_gets_all_rows_and_what_to_keep() {
    let mut site = Site::new().await;
    let ids = site.ingest.add(&call(BEGUN, 1, "alice", "bob", 486, 10)).await;
    let (id, version) = scenario(&site).await;
    let mut stream = Stream::open(&site, &format!("/s/{id}/live?since={}", version - 1)).await;
    let (rows, last) = stream.batch().await;
    assert!(rows.contains(&format!("m{}", ids[0])) && rows.contains(&format!("m{}", ids[9])), "{rows:?}");
    assert_eq!(last, Some(version.to_string()));
}

/// A browser that comes back names the last event that it got, beside the version in its first address.
#[tokio::test]
async fn a_reader_that_comes_back_goes_on_from_the_last_event_it_got() {
    let mut site = Site::new().await;
    let records = call(BEGUN, 1, "alice", "bob", 200, 10);
    site.ingest.add(&records[..6]).await;
    let (id, opened) = scenario(&site).await;
    site.ingest.add(&records[6..7]).await;
    let (_, got) = scenario(&site).await;
    assert_ne!(got, opened);
    let path = format!("/s/{id}/live?since={opened}");
    let mut stream = Stream::ask(&site, Request::get(path).header("last-event-id", got.to_string())).await;
    stream.begins_with_a_word().await;
    let added = site.ingest.add(&records[7..8]).await;
    let mut seen = Vec::new();
    while !seen.contains(&format!("m{}", added[0])) {
        seen.extend(stream.batch().await.0);
    }
    assert!(!seen.iter().any(|id| id.ends_with("-0")), "the first rows were not sent again: {seen:?}");
}

#[tokio::test]
async fn a_reader_of_a_later_page_gets_rows_of_that_page_only() {
    let mut site = Site::new().await;
    let message = |number: u32| Sip { cseq: (number, "INFO"), ..Sip::new("long@192.0.2.10", "alice", "bob") };
    let info = |number: u32| sip(BEGUN + i64::from(number) * 1000, "sbc-1", ALICE, SBC, "INFO", &message(number));
    let records: Vec<_> = (1..=2_010).map(info).collect();
    site.ingest.add(&records).await;
    let (id, version) = scenario(&site).await;
    let page = site.page(&format!("/s/{id}?page=2")).await;
    let live = attributes(&page, "#flow", "data-live").remove(0);
    let shown = attributes(&page, "#flow ol > li[id^=m]", "id");
    assert_eq!(shown.len(), 10);
    let mut stream = Stream::open(&site, &format!("{live}&since={version}")).await;
    stream.begins_with_a_word().await;
    let added = site.ingest.add(&[info(2_011)]).await;
    let mut told = stream.next().await.unwrap();
    while told.event != "row" {
        told = stream.next().await.unwrap();
    }
    let row: Value = serde_json::from_str(&told.data).unwrap();
    assert_eq!(
        (row["id"].as_str(), row["after"].as_str()),
        (Some(format!("m{}", added[0]).as_str()), Some(shown[9].as_str()))
    );
}

#[tokio::test]
async fn a_stream_is_not_stored_or_buffered_or_compressed() {
    let mut site = Site::new().await;
    site.ingest.add(&call(BEGUN, 1, "alice", "bob", 486, 10)).await;
    let (id, _) = scenario(&site).await;
    let request =
        Request::get(format!("/s/{id}/live")).header("host", "localhost").header("accept-encoding", "gzip, zstd");
    let response = site.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("content-type"), Some("text/event-stream"));
    assert_eq!(header("cache-control"), Some("no-store"));
    assert_eq!(header("x-accel-buffering"), Some("no"));
    assert_eq!(header("content-encoding"), None);
    assert_eq!(site.get("/s/ffffffff/live").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_fifth_stream_of_a_browser_is_refused_in_words_and_a_stopping_server_ends_them_all() {
    let mut site = Site::new().await;
    site.ingest.add(&call(BEGUN, 1, "alice", "bob", 486, 10)).await;
    let (id, _) = scenario(&site).await;
    let path = format!("/s/{id}/live");
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut stream = Stream::open(&site, &path).await;
        assert_eq!(stream.next().await.unwrap().event, "row");
        open.push(stream);
    }
    let mut fifth = Stream::open(&site, &path).await;
    let told = fifth.next().await.unwrap();
    assert_eq!(told.event, "refused");
    assert!(told.data.starts_with("Too many live views"), "{}", told.data);
    assert!(fifth.next().await.is_none());
    drop(open.pop());
    let mut again = Stream::open(&site, &path).await;
    assert_eq!(again.next().await.unwrap().event, "row");
    site.stop.cancel();
    for mut stream in open {
        while stream.next().await.is_some() {}
    }
}

/// Through a tunnel, all browsers come from one address.
#[tokio::test]
async fn four_live_views_are_those_of_a_browser_and_not_of_an_address() {
    let mut site = Site::new().await;
    site.ingest.add(&call(BEGUN, 1, "alice", "bob", 486, 10)).await;
    let (id, _) = scenario(&site).await;
    let page = site.get(&format!("/s/{id}")).await;
    let cookie = page.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("browser=") && cookie.contains("HttpOnly"), "{cookie}");
    let first = cookie.split(';').next().unwrap().to_owned();
    let path = format!("/s/{id}/live");
    let mut open = Vec::new();
    for browser in [first.as_str(), "browser=0123456789abcdef", "browser=fedcba9876543210"] {
        let ask = || Stream::ask(&site, Request::get(&path).header("cookie", browser));
        for _ in 0..4 {
            let mut stream = ask().await;
            assert_eq!(stream.next().await.unwrap().event, "row", "{browser}");
            open.push(stream);
        }
        assert_eq!(ask().await.next().await.unwrap().event, "refused", "{browser}");
    }
}

/// A batch ends with the version, and what stands around the rows comes with them: nobody need load the page again.
#[tokio::test]
async fn what_stands_around_the_rows_comes_with_them() {
    let mut site = Site::new().await;
    let records = call(BEGUN, 1, "alice", "bob", 200, 10);
    site.ingest.add(&records[..6]).await;
    let (id, version) = scenario(&site).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = Stream::open(&site, &format!("/s/{id}/live?since={version}")).await;
        stream.begins_with_a_word().await;
        streams.push(stream);
    }
    site.ingest.add(&records[6..]).await;
    for stream in &mut streams {
        let mut around = None;
        loop {
            let told = stream.next().await.unwrap();
            match told.event.as_str() {
                "around" => around = Some(serde_json::from_str::<Value>(&told.data).unwrap()),
                "seen" if told.id != Some(version.to_string()) => break,
                _ => {}
            }
        }
        let html = around.expect("it has changed")["html"].as_str().unwrap().to_owned();
        assert!(html.contains("ended by") && html.contains("of 10 rows"), "{html}");
    }
}

#[tokio::test]
async fn a_provisional_row_is_told_and_replaced_under_its_own_id() {
    let mut site = Site::new().await;
    let records = call(BEGUN, 1, "alice", "bob", 200, 10);
    site.ingest.add(&records[..6]).await;
    let (id, version) = scenario(&site).await;
    let mut stream = Stream::open(&site, &format!("/s/{id}/live?since={}", version - 1)).await;
    stream.batch().await;
    let begun = crate::fixture::Record { provisional: true, ..records[6].clone() };
    let ids = site.ingest.add(&[begun]).await;
    let wanted = format!("m{}", ids[0]);
    let mut shown = Vec::new();
    let mut last = String::new();
    while shown.len() < 2 {
        let told = stream.next().await.unwrap();
        if told.event == "row" {
            let row: Value = serde_json::from_str(&told.data).unwrap();
            if row["id"] == wanted {
                shown.push(row["html"].as_str().unwrap().to_owned());
                assert_ne!(shown.last(), Some(&last));
                last.clone_from(&shown[shown.len() - 1]);
                if shown.len() == 1 {
                    site.ingest.add(&records[6..7]).await;
                }
            }
        }
    }
    assert!(shown[0].contains("provisional") && !shown[1].contains("provisional"), "{shown:?}");
}

#[tokio::test]
async fn a_call_without_a_scenario_is_live_and_goes_on_as_its_scenario() {
    let mut site = Site::new().await;
    let records = call(BEGUN, 1, "alice", "bob", 200, 10);
    let waits = |records: &[crate::fixture::Record]| -> Vec<_> {
        records.iter().map(|record| crate::fixture::Record { waits: true, ..record.clone() }).collect()
    };
    site.ingest.add(&waits(&records[..1])).await;
    let page = site.page("/calls/00000001@192.0.2.10").await;
    let live = attributes(&page, "#flow", "data-live").remove(0);
    let version = attributes(&page, "#flow", "data-version").remove(0);
    let mut stream = Stream::open(&site, &format!("{live}&since={version}")).await;
    stream.begins_with_a_word().await;
    let ids = site.ingest.add(&waits(&records[..2])).await;
    let (rows, _) = stream.batch().await;
    assert!(rows.contains(&format!("m{}", ids[1])), "{rows:?}");
    site.ingest.add(&records[..2]).await;
    let told = loop {
        let told = stream.next().await.unwrap();
        if told.event == "moved" {
            break told;
        }
    };
    assert_eq!(told.data, "/s/00000001");
    assert!(stream.next().await.is_none());
    let mut late = Stream::open(&site, &live).await;
    assert_eq!(late.next().await.unwrap().event, "moved");
}
