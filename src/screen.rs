//! What the program says: sentences on standard output, one a line, and a count that a terminal shows in one place.

use std::io::{IsTerminal, Stderr, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Nothing was written to the terminal after the count.
static COUNT_IS_LAST: AtomicBool = AtomicBool::new(false);

static LAST_COUNT: Mutex<String> = Mutex::new(String::new());

/// Up by a line, which is emptied.
const OVER_THE_LAST: &str = "\x1b[1A\x1b[2K";

/// One sentence to standard output. A closed pipe is no reason to stop.
pub fn say(sentence: &str) {
    let mut out = std::io::stdout().lock();
    COUNT_IS_LAST.store(false, Ordering::Relaxed);
    let _ = writeln!(out, "{sentence}").and_then(|()| out.flush());
}

/// On a terminal, the sentence takes the place of the count before it, if nothing came between; elsewhere it is one more line.
/// What was said last is not said again.
pub fn count(sentence: &str) {
    let mut last = LAST_COUNT.lock().unwrap_or_else(PoisonError::into_inner);
    if *last == sentence {
        return;
    }
    sentence.clone_into(&mut last);
    let mut out = std::io::stdout().lock();
    let over = if COUNT_IS_LAST.swap(is_terminal(), Ordering::Relaxed) { OVER_THE_LAST } else { "" };
    let _ = writeln!(out, "{over}{sentence}").and_then(|()| out.flush());
}

pub fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Where the process's own log goes: most terminals show it between the sentences.
pub fn log() -> Log {
    Log(std::io::stderr())
}

#[derive(Debug)]
pub struct Log(Stderr);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        COUNT_IS_LAST.store(false, Ordering::Relaxed);
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}
