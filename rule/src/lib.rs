//! What is expected of a call, and whether it came. Pure functions and values, no I/O, no clock.
//!
//! Read in this order; a module knows only those before it, which a test checks.
//! - `syntax`: a rule as a value: patterns of messages, steps, times
//! - `near`, `duration`, `words`: the word that was meant; times as they are written; the words of the language
//! - `fault`: what is wrong in a file, with its place
//! - `grammar`, `print`: the sentences of a rule, from text to values and back
//! - `holds`, `evidence`: what each log is known to hold; all that a judgement rests on
//! - `verdict`: what came of what was expected
//! - `ground`, `instance`, `fact`, `matching`: what each row says; what one instance is about; facts; what a pattern means
//! - `expected`: who would show that a message came
//! - `judge`, `told`: what came of each instance of a rule; a verdict as it is kept

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
mod matching;
pub mod near;
pub mod print;
pub mod syntax;
pub mod told;
pub mod verdict;
pub mod words;

pub use judge::judge;
