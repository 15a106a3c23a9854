//! What is wrong in a file: where, with its line and a caret, what was understood, and what was expected there.

use std::fmt;
use std::ops::Range;

use crate::near::nearest;

/// What is wrong in a text, without its place in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrong {
    /// Bytes of the text.
    pub at: Range<usize>,
    /// One sentence without its full stop.
    pub what: String,
    /// The text before it.
    pub understood: String,
    /// What may stand there.
    pub expected: Vec<String>,
    /// What is near to what stands there.
    pub meant: Option<String>,
}

impl Wrong {
    pub fn new(at: Range<usize>, what: impl Into<String>) -> Self {
        Self { at, what: what.into(), understood: String::new(), expected: Vec::new(), meant: None }
    }

    pub fn expecting<T: Into<String>>(mut self, expected: impl IntoIterator<Item = T>) -> Self {
        self.expected.extend(expected.into_iter().map(Into::into));
        self
    }

    /// Offers what is near to this word.
    pub fn meaning<'a>(mut self, written: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        self.meant = nearest(written, known).map(str::to_owned);
        self
    }
}

/// What is wrong in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    pub file: String,
    /// Counted from 1; columns are characters.
    pub line: usize,
    pub column: usize,
    pub what: String,
    /// Its line, or the part around it if that is long.
    pub source: String,
    /// Characters of `source` below which the carets stand.
    pub caret: Range<usize>,
    pub understood: String,
    pub expected: Vec<String>,
    pub meant: Option<String>,
}

/// Characters of a line that are shown before and after the place of a fault.
const AROUND: usize = 100;

impl Fault {
    /// `wrong.at` is within `text`, which is the whole file.
    pub fn new(file: &str, text: &str, wrong: Wrong) -> Self {
        let Wrong { at, what, understood, expected, meant } = wrong;
        let start = text.floor_char_boundary(at.start.min(text.len()));
        let end = text.floor_char_boundary(at.end.min(text.len())).max(start);
        let begin = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let rest = &text[start..];
        let line_end = start + rest.find('\n').unwrap_or(rest.len());
        let (before, after) = (&text[begin..start], &text[start..line_end]);
        let skipped = before.chars().count().saturating_sub(AROUND);
        let shown: String = before.chars().skip(skipped).chain(after.chars().take(AROUND)).map(visible).collect();
        let column = before.chars().count();
        let width = text[start..end.min(line_end)].chars().count().clamp(1, AROUND);
        Self {
            file: file.to_owned(),
            line: text[..start].bytes().filter(|b| *b == b'\n').count() + 1,
            column: column + 1,
            what,
            source: shown.trim_end().to_owned(),
            caret: column - skipped..column - skipped + width,
            understood,
            expected,
            meant,
        }
    }

    /// A fault of a file as a whole.
    pub fn of_file(file: &str, what: impl Into<String>) -> Self {
        Self::new(file, "", Wrong::new(0..0, what))
    }
}

/// Tabs have one column, and what would move a terminal's cursor is not written.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
        {
            char::REPLACEMENT_CHARACTER
        }
        c => c,
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, plain(&self.what))?;
        if !self.source.is_empty() {
            write!(f, "\n  {}", self.source)?;
            write!(f, "\n  {}{}", " ".repeat(self.caret.start), "^".repeat(self.caret.len()))?;
        }
        if !self.understood.is_empty() {
            write!(f, "\n  understood: {}", plain(&self.understood))?;
        }
        if !self.expected.is_empty() {
            write!(f, "\n  expected: {}", plain(&self.expected.join(", ")))?;
        }
        match &self.meant {
            Some(meant) => write!(f, "\n  did you mean `{}`?", plain(meant)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

fn plain(text: &str) -> String {
    text.chars().map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_shown_with_its_line_and_a_caret() {
        let text = "a = 1\n\tb = \"größer form\"\n";
        let at = text.find("form").expect("there");
        let wrong = Wrong::new(at..at + 4, "`form` is not understood here").expecting(["from", "to"]);
        let fault = Fault::new("x.toml", text, wrong.meaning("form", ["from", "to"]));
        insta::assert_snapshot!(fault, @r#"
        x.toml:2:14: `form` is not understood here
           b = "größer form"
                       ^^^^
          expected: from, to
          did you mean `from`?
        "#);
    }

    #[test]
    fn a_long_line_is_cut_around_the_place_and_signs_that_move_a_cursor_are_not_written() {
        let text = format!("{}\u{1b}[2Jx{}", "a".repeat(5_000), "b".repeat(1_000_000));
        let fault = Fault::new("x.toml", &text, Wrong::new(5_000..900_000, "too long"));
        assert!(fault.to_string().len() < 500);
        assert_eq!((fault.column, fault.caret.clone()), (5_001, 100..200));
        assert!(!fault.to_string().contains('\u{1b}'));
    }
}
