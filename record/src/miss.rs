//! Near misses: lines that are nearly header lines, each with the reason why it is none.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::Offset;

/// Bytes of a line that are kept as an example.
pub const EXAMPLE: usize = 256;

/// Why a line that is nearly a header line is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "&'static str")]
pub enum Reason {
    /// The time is in no known form, or can be read in two ways.
    Time,
    /// The second field is no token of 1 to 32 bytes.
    Method,
    /// The source or the destination is blank.
    Address,
    /// Not four groups: one more, or one less.
    Groups,
    /// Blanks stand between the groups, and the addresses do not show beyond doubt that they are such.
    Blanks,
    /// Other signs stand between the groups.
    Between,
    /// The groups are there in another order.
    Order,
    /// More text stands after the last group.
    TextAfter,
    /// Colour codes stand inside the groups.
    Colour,
    /// The line is longer than a header line can be.
    TooLong,
    /// The header is inside a wrapper that the log is not read through.
    Wrapper,
    /// A header line of the default format in a log that is read in another.
    Layout,
    /// UTF-16 without a byte order mark.
    Utf16,
    /// A reason that a newer agent knows.
    #[default]
    Other,
}

/// Lines of one reason.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NearMiss {
    pub reason: Reason,
    pub lines: u64,
    /// Where the first of them begins.
    pub at: Offset,
    /// Its first bytes.
    #[serde(with = "serde_bytes")]
    pub example: Vec<u8>,
}

impl Reason {
    /// All but [`Reason::Other`].
    pub const ALL: [Reason; 13] = [
        Reason::Time,
        Reason::Method,
        Reason::Address,
        Reason::Groups,
        Reason::Blanks,
        Reason::Between,
        Reason::Order,
        Reason::TextAfter,
        Reason::Colour,
        Reason::TooLong,
        Reason::Wrapper,
        Reason::Utf16,
        Reason::Layout,
    ];

    /// The code in the database.
    pub fn code(self) -> i16 {
        Self::ALL.iter().position(|reason| *reason == self).map_or(0, |at| at as i16 + 1)
    }

    pub fn from_code(code: i16) -> Self {
        let at = usize::try_from(code).ok().and_then(|code| code.checked_sub(1));
        at.and_then(|at| Self::ALL.get(at)).copied().unwrap_or(Reason::Other)
    }

    /// As agents, the API and logs name it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Time => "time",
            Reason::Method => "method",
            Reason::Address => "address",
            Reason::Groups => "groups",
            Reason::Blanks => "blanks",
            Reason::Between => "between",
            Reason::Order => "order",
            Reason::TextAfter => "text_after",
            Reason::Colour => "colour",
            Reason::TooLong => "too_long",
            Reason::Wrapper => "wrapper",
            Reason::Utf16 => "utf16",
            Reason::Layout => "layout",
            Reason::Other => "other",
        }
    }

    /// What is wrong with such a line: the end of a sentence that begins "… are not read: ".
    pub fn what(self) -> &'static str {
        match self {
            Reason::Time => "their time is in a form that is not known, or can be read in two ways",
            Reason::Method => "their second field is no method: it must be one word of at most 32 letters and digits",
            Reason::Address => "their source or destination is empty",
            Reason::Groups => "they have more or fewer than four groups in brackets",
            Reason::Blanks => {
                "blanks stand between their groups, and their addresses could be anything, as those of other log lines"
            }
            Reason::Between => "other signs stand between their groups",
            Reason::Order => "their groups stand in another order",
            Reason::TextAfter => "more text stands after their last bracket",
            Reason::Colour => "colour codes stand inside their groups",
            Reason::TooLong => "they are longer than 16 KiB",
            Reason::Wrapper => "each record stands inside JSON, a container's log line or syslog's escapes (#012)",
            Reason::Utf16 => "they are in UTF-16, and no byte order mark at the head of the file says so",
            Reason::Layout => "they are header lines of the default format, and the log is read in another one",
            Reason::Other => "the agent gives a reason that this collector does not know",
        }
    }

    /// What to do about it: a sentence.
    pub fn remedy(self) -> &'static str {
        match self {
            Reason::Time => "Say how it is written, with time = \"...\" in a format of your own.",
            Reason::Method => "Write the method or status alone, such as INVITE or 180.",
            Reason::Address => "Write - for an address that is not known.",
            Reason::Groups => {
                "Write [time][method][source][destination], or describe the line in a format of your own."
            }
            Reason::Blanks => "Leave the blanks out, or write addresses with a scheme, such as sip:192.0.2.1:5060.",
            Reason::Between => "Let the groups touch, or describe the line in a format of your own.",
            Reason::Order => "Write [time][method][source][destination], or describe the line in a format of your own.",
            Reason::TextAfter => "End the line after the last bracket, or describe it in a format of your own.",
            Reason::Colour => "Switch colours off in the logger.",
            Reason::TooLong => "Begin the message on a line of its own.",
            Reason::Wrapper => {
                "Read it through its wrapper: wrapper = \"docker\", \"cri\" or \"syslog\" of the log's source."
            }
            Reason::Utf16 => "Let the logger write UTF-8, or a byte order mark.",
            Reason::Layout => "Leave `format` out of the log's source.",
            Reason::Other => "Update the collector.",
        }
    }

    fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|reason| reason.name() == name).unwrap_or(Reason::Other)
    }
}

impl From<String> for Reason {
    fn from(name: String) -> Self {
        Self::named(&name)
    }
}

impl From<Reason> for &'static str {
    fn from(reason: Reason) -> Self {
        reason.name()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl NearMiss {
    /// Of lines of which the first is, or begins, with `line`.
    pub fn new(reason: Reason, lines: u64, at: Offset, line: &[u8]) -> Self {
        Self { reason, lines, at, example: example(line).to_vec() }
    }

    /// The example as it can be shown anywhere.
    pub fn shown(&self) -> String {
        shown(&self.example)
    }

    /// Adds lines to a list that has each reason once; the example that stands first is kept.
    pub fn add_to(self, list: &mut Vec<NearMiss>) {
        match list.iter_mut().find(|miss| miss.reason == self.reason) {
            Some(miss) => {
                miss.lines = miss.lines.saturating_add(self.lines);
                if self.at < miss.at {
                    (miss.at, miss.example) = (self.at, self.example);
                }
            }
            None => list.push(self),
        }
    }
}

/// The beginning of a line, cut between characters, without its line end.
fn example(line: &[u8]) -> &[u8] {
    let line = &line[..memchr::memchr(b'\n', line).unwrap_or(line.len())];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() <= EXAMPLE {
        return line;
    }
    // A character has at most four bytes.
    let end = (EXAMPLE - 3..=EXAMPLE).rev().find(|end| line[*end] & 0xc0 != 0x80);
    &line[..end.unwrap_or(EXAMPLE)]
}

/// Strangers' bytes as text for a terminal or a page: control characters are shown as pictures, UTF-16 as its letters.
pub fn shown(bytes: &[u8]) -> String {
    let wide = bytes.len() > 8 && bytes.iter().take(16).filter(|byte| **byte == 0).count() >= 4;
    let narrow: Vec<u8>;
    let bytes = if wide {
        narrow = bytes.iter().copied().filter(|byte| *byte != 0 && *byte < 0xfe).collect();
        &narrow[..]
    } else {
        bytes
    };
    let picture = |c: char| match c {
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        c if c.is_control() || is_invisible(c) => '\u{fffd}',
        c => c,
    };
    String::from_utf8_lossy(bytes).chars().map(picture).collect()
}

/// What turns the order of text or hides in it.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_of_reasons_read_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), reason);
            assert_eq!(Reason::from(reason.name().to_owned()), reason);
            assert!(reason.remedy().ends_with('.') && !reason.what().ends_with('.'), "{reason}");
        }
        assert_eq!((Reason::from_code(0), Reason::from_code(99)), (Reason::Other, Reason::Other));
        assert_eq!(Reason::from("of tomorrow".to_owned()), Reason::Other);
    }

    #[test]
    fn an_example_is_one_line_cut_between_characters() {
        let of = |line: &str| NearMiss::new(Reason::Time, 1, Offset(0), line.as_bytes()).shown();
        assert_eq!(of("[x][BYE]\r\nBYE sip:a"), "[x][BYE]");
        let long = of(&"\u{1f600}".repeat(100));
        assert_eq!((long.len(), long.contains('\u{fffd}')), (256, false));
        let odd = of(&format!("ab{}", "\u{1f600}".repeat(100)));
        assert_eq!((odd.len(), odd.contains('\u{fffd}')), (254, false));
        assert_eq!(NearMiss::new(Reason::Time, 1, Offset(0), &[0x80; 300]).example.len(), EXAMPLE);
    }

    #[test]
    fn what_is_shown_does_nothing_to_a_terminal() {
        assert_eq!(shown(b"a\x1b[31m\tb\x07\x7f\xff"), "a\u{241b}[31m\u{2409}b\u{2407}\u{2421}\u{fffd}");
        assert_eq!(shown("\u{feff}a\u{202e}b\u{85}".as_bytes()), "\u{fffd}a\u{fffd}b\u{fffd}");
        assert_eq!(shown(b"\xff\xfe[\x002\x000\x002\x006\x00]\x00"), "[2026]");
    }

    #[test]
    fn lines_of_one_reason_are_one_entry_with_the_first_example() {
        let miss = |at, text: &str| NearMiss::new(Reason::Method, 2, Offset(at), text.as_bytes());
        let mut list = Vec::new();
        for one in [miss(50, "b"), miss(7, "a"), miss(90, "c"), NearMiss { reason: Reason::Time, ..miss(1, "d") }] {
            one.add_to(&mut list);
        }
        assert_eq!(list, [NearMiss { lines: 6, ..miss(7, "a") }, NearMiss { reason: Reason::Time, ..miss(1, "d") }]);
    }
}
