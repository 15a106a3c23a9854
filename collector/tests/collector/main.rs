//! The collector as its agents and its database see it.

mod append;
mod clocks;
mod correlation;
mod days;
mod door;
mod judging;
mod logs;
#[path = "../../../tests/support/made.rs"]
mod made;
mod mails;
mod messages;
mod positions;
mod refusals;
mod reports;
