//! Bytes of a stranger as text that can be shown: what has no picture of its own, or would turn the line around, is named.

use record::redact::Mask;

/// A run of text with one look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    pub text: String,
    pub look: Look,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    Plain,
    Strong,
    /// Lights up with its other places; the number of its colour.
    Mark(usize),
    /// The name of a control character or of a byte that is no text.
    Control,
    /// It was masked before it left its host.
    Masked,
}

/// Text as it stands, with what cannot be shown named. Line ends stay; `line_ends` names them too.
pub fn pieces(bytes: &[u8], line_ends: bool) -> Vec<Piece> {
    let mut out = Vec::new();
    for chunk in bytes.utf8_chunks() {
        let mut letters = chunk.valid().chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '\r' if letters.peek() == Some(&'\n') && !line_ends => {}
                '\n' if line_ends => {
                    named(&mut out, "LF");
                    plain(&mut out, '\n');
                }
                '\n' | '\t' => plain(&mut out, letter),
                _ => match name(letter) {
                    Some(name) => named(&mut out, &name),
                    None => plain(&mut out, letter),
                },
            }
        }
        chunk.invalid().iter().for_each(|byte| named(&mut out, &format!("x{byte:02X}")));
    }
    out
}

/// The same, with masked ranges told: `at` of each mask counts from the start of `bytes`.
pub fn masked(bytes: &[u8], masks: &[Mask], line_ends: bool) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut from = 0;
    for mask in masks {
        let start = (mask.at as usize).clamp(from, bytes.len());
        let end = start.saturating_add(mask.len as usize).min(bytes.len());
        out.extend(pieces(&bytes[from..start], line_ends));
        let text = format!("masked, {} bytes", mask.len_before);
        out.push(Piece { text, look: Look::Masked });
        from = end;
    }
    out.extend(pieces(&bytes[from..], line_ends));
    out
}

/// Plain text alone, without markup: for attributes.
pub fn flat(bytes: &[u8]) -> String {
    pieces(bytes, false).into_iter().map(|piece| piece.text).collect()
}

/// The name of a character that has no picture or that changes the direction of what follows.
fn name(letter: char) -> Option<String> {
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

fn plain(out: &mut Vec<Piece>, letter: char) {
    match out.last_mut() {
        Some(Piece { text, look: Look::Plain }) => text.push(letter),
        _ => out.push(Piece { text: letter.into(), look: Look::Plain }),
    }
}

fn named(out: &mut Vec<Piece>, name: &str) {
    out.push(Piece { text: name.to_owned(), look: Look::Control });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8], line_ends: bool) -> String {
        let text = |piece: Piece| match piece.look {
            Look::Control => format!("‹{}›", piece.text),
            Look::Masked => format!("[{}]", piece.text),
            _ => piece.text,
        };
        pieces(bytes, line_ends).into_iter().map(text).collect()
    }

    #[test]
    fn what_cannot_be_shown_is_named() {
        assert_eq!(shown(b"a\x1b[1m\0", false), "a‹ESC›[1m‹NUL›");
        assert_eq!(shown(b"\xff\xc3\xa9\xe2\x82", false), "‹xFF›é‹xE2›‹x82›");
        assert_eq!(shown("x\u{202e}gpj.exe\u{2066}".as_bytes(), false), "x‹U+202E›gpj.exe‹U+2066›");
    }

    #[test]
    fn line_ends_are_drawn_on_demand_and_a_bare_cr_always() {
        assert_eq!(shown(b"a\r\nb\nc\rd", false), "a\nb\nc‹CR›d");
        assert_eq!(shown(b"a\r\nb\nc\rd", true), "a‹CR›‹LF›\nb‹LF›\nc‹CR›d");
    }

    #[test]
    fn a_mask_is_told_with_its_length() {
        let masks = [Mask { at: 2, len: 3, len_before: 40 }, Mask { at: 90, len: 3, len_before: 1 }];
        let text: Vec<String> = masked(b"a ***, b", &masks, false).into_iter().map(|piece| piece.text).collect();
        assert_eq!(text, ["a ", "masked, 40 bytes", ", b", "masked, 1 bytes"]);
    }
}
