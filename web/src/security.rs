//! What holds for every answer: who may ask, what a browser may do with it, limits, and a number to find it by.
//!
//! Who may ask is one rule for pages, API and the doors of agents ([`Stranger`]): the machine is asked by its own name, and no
//! page of another site asks for more than to be led here.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;

use crate::Settings;
use crate::Site;
use crate::error::{self, RequestId};

/// Nothing is inline, so no nonces. `require-trusted-types-for` holds with one default policy (`assets/trust.js`), which
/// lets htmx parse fragments and still refuses every sink that makes script of a string.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types default";

/// Until an answer begins; streams may last.
const PATIENCE: Duration = Duration::from_secs(30);

/// No form of ours is large; what agents send goes through a door of its own.
const LARGEST_BODY: usize = 64 << 10;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts all of it around the routes of pages and API; the last layer is the outermost.
pub(crate) fn guard(routes: Router<Site>, site: &Site) -> Router<Site> {
    routes
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, PATIENCE))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(Arc::clone(&site.settings), known))
        .layer(middleware::from_fn_with_state(site.clone(), error::pages))
        .layer(CompressionLayer::new().gzip(true).zstd(true))
        .layer(middleware::map_response(headers))
        .layer(middleware::from_fn(number))
}

/// Puts around other routes on the same address, such as the doors of agents, what must hold for all of them. Their answers,
/// limits and words are their own.
pub fn guard_others(routes: Router, settings: &Settings) -> Router {
    routes
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(Arc::new(settings.clone()), known))
        .layer(middleware::map_response(headers))
        .layer(middleware::from_fn(number))
}

/// Numbers each request, and says in the log what became of it.
async fn number(mut request: Request, next: Next) -> Response {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = format!("{:08x}-{:x}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    request.extensions_mut().insert(RequestId(id.clone()));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let begun = Instant::now();
    let span = tracing::info_span!("request", request.id = %id);
    let mut response = tracing::Instrument::instrument(next.run(request), span).await;
    let (status, took) = (response.status().as_u16(), begun.elapsed().as_millis());
    if response.status().is_server_error() {
        tracing::warn!(request.id = %id, http.method = %method, http.path = %path, http.status = status, took_ms = took, "a request was answered with an error");
    } else {
        tracing::debug!(request.id = %id, http.method = %method, http.path = %path, http.status = status, took_ms = took, "a request was answered");
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

async fn headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Why a request is not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stranger {
    /// It names another host: a page whose name was turned to this machine (DNS rebinding) reads nothing.
    Host,
    /// A page of another site asks, and not to be led here by a link.
    Site,
}

impl Stranger {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Host => {
                "This server does not answer to that host name. Use the address that it printed when it started, or localhost; \
                 a collector answers to the names in `hosts` of its config, too."
            }
            Self::Site => "A page of another site asked for this, and gets no answer.",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Site => StatusCode::FORBIDDEN,
        }
    }
}

/// Answers nobody who is a stranger.
async fn known(State(settings): State<Arc<Settings>>, request: Request, next: Next) -> Response {
    let Some(stranger) = stranger(&request, &settings.allowed_hosts) else { return next.run(request).await };
    let mut refused = (stranger.status(), stranger.text()).into_response();
    refused.extensions_mut().insert(stranger);
    refused
}

fn stranger<B>(request: &axum::http::Request<B>, allowed: &[String]) -> Option<Stranger> {
    let headers = request.headers();
    let host = named(headers, request.uri());
    if !(allowed.is_empty() || host.as_deref().is_some_and(|host| is_allowed(host, allowed))) {
        return Some(Stranger::Host);
    }
    let text = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    // A link in a mail or a chat leads here; nothing else that another site does is of use to the reader.
    let led = request.method().is_safe()
        && text("sec-fetch-mode") == Some(b"navigate")
        && text("sec-fetch-dest") == Some(b"document");
    let elsewhere = match text("sec-fetch-site") {
        None => false,
        Some(site) => !matches!(site, b"same-origin" | b"none") && !led,
    };
    let foreign = |origin: &HeaderValue| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        !origin.is_some_and(|(_, from)| host.as_deref().is_some_and(|host| host.eq_ignore_ascii_case(from)))
    };
    (elsewhere || headers.get(header::ORIGIN).is_some_and(foreign)).then_some(Stranger::Site)
}

/// The authority of HTTP/2, else the Host header; more than one is refused.
fn named(headers: &HeaderMap, uri: &axum::http::Uri) -> Option<String> {
    if let Some(authority) = uri.authority() {
        return Some(authority.as_str().to_owned());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?.to_owned();
    hosts.next().is_none().then_some(host)
}

fn is_allowed(host: &str, allowed: &[String]) -> bool {
    let bare = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    allowed.iter().any(|name| name.eq_ignore_ascii_case(bare))
}

/// A fault of ours is a page like any other, and its cause stays in the log.
fn panicked(cause: Box<dyn Any + Send + 'static>) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("without words"), "a request panicked");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_page_with_a_number_and_without_its_words() {
        let directory = tempfile::tempdir().unwrap();
        let store = store::Store::open(&store::Location::Directory(directory.path().into())).await.unwrap();
        let site = Site::new(store, Settings::loopback("test"));
        let routes = Router::new().route("/", axum::routing::get(async || -> &'static str { panic!("secret") }));
        let router = guard(routes, &site).with_state(site);
        let request = Request::get("/").header("host", "localhost").body(axum::body::Body::empty()).unwrap();
        let response = tower::ServiceExt::oneshot(router, request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let id = response.headers()[&REQUEST_ID].to_str().unwrap().to_owned();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains(&id) && !text.contains("secret"), "{text}");
    }

    #[test]
    fn no_page_of_another_site_asks_for_more_than_to_be_led_here() {
        let allowed = ["localhost".to_owned()];
        let asks = |method: &str, headers: &[(&str, &str)]| {
            let mut request =
                axum::http::Request::builder().method(method).uri("/s/1").header("host", "localhost:8080");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            stranger(&request.body(()).unwrap(), &allowed)
        };
        let navigate = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        let with =
            |site: &'static str, more: &[(&'static str, &'static str)]| [&[("sec-fetch-site", site)], more].concat();
        for known in [
            vec![],
            with("same-origin", &[("origin", "http://localhost:8080")]),
            with("none", &navigate),
            with("cross-site", &navigate),
            vec![("origin", "http://LOCALHOST:8080")],
        ] {
            assert_eq!(asks("GET", &known), None, "{known:?}");
        }
        for foreign in [
            with("cross-site", &[]),
            with("same-site", &[("sec-fetch-mode", "cors")]),
            with("cross-site", &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")]),
            with("cross-site", &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")]),
            vec![("origin", "http://localhost:8081")],
            vec![("origin", "http://example.com")],
            vec![("origin", "null")],
        ] {
            assert_eq!(asks("GET", &foreign), Some(Stranger::Site), "{foreign:?}");
            assert_eq!(asks("POST", &foreign), Some(Stranger::Site), "{foreign:?}");
        }
        assert_eq!(asks("POST", &with("cross-site", &navigate)), Some(Stranger::Site));
    }

    #[test]
    fn only_named_hosts_are_answered_on_any_port() {
        let allowed = ["localhost".to_owned(), "127.0.0.1".into(), "[::1]".into()];
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]", "[::1]:8080"] {
            assert!(is_allowed(host, &allowed), "{host}");
        }
        for host in ["example.com", "localhost.example.com", "127.0.0.1.example.com:80", "", "[::2]:8080"] {
            assert!(!is_allowed(host, &allowed), "{host}");
        }
    }
}
