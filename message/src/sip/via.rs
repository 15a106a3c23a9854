//! Via: the hops a message came by (RFC 3261, 20.42; RFC 3581).

use super::Via;
use super::host::{bracketed, host_and_port};
use super::params::{name_and_value, pieces};
use crate::sip::Faults;

/// What every branch of RFC 3261 begins with.
const COOKIE: &str = "z9hG4bK";

impl Via {
    /// Reads one element of a Via header, with blanks wherever the grammar allows them.
    pub(crate) fn read(element: &str, faults: &mut Faults) -> Self {
        let mut via = Self::default();
        let mut pieces = pieces(element, b';');
        let sent = pieces.next().unwrap_or("");
        let mut protocol = sent.splitn(3, '/');
        let (name, version, rest) = (protocol.next(), protocol.next(), protocol.next().unwrap_or("").trim_start());
        let sip = name.is_some_and(|n| n.trim().eq_ignore_ascii_case("SIP"));
        let (transport, by) = rest.split_at(rest.find([' ', '\t']).unwrap_or(rest.len()));
        if !sip || version.is_none() || transport.is_empty() || by.trim().is_empty() {
            faults.note("via");
        }
        via.transport = transport.to_ascii_uppercase();
        (via.host, via.port) = host_and_port(by, faults);
        for piece in pieces {
            let (name, value) = name_and_value(piece);
            if name.eq_ignore_ascii_case("branch") {
                if value == COOKIE || value.is_empty() {
                    faults.note("branch");
                }
                via.branch = value.into_owned();
            } else if name.eq_ignore_ascii_case("received") {
                via.received = Some(bracketed(&value));
            } else if name.eq_ignore_ascii_case("rport") {
                via.rport = value.parse().ok();
            } else if name.is_empty() {
                faults.note("via");
            }
        }
        via
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(element: &str, expect: (&str, &str, Option<u16>, &str), faults: &[&str]) -> Via {
        let mut seen = Faults::default();
        let via = Via::read(element, &mut seen);
        let read = (via.transport.as_str(), via.host.as_str(), via.port, via.branch.as_str());
        assert_eq!(read, expect, "{element}");
        assert_eq!(seen.names(), faults, "{element}");
        via
    }

    #[test]
    fn a_hop_is_read_with_blanks_anywhere() {
        check("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1", ("UDP", "192.0.2.1", Some(5060), "z9hG4bK1"), &[]);
        check(
            "SIP / 2.0 / tls  Example.com : 5061 ; branch = z9hG4bK2 ",
            ("TLS", "example.com", Some(5061), "z9hG4bK2"),
            &[],
        );
    }

    #[test]
    fn where_a_request_really_came_from_is_read() {
        let via = check(
            "SIP/2.0/UDP [2001:db8::9];received=2001:DB8::1;rport=4711;branch=z9hG4bK3",
            ("UDP", "[2001:db8::9]", None, "z9hG4bK3"),
            &[],
        );
        assert_eq!((via.received.as_deref(), via.rport), (Some("[2001:db8::1]"), Some(4711)));
        let via =
            check("SIP/2.0/UDP a.example.com;rport;branch=z9hG4bK4", ("UDP", "a.example.com", None, "z9hG4bK4"), &[]);
        assert_eq!((via.received, via.rport), (None, None));
    }

    #[test]
    fn a_broken_hop_is_told() {
        check("SIP/2.0/UDP 192.0.2.15;;,;,,", ("UDP", "192.0.2.15", None, ""), &["via"]);
        check("SIP/2.0/UDP 192.0.2.15;branch=z9hG4bK", ("UDP", "192.0.2.15", None, "z9hG4bK"), &["branch"]);
        check("HTTP/1.1", ("", "", None, ""), &["via", "host"]);
        check("", ("", "", None, ""), &["via", "host"]);
    }
}
