//! What a reader chose for this browser: colours, density, single keys. A cookie each, so that the server renders it and
//! nothing flashes.

use axum::Router;
use axum::extract::RawQuery;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use crate::params::Params;
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
}

/// Name and values of each choice; any other value takes it back.
const KNOWN: [(&str, &[&str]); 3] = [("theme", &["light", "dark"]), ("density", &["compact"]), ("keys", &["off"])];

pub(crate) fn routes() -> Router<Site> {
    Router::new().route("/choose", get(choose))
}

impl Choices {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let lines = || headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let cookie = |name: &str| {
            let pairs = lines().flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
            pairs.filter(|(n, _)| *n == name).find_map(|(_, value)| known(name, value))
        };
        Self { theme: cookie("theme"), density: cookie("density"), keys: cookie("keys") }
    }
}

fn known(name: &str, value: &str) -> Option<&'static str> {
    let (_, values) = KNOWN.into_iter().find(|(known, _)| *known == name)?;
    values.iter().copied().find(|known| *known == value)
}

/// Changes nothing but how this browser sees the pages, so a link may do it.
async fn choose(RawQuery(query): RawQuery) -> Result<Response, Error> {
    let params = Params::parse(query.as_deref().unwrap_or(""));
    let back = params.get("back").filter(|path| is_own_path(path)).unwrap_or("/");
    let mut response = Redirect::to(back).into_response();
    for (name, _) in KNOWN {
        let Some(value) = params.get(name) else { continue };
        let cookie = match known(name, value) {
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
