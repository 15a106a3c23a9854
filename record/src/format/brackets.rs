//! The default layout, read from right to left: `prefix[time][method][source][destination]`. Blanks and colour codes may
//! stand between the groups and after the last one.

use memchr::memrchr2;

use super::Fields;

/// Codes of terminals are short.
const LONGEST_CODE: usize = 32;

/// Four groups with balanced inner brackets that end the line; what stands before them is the prefix.
pub(super) fn split(line: &[u8]) -> Option<Fields<'_>> {
    let (rest, destination) = group(trim(line))?;
    let mut apart = false;
    let mut before = |rest| {
        let trimmed = trim(rest);
        apart |= rest[trimmed.len()..].iter().any(|b| is_blank(*b));
        group(trimmed)
    };
    let (rest, source) = before(rest)?;
    let (rest, method) = before(rest)?;
    let (prefix, time) = before(rest)?;
    Some(Fields { prefix, time, method, source, destination, apart })
}

/// The line ends in a group, so that it can be a header. Cheap: it is asked for each line.
#[inline]
pub(super) fn ends_in_group(line: &[u8]) -> bool {
    match line {
        [.., b']'] => true,
        // A blank, or the letter of a colour code.
        [.., before, last] if is_blank(*last) || ends_code(*before, *last) => trim(line).last() == Some(&b']'),
        _ => false,
    }
}

/// The last two bytes are those of a colour code, as it seems.
fn ends_code(before: u8, last: u8) -> bool {
    matches!(last, b'm' | b'K') && (before == b'[' || is_parameter(before))
}

/// Without the blanks and colour codes at its end.
pub(super) fn trim(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [rest @ .., last] if is_blank(*last) => rest,
            [rest @ .., b'm' | b'K'] => match before_code(rest) {
                Some(rest) => rest,
                None => return text,
            },
            _ => return text,
        };
    }
}

/// Nothing but blanks and colour codes, which may stand between two groups.
pub(super) fn may_stand_between(text: &[u8]) -> bool {
    trim(text).is_empty()
}

/// Without its colour codes.
pub(super) fn without_codes(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    for byte in line {
        out.push(*byte);
        if matches!(byte, b'm' | b'K')
            && let Some(before) = before_code(&out[..out.len() - 1])
        {
            out.truncate(before.len());
        }
    }
    out
}

/// What stands before a code of which only the last letter is missing: `ESC [ 0 m` sets a colour, `ESC [ K` clears the rest
/// of the line.
fn before_code(text: &[u8]) -> Option<&[u8]> {
    let parameters = text.iter().rev().take(LONGEST_CODE).take_while(|b| is_parameter(**b)).count();
    text[..text.len() - parameters].strip_suffix(b"\x1b[")
}

/// Of a colour code, between `ESC [` and its last letter.
fn is_parameter(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b';' | b':')
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// What stands before the last group of `line`, and the inside of that group.
pub(super) fn group(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&b']', inside) = line.split_last()? else { return None };
    let mut depth = 1_usize;
    let mut end = inside.len();
    while let Some(at) = memrchr2(b'[', b']', &inside[..end]) {
        depth = if inside[at] == b']' { depth + 1 } else { depth - 1 };
        if depth == 0 {
            return Some((&inside[..at], &inside[at + 1..]));
        }
        end = at;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: Option<[&str; 5]>) {
        let found = split(line.as_bytes()).map(|f| [f.prefix, f.time, f.method, f.source, f.destination]);
        assert_eq!(found, expect.map(|fields| fields.map(str::as_bytes)), "{line}");
        assert!(found.is_none() || ends_in_group(line.as_bytes()), "{line}");
    }

    fn is_apart(line: &str) -> bool {
        split(line.as_bytes()).expect("four groups").apart
    }

    #[test]
    fn the_last_four_groups_are_the_fields() {
        check("[t][m][s][d]", Some(["", "t", "m", "s", "d"]));
        check("INFO [main] - [t][m][s][d]", Some(["INFO [main] - ", "t", "m", "s", "d"]));
        check("[main][t][m][s][d]", Some(["[main]", "t", "m", "s", "d"]));
        check("x] [t][m][s][d]", Some(["x] ", "t", "m", "s", "d"]));
        check("[][][][]", Some(["", "", "", "", ""]));
    }

    #[test]
    fn brackets_inside_a_field_are_balanced() {
        check("[t][m][sip:[2001:db8::1]:5060][sip:[::1]]", Some(["", "t", "m", "sip:[2001:db8::1]:5060", "sip:[::1]"]));
        check("[t][m][[[s]]][[][]]", Some(["", "t", "m", "[[s]]", "[][]"]));
        check("[t[Europe/Berlin]][m][s][d]", Some(["", "t[Europe/Berlin]", "m", "s", "d"]));
        check("[t][m][s][d]]", None);
        check("[t][m][s]d]", None);
    }

    #[test]
    fn blanks_and_colours_may_stand_between_and_behind_the_groups() {
        let fields = |prefix| Some([prefix, "t", "m", "s", "d"]);
        check("[t] [m]\t[s]  [d]", fields(""));
        check("[t][m][s][d] \t ", fields(""));
        check("[t][m][s][d]\x1b[0m", fields(""));
        check("[t][m][s][d]\x1b[m\x1b[K", fields(""));
        check("[t][m][s][d] \x1b[0m \x1b[38;5;12m", fields(""));
        check("\x1b[32m[t][m]\x1b[1;31m[s]\x1b[0m [d]\x1b[0m", fields("\x1b[32m"));
        for (line, apart) in [("[t][m][s][d]  ", false), ("[t]\x1b[0m[m][s][d]", false), ("[t][m] [s][d]", true)] {
            assert_eq!(is_apart(line), apart, "{line:?}");
        }
    }

    #[test]
    fn what_is_not_in_groups_to_the_end_of_the_line_is_no_header() {
        for line in [
            "",
            "]",
            "[",
            "[t]-[m][s][d]",
            "[t][m][s][d].",
            "[t][m][s]",
            "t][m][s][d]",
            "]]]]]]]]",
            "[[[[[[[[",
            "[t][m][s][d]\x1b[0",
            "[t][m][s][d][0m",
            "[t][m][s][d]0m",
            "[t][m][s][d]m",
            "m",
            "\x1b[0m",
        ] {
            check(line, None);
        }
    }
}
