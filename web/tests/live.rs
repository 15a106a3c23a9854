//! The live view through the router: what arrives, in which order, and how a stream is taken up again.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::fixture::call;
use crate::pages::BEGUN;
use crate::site::Site;

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
        let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
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
    let list = site.json("/api/v1/scenarios").await;
    let id = list["scenarios"][0]["id"].as_str().unwrap().to_owned();
    let versions = site.store.versions(&[id.parse().unwrap()]).await.unwrap();
    (id, versions[0].1)
}

#[tokio::test]
async fn a_reader_of_the_newest_version_gets_only_what_is_new() {
    let mut site = Site::new().await;
    let records = call(BEGUN, 1, "alice", "bob", 200, 10);
    site.ingest.add(&records[..6]).await;
    let (id, version) = scenario(&site).await;
    let mut stream = Stream::open(&site, &format!("/s/{id}/live?since={version}")).await;
    let added = site.ingest.add(&records[6..7]).await;
    let (rows, last) = stream.batch().await;
    assert!(rows.contains(&format!("m{}", added[0])), "{rows:?}");
    assert!(last.is_some_and(|last| last != version.to_string()));
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
