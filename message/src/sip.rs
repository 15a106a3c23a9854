//! A tolerant SIP parser (RFC 3261, 7 and 25): it never fails on a line, it reports faults.
//!
//! Two views of one message: [`Headers`] walks its lines and tells exact byte ranges, for the page of one message and
//! for the judge; `facts::read` takes from them what the rest of the house needs. Text that is not UTF-8 is shown with
//! replacement characters; ranges are always those of the bytes as logged.

use std::borrow::Cow;

mod address;
mod dialog;
mod fault;
mod headers;
mod host;
mod params;
mod reason;
mod sdp;
mod start_line;
mod uri;
mod via;

pub use dialog::DialogId;
pub use fault::Fault;
pub use headers::{HEADER_BLOCK, Header, Headers};
pub use record::name::Name;
pub use start_line::StartLine;

pub(crate) use record::name::is_token;

pub(crate) use address::{elements, name_addr};
pub(crate) use fault::Faults;
pub(crate) use host::{is_number, split as split_host};
pub(crate) use params::parameter;
pub(crate) use reason::{answered_elsewhere, causes};
pub(crate) use sdp::sdp_of;

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

impl Uri {
    /// Reads a URI (RFC 3261, 19.1.1; RFC 3966): what cannot be understood is left empty, `text` is always whole.
    pub fn parse(text: &str) -> Self {
        Self::read(text, &mut Faults::default())
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        find(&self.params, name)
    }
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
        find(&self.params, name)
    }
}

fn find<'a>(params: &'a [(String, String)], name: &str) -> Option<&'a str> {
    params.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS`, `WS`, … in upper case.
    pub transport: String,
    /// Lower case; IPv6 with its brackets.
    pub host: String,
    pub port: Option<u16>,
    pub branch: String,
    /// IPv6 with brackets, however it was written (RFC 5118, 4.5).
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

/// Bytes as text for display: borrowed where they are UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
