//! What a record *is*: pure functions and values, no I/O, no clock.
//!
//! Read in this order:
//! - [`id`], [`time`], [`kind`]: the small words everything else is made of
//! - [`format`], [`span`], [`frame`]: from bytes of a log to spans that tile it
//! - [`redact`]: what never leaves the host
//! - [`wire`]: what agent and collector say to each other
//! - [`sip`], [`rest`]: what a message says; [`facts`]: the part of it that the rest of the house reads
//! - [`keys`], [`event`], [`summary`]: what joins calls into scenarios, and what a list shows of one
//! - [`record`]: one stored message with its facts
//! - [`exchange`], [`order`], [`fold`], [`node`], [`legs`], [`flow`]: from stored messages to one picture

pub mod event;
pub mod exchange;
pub mod facts;
pub mod flow;
pub mod fold;
pub mod format;
pub mod frame;
pub mod id;
pub mod keys;
pub mod kind;
pub mod legs;
pub mod node;
pub mod order;
pub mod record;
pub mod redact;
pub mod rest;
pub mod sip;
pub mod span;
pub mod summary;
pub mod time;
pub mod wire;
