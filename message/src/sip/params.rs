//! Parameters of headers and URIs: split outside quotes, names in lower case, values unquoted.

use std::borrow::Cow;

use memchr::memchr2;

use crate::sip::Faults;

/// No header of a real message comes near this; more are a fault, so that memory follows the message.
const MOST: usize = 64;

/// Reads `name=value` pieces between semicolons; what stands before the first semicolon is no parameter.
pub(crate) fn params(text: &str, faults: &mut Faults) -> Vec<(String, String)> {
    let mut params = Vec::new();
    for (nth, piece) in pieces(text, b';').enumerate() {
        if nth == 0 {
            continue;
        }
        let (name, value) = name_and_value(piece);
        if name.is_empty() || name.contains(',') {
            faults.note("params");
        } else if params.len() == MOST {
            faults.note("too_many");
            break;
        } else {
            params.push((name.to_ascii_lowercase(), value.into_owned()));
        }
    }
    params
}

/// The value of one parameter of a header value such as `call@example.com;to-tag=7`.
pub(crate) fn parameter<'a>(text: &'a str, name: &str) -> Option<Cow<'a, str>> {
    pieces(text, b';').map(name_and_value).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// `name = "value"`, with blanks and quotes taken away.
pub(crate) fn name_and_value(piece: &str) -> (&str, Cow<'_, str>) {
    let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
    (name.trim(), unquoted(value.trim()))
}

/// Splits at a separator that stands outside quotes. An open quote takes the rest.
pub(crate) fn pieces(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match outside_quotes(text, separator) {
            Some(at) => {
                rest = Some(&text[at + 1..]);
                Some(&text[..at])
            }
            None => rest.take(),
        }
    })
}

/// Where a byte stands outside quotes.
pub(crate) fn outside_quotes(text: &str, wanted: u8) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr2(b'"', wanted, &text.as_bytes()[from..])?;
        if text.as_bytes()[at] == wanted {
            return Some(at);
        }
        from = behind_quotes(text, at)?;
    }
}

/// Behind the quoted string that begins at `open`; none where it is never closed.
pub(crate) fn behind_quotes(text: &str, open: usize) -> Option<usize> {
    let mut from = open + 1;
    loop {
        let at = from + memchr2(b'"', b'\\', text.as_bytes().get(from..)?)?;
        if text.as_bytes()[at] == b'"' {
            return Some(at + 1);
        }
        from = at + 2;
    }
}

/// A quoted string's content without escapes; other text as it is.
pub(crate) fn unquoted(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"') else { return Cow::Borrowed(text) };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_inside_quotes_do_not_split() {
        let mut faults = Faults::default();
        let read = params(r#"<x>;Tag = "a;b\"c" ; lr;q=0.7"#, &mut faults);
        let expect = [("tag", r#"a;b"c"#), ("lr", ""), ("q", "0.7")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!((read.as_slice(), faults.names()), (expect.as_slice(), Vec::new()));
    }

    #[test]
    fn an_open_quote_takes_the_rest() {
        assert_eq!(pieces(r#"a;"b;c"#, b';').collect::<Vec<_>>(), ["a", r#""b;c"#]);
    }

    #[test]
    fn empty_parameters_are_a_fault_and_no_parameters() {
        let mut faults = Faults::default();
        assert_eq!(params("x;;,;", &mut faults), []);
        assert_eq!(faults.names(), ["params"]);
    }

    #[test]
    fn a_thousand_parameters_are_cut() {
        let mut faults = Faults::default();
        assert_eq!(params(&";a".repeat(1000), &mut faults).len(), MOST);
        assert_eq!(faults.names(), ["too_many"]);
    }
}
