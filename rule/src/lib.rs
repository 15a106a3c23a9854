//! What is expected of a call, and whether it came. Pure functions and values, no I/O, no clock.
//!
//! Read in this order; a module knows only those before it, which a test checks.
//! - `syntax`: a rule as a value: patterns of messages, steps, times

pub mod syntax;
