//! The word that was meant, where one was written that is not known.

use strsim::damerau_levenshtein;

/// Longer words are no slip of the pen.
const LONGEST: usize = 40;

/// At most so many known words are looked at.
const MOST: usize = 1_000;

/// The known word that is so close that it must be meant; of equally close ones the first.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = written.chars().count();
    if length > LONGEST {
        return None;
    }
    let lower = written.to_lowercase();
    let known = known.into_iter().take(MOST).filter(|word| word.len() <= LONGEST);
    let far = |word: &str| damerau_levenshtein(&lower, &word.to_lowercase());
    let (distance, word) = known.map(|word| (far(word), word)).min_by_key(|(distance, _)| *distance)?;
    (distance <= (length / 3).clamp(1, 2)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_known_and_another_word_is_not() {
        let known = ["caller", "callee", "device", "from"];
        for (written, meant) in [
            ("calller", Some("caller")),
            ("form", Some("from")),
            ("DEVICE", Some("device")),
            ("edge", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
        assert_eq!(nearest(&"caller".repeat(1_000), known), None);
    }
}
