//! The log of a process: sentences on standard error.

use std::fmt::Debug;
use std::io::{IsTerminal, Write};
use std::panic::{self, PanicHookInfo};

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::wording::escaped;

/// `writer` gives standard error; `level` counts where `RUST_LOG` says nothing.
pub fn start<W: Write + Send + 'static>(level: &str, writer: fn() -> W) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(is_coloured())
        .with_target(false)
        .fmt_fields(fields())
        .init();
    panic::set_hook(Box::new(report));
}

/// Where a panic was met. Its words are left out: they may quote a message.
fn report(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(%at, "a fault of Siptrail was met");
}

/// The sentence, then `name=value`. File names, peers, answers and errors may hold a stranger's text: whatever that is, one event
/// is one line, and nothing in it looks like another.
fn fields() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    let field = |out: &mut Writer, field: &Field, value: &dyn Debug| {
        let text = escaped(&format!("{value:?}"));
        if field.name() == "message" { out.write_str(&text) } else { write!(out, "{}={text}", field.name()) }
    };
    debug_fn(field).delimited(" ")
}

/// Escapes are for terminals, and not for all who look at one (no-color.org).
fn is_coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whatever_a_value_holds_an_event_is_one_line_and_forges_no_other() {
        let to = Lines::default();
        let written = Arc::clone(&to.0);
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_target(false)
            .without_time()
            .with_writer(move || to.clone())
            .fmt_fields(fields())
            .finish();
        let evil = "a\n ERROR all is lost\u{1b}[2J\u{202e}gol.";
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(error = %evil, why = evil, number = 7, "the file {evil} is odd");
            panic::set_hook(Box::new(report));
            let _ = panic::catch_unwind(|| evil.parse::<u8>().expect(evil));
            let _ = panic::take_hook();
        });
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let (text, fault) = text.split_at(text.find('\n').unwrap() + 1);
        assert!(fault.contains("a fault of Siptrail was met at=agent/src/logging.rs:"), "{fault}");
        assert!(fault.lines().count() == 1 && !fault.contains("all is lost"), "{fault}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        let shown = r"a\n ERROR all is lost\u{1b}[2J\u{202e}gol.";
        assert!(text.contains(&format!("the file {shown} is odd error={shown} ")), "{text}");
        assert!(text.ends_with("number=7\n"), "{text}");
    }
}
