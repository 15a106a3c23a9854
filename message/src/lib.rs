//! What a record *says*: pure functions and values over the crate `record`, no I/O, no clock.
//!
//! Read in this order; a module knows only those before it, which a test checks.
//! - `kind`: SIP, REST, push or media; `number`: small numbers in place of long values
//! - `settings`: what an operator says about reading messages
//! - `sip`, `address`, `machine`: a tolerant SIP parser; host and port of a header line; which machines write a log
//! - `rest`, `keys`, `facts`: HTTP, JSON and URLs; what joins calls; the part of a message that the house reads
//! - `answer`: which of several requests an answer is to that carries their id
//! - `habit`, `learned`: what a log never holds; all that is learned of a log
//! - `user`, `said`, `event`, `summary`: users and numbers as they are searched; what messages said, as bits; what ingest
//!   tells correlation; what a list shows of a scenario
//! - `logged`, `borrowed`, `exchange`: one stored message; registrations that a call shows and does not own; one message that
//!   holds request and result, as two halves
//! - `gap`, `shift`, `clock`: how far two clocks are apart, and several; what calls measured of that in one hour
//! - `scene`: what every step reads of the messages: transactions, machines, who writes which log
//! - `order`, `fold`: repaired time, cause before effect; sightings and repeats as one
//! - `pair`, `tree`: which response answers which request; which INVITE came from which
//! - `node`, `legs`: the columns; who was tried, and what was heard of each
//! - `course`: what the caller got, who answered, who ended it, what went wrong
//! - `hops`: INVITEs hop by hop
//! - `flow`, `gist`: one scenario as one picture; what lists show of its course

pub mod address;
pub mod answer;
pub mod borrowed;
pub mod clock;
mod course;
pub mod event;
mod exchange;
pub mod facts;
pub mod flow;
mod fold;
mod gap;
pub mod gist;
pub mod habit;
mod hops;
pub mod keys;
pub mod kind;
pub mod learned;
pub mod legs;
pub mod logged;
pub mod machine;
pub mod node;
mod number;
mod order;
mod pair;
pub mod rest;
pub mod said;
mod scene;
pub mod settings;
mod shift;
pub mod sip;
pub mod summary;
mod tree;
pub mod user;
