//! The collector as its agents and its database see it.

mod append;
mod correlation;
mod door;
mod mails;
mod messages;
mod positions;
mod refusals;
