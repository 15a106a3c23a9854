//! Text looked for in a message: header line, start line, header values and body; letters of either case.

use message::logged::Message;

/// The message as logged holds this text.
pub fn holds(message: &Message, text: &str) -> bool {
    contains(&message.raw, text.as_bytes())
}

/// Byte-wise, ASCII letters of either case.
fn contains(hay: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else { return true };
    let (low, high) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    let mut from = 0;
    while let Some(at) = hay[from..].iter().position(|byte| *byte == low || *byte == high) {
        let behind = from + at + 1;
        match hay.get(behind..behind + rest.len()) {
            None => return false,
            Some(part) if part.eq_ignore_ascii_case(rest) => return true,
            Some(_) => from = behind,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_in_either_case_and_at_the_ends() {
        for (hay, needle, expect) in [
            ("Call-ID: a@b\r\n\r\nv=0", "call-id", true),
            ("Call-ID: a@b\r\n\r\nv=0", "V=0", true),
            ("aab", "ab", true),
            ("ab", "abc", false),
            ("", "a", false),
            ("x", "", true),
            ("größe", "GRöße", true),
        ] {
            assert_eq!(contains(hay.as_bytes(), needle.as_bytes()), expect, "{needle} in {hay}");
        }
    }
}
