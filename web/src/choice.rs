//! What a reader chose for this browser: colours, density, single keys, the zone. A cookie each, so that the server renders it
//! and nothing flashes.

use axum::Router;
use axum::extract::{RawQuery, Request};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use crate::params::Params;
use crate::zone::Zone;
use crate::{Error, Site};

/// The choices made; none = as it comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Choices {
    /// `light` or `dark`.
    pub theme: Option<&'static str>,
    /// `compact`.
    pub density: Option<&'static str>,
    /// `off`: keys of one letter do nothing (WCAG 2.1.4).
    pub keys: Option<&'static str>,
    /// Of pages whose address names none.
    pub zone: Option<Zone>,
}

/// Name and values of each choice; any other value takes it back.
const KNOWN: [(&str, &[&str]); 3] = [("theme", &["light", "dark"]), ("density", &["compact"]), ("keys", &["off"])];

pub(crate) fn routes() -> Router<Site> {
    Router::new().route("/choose", get(choose))
}

impl Choices {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let cookie = |name: &str| cookies(headers, name).find_map(|value| known(name, value));
        Self { theme: cookie("theme"), density: cookie("density"), keys: cookie("keys"), zone: zone_of(headers) }
    }
}

/// Times of an address that names no zone are in UTC, as links have them; any other address without a zone is in the one that
/// this browser remembers.
pub(crate) async fn in_own_zone(mut request: Request) -> Request {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or(""));
    let is_page = !["/api/", "/assets/", "/choose"].iter().any(|other| path.starts_with(other));
    let params = Params::parse(query);
    let says = ["zone", "from", "to", "around"].iter().any(|name| params.get(name).is_some());
    if let Some(zone) = zone_of(request.headers()).filter(|_| is_page && !says) {
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = format!("{path}?{}", in_zone(query, Some(zone))).parse().ok();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(known, _)| *known == name).map(|(_, value)| value)
}

fn zone_of(headers: &HeaderMap) -> Option<Zone> {
    cookies(headers, "zone").find_map(Zone::parse).filter(|zone| !zone.is_utc())
}

/// A query in another zone, the rest of it as it is.
fn in_zone(query: &str, zone: Option<Zone>) -> String {
    let is_zone = |pair: &&str| pair.split('=').next() == Some("zone");
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !is_zone(pair)).map(str::to_owned);
    kept.chain(zone.map(|zone| format!("zone={}", zone.name()))).collect::<Vec<_>>().join("&")
}

fn known(name: &str, value: &str) -> Option<&'static str> {
    let (_, values) = KNOWN.into_iter().find(|(known, _)| *known == name)?;
    values.iter().copied().find(|known| *known == value)
}

/// Changes nothing but how this browser sees the pages, so a link may do it.
async fn choose(RawQuery(query): RawQuery) -> Result<Response, Error> {
    let params = Params::parse(query.as_deref().unwrap_or(""));
    let mut back = params.get("back").filter(|path| is_own_path(path)).unwrap_or("/").to_owned();
    let mut chosen = Vec::new();
    for (name, _) in KNOWN {
        let Some(value) = params.get(name) else { continue };
        chosen.push((name, known(name, value)));
    }
    if let Some(name) = params.get("zone") {
        let zone = Zone::parse(name).ok_or_else(|| Error::unknown_zone(name))?;
        let zone = (!zone.is_utc()).then_some(zone);
        let (path, query) = back.split_once('?').unwrap_or((&back, ""));
        let query = in_zone(query, zone);
        back = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        chosen.push(("zone", zone.map(Zone::name)));
    }
    let mut response = Redirect::to(&back).into_response();
    for (name, value) in chosen {
        let cookie = match value {
            Some(value) => format!("{name}={value}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly"),
            None => format!("{name}=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly"),
        };
        let cookie = HeaderValue::from_str(&cookie).map_err(|_| Error::BadRequest("no such choice".into()))?;
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// A path of this site: no host, no scheme, nothing a browser reads as one.
fn is_own_path(path: &str) -> bool {
    path.starts_with('/') && !path[1..].starts_with(['/', '\\']) && path.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_leads_back_to_pages_of_this_site_only() {
        for path in ["/", "/search?q=a%20b", "/s/018f3c7a"] {
            assert!(is_own_path(path), "{path}");
        }
        for path in ["//example.com", "/\\example.com", "https://example.com", "", "/\t/example.com", "/\n"] {
            assert!(!is_own_path(path), "{path}");
        }
    }
}
