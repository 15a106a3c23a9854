//! Why a request was sent: `Reason` (RFC 3326).

use super::address::elements;
use super::params::parameter;

/// Whether one of the values of a Reason header says `SIP;cause=200`: the call was answered elsewhere.
pub fn answered_elsewhere(value: &str) -> bool {
    causes(value).any(|cause| cause == 200)
}

/// The statuses of SIP that a Reason header names.
pub fn causes(value: &str) -> impl Iterator<Item = u16> {
    elements(value).filter_map(|reason| {
        let protocol = reason.split(';').next().unwrap_or("").trim();
        let cause = parameter(reason, "cause").filter(|_| protocol.eq_ignore_ascii_case("SIP"))?;
        cause.trim().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::{answered_elsewhere, causes};

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
        assert_eq!(causes("Q.850;cause=17, SIP;cause=486, SIP;cause=x, sip;cause=600").collect::<Vec<_>>(), [486, 600]);
    }
}
