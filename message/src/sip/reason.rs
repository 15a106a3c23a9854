//! Why a request was sent: `Reason` (RFC 3326).

use super::address::elements;
use super::params::parameter;

/// Whether one of the values of a Reason header says `SIP;cause=200`: the call was answered elsewhere.
pub fn answered_elsewhere(value: &str) -> bool {
    elements(value).any(|reason| {
        let protocol = reason.split(';').next().unwrap_or("").trim();
        protocol.eq_ignore_ascii_case("SIP") && parameter(reason, "cause").is_some_and(|cause| cause.trim() == "200")
    })
}

#[cfg(test)]
mod tests {
    use super::answered_elsewhere;

    #[test]
    fn any_of_several_reasons_may_say_it_and_no_quoted_text_does() {
        for (value, expect) in [
            ("SIP;cause=200;text=\"Call completed elsewhere\"", true),
            ("Q.850;cause=16;text=\"normal, and so on\", SIP ;cause= 200", true),
            ("Q.850;cause=200", false),
            ("SIP;cause=486;text=\"x, SIP;cause=200\"", false),
            ("SIP;cause=200;text=\"busy, here\"", true),
            ("", false),
        ] {
            assert_eq!(answered_elsewhere(value), expect, "{value}");
        }
    }
}
