//! Text and numbers of strangers on their way into columns.

/// PostgreSQL has no NUL in text; it is shown as the replacement character.
pub(crate) fn clean(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() }
}

/// At most `most` bytes, cut between characters.
pub(crate) fn capped(text: &str, most: usize) -> String {
    clean(&text[..text.floor_char_boundary(most)])
}

/// The least text that is greater than all that begin with this one; none where there is none.
pub(crate) fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The range of `char` steps over the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// An offset or a count as a column holds it. What is beyond 63 bits is nonsense, and stays great.
pub(crate) fn big(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Back from a column.
pub(crate) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_text() {
        assert_eq!(after_prefix("+12").as_deref(), Some("+13"));
        assert_eq!(after_prefix("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{10ffff}"), None);
    }

    #[test]
    fn text_is_cut_between_characters_and_has_no_nul() {
        assert_eq!(capped("häß", 2), "h");
        assert_eq!(capped("a\0b", 10), "a\u{fffd}b");
        assert_eq!(big(u64::MAX), i64::MAX);
    }
}
