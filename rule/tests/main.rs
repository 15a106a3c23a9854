//! The rule language through the crate's front door: files of rules and of routes, and what is said of them.

mod docs;
mod files;
mod prose;
mod routes;
