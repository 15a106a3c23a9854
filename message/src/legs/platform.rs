//! On what a device runs, from what it calls itself.

/// `iOS` is told from Cisco's IOS by its case, and from other words by where it stands.
pub fn of(user_agent: &str) -> Option<&'static str> {
    let words = || user_agent.split(|c: char| !c.is_ascii_alphabetic());
    if words().any(|word| word.to_ascii_lowercase().ends_with("android")) {
        return Some("Android");
    }
    words().any(|word| word.ends_with("iPhone") || word.ends_with("iPad") || word.ends_with("iOS")).then_some("iOS")
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_gateway_is_no_telephone() {
        for (user_agent, expect) in [
            ("Cisco-SIPGateway/IOS-15.4(3)M", None),
            ("kiosk-7.example.com", None),
            ("Phone/1.2 (iPhone15,2; iOS 17.4)", Some("iOS")),
            ("App 7.4 iOS17", Some("iOS")),
            ("SomePhoneiOS/4.5.1", Some("iOS")),
            ("App/7 (Linux; Android 14)", Some("Android")),
            ("SomePhoneAndroid/5.1", Some("Android")),
            ("Lab Caller", None),
        ] {
            assert_eq!(of(user_agent), expect, "{user_agent}");
        }
    }
}
