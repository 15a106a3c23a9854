//! An address of a header line as host and port: all that a column is made of.

use std::fmt;
use std::net::IpAddr;

use crate::sip;

/// Where a message came from or went to. Without a port the default of the scheme is meant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Address {
    /// Lower case; numbers in one spelling, IPv6 without brackets and zone. Empty where the log names none.
    pub host: String,
    pub port: u16,
}

impl Address {
    /// Reads `sip:192.0.2.1:5060;transport=tcp`, `https://api.example.com/v1`, `udp:192.0.2.1:5060`, `[2001:db8::1]:5060`.
    /// What is no address is a host of that name; `-` is none.
    pub fn read(text: &str) -> Self {
        let text = text.trim().trim_matches(['<', '>']);
        // Java writes `/192.0.2.1:5060` for an address whose name was not looked up.
        let text = text.strip_prefix('/').unwrap_or(text);
        let (scheme, rest) = scheme_of(text);
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let rest = if rest == "-" { "" } else { rest };
        let end = rest.find([';', '/', '?', '#', '>', ' ']).unwrap_or(rest.len());
        let authority = &rest[..end];
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let default = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => 80,
            "https" | "wss" => 443,
            "sips" | "tls" => 5061,
            _ => 5060,
        };
        let (host, port) = sip::split_host(authority);
        let port = port.strip_prefix(':').and_then(|port| port.parse().ok());
        Self { host: one_spelling(bare(host)), port: port.unwrap_or(default) }
    }

    pub fn new(host: &str, port: Option<u16>) -> Self {
        Self { host: one_spelling(bare(host)), port: port.unwrap_or(5060) }
    }

    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

fn scheme_of(text: &str) -> (&str, &str) {
    if let Some((scheme, rest)) = text.split_once("://") {
        return (scheme, rest);
    }
    match text.split_once(':') {
        Some((scheme, rest))
            if matches!(
                scheme.to_ascii_lowercase().as_str(),
                "sip" | "sips" | "tel" | "udp" | "tcp" | "tls" | "ws" | "wss" | "sctp"
            ) =>
        {
            (scheme, rest)
        }
        _ => ("", text),
    }
}

/// `2001:DB8:0::1` is `2001:db8::1`, and `::ffff:192.0.2.1` is `192.0.2.1` (RFC 5952, RFC 4291).
fn one_spelling(host: &str) -> String {
    host.parse().map_or_else(|_| host.to_ascii_lowercase(), |ip: IpAddr| ip.to_canonical().to_string())
}

/// Without the brackets and the zone of an IPv6 address.
fn bare(host: &str) -> &str {
    let Some(inside) = host.strip_prefix('[') else { return host };
    inside.split(['%', ']']).next().unwrap_or(inside)
}

/// `192.0.2.1:5060`, `[2001:db8::1]:5060`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        assert_eq!(Address::read(text).to_string(), expect, "{text}");
    }

    #[test]
    fn an_address_is_read_from_whatever_a_logger_writes() {
        check("sip:127.0.0.1:5063", "127.0.0.1:5063");
        check("sips:Proxy.Example.com;transport=tls", "proxy.example.com:5061");
        check("https://api.example.com/v1/route?to=bob", "api.example.com:443");
        check("http://127.0.0.1:9070/v1", "127.0.0.1:9070");
        check("sip:[2001:DB8::1]:5080", "[2001:db8::1]:5080");
        check("2001:db8::1", "[2001:db8::1]:5060");
        check("tcp:192.0.2.1:5060", "192.0.2.1:5060");
        check("192.0.2.1:99999", "192.0.2.1:5060");
        check("sip:bob@192.0.2.1", "192.0.2.1:5060");
        check("sip:[2001:db8:0:0::1]:5080", "[2001:db8::1]:5080");
        check("sip:[::ffff:192.0.2.1]", "192.0.2.1:5060");
        check("/192.0.2.1:5080", "192.0.2.1:5080");
        check("tcp:/192.0.2.1:5080", "192.0.2.1:5080");
        check("[fe80::1%eth0]:5080", "[fe80::1]:5080");
        check("sip:[2001:db8::1", "[2001:db8::1]:5060");
        check("", ":5060");
        check("-", ":5060");
    }
}
