//! Tokens, and header field names in any case, long or compact (IANA's registry of SIP header fields).

macro_rules! names {
    ($($name:ident $text:literal $(or $compact:literal)?),* $(,)?) => {
        /// A header name that has a usual spelling.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Name {
            $($name),*
        }

        impl Name {
            /// The long form in its usual spelling.
            pub fn text(self) -> &'static str {
                match self {
                    $(Name::$name => $text),*
                }
            }

            fn of_compact(letter: u8) -> Option<Name> {
                match letter {
                    $($($compact => Some(Name::$name),)?)*
                    _ => None,
                }
            }
        }

        const NAMES: &[(Name, &[u8])] = &[$((Name::$name, $text.as_bytes())),*];
    };
}

// The most frequent first: the table is searched from its start.
names! {
    Via "Via" or b'v',
    From "From" or b'f',
    To "To" or b't',
    CallId "Call-ID" or b'i',
    CSeq "CSeq",
    Contact "Contact" or b'm',
    MaxForwards "Max-Forwards",
    ContentLength "Content-Length" or b'l',
    ContentType "Content-Type" or b'c',
    UserAgent "User-Agent",
    RecordRoute "Record-Route",
    Route "Route",
    Allow "Allow",
    Supported "Supported" or b'k',
    Expires "Expires",
    Server "Server",
    Reason "Reason",
    SessionId "Session-ID",
    Event "Event" or b'o',
    Replaces "Replaces",
    Join "Join",
    TargetDialog "Target-Dialog",
    ReferTo "Refer-To" or b'r',
    ReferredBy "Referred-By" or b'b',
    ChargingVector "P-Charging-Vector",
    Traceparent "traceparent",
    Date "Date",
    Warning "Warning",
    RetryAfter "Retry-After",
    AssertedIdentity "P-Asserted-Identity",
    PreferredIdentity "P-Preferred-Identity",
    RemotePartyId "Remote-Party-ID",
    Privacy "Privacy",
    Diversion "Diversion",
    HistoryInfo "History-Info",
    Path "Path",
    ServiceRoute "Service-Route",
    Authorization "Authorization",
    ProxyAuthorization "Proxy-Authorization",
    WwwAuthenticate "WWW-Authenticate",
    ProxyAuthenticate "Proxy-Authenticate",
    AuthenticationDetails "Authentication-Info",
    Accept "Accept",
    AcceptEncoding "Accept-Encoding",
    AcceptLanguage "Accept-Language",
    AcceptContact "Accept-Contact" or b'a',
    RejectContact "Reject-Contact" or b'j',
    RequestDisposition "Request-Disposition" or b'd',
    AlertDetails "Alert-Info",
    CallDetails "Call-Info",
    ErrorDetails "Error-Info",
    AllowEvents "Allow-Events" or b'u',
    ContentDisposition "Content-Disposition",
    ContentEncoding "Content-Encoding" or b'e',
    ContentLanguage "Content-Language",
    Identity "Identity" or b'y',
    IdentityDetails "Identity-Info" or b'n',
    InReplyTo "In-Reply-To",
    MimeVersion "MIME-Version",
    MinExpires "Min-Expires",
    MinSe "Min-SE",
    Organization "Organization",
    Priority "Priority",
    ProxyRequire "Proxy-Require",
    RAck "RAck",
    RSeq "RSeq",
    ReferSub "Refer-Sub",
    ReplyTo "Reply-To",
    Require "Require",
    SessionExpires "Session-Expires" or b'x',
    SipEtag "SIP-ETag",
    SipIfMatch "SIP-If-Match",
    Subject "Subject" or b's',
    SubscriptionState "Subscription-State",
    Timestamp "Timestamp",
    Unsupported "Unsupported",
    AccessNetwork "P-Access-Network-Info",
    AssociatedUri "P-Associated-URI",
    CalledPartyId "P-Called-Party-ID",
    VisitedNetwork "P-Visited-Network-ID",
    FeatureCaps "Feature-Caps",
    FlowTimer "Flow-Timer",
    Geolocation "Geolocation",
    SecurityClient "Security-Client",
    SecurityServer "Security-Server",
    SecurityVerify "Security-Verify",
    UserToUser "User-to-User",
}

impl Name {
    /// The name, in any case, long or compact.
    pub fn of(written: &[u8]) -> Option<Self> {
        if let [letter] = written {
            return Self::of_compact(letter.to_ascii_lowercase());
        }
        let same = |long: &[u8]| long.len() == written.len() && long.eq_ignore_ascii_case(written);
        NAMES.iter().find(|(_, long)| same(long)).map(|(name, _)| *name)
    }
}

/// Field 2 of a header line names a message of SIP, or may: a method (IANA's registry), or the status of a response.
pub fn is_sip_method(method: &[u8]) -> bool {
    matches!(
        method,
        [b'1'..=b'6', b'0'..=b'9', b'0'..=b'9']
            | b"INVITE"
            | b"ACK"
            | b"BYE"
            | b"CANCEL"
            | b"REGISTER"
            | b"OPTIONS"
            | b"PRACK"
            | b"UPDATE"
            | b"INFO"
            | b"REFER"
            | b"SUBSCRIBE"
            | b"NOTIFY"
            | b"MESSAGE"
            | b"PUBLISH"
    )
}

/// A method of HTTP that REST calls are made with.
pub fn is_http_method(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"POST" | b"PUT" | b"PATCH" | b"DELETE" | b"HEAD")
}

/// A token (RFC 3261, 25.1).
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_in_any_case_and_in_its_compact_form() {
        for (name, text) in NAMES {
            assert_eq!(Name::of(text), Some(*name));
            assert_eq!(Name::of(&text.to_ascii_lowercase()), Some(*name));
            assert_eq!(Name::of(&text.to_ascii_uppercase()), Some(*name));
        }
        let compact = [
            (b"i", Name::CallId),
            (b"M", Name::Contact),
            (b"l", Name::ContentLength),
            (b"x", Name::SessionExpires),
            (b"O", Name::Event),
        ];
        for (letter, name) in compact {
            assert_eq!(Name::of(letter), Some(name));
        }
        assert_eq!(Name::of(b"q"), None);
        assert_eq!(Name::of(b""), None);
        assert_eq!(Name::of(b"X-CID"), None);
    }
}
