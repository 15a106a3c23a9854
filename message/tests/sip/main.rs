//! What is understood of SIP: every section of RFC 4475, RFC 5118 and RFC 3665, and the laws of parsing.

// Helpers outside of test functions are test code too.
#![allow(clippy::unwrap_used)]

mod items;
mod laws;
mod margin;
mod rfc3665;
mod rfc4475;
mod rfc5118;
