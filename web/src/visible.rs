//! Characters that have no picture, or that change the direction of what follows: every template names them, whatever text of
//! a stranger they stand in. A caller called `a<U+202E>lice` would otherwise look like another one in headings, columns and
//! titles. The fields of a form alone keep what was typed (`e("htm")` in the templates): it is sent again.

use std::fmt::{Result, Write};

/// The name of a character that has no picture or that changes the direction of what follows.
pub fn name(letter: char) -> Option<String> {
    const CONTROLS: [&str; 32] = [
        "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR", "SO", "SI", "DLE",
        "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US",
    ];
    match letter {
        '\0'..='\x1f' => CONTROLS.get(letter as usize).map(|name| (*name).to_owned()),
        '\x7f' => Some("DEL".to_owned()),
        // C1, marks of direction, zero width, line and paragraph separator, byte order mark.
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => Some(format!("U+{:04X}", letter as u32)),
        _ => None,
    }
}

/// What every template writes a value with (`askama.toml`): markup is escaped, and what cannot be seen is named in brackets.
#[derive(Clone, Copy, Debug)]
pub struct Visible;

impl askama::filters::Escaper for Visible {
    fn write_escaped_str<W: Write>(&self, mut to: W, text: &str) -> Result {
        let mut from = 0;
        for (at, letter) in text.char_indices() {
            let markup = match letter {
                '<' => "&#60;",
                '>' => "&#62;",
                '&' => "&#38;",
                '"' => "&#34;",
                '\'' => "&#39;",
                '\n' | '\r' | '\t' | ' '..='~' => continue,
                _ => match name(letter) {
                    None => continue,
                    Some(name) => {
                        to.write_str(&text[from..at])?;
                        write!(to, "\u{2039}{name}\u{203a}")?;
                        from = at + letter.len_utf8();
                        continue;
                    }
                },
            };
            to.write_str(&text[from..at])?;
            to.write_str(markup)?;
            from = at + 1;
        }
        to.write_str(&text[from..])
    }
}

#[cfg(test)]
mod tests {
    use askama::filters::Escaper;

    use super::*;

    fn shown(text: &str) -> String {
        let mut out = String::new();
        Visible.write_escaped_str(&mut out, text).unwrap();
        out
    }

    #[test]
    fn markup_is_escaped_and_what_cannot_be_seen_is_named() {
        assert_eq!(shown("<a href=\"x\">'&"), "&#60;a href=&#34;x&#34;&#62;&#39;&#38;");
        assert_eq!(shown("a\u{202e}lice \u{2066}é\u{1b}[1m\0"), "a‹U+202E›lice ‹U+2066›é‹ESC›[1m‹NUL›");
        assert_eq!(shown("two\r\nlines\t김 앨리스 🙂"), "two\r\nlines\t김 앨리스 🙂");
    }
}
