//! Every page and address through the real router, on a store with stored rows.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod alerts;
mod api;
mod budget;
mod early;
mod fixture;
mod judged;
mod ladder;
mod live;
mod pages;
mod search;
mod site;
mod typed;
