//! Every page and address through the real router, on a store with stored rows.

mod api;
mod fixture;
mod ladder;
mod live;
mod pages;
mod search;
mod site;
