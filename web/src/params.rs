//! Query parameters, in order: what links and hidden fields are made of.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The parameters of an address. Shown as `?a=b&c=d`, or as nothing where there are none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Params(Vec<(String, String)>);

/// Kept as they are, so that an address stays readable (RFC 3986, 3.4: what a query may hold).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'@')
    .remove(b'/')
    .remove(b',')
    .remove(b'*');

/// Names that may be given several times.
const MANY: [&str; 2] = ["outcome", "class"];

impl Params {
    /// Reads `a=b&c=d`. What is not UTF-8 is read with replacement characters.
    pub fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(pairs.collect())
    }

    /// The first value of a name; none where it is not given or blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v.trim()).find(|v| !v.is_empty())
    }

    /// Every value of a name, trimmed, without blank ones.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.trim()).filter(|v| !v.is_empty())
    }

    /// Two values of a name that takes one; none where it is given once, or with commas as well (`outcome`, `class`).
    pub fn twice<'a>(&'a self, name: &'a str) -> Option<(&'a str, &'a str)> {
        let first = self.get(name).filter(|_| !MANY.contains(&name))?;
        self.all(name).find(|value| *value != first).map(|other| (first, other))
    }

    /// With this one value of a name instead of those it had.
    #[must_use]
    pub fn with(&self, name: &str, value: impl Into<String>) -> Self {
        let mut params = self.without(name);
        params.0.push((name.to_owned(), value.into()));
        params
    }

    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(n, _)| n != name).cloned().collect())
    }

    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, String)> for Params {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.0.iter().enumerate() {
            let sign = if at == 0 { '?' } else { '&' };
            write!(f, "{sign}{}={}", encode(name), encode(value))?;
        }
        Ok(())
    }
}

/// A text as it may stand in a query or as one segment of a path.
pub fn encode(text: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(text, PLAIN)
}

/// A value in a sentence about it: whoever sent it knows the rest.
pub fn quoted(text: &str) -> String {
    const LETTERS: usize = 40;
    let dots = if text.chars().nth(LETTERS).is_some() { "…" } else { "" };
    format!("\"{}{dots}\"", text.chars().take(LETTERS).collect::<String>())
}

/// A NUL is read as it is stored, since PostgreSQL has none in text: as a replacement character.
fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plus_and_a_percent_are_read_as_forms_write_them() {
        let params = Params::parse("q=a+b%2Bc&empty=&q=d");
        assert_eq!(params.get("q"), Some("a b+c"));
        assert_eq!(params.get("empty"), None);
        assert_eq!(params.with("q", "x").to_string(), "?empty=&q=x");
        assert_eq!(Params::default().to_string(), "");
    }

    #[test]
    fn a_value_is_told_with_forty_letters() {
        assert_eq!(quoted("ä<b>"), "\"ä<b>\"");
        assert_eq!(quoted(&"ä".repeat(40)), format!("\"{}\"", "ä".repeat(40)));
        assert_eq!(quoted(&"ä".repeat(9_000)), format!("\"{}…\"", "ä".repeat(40)));
    }

    #[test]
    fn a_nul_is_no_fault_of_the_database() {
        assert_eq!(Params::parse("method=%00INVITE").get("method"), Some("\u{fffd}INVITE"));
    }

    proptest! {
        #[test]
        fn params_read_back_as_they_are_shown(pairs in prop::collection::vec(("[^\0\n]{1,8}", "[^\0]{0,8}"), 0..6)) {
            let params: Params = pairs.into_iter().collect();
            let shown = params.to_string();
            prop_assert_eq!(Params::parse(shown.strip_prefix('?').unwrap_or("")), params);
        }
    }
}
