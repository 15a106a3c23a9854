//! The collector: takes what agents send, stores it exactly once, and joins calls into scenarios.
//!
//! Read in this order:
//! - [`config`]: what an operator can set
//! - [`check`]: is a batch what it claims to be; [`cut`]: the messages of a span; [`parse`]: from spans to rows
//! - [`ingest`]: one batch, from wire to commit
//! - [`correlate`]: the loop in which calls that share keys become scenarios
//! - [`learned`], [`clock`]: what each log is like; how far clocks are apart
//! - [`book`]: rules and routes in force; [`holding`]: what logs hold; [`day`]: what of a day is judged for good;
//!   [`grouping`]: which group a failure is of; [`judging`]: what rules say of a scenario
//! - [`settle`]: the loop in which it is worked out what happened in each scenario, and judged
//! - [`mail`]: what mails say, and how they reach their server
//! - [`sources`]: alerts about the logs themselves
//! - [`alert`]: when a group of failures is reported; [`report`]: the loop that makes mails of it; [`outbox`]: the loop that sends
//! - [`backtest`]: what rules would have said of stored calls, and which mails would have been sent
//! - [`partitions`]: day partitions, made ahead
//! - [`http`]: the doors for agents; `room`: how many bytes may come through at once

pub mod alert;
pub mod backtest;
pub mod book;
pub mod check;
pub mod clock;
pub mod config;
pub mod correlate;
pub mod cut;
pub mod day;
pub mod grouping;
pub mod holding;
pub mod http;
pub mod ingest;
pub mod judging;
pub mod learned;
pub mod mail;
pub mod outbox;
pub mod parse;
pub mod partitions;
pub mod report;
mod room;
pub mod settle;
pub mod sources;

pub use config::Config;
pub use ingest::Ingest;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The version or encoding was not understood: nothing of it was stored.
    #[error("not understood: {0}")]
    NotUnderstood(String),
    #[error("parsing stopped: {0}")]
    Stopped(String),
    #[error("working out what happened stopped: {0}")]
    Settling(String),
}
