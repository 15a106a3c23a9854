//! What the shipped rules say of recorded calls.

// Helpers outside of test functions are test code too.
#![allow(clippy::unwrap_used)]

#[path = "../../../message/tests/flow/case.rs"]
mod case;
mod cases;
mod fixtures;
mod laws;
mod load;
mod marked;
mod naive;
mod random;
#[path = "../../../message/tests/flow/random_call.rs"]
mod random_call;
mod recorded;
mod sentences;
#[path = "../../../message/tests/flow/story.rs"]
mod story;
mod two_judges;
mod world;
