//! What the program says: sentences on standard output, one a line, and a count that a terminal shows in one place.

use std::io::{IsTerminal, Stderr, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Nothing was written to the terminal after the count.
static COUNT_IS_LAST: AtomicBool = AtomicBool::new(false);

/// Up by a line, which is emptied.
const OVER_THE_LAST: &str = "\x1b[1A\x1b[2K";

/// One sentence to standard output. A closed pipe is no reason to stop.
pub fn say(sentence: &str) {
    let mut out = std::io::stdout().lock();
    COUNT_IS_LAST.store(false, Ordering::Relaxed);
    let _ = writeln!(out, "{sentence}").and_then(|()| out.flush());
}

/// On a terminal, the sentence takes the place of the count before it, if nothing came between; elsewhere it is one more line.
pub fn count(sentence: &str) {
    let mut out = std::io::stdout().lock();
    let over = if COUNT_IS_LAST.swap(is_terminal(), Ordering::Relaxed) { OVER_THE_LAST } else { "" };
    let _ = writeln!(out, "{over}{sentence}").and_then(|()| out.flush());
}

pub fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Where the process's own log goes: most terminals show it between the sentences.
pub fn log() -> Stderr {
    COUNT_IS_LAST.store(false, Ordering::Relaxed);
    std::io::stderr()
}
