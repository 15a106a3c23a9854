//! The parts of a URL that facts are read from (RFC 3986).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Path and query of a URL or of a request target; `/` where a URL has neither. None for what is no URL.
pub(crate) fn path_and_query(url: &str) -> Option<&str> {
    let url = url.split('#').next()?;
    if url.starts_with('/') {
        return Some(url);
    }
    let (scheme, rest) = url.split_once("://")?;
    let named = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let path = rest.find(['/', '?']).map_or("/", |at| &rest[at..]);
    named.then_some(path)
}

/// The parameters of a target's query, percent-decoded. A plus sign stays: Call-IDs hold it, and never a blank.
pub(crate) fn query(target: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let query = target.split('#').next().and_then(|t| t.split_once('?')).map_or("", |(_, query)| query);
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (percent_decode_str(name).decode_utf8_lossy(), percent_decode_str(value).decode_utf8_lossy())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        assert_eq!(path_and_query("https://a.example.com/v1/x?y=1#z"), Some("/v1/x?y=1"));
        assert_eq!(path_and_query("https://a.example.com?y=1"), Some("?y=1"));
        assert_eq!(path_and_query("https://a.example.com"), Some("/"));
        assert_eq!(path_and_query("/3/device/ab"), Some("/3/device/ab"));
        assert_eq!(path_and_query("-"), None);
    }

    #[test]
    fn query_parameters_are_percent_decoded_and_keep_their_plus() {
        let read: Vec<_> = query("/r?callId=a%40b+c&&flag&%74o=bob#x=1").collect();
        let expect = [("callId", "a@b+c"), ("flag", ""), ("to", "bob")];
        assert_eq!(read.iter().map(|(n, v)| (&**n, &**v)).collect::<Vec<_>>(), expect);
    }
}
