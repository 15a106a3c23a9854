//! What the shipped rules say of recorded calls.

// Helpers outside of test functions are test code too.
#![allow(clippy::unwrap_used)]

#[path = "../../../message/tests/flow/case.rs"]
mod case;
mod cases;
mod laws;
mod load;
mod recorded;
mod world;
