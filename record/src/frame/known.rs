//! Known lines: what tells a noise line from a line of a message.

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
/// up to its first level word, else all of it. A level word alone would match too much: the byte behind it belongs to it.
pub fn shape(line: &[u8], prefix: usize) -> &[u8] {
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
pub fn has_shape(line: &[u8], shape: &[u8]) -> bool {
    if shape.is_empty() {
        return false;
    }
    let (mut line, mut shape) = (line.trim_ascii_start(), shape.trim_ascii_start());
    while let Some(first) = shape.first() {
        let (in_shape, in_line) = if first.is_ascii_digit() {
            (run(shape, |b| b.is_ascii_digit()), run(line, |b| b.is_ascii_digit()))
        } else if is_blank(*first) {
            (run(shape, is_blank), run(line, is_blank))
        } else if let Some(word) = word_at(shape, &LEVELS) {
            let level = word_at(line, &LEVELS).filter(|len| case(&line[..*len]) == case(&shape[..word]));
            (word, level.unwrap_or(0))
        } else if let Some(month) = word_at(shape, &MONTHS) {
            (month, word_at(line, &MONTHS).unwrap_or(0))
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
pub fn is_common_noise(line: &[u8]) -> bool {
    // Cheap first: most lines of a message begin with a letter.
    match line.first() {
        Some(b'0'..=b'9' | b'[' | b' ' | b'J' | b'F' | b'M' | b'A' | b'S' | b'O' | b'N' | b'D') => {}
        _ => return false,
    }
    if is_process_line(line) {
        return true;
    }
    let start = line.strip_prefix(b"[").unwrap_or(line);
    let Some(date) = date_end(start) else { return false };
    let after = run(&start[date..], |b| is_blank(b) || b == b'T');
    let near = &start[..start.len().min(LEVEL_WITHIN)];
    starts_with_time(&start[date + after..]) && level_end(near).is_some()
}

/// ` 2(28536) INFO:`, as Kamailio and its kin write.
fn is_process_line(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    let number = run(line, |b| b.is_ascii_digit());
    let Some(rest) = line[number..].strip_prefix(b"(").filter(|_| number > 0) else { return false };
    let pid = run(rest, |b| b.is_ascii_digit());
    let Some(rest) = rest[pid..].strip_prefix(b")").filter(|_| pid > 0) else { return false };
    let rest = &rest[run(rest, is_blank)..];
    word_at(rest, &LEVELS).is_some_and(|word| rest.get(word) == Some(&b':'))
}

/// `2026-11-23`, `2026/11/23`, `23/Nov/2026`, `Nov 23`.
fn date_end(line: &[u8]) -> Option<usize> {
    if let Some(month) = word_at(line, &MONTHS) {
        let blanks = run(&line[month..], is_blank);
        let day = run(&line[month + blanks..], |b| b.is_ascii_digit());
        return (blanks > 0 && (1..=2).contains(&day)).then_some(month + blanks + day);
    }
    let mut at = 0;
    for part in 0..3 {
        let rest = &line[at..];
        let digits = run(rest, |b| b.is_ascii_digit());
        let len = if digits > 0 { digits } else { word_at(rest, &MONTHS).unwrap_or(0) };
        if len == 0 || len > 4 {
            return None;
        }
        at += len;
        if part < 2 {
            matches!(line.get(at), Some(b'-' | b'/' | b'.')).then_some(())?;
            at += 1;
        }
    }
    Some(at)
}

fn starts_with_time(line: &[u8]) -> bool {
    let line = line.strip_prefix(b":").unwrap_or(line);
    matches!(line, [a, b, b':', c, d, ..] if [a, b, c, d].iter().all(|x| x.is_ascii_digit()))
}

/// The end of the first `HH:MM:SS`.
fn time_of_day_end(text: &[u8]) -> Option<usize> {
    let digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    let pair = |at: usize| digit(at) && digit(at + 1);
    (0..text.len()).find_map(|at| {
        let alone = at == 0 || !digit(at - 1);
        let found = alone
            && pair(at)
            && text.get(at + 2) == Some(&b':')
            && pair(at + 3)
            && text.get(at + 5) == Some(&b':')
            && pair(at + 6);
        found.then_some(at + 8)
    })
}

/// The end of the first level word that stands alone.
fn level_end(text: &[u8]) -> Option<usize> {
    (0..text.len())
        .filter(|at| *at == 0 || !text[at - 1].is_ascii_alphanumeric())
        .find_map(|at| word_at(&text[at..], &LEVELS).map(|len| at + len))
}

/// The length of the whole word at the start, if it is one of these, in any case.
fn word_at(text: &[u8], words: &[&[u8]]) -> Option<usize> {
    let len = run(text, |b| b.is_ascii_alphabetic());
    let known = (3..=8).contains(&len) && words.iter().any(|word| word.eq_ignore_ascii_case(&text[..len]));
    known.then_some(len)
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
}
