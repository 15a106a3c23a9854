//! From a template to an answer, and what the frame around each page needs.

use std::convert::Infallible;

use askama::Template;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use crate::choice::Choices;
use crate::clients;
use crate::params::{Params, encode, quoted};
use crate::zone::Zone;
use crate::{Error, Site};

/// A template as an answer in HTML; one that cannot be drawn is a 500.
#[derive(Clone, Debug)]
pub struct Page<T>(pub T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match render(&self.0) {
            Ok(html) => ([(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
            Err(error) => error.into_response(),
        }
    }
}

/// Bytes of a page: ten times what two thousand rows take. What is drawn is bounded part by part; this holds whatever was
/// forgotten there.
const MOST: usize = 16 << 20;
/// Sentences on what is wrong with an address.
const MISREAD: usize = 4;

/// A template as text, with an end.
pub(crate) fn render(template: &impl Template) -> Result<String, Error> {
    let mut page = Bounded { text: String::with_capacity(template_size(template)), most: MOST, full: false };
    match template.render_into(&mut page) {
        Ok(()) => Ok(page.text),
        Err(_) if page.full => Err(Error::TooLarge),
        Err(error) => Err(Error::Template(error)),
    }
}

fn template_size<T: Template>(_: &T) -> usize {
    T::SIZE_HINT
}

/// Text that refuses to grow beyond `most` bytes.
struct Bounded {
    text: String,
    most: usize,
    full: bool,
}

impl std::fmt::Write for Bounded {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        self.full |= part.len() > self.most - self.text.len();
        if self.full {
            return Err(std::fmt::Error);
        }
        self.text.push_str(part);
        Ok(())
    }
}

/// The frame around a page (`layout.html`, as `frame`): zone, theme, and where we are. An extractor.
#[derive(Clone, PartialEq, Debug)]
pub struct Frame {
    pub zone: Zone,
    pub choices: Choices,
    /// Name and port under which this page was asked for; for what is printed.
    pub host: String,
    /// Path of this page, as requested.
    pub path: String,
    /// Its query, read, and as it came: a comma in it is not the same as `%2C`.
    pub params: Params,
    pub query: String,
    /// What stands in the search box of the header.
    pub find: String,
    pub version: String,
    /// What the address names and this page does not know, in words.
    pub misread: Vec<String>,
    /// Alerts that are open.
    pub open_alerts: i64,
    /// Makes this browser known, where it is not yet.
    pub new_browser: Option<HeaderValue>,
}

impl FromRequestParts<Site> for Frame {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Error> {
        let frame = Self::lenient(parts, site);
        match frame.params.get("zone") {
            Some(name) if Zone::parse(name).is_none() => Err(Error::unknown_zone(name)),
            _ => Ok(Self { open_alerts: site.open_alerts().await, ..frame }),
        }
    }
}

impl OptionalFromRequestParts<Site> for Frame {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Option<Self>, Infallible> {
        Ok(Some(Self::lenient(parts, site)))
    }
}

impl Frame {
    /// For parts of a page that nobody asked for.
    pub(crate) fn bare(site: &Site) -> Self {
        Self {
            zone: Zone::UTC,
            choices: Choices::default(),
            host: String::new(),
            path: String::new(),
            params: Params::default(),
            query: String::new(),
            find: String::new(),
            version: site.settings.version.clone(),
            misread: Vec::new(),
            open_alerts: 0,
            new_browser: None,
        }
    }

    /// A frame whatever the request says; for error pages.
    pub(crate) fn lenient(parts: &Parts, site: &Site) -> Self {
        let params = Params::parse(parts.uri.query().unwrap_or(""));
        Self {
            zone: params.get("zone").and_then(Zone::parse).unwrap_or(Zone::UTC),
            choices: Choices::of(&parts.headers),
            host: parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("").to_owned(),
            path: parts.uri.path().to_owned(),
            find: String::new(),
            params,
            query: parts.uri.query().unwrap_or("").to_owned(),
            version: site.settings.version.clone(),
            misread: Vec::new(),
            open_alerts: 0,
            new_browser: clients::cookie_for(&parts.headers),
        }
    }

    /// Of a page that has no filters and knows nothing but its zone: a link to it that was mistyped shows more than it was to show.
    #[must_use]
    pub(crate) fn without_filters(self) -> Self {
        self.with_only(&[])
    }

    /// Of a page that knows these, beside its zone.
    #[must_use]
    pub(crate) fn with_only(mut self, known: &[&str]) -> Self {
        let mut names: Vec<&str> = self.params.pairs().iter().map(|(name, _)| name.as_str()).collect();
        names.retain(|name| *name != "zone" && !known.contains(name));
        names.sort_unstable();
        names.dedup();
        self.misread = names
            .into_iter()
            .take(MISREAD)
            .map(|name| format!("This page has no parameter {}.", quoted(name)))
            .collect();
        if let Some((one, other)) = self.params.twice("zone") {
            self.misread.push(format!("Times are in one zone, not in {} and in {}.", quoted(one), quoted(other)));
        }
        self
    }

    /// Where this page is: printed, since paper has no address bar.
    pub fn address(&self) -> String {
        format!("{}{}", self.host, self.path_and_query())
    }

    /// An address on this site in the same zone. `path` has no query and no fragment.
    pub fn to(&self, path: &str) -> String {
        format!("{path}{}", self.keep(Params::default()))
    }

    /// The same, with a query.
    pub fn to_with(&self, path: &str, params: &Params) -> String {
        format!("{path}{}", self.keep(params.clone()))
    }

    fn keep(&self, params: Params) -> Params {
        let params = params.without("zone");
        if self.says_zone() { params.with("zone", self.zone.name()) } else { params }
    }

    /// Addresses of this page must name their zone, as they would be read in another one without.
    pub fn says_zone(&self) -> bool {
        !self.zone.is_utc() || self.choices.zone.is_some()
    }

    /// This page; for a form that leads back to it, too.
    pub fn path_and_query(&self) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{}{mark}{}", self.path, self.query)
    }

    /// Where a choice for this browser leads, and back to this page.
    pub fn choose(&self, name: &str, value: &str) -> String {
        format!("/choose?{name}={value}&back={}", encode(&self.path_and_query()))
    }

    /// `page` or nothing, for `aria-current` of a link in the header.
    pub fn is(&self, path: &str) -> bool {
        self.path == path
    }
}

/// Sent by htmx: answer with the fragment alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment(pub bool);

impl<S: Send + Sync> FromRequestParts<S> for Fragment {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(wants_fragment(parts)))
    }
}

/// A page that htmx restores from history must be whole.
pub(crate) fn wants_fragment(parts: &Parts) -> bool {
    parts.headers.contains_key("hx-request") && !parts.headers.contains_key("hx-history-restore-request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Template)]
    #[template(source = "{% for part in parts %}{{ part }}{% endfor %}", ext = "html")]
    struct Parts<'a> {
        parts: &'a [String],
    }

    #[test]
    fn a_page_that_would_never_end_is_an_error_with_words() {
        let half = "x".repeat(MOST / 2);
        let parts = [half.clone(), half, "<".into()];
        assert_eq!(render(&Parts { parts: &parts[..2] }).unwrap().len(), MOST);
        assert!(matches!(render(&Parts { parts: &parts }), Err(Error::TooLarge)));
    }
}
