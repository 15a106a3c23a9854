//! REST and push: the text of HTTP messages (RFC 9112), JSON values between them, and the URLs they go to.
//!
//! A record may hold several of these one behind the other: a request and its response, or a JSON value alone.

mod chunked;
mod http;
mod json;
mod url;

pub use http::{Http, HttpStart, Part, parts};
pub(crate) use json::{Scalar, pick};
pub(crate) use url::{path_and_query, query};
