//! What looks like an address beyond doubt: where a layout is looser, its fields must be stricter.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Schemes of addresses in logs, and transports that stand in their place.
const SCHEMES: [&str; 14] =
    ["sip", "sips", "tel", "im", "urn", "http", "https", "ws", "wss", "rtp", "udp", "tcp", "tls", "sctp"];

/// `sip:…` and its kin, an IP address with or without a port, or `-` for one that is not known.
pub(super) fn is_address(text: &[u8]) -> bool {
    text == b"-" || is_known_address(text)
}

/// As [`is_address`], and it is known.
pub(super) fn is_known_address(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let has_scheme = || {
        text.split_once(':')
            .is_some_and(|(scheme, rest)| !rest.is_empty() && SCHEMES.iter().any(|s| s.eq_ignore_ascii_case(scheme)))
    };
    let in_brackets = || text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    has_scheme()
        || text.parse::<IpAddr>().is_ok()
        || text.parse::<SocketAddr>().is_ok()
        || in_brackets().is_some_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_or_is_one_of_ip() {
        for text in [
            "sip:192.0.2.1:5060;transport=tcp",
            "SIPS:bob@example.com",
            "https://api.example.com/v1",
            "tel:+15550100",
            "udp:192.0.2.1:5060",
            "192.0.2.1",
            "192.0.2.1:5060",
            "2001:db8::1",
            "[2001:db8::1]",
            "[2001:db8::1]:5060",
        ] {
            assert!(is_known_address(text.as_bytes()), "{text}");
        }
        assert!(is_address(b"-") && !is_known_address(b"-"));
        for text in ["", "main", "id:7", "sip:", "c.e.Main:42", "http-nio-8080", "pbx:5060", "10:00:00", "\u{e9}"] {
            assert!(!is_address(text.as_bytes()), "{text}");
        }
        assert!(!is_address(b"\xff:"));
    }
}
