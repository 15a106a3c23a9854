//! The default layout, read from right to left: `prefix[time][method][source][destination]`.

use memchr::memrchr2;

use super::Fields;

/// Four touching groups with balanced inner brackets that end the line; what stands before them is the prefix.
pub(super) fn split(line: &[u8]) -> Option<Fields<'_>> {
    let (rest, destination) = group(line)?;
    let (rest, source) = group(rest)?;
    let (rest, method) = group(rest)?;
    let (prefix, time) = group(rest)?;
    Some(Fields { prefix, time, method, source, destination })
}

/// What stands before the last group of `line`, and the inside of that group.
fn group(line: &[u8]) -> Option<(&[u8], &[u8])> {
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
    }

    #[test]
    fn the_last_four_touching_groups_are_the_fields() {
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
        check("[t][m][s][d]]", None);
        check("[t][m][s]d]", None);
    }

    #[test]
    fn what_does_not_touch_or_does_not_end_the_line_is_no_header() {
        for line in ["", "]", "[", "[t] [m][s][d]", "[t][m][s][d] ", "[t][m][s]", "t][m][s][d]", "]]]]]]]]", "[[[[[[[["]
        {
            check(line, None);
        }
    }
}
