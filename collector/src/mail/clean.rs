//! What a mail shows of values that come from messages, which are a stranger's. Pure.

use super::notice::Mask;

/// Longer values are cut.
const MOST: usize = 80;

/// Without characters that move a cursor, turn the text around or have no picture, and short enough for a line.
pub fn clean(text: &str) -> String {
    let shown: Vec<char> = text.chars().filter(|letter| !is_hidden(*letter)).map(plain).collect();
    if shown.len() <= MOST {
        return shown.iter().collect::<String>().trim().to_owned();
    }
    let cut: String = shown[..MOST - 3].iter().collect();
    format!("{}...", cut.trim())
}

/// A number of a caller or callee as this reader may see it.
pub fn masked(text: &str, mask: Mask) -> String {
    match mask {
        Mask::None => clean(text),
        Mask::Last3 => clean(&digits(text, 4, "...", 3)),
        Mask::All => "...".to_owned(),
    }
}

/// Numbers within a sentence: runs of digits as long as those of telephones, so times, ports and statuses stay.
pub fn masked_within(text: &str, mask: Mask) -> String {
    match mask {
        Mask::None => clean(text),
        Mask::Last3 => clean(&digits(text, 6, "...", 3)),
        Mask::All => clean(&digits(text, 6, "...", 0)),
    }
}

/// Runs of at least so many digits, with what is usually written within numbers, show their last ones.
fn digits(text: &str, least: usize, instead: &str, last: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    let end = |run: &mut String, out: &mut String| {
        let figures: Vec<char> = run.chars().filter(char::is_ascii_digit).collect();
        if figures.len() >= least {
            out.push_str(instead);
            out.extend(&figures[figures.len() - last..]);
        } else {
            out.push_str(run);
        }
        run.clear();
    };
    for letter in text.chars() {
        if letter.is_ascii_digit() || (letter == '+' && run.is_empty()) {
            run.push(letter);
        } else {
            end(&mut run, &mut out);
            out.push(letter);
        }
    }
    end(&mut run, &mut out);
    out
}

/// Any blank is a blank.
fn plain(letter: char) -> char {
    if letter.is_whitespace() { ' ' } else { letter }
}

fn is_hidden(letter: char) -> bool {
    (letter.is_control() && !letter.is_whitespace())
        || matches!(
            letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A word of a config as it may stand in a header: ASCII, on one line.
pub fn ascii(text: &str) -> String {
    let plain = text.chars().map(|letter| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' });
    plain.take(200).collect::<String>().split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A label of a domain.
pub fn label(text: &str) -> String {
    let plain =
        text.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' });
    let label: String = plain.take(60).collect();
    let label = label.trim_matches('-');
    if label.is_empty() { "team".to_owned() } else { label.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_picture_or_turns_text_around_is_left_out() {
        assert_eq!(clean("a\u{202e}lice\r\nBcc: x@example.com\u{0}\u{1b}[2J"), "alice  Bcc: x@example.com[2J");
        assert_eq!(clean("\u{feff} bob\u{200b} "), "bob");
        assert_eq!(clean("Jürgen 日本"), "Jürgen 日本");
        let long = clean(&"x".repeat(300));
        assert_eq!((long.chars().count(), long.ends_with("x...")), (80, true));
    }

    #[test]
    fn numbers_show_as_much_as_the_team_may_see() {
        for (text, last3, none) in [
            ("+4930123482", "...482", "+4930123482"),
            ("119", "119", "119"),
            ("1119", "...119", "1119"),
            ("alice", "alice", "alice"),
            ("agent-4930123482", "agent-...482", "agent-4930123482"),
        ] {
            assert_eq!(masked(text, Mask::Last3), last3);
            assert_eq!(masked(text, Mask::None), none);
            assert_eq!(masked(text, Mask::All), "...");
        }
        let sentence = "486 from sip:+4930123482@192.168.100.200:5060 at 12:05:11Z";
        assert_eq!(masked_within(sentence, Mask::Last3), "486 from sip:...482@192.168.100.200:5060 at 12:05:11Z");
        assert_eq!(masked_within(sentence, Mask::All), "486 from sip:...@192.168.100.200:5060 at 12:05:11Z");
        assert_eq!(masked_within(sentence, Mask::None), sentence);
    }

    #[test]
    fn words_of_a_config_are_fit_for_headers() {
        assert_eq!(ascii("Gerät\r\nBcc: x"), "Ger?t??Bcc: x");
        assert_eq!(label("On call, Voice!"), "on-call--voice");
        assert_eq!(label("日本"), "team");
    }
}
