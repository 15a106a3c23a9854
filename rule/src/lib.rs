//! What is expected of a call, and whether it came. Pure functions and values, no I/O, no clock.
//!
//! Read in this order; a module knows only those before it, which a test checks.
//! - `syntax`: a rule as a value: patterns of messages, steps, times
//! - `near`, `duration`, `words`: the word that was meant; times as they are written; the words of the language
//! - `fault`: what is wrong in a file, with its place
//! - `grammar`, `print`: the sentences of a rule, from text to values and back
//! - `outcome`, `version`: which failures an ending can have; what a version is the hash of
//! - `document`, `defaults`, `written`, `logs`, `set`, `classes`: TOML with places; what all rules share; one rule or
//!   watch; what may be wrong with a log itself; all files; in which classes of scenarios these have anything to judge
//! - `routes`: who is mailed about which failures, and when
//! - `phrase`, `prose`, `wording`: patterns and times in plain English; a rule as prose; a step as pages and mails say it
//! - `holds`, `evidence`: what each log is known to hold; all that a judgement rests on
//! - `verdict`: what came of what was expected
//! - `ground`, `instance`, `fact`, `matching`: what each row says; what one instance is about; facts; what a pattern means
//! - `expected`: who would show that a message came
//! - `judge`, `told`: what came of each instance of a rule; a verdict as it is kept

mod classes;
mod defaults;
mod document;
pub mod duration;
pub mod evidence;
mod expected;
mod fact;
pub mod fault;
pub mod grammar;
mod ground;
pub mod holds;
mod instance;
mod judge;
pub mod logs;
mod matching;
pub mod near;
mod outcome;
mod phrase;
pub mod print;
pub mod prose;
pub mod routes;
pub mod set;
pub mod syntax;
pub mod told;
pub mod verdict;
mod version;
pub mod wording;
pub mod words;
mod written;

pub use judge::judge;
