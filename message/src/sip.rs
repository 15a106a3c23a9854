//! A tolerant SIP parser (RFC 3261, 7 and 25): it never fails on a line, it reports faults.

/// A parsed URI: sip, sips, tel, http, … Text is percent-encoded as received.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Uri {
    /// Lower case.
    pub scheme: String,
    /// User part, or the number of a tel URI; empty where there is none.
    pub user: String,
    /// Lower case; IPv6 with its brackets.
    pub host: String,
    pub port: Option<u16>,
    /// Names lower case, in order; a parameter without a value has an empty one.
    pub params: Vec<(String, String)>,
    /// As received.
    pub text: String,
}

/// `"Display" <uri>;params` or a bare URI with parameters of the header.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NameAddr {
    pub display: String,
    pub uri: Uri,
    pub params: Vec<(String, String)>,
}

impl NameAddr {
    pub fn tag(&self) -> Option<&str> {
        self.param("tag")
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS`, `WS`, …
    pub transport: String,
    pub host: String,
    pub port: Option<u16>,
    pub branch: String,
    pub received: Option<String>,
    pub rport: Option<u16>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sdp {
    /// Connection address of the session or first medium.
    pub address: Option<String>,
    pub media: Vec<Media>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Media {
    pub kind: String,
    pub port: u16,
    pub protocol: String,
    /// Codec names (`PCMU/8000`) or payload numbers.
    pub codecs: Vec<String>,
    /// `sendrecv`, `sendonly`, `recvonly`, `inactive`.
    pub direction: String,
}
