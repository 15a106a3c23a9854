//! Who may ask: the machine is asked by its own name, and no page of another site asks for more than to be led here.

use axum::http::header;
use axum::http::{HeaderMap, HeaderValue, StatusCode};

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

    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Site => StatusCode::FORBIDDEN,
        }
    }
}

pub(crate) fn stranger<B>(request: &axum::http::Request<B>, allowed: &[String]) -> Option<Stranger> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
