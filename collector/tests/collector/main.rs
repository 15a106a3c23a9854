//! The collector as its agents and its database see it.

mod append;
mod arrivals;
mod clocks;
mod correlation;
mod damaged;
mod days;
mod door;
mod flow_mails;
// Helpers outside of test functions are test code too.
#[allow(clippy::unwrap_used)]
#[path = "../../../rule/tests/flows.rs"]
mod flows;
mod judging;
mod logs;
#[path = "../../../tests/support/made.rs"]
mod made;
mod mails;
mod messages;
mod positions;
mod refusals;
mod reports;
mod schema;
mod shared;
#[allow(clippy::unwrap_used)]
#[path = "../../../message/tests/flow/story.rs"]
mod story;
mod summer;
