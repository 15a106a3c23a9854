//! What the shipped rules say of recorded calls.

// Helpers outside of test functions are test code too.
#![allow(clippy::unwrap_used)]

mod arrivals;
mod beside;
#[path = "../../../message/tests/flow/case.rs"]
mod case;
mod cases;
mod fixtures;
#[path = "../flows.rs"]
mod flows;
mod guide;
mod laws;
mod load;
mod marked;
mod naive;
mod random;
// Of further attempts and transfers the second judge knows nothing.
#[allow(dead_code)]
#[path = "../../../message/tests/flow/random_call.rs"]
mod random_call;
mod recorded;
mod sentences;
#[path = "../../../message/tests/flow/story.rs"]
mod story;
mod two_judges;
mod world;
