//! What a record *is*: pure functions and values, no I/O, no clock.
//!
//! Read in this order; a module knows only those before it, which a test checks.
//! - `id`, `time`, `kind`: the small words everything else is made of; `number`: small numbers in place of long values
//! - `settings`: what an operator says about reading messages
//! - `span`, `sip`, `address`: ranges of a stream; a tolerant SIP parser; host and port of a header line
//! - `format`, `frame`: from bytes of a log to spans that tile it
//! - `redact`, `wire`: what never leaves the host; what agent and collector say to each other
//! - `rest`, `keys`, `facts`: HTTP, JSON and URLs; what joins calls; the part of a message that the house reads
//! - `event`, `summary`: what ingest tells correlation; what a list shows of a scenario
//! - `record`, `exchange`: one stored message; one that holds request and result, as two halves
//! - `scene`: what every step reads of the messages: transactions, machines, who writes which log
//! - `order`, `fold`: repaired time, cause before effect; sightings and repeats as one
//! - `pair`, `tree`: which response answers which request; which INVITE came from which
//! - `node`, `legs`, `flow`: the columns; who was tried, who rang, who won; one scenario as one picture

pub mod address;
pub mod event;
mod exchange;
pub mod facts;
pub mod flow;
mod fold;
pub mod format;
pub mod frame;
pub mod id;
pub mod keys;
pub mod kind;
pub mod legs;
pub mod node;
mod number;
mod order;
mod pair;
pub mod record;
pub mod redact;
pub mod rest;
mod scene;
pub mod settings;
pub mod sip;
pub mod span;
pub mod summary;
pub mod time;
mod tree;
pub mod wire;
