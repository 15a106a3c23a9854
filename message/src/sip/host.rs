//! Host and port, as in URIs and Via: names, IPv4, IPv6 in brackets (RFC 3261, 25.1; RFC 5118).

use std::net::{IpAddr, Ipv6Addr};

use crate::sip::Faults;

/// The host in lower case (IPv6 keeps its brackets) and the port. Blanks around the colon are allowed.
pub(crate) fn host_and_port(text: &str, faults: &mut Faults) -> (String, Option<u16>) {
    let (host, rest) = split(text.trim());
    let host = host.trim_end();
    if host.starts_with('[') {
        check_ipv6(host, faults);
    } else if host.contains(':') {
        faults.note("ipv6_brackets");
    } else if !is_name(host) {
        faults.note("host");
    }
    (host.to_ascii_lowercase(), port(rest.trim(), faults))
}

/// The host as written, IPv6 with its brackets, and what follows it. An IPv6 address without brackets has no port.
pub(crate) fn split(authority: &str) -> (&str, &str) {
    let end = if authority.starts_with('[') {
        authority.find(']').map(|at| at + 1)
    } else {
        authority.find(':').filter(|at| !authority[at + 1..].contains(':'))
    };
    authority.split_at(end.unwrap_or(authority.len()))
}

/// An address as it stands in `received`: IPv6 gets brackets if it has none.
pub(crate) fn bracketed(address: &str) -> String {
    let bare = address.contains(':') && !address.starts_with('[');
    if bare { format!("[{}]", address.to_ascii_lowercase()) } else { address.to_ascii_lowercase() }
}

/// An address rather than a name.
pub(crate) fn is_number(host: &str) -> bool {
    host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

fn check_ipv6(host: &str, faults: &mut Faults) {
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or("");
    let address = inner.split_once('%').map_or(inner, |(address, _)| address);
    if address.parse::<Ipv6Addr>().is_err() {
        faults.note("ipv6");
    }
}

fn port(rest: &str, faults: &mut Faults) -> Option<u16> {
    if rest.is_empty() {
        return None;
    }
    let digits = rest.strip_prefix(':').map(str::trim).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
    let port = digits.and_then(|d| d.parse().ok());
    if port.is_none() {
        faults.note("port");
    }
    port
}

fn is_name(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, host: &str, port: Option<u16>, faults: &[&str]) {
        let mut seen = Faults::default();
        assert_eq!(host_and_port(text, &mut seen), (host.to_owned(), port), "{text}");
        assert_eq!(seen.names(), faults, "{text}");
    }

    #[test]
    fn hosts_of_every_form_are_read() {
        check("Example.COM", "example.com", None, &[]);
        check("192.0.2.1:5060", "192.0.2.1", Some(5060), &[]);
        check("192.0.2.1 : 5060", "192.0.2.1", Some(5060), &[]);
        check("[2001:DB8::1]:5060", "[2001:db8::1]", Some(5060), &[]);
        check("[fe80::1%eth0]", "[fe80::1%eth0]", None, &[]);
        check("[::ffff:192.0.2.10]", "[::ffff:192.0.2.10]", None, &[]);
    }

    #[test]
    fn hosts_that_are_none_are_kept_and_told() {
        check("2001:db8::10", "2001:db8::10", None, &["ipv6_brackets"]);
        check("[2001:db8:::192.0.2.1]", "[2001:db8:::192.0.2.1]", None, &["ipv6"]);
        check("[2001:db8::1", "[2001:db8::1", None, &["ipv6"]);
        check("[", "[", None, &["ipv6"]);
        check("example.com:99999", "example.com", None, &["port"]);
        check("example.com:", "example.com", None, &["port"]);
        check("exa mple", "exa mple", None, &["host"]);
        check("", "", None, &["host"]);
    }
}
