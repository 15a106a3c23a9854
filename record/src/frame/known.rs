//! Known lines: what tells a noise line from a line of a message.

use nom::branch::alt;
use nom::bytes::complete::{tag, take, take_while};
use nom::character::complete::{alpha1, digit1, one_of, space0, space1};
use nom::combinator::{opt, recognize, verify};
use nom::{IResult, Parser};

use crate::format::without_bom;

/// The prefix before a header is kept up to this many bytes.
const SHAPE: usize = 256;
/// A level word must stand this near to the start of a line.
const LEVEL_WITHIN: usize = 80;

const LEVELS: [&[u8]; 16] = [
    b"TRACE",
    b"DEBUG",
    b"INFO",
    b"NOTICE",
    b"WARN",
    b"WARNING",
    b"ERROR",
    b"ERR",
    b"CRITICAL",
    b"CRIT",
    b"ALERT",
    b"EMERG",
    b"FATAL",
    b"SEVERE",
    b"FINE",
    b"BUG",
];
const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// The shape of a record's own header prefix, the first bytes of its line: the prefix up to its first time of day, else
/// up to its first level word, else all of it. A level word alone would match too much: the byte after it belongs to it.
pub fn shape(line: &[u8], prefix: usize) -> &[u8] {
    let unmarked = without_bom(&line[..prefix]).len();
    let (line, prefix) = (&line[prefix - unmarked..], unmarked);
    let text = &line[..prefix];
    let end = time_of_day_end(text).or_else(|| level_shape_end(line, prefix)).unwrap_or(prefix);
    let shape = &line[..end.min(SHAPE)];
    // Blanks alone would make noise of every indented line.
    if shape.iter().all(|b| is_blank(*b)) { &[] } else { shape }
}

fn level_shape_end(line: &[u8], prefix: usize) -> Option<usize> {
    let end = level_end(&line[..prefix])?;
    let alone = line[..end].trim_ascii_start().iter().all(u8::is_ascii_alphabetic);
    Some(if alone { (end + 1).min(line.len()) } else { end })
}

/// Digits match any digits, a level word any level word of the same case (`INFO`, `Info`, `info`), a month any month,
/// blanks any blanks, the rest itself.
#[inline]
pub fn has_shape(line: &[u8], shape: &[u8]) -> bool {
    !shape.is_empty() && has_that_shape(line, shape)
}

fn has_that_shape(line: &[u8], shape: &[u8]) -> bool {
    let (mut line, mut shape) = (line.trim_ascii_start(), shape.trim_ascii_start());
    while let Some(first) = shape.first() {
        let (in_shape, in_line) = if first.is_ascii_digit() {
            (run(shape, |b| b.is_ascii_digit()), run(line, |b| b.is_ascii_digit()))
        } else if is_blank(*first) {
            (run(shape, is_blank), run(line, is_blank))
        } else if let Ok((_, word)) = level(shape) {
            let other = level(line).ok().filter(|(_, other)| case(other) == case(word));
            (word.len(), other.map_or(0, |(_, other)| other.len()))
        } else if let Ok((_, word)) = month(shape) {
            (word.len(), month(line).map_or(0, |(_, other)| other.len()))
        } else if first.is_ascii_alphabetic() {
            let word = run(shape, |b| b.is_ascii_alphabetic());
            (word, if line.starts_with(&shape[..word]) { word } else { 0 })
        } else {
            (1, usize::from(line.first() == Some(first)))
        };
        if in_line == 0 {
            return false;
        }
        (line, shape) = (&line[in_line..], &shape[in_shape..]);
    }
    true
}

/// Date and time at the line start with a level word near, or `N(PID) LEVEL:`.
#[inline]
pub fn is_common_noise(line: &[u8]) -> bool {
    // Cheap first: most lines of a message begin with a letter.
    let begins =
        matches!(line, [b'0'..=b'9' | b'[' | b' ' | b'J' | b'F' | b'M' | b'A' | b'S' | b'O' | b'N' | b'D', ..]);
    begins && begins_like_noise(line)
}

fn begins_like_noise(line: &[u8]) -> bool {
    let near = line.strip_prefix(b"[").unwrap_or(line);
    process_line(line.trim_ascii_start()).is_ok()
        || (date_and_time(near).is_ok() && level_end(&near[..near.len().min(LEVEL_WITHIN)]).is_some())
}

/// What a grammar says of the beginning of a line: the rest, and what was taken.
type Taken<'a> = IResult<&'a [u8], &'a [u8], ()>;

/// `2(28536) INFO:`, as Kamailio and its kin write.
fn process_line(line: &[u8]) -> Taken<'_> {
    recognize((digit1, tag("("), digit1, tag(")"), space0, level, tag(":"))).parse(line)
}

fn date_and_time(line: &[u8]) -> Taken<'_> {
    let between = take_while(|b| is_blank(b) || b == b'T');
    recognize((date, between, opt(tag(":")), two_digits, tag(":"), two_digits)).parse(line)
}

/// `2026-11-23`, `2026/11/23`, `23/Nov/2026`, `Nov 23`.
fn date(line: &[u8]) -> Taken<'_> {
    let number = |most| verify(digit1, move |digits: &[u8]| digits.len() <= most);
    let separator = || one_of("-/.");
    let part = || alt((number(4), month));
    let numbers = (number(4), separator(), part(), separator(), part());
    alt((recognize((month, space1, number(2))), recognize(numbers))).parse(line)
}

/// The end of the first `HH:MM:SS`.
fn time_of_day_end(text: &[u8]) -> Option<usize> {
    // Its first colon is found much faster than its first digit.
    let starts = memchr::memchr_iter(b':', text).filter_map(|colon| colon.checked_sub(2));
    let mut alone = starts.filter(|at| *at == 0 || !text[at - 1].is_ascii_digit());
    let (rest, _) = alone.find_map(|at| time_of_day(&text[at..]).ok())?;
    Some(text.len() - rest.len())
}

/// The end of the first level word that stands alone.
fn level_end(text: &[u8]) -> Option<usize> {
    let begins_a_word =
        |at: &usize| text[*at].is_ascii_alphabetic() && (*at == 0 || !text[at - 1].is_ascii_alphanumeric());
    let (rest, _) = (0..text.len()).filter(begins_a_word).find_map(|at| level(&text[at..]).ok())?;
    Some(text.len() - rest.len())
}

fn time_of_day(text: &[u8]) -> Taken<'_> {
    recognize((two_digits, tag(":"), two_digits, tag(":"), two_digits)).parse(text)
}

fn two_digits(text: &[u8]) -> Taken<'_> {
    verify(take(2_usize), |two: &[u8]| two.iter().all(u8::is_ascii_digit)).parse(text)
}

fn level(text: &[u8]) -> Taken<'_> {
    word(&LEVELS, text)
}

fn month(text: &[u8]) -> Taken<'_> {
    word(&MONTHS, text)
}

/// A whole word that is one of these, in any case.
fn word<'a>(words: &[&[u8]], text: &'a [u8]) -> Taken<'a> {
    let known = |word: &[u8]| (3..=8).contains(&word.len()) && words.iter().any(|one| one.eq_ignore_ascii_case(word));
    verify(alpha1, known).parse(text)
}

#[derive(PartialEq)]
enum Case {
    Upper,
    Lower,
    Capital,
    Mixed,
}

fn case(word: &[u8]) -> Case {
    let lower = |text: &[u8]| text.iter().all(u8::is_ascii_lowercase);
    match word {
        word if lower(word) => Case::Lower,
        word if word.iter().all(u8::is_ascii_uppercase) => Case::Upper,
        [_, rest @ ..] if lower(rest) => Case::Capital,
        _ => Case::Mixed,
    }
}

fn run(text: &[u8], is: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|b| is(**b)).count()
}

pub fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use regex::bytes::Regex;

    use super::*;

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).expect("text")
    }

    /// Of the prefix of a header line.
    fn shape_of(prefix: &str) -> String {
        let line = format!("{prefix}[1795463450][BYE][a][b]");
        text(shape(line.as_bytes(), prefix.len())).to_owned()
    }

    #[test]
    fn a_shape_ends_with_the_first_time_of_day_or_level_word() {
        let check = |prefix: &str, expect: &str| assert_eq!(shape_of(prefix), expect);
        check("2026-11-23 19:53:58.132 INFO  [Thread-0] c.e.Transport - ", "2026-11-23 19:53:58");
        check(" 2(28536) INFO: {1}<script>: ", " 2(28536) INFO");
        check("myapp[7]: ", "myapp[7]: ");
        check("[INFO ] app: ", "[INFO");
        check("    ", "");
    }

    #[test]
    fn a_level_word_alone_keeps_the_byte_behind_it() {
        for (prefix, expect) in
            [("INFO:root:", "INFO:"), (" info: ", " info:"), ("INFO  [main] ", "INFO "), ("INFO", "INFO[")]
        {
            assert_eq!(shape_of(prefix), expect);
        }
    }

    #[test]
    fn lines_of_the_same_logger_have_the_shape() {
        let check = |line: &str, prefix: &str, expect: bool| {
            assert_eq!(has_shape(line.as_bytes(), shape_of(prefix).as_bytes()), expect, "{line}");
        };
        check("12(7) ERROR: tm: no memory", " 2(28536) INFO: {1}<script>: ", true);
        check("v=0", " 2(28536) INFO: {1}<script>: ", false);
        check("2026-01-02 00:00:00.000 WARN x", "2026-11-23 19:53:58.132 INFO - ", true);
        check("2026-01-02", "2026-11-23 19:53:58.132 INFO - ", false);
        check("Dec  1 01:02:03 host app", "Nov 23 19:53:58 host app: ", true);
        check("myapp[12]: x", "myapp[7]: ", true);
        check("myapplication", "myapp[7]: ", false);
        check("WARNING:urllib3:x", "INFO:root:", true);
        for line in ["INFO sip:bob@example.com SIP/2.0", "Info: x", "warning: x", "Alert-Info: x", "INFO"] {
            check(line, "INFO:root:", false);
        }
        check("error: x", "info: ", true);
        check("Alert-Info: x", "Info: ", false);
        check("ERROR [main] x", "INFO  [main] ", true);
    }

    #[test]
    fn common_loggers_are_known_without_a_header() {
        let noise = [
            "2026-11-23 20:54:20.641 INFO  [Thread-0] started",
            "2026/11/23 20:54:20 [error] upstream",
            "[2026-11-23T20:54:20Z] warn: x",
            "Nov 23 20:54:20 host app[3]: ERROR x",
            "23/Nov/2026:20:54:20 +0000 INFO x",
            " 0(16652) INFO: <core> [main.c:3055]: main()",
        ];
        for line in noise {
            assert!(is_common_noise(line.as_bytes()), "{line}");
        }
        let far = format!("2026-11-23 20:54:20 {} INFO", "x".repeat(60));
        for line in [
            "v=0",
            "2026-11-23",
            "2026-11-23 20:54:20 no level",
            &far,
            "Date: Mon, 23 Nov 2026 20:54:20 GMT INFO",
            "10(x) INFO:",
            "Subject: INFO",
        ] {
            assert!(!is_common_noise(line.as_bytes()), "{line}");
        }
    }

    /// The same said by a regular expression, which is too slow for each line of a log.
    fn by_pattern(line: &[u8]) -> bool {
        static PATTERN: LazyLock<[Regex; 3]> = LazyLock::new(|| {
            let any = |words: &[&[u8]]| words.iter().map(|word| text(word)).collect::<Vec<_>>().join("|");
            let (level, month) = (any(&LEVELS), any(&MONTHS));
            let time = "[0-9]{2}:[0-9]{2}";
            // Digits go on to the last one, so a number and a time stand apart.
            let behind_number = format!("(?:(?-i:[ \\tT]+):?|:){time}");
            let behind_month = format!("(?:[ \\t](?-i:[ \\tT])*)?:?{time}");
            let numbers = format!("[0-9]{{1,4}}[-/.](?:[0-9]{{1,4}}|{month})[-/.]");
            let dated = format!(
                "(?:{month})[ \\t]+[0-9]{{1,2}}{behind_number}|{numbers}[0-9]{{1,4}}{behind_number}|{numbers}(?:{month}){behind_month}"
            );
            let regex = |text: &str| Regex::new(&format!("(?i-u){text}")).expect("a pattern");
            [
                regex(&format!(r"^[ \t\r\n\x0c]*[0-9]+\([0-9]+\)[ \t]*(?:{level}):")),
                regex(&format!("^(?:{dated})")),
                regex(&format!(r"(?:^|[^0-9a-z])(?:{level})(?:[^a-z]|$)")),
            ]
        });
        let near = line.strip_prefix(b"[").unwrap_or(line);
        let first = line.first().is_some_and(|first| b"0123456789[ JFMASOND".contains(first));
        let level = || PATTERN[2].is_match(&near[..near.len().min(LEVEL_WITHIN)]);
        first && (PATTERN[0].is_match(line) || (PATTERN[1].is_match(near) && level()))
    }

    proptest! {
        #[test]
        fn a_common_line_is_what_its_pattern_says(pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..12)) {
            let line = pieces.concat();
            prop_assert_eq!(is_common_noise(line.as_bytes()), by_pattern(line.as_bytes()), "{}", line);
        }

        /// Most lines of the one above are none.
        #[test]
        fn a_line_with_a_date_is_what_its_pattern_says(
            date in "\\[?([0-9]{1,5}[-/.](Nov|[0-9]{1,5})[-/.](DEC|[0-9]{1,5})|(Nov|may) {0,2}[0-9]{1,3})",
            between in "[ T\t]{0,2}:?", time in "[0-9]{1,3}:[0-9]{1,3}", rest in "[ a\\[]{0,2}(INFO|Warn|err|x)[ a:]?",
        ) {
            let line = [date, between, time, rest].concat();
            prop_assert_eq!(is_common_noise(line.as_bytes()), by_pattern(line.as_bytes()), "{}", line);
        }
    }

    const PIECES: [&str; 21] = [
        "2026",
        "11",
        "7",
        "-",
        "/",
        ".",
        ":",
        " ",
        "\t",
        "T",
        "19:53",
        "Nov",
        "nov",
        "INFO",
        "warn",
        "(",
        ")",
        "[",
        "x",
        "2026-11-23 ",
        "(7) ",
    ];
}
