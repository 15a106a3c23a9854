//! What holds for every answer: who may ask, what a browser may do with it, limits, and a number to find it by.
//!
//! Who may ask is one rule for pages, API and the doors of agents ([`crate::stranger`]): the machine is asked by its own name, and no
//! page of another site asks for more than to be led here.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;

use crate::Settings;
use crate::Site;
use crate::choice;
use crate::error::{self, RequestId};
use crate::stranger::stranger;

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
        .layer(middleware::map_request(choice::in_own_zone))
        .layer(CompressionLayer::new().gzip(true).zstd(true))
        .layer(middleware::map_response(headers))
        .layer(middleware::from_fn(number))
}

/// Puts around other routes on the same address, such as the doors of agents, what must hold for all of them. Their answers
/// and limits are their own, and what they refuse is said as the API says it.
pub fn guard_others(routes: Router, settings: &Settings) -> Router {
    routes
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(Arc::new(settings.clone()), known))
        .layer(middleware::from_fn(error::problems))
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

/// Answers nobody who is a stranger.
async fn known(State(settings): State<Arc<Settings>>, request: Request, next: Next) -> Response {
    let Some(stranger) = stranger(&request, &settings.allowed_hosts) else { return next.run(request).await };
    let mut refused = (stranger.status(), stranger.text()).into_response();
    refused.extensions_mut().insert(stranger);
    refused
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
    async fn what_a_door_refuses_is_told_as_the_api_tells_it() {
        use axum::routing::{get, post};
        let large = post(async || (StatusCode::PAYLOAD_TOO_LARGE, "more than \"8\" bytes"));
        let busy = get(async || (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "too much"));
        let own = get(async || (StatusCode::CONFLICT, [(header::CONTENT_TYPE, "application/x")], "bytes"));
        let broken = get(async || -> &'static str { panic!("secret") });
        let doors =
            Router::new().route("/large", large).route("/busy", busy).route("/own", own).route("/broken", broken);
        let doors = guard_others(doors, &Settings::loopback("test"));
        let ask = async |method: &str, path: &str, host: &str| {
            let request = Request::builder().method(method).uri(path).header("host", host);
            let request = request.body(axum::body::Body::empty()).unwrap();
            let response = tower::ServiceExt::oneshot(doors.clone(), request).await.unwrap();
            let (head, body) = response.into_parts();
            (head, axum::body::to_bytes(body, 1 << 20).await.unwrap())
        };
        for (method, path, host, status, code, detail) in [
            ("POST", "/large", "localhost", 413, "too_large", "more than \"8\" bytes"),
            ("GET", "/large", "localhost", 405, "method_not_allowed", "This address cannot be used in this way."),
            ("GET", "/busy", "localhost", 503, "busy", "too much"),
            (
                "GET",
                "/broken",
                "localhost",
                500,
                "fault",
                "The cause stands in the log of Siptrail, under the number below.",
            ),
            ("GET", "/busy", "example.com", 421, "unknown_host", crate::stranger::Stranger::Host.text()),
        ] {
            let (head, body) = ask(method, path, host).await;
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(head.headers[header::CONTENT_TYPE], "application/problem+json", "{path}");
            assert_eq!((head.status.as_u16(), &problem["status"]), (status, &status.into()), "{path}");
            assert_eq!((&problem["code"], &problem["detail"]), (&code.into(), &detail.into()), "{path}");
            assert_eq!(problem["request_id"], head.headers[&REQUEST_ID].to_str().unwrap(), "{path}");
        }
        assert_eq!(ask("GET", "/busy", "localhost").await.0.headers[header::RETRY_AFTER], "1");
        assert_eq!(ask("GET", "/own", "localhost").await.1, "bytes");
    }

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
}
