//! What a record *is*: from bytes of a log to spans that tile it, and what agent and collector say to each other.
//!
//! Pure functions and values: no I/O, no clock. Read in this order; a module knows only those before it, which a test
//! checks.
//! - `id`, `time`, `duration`: the small words everything else is made of; durations as configs write them
//! - `span`: ranges that tile a stream
//! - `name`: tokens, and header field names that have a usual spelling
//! - `miss`: lines that are nearly header lines, and why they are none
//! - `format`: what a header line is
//! - `wrapper`: what a container runtime, a syslog daemon or UTF-16 made of the lines of a log
//! - `frame`: the state machine that is fed bytes and tells spans
//! - `parts`: where the messages within one record end
//! - `redact`, `wire`: what never leaves the host; what agent and collector say to each other

pub mod duration;
pub mod format;
pub mod frame;
pub mod id;
pub mod miss;
pub mod name;
pub mod parts;
pub mod redact;
pub mod span;
pub mod time;
pub mod wire;
pub mod wrapper;
