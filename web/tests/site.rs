//! A router over a store in a directory of its own, and answers taken apart.

use std::collections::HashSet;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use scraper::{Html, Selector};
use store::{Location, Store};
use tower::ServiceExt;
use web::Settings;

use crate::fixture::Ingest;

pub struct Site {
    pub store: Store,
    pub router: Router,
    pub ingest: Ingest,
    pub stop: tokio_util::sync::CancellationToken,
    _directory: tempfile::TempDir,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Site {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Location::Directory(directory.path().into())).await.unwrap();
        let settings = Settings::loopback("0.0.0-test");
        let stop = settings.stop.clone();
        let router = web::router(store.clone(), settings);
        Self { stop, ingest: Ingest::new(&store), store, router, _directory: directory }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).header("host", "localhost:8080")).await
    }

    pub async fn ask(&self, request: axum::http::request::Builder) -> Answer {
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A page that must be there.
    pub async fn page(&self, path: &str) -> Html {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        answer.html()
    }

    pub async fn json(&self, path: &str) -> serde_json::Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn html(&self) -> Html {
        Html::parse_document(&self.text())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

pub fn texts(html: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let words = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    html.select(&selector).map(|element| words(element.text().collect())).collect()
}

pub fn attributes(html: &Html, selector: &str, name: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    html.select(&selector).filter_map(|element| element.value().attr(name)).map(str::to_owned).collect()
}

/// Nothing inline: no style, no script text, no handler, no `javascript:` in any link; and each id once.
pub fn assert_nothing_inline(html: &Html, at: &str) {
    static ALL: LazyLock<Selector> = LazyLock::new(|| Selector::parse("*").unwrap());
    let mut ids = HashSet::new();
    for element in html.select(&ALL) {
        let value = element.value();
        assert!(value.attr("id").is_none_or(|id| ids.insert(id)), "{at}: twice the id {:?}", value.attr("id"));
        for (name, text) in value.attrs() {
            assert!(name != "style" && !name.starts_with("on"), "{at}: {name} on <{}>", value.name());
            assert!(!name.starts_with("hx-on"), "{at}: {name}");
            if matches!(name, "href" | "src" | "action" | "hx-get") {
                let local = text.starts_with(['/', '?', '#']);
                assert!(local && !text.starts_with("//"), "{at}: {name}=\"{text}\"");
            }
        }
        assert_ne!(value.name(), "style", "{at}");
        if value.name() == "script" {
            assert!(value.attr("src").is_some() && element.text().all(|text| text.trim().is_empty()), "{at}");
        }
    }
}
